/* SPDX-License-Identifier: MIT */
/*
 * Enqueueing: everything that can be refused without the store is refused here, before the job stands in the line. The
 * caller's texts are borrowed until the call returns and are never copied on the way in.
 */
#include "scheduler/scheduler.h"

#include <string.h>

#include "core/fail.h"
#include "core/job.h"
#include "core/scan.h"
#include "core/text.h"

#define IDEMPOTENCY_KEEP_MS (INT64_C(24) * 3600 * 1000)

static taskq_status check_job(const taskq_new_job *job, bool json_checked, taskq_error *err)
{
    if (!job || job->struct_size < sizeof(*job)) {
        return taskq__fail(err, TASKQ_EINVAL, "a job is missing or was not set up with TASKQ_NEW_JOB_INIT");
    }
    taskq_status status = taskq__new_job_check(job, err);
    if (status != TASKQ_OK || json_checked) {
        return status;
    }
    taskq_error why = TASKQ_ERROR_INIT;
    if (taskq__json_check(job->payload, &why) != TASKQ_OK) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/payload", "the payload is not JSON: %s", why.text);
    }
    return TASKQ_OK;
}

static taskq_status check(const taskq_new_job *const *jobs, uint32_t count, const taskq_enqueue_options *options,
                          taskq_error *err)
{
    if (!jobs || count == 0 || count > TASKQ_ENQUEUE_JOBS_MAX) {
        return taskq__fail(err, TASKQ_EINVAL, "the number of jobs is not within 1 and %d", TASKQ_ENQUEUE_JOBS_MAX);
    }
    if (options && options->struct_size < sizeof(*options)) {
        return taskq__fail(err, TASKQ_EINVAL, "the options were not set up with TASKQ_ENQUEUE_OPTIONS_INIT");
    }
    if (options && options->idempotency_key.size > 0 && !taskq__text_is_key(options->idempotency_key)) {
        return taskq__fail(err, TASKQ_EINVAL, "an idempotency key has 1 to %d characters, none of them NUL",
                           TASKQ_KEY_CHARS_MAX);
    }
    if (options && options->idempotency_scope.size > 4 * TASKQ_KEY_CHARS_MAX) {
        return taskq__fail(err, TASKQ_EINVAL, "the scope of an idempotency key is too long");
    }
    for (uint32_t i = 0; i < count; i++) {
        taskq_status status = check_job(jobs[i], options && options->json_checked, err);
        if (status != TASKQ_OK) {
            if (count > 1) {
                taskq__fail_element(err, i);
            }
            return status;
        }
    }
    return TASKQ_OK;
}

/* Scope and key in one text. A scope's size goes first, so that no two pairs make the same text. */
static bool join_key(const taskq_enqueue_options *options, taskq_arena *arena, taskq_text *out)
{
    taskq_text scope = options->idempotency_scope, key = options->idempotency_key;
    size_t size = 4 + scope.size + 1 + key.size;
    char *at = taskq_arena_alloc(arena, size + 1);
    if (!at) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        at[i] = "0123456789abcdef"[(scope.size >> (12 - 4 * i)) & 15];
    }
    if (scope.size > 0) {
        memcpy(at + 4, scope.data, scope.size);
    }
    at[4 + scope.size] = '/';
    memcpy(at + 5 + scope.size, key.data, key.size);
    *out = (taskq_text){at, size};
    return true;
}

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
    taskq_status status = check(jobs, count, options, err);
    if (status != TASKQ_OK) {
        return status;
    }
    status = taskq__scheduler_enter(scheduler, err);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq_enqueue enqueue = {.jobs = jobs, .count = count, .keep_ms = IDEMPOTENCY_KEEP_MS, .wants_jobs = out != NULL};
    taskq_jobs *list = taskq__jobs_new(NULL);
    taskq_arena *arena = list ? taskq__jobs_arena(list) : NULL;
    if (!list) {
        status = taskq__fail_memory(err);
        goto out;
    }
    if (options && options->idempotency_key.size > 0) {
        enqueue.digest = options->digest;
        if (!join_key(options, arena, &enqueue.idempotency_key)) {
            status = taskq__fail_memory(err);
            goto out;
        }
    }
    status = run(scheduler, &enqueue, arena, err);
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
