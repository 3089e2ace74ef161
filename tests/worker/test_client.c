/* SPDX-License-Identifier: MIT */
/* The public client against a server that answers what it is told, or hangs up. */
#include "support/check_main.h"
#include "support/fake_server.h"

#include <stdio.h>
#include <string.h>

#include <taskq/client.h>

enum { ANSWERS_MAX = 8 };

static struct {
    int status; /* 0: hang up */
    const char *body, *headers;
} answers[ANSWERS_MAX];
static unsigned answer_count, asked;
static fake_server *server;
static taskq_client *client;

/* The answers in their order, the last one for ever. */
static void answer_next(void *user, const fake_request *request, fake_answer *answer)
{
    (void)user;
    (void)request;
    unsigned i = asked < answer_count ? asked : answer_count - 1;
    asked++;
    answer->cut = answers[i].status == 0;
    answer->status = answers[i].status;
    answer->headers = answers[i].headers;
    answer->body = answers[i].body == NULL ? NULL : strdup(answers[i].body);
}

static void will_answer(int status, const char *body)
{
    fake_server_lock(server);
    answers[answer_count].status = status;
    answers[answer_count].headers = NULL;
    answers[answer_count++].body = body;
    fake_server_unlock(server);
}

static void will_say_when(const char *headers)
{
    will_answer(503, NULL);
    fake_server_lock(server);
    answers[answer_count - 1].headers = headers;
    fake_server_unlock(server);
}

static void open_client(const char *first, const char *second, size_t reply_bytes_max)
{
    const char *servers[] = {first, second};
    taskq_client_options options = TASKQ_CLIENT_OPTIONS_INIT;
    options.servers = servers;
    options.server_count = second == NULL ? 1 : 2;
    options.token = "secret";
    options.reply_bytes_max = reply_bytes_max;
    ck_assert_int_eq(taskq_client_open(&options, &client, NULL), TASKQ_OK);
}

static void begin(void)
{
    answer_count = asked = 0;
    server = fake_server_start(answer_next, NULL);
    open_client(fake_server_url(server), NULL, 0);
}

static void end(void)
{
    taskq_client_close(client);
    fake_server_stop(server);
}

static taskq_status get(taskq_error *err)
{
    return taskq_client_get(client, 7, NULL, NULL, err);
}

static taskq_new_job a_job(void)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    job.type = TASKQ_TEXT("t");
    job.payload = TASKQ_TEXT("{\"a\":1}");
    return job;
}

/* The value of a header of the n-th request. */
static void header_of(unsigned index, const char *name, char out[128])
{
    char *headers = fake_server_headers(server, NULL, index);
    const char *at = headers == NULL ? NULL : strstr(headers, name);
    snprintf(out, 128, "%.*s", at == NULL ? 0 : (int)strcspn(at, "\r"), at == NULL ? "" : at);
    free(headers);
}

START_TEST(a_job_is_enqueued_and_its_id_is_known)
{
    int64_t id = 0;
    bool existing = true;
    char token[128];
    taskq_new_job job = a_job();
    will_answer(201, "{\"id\":42,\"state\":\"queued\",\"version\":1}");
    ck_assert_int_eq(taskq_client_enqueue(client, &job, NULL, NULL, &id, &existing, NULL), TASKQ_OK);
    ck_assert_int_eq(id, 42);
    ck_assert(!existing);
    char *body = fake_server_body(server, "/jobs", 0);
    ck_assert_str_eq(body, "{\"type\":\"t\",\"payload\":{\"a\":1}}");
    free(body);
    header_of(0, "Authorization:", token);
    ck_assert_str_eq(token, "Authorization: Bearer secret");
}
END_TEST

START_TEST(an_enqueue_whose_answer_was_lost_is_repeated_with_its_key)
{
    char first[128], second[128];
    int64_t id = 0;
    taskq_new_job job = a_job();
    will_answer(0, NULL);
    will_answer(201, "{\"id\":42,\"state\":\"queued\",\"version\":1}");
    ck_assert_int_eq(taskq_client_enqueue(client, &job, NULL, NULL, &id, NULL, NULL), TASKQ_OK);
    header_of(0, "Idempotency-Key:", first);
    header_of(1, "Idempotency-Key:", second);
    ck_assert_uint_gt(strlen(first), 30);
    ck_assert_str_eq(first, second);
}
END_TEST

START_TEST(what_cannot_be_repeated_is_unknown_when_its_answer_was_lost)
{
    will_answer(0, NULL);
    ck_assert_int_eq(taskq_client_retry(client, 7, NULL, NULL), TASKQ_EUNKNOWN);
    ck_assert_uint_eq(fake_server_count(server, NULL), 1);
}
END_TEST

START_TEST(several_jobs_get_their_ids_in_order)
{
    int64_t ids[2] = {0, 0};
    taskq_new_job job = a_job();
    const taskq_new_job *jobs[] = {&job, &job};
    will_answer(201, "{\"jobs\":[{\"id\":5,\"state\":\"queued\"},{\"id\":6,\"state\":\"queued\"}]}");
    ck_assert_int_eq(taskq_client_enqueue_many(client, jobs, 2, ids, NULL), TASKQ_OK);
    ck_assert_int_eq(ids[0], 5);
    ck_assert_int_eq(ids[1], 6);
}
END_TEST

START_TEST(a_payload_that_is_no_json_is_not_sent)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_new_job job = a_job();
    will_answer(201, "{}");
    job.payload = TASKQ_TEXT("{}},{\"type\":\"x\"");
    ck_assert_int_eq(taskq_client_enqueue(client, &job, NULL, NULL, NULL, NULL, &err), TASKQ_ESYNTAX);
    ck_assert_str_eq(err.field, "/payload");
    ck_assert_uint_eq(fake_server_count(server, NULL), 0);
}
END_TEST

START_TEST(the_servers_words_are_in_the_error)
{
    taskq_error err = TASKQ_ERROR_INIT;
    will_answer(
        422,
        "{\"type\":\"urn:taskq:problem:invalid\",\"title\":\"Invalid\",\"status\":422,\"detail\":\"factor is 1 to 10\","
        "\"field\":\"/backoff/factor\"}");
    ck_assert_int_eq(get(&err), TASKQ_EINVAL);
    ck_assert_str_eq(err.text, "factor is 1 to 10");
    ck_assert_str_eq(err.field, "/backoff/factor");
}
END_TEST

START_TEST(every_answer_has_its_status)
{
    static const struct {
        int http;
        const char *slug;
        taskq_status status;
    } table[] = {
        {400, "malformed-json", TASKQ_ESYNTAX},
        {401, "unauthorized", TASKQ_EDENIED},
        {403, "forbidden", TASKQ_EDENIED},
        {404, "not-found", TASKQ_ENOTFOUND},
        {409, "conflict", TASKQ_ECONFLICT},
        {409, "stale-version", TASKQ_ESTALE},
        {413, "too-large", TASKQ_ELIMIT},
        {429, "too-many-requests", TASKQ_ELIMIT},
        {500, "internal", TASKQ_EUNAVAIL},
        {503, "unavailable", TASKQ_EUNAVAIL},
        {302, "none", TASKQ_EPROTO},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char body[128];
        snprintf(body, sizeof(body), "{\"type\":\"urn:taskq:problem:%s\",\"status\":%d}", table[i].slug, table[i].http);
        fake_server_lock(server);
        answer_count = asked = 0;
        fake_server_unlock(server);
        will_answer(table[i].http, body);
        ck_assert_msg(get(NULL) == table[i].status, "%d %s", table[i].http, table[i].slug);
    }
}
END_TEST

START_TEST(the_reply_of_an_error_is_there_too)
{
    taskq_reply reply = TASKQ_REPLY_INIT;
    will_answer(404, "{\"status\":404}");
    ck_assert_int_eq(taskq_client_get(client, 7, NULL, &reply, NULL), TASKQ_ENOTFOUND);
    ck_assert_int_eq(reply.http_status, 404);
    ck_assert_str_eq(reply.body.data, "{\"status\":404}");
    taskq_reply_clear(&reply);
    ck_assert_ptr_null(reply.body.data);
}
END_TEST

START_TEST(the_next_server_is_asked_when_nobody_is_at_the_first)
{
    char nobody[64];
    taskq_state state;
    fake_nobody(nobody);
    taskq_client_close(client);
    open_client(nobody, fake_server_url(server), 0);
    will_answer(200, "{\"id\":7,\"state\":\"succeeded\"}");
    ck_assert_int_eq(taskq_client_get(client, 7, &state, NULL, NULL), TASKQ_OK);
    ck_assert_int_eq(state, TASKQ_STATE_SUCCEEDED);
}
END_TEST

static void is_another(void *user, const fake_request *request, fake_answer *answer)
{
    (void)user;
    answer->hold = strcmp(request->path, "/jobs/13") == 0; /* it accepts and says nothing */
    answer->body = strdup("{\"id\":7,\"state\":\"succeeded\"}");
}

static fake_server *open_pair(bool other_first)
{
    fake_server *other = fake_server_start(is_another, NULL);
    taskq_client_close(client);
    open_client(fake_server_url(other_first ? other : server), fake_server_url(other_first ? server : other), 0);
    return other;
}

START_TEST(a_server_that_says_503_is_passed_over_at_once_whatever_time_it_names)
{
    fake_server *other = open_pair(false);
    will_say_when("Retry-After: 100\r\n");
    ck_assert_int_eq(taskq_client_cancel(client, 7, NULL, NULL), TASKQ_OK);
    ck_assert_uint_eq(fake_server_count(other, "/jobs/7/cancel"), 1);
    fake_server_stop(other);
}
END_TEST

START_TEST(a_server_that_hangs_up_is_passed_over_where_the_request_may_be_sent_twice)
{
    fake_server *other = open_pair(false);
    will_answer(0, NULL);
    ck_assert_int_eq(taskq_client_retry(client, 7, NULL, NULL), TASKQ_EUNKNOWN);
    ck_assert_uint_eq(fake_server_count(other, NULL), 0);
    ck_assert_int_eq(get(NULL), TASKQ_OK);
    ck_assert_uint_eq(fake_server_count(other, "/jobs/7"), 1);
    fake_server_stop(other);
}
END_TEST

START_TEST(a_claim_is_sent_twice_only_under_the_name_of_its_poll)
{
    taskq_reply reply = TASKQ_REPLY_INIT;
    taskq_text none = {NULL, 0};
    fake_server *other = open_pair(false);
    will_answer(0, NULL);
    ck_assert_int_eq(taskq_client_request(client, "GET", "/next-job?worker=w", none, NULL, &reply, NULL),
                     TASKQ_EUNKNOWN);
    ck_assert_int_eq(taskq_client_request(client, "GET", "/next-job?worker=w&poll=p", none, NULL, &reply, NULL),
                     TASKQ_OK);
    ck_assert_uint_eq(fake_server_count(other, NULL), 1);
    taskq_reply_clear(&reply);
    fake_server_stop(other);
}
END_TEST

START_TEST(a_server_that_does_not_answer_leaves_time_for_the_next)
{
    const char *servers[2];
    taskq_client_options options = TASKQ_CLIENT_OPTIONS_INIT;
    fake_server *other = open_pair(true);
    servers[0] = fake_server_url(other);
    servers[1] = fake_server_url(server);
    options.servers = servers;
    options.server_count = 2;
    options.timeout_ms = 4000; /* a half for each */
    taskq_client_close(client);
    ck_assert_int_eq(taskq_client_open(&options, &client, NULL), TASKQ_OK);
    will_answer(200, "{\"id\":13,\"state\":\"queued\"}");
    ck_assert_int_eq(taskq_client_get(client, 13, NULL, NULL, NULL), TASKQ_OK);
    fake_server_stop(other);
}
END_TEST

START_TEST(the_first_server_is_gone_back_to)
{
    fake_server *other = open_pair(false);
    will_say_when("Retry-After: 100\r\n");
    will_answer(200, "{\"id\":7,\"state\":\"queued\"}");
    while (fake_server_count(server, NULL) < 2) { /* it has a while of its own before it is tried again */
        ck_assert_int_eq(get(NULL), TASKQ_OK);
    }
    unsigned seen = fake_server_count(other, NULL);
    ck_assert_int_eq(get(NULL), TASKQ_OK);
    ck_assert_uint_eq(fake_server_count(other, NULL), seen);
    fake_server_stop(other);
}
END_TEST

START_TEST(where_all_say_when_to_come_again_they_are_asked_then)
{
    taskq_new_job job = a_job();
    int64_t id = 0;
    will_say_when("Retry-After: 1\r\n");
    will_answer(201, "{\"id\":42,\"state\":\"queued\"}");
    ck_assert_int_eq(taskq_client_enqueue(client, &job, NULL, NULL, &id, NULL, NULL), TASKQ_OK);
    ck_assert_int_eq(id, 42);
}
END_TEST

START_TEST(a_time_that_the_call_does_not_have_is_not_waited_for)
{
    will_say_when("Retry-After: 100\r\n");
    ck_assert_int_eq(get(NULL), TASKQ_EUNAVAIL);
    ck_assert_uint_eq(fake_server_count(server, NULL), 1);
}
END_TEST

START_TEST(nobody_anywhere_is_unavailable)
{
    char nobody[64];
    fake_nobody(nobody);
    taskq_client_close(client);
    open_client(nobody, NULL, 0);
    ck_assert_int_eq(get(NULL), TASKQ_EUNAVAIL);
}
END_TEST

START_TEST(a_reply_above_the_bound_is_refused)
{
    taskq_client_close(client);
    open_client(fake_server_url(server), NULL, 16);
    will_answer(200, "{\"id\":7,\"state\":\"succeeded\"}");
    ck_assert_int_eq(get(NULL), TASKQ_EPROTO);
}
END_TEST

START_TEST(wait_asks_until_the_job_has_ended)
{
    taskq_state state = (taskq_state)0;
    will_answer(200, "{\"id\":7,\"state\":\"running\"}");
    will_answer(503, "{}");
    will_answer(200, "{\"id\":7,\"state\":\"failed\"}");
    ck_assert_int_eq(taskq_client_wait(client, 7, 0, &state, NULL, NULL), TASKQ_OK);
    ck_assert_int_eq(state, TASKQ_STATE_FAILED);
    ck_assert_uint_eq(fake_server_count(server, "/jobs/7"), 3);
}
END_TEST

START_TEST(wait_ends_when_its_time_is_over)
{
    will_answer(200, "{\"id\":7,\"state\":\"running\"}");
    ck_assert_int_eq(taskq_client_wait(client, 7, 1, NULL, NULL, NULL), TASKQ_ETIMEDOUT);
}
END_TEST

START_TEST(a_key_or_a_token_that_could_forge_a_header_is_refused)
{
    taskq_client_options options = TASKQ_CLIENT_OPTIONS_INIT;
    taskq_client *other = NULL;
    options.token = "a\r\nX: y";
    ck_assert_int_eq(taskq_client_open(&options, &other, NULL), TASKQ_EINVAL);
    ck_assert_int_eq(taskq_client_request(client, "GET", "/jobs", (taskq_text){NULL, 0}, "a\r\nX: y", NULL, NULL),
                     TASKQ_EINVAL);
    ck_assert_uint_eq(fake_server_count(server, NULL), 0);
}
END_TEST

TASKQ_TESTS_WITH(begin, end, a_job_is_enqueued_and_its_id_is_known,
                 an_enqueue_whose_answer_was_lost_is_repeated_with_its_key,
                 what_cannot_be_repeated_is_unknown_when_its_answer_was_lost, several_jobs_get_their_ids_in_order,
                 a_payload_that_is_no_json_is_not_sent, the_servers_words_are_in_the_error, every_answer_has_its_status,
                 the_reply_of_an_error_is_there_too, the_next_server_is_asked_when_nobody_is_at_the_first,
                 nobody_anywhere_is_unavailable, a_server_that_says_503_is_passed_over_at_once_whatever_time_it_names,
                 a_server_that_hangs_up_is_passed_over_where_the_request_may_be_sent_twice,
                 a_claim_is_sent_twice_only_under_the_name_of_its_poll,
                 a_server_that_does_not_answer_leaves_time_for_the_next, the_first_server_is_gone_back_to,
                 where_all_say_when_to_come_again_they_are_asked_then,
                 a_time_that_the_call_does_not_have_is_not_waited_for, a_reply_above_the_bound_is_refused,
                 wait_asks_until_the_job_has_ended, wait_ends_when_its_time_is_over,
                 a_key_or_a_token_that_could_forge_a_header_is_refused)
