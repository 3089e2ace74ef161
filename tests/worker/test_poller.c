/* SPDX-License-Identifier: MIT */
/* How a worker asks for jobs: how many, of what, of whom, and what it does when an answer does not come. */
#include "support/check_main.h"
#include "worker/script.h"

#include <string.h>

static script s;
static taskq_worker *worker;

static taskq_status succeed(taskq_run *run, void *user)
{
    (void)run;
    (void)user;
    return TASKQ_OK;
}

static void begin(void)
{
    script_begin(&s);
}

static void end(void)
{
    taskq_worker_close(worker);
    worker = NULL;
    script_end(&s);
}

static void open_worker(const char *second, uint32_t concurrency, taskq_handler_fn *handler, void *user)
{
    worker = script_worker(&s, second, concurrency, NULL);
    ck_assert_int_eq(taskq_worker_handle(worker, "t", handler, user, NULL), TASKQ_OK);
}

/* The 32 characters of the n-th poll's id. */
static void poll_id(unsigned index, char out[33])
{
    char *body = fake_server_body(s.server, "/next-job", index);
    const char *at = body == NULL ? NULL : strstr(body, "\"poll\":\"");
    ck_assert_ptr_nonnull(at);
    memcpy(out, at + 8, 32);
    out[32] = '\0';
    free(body);
}

static bool is_held(void *user)
{
    return fake_server_held(user) == 1;
}

START_TEST(a_poll_names_the_worker_its_types_and_its_free_slots)
{
    open_worker(NULL, 5, succeed, NULL);
    ck_assert_int_eq(taskq_worker_handle(worker, "u", succeed, NULL, NULL), TASKQ_OK);
    script_drive_until_count(worker, &s, "/next-job", 1);
    char *body = fake_server_body(s.server, "/next-job", 0);
    ck_assert_ptr_nonnull(strstr(body, "\"queue\":\"default\""));
    ck_assert_ptr_nonnull(strstr(body, "\"type\":\"t,u\""));
    ck_assert_ptr_nonnull(strstr(body, "\"worker\":\"tester\""));
    ck_assert_ptr_nonnull(strstr(body, "\"limit\":5"));
    ck_assert_ptr_nonnull(strstr(body, "\"concurrency\":5"));
    ck_assert_ptr_nonnull(strstr(body, "\"wait\":2.000"));
    free(body);
}
END_TEST

START_TEST(a_poll_whose_answer_was_lost_is_asked_again_under_its_id)
{
    char first[33], second[33];
    script_add(&s, 60000, 60000);
    script_expect(&s, "/next-job", SCRIPT_DO_AND_CUT, 0, NULL);
    open_worker(NULL, 1, succeed, NULL);
    script_drive_until_state(worker, &s, 1, 'e');
    poll_id(0, first);
    poll_id(1, second);
    ck_assert_str_eq(first, second);
    ck_assert_uint_eq(script_value(&s, &s.leased_most), 1);
}
END_TEST

START_TEST(a_claim_lost_with_a_report_is_asked_again_under_its_id)
{
    for (int i = 0; i < 3; i++) {
        script_add(&s, 60000, 60000);
    }
    script_expect(&s, "/jobs/complete", SCRIPT_DO_AND_CUT, 0, NULL);
    open_worker(NULL, 1, succeed, NULL);
    script_drive_until_state(worker, &s, 3, 'e');
    ck_assert_int_eq(script_state(&s, 2), 'e'); /* it was leased by the answer that was lost */
    ck_assert_uint_eq(script_value(&s, &s.leased_most), 1);
}
END_TEST

START_TEST(a_poll_that_was_answered_gets_a_new_id)
{
    char first[33], second[33];
    s.empty_at_once = true;
    open_worker(NULL, 1, succeed, NULL);
    script_drive_until_count(worker, &s, "/next-job", 2);
    poll_id(0, first);
    poll_id(1, second);
    ck_assert_str_ne(first, second);
}
END_TEST

static bool four_inside(void *user)
{
    return gate_entered(user) == 4;
}

static bool all_done(void *user)
{
    return gate_entered(user) == 60 && script_value(&s, &s.leased) == 0;
}

START_TEST(no_more_is_claimed_than_there_are_free_slots)
{
    gate *g = gate_new();
    for (int i = 0; i < 60; i++) {
        script_add(&s, 60000, 60000);
    }
    open_worker(NULL, 4, gate_handler, g);
    script_drive(worker, four_inside, g);
    ck_assert_uint_eq(script_value(&s, &s.leased), 4);
    gate_open(g);
    script_drive(worker, all_done, g);
    ck_assert_uint_le(script_value(&s, &s.leased_most), 4);
    ck_assert_uint_le(gate_most(g), 4);
    taskq_worker_close(worker);
    worker = NULL;
    gate_free(g);
}
END_TEST

START_TEST(a_job_that_comes_while_the_poll_is_held_is_done)
{
    open_worker(NULL, 2, succeed, NULL);
    script_drive(worker, is_held, s.server);
    script_drive_until_state(worker, &s, script_add(&s, 60000, 60000), 'e');
}
END_TEST

START_TEST(the_next_server_is_asked_when_one_is_out_of_reach)
{
    script other;
    script_begin(&other);
    script_expect(&s, "/next-job", SCRIPT_STATUS, 503, "Retry-After: 60\r\n");
    open_worker(fake_server_url(other.server), 1, succeed, NULL);
    script_drive_until_state(worker, &other, script_add(&other, 60000, 60000), 'e');
    ck_assert_uint_eq(fake_server_count(s.server, NULL), 1);
    taskq_worker_close(worker);
    worker = NULL;
    script_end(&other);
}
END_TEST

START_TEST(a_worker_goes_back_to_the_server_that_it_began_with)
{
    script other;
    script_begin(&other);
    script_expect(&s, "/next-job", SCRIPT_STATUS, 503, NULL);
    open_worker(fake_server_url(other.server), 1, succeed, NULL);
    script_drive_until_state(worker, &other, script_add(&other, 60000, 60000), 'e');
    script_drive_until_state(worker, &s, script_add(&s, 60000, 60000), 'e');
    char *tried = fake_server_body(s.server, "/jobs/complete", 0);
    ck_assert_str_eq(tried, "{\"completions\":[]}"); /* with nothing that could be late */
    free(tried);
    taskq_worker_close(worker);
    worker = NULL;
    script_end(&other);
}
END_TEST

static bool was_put_off(void *user)
{
    (void)user;
    return script_value(&s, &s.action_count) == 0;
}

START_TEST(a_poll_that_is_put_off_does_not_put_off_reports)
{
    gate *g = gate_new();
    open_worker(NULL, 3, gate_handler, g);
    script_add(&s, 60000, 60000);
    script_drive(worker, is_held, s.server);
    script_expect(&s, "/next-job", SCRIPT_STATUS, 503, "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n");
    script_add(&s, 60000, 60000); /* ends the poll that is held, the next one is put off */
    script_drive(worker, was_put_off, NULL);
    gate_open(g);
    script_drive_until_state(worker, &s, 1, 'e');
    taskq_worker_close(worker);
    worker = NULL;
    gate_free(g);
}
END_TEST

START_TEST(a_server_that_is_not_there_is_passed_over)
{
    char nobody[64];
    fake_nobody(nobody);
    const char *servers[] = {nobody, fake_server_url(s.server)};
    taskq_worker_options options = TASKQ_WORKER_OPTIONS_INIT;
    options.servers = servers;
    options.server_count = 2;
    ck_assert_int_eq(taskq_worker_open(&options, &worker, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_worker_handle(worker, "t", succeed, NULL, NULL), TASKQ_OK);
    script_drive_until_state(worker, &s, script_add(&s, 60000, 60000), 'e');
}
END_TEST

START_TEST(an_answer_that_is_no_list_of_jobs_is_asked_for_again)
{
    script_expect(&s, "/next-job", SCRIPT_STATUS, 200, NULL); /* without a body */
    open_worker(NULL, 1, succeed, NULL);
    script_drive_until_state(worker, &s, script_add(&s, 60000, 60000), 'e');
}
END_TEST

START_TEST(poll_execute_and_report_do_one_job_without_a_thread_of_the_worker)
{
    uint32_t count = 9;
    open_worker(NULL, 2, succeed, NULL);
    ck_assert_int_eq(taskq_worker_execute(worker, NULL), TASKQ_ENOTFOUND);
    s.empty_at_once = true;
    ck_assert_int_eq(taskq_worker_poll(worker, 1, 0, &count, NULL), TASKQ_OK);
    ck_assert_uint_eq(count, 0);
    script_add(&s, 60000, 60000);
    script_add(&s, 60000, 60000);
    ck_assert_int_eq(taskq_worker_poll(worker, 1, 1000, &count, NULL), TASKQ_OK);
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(taskq_worker_execute(worker, NULL), TASKQ_OK);
    ck_assert_int_eq(script_state(&s, 1), 'l');
    ck_assert_int_eq(taskq_worker_report(worker, NULL), TASKQ_OK);
    ck_assert_int_eq(script_state(&s, 1), 'e');
    ck_assert_int_eq(script_state(&s, 2), 'r');
}
END_TEST

START_TEST(a_poll_without_a_server_says_so)
{
    char nobody[64];
    uint32_t count = 9;
    fake_nobody(nobody);
    const char *servers[] = {nobody};
    taskq_worker_options options = TASKQ_WORKER_OPTIONS_INIT;
    options.servers = servers;
    options.server_count = 1;
    ck_assert_int_eq(taskq_worker_open(&options, &worker, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_worker_handle(worker, "t", succeed, NULL, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_worker_poll(worker, 1, 0, &count, NULL), TASKQ_EUNAVAIL);
    ck_assert_uint_eq(count, 9);
}
END_TEST

START_TEST(a_poll_that_is_not_let_in_says_so)
{
    uint32_t count;
    taskq_error err = TASKQ_ERROR_INIT;
    script_expect(&s, "/next-job", SCRIPT_STATUS, 401, NULL);
    open_worker(NULL, 1, succeed, NULL);
    ck_assert_int_eq(taskq_worker_poll(worker, 1, 0, &count, &err), TASKQ_EDENIED);
    ck_assert_ptr_nonnull(strstr(err.text, "token"));
}
END_TEST

START_TEST(a_worker_without_a_handler_does_not_work)
{
    int64_t next_in_ms;
    worker = script_worker(&s, NULL, 1, NULL);
    ck_assert_int_eq(taskq_worker_step(worker, &next_in_ms, NULL), TASKQ_EINVAL);
    ck_assert_int_eq(taskq_worker_run(worker, NULL), TASKQ_EINVAL);
}
END_TEST

START_TEST(options_out_of_range_name_their_field)
{
    static const char *const bad_names[] = {"a b"};
    taskq_worker_options options[5];
    static const char *const fields[5] = {"/concurrency", "/poll_interval_ms", "/shutdown_timeout_ms", "/queues", "/id"};
    for (size_t i = 0; i < 5; i++) {
        options[i] = (taskq_worker_options)TASKQ_WORKER_OPTIONS_INIT;
    }
    options[0].concurrency = 1001;
    options[1].poll_interval_ms = 60001;
    options[2].shutdown_timeout_ms = -2;
    options[3].queues = bad_names;
    options[3].queue_count = 1;
    options[4].id = "";
    for (size_t i = 0; i < 5; i++) {
        taskq_error err = TASKQ_ERROR_INIT;
        ck_assert_int_eq(taskq_worker_open(&options[i], &worker, &err), TASKQ_EINVAL);
        ck_assert_str_eq(err.field, fields[i]);
        ck_assert_ptr_null(worker);
    }
}
END_TEST

START_TEST(a_type_has_one_handler)
{
    worker = script_worker(&s, NULL, 1, NULL);
    ck_assert_int_eq(taskq_worker_handle(worker, "t", succeed, NULL, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_worker_handle(worker, "t", succeed, NULL, NULL), TASKQ_EEXISTS);
    ck_assert_int_eq(taskq_worker_handle(worker, "a b", succeed, NULL, NULL), TASKQ_EINVAL);
}
END_TEST

TASKQ_TESTS_WITH(begin, end, a_poll_names_the_worker_its_types_and_its_free_slots,
                 a_poll_whose_answer_was_lost_is_asked_again_under_its_id,
                 a_claim_lost_with_a_report_is_asked_again_under_its_id, a_poll_that_was_answered_gets_a_new_id,
                 no_more_is_claimed_than_there_are_free_slots, a_job_that_comes_while_the_poll_is_held_is_done,
                 the_next_server_is_asked_when_one_is_out_of_reach, a_server_that_is_not_there_is_passed_over,
                 a_worker_goes_back_to_the_server_that_it_began_with, a_poll_that_is_put_off_does_not_put_off_reports,
                 options_out_of_range_name_their_field, an_answer_that_is_no_list_of_jobs_is_asked_for_again,
                 poll_execute_and_report_do_one_job_without_a_thread_of_the_worker, a_poll_without_a_server_says_so,
                 a_poll_that_is_not_let_in_says_so, a_worker_without_a_handler_does_not_work, a_type_has_one_handler)
