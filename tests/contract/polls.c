/* SPDX-License-Identifier: MIT */
/*
 * A poll whose answer was lost is asked again: the leases that it got are still its own.
 */
#include "contract/contract.h"

static taskq_op *poll(const char *worker, const char *id)
{
    taskq_op *op = poll_op(worker, id, 2);
    COMMIT(op);
    return op;
}

START_TEST(a_poll_asked_again_gets_its_leases_as_they_are)
{
    int64_t first = make_type("a"), second = make_type("b");
    make_type("c");
    taskq_op *op = poll("w", "p1"), *again = poll("w", "p1");
    ck_assert_uint_eq(op->in.claim->job_count, 2);
    ck_assert_uint_eq(again->in.claim->job_count, 2);
    for (int i = 0; i < 2; i++) {
        int64_t id = again->in.claim->jobs[i]->id;
        ck_assert(id == first || id == second);
        ck_assert_int_eq(again->in.claim->jobs[i]->version, 2);
        assert_text(again->in.claim->jobs[i]->payload, "{}");
    }
    ck_assert_int_eq(count_of(TASKQ_STATE_RUNNING), 2);
}
END_TEST

START_TEST(a_poll_asked_again_after_a_restart_gets_its_leases)
{
    int64_t id = make_type("a");
    poll("w", "p1");
    reopen();
    taskq_op *again = poll("w", "p1");
    ck_assert_uint_eq(again->in.claim->job_count, 1);
    ck_assert_int_eq(again->in.claim->jobs[0]->id, id);
    ck_assert_int_eq(again->in.claim->jobs[0]->version, 2);
}
END_TEST

START_TEST(what_has_ended_does_not_come_back)
{
    int64_t first = make_type("a"), second = make_type("a"), third = make_type("a");
    poll("w", "p1");
    settle(TASKQ_EVENT_SUCCEED, first, 2);
    taskq_op *again = poll("w", "p1");
    ck_assert_uint_eq(again->in.claim->job_count, 1);
    ck_assert_int_eq(again->in.claim->jobs[0]->id, second);
    settle(TASKQ_EVENT_SUCCEED, second, 2);
    taskq_op *fresh = poll("w", "p1");
    ck_assert_uint_eq(fresh->in.claim->job_count, 1);
    ck_assert_int_eq(fresh->in.claim->jobs[0]->id, third);
}
END_TEST

START_TEST(a_job_that_was_given_to_another_since_does_not_come_back)
{
    int64_t id = make_type("a");
    poll("w", "p1");
    settle(TASKQ_EVENT_RELEASE, id, 2);
    ck_assert_uint_eq(poll("v", "p9")->in.claim->job_count, 1);
    ck_assert_uint_eq(poll("w", "p1")->in.claim->job_count, 0);
}
END_TEST

START_TEST(a_poll_is_of_its_worker_alone)
{
    make_type("a");
    poll("w", "p1");
    ck_assert_uint_eq(poll("v", "p1")->in.claim->job_count, 0);
    ck_assert_uint_eq(poll("w", "p2")->in.claim->job_count, 0);
    ck_assert_uint_eq(poll("w", "p1")->in.claim->job_count, 1);
}
END_TEST

void contract_add_polls(Suite *suite)
{
    const TTest *const tests[] = {
        a_poll_asked_again_gets_its_leases_as_they_are,
        a_poll_asked_again_after_a_restart_gets_its_leases,
        what_has_ended_does_not_come_back,
        a_job_that_was_given_to_another_since_does_not_come_back,
        a_poll_is_of_its_worker_alone,
    };
    taskq_check_add(suite, tests, sizeof(tests) / sizeof(tests[0]), contract_setup, contract_teardown);
}
