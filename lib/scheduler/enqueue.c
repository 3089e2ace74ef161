/* SPDX-License-Identifier: MIT */
/*
 * Enqueueing: everything that can be refused without the store is refused here, before the job stands in the line. The
 * caller's texts are borrowed until the call returns and are never copied on the way in.
 */
#include "scheduler/scheduler.h"

#include "core/fail.h"
#include "core/request.h"

static taskq_status run(taskq_scheduler *scheduler, taskq_enqueue *enqueue, taskq_arena *arena, taskq_error *err)
{
    taskq__call call = {.ops = {{.kind = TASKQ_OP_ENQUEUE, .in = {.enqueue = enqueue}, .count = 1, .arena = arena}},
                        .count = 1};
    taskq_status status = taskq__scheduler_run(scheduler, &call, 0, err);
    if (status == TASKQ_OK && !enqueue->replayed) {
        taskq__stats_enqueued(&scheduler->stats, taskq__scheduler_now(scheduler), enqueue->made);
    }
    return status;
}

taskq_status taskq_scheduler_enqueue(taskq_scheduler *scheduler, const taskq_new_job *const *jobs, uint32_t count,
                                     const taskq_enqueue_options *options, taskq_jobs **out, uint32_t *made,
                                     taskq_error *err)
{
    if (!scheduler) {
        return taskq__fail(err, TASKQ_EINVAL, "there is no scheduler");
    }
    taskq_status status = taskq__enqueue_check(jobs, count, options, err);
    if (status != TASKQ_OK) {
        return status;
    }
    status = taskq__scheduler_enter(scheduler, err);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq_enqueue enqueue;
    taskq_jobs *list = taskq__jobs_new(&scheduler->allocator);
    taskq_arena *arena = list ? taskq__jobs_arena(list) : NULL;
    if (!list) {
        status = taskq__fail_memory(err);
        goto out;
    }
    status = taskq__enqueue_make(jobs, count, options, out != NULL, arena, &enqueue, err);
    if (status == TASKQ_OK) {
        status = run(scheduler, &enqueue, arena, err);
    }
    if (status != TASKQ_OK) {
        goto out;
    }
    if (made) {
        *made = enqueue.made;
    }
    if (out) {
        taskq__jobs_set(list, enqueue.results, count, 0);
        *out = list;
        list = NULL;
    }
out:
    taskq_jobs_free(list);
    taskq__scheduler_leave(scheduler);
    return status;
}
