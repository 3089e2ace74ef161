/* SPDX-License-Identifier: MIT */
/*
 * Idempotency keys: a request whose answer was lost comes again and gets the same jobs, kept in the same commit.
 */
#include "contract/contract.h"

static taskq_op *keyed_op(const taskq_new_job *job, const char *key, uint64_t digest)
{
    taskq_op *op = enqueue_op(job);
    op->in.enqueue->idempotency_key = text_of(key);
    op->in.enqueue->digest = digest;
    return op;
}

START_TEST(the_same_request_again_gets_the_same_job_as_it_now_is)
{
    taskq_new_job new = new_job("a");
    taskq_op *first = keyed_op(&new, "k", 7), *again = keyed_op(&new, "k", 7);
    COMMIT(first);
    int64_t id = first->in.enqueue->results[0]->id;
    ck_assert(!first->in.enqueue->replayed);
    claim_one();
    reopen();
    COMMIT(again);
    ck_assert(again->in.enqueue->replayed);
    ck_assert_uint_eq(again->in.enqueue->made, 1);
    ck_assert_int_eq(again->in.enqueue->results[0]->id, id);
    ck_assert_int_eq(again->in.enqueue->results[0]->state, TASKQ_STATE_RUNNING);
    ck_assert_int_eq(queue_now("default").counts[TASKQ_STATE_QUEUED], 0);
}
END_TEST

START_TEST(another_request_with_the_key_is_refused_and_makes_nothing)
{
    taskq_new_job new = new_job("a");
    COMMIT(keyed_op(&new, "k", 7));
    taskq_op *other = keyed_op(&new, "k", 8);
    COMMIT(other);
    ck_assert_int_eq(other->status, TASKQ_EEXISTS);
    ck_assert_int_eq(other->error.status, TASKQ_EEXISTS);
    ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), 1);
}
END_TEST

START_TEST(a_list_comes_again_with_what_was_there_already_marked)
{
    taskq_new_job plain = new_job("a"), unique = new_job("b");
    unique.unique_key = text_of("u");
    int64_t there = make(&unique);
    const taskq_new_job *list[] = {&plain, &unique};
    taskq_op *first = enqueue_many_op(list, 2), *again = enqueue_many_op(list, 2);
    first->in.enqueue->idempotency_key = again->in.enqueue->idempotency_key = text_of("k");
    COMMIT(first);
    COMMIT(again);
    taskq_job **jobs = again->in.enqueue->results;
    ck_assert_int_eq(jobs[0]->id, first->in.enqueue->results[0]->id);
    ck_assert(!jobs[0]->existing);
    ck_assert_int_eq(jobs[1]->id, there);
    ck_assert(jobs[1]->existing);
    ck_assert_uint_eq(again->in.enqueue->made, 1);
}
END_TEST

START_TEST(a_key_over_its_time_is_as_if_never_used)
{
    taskq_new_job new = new_job("a");
    COMMIT(keyed_op(&new, "k", 7));
    pass(86400000);
    taskq_op *later = keyed_op(&new, "k", 8);
    COMMIT(later);
    ck_assert_int_eq(later->status, TASKQ_OK);
    ck_assert(!later->in.enqueue->replayed);
    ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), 2);
}
END_TEST

START_TEST(old_keys_are_walked_off)
{
    taskq_new_job new = new_job("a");
    COMMIT(keyed_op(&new, "k1", 7));
    pass(1000);
    COMMIT(keyed_op(&new, "k2", 7));
    pass(86400000 - 1000);
    ck_assert_uint_eq(walk(TASKQ_WALK_KEYS), 1);
    pass(1000);
    ck_assert_uint_eq(walk(TASKQ_WALK_KEYS), 1);
    ck_assert_uint_eq(walk(TASKQ_WALK_KEYS), 0);
}
END_TEST

START_TEST(a_job_that_was_deleted_since_comes_again_as_its_id)
{
    taskq_new_job new = new_job("a");
    taskq_op *first = keyed_op(&new, "k", 7), *again = keyed_op(&new, "k", 7);
    COMMIT(first);
    int64_t id = first->in.enqueue->results[0]->id;
    settle(TASKQ_EVENT_CANCEL, id, 0);
    settle(TASKQ_EVENT_DELETE, id, 0);
    COMMIT(again);
    ck_assert_int_eq(again->status, TASKQ_OK);
    ck_assert_int_eq(again->in.enqueue->results[0]->id, id);
    ck_assert_int_eq(again->in.enqueue->results[0]->state, 0);
}
END_TEST

void contract_add_keys(Suite *suite)
{
    const TTest *const tests[] = {
        the_same_request_again_gets_the_same_job_as_it_now_is,
        another_request_with_the_key_is_refused_and_makes_nothing,
        a_list_comes_again_with_what_was_there_already_marked,
        a_key_over_its_time_is_as_if_never_used,
        old_keys_are_walked_off,
        a_job_that_was_deleted_since_comes_again_as_its_id,
    };
    taskq_check_add(suite, tests, sizeof(tests) / sizeof(tests[0]), contract_setup, contract_teardown);
}
