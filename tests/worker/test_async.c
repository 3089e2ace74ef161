/* SPDX-License-Identifier: MIT */
/* Handlers that end later, from the host's own loop; and many workers in one process. */
#include "support/check_main.h"
#include "worker/core.h"
#include "worker/script.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>

enum { RUNS_MAX = 64, WORKERS = 12 };

static script s;
static taskq_worker *worker;
static taskq_run *runs[RUNS_MAX]; /* that were begun and have not ended */
static unsigned run_count;
static pthread_t driver;

static void keep(taskq_run *run, void *user)
{
    (void)user;
    ck_assert(pthread_equal(pthread_self(), driver));
    runs[run_count++] = run;
}

static void end_at_once(taskq_run *run, void *user)
{
    (void)user;
    taskq_run_result(run, TASKQ_TEXT("{\"at\":\"once\"}"));
    taskq_run_end(run, TASKQ_OK);
}

static void begin(void)
{
    script_begin(&s);
    run_count = 0;
    driver = pthread_self();
}

static void end(void)
{
    taskq_worker_close(worker);
    worker = NULL;
    script_end(&s);
}

static void open_worker(taskq_start_fn *start, uint32_t concurrency)
{
    worker = script_worker(&s, NULL, concurrency, NULL);
    ck_assert_int_eq(taskq_worker_handle_async(worker, "t", start, NULL, NULL), TASKQ_OK);
}

static bool are_kept(void *user)
{
    return run_count >= *(const unsigned *)user;
}

static void drive_until_kept(unsigned count)
{
    script_drive(worker, are_kept, &count);
}

START_TEST(a_handler_ends_when_its_host_says_so)
{
    int64_t id = script_add(&s, 60000, 60000);
    open_worker(keep, 1);
    drive_until_kept(1);
    ck_assert_int_eq(taskq_run_job(runs[0])->id, id);
    ck_assert_int_eq(script_state(&s, id), 'l');
    taskq_run_result(runs[0], TASKQ_TEXT("{\"n\":7}"));
    taskq_run_end(runs[0], TASKQ_OK);
    script_drive_until_state(worker, &s, id, 'e');
    char *body = fake_server_body(s.server, "/jobs/complete", 0);
    ck_assert_ptr_nonnull(strstr(body, "\"status\":\"succeeded\",\"result\":{\"n\":7}"));
    free(body);
}
END_TEST

START_TEST(one_that_ends_in_its_start_is_reported_too)
{
    open_worker(end_at_once, 2);
    for (int i = 0; i < 5; i++) {
        script_drive_until_state(worker, &s, script_add(&s, 60000, 60000), 'e');
    }
}
END_TEST

START_TEST(a_failure_says_why)
{
    int64_t id = script_add(&s, 60000, 60000);
    open_worker(keep, 1);
    drive_until_kept(1);
    taskq_run_end(runs[0], taskq_run_fail(runs[0], "no-paper", "the printer is empty"));
    script_drive_until_state(worker, &s, id, 'e');
    char *body = fake_server_body(s.server, "/jobs/complete", 0);
    ck_assert_ptr_nonnull(strstr(body, "\"code\":\"no-paper\""));
    free(body);
}
END_TEST

START_TEST(a_worker_with_such_handlers_alone_makes_no_thread)
{
    open_worker(keep, 8);
    for (int i = 0; i < 8; i++) {
        script_add(&s, 60000, 60000);
    }
    drive_until_kept(8);
    ck_assert_uint_eq(worker->pool.count, 0);
    for (unsigned i = 0; i < 8; i++) {
        taskq_run_end(runs[i], TASKQ_OK);
    }
    script_drive_until_state(worker, &s, 8, 'e');
}
END_TEST

START_TEST(its_descriptor_says_that_the_job_was_canceled)
{
    int64_t id = script_add(&s, 3000, 60000);
    open_worker(keep, 1);
    drive_until_kept(1);
    struct pollfd stop = {.fd = taskq_run_fd(runs[0]), .events = POLLIN};
    ck_assert_int_eq(poll(&stop, 1, 0), 0);
    script_cancel(&s, id);
    while (poll(&stop, 1, 0) == 0) {
        script_drive_until_count(worker, &s, "/jobs/heartbeat", fake_server_count(s.server, "/jobs/heartbeat") + 1);
    }
    ck_assert_int_eq(taskq_run_should_stop(runs[0]), TASKQ_RUN_CANCELED);
    taskq_run_end(runs[0], TASKQ_ECANCELED);
    script_drive_until_state(worker, &s, id, 'e');
}
END_TEST

static void *end_it(void *run)
{
    taskq_run_end(run, TASKQ_OK);
    return NULL;
}

START_TEST(any_thread_may_end_it)
{
    pthread_t ending[RUNS_MAX / 2];
    open_worker(keep, RUNS_MAX / 2);
    for (unsigned i = 0; i < RUNS_MAX / 2; i++) {
        script_add(&s, 60000, 60000);
    }
    drive_until_kept(RUNS_MAX / 2);
    for (unsigned i = 0; i < RUNS_MAX / 2; i++) {
        ck_assert_int_eq(pthread_create(&ending[i], NULL, end_it, runs[i]), 0);
    }
    for (unsigned i = 0; i < RUNS_MAX / 2; i++) {
        script_drive_until_state(worker, &s, i + 1, 'e');
        pthread_join(ending[i], NULL);
    }
}
END_TEST

START_TEST(closing_gives_back_what_has_not_ended_and_its_end_comes_later)
{
    int64_t id = script_add(&s, 60000, 60000);
    open_worker(keep, 1);
    drive_until_kept(1);
    taskq_worker_close(worker);
    worker = NULL;
    ck_assert_int_eq(script_state(&s, id), 'g');
    ck_assert_int_eq(taskq_run_should_stop(runs[0]), TASKQ_RUN_STOPPING);
    ck_assert_int_eq(taskq_run_job(runs[0])->id, id);
    taskq_run_end(runs[0], TASKQ_OK); /* frees it */
}
END_TEST

static taskq_worker *worker_that_ends_soon(void)
{
    const char *url = fake_server_url(s.server);
    taskq_worker_options options = TASKQ_WORKER_OPTIONS_INIT;
    taskq_worker *made = NULL;
    options.servers = &url;
    options.server_count = 1;
    options.shutdown_timeout_ms = 1;
    ck_assert_int_eq(taskq_worker_open(&options, &made, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_worker_handle_async(made, "t", keep, NULL, NULL), TASKQ_OK);
    return made;
}

START_TEST(a_stopped_worker_tells_it_and_gives_it_back_when_it_goes_on)
{
    int64_t id = script_add(&s, 60000, 60000);
    worker = worker_that_ends_soon();
    drive_until_kept(1);
    taskq_worker_stop(worker);
    script_drive_to_end(worker);
    ck_assert_int_eq(taskq_run_should_stop(runs[0]), TASKQ_RUN_STOPPING);
    ck_assert_int_eq(script_state(&s, id), 'g');
    taskq_worker_close(worker);
    worker = NULL;
    taskq_run_end(runs[0], TASKQ_OK);
}
END_TEST

START_TEST(execute_begins_it_and_report_sends_its_end)
{
    uint32_t count = 0;
    int64_t id = script_add(&s, 60000, 60000);
    open_worker(keep, 1);
    ck_assert_int_eq(taskq_worker_poll(worker, 1, 10000, &count, NULL), TASKQ_OK);
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(taskq_worker_execute(worker, NULL), TASKQ_OK);
    ck_assert_uint_eq(run_count, 1);
    taskq_run_end(runs[0], TASKQ_OK);
    ck_assert_int_eq(taskq_worker_report(worker, NULL), TASKQ_OK);
    ck_assert_int_eq(script_state(&s, id), 'e');
}
END_TEST

START_TEST(many_workers_live_in_one_process_and_one_thread)
{
    const char *url = fake_server_url(s.server);
    taskq_worker_options options = TASKQ_WORKER_OPTIONS_INIT;
    options.servers = &url;
    options.server_count = 1;
    taskq_worker *many[WORKERS];
    struct pollfd fds[WORKERS];
    unsigned ended = 0;
    for (unsigned i = 0; i < WORKERS; i++) {
        options.concurrency = 2;
        ck_assert_int_eq(taskq_worker_open(&options, &many[i], NULL), TASKQ_OK);
        ck_assert_int_eq(taskq_worker_handle_async(many[i], "t", end_at_once, NULL, NULL), TASKQ_OK);
        fds[i] = (struct pollfd){.fd = taskq_worker_fd(many[i]), .events = POLLIN};
    }
    for (unsigned i = 0; i < WORKERS * 8; i++) {
        script_add(&s, 60000, 60000);
    }
    while (ended < WORKERS * 8) {
        int64_t soonest_ms = 5; /* what is waited for may happen at the server */
        for (unsigned i = 0; i < WORKERS; i++) {
            int64_t next_in_ms = 0;
            ck_assert_int_eq(taskq_worker_step(many[i], &next_in_ms, NULL), TASKQ_OK);
            soonest_ms = next_in_ms < soonest_ms ? next_in_ms : soonest_ms;
        }
        poll(fds, WORKERS, (int)soonest_ms);
        for (ended = 0; ended < WORKERS * 8 && script_state(&s, (int64_t)ended + 1) == 'e'; ended++) {}
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        taskq_worker_close(many[i]);
    }
    for (int64_t id = 1; id <= WORKERS * 8; id++) {
        ck_assert_uint_eq(script_reports(&s, id), 1);
    }
}
END_TEST

TASKQ_TESTS_WITH(begin, end, a_handler_ends_when_its_host_says_so, one_that_ends_in_its_start_is_reported_too,
                 a_failure_says_why, a_worker_with_such_handlers_alone_makes_no_thread,
                 its_descriptor_says_that_the_job_was_canceled, any_thread_may_end_it,
                 closing_gives_back_what_has_not_ended_and_its_end_comes_later,
                 a_stopped_worker_tells_it_and_gives_it_back_when_it_goes_on,
                 execute_begins_it_and_report_sends_its_end, many_workers_live_in_one_process_and_one_thread)
