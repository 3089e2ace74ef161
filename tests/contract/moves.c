/* SPDX-License-Identifier: MIT */
/*
 * Every move of a job, as it is found in the store afterwards. That the state machine decides rightly is its own tests'
 * business; here it is that what it decided is what is kept.
 */
#include "contract/contract.h"

#include "core/arena.h"

#include <string.h>

START_TEST(a_new_job_is_queued_with_version_1)
{
    const taskq_job *job = job_now(make_type("a"));
    ck_assert_int_eq(job->state, TASKQ_STATE_QUEUED);
    ck_assert_int_eq(job->version, 1);
    ck_assert_int_eq(job->created_at_ms, contract.now.wall_ms);
    ck_assert_int_eq(job->run_at_ms, contract.now.wall_ms);
    ck_assert_int_eq(contract.batch.ready_count, 1);
    assert_text(contract.ready[0].type, "a");
}
END_TEST

START_TEST(a_new_job_with_a_delay_is_scheduled)
{
    taskq_new_job job = new_job("a");
    job.has_delay = true;
    job.delay_ms = 5000;
    int64_t id = make(&job);
    assert_state(id, TASKQ_STATE_SCHEDULED);
    ck_assert_int_eq(contract.batch.ready_count, 0);
    ck_assert_int_eq(contract.batch.next_due.wall_ms, contract.now.wall_ms + 5000);
    ck_assert_ptr_null(claim_one());
}
END_TEST

START_TEST(a_scheduled_job_becomes_ready_when_it_is_due)
{
    taskq_new_job job = new_job("a");
    job.has_run_at = true;
    job.run_at_ms = contract.now.wall_ms + 1000;
    int64_t id = make(&job);
    pass(999);
    ck_assert_uint_eq(walk(TASKQ_WALK_DUE), 0);
    pass(1);
    ck_assert_uint_eq(walk(TASKQ_WALK_DUE), 1);
    ck_assert_int_eq(contract.batch.ready_count, 1);
    assert_state(id, TASKQ_STATE_QUEUED);
    ck_assert_int_eq(claim_one()->id, id);
}
END_TEST

START_TEST(a_claim_makes_it_running_under_a_lease)
{
    const taskq_job *claimed = running_job(), *job = job_now(claimed->id);
    ck_assert_int_eq(job->state, TASKQ_STATE_RUNNING);
    ck_assert_int_eq(job->version, 2);
    ck_assert_int_eq(job->attempt, 1);
    assert_text(job->worker, "worker-1");
    ck_assert_int_eq(job->lease_expires_at_ms, contract.now.wall_ms + job->lease_ms);
    ck_assert_int_eq(claimed->lease_expires_at_ms, job->lease_expires_at_ms);
    ck_assert_int_eq(job->started_at_ms, contract.now.wall_ms);
}
END_TEST

START_TEST(a_success_keeps_its_result)
{
    const taskq_job *job = running_job();
    ck_assert_int_eq(report(TASKQ_EVENT_SUCCEED, job->id, job->version, "{\"n\": 9007199254740993}"), TASKQ_OK);
    job = job_now(job->id);
    ck_assert_int_eq(job->state, TASKQ_STATE_SUCCEEDED);
    ck_assert_int_eq(job->version, 3);
    assert_text(job->result, "{\"n\": 9007199254740993}");
    ck_assert_int_eq(job->finished_at_ms, contract.now.wall_ms);
    ck_assert_uint_eq(job->attempt_count, 1);
    ck_assert_int_eq(job->attempts[0].outcome, TASKQ_OUTCOME_SUCCEEDED);
}
END_TEST

START_TEST(a_failure_waits_for_its_backoff_and_keeps_its_error)
{
    const taskq_job *job = running_job();
    ck_assert_int_eq(settle(TASKQ_EVENT_FAIL, job->id, job->version), TASKQ_OK);
    ck_assert_int_eq(contract.batch.next_due.steady_ms, contract.now.steady_ms + 2000);
    job = job_now(job->id);
    ck_assert_int_eq(job->state, TASKQ_STATE_SCHEDULED);
    ck_assert_int_eq(job->run_at_ms, contract.now.wall_ms + 2000);
    assert_text(job->error, "{\"code\":\"e\",\"message\":\"m\"}");
    pass(2000);
    ck_assert_uint_eq(walk(TASKQ_WALK_DUE), 1);
    job = claim_one();
    ck_assert_int_eq(job->attempt, 2);
    assert_text(job->error, "{\"code\":\"e\",\"message\":\"m\"}");
}
END_TEST

START_TEST(a_success_after_a_failure_takes_the_error_away)
{
    const taskq_job *job = running_job();
    settle(TASKQ_EVENT_FAIL, job->id, job->version);
    pass(2000);
    walk(TASKQ_WALK_DUE);
    job = claim_one();
    ck_assert_int_eq(report(TASKQ_EVENT_SUCCEED, job->id, job->version, "1"), TASKQ_OK);
    job = job_now(job->id);
    ck_assert_uint_eq(job->error.size, 0);
    assert_text(job->result, "1");
    ck_assert_uint_eq(job->attempt_count, 2);
    assert_text(job->attempts[0].error, "{\"code\":\"e\",\"message\":\"m\"}");
    ck_assert_uint_eq(job->attempts[1].error.size, 0);
}
END_TEST

START_TEST(a_failure_without_a_delay_is_ready_at_once)
{
    const taskq_job *job = running_job();
    taskq_op *op = event_op(TASKQ_EVENT_FAIL, job->id, job->version);
    op->in.events[0].delay_ms = 0;
    COMMIT(op);
    assert_state(job->id, TASKQ_STATE_QUEUED);
    ck_assert_int_eq(contract.batch.ready_count, 1);
    ck_assert_int_eq(claim_one()->id, job->id);
}
END_TEST

START_TEST(the_last_attempt_that_fails_fails_the_job)
{
    taskq_new_job new = new_job("a");
    new.max_attempts = 1;
    int64_t id = make(&new);
    const taskq_job *job = claim_one();
    ck_assert_int_eq(settle(TASKQ_EVENT_FAIL, id, job->version), TASKQ_OK);
    assert_state(id, TASKQ_STATE_FAILED);
    ck_assert_int_eq(job_now(id)->finished_at_ms, contract.now.wall_ms);
}
END_TEST

START_TEST(a_release_gives_the_attempt_back)
{
    const taskq_job *job = running_job();
    ck_assert_int_eq(settle(TASKQ_EVENT_RELEASE, job->id, job->version), TASKQ_OK);
    job = job_now(job->id);
    ck_assert_int_eq(job->state, TASKQ_STATE_QUEUED);
    ck_assert_int_eq(job->version, 3);
    ck_assert_int_eq(job->attempt, 0);
    ck_assert_int_eq(job->attempts[0].outcome, TASKQ_OUTCOME_RELEASED);
    ck_assert_int_eq(claim_one()->attempt, 1);
}
END_TEST

START_TEST(a_release_with_a_delay_is_scheduled)
{
    const taskq_job *job = running_job();
    taskq_op *op = event_op(TASKQ_EVENT_RELEASE, job->id, job->version);
    op->in.events[0].delay_ms = 700;
    COMMIT(op);
    assert_state(job->id, TASKQ_STATE_SCHEDULED);
    pass(699);
    ck_assert_uint_eq(walk(TASKQ_WALK_DUE), 0);
    pass(1);
    ck_assert_uint_eq(walk(TASKQ_WALK_DUE), 1);
}
END_TEST

START_TEST(a_canceled_job_is_not_claimed)
{
    int64_t id = make_type("a");
    ck_assert_int_eq(settle(TASKQ_EVENT_CANCEL, id, 0), TASKQ_OK);
    assert_state(id, TASKQ_STATE_CANCELED);
    ck_assert_ptr_null(claim_one());
    ck_assert_int_eq(settle(TASKQ_EVENT_CANCEL, id, 0), TASKQ_ECONFLICT);
}
END_TEST

START_TEST(a_running_job_is_asked_to_cancel_and_keeps_its_lease)
{
    const taskq_job *job = running_job();
    ck_assert_int_eq(settle(TASKQ_EVENT_CANCEL, job->id, 0), TASKQ_OK);
    ck_assert(job_now(job->id)->cancel_requested);
    ck_assert_int_eq(job_now(job->id)->version, job->version);
    taskq_op *beat = beat_op(job->id, job->version, "", "");
    COMMIT(beat);
    ck_assert(beat->in.beats[0].cancel_requested);
    ck_assert_int_eq(settle(TASKQ_EVENT_FAIL, job->id, job->version), TASKQ_OK);
    assert_state(job->id, TASKQ_STATE_CANCELED);
}
END_TEST

START_TEST(a_retry_starts_afresh_and_keeps_the_attempts)
{
    const taskq_job *job = running_job();
    COMMIT(beat_op(job->id, job->version, "{\"percent\":5}", "line\n"));
    report(TASKQ_EVENT_SUCCEED, job->id, job->version, "1");
    pass(10);
    ck_assert_int_eq(settle(TASKQ_EVENT_RETRY, job->id, 0), TASKQ_OK);
    job = job_now(job->id);
    ck_assert_int_eq(job->state, TASKQ_STATE_QUEUED);
    ck_assert_int_eq(job->attempt, 0);
    ck_assert_int_eq(job->finished_at_ms, 0);
    ck_assert_int_eq(job->run_at_ms, contract.now.wall_ms);
    ck_assert_uint_eq(job->result.size + job->progress.size, 0);
    ck_assert_uint_eq(job->attempt_count, 1);
    assert_text(job->log, "line\n");
}
END_TEST

START_TEST(a_deleted_job_is_gone_and_its_id_is_not_given_again)
{
    int64_t id = make_type("a");
    ck_assert_int_eq(settle(TASKQ_EVENT_DELETE, id, 0), TASKQ_ECONFLICT);
    settle(TASKQ_EVENT_CANCEL, id, 0);
    ck_assert_int_eq(settle(TASKQ_EVENT_DELETE, id, 0), TASKQ_OK);
    ck_assert_ptr_null(job_now(id));
    ck_assert_int_eq(settle(TASKQ_EVENT_DELETE, id, 0), TASKQ_ENOTFOUND);
    reopen();
    ck_assert_int_gt(make_type("a"), id);
}
END_TEST

/* A megabyte a job, and hundreds of jobs in a batch: what nobody wants to see is not read. */
START_TEST(a_move_whose_job_is_not_wanted_takes_no_memory_for_its_result)
{
    enum { RESULT_BYTES = 1 << 20 };
    static char result[RESULT_BYTES + 1];
    memset(result, 'x', RESULT_BYTES);
    result[0] = result[RESULT_BYTES - 1] = '"';
    const taskq_job *job = running_job();
    taskq_op *cancel = event_op(TASKQ_EVENT_CANCEL, job->id, 0), *retry = event_op(TASKQ_EVENT_RETRY, job->id, 0);
    ck_assert_int_eq(report(TASKQ_EVENT_SUCCEED, job->id, job->version, result), TASKQ_OK);
    cancel->in.events->wants_job = retry->in.events->wants_job = false;
    size_t before = taskq__arena_used(contract.arena);
    COMMIT(cancel);
    ck_assert_uint_eq(job_now(job->id)->result.size, RESULT_BYTES);
    before += RESULT_BYTES; /* of job_now's own */
    COMMIT(retry);
    ck_assert_uint_lt(taskq__arena_used(contract.arena) - before, RESULT_BYTES / 2);
    ck_assert_int_eq(retry->in.events->status, TASKQ_OK);
    ck_assert_uint_eq(job_now(job->id)->result.size, 0);
}
END_TEST

void contract_add_moves(Suite *suite)
{
    const TTest *const tests[] = {
        a_new_job_is_queued_with_version_1,
        a_new_job_with_a_delay_is_scheduled,
        a_scheduled_job_becomes_ready_when_it_is_due,
        a_claim_makes_it_running_under_a_lease,
        a_success_keeps_its_result,
        a_failure_waits_for_its_backoff_and_keeps_its_error,
        a_success_after_a_failure_takes_the_error_away,
        a_failure_without_a_delay_is_ready_at_once,
        the_last_attempt_that_fails_fails_the_job,
        a_release_gives_the_attempt_back,
        a_release_with_a_delay_is_scheduled,
        a_canceled_job_is_not_claimed,
        a_running_job_is_asked_to_cancel_and_keeps_its_lease,
        a_retry_starts_afresh_and_keeps_the_attempts,
        a_deleted_job_is_gone_and_its_id_is_not_given_again,
        a_move_whose_job_is_not_wanted_takes_no_memory_for_its_result,
    };
    taskq_check_add(suite, tests, sizeof(tests) / sizeof(tests[0]), contract_setup, contract_teardown);
}
