/* SPDX-License-Identifier: MIT */
/* The end of a worker, and that a step never waits. */
#include "support/check_main.h"
#include "support/fake_clock.h"
#include "worker/script.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>

static script s;
static taskq_worker *worker;
static gate *g;

/* Until it is told to stop. */
static taskq_status listen(taskq_run *run, void *user)
{
    (void)user;
    taskq_run_sleep(run, 600000);
    return taskq_run_fail(run, "stopped", "it was told to stop");
}

static void begin(void)
{
    script_begin(&s);
    g = gate_new();
}

static void end(void)
{
    gate_open(g);
    taskq_worker_close(worker);
    worker = NULL;
    gate_free(g);
    script_end(&s);
}

static void open_worker_of(uint32_t concurrency, int64_t shutdown_timeout_ms, taskq_handler_fn *handler)
{
    const char *servers[] = {fake_server_url(s.server)};
    taskq_worker_options options = TASKQ_WORKER_OPTIONS_INIT;
    options.servers = servers;
    options.server_count = 1;
    options.concurrency = concurrency;
    options.poll_interval_ms = 60000;
    options.shutdown_timeout_ms = shutdown_timeout_ms;
    ck_assert_int_eq(taskq_worker_open(&options, &worker, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_worker_handle(worker, "t", handler, g, NULL), TASKQ_OK);
}

static void open_worker(int64_t shutdown_timeout_ms, taskq_handler_fn *handler)
{
    open_worker_of(2, shutdown_timeout_ms, handler);
}

static bool is_held(void *user)
{
    (void)user;
    return fake_server_held(s.server) == 1;
}

static bool is_running(void *user)
{
    taskq_worker_stats stats = {.struct_size = sizeof(stats)};
    (void)user;
    taskq_worker_read_stats(worker, &stats);
    return stats.running == 1;
}

static taskq_status step(void)
{
    int64_t next_in_ms;
    return taskq_worker_step(worker, &next_in_ms, NULL);
}

START_TEST(a_stop_asks_the_held_poll_again_without_a_wait)
{
    open_worker(30000, listen);
    script_drive(worker, is_held, NULL);
    taskq_worker_stop(worker);
    script_drive_to_end(worker); /* the poll would be held for a minute */
    ck_assert_uint_eq(fake_server_count(s.server, "/next-job"), 2);
    ck_assert_uint_eq(fake_server_hangups(s.server), 0);
    char *first = fake_server_body(s.server, "/next-job", 0), *second = fake_server_body(s.server, "/next-job", 1);
    char *wait = strstr(first, ",\"wait\":");
    ck_assert_ptr_nonnull(wait);
    *wait = '\0';
    ck_assert_uint_eq(strlen(second), strlen(first) + 1);
    ck_assert_int_eq(strncmp(first, second, strlen(first)), 0);
    free(first);
    free(second);
}
END_TEST

START_TEST(what_the_held_poll_leases_while_the_worker_stops_is_given_back)
{
    s.keeps_back = true;
    open_worker(30000, listen);
    script_drive(worker, is_held, NULL);
    script_add(&s, 60000, 60000);
    script_drive_until_state(worker, &s, 1, 'l');
    taskq_worker_stop(worker);
    script_drive_to_end(worker);
    ck_assert_int_eq(script_state(&s, 1), 'g');
    ck_assert_uint_eq(script_reports(&s, 1), 0);
}
END_TEST

START_TEST(a_poll_that_reaches_the_server_after_its_repetition_is_ended_too)
{
    s.deaf = 1;
    open_worker(30000, listen);
    script_drive(worker, is_held, NULL);
    taskq_worker_stop(worker);
    script_drive_to_end(worker);
    ck_assert_uint_eq(fake_server_count(s.server, "/next-job"), 3);
    ck_assert_uint_eq(fake_server_hangups(s.server), 0);
}
END_TEST

START_TEST(a_poll_that_no_repetition_ends_is_hung_up)
{
    s.deaf = 1000;
    open_worker(30000, listen);
    script_drive(worker, is_held, NULL);
    taskq_worker_stop(worker);
    script_drive_to_end(worker);
    while (fake_server_hangups(s.server) == 0) {
        fake_server_wake(s.server);
    }
}
END_TEST

START_TEST(what_a_report_brought_whose_answer_was_lost_is_given_back)
{
    s.keeps_reports = true;
    open_worker_of(1, 30000, gate_handler);
    gate_open(g);
    script_add(&s, 60000, 60000);
    script_add(&s, 60000, 60000);
    script_drive_until_state(worker, &s, 2, 'l');
    taskq_worker_stop(worker);
    ck_assert_int_eq(step(), TASKQ_OK);
    fake_server_lock(s.server);
    s.keeps_reports = false;
    fake_server_unlock(s.server);
    script_drive_to_end(worker);
    ck_assert_int_eq(script_state(&s, 1), 'e');
    ck_assert_int_eq(script_state(&s, 2), 'g');
}
END_TEST

START_TEST(without_a_server_a_stop_does_not_wait_for_the_poll)
{
    open_worker(600000, listen);
    script_drive(worker, is_held, NULL);
    script_end(&s);
    taskq_worker_stop(worker);
    script_drive_to_end(worker); /* it has ten minutes; the test has two */
    script_begin(&s);
}
END_TEST

static void *poll_it(void *user)
{
    uint32_t count = 9;
    return taskq_worker_poll(user, 1, 60000, &count, NULL) == TASKQ_ECANCELED && count == 9 ? user : NULL;
}

START_TEST(closing_gives_back_what_a_stopped_poll_leased)
{
    pthread_t thread;
    void *result = NULL;
    s.keeps_back = true;
    open_worker(30000, listen);
    script_add(&s, 60000, 60000);
    ck_assert_int_eq(pthread_create(&thread, NULL, poll_it, worker), 0);
    while (script_state(&s, 1) != 'l') {
        poll(NULL, 0, 1);
    }
    taskq_worker_stop(worker);
    pthread_join(thread, &result);
    ck_assert_ptr_eq(result, worker);
    taskq_worker_close(worker);
    worker = NULL;
    ck_assert_int_eq(script_state(&s, 1), 'g');
}
END_TEST

START_TEST(a_job_that_ends_in_time_is_reported)
{
    open_worker(30000, gate_handler);
    script_add(&s, 60000, 60000);
    script_drive(worker, is_running, NULL);
    taskq_worker_stop(worker);
    ck_assert_int_eq(step(), TASKQ_OK);
    gate_open(g);
    script_drive_to_end(worker);
    ck_assert_int_eq(script_state(&s, 1), 'e');
}
END_TEST

START_TEST(a_job_that_stops_is_given_back)
{
    open_worker(-1, listen);
    script_add(&s, 60000, 60000);
    script_drive(worker, is_running, NULL);
    taskq_worker_stop(worker);
    script_drive_to_end(worker);
    ck_assert_int_eq(script_state(&s, 1), 'g');
    ck_assert_uint_eq(script_reports(&s, 1), 0);
}
END_TEST

START_TEST(a_job_whose_handler_ignores_the_stop_is_given_back_too)
{
    open_worker(-1, gate_handler);
    script_add(&s, 60000, 60000);
    script_drive(worker, is_running, NULL);
    taskq_worker_stop(worker);
    script_drive_to_end(worker);
    ck_assert_int_eq(script_state(&s, 1), 'g');
    taskq_worker_stats stats = {.struct_size = sizeof(stats)};
    taskq_worker_read_stats(worker, &stats);
    ck_assert_uint_eq(stats.running, 1);
    ck_assert_uint_eq(stats.released, 1);
}
END_TEST

START_TEST(a_second_stop_ends_it_at_once)
{
    open_worker(600000, gate_handler);
    script_add(&s, 60000, 60000);
    script_drive(worker, is_running, NULL);
    taskq_worker_stop(worker);
    ck_assert_int_eq(step(), TASKQ_OK);
    taskq_worker_stop(worker);
    ck_assert_int_eq(step(), TASKQ_ECANCELED);
    ck_assert_int_eq(script_state(&s, 1), 'l');
}
END_TEST

START_TEST(closing_gives_back_what_was_polled_and_not_begun)
{
    uint32_t count = 0;
    open_worker(30000, listen);
    script_add(&s, 60000, 60000);
    ck_assert_int_eq(taskq_worker_poll(worker, 1, 1000, &count, NULL), TASKQ_OK);
    ck_assert_uint_eq(count, 1);
    taskq_worker_close(worker);
    worker = NULL;
    ck_assert_int_eq(script_state(&s, 1), 'g');
}
END_TEST

START_TEST(a_step_returns_while_the_server_holds_the_poll)
{
    open_worker(30000, listen);
    script_drive(worker, is_held, NULL);
    int64_t next_in_ms = -1;
    ck_assert_int_eq(taskq_worker_step(worker, &next_in_ms, NULL), TASKQ_OK);
    ck_assert_uint_eq(fake_server_held(s.server), 1); /* it came back before the answer */
    ck_assert_int_gt(next_in_ms, 0);
}
END_TEST

START_TEST(the_descriptor_is_readable_when_an_answer_is_there)
{
    open_worker(30000, listen);
    script_drive(worker, is_held, NULL);
    ck_assert_int_eq(step(), TASKQ_OK);
    struct pollfd fd = {.fd = taskq_worker_fd(worker), .events = POLLIN};
    ck_assert_int_eq(poll(&fd, 1, 0), 0);
    script_add(&s, 60000, 60000);
    ck_assert_int_eq(poll(&fd, 1, 60000), 1);
    script_drive(worker, is_running, NULL);
}
END_TEST

START_TEST(the_descriptor_is_readable_when_it_was_told_to_stop)
{
    open_worker(30000, listen);
    script_drive(worker, is_held, NULL);
    ck_assert_int_eq(step(), TASKQ_OK);
    taskq_worker_stop(worker);
    struct pollfd fd = {.fd = taskq_worker_fd(worker), .events = POLLIN};
    ck_assert_int_eq(poll(&fd, 1, 60000), 1);
}
END_TEST

static void count_errors(void *user, const taskq_log_event *event)
{
    unsigned *errors = user;
    *errors += event->level >= TASKQ_LOG_ERROR ? 1 : 0;
}

/* Once the time for it is over, and not again by the one who closes. */
START_TEST(reports_that_nobody_takes_are_told_of_once)
{
    unsigned errors = 0;
    fake_clock moved;
    fake_clock_init(&moved);
    const char *url = fake_server_url(s.server);
    taskq_worker_options options = TASKQ_WORKER_OPTIONS_INIT;
    options.servers = &url;
    options.server_count = 1;
    options.clock = fake_clock_face(&moved);
    options.log = (taskq_log){sizeof(taskq_log), count_errors, &errors, TASKQ_LOG_ERROR};
    ck_assert_int_eq(taskq_worker_open(&options, &worker, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq_worker_handle(worker, "t", gate_handler, g, NULL), TASKQ_OK);
    script_add(&s, 600000, 600000);
    script_drive(worker, is_running, NULL);
    for (int i = 0; i < 8; i++) {
        script_expect(&s, "/jobs/complete", SCRIPT_STATUS, 503, NULL);
    }
    gate_open(g);
    script_drive_until_count(worker, &s, "/jobs/complete", 1);
    taskq_worker_stop(worker);
    taskq_status ended;
    while ((ended = step()) == TASKQ_OK) {
        fake_clock_advance(&moved, 5000);
    }
    ck_assert_int_eq(ended, TASKQ_ECANCELED);
    taskq_worker_close(worker);
    worker = NULL;
    ck_assert_uint_eq(errors, 1);
}
END_TEST

static void *run_it(void *user)
{
    return taskq_worker_run(user, NULL) == TASKQ_OK ? user : NULL;
}

START_TEST(run_works_until_another_thread_stops_it)
{
    pthread_t thread;
    void *result = NULL;
    open_worker(30000, gate_handler);
    gate_open(g);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_it, worker), 0);
    for (int i = 1; i <= 20; i++) {
        script_add(&s, 60000, 60000);
    }
    while (script_state(&s, 20) != 'e') {
        taskq_worker_stats stats = {.struct_size = sizeof(stats)};
        taskq_worker_read_stats(worker, &stats);
        ck_assert_uint_le(stats.running, 2);
    }
    taskq_worker_stop(worker);
    pthread_join(thread, &result);
    ck_assert_ptr_eq(result, worker);
    /* More than two may be leased: those that have ended and whose reports are on their way. */
    ck_assert_uint_le(script_value(&s, &s.limit_most), 2);
}
END_TEST

static void *open_when_beaten(void *user)
{
    while (fake_server_count(s.server, "/jobs/heartbeat") < 2) {
        poll(NULL, 0, 1);
    }
    gate_open(user);
    return NULL;
}

START_TEST(heartbeats_go_on_while_execute_runs_the_handler)
{
    uint32_t count;
    pthread_t thread;
    open_worker(30000, gate_handler);
    script_add(&s, 1000, 60000);
    ck_assert_int_eq(taskq_worker_poll(worker, 1, 1000, &count, NULL), TASKQ_OK);
    ck_assert_int_eq(pthread_create(&thread, NULL, open_when_beaten, g), 0);
    ck_assert_int_eq(taskq_worker_execute(worker, NULL), TASKQ_OK); /* returns only after two heartbeats */
    pthread_join(thread, NULL);
    ck_assert_int_eq(taskq_worker_report(worker, NULL), TASKQ_OK);
    ck_assert_int_eq(script_state(&s, 1), 'e');
}
END_TEST

TASKQ_TESTS_WITH(begin, end, a_stop_asks_the_held_poll_again_without_a_wait,
                 what_the_held_poll_leases_while_the_worker_stops_is_given_back,
                 a_poll_that_reaches_the_server_after_its_repetition_is_ended_too,
                 a_poll_that_no_repetition_ends_is_hung_up, what_a_report_brought_whose_answer_was_lost_is_given_back,
                 without_a_server_a_stop_does_not_wait_for_the_poll, closing_gives_back_what_a_stopped_poll_leased,
                 a_job_that_ends_in_time_is_reported, a_job_that_stops_is_given_back,
                 a_job_whose_handler_ignores_the_stop_is_given_back_too, a_second_stop_ends_it_at_once,
                 closing_gives_back_what_was_polled_and_not_begun, a_step_returns_while_the_server_holds_the_poll,
                 the_descriptor_is_readable_when_an_answer_is_there,
                 the_descriptor_is_readable_when_it_was_told_to_stop, reports_that_nobody_takes_are_told_of_once,
                 run_works_until_another_thread_stops_it, heartbeats_go_on_while_execute_runs_the_handler)
