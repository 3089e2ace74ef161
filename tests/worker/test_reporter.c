/* SPDX-License-Identifier: MIT */
/* What a worker does with its reports when the network and the server are not kind. */
#include "support/check_main.h"
#include "worker/script.h"

#include <string.h>

static script s;
static taskq_worker *worker;

static taskq_status succeed(taskq_run *run, void *user)
{
    (void)user;
    taskq_run_result(run, taskq_run_job(run)->payload);
    return TASKQ_OK;
}

static taskq_status give_up(taskq_run *run, void *user)
{
    (void)user;
    taskq_run_no_retry(run);
    return taskq_run_fail(run, "broken", "no \"way\"");
}

static taskq_status talk(taskq_run *run, void *user)
{
    (void)user;
    taskq_run_progress(run, 100, "done");
    taskq_run_log(run, "the last word");
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

static void open_worker(uint32_t concurrency, taskq_handler_fn *handler, void *user)
{
    worker = script_worker(&s, NULL, concurrency, NULL);
    ck_assert_int_eq(taskq_worker_handle(worker, "t", handler, user, NULL), TASKQ_OK);
}

static bool body_has(const char *path, unsigned index, const char *text)
{
    char *body = fake_server_body(s.server, path, index);
    bool found = body != NULL && strstr(body, text) != NULL;
    free(body);
    return found;
}

/* The place of the first request with this text among all. */
static unsigned index_of(const char *text)
{
    unsigned index = 0;
    while (index < fake_server_count(s.server, NULL) && !body_has(NULL, index, text)) {
        index++;
    }
    return index;
}

static bool nothing_waits(void *user)
{
    taskq_worker_stats stats = {.struct_size = sizeof(stats)};
    taskq_worker_read_stats(user, &stats);
    return stats.reports_waiting == 0 && stats.running == 0;
}

static taskq_worker_stats stats_of(void)
{
    taskq_worker_stats stats = {.struct_size = sizeof(stats)};
    taskq_worker_read_stats(worker, &stats);
    return stats;
}

START_TEST(a_result_is_reported_as_the_text_that_it_is)
{
    open_worker(1, succeed, NULL);
    script_drive_until_state(worker, &s, script_add(&s, 60000, 60000), 'e');
    ck_assert(body_has("/jobs/complete", 0, "{\"id\":1,\"version\":2,\"status\":\"succeeded\",\"result\":{\"n\":1}}"));
}
END_TEST

START_TEST(a_failure_is_reported_with_its_words)
{
    open_worker(1, give_up, NULL);
    script_drive_until_state(worker, &s, script_add(&s, 60000, 60000), 'e');
    ck_assert(body_has("/jobs/complete", 0,
                       "\"status\":\"failed\",\"error\":{\"code\":\"broken\",\"message\":\"no \\\"way\\\"\""));
    ck_assert(body_has("/jobs/complete", 0, "\"retry\":false"));
}
END_TEST

START_TEST(a_report_whose_answer_was_lost_is_sent_again)
{
    script_expect(&s, "/jobs/complete", SCRIPT_DO_AND_CUT, 0, NULL);
    open_worker(1, succeed, NULL);
    int64_t id = script_add(&s, 60000, 60000);
    script_drive_until_count(worker, &s, "/jobs/complete", 2);
    script_drive(worker, nothing_waits, worker);
    ck_assert_uint_eq(script_reports(&s, id), 2);
    ck_assert_uint_eq(stats_of().succeeded, 1);
}
END_TEST

START_TEST(reports_are_kept_while_the_server_is_out_of_order)
{
    for (int i = 0; i < 3; i++) {
        script_expect(&s, "/jobs/complete", SCRIPT_STATUS, 500, NULL);
    }
    open_worker(1, succeed, NULL);
    script_drive_until_state(worker, &s, script_add(&s, 60000, 60000), 'e');
    ck_assert_uint_eq(fake_server_count(s.server, "/jobs/complete"), 4);
    script_drive(worker, nothing_waits, worker);
    ck_assert_uint_ge(stats_of().report_retries, 3);
}
END_TEST

START_TEST(a_stale_report_ends_the_matter)
{
    open_worker(1, succeed, NULL);
    int64_t id = script_add(&s, 60000, 60000);
    script_set_report(&s, id, 409);
    script_drive_until_state(worker, &s, id, 'e');
    script_drive(worker, nothing_waits, worker);
    ck_assert_uint_eq(script_reports(&s, id), 1);
    ck_assert_uint_eq(stats_of().lost, 1);
    ck_assert_uint_eq(stats_of().succeeded, 0);
}
END_TEST

START_TEST(a_job_that_is_not_found_ends_the_matter)
{
    open_worker(1, succeed, NULL);
    int64_t id = script_add(&s, 60000, 60000);
    script_set_report(&s, id, 404);
    script_drive_until_state(worker, &s, id, 'e');
    script_drive(worker, nothing_waits, worker);
    ck_assert_uint_eq(script_reports(&s, id), 1);
}
END_TEST

START_TEST(a_refused_report_is_replaced_by_one_that_says_so)
{
    open_worker(1, succeed, NULL);
    int64_t id = script_add(&s, 60000, 60000);
    script_set_report(&s, id, 422);
    script_drive_until_state(worker, &s, id, 'e');
    ck_assert_uint_eq(script_reports(&s, id), 2);
    ck_assert(body_has("/jobs/complete", 1, "\"status\":\"failed\""));
    ck_assert(body_has("/jobs/complete", 1, "\"code\":\"report-refused\""));
    ck_assert(body_has("/jobs/complete", 1, "\"retry\":false"));
}
END_TEST

START_TEST(a_request_refused_whole_is_tried_without_its_claim_before_a_report_is_blamed)
{
    script_expect(&s, "/jobs/complete", SCRIPT_STATUS, 422, NULL);
    open_worker(1, succeed, NULL);
    script_drive_until_state(worker, &s, script_add(&s, 60000, 60000), 'e');
    ck_assert(body_has("/jobs/complete", 0, "\"next\""));
    ck_assert(!body_has("/jobs/complete", 1, "\"next\""));
    ck_assert(body_has("/jobs/complete", 1, "\"succeeded\""));
}
END_TEST

START_TEST(a_report_that_is_refused_alone_is_replaced)
{
    script_expect(&s, "/jobs/complete", SCRIPT_STATUS, 422, NULL);
    script_expect(&s, "/jobs/complete", SCRIPT_STATUS, 422, NULL);
    open_worker(1, succeed, NULL);
    script_drive_until_state(worker, &s, script_add(&s, 60000, 60000), 'e');
    ck_assert(body_has("/jobs/complete", 2, "\"code\":\"report-refused\""));
}
END_TEST

START_TEST(a_report_that_is_too_large_is_replaced)
{
    script_expect(&s, "/jobs/complete", SCRIPT_STATUS, 413, NULL);
    open_worker(1, succeed, NULL);
    script_drive_until_state(worker, &s, script_add(&s, 60000, 60000), 'e');
    ck_assert(body_has("/jobs/complete", 1, "\"code\":\"report-refused\""));
}
END_TEST

static bool all_ended(void *user)
{
    unsigned count = *(unsigned *)user;
    for (unsigned id = 1; id <= count; id++) {
        if (script_state(&s, id) != 'e') {
            return false;
        }
    }
    return true;
}

static bool all_inside(void *user)
{
    return gate_entered(user) == 8;
}

START_TEST(a_list_that_is_too_large_is_split)
{
    gate *g = gate_new();
    unsigned count = 8;
    for (unsigned i = 0; i < count; i++) {
        script_add(&s, 60000, 60000);
    }
    s.completions_max = 2;
    open_worker(count, gate_handler, g);
    script_drive(worker, all_inside, g);
    /* While this answer is being waited for, all others end, and become one list. */
    script_expect(&s, "/jobs/complete", SCRIPT_CUT, 0, NULL);
    gate_open(g);
    script_drive(worker, all_ended, &count);
    script_drive(worker, nothing_waits, worker);
    ck_assert_uint_eq(stats_of().succeeded, count);
    taskq_worker_close(worker);
    worker = NULL;
    gate_free(g);
}
END_TEST

START_TEST(a_report_asks_for_the_next_job_in_the_same_request)
{
    open_worker(1, succeed, NULL);
    script_add(&s, 60000, 60000);
    script_add(&s, 60000, 60000);
    script_drive_until_state(worker, &s, 2, 'e');
    ck_assert(body_has("/jobs/complete", 0, ",\"next\":{"));
    ck_assert_uint_le(script_value(&s, &s.leased_most), 1);
    ck_assert(body_has(NULL, 1, "\"completions\"") && body_has(NULL, 2, "\"completions\"")); /* no poll between the two */
}
END_TEST

START_TEST(the_last_progress_and_log_go_before_the_report)
{
    open_worker(1, talk, NULL);
    script_drive_until_state(worker, &s, script_add(&s, 60000, 60000), 'e');
    ck_assert_uint_eq(fake_server_count(s.server, "/jobs/heartbeat"), 1);
    ck_assert(body_has("/jobs/heartbeat", 0, "\"log\":\"the last word\\n\""));
    ck_assert(body_has("/jobs/heartbeat", 0, "\"message\":\"done\""));
    ck_assert_uint_lt(index_of("\"heartbeats\""), index_of("\"completions\""));
}
END_TEST

START_TEST(the_slot_of_a_handler_that_ignores_its_stop_is_given_away)
{
    gate *g = gate_new();
    open_worker(1, gate_handler, g);
    int64_t id = script_add(&s, 60000, 100);
    script_drive_until_count(worker, &s, "/next-job", 2);
    ck_assert_int_eq(script_state(&s, id), 'l');
    gate_open(g);
    script_drive_until_state(worker, &s, id, 'e');
    taskq_worker_close(worker);
    worker = NULL;
    gate_free(g);
}
END_TEST

TASKQ_TESTS_WITH(begin, end, a_result_is_reported_as_the_text_that_it_is, a_failure_is_reported_with_its_words,
                 a_report_whose_answer_was_lost_is_sent_again, reports_are_kept_while_the_server_is_out_of_order,
                 a_stale_report_ends_the_matter, a_job_that_is_not_found_ends_the_matter,
                 a_refused_report_is_replaced_by_one_that_says_so,
                 a_request_refused_whole_is_tried_without_its_claim_before_a_report_is_blamed,
                 a_report_that_is_refused_alone_is_replaced, a_report_that_is_too_large_is_replaced,
                 a_list_that_is_too_large_is_split, a_report_asks_for_the_next_job_in_the_same_request,
                 the_last_progress_and_log_go_before_the_report,
                 the_slot_of_a_handler_that_ignores_its_stop_is_given_away)
