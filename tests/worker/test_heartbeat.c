/* SPDX-License-Identifier: MIT */
/* Heartbeats: when they are sent, what they carry, and what their answers do to a handler. Time is the test's. */
#include "support/check_main.h"
#include "support/fake_clock.h"
#include "worker/script.h"

#include <stdatomic.h>
#include <string.h>

static script s;
static fake_clock moved;
static taskq_worker *worker;
static gate *g;
static _Atomic int reason;

/* Says something, waits for the gate. */
static taskq_status talk(taskq_run *run, void *user)
{
    taskq_run_progress(run, 50, "half");
    taskq_run_log(run, "hello");
    return gate_handler(run, user);
}

/* Until it is told to stop. */
static taskq_status listen(taskq_run *run, void *user)
{
    (void)user;
    atomic_store(&reason, (int)taskq_run_sleep(run, 600000));
    return taskq_run_fail(run, "stopped", "it was told to stop");
}

static void begin(void)
{
    script_begin(&s);
    fake_clock_init(&moved);
    g = gate_new();
    atomic_store(&reason, 0);
}

static void end(void)
{
    gate_open(g);
    taskq_worker_close(worker);
    worker = NULL;
    gate_free(g);
    script_end(&s);
}

static bool is_running(void *user)
{
    taskq_worker_stats stats = {.struct_size = sizeof(stats)};
    taskq_worker_read_stats(user, &stats);
    return stats.running == 1;
}

static bool are_running(void *user)
{
    taskq_worker_stats stats = {.struct_size = sizeof(stats)};
    taskq_worker_read_stats(user, &stats);
    return stats.running == 20;
}

static bool has_entered(void *user)
{
    return gate_entered(user) == 1;
}

static bool has_a_reason(void *user)
{
    (void)user;
    return atomic_load(&reason) != 0;
}

static void run_one(taskq_handler_fn *handler, int64_t lease_ms)
{
    taskq_clock clock = fake_clock_face(&moved);
    worker = script_worker(&s, NULL, 1, &clock);
    ck_assert_int_eq(taskq_worker_handle(worker, "t", handler, g, NULL), TASKQ_OK);
    script_add(&s, lease_ms, 600000);
    script_drive(worker, is_running, worker);
}

static bool beat_has(unsigned index, const char *text)
{
    char *body = fake_server_body(s.server, "/jobs/heartbeat", index);
    bool found = body != NULL && strstr(body, text) != NULL;
    free(body);
    return found;
}

/* The worker is stepped for what it can do now; the clock stands still, so more steps would do no more. */
static void settle(void)
{
    int64_t next_in_ms;
    ck_assert_int_eq(taskq_worker_step(worker, &next_in_ms, NULL), TASKQ_OK);
}

START_TEST(a_lease_is_renewed_when_a_third_of_it_is_over)
{
    run_one(gate_handler, 6000);
    fake_clock_advance(&moved, 1999);
    settle();
    ck_assert_uint_eq(fake_server_count(s.server, "/jobs/heartbeat"), 0);
    fake_clock_advance(&moved, 1);
    script_drive_until_count(worker, &s, "/jobs/heartbeat", 1);
    ck_assert(beat_has(0, "{\"heartbeats\":[{\"id\":1,\"version\":2}]}"));
}
END_TEST

START_TEST(a_long_lease_is_renewed_every_five_seconds)
{
    run_one(gate_handler, 3600000);
    fake_clock_advance(&moved, 4999);
    settle();
    ck_assert_uint_eq(fake_server_count(s.server, "/jobs/heartbeat"), 0);
    fake_clock_advance(&moved, 1);
    script_drive_until_count(worker, &s, "/jobs/heartbeat", 1);
}
END_TEST

START_TEST(a_heartbeat_carries_progress_and_log)
{
    run_one(talk, 6000);
    script_drive(worker, has_entered, g);
    fake_clock_advance(&moved, 2000);
    script_drive_until_count(worker, &s, "/jobs/heartbeat", 1);
    ck_assert(beat_has(0, "\"progress\":{\"percent\":50"));
    ck_assert(beat_has(0, "\"message\":\"half\"}"));
    ck_assert(beat_has(0, "\"log\":\"hello\\n\""));
}
END_TEST

START_TEST(a_heartbeat_that_did_not_arrive_is_sent_again_with_its_log)
{
    script_expect(&s, "/jobs/heartbeat", SCRIPT_CUT, 0, NULL);
    run_one(talk, 6000);
    script_drive(worker, has_entered, g);
    fake_clock_advance(&moved, 2000);
    script_drive_until_count(worker, &s, "/jobs/heartbeat", 1);
    while (fake_server_count(s.server, "/jobs/heartbeat") < 2) {
        fake_clock_advance(&moved, 10); /* until the breaker lets it through */
        settle();
    }
    ck_assert(beat_has(1, "\"log\":\"hello\\n\""));
}
END_TEST

START_TEST(a_cancel_reaches_the_handler)
{
    run_one(listen, 6000);
    script_cancel(&s, 1);
    fake_clock_advance(&moved, 2000);
    script_drive(worker, has_a_reason, NULL);
    ck_assert_int_eq(atomic_load(&reason), TASKQ_RUN_CANCELED);
    script_drive_until_state(worker, &s, 1, 'e'); /* it failed: the server makes canceled of it */
}
END_TEST

START_TEST(a_lost_lease_reaches_the_handler_and_nothing_is_reported)
{
    run_one(listen, 6000);
    script_set_beat(&s, 1, 409);
    fake_clock_advance(&moved, 2000);
    script_drive(worker, has_a_reason, NULL);
    ck_assert_int_eq(atomic_load(&reason), TASKQ_RUN_LOST);
    script_drive_until_count(worker, &s, "/next-job", 2); /* the slot is free */
    ck_assert_uint_eq(script_reports(&s, 1), 0);
}
END_TEST

START_TEST(the_time_out_reaches_the_handler)
{
    run_one(listen, 3600000);
    fake_clock_advance(&moved, 600000);
    script_drive(worker, has_a_reason, NULL);
    ck_assert_int_eq(atomic_load(&reason), TASKQ_RUN_TIMED_OUT);
    script_drive_until_state(worker, &s, 1, 'e');
    char *body = fake_server_body(s.server, "/jobs/complete", 0);
    ck_assert_ptr_nonnull(strstr(body, "\"code\":\"timeout\""));
    free(body);
}
END_TEST

START_TEST(one_request_carries_all_that_are_due)
{
    taskq_clock clock = fake_clock_face(&moved);
    worker = script_worker(&s, NULL, 20, &clock);
    ck_assert_int_eq(taskq_worker_handle(worker, "t", gate_handler, g, NULL), TASKQ_OK);
    for (int i = 0; i < 20; i++) {
        script_add(&s, 6000, 600000);
    }
    script_drive(worker, are_running, worker);
    fake_clock_advance(&moved, 2000);
    script_drive_until_count(worker, &s, "/jobs/heartbeat", 1);
    ck_assert(beat_has(0, "{\"id\":1,"));
    ck_assert(beat_has(0, "{\"id\":20,"));
}
END_TEST

static void is_alive(void *user, const fake_request *request, fake_answer *answer)
{
    (void)user;
    (void)request;
    answer->status = 503;
}

static bool was_asked(void *user)
{
    return fake_server_count(user, "/jobs/heartbeat") > 0;
}

/* A request has fifteen seconds, which is more than the lease has. */
START_TEST(a_server_that_does_not_answer_does_not_use_up_the_lease)
{
    taskq_clock clock = fake_clock_face(&moved), real;
    fake_server *other = fake_server_start(is_alive, NULL);
    s.keeps_beats = true;
    worker = script_worker(&s, fake_server_url(other), 1, &clock);
    ck_assert_int_eq(taskq_worker_handle(worker, "t", gate_handler, g, NULL), TASKQ_OK);
    script_add(&s, 3000, 600000);
    script_drive(worker, is_running, worker);
    fake_clock_advance(&moved, 1000);
    taskq_clock_system(&real);
    int64_t began = real.steady_ms(real.user);
    script_drive(worker, was_asked, other);
    ck_assert_int_lt(real.steady_ms(real.user) - began, 12000);
    ck_assert_uint_eq(fake_server_count(s.server, "/jobs/heartbeat"), 1);
    gate_open(g);
    taskq_worker_close(worker);
    worker = NULL;
    fake_server_stop(other);
}
END_TEST

TASKQ_TESTS_WITH(begin, end, a_lease_is_renewed_when_a_third_of_it_is_over, a_long_lease_is_renewed_every_five_seconds,
                 a_heartbeat_carries_progress_and_log, a_heartbeat_that_did_not_arrive_is_sent_again_with_its_log,
                 a_cancel_reaches_the_handler, a_lost_lease_reaches_the_handler_and_nothing_is_reported,
                 the_time_out_reaches_the_handler, one_request_carries_all_that_are_due,
                 a_server_that_does_not_answer_does_not_use_up_the_lease)
