/* SPDX-License-Identifier: MIT */
/* Batches for tests with several stores: each caller has its own. */
#ifndef TASKQ_TESTS_POSTGRES_BATCH_H
#define TASKQ_TESTS_POSTGRES_BATCH_H

#include "core/arena.h"
#include "core/job.h"
#include "store/store.h"

typedef struct test_batch {
    taskq_arena *arena; /* emptied by each run */
    taskq_op ops[8], *given[8];
    uint32_t count;
    taskq_new_job jobs[100];
    const taskq_new_job *job_list[100];
    taskq_enqueue enqueue;
    taskq_claim claim;
    taskq_event events[100];
    taskq_walk walk;
    taskq_ready ready[16];
    taskq_batch batch;
    taskq_error err;
} test_batch;

void batch_init(test_batch *batch);
void batch_clear(test_batch *batch);
void batch_begin(test_batch *batch);
/* In the order of their kinds. */
void batch_settle(test_batch *batch, taskq_event_kind kind, const int64_t *ids, const int64_t *versions, uint32_t count);
void batch_enqueue(test_batch *batch, uint32_t count, const char *unique_key, const char *idempotency_key);
void batch_claim(test_batch *batch, uint32_t limit);
void batch_walk(test_batch *batch, taskq_walk_kind kind, uint32_t max);
taskq_status batch_run(test_batch *batch, taskq_store *store);

#endif
