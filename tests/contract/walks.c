/* SPDX-License-Identifier: MIT */
/*
 * The sweep's walks: at most so many rows, those that are due and no others.
 */
#include "contract/contract.h"

#include <string.h>

START_TEST(a_lost_lease_is_ended_and_comes_back_after_its_backoff)
{
    const taskq_job *job = running_job();
    pass(59999);
    ck_assert_uint_eq(walk(TASKQ_WALK_EXPIRED), 0);
    pass(1);
    taskq_op *op = walk_op(TASKQ_WALK_EXPIRED, 10);
    COMMIT(op);
    ck_assert_uint_eq(op->in.walk->moved, 1);
    ck_assert_uint_eq(op->in.walk->lost, 1);
    const taskq_job *now = job_now(job->id);
    ck_assert_int_eq(now->state, TASKQ_STATE_SCHEDULED);
    ck_assert_int_eq(now->attempts[0].outcome, TASKQ_OUTCOME_LOST);
    ck_assert_ptr_nonnull(memmem(now->error.data, now->error.size, "\"lost\"", 6));
    pass(2000);
    ck_assert_uint_eq(walk(TASKQ_WALK_DUE), 1);
    ck_assert_int_eq(claim_one()->attempt, 2);
}
END_TEST

START_TEST(a_walk_takes_no_more_than_its_max)
{
    for (int i = 0; i < 5; i++) {
        make_type("a");
    }
    COMMIT(claim_op("default", "", 5));
    pass(60000);
    taskq_op *op = walk_op(TASKQ_WALK_EXPIRED, 3), *rest = walk_op(TASKQ_WALK_EXPIRED, 3);
    COMMIT(op);
    COMMIT(rest);
    ck_assert_uint_eq(op->in.walk->moved, 3);
    ck_assert_uint_eq(rest->in.walk->moved, 2);
    ck_assert_int_eq(count_of(TASKQ_STATE_RUNNING), 0);
}
END_TEST

START_TEST(a_due_walk_finds_both_kinds_of_time)
{
    taskq_new_job wall = new_job("a");
    wall.has_run_at = true;
    wall.run_at_ms = contract.now.wall_ms + 2000;
    const taskq_job *steady = running_job();
    int64_t id = make(&wall);
    settle(TASKQ_EVENT_FAIL, steady->id, 2);
    /* The wall clock is set forward: a backoff does not follow it. */
    contract.now.wall_ms += 5000;
    ck_assert_uint_eq(walk(TASKQ_WALK_DUE), 1);
    assert_state(id, TASKQ_STATE_QUEUED);
    assert_state(steady->id, TASKQ_STATE_SCHEDULED);
    contract.now.steady_ms += 2000;
    ck_assert_uint_eq(walk(TASKQ_WALK_DUE), 1);
    assert_state(steady->id, TASKQ_STATE_QUEUED);
}
END_TEST

START_TEST(a_due_walk_finds_run_at_and_backoff_at_their_times)
{
    taskq_new_job later = new_job("a");
    later.has_run_at = true;
    later.run_at_ms = contract.now.wall_ms + 5000;
    const taskq_job *failing = running_job();
    int64_t id = make(&later);
    settle(TASKQ_EVENT_FAIL, failing->id, 2);
    ck_assert_uint_eq(walk(TASKQ_WALK_DUE), 0);
    pass(2000);
    ck_assert_uint_eq(walk(TASKQ_WALK_DUE), 1);
    assert_state(failing->id, TASKQ_STATE_QUEUED);
    assert_state(id, TASKQ_STATE_SCHEDULED);
    pass(3000);
    ck_assert_uint_eq(walk(TASKQ_WALK_DUE), 1);
    assert_state(id, TASKQ_STATE_QUEUED);
}
END_TEST

START_TEST(a_wall_clock_that_jumps_ends_no_lease)
{
    const taskq_job *job = running_job();
    contract.now.wall_ms += INT64_C(315360000000);
    ck_assert_uint_eq(walk(TASKQ_WALK_EXPIRED), 0);
    assert_state(job->id, TASKQ_STATE_RUNNING);
}
END_TEST

START_TEST(retention_deletes_what_is_old_by_its_kind)
{
    int64_t done = make_type("a"), failed = make_type("a"), canceled = make_type("a"), live = make_type("a");
    COMMIT(claim_op("default", "", 2));
    settle(TASKQ_EVENT_SUCCEED, done, 2);
    taskq_op *fail = event_op(TASKQ_EVENT_FAIL, failed, 2);
    fail->in.events[0].no_retry = true;
    COMMIT(fail);
    settle(TASKQ_EVENT_CANCEL, canceled, 0);
    pass(1000);
    taskq_op *op = walk_op(TASKQ_WALK_RETENTION, 10);
    op->in.walk->cut_failed_ms = contract.now.wall_ms - 2000;
    COMMIT(op);
    ck_assert_uint_eq(op->in.walk->moved, 2);
    ck_assert(job_now(done) == NULL && job_now(canceled) == NULL);
    assert_state(failed, TASKQ_STATE_FAILED);
    ck_assert_uint_eq(walk(TASKQ_WALK_RETENTION), 1);
    assert_state(live, TASKQ_STATE_QUEUED);
    ck_assert_int_eq(count_of(TASKQ_STATE_SUCCEEDED) + count_of(TASKQ_STATE_FAILED) + count_of(TASKQ_STATE_CANCELED), 0);
}
END_TEST

START_TEST(retention_keeps_what_is_younger_than_the_cut)
{
    int64_t id = make_type("a");
    settle(TASKQ_EVENT_CANCEL, id, 0);
    taskq_op *op = walk_op(TASKQ_WALK_RETENTION, 10);
    op->in.walk->cut_ms = contract.now.wall_ms - 1;
    COMMIT(op);
    ck_assert_uint_eq(op->in.walk->moved, 0);
    op = walk_op(TASKQ_WALK_RETENTION, 10);
    op->in.walk->cut_ms = op->in.walk->cut_failed_ms = INT64_MIN;
    COMMIT(op);
    ck_assert_uint_eq(op->in.walk->moved, 0);
}
END_TEST

START_TEST(a_lost_attempt_that_was_the_last_fails_the_job)
{
    taskq_new_job new = new_job("a");
    new.max_attempts = 1;
    int64_t id = make(&new);
    claim_one();
    pass(60000);
    walk(TASKQ_WALK_EXPIRED);
    assert_state(id, TASKQ_STATE_FAILED);
}
END_TEST

START_TEST(the_store_knows_what_is_due_after_a_restart)
{
    taskq_now due;
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_int_eq(taskq__store_next_due(contract.store, 86400000, &due, &err), TASKQ_OK);
    ck_assert_int_eq(due.wall_ms, INT64_MAX);
    ck_assert_int_eq(due.steady_ms, INT64_MAX);
    taskq_new_job later = new_job("b");
    later.has_delay = true;
    later.delay_ms = 90000;
    make(&later);
    const taskq_job *failing = running_job(), *running = running_job();
    settle(TASKQ_EVENT_FAIL, failing->id, 2);
    reopen();
    ck_assert_int_eq(taskq__store_next_due(contract.store, 86400000, &due, &err), TASKQ_OK);
    ck_assert_int_eq(due.wall_ms, contract.now.wall_ms + 90000);
    ck_assert_int_eq(due.steady_ms, contract.now.steady_ms + 2000);
    ck_assert_int_eq(taskq__store_next_due(contract.store, 3000, &due, &err), TASKQ_OK);
    ck_assert_int_eq(due.steady_ms, contract.now.steady_ms + 2000);
    settle(TASKQ_EVENT_CANCEL, failing->id, 0);
    ck_assert_int_eq(taskq__store_next_due(contract.store, INT64_MAX, &due, &err), TASKQ_OK);
    ck_assert_int_eq(due.steady_ms, contract.now.steady_ms + running->lease_ms);
}
END_TEST

/* Whoever writes meanwhile waits for one step. */
START_TEST(a_retention_walk_of_large_jobs_ends_before_its_max_and_says_so)
{
    enum { JOBS = 40, BYTES = 1 << 20 };
    static char payload[BYTES];
    memset(payload, 'x', BYTES);
    payload[0] = payload[BYTES - 1] = '"';
    taskq_new_job new = new_job("a");
    new.payload = (taskq_text){payload, BYTES};
    for (int i = 0; i < JOBS; i++) {
        settle(TASKQ_EVENT_CANCEL, make(&new), 0);
    }
    pass(1);
    uint32_t moved = 0, walks = 0;
    bool more = true;
    while (more) {
        taskq_op *op = walk_op(TASKQ_WALK_RETENTION, 100);
        COMMIT(op);
        ck_assert_uint_lt(op->in.walk->moved, JOBS);
        moved += op->in.walk->moved;
        walks++;
        more = op->in.walk->more;
    }
    ck_assert_uint_eq(moved, JOBS);
    ck_assert_uint_ge(walks, 2);
    ck_assert_int_eq(count_of(TASKQ_STATE_CANCELED), 0);
}
END_TEST

void contract_add_walks(Suite *suite)
{
    const TTest *const tests[] = {
        a_lost_lease_is_ended_and_comes_back_after_its_backoff,
        a_walk_takes_no_more_than_its_max,
        a_due_walk_finds_run_at_and_backoff_at_their_times,
        retention_deletes_what_is_old_by_its_kind,
        retention_keeps_what_is_younger_than_the_cut,
        a_lost_attempt_that_was_the_last_fails_the_job,
        the_store_knows_what_is_due_after_a_restart,
        a_retention_walk_of_large_jobs_ends_before_its_max_and_says_so,
    };
    /* A store with a clock of its own knows one time. */
    const TTest *const of_two_times[] = {a_due_walk_finds_both_kinds_of_time, a_wall_clock_that_jumps_ends_no_lease};
    taskq_check_add(suite, tests, sizeof(tests) / sizeof(tests[0]), contract_setup, contract_teardown);
    if (contract.opener->tick == NULL) {
        taskq_check_add(suite, of_two_times, 2, contract_setup, contract_teardown);
    }
}
