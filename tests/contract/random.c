/* SPDX-License-Identifier: MIT */
/*
 * A long walk of random ops, with what must always be true looked at after each step. The seed is printed with a failure;
 * TASKQ_SEED replays it.
 */
#include "contract/contract.h"

#include "core/arena.h"
#include "core/rng.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JOBS_MAX = 60, STEPS = 400 };

typedef struct known {
    int64_t id, version, lease; /* lease: the version under which we hold it; 0: not */
} known;

typedef struct wandering {
    taskq__rng rng;
    uint64_t seed;
    known jobs[JOBS_MAX];
    uint32_t count;
} wandering;

static uint32_t draw(wandering *w, uint32_t bound)
{
    return (uint32_t)taskq__rng_below(&w->rng, bound);
}

static known *find(wandering *w, int64_t id)
{
    for (uint32_t i = 0; i < w->count; i++) {
        if (w->jobs[i].id == id) {
            return &w->jobs[i];
        }
    }
    return NULL;
}

static void step_enqueue(wandering *w)
{
    static const char *const types[] = {"a", "b", "c"}, *const queues[] = {"default", "q2"};
    taskq_new_job job = new_job(types[draw(w, 3)]);
    job.queue = text_of(queues[draw(w, 2)]);
    job.priority = (int32_t)draw(w, 3) - 1;
    job.max_attempts = 1 + (int32_t)draw(w, 3);
    job.has_delay = draw(w, 3) == 0;
    job.delay_ms = draw(w, 5000);
    if (draw(w, 3) == 0) {
        job.unique_key = text_of(draw(w, 2) == 0 ? "k1" : "k2");
    }
    if (w->count == JOBS_MAX) {
        return;
    }
    taskq_op *op = enqueue_op(&job);
    COMMIT(op);
    if (op->in.enqueue->made == 1) {
        w->jobs[w->count++] = (known){op->in.enqueue->results[0]->id, 1, 0};
    }
}

static void step_claim(wandering *w)
{
    static const char *const types[] = {"", "a", "b,c", "c,a,b"};
    taskq_op *op = claim_op(draw(w, 2) == 0 ? "default,q2" : "q2", types[draw(w, 4)], 1 + draw(w, 3));
    COMMIT(op);
    for (uint32_t i = 0; i < op->in.claim->job_count; i++) {
        known *job = find(w, op->in.claim->jobs[i]->id);
        ck_assert_ptr_nonnull(job);
        /* Nobody else may hold it: what we held must have been ended by a move, which raised the version. */
        ck_assert_int_gt(op->in.claim->jobs[i]->version, job->lease);
        job->lease = op->in.claim->jobs[i]->version;
    }
}

static void step_settle(wandering *w)
{
    static const taskq_event_kind kinds[] = {TASKQ_EVENT_SUCCEED, TASKQ_EVENT_FAIL,  TASKQ_EVENT_RELEASE,
                                             TASKQ_EVENT_CANCEL,  TASKQ_EVENT_RETRY, TASKQ_EVENT_DELETE};
    if (w->count == 0) {
        return;
    }
    known *job = &w->jobs[draw(w, w->count)];
    taskq_event_kind kind = kinds[draw(w, 6)];
    bool by_operator = kind == TASKQ_EVENT_CANCEL || kind == TASKQ_EVENT_RETRY || kind == TASKQ_EVENT_DELETE;
    taskq_op *op = event_op(kind, job->id, by_operator ? 0 : job->lease);
    op->in.events[0].no_retry = draw(w, 4) == 0;
    op->in.events[0].random = taskq__rng_next(&w->rng);
    COMMIT(op);
    if (kind == TASKQ_EVENT_DELETE && op->in.events[0].status == TASKQ_OK) {
        *job = w->jobs[--w->count];
    }
}

static void step_other(wandering *w)
{
    static const taskq_walk_kind kinds[] = {TASKQ_WALK_EXPIRED, TASKQ_WALK_DUE};
    if (w->count > 0 && draw(w, 2) == 0) {
        known *job = &w->jobs[draw(w, w->count)];
        COMMIT(beat_op(job->id, job->lease, "{}", "x"));
    } else if (draw(w, 4) == 0) {
        COMMIT(pause_op("q2", draw(w, 2) == 0));
    } else {
        pass(draw(w, 40000));
        walk(kinds[draw(w, 2)]);
    }
}

/* Counters are a recount, no version ever goes back, every job that we know is there and no other. */
static void check(wandering *w, int step)
{
    int64_t recount[2][TASKQ_STATE_COUNT] = {{0}};
    taskq_filter filter = TASKQ_FILTER_INIT;
    filter.limit = TASKQ_LIST_LIMIT_MAX;
    taskq_page page = list_now(&filter);
    ck_assert_msg(page.count == w->count, "seed %" PRIu64 " step %d: %u jobs, %u known", w->seed, step, page.count,
                  w->count);
    for (uint32_t i = 0; i < page.count; i++) {
        const taskq_job *job = page.jobs[i];
        known *before = find(w, job->id);
        ck_assert_msg(before != NULL && job->version >= before->version, "seed %" PRIu64 " step %d: job %" PRId64,
                      w->seed, step, job->id);
        before->version = job->version;
        recount[job->queue.size == 2][job->state]++;
        ck_assert_msg((job->finished_at_ms != 0) == taskq_state_is_terminal(job->state), "seed %" PRIu64, w->seed);
        ck_assert_msg(job->attempt <= job->max_attempts, "seed %" PRIu64, w->seed);
    }
    for (int q = 0; q < 2; q++) {
        taskq_queue queue = queue_now(q == 0 ? "default" : "q2");
        for (int state = 0; state < TASKQ_STATE_COUNT; state++) {
            ck_assert_msg(queue.counts[state] == recount[q][state],
                          "seed %" PRIu64 " step %d: %s counts %" PRId64 " %s, there are %" PRId64, w->seed, step,
                          q == 0 ? "default" : "q2", queue.counts[state], taskq_state_name((taskq_state)state),
                          recount[q][state]);
        }
    }
}

START_TEST(what_must_always_be_true_is_true_after_every_step)
{
    const char *given = getenv("TASKQ_SEED");
    wandering w = {.seed = given != NULL ? strtoull(given, NULL, 10) : 20260131};
    taskq__rng_init(&w.rng, w.seed);
    for (int step = 0; step < STEPS; step++) {
        uint32_t what = draw(&w, 10);
        if (what < 3) {
            step_enqueue(&w);
        } else if (what < 5) {
            step_claim(&w);
        } else if (what < 8) {
            step_settle(&w);
        } else {
            step_other(&w);
        }
        if (step % 100 == 99) {
            reopen();
        }
        check(&w, step);
        taskq__arena_reset(contract.arena);
    }
}
END_TEST

void contract_add_random(Suite *suite)
{
    const TTest *const tests[] = {what_must_always_be_true_is_true_after_every_step};
    taskq_check_add(suite, tests, sizeof(tests) / sizeof(tests[0]), contract_setup, contract_teardown);
}
