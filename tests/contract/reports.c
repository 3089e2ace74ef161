/* SPDX-License-Identifier: MIT */
/*
 * Reports that are late, repeated, or about nothing: what was promised to the holder of a lease holds, and nobody else
 * changes anything.
 */
#include "contract/contract.h"

#include <stdio.h>

START_TEST(a_report_with_a_stale_version_changes_nothing)
{
    const taskq_job *job = running_job();
    ck_assert_int_eq(settle(TASKQ_EVENT_RELEASE, job->id, job->version), TASKQ_OK);
    ck_assert_int_eq(settle(TASKQ_EVENT_SUCCEED, job->id, job->version), TASKQ_ESTALE);
    ck_assert_int_eq(settle(TASKQ_EVENT_FAIL, job->id, job->version + 1), TASKQ_ESTALE);
    assert_state(job->id, TASKQ_STATE_QUEUED);
    ck_assert_int_eq(job_now(job->id)->version, 3);
    ck_assert_uint_eq(job_now(job->id)->attempt_count, 1);
}
END_TEST

START_TEST(the_same_report_again_gets_the_job_as_it_now_is)
{
    const taskq_job *job = running_job();
    ck_assert_int_eq(report(TASKQ_EVENT_SUCCEED, job->id, 2, "{\"a\":1}"), TASKQ_OK);
    pass(5);
    taskq_op *again = report_op(TASKQ_EVENT_SUCCEED, job->id, 2, "{\"a\":1}");
    COMMIT(again);
    ck_assert_int_eq(again->in.events[0].status, TASKQ_OK);
    ck_assert_int_eq(again->in.events[0].new_version, 3);
    ck_assert(again->in.events[0].repeated);
    assert_text(again->in.events[0].job->result, "{\"a\":1}");
    ck_assert_int_eq(job_now(job->id)->finished_at_ms, contract.now.wall_ms - 5);
    ck_assert_uint_eq(job_now(job->id)->attempt_count, 1);
}
END_TEST

START_TEST(the_same_failure_again_is_known_after_the_next_attempt_began)
{
    const taskq_job *job = running_job();
    settle(TASKQ_EVENT_FAIL, job->id, 2);
    pass(2000);
    walk(TASKQ_WALK_DUE);
    const taskq_job *second = claim_one();
    taskq_op *again = event_op(TASKQ_EVENT_FAIL, job->id, 2);
    COMMIT(again);
    ck_assert_int_eq(again->in.events[0].status, TASKQ_OK);
    ck_assert_int_eq(again->in.events[0].state, TASKQ_STATE_RUNNING);
    ck_assert_int_eq(again->in.events[0].new_version, second->version);
}
END_TEST

START_TEST(another_report_of_the_same_version_is_stale)
{
    const taskq_job *job = running_job();
    report(TASKQ_EVENT_SUCCEED, job->id, 2, "1");
    ck_assert_int_eq(report(TASKQ_EVENT_SUCCEED, job->id, 2, "2"), TASKQ_ESTALE);
    ck_assert_int_eq(settle(TASKQ_EVENT_FAIL, job->id, 2), TASKQ_ESTALE);
    assert_text(job_now(job->id)->result, "1");
}
END_TEST

START_TEST(a_release_again_is_stale)
{
    const taskq_job *job = running_job();
    ck_assert_int_eq(settle(TASKQ_EVENT_RELEASE, job->id, 2), TASKQ_OK);
    ck_assert_int_eq(settle(TASKQ_EVENT_RELEASE, job->id, 2), TASKQ_ESTALE);
}
END_TEST

START_TEST(a_report_on_a_lease_that_the_sweep_ended_is_stale)
{
    const taskq_job *job = running_job();
    pass(60000);
    ck_assert_uint_eq(walk(TASKQ_WALK_EXPIRED), 1);
    ck_assert_int_eq(settle(TASKQ_EVENT_SUCCEED, job->id, 2), TASKQ_ESTALE);
    ck_assert_int_eq(settle(TASKQ_EVENT_FAIL, job->id, 2), TASKQ_ESTALE);
    assert_state(job->id, TASKQ_STATE_SCHEDULED);
}
END_TEST

START_TEST(a_report_before_the_sweep_wins_over_it)
{
    const taskq_job *job = running_job();
    pass(600000);
    ck_assert_int_eq(settle(TASKQ_EVENT_SUCCEED, job->id, 2), TASKQ_OK);
    ck_assert_uint_eq(walk(TASKQ_WALK_EXPIRED), 0);
    assert_state(job->id, TASKQ_STATE_SUCCEEDED);
}
END_TEST

START_TEST(a_report_on_a_job_that_is_not_there_finds_none)
{
    ck_assert_int_eq(settle(TASKQ_EVENT_SUCCEED, 4711, 2), TASKQ_ENOTFOUND);
    ck_assert_int_eq(settle(TASKQ_EVENT_CANCEL, INT64_MAX, 0), TASKQ_ENOTFOUND);
    ck_assert_int_eq(settle(TASKQ_EVENT_RETRY, -1, 0), TASKQ_ENOTFOUND);
}
END_TEST

START_TEST(a_report_tells_state_and_version_where_the_job_is_not_wanted)
{
    const taskq_job *job = running_job();
    taskq_op *op = event_op(TASKQ_EVENT_SUCCEED, job->id, 2);
    op->in.events[0].wants_job = false;
    COMMIT(op);
    ck_assert_int_eq(op->in.events[0].status, TASKQ_OK);
    ck_assert_int_eq(op->in.events[0].state, TASKQ_STATE_SUCCEEDED);
    ck_assert_int_eq(op->in.events[0].new_version, 3);
    ck_assert_ptr_null(op->in.events[0].job);
}
END_TEST

START_TEST(a_report_of_the_job_that_is_wanted_brings_all_of_it)
{
    const taskq_job *job = running_job();
    COMMIT(beat_op(job->id, 2, "{\"percent\":50}", ""));
    taskq_op *op = report_op(TASKQ_EVENT_FAIL, job->id, 2, "{\"code\":\"x\"}");
    COMMIT(op);
    const taskq_job *after = op->in.events[0].job;
    assert_text(after->payload, "{}");
    assert_text(after->error, "{\"code\":\"x\"}");
    assert_text(after->progress, "{\"percent\":50}");
    ck_assert_int_eq(after->created_at_ms, contract.now.wall_ms);
    ck_assert_int_eq(after->lease_expires_at_ms, 0);
}
END_TEST

START_TEST(the_last_hundred_attempts_are_shown_oldest_first)
{
    const taskq_job *job = running_job();
    int64_t version = job->version;
    for (int i = 0; i < 130; i++) {
        pass(1);
        ck_assert_int_eq(settle(TASKQ_EVENT_RELEASE, job->id, version), TASKQ_OK);
        version = claim_one()->version;
    }
    const taskq_job *now = job_now(job->id);
    ck_assert_uint_eq(now->attempt_count, TASKQ_ATTEMPTS_SHOWN_MAX);
    ck_assert_int_eq(now->attempts[99].finished_at_ms, contract.now.wall_ms);
    ck_assert_int_eq(now->attempts[0].finished_at_ms, contract.now.wall_ms - 99);
}
END_TEST

START_TEST(an_error_is_shown_however_many_releases_follow_it)
{
    const taskq_job *job = running_job();
    taskq_op *fail = event_op(TASKQ_EVENT_FAIL, job->id, 2);
    fail->in.events[0].delay_ms = 0;
    COMMIT(fail);
    for (int i = 0; i < 230; i++) {
        ck_assert_int_eq(settle(TASKQ_EVENT_RELEASE, job->id, claim_one()->version), TASKQ_OK);
    }
    assert_text(job_now(job->id)->error, "{\"code\":\"e\",\"message\":\"m\"}");
    ck_assert_uint_eq(job_now(job->id)->attempt_count, TASKQ_ATTEMPTS_SHOWN_MAX);
}
END_TEST

START_TEST(an_attempt_tells_who_when_and_how)
{
    const taskq_job *job = running_job();
    int64_t started = contract.now.wall_ms;
    pass(321);
    settle(TASKQ_EVENT_FAIL, job->id, 2);
    const taskq_attempt *attempt = job_now(job->id)->attempts;
    ck_assert_int_eq(attempt->attempt, 1);
    ck_assert_int_eq(attempt->outcome, TASKQ_OUTCOME_FAILED);
    assert_text(attempt->worker, "worker-1");
    ck_assert_int_eq(attempt->started_at_ms, started);
    ck_assert_int_eq(attempt->finished_at_ms, started + 321);
}
END_TEST

void contract_add_reports(Suite *suite)
{
    const TTest *const tests[] = {
        a_report_with_a_stale_version_changes_nothing,
        the_same_report_again_gets_the_job_as_it_now_is,
        the_same_failure_again_is_known_after_the_next_attempt_began,
        another_report_of_the_same_version_is_stale,
        a_release_again_is_stale,
        a_report_on_a_lease_that_the_sweep_ended_is_stale,
        a_report_before_the_sweep_wins_over_it,
        a_report_on_a_job_that_is_not_there_finds_none,
        a_report_tells_state_and_version_where_the_job_is_not_wanted,
        a_report_of_the_job_that_is_wanted_brings_all_of_it,
        the_last_hundred_attempts_are_shown_oldest_first,
        an_error_is_shown_however_many_releases_follow_it,
        an_attempt_tells_who_when_and_how,
    };
    taskq_check_add(suite, tests, sizeof(tests) / sizeof(tests[0]), contract_setup, contract_teardown);
}
