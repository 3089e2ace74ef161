/* SPDX-License-Identifier: MIT */
/* The passage of time, on a clock that the test moves: leases, time-outs, backoffs, due times, retention. */
#include "support/check_main.h"

#include <poll.h>
#include <sched.h>
#include <string.h>

#include "fixture.h"
#include "scheduler/scheduler.h"

enum { DAY_MS = 86400000 };

static taskq_sweep_report sweep(void)
{
    taskq_sweep_report report;
    ck_ok(taskq_scheduler_sweep(fx.scheduler, &report, &fx.err));
    return report;
}

static int64_t claimed_job(const taskq_new_job *job, int64_t *version)
{
    int64_t id = enqueue_job(job);
    ck_assert_int_eq(claim("default", NULL, version), id);
    return id;
}

static taskq_new_job job_without_backoff(void)
{
    taskq_new_job job = new_job("default", "t");
    job.backoff.base_ms = 0;
    return job;
}

START_TEST(a_lease_that_is_over_is_lost_at_the_next_sweep_and_not_before)
{
    taskq_new_job job = job_without_backoff();
    int64_t version, id = claimed_job(&job, &version);
    fake_clock_advance(&fx.clock, job.lease_ms - 1);
    ck_assert_uint_eq(sweep().lost, 0);
    fake_clock_advance(&fx.clock, 1);
    ck_assert_int_eq(state_of(id), TASKQ_STATE_RUNNING);
    ck_assert_uint_eq(sweep().lost, 1);
    ck_assert_int_eq(state_of(id), TASKQ_STATE_QUEUED);
    ck_assert_int_eq(complete(id, version, true, NULL), TASKQ_ESTALE);
    ck_assert_uint_eq(stats().lost, 1);
}
END_TEST

START_TEST(a_report_before_the_sweep_counts_even_when_the_lease_is_over)
{
    taskq_new_job job = job_without_backoff();
    int64_t version, id = claimed_job(&job, &version);
    fake_clock_advance(&fx.clock, job.lease_ms + 1000);
    ck_assert_int_eq(complete(id, version, true, NULL), TASKQ_OK);
    ck_assert_uint_eq(sweep().lost, 0);
}
END_TEST

START_TEST(a_heartbeat_keeps_a_lease_over_its_first_end)
{
    taskq_new_job job = job_without_backoff();
    taskq_heartbeat beat = TASKQ_HEARTBEAT_INIT;
    taskq_heartbeat *beats[] = {&beat};
    beat.id = claimed_job(&job, &beat.version);
    fake_clock_advance(&fx.clock, job.lease_ms - 1000);
    ck_ok(taskq_scheduler_heartbeat(fx.scheduler, beats, 1, &fx.err));
    ck_assert_int_eq(beat.status, TASKQ_OK);
    ck_assert_int_eq(beat.lease_expires_at_ms, taskq_scheduler_now_ms(fx.scheduler) + job.lease_ms);
    fake_clock_advance(&fx.clock, job.lease_ms - 1);
    ck_assert_uint_eq(sweep().lost, 0);
    fake_clock_advance(&fx.clock, 1);
    ck_assert_uint_eq(sweep().lost, 1);
    ck_ok(taskq_scheduler_heartbeat(fx.scheduler, beats, 1, &fx.err));
    ck_assert_int_eq(beat.status, TASKQ_ESTALE);
}
END_TEST

START_TEST(no_heartbeat_extends_a_time_out)
{
    taskq_new_job job = job_without_backoff();
    taskq_heartbeat beat = TASKQ_HEARTBEAT_INIT;
    taskq_heartbeat *beats[] = {&beat};
    job.timeout_ms = 5000;
    beat.id = claimed_job(&job, &beat.version);
    fake_clock_advance(&fx.clock, 4999);
    ck_ok(taskq_scheduler_heartbeat(fx.scheduler, beats, 1, &fx.err));
    ck_assert_uint_eq(sweep().timed_out, 0);
    fake_clock_advance(&fx.clock, 1);
    ck_assert_uint_eq(sweep().timed_out, 1);
    ck_assert_uint_eq(stats().timed_out, 1);
}
END_TEST

START_TEST(a_wall_clock_that_jumps_ends_no_attempt_early)
{
    taskq_new_job job = job_without_backoff();
    int64_t version;
    (void)claimed_job(&job, &version);
    fake_clock_jump_wall(&fx.clock, 10 * DAY_MS);
    taskq_sweep_report report = sweep();
    ck_assert_uint_eq(report.lost + report.timed_out, 0);
    fake_clock_jump_wall(&fx.clock, -20 * (int64_t)DAY_MS);
    fake_clock_advance(&fx.clock, job.lease_ms - 1);
    ck_assert_uint_eq(sweep().lost, 0);
    fake_clock_advance(&fx.clock, 1);
    ck_assert_uint_eq(sweep().lost, 1);
}
END_TEST

START_TEST(a_wall_clock_that_jumps_back_stalls_no_backoff)
{
    taskq_new_job job = new_job("default", "t");
    job.backoff = (taskq_backoff){2000, 1.0, 2000, 0.0};
    int64_t version, id = claimed_job(&job, &version);
    ck_assert_int_eq(complete(id, version, false, NULL), TASKQ_OK);
    fake_clock_jump_wall(&fx.clock, -DAY_MS);
    fake_clock_advance(&fx.clock, 1999);
    ck_assert_uint_eq(sweep().made_ready, 0);
    fake_clock_advance(&fx.clock, 1);
    ck_assert_uint_eq(sweep().made_ready, 1);
    ck_assert_int_eq(claim("default", NULL, NULL), id);
}
END_TEST

START_TEST(run_at_follows_the_wall_clock)
{
    taskq_new_job job = new_job("default", "t");
    job.has_run_at = true;
    job.run_at_ms = taskq_scheduler_now_ms(fx.scheduler) + DAY_MS;
    int64_t id = enqueue_job(&job);
    fake_clock_jump_wall(&fx.clock, DAY_MS - 10);
    ck_assert_uint_eq(sweep().made_ready, 0);
    ck_assert_int_eq(state_of(id), TASKQ_STATE_SCHEDULED);
    fake_clock_jump_wall(&fx.clock, 10);
    ck_assert_uint_eq(sweep().made_ready, 1);
    ck_assert_int_eq(state_of(id), TASKQ_STATE_QUEUED);
}
END_TEST

START_TEST(attempts_that_are_used_up_end_in_failed)
{
    taskq_new_job job = job_without_backoff();
    job.max_attempts = 2;
    int64_t version, id = claimed_job(&job, &version);
    fake_clock_advance(&fx.clock, job.lease_ms);
    (void)sweep();
    ck_assert_int_eq(claim("default", NULL, NULL), id);
    fake_clock_advance(&fx.clock, job.lease_ms);
    ck_assert_uint_eq(sweep().lost, 1);
    ck_assert_int_eq(state_of(id), TASKQ_STATE_FAILED);
}
END_TEST

START_TEST(a_sweep_says_how_long_one_may_sleep)
{
    taskq_new_job job = new_job("default", "t");
    ck_assert_int_eq(sweep().next_due_in_ms, 500);
    job.has_delay = true;
    job.delay_ms = 120;
    (void)enqueue_job(&job);
    ck_assert_int_eq(sweep().next_due_in_ms, 120);
    fake_clock_advance(&fx.clock, 100);
    ck_assert_int_eq(sweep().next_due_in_ms, 20);
}
END_TEST

START_TEST(more_than_a_step_of_due_jobs_is_worked_off_in_one_sweep)
{
    const taskq_new_job *jobs[1000];
    taskq_new_job job = new_job("default", "t");
    job.has_delay = true;
    job.delay_ms = 1000;
    for (int i = 0; i < 1000; i++) {
        jobs[i] = &job;
    }
    ck_ok(taskq_scheduler_enqueue(fx.scheduler, jobs, 1000, NULL, NULL, NULL, &fx.err));
    ck_ok(taskq_scheduler_enqueue(fx.scheduler, jobs, 501, NULL, NULL, NULL, &fx.err));
    fake_clock_advance(&fx.clock, 1000);
    ck_assert_uint_eq(sweep().made_ready, 1501);
    ck_assert(!fx.wrapped.walk_in_company);
}
END_TEST

START_TEST(old_jobs_go_when_their_time_has_come)
{
    taskq_new_job job = new_job("default", "t");
    job.max_attempts = 1;
    int64_t version, good = claimed_job(&job, &version);
    ck_assert_int_eq(complete(good, version, true, NULL), TASKQ_OK);
    int64_t bad = claimed_job(&job, &version);
    ck_assert_int_eq(complete(bad, version, false, NULL), TASKQ_OK);
    int64_t open = enqueue("default", "t");
    fake_clock_advance(&fx.clock, 7 * (int64_t)DAY_MS - 1);
    ck_assert_uint_eq(sweep().deleted, 0);
    fake_clock_advance(&fx.clock, 60001); /* it is looked for once a minute */
    ck_assert_uint_eq(sweep().deleted, 1);
    ck_assert_int_eq(state_of(good), 0);
    ck_assert_int_eq(state_of(bad), TASKQ_STATE_FAILED);
    fake_clock_advance(&fx.clock, 23 * (int64_t)DAY_MS);
    ck_assert_uint_eq(sweep().deleted, 1);
    ck_assert_int_eq(state_of(open), TASKQ_STATE_QUEUED);
}
END_TEST

static void keep_all(taskq_scheduler_options *options)
{
    options->retention_ms = -1;
    options->retention_failed_ms = -1;
}

START_TEST(nothing_is_deleted_where_retention_is_never)
{
    fixture_teardown();
    fixture_open(keep_all);
    taskq_new_job job = new_job("default", "t");
    int64_t version, id = claimed_job(&job, &version);
    ck_assert_int_eq(complete(id, version, true, NULL), TASKQ_OK);
    fake_clock_advance(&fx.clock, 10000 * (int64_t)DAY_MS);
    ck_assert_uint_eq(sweep().deleted, 0);
    ck_assert_int_eq(state_of(id), TASKQ_STATE_SUCCEEDED);
}
END_TEST

START_TEST(an_idempotency_key_is_forgotten_after_a_day)
{
    taskq_new_job job = new_job("default", "t");
    const taskq_new_job *jobs[] = {&job};
    taskq_enqueue_options options = TASKQ_ENQUEUE_OPTIONS_INIT;
    options.idempotency_key = TASKQ_TEXT("key");
    for (int day = 0; day < 2; day++) {
        taskq_jobs *list = NULL;
        ck_ok(taskq_scheduler_enqueue(fx.scheduler, jobs, 1, &options, &list, NULL, &fx.err));
        ck_assert_int_eq(taskq_jobs_at(list, 0)->id, day + 1);
        taskq_jobs_free(list);
        fake_clock_advance(&fx.clock, DAY_MS + 1);
        (void)sweep();
    }
}
END_TEST

START_TEST(leases_go_on_after_a_restart)
{
    taskq_new_job job = job_without_backoff();
    int64_t version, id = claimed_job(&job, &version);
    fake_clock_advance(&fx.clock, job.lease_ms / 2);
    fixture_reopen();
    ck_assert_uint_eq(sweep().lost, 0);
    fake_clock_advance(&fx.clock, job.lease_ms / 2);
    ck_assert_uint_eq(sweep().lost, 1);
    ck_assert_int_eq(state_of(id), TASKQ_STATE_QUEUED);
}
END_TEST

START_TEST(the_thread_sweeps_and_wakes_for_what_is_due_before_its_next_round)
{
    taskq_new_job job = new_job("default", "t");
    job.has_delay = true;
    job.delay_ms = 50;
    ck_ok(taskq_scheduler_start(fx.scheduler, &fx.err));
    ck_assert_int_eq(taskq_scheduler_start(fx.scheduler, NULL), TASKQ_EEXISTS);
    int64_t id = enqueue_job(&job);
    fake_clock_advance(&fx.clock, 50);
    while (state_of(id) != TASKQ_STATE_QUEUED) {
        (void)sched_yield();
    }
    taskq_scheduler_stop(fx.scheduler);
    taskq_scheduler_stop(fx.scheduler);
    ck_ok(taskq_scheduler_start(fx.scheduler, &fx.err));
}
END_TEST

typedef struct heard {
    _Atomic int errors, recoveries;
} heard;
static heard told;

static void hear(void *user, const taskq_log_event *event)
{
    heard *mine = user;
    atomic_fetch_add(&mine->errors, event->level == TASKQ_LOG_ERROR && strstr(event->message, "sweep failed") != NULL);
    atomic_fetch_add(&mine->recoveries, strstr(event->message, "sweep works again") != NULL);
}

static void with_log(taskq_scheduler_options *options)
{
    options->log = (taskq_log){sizeof(taskq_log), hear, &told, TASKQ_LOG_INFO};
    options->sweep_interval_ms = 10;
}

START_TEST(a_sweep_that_fails_is_told_once_and_goes_on)
{
    fixture_teardown();
    fixture_open(with_log);
    wrapped_store_fail_next(&fx.wrapped, 4, TASKQ_EUNAVAIL, false);
    ck_ok(taskq_scheduler_start(fx.scheduler, &fx.err));
    while (atomic_load(&told.recoveries) == 0) {
        (void)sched_yield();
    }
    ck_assert_int_eq(atomic_load(&told.errors), 1);
}
END_TEST

static void seldom(taskq_scheduler_options *options)
{
    options->sweep_interval_ms = 60000;
}

/* What became due while a database was away waits for the end of that pause, and for no more. */
START_TEST(a_sweep_that_fails_is_tried_again_within_two_seconds)
{
    fixture_teardown();
    fixture_open(seldom);
    wrapped_store_fail_next(&fx.wrapped, UINT32_MAX, TASKQ_EUNAVAIL, false);
    ck_ok(taskq_scheduler_start(fx.scheduler, &fx.err));
    int64_t until_ms = INT64_MAX;
    while (until_ms == INT64_MAX || until_ms == INT64_MIN) {
        (void)sched_yield();
        until_ms = atomic_load(&fx.scheduler->sleeps_until_ms);
    }
    ck_assert_uint_gt(wrapped_store_asked(&fx.wrapped), 0);
    ck_assert_int_eq(until_ms, taskq__scheduler_now(fx.scheduler).steady_ms + 2000);
}
END_TEST

static bool is_readable(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    return poll(&one, 1, 0) == 1;
}

START_TEST(a_host_that_sweeps_by_itself_is_woken_by_what_is_due_earlier)
{
    taskq_new_job job = new_job("default", "t");
    int fd = taskq_scheduler_fd(fx.scheduler);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(taskq_scheduler_fd(fx.scheduler), fd);
    ck_assert_int_gt(sweep().next_due_in_ms, 10);
    ck_assert(!is_readable(fd));
    job.has_delay = true;
    job.delay_ms = 10;
    enqueue_job(&job);
    ck_assert(is_readable(fd));
    ck_assert_int_eq(sweep().next_due_in_ms, 10);
    ck_assert(!is_readable(fd));
    job.delay_ms = 5000; /* later than the next sweep */
    enqueue_job(&job);
    ck_assert(!is_readable(fd));
}
END_TEST

START_TEST(a_scheduler_is_swept_by_its_host_or_by_a_thread)
{
    ck_assert_int_ge(taskq_scheduler_fd(fx.scheduler), 0);
    ck_assert_int_eq(taskq_scheduler_start(fx.scheduler, &fx.err), TASKQ_EEXISTS);
    fixture_reopen();
    ck_ok(taskq_scheduler_start(fx.scheduler, &fx.err));
    ck_assert_int_eq(taskq_scheduler_fd(fx.scheduler), -1);
}
END_TEST

TASKQ_TESTS_WITH(fixture_setup, fixture_teardown, a_lease_that_is_over_is_lost_at_the_next_sweep_and_not_before,
                 a_report_before_the_sweep_counts_even_when_the_lease_is_over,
                 a_heartbeat_keeps_a_lease_over_its_first_end, no_heartbeat_extends_a_time_out,
                 a_wall_clock_that_jumps_ends_no_attempt_early, a_wall_clock_that_jumps_back_stalls_no_backoff,
                 run_at_follows_the_wall_clock, attempts_that_are_used_up_end_in_failed,
                 a_sweep_says_how_long_one_may_sleep, more_than_a_step_of_due_jobs_is_worked_off_in_one_sweep,
                 old_jobs_go_when_their_time_has_come, nothing_is_deleted_where_retention_is_never,
                 an_idempotency_key_is_forgotten_after_a_day, leases_go_on_after_a_restart,
                 the_thread_sweeps_and_wakes_for_what_is_due_before_its_next_round,
                 a_sweep_that_fails_is_told_once_and_goes_on, a_sweep_that_fails_is_tried_again_within_two_seconds,
                 a_host_that_sweeps_by_itself_is_woken_by_what_is_due_earlier,
                 a_scheduler_is_swept_by_its_host_or_by_a_thread)
