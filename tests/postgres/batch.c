/* SPDX-License-Identifier: MIT */
#include "batch.h"

#include <string.h>

static const taskq_text default_queue = {"default", 7};

void batch_init(test_batch *batch)
{
    memset(batch, 0, sizeof(*batch));
    batch->arena = taskq__arena_new(NULL, 0);
}

void batch_clear(test_batch *batch)
{
    taskq__arena_free(batch->arena);
}

void batch_begin(test_batch *batch)
{
    taskq__arena_reset(batch->arena);
    batch->count = 0;
}

static taskq_op *add(test_batch *batch, taskq_op_kind kind, uint32_t count)
{
    taskq_op *op = &batch->ops[batch->count];
    *op = (taskq_op){.kind = kind, .count = count, .arena = batch->arena};
    batch->given[batch->count++] = op;
    return op;
}

void batch_settle(test_batch *batch, taskq_event_kind kind, const int64_t *ids, const int64_t *versions, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        batch->events[i] =
            (taskq_event){.kind = kind, .id = ids[i], .version = versions[i], .delay_ms = -1, .digest = 7};
    }
    add(batch, TASKQ_OP_SETTLE, count)->in.events = batch->events;
}

static taskq_text text_of(const char *string)
{
    return string == NULL ? (taskq_text){NULL, 0} : (taskq_text){string, strlen(string)};
}

void batch_enqueue(test_batch *batch, uint32_t count, const char *unique_key, const char *idempotency_key)
{
    for (uint32_t i = 0; i < count; i++) {
        batch->jobs[i] = (taskq_new_job)TASKQ_NEW_JOB_INIT;
        batch->jobs[i].type = (taskq_text){"a", 1};
        batch->jobs[i].unique_key = text_of(unique_key);
        batch->job_list[i] = &batch->jobs[i];
    }
    batch->enqueue = (taskq_enqueue){.jobs = batch->job_list,
                                     .count = count,
                                     .idempotency_key = text_of(idempotency_key),
                                     .digest = 1,
                                     .keep_ms = 60000,
                                     .wants_jobs = true};
    add(batch, TASKQ_OP_ENQUEUE, 1)->in.enqueue = &batch->enqueue;
}

void batch_claim(test_batch *batch, uint32_t limit)
{
    batch->claim = (taskq_claim){.queues = &default_queue,
                                 .queue_count = 1,
                                 .worker = {"w", 1},
                                 .limit = limit,
                                 .bytes_max = TASKQ_CLAIM_BYTES_MAX};
    add(batch, TASKQ_OP_CLAIM, 1)->in.claim = &batch->claim;
}

void batch_walk(test_batch *batch, taskq_walk_kind kind, uint32_t max)
{
    batch->walk = (taskq_walk){.kind = kind, .max = max};
    add(batch, TASKQ_OP_WALK, 1)->in.walk = &batch->walk;
}

taskq_status batch_run(test_batch *batch, taskq_store *store)
{
    batch->batch = (taskq_batch){.struct_size = sizeof(taskq_batch),
                                 .ops = batch->given,
                                 .count = batch->count,
                                 .decide = taskq__job_decide,
                                 .arena = batch->arena,
                                 .ready = batch->ready,
                                 .ready_max = 16};
    return taskq__store_commit(store, &batch->batch, &batch->err);
}
