/* SPDX-License-Identifier: MIT */
/*
 * Everything at once, in whatever order the machine makes of it: claims that wait and give up, clients that hang up, jobs
 * that come now or later or are given back. Two things must hold: a lease always has somebody who answers for it, and a
 * ready job never lies while a claim that fits it waits (else the test does not end).
 */
#include "support/check_main.h"

#include <sched.h>
#include <string.h>

#include "core/rng.h"
#include "fixture.h"

enum { WORKERS = 12, PRODUCERS = 3, JOBS_EACH = 300, JOBS = PRODUCERS * JOBS_EACH };

typedef struct worker {
    pthread_t thread;
    uint32_t index;
    taskq__rng rng;
    _Atomic bool gone;
} worker;

static _Atomic uint32_t finished, produced;
static _Atomic uint8_t claims_of[JOBS * 2];

static const char *const QUEUES[] = {"q0", "q1"};
static const char *const TYPES[] = {"a", "b", "c"};

static bool worker_gone(void *user)
{
    worker *mine = user;
    return taskq__rng_below(&mine->rng, 20) == 0;
}

/* Each worker asks for one or two queues, and one, two or any types. */
static taskq_claim_options options_of(worker *mine, taskq_text *queues, taskq_text *types)
{
    taskq_claim_options options = claim_of(queues, NULL, 60000);
    queues[0] = taskq_text_of(QUEUES[mine->index % 2]);
    queues[1] = taskq_text_of(QUEUES[(mine->index + 1) % 2]);
    options.queue_count = 1 + mine->index % 3 / 2;
    options.types = types;
    options.type_count = mine->index % 4 == 3 ? 0 : 1 + mine->index % 2;
    types[0] = taskq_text_of(TYPES[mine->index % 3]);
    types[1] = taskq_text_of(TYPES[(mine->index + 1) % 3]);
    options.limit = 1 + mine->index % 2 * 2;
    return options;
}

/* Most jobs are reported, some are given back, a few with a delay. */
static void end_job(worker *mine, int64_t id, int64_t version)
{
    switch (taskq__rng_below(&mine->rng, 8)) {
    case 0: ck_assert_int_eq(taskq_scheduler_release(fx.scheduler, id, version, 0, NULL, NULL), TASKQ_OK); break;
    case 1: ck_assert_int_eq(taskq_scheduler_release(fx.scheduler, id, version, 5, NULL, NULL), TASKQ_OK); break;
    default:
        ck_assert_int_eq(complete(id, version, true, NULL), TASKQ_OK);
        ck_assert_uint_eq(atomic_fetch_add(&claims_of[id], 1), 0);
        atomic_fetch_add(&finished, 1);
    }
}

static void *work_patiently(void *user)
{
    worker *mine = user;
    taskq_text queues[2], types[2];
    taskq_claim_options options = options_of(mine, queues, types);
    taskq_jobs *list = NULL;
    while (taskq_scheduler_claim(fx.scheduler, &options, &list, NULL) == TASKQ_OK) {
        for (uint32_t i = 0; i < taskq_jobs_count(list); i++) {
            end_job(mine, taskq_jobs_at(list, i)->id, taskq_jobs_at(list, i)->version);
        }
        taskq_jobs_free(list);
        list = NULL;
    }
    return NULL;
}

static void *produce(void *user)
{
    worker *mine = user;
    for (int i = 0; i < JOBS_EACH; i++) {
        taskq_new_job job = new_job(QUEUES[taskq__rng_below(&mine->rng, 2)], TYPES[taskq__rng_below(&mine->rng, 3)]);
        job.priority = (int32_t)taskq__rng_below(&mine->rng, 3);
        job.has_delay = taskq__rng_below(&mine->rng, 4) == 0;
        job.delay_ms = 3;
        job.lease_ms = TASKQ_LEASE_MS_MAX; /* the clock runs as fast as the sweeps: nothing is to be lost here */
        job.timeout_ms = TASKQ_TIMEOUT_MS_MAX;
        (void)enqueue_job(&job);
        atomic_fetch_add(&produced, 1);
    }
    return NULL;
}

static void start(worker *ones, uint32_t count, void *(*run)(void *), uint64_t seed)
{
    for (uint32_t i = 0; i < count; i++) {
        ones[i].index = i;
        taskq__rng_init(&ones[i].rng, seed + i);
        ck_assert_int_eq(pthread_create(&ones[i].thread, NULL, run, &ones[i]), 0);
    }
}

static void join(worker *ones, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        (void)pthread_join(ones[i].thread, NULL);
    }
}

START_TEST(no_ready_job_lies_while_a_fitting_claim_waits)
{
    static worker workers[WORKERS], producers[PRODUCERS];
    start(workers, WORKERS, work_patiently, 100);
    start(producers, PRODUCERS, produce, 200);
    while (atomic_load(&finished) < JOBS) {
        fake_clock_advance(&fx.clock, 1);
        ck_ok(taskq_scheduler_sweep(fx.scheduler, NULL, &fx.err));
    }
    join(producers, PRODUCERS);
    taskq_scheduler_shut(fx.scheduler);
    join(workers, WORKERS);
    ck_assert_uint_eq(stats().succeeded, JOBS);
    ck_assert(!fx.wrapped.named_twice);
    ck_assert(!fx.wrapped.walk_in_company);
}
END_TEST

/* Waits of a millisecond or two, and every twentieth time the client is gone: whatever is leased was handed to somebody. */
static void *work_impatiently(void *user)
{
    worker *mine = user;
    taskq_text queues[2], types[2];
    taskq_claim_options options = options_of(mine, queues, types);
    options.gone = worker_gone;
    options.user = mine;
    while (atomic_load(&finished) < JOBS) {
        taskq_jobs *list = NULL;
        options.wait_ms = (int64_t)taskq__rng_below(&mine->rng, 3);
        ck_assert_int_eq(taskq_scheduler_claim(fx.scheduler, &options, &list, NULL), TASKQ_OK);
        for (uint32_t i = 0; i < taskq_jobs_count(list); i++) {
            ck_assert_uint_eq(atomic_fetch_add(&claims_of[taskq_jobs_at(list, i)->id], 1), 0);
            atomic_fetch_add(&finished, 1);
        }
        taskq_jobs_free(list);
    }
    return NULL;
}

START_TEST(every_lease_has_somebody_who_answers_for_it)
{
    static worker workers[WORKERS], producers[PRODUCERS];
    start(workers, WORKERS, work_impatiently, 300);
    start(producers, PRODUCERS, produce, 400);
    while (atomic_load(&finished) < JOBS) {
        fake_clock_advance(&fx.clock, 1);
        ck_ok(taskq_scheduler_sweep(fx.scheduler, NULL, &fx.err));
    }
    join(producers, PRODUCERS);
    join(workers, WORKERS);
    ck_assert_uint_eq(stats().claimed, JOBS);
    ck_assert_uint_eq(stats().parked, 0);
}
END_TEST

static void setup(void)
{
    atomic_store(&finished, 0);
    atomic_store(&produced, 0);
    for (int i = 0; i < JOBS * 2; i++) {
        atomic_store(&claims_of[i], 0);
    }
    fixture_setup();
}

TASKQ_TESTS_WITH(setup, fixture_teardown, no_ready_job_lies_while_a_fitting_claim_waits,
                 every_lease_has_somebody_who_answers_for_it)
