/* SPDX-License-Identifier: MIT */
/*
 * Many ops in one transaction: each has its own outcome, and none is another one's harm.
 */
#include "contract/contract.h"

#include "core/arena.h"

START_TEST(a_refused_op_among_63_good_ones_changes_nothing_of_theirs)
{
    enum { N = 64 };
    taskq_new_job job = new_job("a");
    for (int refused = 0; refused < N; refused += 21) {
        taskq_op *ops[N], *first = enqueue_op(&job);
        int64_t before = count_of(TASKQ_STATE_QUEUED);
        first->in.enqueue->idempotency_key = text_of("k");
        first->in.enqueue->digest = 1;
        COMMIT(first);
        int64_t made = first->in.enqueue->replayed ? 0 : 1;
        for (int i = 0; i < N; i++) {
            ops[i] = enqueue_op(&job);
        }
        ops[refused]->in.enqueue->idempotency_key = text_of("k");
        ops[refused]->in.enqueue->digest = 2;
        contract_commit(ops, N);
        for (int i = 0; i < N; i++) {
            ck_assert_int_eq(ops[i]->status, i == refused ? TASKQ_EEXISTS : TASKQ_OK);
        }
        ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), before + made + N - 1);
    }
}
END_TEST

START_TEST(stale_and_good_reports_of_one_op_stand_alone)
{
    taskq_event events[5] = {{.kind = TASKQ_EVENT_SUCCEED, .version = 2}};
    int64_t ids[3] = {make_type("a"), make_type("a"), make_type("a")};
    COMMIT(claim_op("default", "", 3));
    for (int i = 1; i < 5; i++) {
        events[i] = events[0];
    }
    events[0].id = ids[0];
    events[1].id = 999;
    events[2].id = ids[1];
    events[2].version = 1;
    events[3].id = ids[2];
    events[4].id = ids[0] + 500;
    taskq_op *op = event_op(TASKQ_EVENT_SUCCEED, 1, 1);
    op->in.events = events;
    op->count = 5;
    COMMIT(op);
    ck_assert_int_eq(events[0].status, TASKQ_OK);
    ck_assert_int_eq(events[1].status, TASKQ_ENOTFOUND);
    ck_assert_int_eq(events[2].status, TASKQ_ESTALE);
    ck_assert_int_eq(events[3].status, TASKQ_OK);
    ck_assert_int_eq(count_of(TASKQ_STATE_SUCCEEDED), 2);
}
END_TEST

START_TEST(a_report_and_the_claim_after_it_are_one_step)
{
    const taskq_job *job = running_job();
    int64_t next = make_type("b");
    taskq_op *claim = claim_op("default", "", 1);
    COMMIT(event_op(TASKQ_EVENT_SUCCEED, job->id, 2), claim);
    ck_assert_uint_eq(claim->in.claim->job_count, 1);
    ck_assert_int_eq(claim->in.claim->jobs[0]->id, next);
}
END_TEST

START_TEST(what_a_batch_makes_ready_is_claimed_in_it)
{
    const taskq_job *job = running_job();
    taskq_op *claim = claim_op("default", "a", 1);
    COMMIT(event_op(TASKQ_EVENT_RELEASE, job->id, 2), claim);
    ck_assert_int_eq(claim->in.claim->jobs[0]->id, job->id);
    ck_assert_int_eq(claim->in.claim->jobs[0]->version, 4);
    ck_assert_uint_eq(contract.batch.ready_count, 0);
}
END_TEST

/* A job with a payload and a tag that has failed once, with an error of its own, and runs again. */
static const taskq_job *running_again(void)
{
    taskq_new_job job = new_job("a");
    job.payload = text_of("{\"n\":1}");
    job.tags[0] = text_of("red");
    job.tag_count = 1;
    int64_t id = make(&job);
    (void)claim_one();
    taskq_op *failed = report_op(TASKQ_EVENT_FAIL, id, 2, "{\"code\":\"first\"}");
    failed->in.events[0].delay_ms = 0;
    failed->in.events[0].wants_job = false;
    COMMIT(failed);
    ck_assert_int_eq(claim_one()->id, id);
    return job_now(id);
}

static const taskq_job *event_and_claim(taskq_op *event)
{
    taskq_op *claim = claim_op("default", "a", 1);
    event->in.events[0].wants_job = false; /* so that nothing but the claim reads it whole */
    COMMIT(event, claim);
    ck_assert_uint_eq(claim->in.claim->job_count, 1);
    assert_text(claim->in.claim->jobs[0]->payload, "{\"n\":1}");
    ck_assert_uint_eq(claim->in.claim->jobs[0]->tag_count, 1);
    ck_assert_int_eq(claim->in.claim->jobs[0]->created_at_ms, job_now(event->in.events[0].id)->created_at_ms);
    return claim->in.claim->jobs[0];
}

START_TEST(a_job_that_failed_is_claimed_whole_in_the_same_batch)
{
    const taskq_job *job = running_again();
    taskq_op *failed = report_op(TASKQ_EVENT_FAIL, job->id, job->version, "{\"code\":\"second\"}");
    failed->in.events[0].delay_ms = 0;
    const taskq_job *claimed = event_and_claim(failed);
    ck_assert_int_eq(claimed->attempt, 3);
    assert_text(claimed->error, "{\"code\":\"second\"}");
}
END_TEST

START_TEST(a_job_that_was_released_is_claimed_whole_in_the_same_batch)
{
    const taskq_job *job = running_again();
    COMMIT(beat_op(job->id, job->version, "{\"percent\":5}", ""));
    const taskq_job *claimed = event_and_claim(event_op(TASKQ_EVENT_RELEASE, job->id, job->version));
    ck_assert_int_eq(claimed->version, job->version + 2);
    assert_text(claimed->error, "{\"code\":\"first\"}");
    assert_text(claimed->progress, "");
    assert_text(job_now(job->id)->error, "{\"code\":\"first\"}");
}
END_TEST

START_TEST(what_is_ready_and_not_claimed_is_told_by_queue_and_type)
{
    taskq_new_job a = new_job("a"), b = new_job("b"), c = new_job("b");
    c.queue = text_of("other");
    make(&a);
    COMMIT(enqueue_op(&a), enqueue_op(&a), enqueue_op(&b), enqueue_op(&c), claim_op("default", "a", 2));
    /* The claim took the one that was there before and one of the new ones. */
    ck_assert_uint_eq(contract.batch.ready_count, 3);
    assert_text(contract.ready[0].type, "a");
    ck_assert_uint_eq(contract.ready[0].count, 1);
    assert_text(contract.ready[1].type, "b");
    assert_text(contract.ready[2].queue, "other");
}
END_TEST

START_TEST(more_kinds_of_ready_jobs_than_fit_are_added_up)
{
    taskq_new_job a = new_job("a"), b = new_job("b"), c = new_job("b");
    c.queue = text_of("other");
    contract.ready_max = 2;
    COMMIT(enqueue_op(&a), enqueue_op(&b), enqueue_op(&c));
    ck_assert_uint_eq(contract.batch.ready_count, 2);
    assert_text(contract.ready[0].queue, "default");
    ck_assert_uint_eq(contract.ready[0].type.size, 0);
    ck_assert_uint_eq(contract.ready[0].count, 2);
    contract.ready_max = 1;
    COMMIT(enqueue_op(&a), enqueue_op(&b), enqueue_op(&c));
    ck_assert_uint_eq(contract.batch.ready_count, 1);
    ck_assert_uint_eq(contract.ready[0].queue.size, 0);
    ck_assert_uint_eq(contract.ready[0].count, 3);
    contract.ready_max = 0;
    COMMIT(enqueue_op(&a));
    ck_assert_uint_eq(contract.batch.ready_count, 0);
}
END_TEST

START_TEST(a_batch_of_no_ops_is_fine)
{
    contract_commit(NULL, 0);
    ck_assert_uint_eq(contract.batch.ready_count, 0);
    ck_assert_int_eq(contract.batch.next_due.wall_ms, INT64_MAX);
    ck_assert_int_eq(contract.batch.next_due.steady_ms, INT64_MAX);
}
END_TEST

START_TEST(a_heartbeat_beats_the_sweep_that_follows_it)
{
    const taskq_job *job = running_job();
    pass(60000);
    taskq_op *beat = beat_op(job->id, 2, "", "");
    COMMIT(beat);
    ck_assert_int_eq(beat->in.beats[0].status, TASKQ_OK);
    ck_assert_uint_eq(walk(TASKQ_WALK_EXPIRED), 0);
    assert_state(job->id, TASKQ_STATE_RUNNING);
}
END_TEST

START_TEST(a_batch_that_finds_no_memory_happens_whole_or_not_at_all)
{
    taskq_arena *whole = contract.arena;
    taskq_new_job job = new_job("a");
    const taskq_job *running = running_job();
    taskq_op *ops[] = {beat_op(running->id, 2, "{}", "x"), enqueue_op(&job), claim_op("default", "a", 1)};
    int64_t made = 0, leased = 1, beats = 0;
    bool done = false;
    for (size_t room = 1; !done; room += 97) {
        contract.arena = taskq__arena_new(NULL, room);
        taskq_status status = contract_try(ops, 3, NULL);
        taskq__arena_free(contract.arena);
        contract.arena = whole;
        ck_assert(status == TASKQ_OK || status == TASKQ_EUNAVAIL);
        beats += status == TASKQ_OK;
        made += status == TASKQ_OK && ops[1]->status == TASKQ_OK;
        leased += status == TASKQ_OK && ops[2]->status == TASKQ_OK ? ops[2]->in.claim->job_count : 0;
        done = status == TASKQ_OK && ops[1]->status == TASKQ_OK && ops[2]->status == TASKQ_OK;
        ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), 1 + made - leased);
        ck_assert_int_eq(count_of(TASKQ_STATE_RUNNING), leased);
        ck_assert_int_eq((int64_t)job_now(running->id)->log.size, beats);
    }
    ck_assert_int_ge(made, 1);
}
END_TEST

START_TEST(upkeep_between_batches_changes_nothing)
{
    int64_t id = make_type("a");
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_int_eq(taskq__store_upkeep(contract.store, false, &err), TASKQ_OK);
    ck_assert_int_eq(taskq__store_upkeep(contract.store, true, &err), TASKQ_OK);
    assert_state(id, TASKQ_STATE_QUEUED);
    ck_assert_int_eq(claim_one()->id, id);
}
END_TEST

void contract_add_batches(Suite *suite)
{
    const TTest *const tests[] = {
        a_refused_op_among_63_good_ones_changes_nothing_of_theirs,
        stale_and_good_reports_of_one_op_stand_alone,
        a_report_and_the_claim_after_it_are_one_step,
        what_a_batch_makes_ready_is_claimed_in_it,
        a_job_that_failed_is_claimed_whole_in_the_same_batch,
        a_job_that_was_released_is_claimed_whole_in_the_same_batch,
        what_is_ready_and_not_claimed_is_told_by_queue_and_type,
        more_kinds_of_ready_jobs_than_fit_are_added_up,
        a_batch_of_no_ops_is_fine,
        a_heartbeat_beats_the_sweep_that_follows_it,
        a_batch_that_finds_no_memory_happens_whole_or_not_at_all,
        upkeep_between_batches_changes_nothing,
    };
    taskq_check_add(suite, tests, sizeof(tests) / sizeof(tests[0]), contract_setup, contract_teardown);
}
