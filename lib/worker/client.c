/* SPDX-License-Identifier: MIT */
/*
 * The public client: one request, answered or explained. What it adds to HTTP is what every producer would have to write for itself: the
 * next server when one is out of reach, a repetition only where it cannot do a thing twice, and the server's own words in the error.
 */
#include "core/arena.h"
#include "core/fail.h"
#include "core/job.h"
#include "core/scan.h"
#include "core/text.h"
#include "wire/record.h"
#include "worker/breaker.h"
#include "worker/transport.h"

#include <taskq/client.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    TIMEOUT_MS_DEFAULT = 30000,
    TIMEOUT_MS_MIN = 100,
    TIMEOUT_MS_MAX = 600000,
    CONNECT_TIMEOUT_MS = 3000,
    REPLY_BYTES_MAX_DEFAULT = 16 << 20,
    BODY_BYTES_MAX = 256 << 20,
    URL_BYTES_MAX = 16384,
    KEY_BYTES_MAX = 256,
    WAIT_FIRST_MS = 20,
    WAIT_MOST_MS = 1000,
    WAIT_OUTAGE_MS = 60000
};

struct taskq_client {
    taskq__servers servers;
    taskq_log log; /* nowhere */
    taskq__rng rng;
    taskq__http *http;
    int64_t timeout_ms;
    size_t reply_bytes_max;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- opening -------------------------------------------------------------------------------------------------------------------- */

taskq_status taskq_client_open(const taskq_client_options *from, taskq_client **out, taskq_error *err)
{
    taskq_client_options options = TASKQ_CLIENT_OPTIONS_INIT;
    if (out == NULL || (from != NULL && from->struct_size < sizeof(size_t))) {
        return taskq__fail(err, TASKQ_EINVAL, "options with their struct_size, and a place for the client are required");
    }
    if (from != NULL) {
        memcpy(&options, from, from->struct_size < sizeof(options) ? from->struct_size : sizeof(options));
    }
    int64_t timeout_ms = options.timeout_ms == 0 ? TIMEOUT_MS_DEFAULT : options.timeout_ms;
    if (timeout_ms < TIMEOUT_MS_MIN || timeout_ms > TIMEOUT_MS_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/timeout_ms", "the time-out is %d to %d ms", TIMEOUT_MS_MIN, TIMEOUT_MS_MAX);
    }
    taskq_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        return taskq__fail_memory(err);
    }
    taskq__http_identity identity = {options.token, options.ca_file, options.cert_file, options.key_file};
    client->timeout_ms = timeout_ms;
    client->reply_bytes_max = options.reply_bytes_max == 0 ? REPLY_BYTES_MAX_DEFAULT : options.reply_bytes_max;
    taskq__rng_init(&client->rng, 0);
    taskq_status status =
        taskq__servers_init(&client->servers, options.servers, options.server_count, &client->log, &client->rng, err);
    if (status == TASKQ_OK) {
        status = taskq__http_open(&identity, &client->http, err);
    }
    if (status != TASKQ_OK) {
        taskq_client_close(client);
        return status;
    }
    *out = client;
    return TASKQ_OK;
}

void taskq_client_close(taskq_client *client)
{
    if (client != NULL) {
        taskq__http_close(client->http);
        taskq__servers_clear(&client->servers);
        free(client);
    }
}

void taskq_reply_clear(taskq_reply *reply)
{
    if (reply != NULL) {
        free(reply->memory);
        *reply = (taskq_reply)TASKQ_REPLY_INIT;
    }
}

/* ---- what an answer means ---------------------------------------------------------------------------------------------------------- */

typedef struct problem {
    char slug[64], detail[TASKQ_ERROR_TEXT_MAX], field[TASKQ_ERROR_FIELD_MAX];
} problem;

static void copy_member(const taskq__json *json, taskq_arena *arena, const char *key, char *out, size_t bytes)
{
    taskq_text text;
    uint32_t node = taskq__json_member(json, 0, key);
    if (node != 0 && json->nodes[node].kind == TASKQ__JSON_STRING && taskq__json_string(json, node, arena, &text, NULL) == TASKQ_OK) {
        snprintf(out, bytes, "%.*s", (int)(text.size < bytes ? text.size : bytes - 1), text.data == NULL ? "" : text.data);
    }
}

static void read_problem(taskq_text body, problem *out)
{
    static const char prefix[] = "urn:taskq:problem:";
    char type[sizeof(prefix) + sizeof(out->slug)] = "";
    taskq__json json;
    *out = (problem){.slug = ""};
    taskq_arena *arena = taskq__arena_new(0);
    if (arena != NULL && taskq__json_scan(body, NULL, arena, &json, NULL) == TASKQ_OK && json.nodes[0].kind == TASKQ__JSON_OBJECT) {
        copy_member(&json, arena, "type", type, sizeof(type));
        copy_member(&json, arena, "title", out->detail, sizeof(out->detail));
        copy_member(&json, arena, "detail", out->detail, sizeof(out->detail));
        copy_member(&json, arena, "field", out->field, sizeof(out->field));
    }
    if (strncmp(type, prefix, sizeof(prefix) - 1) == 0) {
        snprintf(out->slug, sizeof(out->slug), "%s", type + sizeof(prefix) - 1);
    }
    taskq__arena_free(arena);
}

static taskq_status status_of(int32_t http, const char *slug)
{
    switch (http) {
    case 401:
    case 403: return TASKQ_EDENIED;
    case 404: return TASKQ_ENOTFOUND;
    case 408: return TASKQ_EUNAVAIL;
    case 409: return strcmp(slug, "stale-version") == 0 ? TASKQ_ESTALE : TASKQ_ECONFLICT;
    case 413:
    case 429:
    case 431: return TASKQ_ELIMIT;
    case 422: return TASKQ_EINVAL;
    default: break;
    }
    if (http >= 200 && http < 300) {
        return TASKQ_OK;
    }
    return http >= 500 ? TASKQ_EUNAVAIL : http >= 400 ? TASKQ_ESYNTAX : TASKQ_EPROTO;
}

static taskq_status explain(const taskq__http_reply *got, taskq_error *err)
{
    problem what;
    if (got->status >= 200 && got->status < 300) {
        return TASKQ_OK;
    }
    read_problem(taskq__buf_text(&got->body), &what);
    taskq_status status = status_of(got->status, what.slug);
    if (what.detail[0] == '\0') {
        return taskq__fail(err, status, "the server answered HTTP %d", (int)got->status);
    }
    return taskq__fail_field(err, status, what.field, "%s", what.detail);
}

/* ---- one request ----------------------------------------------------------------------------------------------------------------------- */

typedef struct question {
    const char *method, *path;
    taskq_text body;
    const char *key;         /* idempotency key */
    taskq_text traceparent;
} question;

static taskq_status ask(taskq_client *client, const question *q, uint32_t server, int64_t left_ms, taskq__http_reply *got, taskq_error *err)
{
    const char *base = client->servers.list[server].url;
    size_t size = strlen(base);
    char key[KEY_BYTES_MAX + 32], trace[TASKQ_TRACEPARENT_BYTES_MAX + 16];
    const char *headers[4];
    taskq__http_request request = TASKQ__HTTP_REQUEST_INIT;
    taskq__buf url;
    while (size > 0 && base[size - 1] == '/') {
        size--;
    }
    taskq__buf_init(&url, URL_BYTES_MAX);
    taskq__buf_add(&url, base, size);
    taskq__buf_add_string(&url, q->path);
    headers[request.header_count++] = "Accept: application/json";
    if (q->body.size > 0) {
        headers[request.header_count++] = "Content-Type: application/json";
        request.body = q->body;
    }
    if (q->key != NULL) {
        snprintf(key, sizeof(key), "Idempotency-Key: %s", q->key);
        headers[request.header_count++] = key;
    }
    if (taskq__text_is_traceparent(q->traceparent)) {
        snprintf(trace, sizeof(trace), "traceparent: %.*s", (int)q->traceparent.size, q->traceparent.data);
        headers[request.header_count++] = trace;
    }
    request.method = q->method;
    request.url = url.data;
    request.headers = headers;
    request.timeout_ms = left_ms;
    request.connect_timeout_ms = left_ms < CONNECT_TIMEOUT_MS ? left_ms : CONNECT_TIMEOUT_MS;
    request.body_bytes_max = client->reply_bytes_max;
    taskq_status status =
        url.failed ? taskq__fail(err, TASKQ_EINVAL, "the path is too long") : taskq__http_call(client->http, &request, got, err);
    taskq__buf_clear(&url);
    return status;
}

/* Would doing it twice be the same as doing it once? */
static bool is_repeatable(const question *q)
{
    return q->key != NULL || strcmp(q->method, "GET") == 0 || strcmp(q->method, "HEAD") == 0 || strcmp(q->method, "PUT") == 0;
}

/* Whether another server, or the same once more, is to be asked after this. */
static bool should_go_on(const question *q, const taskq__http_reply *got)
{
    switch (got->class) {
    case TASKQ__HTTP_OK: return got->status == 502 || got->status == 503 || got->status == 504;
    case TASKQ__HTTP_NO_CONNECT: return true;
    case TASKQ__HTTP_TIMED_OUT:
    case TASKQ__HTTP_BROKEN: return !got->sent || is_repeatable(q);
    default: return false;
    }
}

static taskq_status no_answer(const taskq__http_reply *got, taskq_error *err)
{
    switch (got->class) {
    case TASKQ__HTTP_BAD_URL:
    case TASKQ__HTTP_BAD_SCHEME: return taskq__fail(err, TASKQ_EINVAL, "%s", got->text);
    case TASKQ__HTTP_NO_MEMORY: return taskq__fail_memory(err);
    default: break;
    }
    if (got->sent) {
        return taskq__fail(err, TASKQ_EUNKNOWN, "it was sent, but no answer came: %s", got->text);
    }
    return taskq__fail(err, TASKQ_EUNAVAIL, "no server could be asked: %s", got->text);
}

static taskq_status exchange(taskq_client *client, const question *q, taskq__http_reply *got, taskq_error *err)
{
    int64_t until_ms = now_ms() + client->timeout_ms;
    uint32_t count = client->servers.count, first = client->servers.current;
    bool sent = false;
    /* Each server once, and the first once more: a connection that broke says nothing about the server. */
    for (uint32_t i = 0; i <= count; i++) {
        uint32_t server = (first + i) % count;
        int64_t left_ms = until_ms - now_ms();
        if (i > 0 && left_ms <= 0) {
            break;
        }
        if (i == count && (got->class == TASKQ__HTTP_OK || got->class == TASKQ__HTTP_NO_CONNECT)) {
            break;
        }
        taskq_status status = ask(client, q, server, left_ms > 0 ? left_ms : 1, got, err);
        if (status != TASKQ_OK) {
            return status;
        }
        sent = sent || (got->class != TASKQ__HTTP_OK && got->sent);
        if (!should_go_on(q, got)) {
            client->servers.current = got->class == TASKQ__HTTP_OK ? server : client->servers.current;
            break;
        }
    }
    got->sent = sent || got->sent;
    if (got->class != TASKQ__HTTP_OK) {
        return no_answer(got, err);
    }
    return got->truncated ? taskq__fail(err, TASKQ_EPROTO, "the answer is longer than %zu bytes", client->reply_bytes_max)
                          : explain(got, err);
}

static void hand_over(taskq__http_reply *got, taskq_reply *reply)
{
    if (reply == NULL || got->class != TASKQ__HTTP_OK || got->truncated) {
        return;
    }
    taskq_reply_clear(reply);
    reply->http_status = got->status;
    reply->body = taskq__buf_text(&got->body);
    reply->memory = got->body.data;
    taskq__buf_init(&got->body, 0); /* the memory is the reply's now */
}

static taskq_status request(taskq_client *client, const question *q, taskq_reply *reply, taskq_error *err)
{
    taskq__http_reply got;
    taskq__http_reply_init(&got);
    taskq_status status = exchange(client, q, &got, err);
    hand_over(&got, reply);
    taskq__http_reply_clear(&got);
    return status;
}

static bool is_idempotency_key(const char *key)
{
    size_t size = strlen(key);
    for (const char *c = key; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~') {
            return false;
        }
    }
    return size >= 1 && size <= KEY_BYTES_MAX;
}

taskq_status taskq_client_request(taskq_client *client, const char *method, const char *path, taskq_text body, const char *idempotency_key,
    taskq_reply *reply, taskq_error *err)
{
    if (client == NULL || method == NULL || path == NULL || path[0] != '/') {
        return taskq__fail(err, TASKQ_EINVAL, "a client, a method and a path that begins with '/' are required");
    }
    if (idempotency_key != NULL && !is_idempotency_key(idempotency_key)) {
        return taskq__fail(err, TASKQ_EINVAL, "an idempotency key is 1 to %d visible ASCII characters", KEY_BYTES_MAX);
    }
    question q = {.method = method, .path = path, .body = body, .key = idempotency_key};
    return request(client, &q, reply, err);
}

/* ---- enqueueing -------------------------------------------------------------------------------------------------------------------------- */

static taskq_status write_job(taskq__buf *buf, const taskq_new_job *job, taskq_error *err)
{
    if (job == NULL || job->struct_size < sizeof(size_t)) {
        return taskq__fail(err, TASKQ_EINVAL, "a job with its struct_size is required");
    }
    taskq_new_job whole = TASKQ_NEW_JOB_INIT;
    memcpy(&whole, job, job->struct_size < sizeof(whole) ? job->struct_size : sizeof(whole));
    taskq_status status = taskq__new_job_check(&whole, err);
    if (status == TASKQ_OK && taskq__json_check(whole.payload, NULL) != TASKQ_OK) {
        status = taskq__fail_field(err, TASKQ_EINVAL, "/payload", "the payload is no JSON");
    }
    if (status == TASKQ_OK) {
        taskq__wire_write_new_job(buf, &whole);
    }
    return status;
}

static taskq_status send_jobs(taskq_client *client, const taskq__buf *body, taskq_text traceparent, taskq_reply *reply, taskq_error *err)
{
    char key[40];
    if (body->failed) {
        return taskq__fail(err, TASKQ_ELIMIT, "the jobs are too large, or there is no memory for them");
    }
    snprintf(key, sizeof(key), "%016llx%016llx", (unsigned long long)taskq__rng_next(&client->rng),
        (unsigned long long)taskq__rng_next(&client->rng));
    question q = {.method = "POST", .path = "/jobs", .body = taskq__buf_text(body), .key = key, .traceparent = traceparent};
    return request(client, &q, reply, err);
}

taskq_status taskq_client_enqueue(taskq_client *client, const taskq_new_job *job, int64_t *id, bool *existing, taskq_error *err)
{
    taskq_reply reply = TASKQ_REPLY_INIT;
    taskq_jobs *jobs = NULL;
    taskq__buf body;
    if (client == NULL) {
        return taskq__fail(err, TASKQ_EINVAL, "a client is required");
    }
    taskq__buf_init(&body, BODY_BYTES_MAX);
    taskq_status status = write_job(&body, job, err);
    if (status == TASKQ_OK) {
        status = send_jobs(client, &body, job->traceparent, &reply, err);
    }
    if (status == TASKQ_OK) {
        status = taskq_reply_jobs(&reply, &jobs, err);
    }
    if (status == TASKQ_OK && taskq_jobs_count(jobs) != 1) {
        status = taskq__fail(err, TASKQ_EPROTO, "the answer is not one job");
    }
    if (status == TASKQ_OK && id != NULL) {
        *id = taskq_jobs_at(jobs, 0)->id;
    }
    if (status == TASKQ_OK && existing != NULL) {
        *existing = taskq_jobs_at(jobs, 0)->existing;
    }
    taskq_jobs_free(jobs);
    taskq_reply_clear(&reply);
    taskq__buf_clear(&body);
    return status;
}

static taskq_status write_jobs(taskq__buf *body, const taskq_new_job *const *jobs, uint32_t count, taskq_error *err)
{
    char place[32];
    taskq__buf_add_string(body, "{\"jobs\":[");
    for (uint32_t i = 0; i < count; i++) {
        taskq__buf_add_string(body, i == 0 ? "" : ",");
        taskq_status status = write_job(body, jobs[i], err);
        if (status != TASKQ_OK) {
            snprintf(place, sizeof(place), "/jobs/%u", i);
            taskq__fail_prefix(err, place);
            return status;
        }
    }
    taskq__buf_add_string(body, "]}");
    return TASKQ_OK;
}

/* The header holds for all jobs of a request, so it is sent where they agree on it. */
static taskq_text common_traceparent(const taskq_new_job *const *jobs, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        if (!taskq__text_equal(jobs[0]->traceparent, jobs[i]->traceparent)) {
            return (taskq_text){NULL, 0};
        }
    }
    return jobs[0]->traceparent;
}

taskq_status taskq_client_enqueue_many(taskq_client *client, const taskq_new_job *const *jobs, uint32_t count, int64_t *ids,
    taskq_error *err)
{
    taskq_reply reply = TASKQ_REPLY_INIT;
    taskq_jobs *made = NULL;
    taskq__buf body;
    if (client == NULL || jobs == NULL || count == 0 || count > TASKQ_ENQUEUE_JOBS_MAX) {
        return taskq__fail(err, TASKQ_EINVAL, "a client and 1 to %d jobs are required", TASKQ_ENQUEUE_JOBS_MAX);
    }
    taskq__buf_init(&body, BODY_BYTES_MAX);
    taskq_status status = write_jobs(&body, jobs, count, err);
    if (status == TASKQ_OK) {
        status = send_jobs(client, &body, common_traceparent(jobs, count), &reply, err);
    }
    if (status == TASKQ_OK) {
        status = taskq_reply_jobs(&reply, &made, err);
    }
    if (status == TASKQ_OK && taskq_jobs_count(made) != count) {
        status = taskq__fail(err, TASKQ_EPROTO, "the answer has %u jobs for %u", taskq_jobs_count(made), count);
    }
    for (uint32_t i = 0; status == TASKQ_OK && ids != NULL && i < count; i++) {
        ids[i] = taskq_jobs_at(made, i)->id;
    }
    taskq_jobs_free(made);
    taskq_reply_clear(&reply);
    taskq__buf_clear(&body);
    return status;
}

/* ---- one job ------------------------------------------------------------------------------------------------------------------------------- */

static taskq_status on_job(taskq_client *client, const char *method, int64_t id, const char *action, taskq_reply *reply, taskq_error *err)
{
    char path[64];
    if (client == NULL || id < 1) {
        return taskq__fail(err, TASKQ_EINVAL, "a client and the id of a job are required");
    }
    snprintf(path, sizeof(path), "/jobs/%lld%s", (long long)id, action);
    question q = {.method = method, .path = path};
    return request(client, &q, reply, err);
}

taskq_status taskq_client_get(taskq_client *client, int64_t id, taskq_state *state, taskq_reply *reply, taskq_error *err)
{
    taskq_reply own = TASKQ_REPLY_INIT;
    char word[32];
    taskq_reply *to = reply == NULL ? &own : reply;
    taskq_status status = on_job(client, "GET", id, "", to, err);
    if (status == TASKQ_OK && state != NULL) {
        status = taskq_reply_string(to, "/state", word, sizeof(word), err);
        if (status == TASKQ_OK && taskq__state_parse(taskq_text_of(word), state) != TASKQ_OK) {
            status = taskq__fail(err, TASKQ_EPROTO, "the job is in a state that this version does not know: %s", word);
        }
    }
    taskq_reply_clear(&own);
    return status;
}

static void sleep_ms(int64_t ms)
{
    struct timespec span = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &span, NULL); /* cut short by a signal: it is asked a little earlier */
}

taskq_status taskq_client_wait(taskq_client *client, int64_t id, int64_t timeout_ms, taskq_state *state, taskq_reply *reply,
    taskq_error *err)
{
    if (timeout_ms < 0) {
        return taskq__fail(err, TASKQ_EINVAL, "a time-out is not negative");
    }
    int64_t begun_ms = now_ms(), heard_ms = begun_ms, pause_ms = WAIT_FIRST_MS;
    for (;;) {
        taskq_state now = (taskq_state)0;
        taskq_status status = taskq_client_get(client, id, &now, reply, err);
        int64_t at_ms = now_ms();
        if (status == TASKQ_OK && taskq_state_is_terminal(now)) {
            if (state != NULL) {
                *state = now;
            }
            return TASKQ_OK;
        }
        heard_ms = status == TASKQ_OK ? at_ms : heard_ms;
        /* A server that is being restarted is waited for; one that stays away is not. */
        if (status != TASKQ_OK && (!taskq_status_is_retryable(status) || at_ms - heard_ms > WAIT_OUTAGE_MS)) {
            return status;
        }
        int64_t left_ms = timeout_ms == 0 ? WAIT_MOST_MS : begun_ms + timeout_ms - at_ms;
        if (left_ms <= 0) {
            return taskq__fail(err, TASKQ_ETIMEDOUT, "job %lld has not ended within %lld ms", (long long)id, (long long)timeout_ms);
        }
        sleep_ms(pause_ms < left_ms ? pause_ms : left_ms);
        pause_ms = pause_ms * 2 < WAIT_MOST_MS ? pause_ms * 2 : WAIT_MOST_MS;
    }
}

taskq_status taskq_client_cancel(taskq_client *client, int64_t id, taskq_reply *reply, taskq_error *err)
{
    return on_job(client, "POST", id, "/cancel", reply, err);
}

taskq_status taskq_client_retry(taskq_client *client, int64_t id, taskq_reply *reply, taskq_error *err)
{
    return on_job(client, "POST", id, "/retry", reply, err);
}

taskq_status taskq_client_delete(taskq_client *client, int64_t id, taskq_error *err)
{
    return on_job(client, "DELETE", id, "", NULL, err);
}
