/* SPDX-License-Identifier: MIT */
/*
 * Who is claimed first: queues in the order of the asker, then priority, run_at and id, whatever the types.
 */
#include "contract/contract.h"

#include "core/arena.h"

#include <string.h>

static int64_t put(const char *queue, const char *type, int32_t priority, int64_t age_ms)
{
    taskq_new_job job = new_job(type);
    job.queue = text_of(queue);
    job.priority = priority;
    job.has_run_at = true;
    job.run_at_ms = contract.now.wall_ms - age_ms;
    return make(&job);
}

static void expect(const char *queues, const char *types, uint32_t limit, const int64_t *ids, uint32_t count)
{
    taskq_op *op = claim_op(queues, types, limit);
    COMMIT(op);
    ck_assert_uint_eq(op->in.claim->job_count, count);
    for (uint32_t i = 0; i < count; i++) {
        ck_assert_int_eq(op->in.claim->jobs[i]->id, ids[i]);
    }
}
#define EXPECT(queues, types, limit, ...)                  \
    expect(queues, types, limit, (int64_t[]){__VA_ARGS__}, \
           (uint32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)))

START_TEST(an_empty_store_gives_nothing)
{
    expect("default,other", "a,b", 10, NULL, 0);
    expect("nowhere", "", 1, NULL, 0);
}
END_TEST

START_TEST(the_higher_priority_goes_first_then_the_earlier_then_the_lower_id)
{
    int64_t low = put("default", "a", -5, 900), late = put("default", "a", 0, 0), early = put("default", "a", 0, 50),
            twin = put("default", "a", 0, 50), high = put("default", "a", 7, 0);
    EXPECT("default", "", 10, high, early, twin, late, low);
}
END_TEST

START_TEST(types_are_merged_into_one_order)
{
    int64_t b1 = put("default", "b", 1, 10), a1 = put("default", "a", 1, 20), c = put("default", "c", 9, 0),
            a2 = put("default", "a", 2, 0), b2 = put("default", "b", 1, 20);
    EXPECT("default", "b,a", 10, a2, a1, b2, b1);
    EXPECT("default", "c", 10, c);
}
END_TEST

START_TEST(a_limit_takes_the_best_of_all_types)
{
    int64_t worst = put("default", "a", 0, 0), second = put("default", "b", 1, 0), best = put("default", "a", 2, 0);
    EXPECT("default", "a,b", 2, best, second);
    EXPECT("default", "a,b", 2, worst);
}
END_TEST

START_TEST(a_type_that_is_not_asked_for_is_left_alone)
{
    put("default", "a", 1000, 100);
    int64_t wanted = put("default", "b", 0, 0);
    EXPECT("default", "b", 10, wanted);
    expect("default", "b,z", 10, NULL, 0);
}
END_TEST

START_TEST(queues_are_taken_in_the_order_of_the_asker)
{
    int64_t first = put("q1", "a", 0, 0), urgent = put("q2", "a", 1000, 1000), third = put("q3", "a", 0, 0);
    EXPECT("q3,q1,q2", "a", 2, third, first);
    EXPECT("q3,q1,q2", "a", 2, urgent);
}
END_TEST

START_TEST(names_that_are_given_twice_give_each_job_once)
{
    int64_t one = put("default", "a", 0, 2), two = put("default", "a", 0, 1);
    EXPECT("default,default", "a,a,b,a", 10, one, two);
}
END_TEST

START_TEST(a_paused_queue_gives_nothing_and_goes_on_where_it_was)
{
    int64_t id = put("default", "a", 0, 0), other = put("other", "a", 0, 0);
    COMMIT(pause_op("default", true));
    ck_assert(queue_now("default").paused);
    EXPECT("default,other", "", 10, other);
    reopen();
    expect("default", "a", 10, NULL, 0);
    COMMIT(pause_op("default", false));
    EXPECT("default", "a", 10, id);
}
END_TEST

START_TEST(a_pause_holds_for_the_claims_of_its_own_batch)
{
    put("default", "a", 0, 0);
    taskq_op *claim = claim_op("default", "", 1);
    COMMIT(pause_op("default", true), claim);
    ck_assert_uint_eq(claim->in.claim->job_count, 0);
}
END_TEST

START_TEST(a_queue_that_is_paused_before_any_job_is_there)
{
    COMMIT(pause_op("early", true));
    ck_assert(queue_now("early").paused);
    put("early", "a", 0, 0);
    expect("early", "", 1, NULL, 0);
    ck_assert_int_eq(queue_now("early").counts[TASKQ_STATE_QUEUED], 1);
}
END_TEST

START_TEST(a_claim_ends_at_its_bytes_but_brings_one_job)
{
    char payload[1000];
    memset(payload, '1', sizeof(payload));
    taskq_new_job job = new_job("a");
    job.payload = (taskq_text){payload, sizeof(payload)};
    for (int i = 0; i < 4; i++) {
        make(&job);
    }
    taskq_op *claim = claim_op("default", "", 4), *tiny = claim_op("default", "", 4);
    claim->in.claim->bytes_max = 2500;
    tiny->in.claim->bytes_max = 1;
    COMMIT(claim, tiny);
    ck_assert_uint_eq(claim->in.claim->job_count, 2);
    ck_assert_uint_eq(tiny->in.claim->job_count, 1);
    ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), 1);
}
END_TEST

START_TEST(a_claim_whose_memory_is_too_small_leases_nothing)
{
    char payload[8000];
    memset(payload, '1', sizeof(payload));
    taskq_new_job job = new_job("a");
    job.payload = (taskq_text){payload, sizeof(payload)};
    make(&job);
    taskq_op *claim = claim_op("default", "", 1);
    taskq_arena *arena = taskq__arena_new(NULL, 6000);
    claim->arena = arena;
    COMMIT(claim);
    ck_assert_int_eq(claim->status, TASKQ_ENOMEM);
    ck_assert_int_eq(count_of(TASKQ_STATE_RUNNING), 0);
    taskq__arena_free(arena);
}
END_TEST

START_TEST(sixty_four_claims_and_jobs_in_one_batch_lease_each_once)
{
    enum { N = 64 };
    taskq_op *ops[2 * N];
    taskq_new_job job = new_job("a");
    for (int i = 0; i < N; i++) {
        ops[i] = enqueue_op(&job);
        ops[N + i] = claim_op("default", i % 2 == 0 ? "" : "a,b", 1);
    }
    contract_commit(ops, 2 * N);
    for (int i = 0; i < N; i++) {
        ck_assert_uint_eq(ops[N + i]->in.claim->job_count, 1);
        ck_assert_int_eq(ops[N + i]->in.claim->jobs[0]->id, ops[i]->in.enqueue->results[0]->id);
    }
    ck_assert_uint_eq(contract.batch.ready_count, 0);
    ck_assert_int_eq(count_of(TASKQ_STATE_RUNNING), N);
    ck_assert_ptr_null(claim_one());
}
END_TEST

START_TEST(a_claim_says_when_its_lease_wants_the_sweep)
{
    taskq_new_job job = new_job("a");
    job.timeout_ms = 500;
    make(&job);
    claim_one();
    ck_assert_int_eq(contract.batch.next_due.steady_ms, contract.now.steady_ms + 500);
}
END_TEST

void contract_add_claims(Suite *suite)
{
    const TTest *const tests[] = {
        an_empty_store_gives_nothing,
        the_higher_priority_goes_first_then_the_earlier_then_the_lower_id,
        types_are_merged_into_one_order,
        a_limit_takes_the_best_of_all_types,
        a_type_that_is_not_asked_for_is_left_alone,
        queues_are_taken_in_the_order_of_the_asker,
        names_that_are_given_twice_give_each_job_once,
        a_paused_queue_gives_nothing_and_goes_on_where_it_was,
        a_pause_holds_for_the_claims_of_its_own_batch,
        a_queue_that_is_paused_before_any_job_is_there,
        a_claim_ends_at_its_bytes_but_brings_one_job,
        a_claim_whose_memory_is_too_small_leases_nothing,
        sixty_four_claims_and_jobs_in_one_batch_lease_each_once,
        a_claim_says_when_its_lease_wants_the_sweep,
    };
    taskq_check_add(suite, tests, sizeof(tests) / sizeof(tests[0]), contract_setup, contract_teardown);
}
