/* SPDX-License-Identifier: MIT */
/*
 * What operators do to single jobs: cancel, retry, delete. One event each, without a version: whatever the job is now.
 */
#include "scheduler/scheduler.h"

#include "core/fail.h"
#include "core/request.h"

/* An operator's event that changed something. */
static void count_event(taskq_scheduler *scheduler, const taskq_event *event)
{
    if (event->status == TASKQ_ESTALE) {
        taskq__stats_add(&scheduler->stats, TASKQ__COUNT_STALE, 1);
    }
    if (event->status != TASKQ_OK) {
        return;
    }
    switch (event->kind) {
    case TASKQ_EVENT_RELEASE: taskq__stats_add(&scheduler->stats, TASKQ__COUNT_RELEASED, 1); break;
    case TASKQ_EVENT_CANCEL: taskq__stats_add(&scheduler->stats, TASKQ__COUNT_CANCELED, 1); break;
    case TASKQ_EVENT_RETRY: taskq__stats_add(&scheduler->stats, TASKQ__COUNT_RETRIED, 1); break;
    case TASKQ_EVENT_DELETE: taskq__stats_add(&scheduler->stats, TASKQ__COUNT_DELETED, 1); break;
    case TASKQ_EVENT_ENQUEUE:
    case TASKQ_EVENT_CLAIM:
    case TASKQ_EVENT_SUCCEED:
    case TASKQ_EVENT_FAIL:
    case TASKQ_EVENT_DUE:
    case TASKQ_EVENT_EXPIRE: break;
    }
}

taskq_status taskq__settle(taskq_scheduler *scheduler, taskq_event *events, uint32_t count, taskq_arena *arena,
                           taskq_error *err)
{
    taskq__call call = {.ops = {{.kind = TASKQ_OP_SETTLE, .in = {.events = events}, .count = count, .arena = arena}},
                        .count = 1};
    taskq_status status = taskq__scheduler_run(scheduler, &call, 0, err);
    for (uint32_t i = 0; i < count && status == TASKQ_OK; i++) {
        count_event(scheduler, &events[i]);
    }
    return status;
}

taskq_status taskq__settle_one(taskq_scheduler *scheduler, taskq_event *event, taskq_jobs **out, taskq_error *err)
{
    if (event->id < 1) {
        event->status = TASKQ_ENOTFOUND;
        return taskq__event_refusal(event, err);
    }
    taskq_status status = taskq__scheduler_enter(scheduler, err);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq_jobs *list = taskq__jobs_new(&scheduler->allocator);
    taskq_job **jobs = list ? taskq_arena_alloc(taskq__jobs_arena(list), sizeof(*jobs)) : NULL;
    status = jobs ? taskq__settle(scheduler, event, 1, taskq__jobs_arena(list), err) : taskq__fail_memory(err);
    if (status == TASKQ_OK) {
        status = taskq__event_refusal(event, err);
    }
    if (status == TASKQ_OK && out) {
        jobs[0] = event->job;
        taskq__jobs_set(list, jobs, 1, 0);
        *out = list;
        list = NULL;
    }
    taskq_jobs_free(list);
    taskq__scheduler_leave(scheduler);
    return status;
}

static taskq_status operate(taskq_scheduler *scheduler, taskq_event_kind kind, int64_t id, taskq_jobs **out,
                            taskq_error *err)
{
    if (!scheduler) {
        return taskq__fail(err, TASKQ_EINVAL, "there is no scheduler");
    }
    taskq_event event = {
        .kind = kind,
        .id = id,
        .delay_ms = -1,
        .random = taskq__rng_next(&scheduler->rng),
        .wants_job = out != NULL,
    };
    return taskq__settle_one(scheduler, &event, out, err);
}

taskq_status taskq_scheduler_cancel(taskq_scheduler *scheduler, int64_t id, taskq_jobs **out, taskq_error *err)
{
    return operate(scheduler, TASKQ_EVENT_CANCEL, id, out, err);
}

taskq_status taskq_scheduler_retry(taskq_scheduler *scheduler, int64_t id, taskq_jobs **out, taskq_error *err)
{
    return operate(scheduler, TASKQ_EVENT_RETRY, id, out, err);
}

taskq_status taskq_scheduler_delete(taskq_scheduler *scheduler, int64_t id, taskq_error *err)
{
    return operate(scheduler, TASKQ_EVENT_DELETE, id, NULL, err);
}
