/* SPDX-License-Identifier: MIT */
/*
 * New jobs: what is given is what is kept, all of an op or none, and a unique_key makes one of many.
 */
#include "contract/contract.h"

#include "core/arena.h"

#include <string.h>

START_TEST(every_field_comes_back_as_it_was_given)
{
    taskq_new_job new = new_job("http");
    new.queue = text_of("q/1");
    new.payload = text_of("{\"z\":9007199254740993, \"a\":\"\\u0000\", \"e\":1e400}");
    new.priority = -7;
    new.max_attempts = 3;
    new.timeout_ms = 1234;
    new.lease_ms = 4321;
    new.backoff = (taskq_backoff){11, 1.5, 999, 0.25};
    new.tags[0] = text_of("red");
    new.tags[1] = text_of("a:b");
    new.tag_count = 2;
    new.batch = text_of("import-7");
    new.unique_key = text_of("user 1");
    new.traceparent = text_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    int64_t id = make(&new);
    reopen();
    const taskq_job *job = job_now(id);
    assert_text(job->queue, "q/1");
    assert_text(job->type, "http");
    assert_text(job->payload, "{\"z\":9007199254740993, \"a\":\"\\u0000\", \"e\":1e400}");
    ck_assert_int_eq(job->priority, -7);
    ck_assert_int_eq(job->max_attempts, 3);
    ck_assert_int_eq(job->timeout_ms, 1234);
    ck_assert_int_eq(job->lease_ms, 4321);
    ck_assert_mem_eq(&job->backoff, &new.backoff, sizeof(new.backoff));
    ck_assert_uint_eq(job->tag_count, 2);
    assert_text(job->tags[0], "red");
    assert_text(job->tags[1], "a:b");
    assert_text(job->batch, "import-7");
    assert_text(job->unique_key, "user 1");
    assert_text(job->traceparent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
}
END_TEST

START_TEST(what_an_enqueue_hands_back_is_what_is_kept)
{
    taskq_new_job new = new_job("http");
    new.payload = text_of("[1]");
    new.tags[0] = text_of("red");
    new.tag_count = 1;
    taskq_op *op = enqueue_op(&new);
    COMMIT(op);
    const taskq_job *given = op->in.enqueue->results[0], *kept = job_now(given->id);
    ck_assert_uint_eq(op->in.enqueue->made, 1);
    ck_assert(!given->existing);
    assert_text(given->payload, "[1]");
    assert_text(given->tags[0], "red");
    ck_assert_ptr_ne(given->payload.data, new.payload.data);
    ck_assert_int_eq(given->state, kept->state);
    ck_assert_int_eq(given->created_at_ms, kept->created_at_ms);
    ck_assert_int_eq(given->version, kept->version);
}
END_TEST

START_TEST(where_jobs_are_not_wanted_ids_come_alone)
{
    taskq_new_job new = new_job("a");
    taskq_op *op = enqueue_op(&new);
    op->in.enqueue->wants_jobs = false;
    COMMIT(op);
    ck_assert_int_ge(op->in.enqueue->results[0]->id, 1);
    ck_assert_int_eq(op->in.enqueue->results[0]->version, 1);
    ck_assert_int_eq(op->in.enqueue->results[0]->state, TASKQ_STATE_QUEUED);
    ck_assert_uint_eq(op->in.enqueue->results[0]->type.size, 0);
}
END_TEST

START_TEST(ids_ascend_in_the_order_of_the_jobs)
{
    taskq_new_job new = new_job("a");
    const taskq_new_job *list[] = {&new, &new, &new};
    taskq_op *op = enqueue_many_op(list, 3);
    COMMIT(op);
    taskq_job **jobs = op->in.enqueue->results;
    ck_assert_int_lt(jobs[0]->id, jobs[1]->id);
    ck_assert_int_lt(jobs[1]->id, jobs[2]->id);
    ck_assert_uint_eq(op->in.enqueue->made, 3);
    ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), 3);
}
END_TEST

START_TEST(a_unique_key_that_is_taken_gives_the_job_that_has_it)
{
    taskq_new_job new = new_job("a");
    new.unique_key = text_of("k");
    int64_t id = make(&new);
    taskq_op *op = enqueue_op(&new);
    COMMIT(op);
    ck_assert_int_eq(op->in.enqueue->results[0]->id, id);
    ck_assert(op->in.enqueue->results[0]->existing);
    assert_text(op->in.enqueue->results[0]->type, "a");
    ck_assert_uint_eq(op->in.enqueue->made, 0);
    ck_assert_uint_eq(contract.batch.ready_count, 0);
    ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), 1);
}
END_TEST

START_TEST(a_unique_key_is_of_its_queue_alone)
{
    taskq_new_job new = new_job("a");
    new.unique_key = text_of("k");
    int64_t id = make(&new);
    new.queue = text_of("other");
    ck_assert_int_ne(make(&new), id);
}
END_TEST

START_TEST(a_unique_key_is_free_again_when_its_job_has_ended)
{
    taskq_new_job new = new_job("a");
    new.unique_key = text_of("k");
    int64_t id = make(&new);
    const taskq_job *job = claim_one();
    ck_assert_int_eq(make(&new), id);
    settle(TASKQ_EVENT_SUCCEED, id, job->version);
    ck_assert_int_ne(make(&new), id);
}
END_TEST

START_TEST(twins_in_one_op_are_made_once)
{
    taskq_new_job keyed = new_job("a"), other = new_job("b");
    keyed.unique_key = text_of("k");
    const taskq_new_job *list[] = {&keyed, &other, &keyed};
    taskq_op *op = enqueue_many_op(list, 3);
    COMMIT(op);
    taskq_job **jobs = op->in.enqueue->results;
    ck_assert_uint_eq(op->in.enqueue->made, 2);
    ck_assert_int_eq(jobs[2]->id, jobs[0]->id);
    ck_assert(jobs[2]->existing && !jobs[0]->existing && !jobs[1]->existing);
    ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), 2);
}
END_TEST

START_TEST(a_retry_conflicts_with_a_live_job_of_its_key)
{
    taskq_new_job new = new_job("a");
    new.unique_key = text_of("k");
    int64_t first = make(&new);
    settle(TASKQ_EVENT_CANCEL, first, 0);
    int64_t second = make(&new);
    ck_assert_int_eq(settle(TASKQ_EVENT_RETRY, first, 0), TASKQ_ECONFLICT);
    assert_state(first, TASKQ_STATE_CANCELED);
    settle(TASKQ_EVENT_CANCEL, second, 0);
    ck_assert_int_eq(settle(TASKQ_EVENT_RETRY, first, 0), TASKQ_OK);
    assert_state(first, TASKQ_STATE_QUEUED);
}
END_TEST

START_TEST(an_op_that_finds_no_memory_makes_nothing)
{
    taskq_new_job new = new_job("a");
    char payload[8192];
    memset(payload, '1', sizeof(payload));
    new.payload = (taskq_text){payload, sizeof(payload)};
    taskq_op *small = enqueue_op(&new), *good = enqueue_op(&new);
    taskq_arena *arena = taskq__arena_new(NULL, 4096);
    small->arena = arena;
    COMMIT(small, good);
    ck_assert_int_eq(small->status, TASKQ_ENOMEM);
    ck_assert_int_eq(good->status, TASKQ_OK);
    ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), 1);
    taskq__arena_free(arena);
}
END_TEST

START_TEST(a_large_payload_comes_back_whole)
{
    size_t size = 1 << 20;
    char *payload = taskq_arena_alloc(contract.arena, size);
    memset(payload, 'x', size);
    payload[0] = payload[size - 1] = '"';
    taskq_new_job new = new_job("a");
    new.payload = (taskq_text){payload, size};
    int64_t id = make(&new);
    const taskq_job *job = claim_one();
    ck_assert_int_eq(job->id, id);
    ck_assert_uint_eq(job->payload.size, size);
    ck_assert_mem_eq(job->payload.data, payload, size);
}
END_TEST

static char large[(1 << 20) + 1];

static taskq_new_job large_job(void)
{
    taskq_new_job new = new_job("a");
    memset(large, 'x', sizeof(large) - 1);
    large[0] = large[sizeof(large) - 2] = '"';
    new.payload = (taskq_text){large, sizeof(large) - 1};
    new.unique_key = text_of("large");
    return new;
}

START_TEST(a_small_request_does_not_bring_a_large_job_a_thousand_times)
{
    taskq_new_job small = new_job("a"), large_one = large_job();
    small.unique_key = large_one.unique_key;
    int64_t id = make(&large_one);
    const taskq_new_job *list[1000];
    for (int i = 0; i < 1000; i++) {
        list[i] = &small;
    }
    taskq_op *many = enqueue_many_op(list, 1000), *few = enqueue_many_op(list, 4);
    size_t before = taskq__arena_used(contract.arena);
    COMMIT(many);
    ck_assert_int_eq(many->status, TASKQ_EINVAL);
    ck_assert_uint_lt(taskq__arena_used(contract.arena) - before, 8 << 20);
    COMMIT(few);
    ck_assert_int_eq(few->status, TASKQ_OK);
    ck_assert_int_eq(few->in.enqueue->results[3]->id, id);
    ck_assert_uint_eq(few->in.enqueue->results[3]->payload.size, sizeof(large) - 1);
}
END_TEST

START_TEST(a_large_job_is_not_given_back_for_each_of_a_thousand_twins)
{
    taskq_new_job small = new_job("a"), large_one = large_job();
    small.unique_key = large_one.unique_key;
    const taskq_new_job *list[1000] = {&large_one};
    for (int i = 1; i < 1000; i++) {
        list[i] = &small;
    }
    taskq_op *many = enqueue_many_op(list, 1000), *few = enqueue_many_op(list, 4);
    COMMIT(many);
    ck_assert_int_eq(many->status, TASKQ_EINVAL);
    ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), 0);
    COMMIT(few);
    ck_assert_int_eq(few->status, TASKQ_OK);
    ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), 1);
}
END_TEST

START_TEST(as_many_bytes_as_were_asked_with_are_always_given_back)
{
    taskq_new_job keyed[8];
    const taskq_new_job *list[8];
    char keys[8][2] = {"0", "1", "2", "3", "4", "5", "6", "7"};
    for (int i = 0; i < 8; i++) {
        keyed[i] = large_job();
        keyed[i].unique_key = (taskq_text){keys[i], 1};
        list[i] = &keyed[i];
    }
    taskq_op *first = enqueue_many_op(list, 8), *again = enqueue_many_op(list, 8);
    COMMIT(first);
    COMMIT(again);
    ck_assert_int_eq(again->status, TASKQ_OK);
    ck_assert_uint_eq(again->in.enqueue->made, 0);
    ck_assert_uint_eq(again->in.enqueue->results[7]->payload.size, sizeof(large) - 1);
}
END_TEST

START_TEST(a_repetition_brings_results_as_far_as_they_go)
{
    enum { JOBS = 8 };
    taskq_new_job new = new_job("a");
    const taskq_new_job *list[JOBS] = {&new, &new, &new, &new, &new, &new, &new, &new};
    taskq_op *first = enqueue_many_op(list, JOBS), *again = enqueue_many_op(list, JOBS);
    first->in.enqueue->idempotency_key = again->in.enqueue->idempotency_key = text_of("k");
    COMMIT(first);
    (void)large_job(); /* a large text */
    for (int i = 0; i < JOBS; i++) {
        const taskq_job *job = claim_one();
        ck_assert_int_eq(report(TASKQ_EVENT_SUCCEED, job->id, job->version, large), TASKQ_OK);
    }
    COMMIT(again);
    ck_assert_int_eq(again->status, TASKQ_OK);
    taskq_job **jobs = again->in.enqueue->results;
    ck_assert_uint_eq(jobs[0]->result.size, sizeof(large) - 1);
    ck_assert_uint_eq(jobs[JOBS - 1]->result.size, 0);
    ck_assert_int_eq(jobs[JOBS - 1]->state, TASKQ_STATE_SUCCEEDED);
    assert_text(jobs[JOBS - 1]->payload, "{}");
}
END_TEST

void contract_add_enqueue(Suite *suite)
{
    const TTest *const tests[] = {
        every_field_comes_back_as_it_was_given,
        what_an_enqueue_hands_back_is_what_is_kept,
        where_jobs_are_not_wanted_ids_come_alone,
        ids_ascend_in_the_order_of_the_jobs,
        a_unique_key_that_is_taken_gives_the_job_that_has_it,
        a_unique_key_is_of_its_queue_alone,
        a_unique_key_is_free_again_when_its_job_has_ended,
        twins_in_one_op_are_made_once,
        a_retry_conflicts_with_a_live_job_of_its_key,
        an_op_that_finds_no_memory_makes_nothing,
        a_large_payload_comes_back_whole,
        a_small_request_does_not_bring_a_large_job_a_thousand_times,
        a_large_job_is_not_given_back_for_each_of_a_thousand_twins,
        as_many_bytes_as_were_asked_with_are_always_given_back,
        a_repetition_brings_results_as_far_as_they_go,
    };
    taskq_check_add(suite, tests, sizeof(tests) / sizeof(tests[0]), contract_setup, contract_teardown);
}
