/* SPDX-License-Identifier: MIT */
/*
 * The state machine. First every pair of state and event, so that no move can appear or go without this
 * table being changed; then each rule of the moves by itself, but for the reports' (test_job_reports.c).
 * Time is a number here, and so is chance.
 */
#include "moves_fixture.h"

/* ---- every pair ------------------------------------------------------------------------------------------ */

enum {
    NO = 0,
    GONE = 100,
    Q = TASKQ_STATE_QUEUED,
    S = TASKQ_STATE_SCHEDULED,
    R = TASKQ_STATE_RUNNING,
    OK = TASKQ_STATE_SUCCEEDED,
    C = TASKQ_STATE_CANCELED
};

/* The state after it; NO: refused; GONE: deleted. Running jobs here have an attempt left. */
static const int after[EVENT_COUNT][TASKQ_STATE_COUNT] = {
    /*                        new  queued scheduled blocked running succeeded failed canceled */
    [TASKQ_EVENT_ENQUEUE] = {Q, NO, NO, NO, NO, NO, NO, NO},
    [TASKQ_EVENT_CLAIM] = {NO, R, NO, NO, NO, NO, NO, NO},
    [TASKQ_EVENT_SUCCEED] = {NO, NO, NO, NO, OK, NO, NO, NO},
    [TASKQ_EVENT_FAIL] = {NO, NO, NO, NO, S, NO, NO, NO},
    [TASKQ_EVENT_RELEASE] = {NO, NO, NO, NO, Q, NO, NO, NO},
    [TASKQ_EVENT_CANCEL] = {NO, C, C, C, R, NO, NO, NO},
    [TASKQ_EVENT_RETRY] = {NO, NO, NO, NO, NO, Q, Q, Q},
    [TASKQ_EVENT_DELETE] = {NO, NO, NO, NO, NO, GONE, GONE, GONE},
    [TASKQ_EVENT_DUE] = {NO, NO, Q, NO, NO, NO, NO, NO},
    [TASKQ_EVENT_EXPIRE] = {NO, NO, NO, NO, S, NO, NO, NO},
};

static bool is_report(int kind)
{
    return kind == TASKQ_EVENT_SUCCEED || kind == TASKQ_EVENT_FAIL || kind == TASKQ_EVENT_RELEASE;
}

START_TEST(every_event_in_every_state_makes_its_move_or_is_refused)
{
    for (int kind = TASKQ_EVENT_ENQUEUE; kind < EVENT_COUNT; kind++) {
        for (int state = 0; state < TASKQ_STATE_COUNT; state++) {
            taskq_job before = job_in((taskq_state)state);
            taskq_event event = event_of((taskq_event_kind)kind);
            if (after[kind][state] == NO) {
                check_refused(&before, &event, is_report(kind) ? TASKQ_ESTALE : TASKQ_ECONFLICT);
                continue;
            }
            taskq_move move = decided(&before, &event);
            ck_assert_int_eq(move.removed, after[kind][state] == GONE);
            if (!move.removed) {
                ck_assert_int_eq(move.after.state, after[kind][state]);
            }
        }
    }
}
END_TEST

START_TEST(every_move_counts_the_version_and_the_cancel_request_of_a_running_job_does_not)
{
    for (int kind = TASKQ_EVENT_ENQUEUE; kind < EVENT_COUNT; kind++) {
        for (int state = 0; state < TASKQ_STATE_COUNT; state++) {
            if (after[kind][state] == NO) {
                continue;
            }
            taskq_job before = job_in((taskq_state)state);
            taskq_event event = event_of((taskq_event_kind)kind);
            taskq_move move = decided(&before, &event);
            bool is_request = kind == TASKQ_EVENT_CANCEL && state == TASKQ_STATE_RUNNING;
            ck_assert_int_eq(move.after.version, before.version + (is_request ? 0 : 1));
            ck_assert_int_eq(move.after.updated_at_ms, is_request ? 200 : WALL);
            ck_assert_int_eq(move.touched, is_request);
        }
    }
}
END_TEST

START_TEST(what_only_a_running_or_an_ended_job_has_goes_with_the_state)
{
    for (int kind = TASKQ_EVENT_ENQUEUE; kind < TASKQ_EVENT_DELETE; kind++) {
        for (int state = 0; state < TASKQ_STATE_COUNT; state++) {
            if (after[kind][state] == NO) {
                continue;
            }
            taskq_job before = job_in((taskq_state)state);
            taskq_event event = event_of((taskq_event_kind)kind);
            taskq_job job = decided(&before, &event).after;
            bool is_running = job.state == TASKQ_STATE_RUNNING;
            ck_assert_int_eq(job.lease_due_ms != 0, is_running);
            ck_assert_int_eq(job.timeout_due_ms != 0, is_running);
            ck_assert_int_eq(job.lease_expires_at_ms != 0, is_running);
            ck_assert_int_eq(job.finished_at_ms, taskq_state_is_terminal(job.state) ? WALL : 0);
            ck_assert_int_eq(job.backoff_due_ms != 0, job.state == TASKQ_STATE_SCHEDULED);
        }
    }
}
END_TEST

START_TEST(only_what_ends_a_running_attempt_writes_its_row)
{
    for (int kind = TASKQ_EVENT_ENQUEUE; kind < EVENT_COUNT; kind++) {
        for (int state = 0; state < TASKQ_STATE_COUNT; state++) {
            if (after[kind][state] == NO) {
                continue;
            }
            taskq_job before = job_in((taskq_state)state);
            taskq_event event = event_of((taskq_event_kind)kind);
            taskq_move move = decided(&before, &event);
            bool ends = state == TASKQ_STATE_RUNNING && kind != TASKQ_EVENT_CANCEL;
            ck_assert_int_eq(move.ended != TASKQ_OUTCOME_NONE, ends);
        }
    }
}
END_TEST

START_TEST(a_version_that_is_not_the_current_one_is_stale_whatever_the_event)
{
    for (int kind = TASKQ_EVENT_ENQUEUE; kind < EVENT_COUNT; kind++) {
        for (int state = 1; state < TASKQ_STATE_COUNT; state++) {
            taskq_job before = job_in((taskq_state)state);
            taskq_event event = event_of((taskq_event_kind)kind);
            event.version = 4;
            check_refused(&before, &event, TASKQ_ESTALE);
            event.version = 6;
            check_refused(&before, &event, TASKQ_ESTALE);
        }
    }
}
END_TEST

START_TEST(a_report_without_a_version_holds_no_lease)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    for (int kind = TASKQ_EVENT_SUCCEED; kind <= TASKQ_EVENT_RELEASE; kind++) {
        taskq_event event = event_of((taskq_event_kind)kind);
        event.version = 0;
        check_refused(&before, &event, TASKQ_ESTALE);
    }
}
END_TEST

START_TEST(an_event_that_is_none_is_refused)
{
    taskq_job before = job_in(TASKQ_STATE_QUEUED);
    taskq_event event = event_of((taskq_event_kind)0);
    check_refused(&before, &event, TASKQ_ECONFLICT);
    event.kind = (taskq_event_kind)EVENT_COUNT;
    check_refused(&before, &event, TASKQ_ECONFLICT);
    event.kind = (taskq_event_kind)1000000;
    check_refused(&before, &event, TASKQ_ECONFLICT);
}
END_TEST

/* ---- enqueue and claim ----------------------------------------------------------------------------------- */

START_TEST(a_new_job_is_queued_when_due_and_scheduled_when_not)
{
    taskq_job before = job_in((taskq_state)0);
    taskq_event event = event_of(TASKQ_EVENT_ENQUEUE);
    before.run_at_ms = WALL;
    taskq_job job = decided(&before, &event).after;
    ck_assert_int_eq(job.state, TASKQ_STATE_QUEUED);
    ck_assert_int_eq(job.version, 1);
    ck_assert_int_eq(job.created_at_ms, WALL);
    before.run_at_ms = WALL + 1;
    job = decided(&before, &event).after;
    ck_assert_int_eq(job.state, TASKQ_STATE_SCHEDULED);
    ck_assert_int_eq(job.run_at_ms, WALL + 1);
    ck_assert_int_eq(job.backoff_due_ms, 0);
}
END_TEST

START_TEST(a_claim_gives_the_worker_its_lease)
{
    taskq_job before = job_in(TASKQ_STATE_QUEUED);
    before.error = TASKQ_TEXT(ERROR_REPORTED);
    taskq_event event = event_of(TASKQ_EVENT_CLAIM);
    event.worker = TASKQ_TEXT("w2");
    taskq_move move = decided(&before, &event);
    ck_assert_int_eq(move.after.attempt, 2);
    ck_assert(taskq__text_is(move.after.worker, "w2"));
    ck_assert_int_eq(move.after.started_at_ms, WALL);
    ck_assert_int_eq(move.after.lease_due_ms, STEADY + 60000);
    ck_assert_int_eq(move.after.timeout_due_ms, STEADY + 900000);
    ck_assert_int_eq(move.after.lease_expires_at_ms, WALL + 60000);
    ck_assert_uint_eq(move.after.progress.size, 0);
    ck_assert(move.progress_cleared);
    ck_assert(taskq__text_is(move.after.error, ERROR_REPORTED)); /* stays until a success */
}
END_TEST

/* ---- release --------------------------------------------------------------------------------------------- */

START_TEST(a_release_takes_the_attempt_back_and_keeps_run_at)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    before.error = TASKQ_TEXT(ERROR_REPORTED);
    taskq_event event = event_of(TASKQ_EVENT_RELEASE);
    for (int64_t delay = -1; delay <= 0; delay++) {
        event.delay_ms = delay;
        taskq_move move = decided(&before, &event);
        ck_assert_int_eq(move.after.state, TASKQ_STATE_QUEUED);
        ck_assert_int_eq(move.after.attempt, 0);
        ck_assert_int_eq(move.after.run_at_ms, before.run_at_ms);
        ck_assert_int_eq(move.ended, TASKQ_OUTCOME_RELEASED);
        ck_assert_uint_eq(move.outcome.size, 0);
        ck_assert(taskq__text_is(move.after.error, ERROR_REPORTED));
    }
}
END_TEST

START_TEST(a_delayed_release_moves_run_at)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    taskq_event event = event_of(TASKQ_EVENT_RELEASE);
    event.delay_ms = 30;
    taskq_job job = decided(&before, &event).after;
    ck_assert_int_eq(job.state, TASKQ_STATE_SCHEDULED);
    ck_assert_int_eq(job.run_at_ms, WALL + 30);
    ck_assert_int_eq(job.backoff_due_ms, STEADY + 30);
    ck_assert_int_eq(job.attempt, 0);
}
END_TEST

START_TEST(a_release_of_a_job_that_was_to_be_canceled_cancels_it)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    before.cancel_requested = true;
    taskq_event event = event_of(TASKQ_EVENT_RELEASE);
    event.delay_ms = 30;
    taskq_move move = decided(&before, &event);
    ck_assert_int_eq(move.after.state, TASKQ_STATE_CANCELED);
    ck_assert_int_eq(move.after.attempt, 0);
    ck_assert_int_eq(move.ended, TASKQ_OUTCOME_CANCELED);
}
END_TEST

START_TEST(no_delay_is_longer_than_the_longest)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    taskq_event event = event_of(TASKQ_EVENT_RELEASE);
    event.delay_ms = INT64_MAX;
    ck_assert_int_eq(decided(&before, &event).after.run_at_ms, WALL + TASKQ_DELAY_MS_MAX);
}
END_TEST

/* ---- operators ------------------------------------------------------------------------------------------- */

START_TEST(asking_a_running_job_to_cancel_leaves_its_lease_and_asking_again_writes_nothing)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    taskq_event event = event_of(TASKQ_EVENT_CANCEL);
    taskq_move move = decided(&before, &event);
    ck_assert(move.touched);
    ck_assert(move.after.cancel_requested);
    ck_assert_int_eq(move.after.lease_due_ms, before.lease_due_ms);
    before = move.after;
    move = decided(&before, &event);
    ck_assert(!move.touched);
    ck_assert(move.after.cancel_requested);
    ck_assert_int_eq(move.after.version, before.version);
}
END_TEST

START_TEST(canceling_a_waiting_job_ends_it_without_an_attempt)
{
    taskq_job before = job_in(TASKQ_STATE_SCHEDULED);
    before.backoff_due_ms = STEADY + 50;
    taskq_event event = event_of(TASKQ_EVENT_CANCEL);
    taskq_move move = decided(&before, &event);
    ck_assert_int_eq(move.after.finished_at_ms, WALL);
    ck_assert_int_eq(move.after.backoff_due_ms, 0);
    ck_assert_int_eq(move.ended, TASKQ_OUTCOME_NONE);
    ck_assert(!move.after.cancel_requested);
}
END_TEST

START_TEST(a_retry_starts_anew_and_remembers_who_ran_it_last)
{
    taskq_job before = job_in(TASKQ_STATE_CANCELED);
    before.cancel_requested = true;
    before.error = TASKQ_TEXT(ERROR_REPORTED);
    before.result = TASKQ_TEXT("[1]");
    taskq_event event = event_of(TASKQ_EVENT_RETRY);
    taskq_move move = decided(&before, &event);
    ck_assert(move.cleared);
    ck_assert_int_eq(move.after.attempt, 0);
    ck_assert_int_eq(move.after.run_at_ms, WALL);
    ck_assert_int_eq(move.after.finished_at_ms, 0);
    ck_assert(!move.after.cancel_requested);
    ck_assert_uint_eq(move.after.error.size + move.after.result.size + move.after.progress.size, 0);
    ck_assert(taskq__text_is(move.after.worker, "w1"));
    ck_assert_int_eq(move.after.started_at_ms, 150);
}
END_TEST

START_TEST(a_deletion_changes_the_version_so_that_it_is_written)
{
    taskq_job before = job_in(TASKQ_STATE_FAILED);
    taskq_event event = event_of(TASKQ_EVENT_DELETE);
    taskq_move move = decided(&before, &event);
    ck_assert(move.removed);
    ck_assert_int_ne(move.after.version, before.version);
}
END_TEST

/* ---- the sweep ------------------------------------------------------------------------------------------- */

START_TEST(run_at_follows_the_wall_clock_and_a_backoff_elapsed_time)
{
    taskq_job before = job_in(TASKQ_STATE_SCHEDULED);
    taskq_event event = event_of(TASKQ_EVENT_DUE);
    before.run_at_ms = WALL;
    ck_assert_int_eq(decided(&before, &event).after.run_at_ms, WALL);
    before.run_at_ms = WALL + 1;
    check_refused(&before, &event, TASKQ_ECONFLICT);
    before.backoff_due_ms = STEADY; /* the wall clock was set back meanwhile: that does not matter */
    ck_assert_int_eq(decided(&before, &event).after.state, TASKQ_STATE_QUEUED);
    before.run_at_ms = WALL - 1;
    before.backoff_due_ms = STEADY + 1;
    check_refused(&before, &event, TASKQ_ECONFLICT);
}
END_TEST

START_TEST(a_lease_that_holds_is_not_taken)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    before.lease_due_ms = STEADY + 1;
    taskq_event event = event_of(TASKQ_EVENT_EXPIRE);
    check_refused(&before, &event, TASKQ_ECONFLICT);
}
END_TEST

START_TEST(a_lease_that_is_over_is_lost_and_a_time_out_comes_first)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    taskq_event event = event_of(TASKQ_EVENT_EXPIRE);
    taskq_move move = decided(&before, &event);
    ck_assert_int_eq(move.ended, TASKQ_OUTCOME_LOST);
    ck_assert(taskq__text_contains(move.after.error, TASKQ_TEXT("\"code\":\"lost\"")));
    ck_assert_int_eq(move.after.backoff_due_ms, STEADY + 2000);
    before.timeout_due_ms = STEADY; /* both are over now */
    move = decided(&before, &event);
    ck_assert_int_eq(move.ended, TASKQ_OUTCOME_TIMED_OUT);
    ck_assert(taskq__text_contains(move.outcome, TASKQ_TEXT("\"code\":\"timeout\"")));
    before.lease_due_ms = STEADY + 1; /* and the time-out alone */
    ck_assert_int_eq(decided(&before, &event).ended, TASKQ_OUTCOME_TIMED_OUT);
}
END_TEST

START_TEST(the_sweep_ends_the_last_attempt_for_good)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    before.attempt = before.max_attempts;
    taskq_event event = event_of(TASKQ_EVENT_EXPIRE);
    taskq_move move = decided(&before, &event);
    ck_assert_int_eq(move.after.state, TASKQ_STATE_FAILED);
    ck_assert_int_eq(move.ended, TASKQ_OUTCOME_LOST);
}
END_TEST

START_TEST(the_sweep_cancels_what_was_to_be_canceled_and_says_how_it_ended)
{
    taskq_job before = job_in(TASKQ_STATE_RUNNING);
    before.cancel_requested = true;
    taskq_event event = event_of(TASKQ_EVENT_EXPIRE);
    taskq_move move = decided(&before, &event);
    ck_assert_int_eq(move.after.state, TASKQ_STATE_CANCELED);
    ck_assert_int_eq(move.ended, TASKQ_OUTCOME_LOST);
    before.timeout_due_ms = STEADY;
    ck_assert_int_eq(decided(&before, &event).ended, TASKQ_OUTCOME_TIMED_OUT);
}
END_TEST

TASKQ_TESTS(every_event_in_every_state_makes_its_move_or_is_refused,
            every_move_counts_the_version_and_the_cancel_request_of_a_running_job_does_not,
            what_only_a_running_or_an_ended_job_has_goes_with_the_state, only_what_ends_a_running_attempt_writes_its_row,
            a_version_that_is_not_the_current_one_is_stale_whatever_the_event,
            a_report_without_a_version_holds_no_lease, an_event_that_is_none_is_refused,
            a_new_job_is_queued_when_due_and_scheduled_when_not, a_claim_gives_the_worker_its_lease,
            a_release_takes_the_attempt_back_and_keeps_run_at, a_delayed_release_moves_run_at,
            a_release_of_a_job_that_was_to_be_canceled_cancels_it, no_delay_is_longer_than_the_longest,
            asking_a_running_job_to_cancel_leaves_its_lease_and_asking_again_writes_nothing,
            canceling_a_waiting_job_ends_it_without_an_attempt, a_retry_starts_anew_and_remembers_who_ran_it_last,
            a_deletion_changes_the_version_so_that_it_is_written,
            run_at_follows_the_wall_clock_and_a_backoff_elapsed_time, a_lease_that_holds_is_not_taken,
            a_lease_that_is_over_is_lost_and_a_time_out_comes_first, the_sweep_ends_the_last_attempt_for_good,
            the_sweep_cancels_what_was_to_be_canceled_and_says_how_it_ended)
