/* SPDX-License-Identifier: MIT */
/* The state machine on the reports of workers: what ends an attempt, and what becomes of the job then. */
#include "moves_fixture.h"

START_TEST(a_success_brings_the_result_and_takes_the_error)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    before.error = TASKQ_TEXT(ERROR_REPORTED);
    taskq_event event = event_of(TASKQ_EVENT_SUCCEED);
    event.outcome = TASKQ_TEXT("[1]");
    taskq_move move = decided(&before, &event);
    ck_assert(taskq__text_is(move.after.result, "[1]"));
    ck_assert_uint_eq(move.after.error.size, 0);
    ck_assert_int_eq(move.ended, TASKQ_OUTCOME_SUCCEEDED);
    ck_assert(taskq__text_is(move.outcome, "[1]"));
}
END_TEST

START_TEST(a_success_counts_after_lease_and_time_out_until_the_sweep_has_been)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    before.lease_due_ms = STEADY - 5000;
    before.timeout_due_ms = STEADY - 5000;
    taskq_event event = event_of(TASKQ_EVENT_SUCCEED);
    ck_assert_int_eq(decided(&before, &event).after.state, TASKQ_STATE_SUCCEEDED);
}
END_TEST

START_TEST(a_success_ends_a_job_that_was_to_be_canceled_as_succeeded)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    before.cancel_requested = true;
    taskq_event event = event_of(TASKQ_EVENT_SUCCEED);
    taskq_move move = decided(&before, &event);
    ck_assert_int_eq(move.after.state, TASKQ_STATE_SUCCEEDED);
    ck_assert_int_eq(move.ended, TASKQ_OUTCOME_SUCCEEDED);
    ck_assert(move.after.cancel_requested);
}
END_TEST

START_TEST(a_failure_waits_for_its_backoff_while_attempts_are_left)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    before.attempt = 2;
    taskq_event event = event_of(TASKQ_EVENT_FAIL);
    event.outcome = TASKQ_TEXT(ERROR_REPORTED);
    taskq_move move = decided(&before, &event);
    ck_assert_int_eq(move.after.state, TASKQ_STATE_SCHEDULED);
    ck_assert_int_eq(move.after.run_at_ms, WALL + 4000);
    ck_assert_int_eq(move.after.backoff_due_ms, STEADY + 4000);
    ck_assert_int_eq(move.after.attempt, 2);
    ck_assert_int_eq(move.ended, TASKQ_OUTCOME_FAILED);
    ck_assert(taskq__text_is(move.after.error, ERROR_REPORTED));
    ck_assert(taskq__text_is(move.outcome, ERROR_REPORTED));
}
END_TEST

START_TEST(the_backoff_is_drawn_with_the_events_random)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    taskq_event event = event_of(TASKQ_EVENT_FAIL);
    event.random = 0;
    ck_assert_int_eq(decided(&before, &event).after.run_at_ms, WALL + 1600);
    event.random = UINT64_MAX;
    ck_assert_int_eq(decided(&before, &event).after.run_at_ms, WALL + 2400);
}
END_TEST

START_TEST(a_failure_may_name_its_own_delay)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    taskq_event event = event_of(TASKQ_EVENT_FAIL);
    event.delay_ms = 7;
    ck_assert_int_eq(decided(&before, &event).after.backoff_due_ms, STEADY + 7);
    event.delay_ms = 0;
    taskq_job job = decided(&before, &event).after;
    ck_assert_int_eq(job.state, TASKQ_STATE_QUEUED);
    ck_assert_int_eq(job.run_at_ms, WALL);
    ck_assert_int_eq(job.backoff_due_ms, 0);
}
END_TEST

START_TEST(a_backoff_of_nothing_makes_the_job_ready_at_once)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    before.backoff.base_ms = 0;
    taskq_event event = event_of(TASKQ_EVENT_FAIL);
    ck_assert_int_eq(decided(&before, &event).after.state, TASKQ_STATE_QUEUED);
}
END_TEST

START_TEST(the_last_attempt_and_a_failure_for_good_end_the_job)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    taskq_event event = event_of(TASKQ_EVENT_FAIL);
    event.delay_ms = 5;
    event.no_retry = true;
    ck_assert_int_eq(decided(&before, &event).after.state, TASKQ_STATE_FAILED);
    event.no_retry = false;
    before.attempt = before.max_attempts;
    taskq_job job = decided(&before, &event).after;
    ck_assert_int_eq(job.state, TASKQ_STATE_FAILED);
    ck_assert_int_eq(job.finished_at_ms, WALL);
    ck_assert_int_eq(job.run_at_ms, before.run_at_ms);
}
END_TEST

START_TEST(a_failure_without_a_reason_gets_one)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    taskq_event event = event_of(TASKQ_EVENT_FAIL);
    taskq_move move = decided(&before, &event);
    ck_assert(taskq__text_contains(move.after.error, TASKQ_TEXT("\"code\":\"failed\"")));
    ck_assert(taskq__text_equal(move.outcome, move.after.error));
}
END_TEST

START_TEST(a_failure_later_than_the_time_out_is_a_time_out)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    taskq_event event = event_of(TASKQ_EVENT_FAIL);
    event.outcome = TASKQ_TEXT(ERROR_REPORTED);
    before.timeout_due_ms = STEADY; /* at the very end is not later */
    ck_assert_int_eq(decided(&before, &event).ended, TASKQ_OUTCOME_FAILED);
    before.timeout_due_ms = STEADY - 1;
    taskq_move move = decided(&before, &event);
    ck_assert_int_eq(move.ended, TASKQ_OUTCOME_TIMED_OUT);
    ck_assert_int_eq(move.after.state, TASKQ_STATE_SCHEDULED);
    ck_assert(taskq__text_contains(move.after.error, TASKQ_TEXT("\"code\":\"timeout\"")));
    ck_assert(taskq__text_equal(move.outcome, move.after.error));
    event.no_retry = true;
    ck_assert_int_eq(decided(&before, &event).after.state, TASKQ_STATE_FAILED);
}
END_TEST

START_TEST(a_failure_of_a_job_that_was_to_be_canceled_cancels_it)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    before.cancel_requested = true;
    taskq_event event = event_of(TASKQ_EVENT_FAIL);
    event.outcome = TASKQ_TEXT(ERROR_REPORTED);
    taskq_move move = decided(&before, &event);
    ck_assert_int_eq(move.after.state, TASKQ_STATE_CANCELED);
    ck_assert_int_eq(move.ended, TASKQ_OUTCOME_CANCELED);
    ck_assert(taskq__text_is(move.after.error, ERROR_REPORTED));
    ck_assert(move.after.cancel_requested);
}
END_TEST

TASKQ_TESTS(a_success_brings_the_result_and_takes_the_error,
            a_success_counts_after_lease_and_time_out_until_the_sweep_has_been,
            a_success_ends_a_job_that_was_to_be_canceled_as_succeeded,
            a_failure_waits_for_its_backoff_while_attempts_are_left, the_backoff_is_drawn_with_the_events_random,
            a_failure_may_name_its_own_delay, a_backoff_of_nothing_makes_the_job_ready_at_once,
            the_last_attempt_and_a_failure_for_good_end_the_job, a_failure_without_a_reason_gets_one,
            a_failure_later_than_the_time_out_is_a_time_out, a_failure_of_a_job_that_was_to_be_canceled_cancels_it)
