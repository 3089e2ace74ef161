/* SPDX-License-Identifier: MIT */
/*
 * Whoever enqueues or reports may come through the scheduler, or stand in a transaction of its own on the store. What is
 * asked for is checked and made an op here, so that both ways refuse the same things with the same words, and a repeated
 * request is known to be the same whichever way it came.
 */
#include "core/request.h"

#include <string.h>

#include "core/fail.h"
#include "core/job.h"
#include "core/scan.h"
#include "core/sized.h"
#include "core/text.h"

#define IDEMPOTENCY_KEEP_MS (INT64_C(24) * 3600 * 1000)

/* ---- enqueueing ------------------------------------------------------------------------------------------ */

/* The caller's job as this version knows it: itself, or its copy in `own`. */
static taskq_status as_known(const taskq_new_job **job, taskq_new_job *own, taskq_error *err)
{
    if (*job && (*job)->struct_size == sizeof(taskq_new_job)) {
        return TASKQ_OK;
    }
    taskq_status status = TASKQ__SIZED_IN(*job, own, err);
    *job = own;
    return status;
}

static taskq_status check_job(const taskq_new_job *job, bool json_checked, taskq_error *err)
{
    taskq_new_job own;
    taskq_status status = as_known(&job, &own, err);
    if (status == TASKQ_OK) {
        status = taskq__new_job_check(job, err);
    }
    if (status != TASKQ_OK || json_checked) {
        return status;
    }
    taskq_error why = TASKQ_ERROR_INIT;
    if (taskq__json_check(job->payload, &why) != TASKQ_OK) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/payload", "the payload is not JSON: %s", why.text);
    }
    return TASKQ_OK;
}

taskq_status taskq__enqueue_check(const taskq_new_job *const *jobs, uint32_t count,
                                  const taskq_enqueue_options *options, taskq_error *err)
{
    if (!jobs || count == 0 || count > TASKQ_ENQUEUE_JOBS_MAX) {
        return taskq__fail(err, TASKQ_EINVAL, "the number of jobs is not within 1 and %d", TASKQ_ENQUEUE_JOBS_MAX);
    }
    taskq_enqueue_options own = TASKQ_ENQUEUE_OPTIONS_INIT;
    taskq_status options_status = options ? TASKQ__SIZED_IN(options, &own, err) : TASKQ_OK;
    if (options_status != TASKQ_OK) {
        return options_status;
    }
    if (own.idempotency_key.size > 0 && !taskq__text_is_key(own.idempotency_key)) {
        return taskq__fail(err, TASKQ_EINVAL, "an idempotency key has 1 to %d characters, none of them NUL",
                           TASKQ_KEY_CHARS_MAX);
    }
    if (own.idempotency_scope.size > 4 * TASKQ_KEY_CHARS_MAX) {
        return taskq__fail(err, TASKQ_EINVAL, "the scope of an idempotency key is too long");
    }
    for (uint32_t i = 0; i < count; i++) {
        taskq_status status = check_job(jobs[i], own.json_checked, err);
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

/* Where callers of other versions are among them: a list with copies in their place. */
static taskq_status all_known(const taskq_new_job *const **jobs, uint32_t count, taskq_arena *arena, taskq_error *err)
{
    uint32_t same = 0;
    while (same < count && (*jobs)[same]->struct_size == sizeof(taskq_new_job)) {
        same++;
    }
    if (same == count) {
        return TASKQ_OK;
    }
    const taskq_new_job **list = taskq_arena_alloc(arena, count * sizeof(*list));
    for (uint32_t i = 0; list && i < count; i++) {
        taskq_new_job *own = taskq_arena_alloc(arena, sizeof(*own));
        if (!own) {
            return taskq__fail_memory(err);
        }
        list[i] = (*jobs)[i];
        taskq_status status = as_known(&list[i], own, err);
        if (status != TASKQ_OK) {
            return status;
        }
    }
    *jobs = list;
    return list ? TASKQ_OK : taskq__fail_memory(err);
}

taskq_status taskq__enqueue_make(const taskq_new_job *const *jobs, uint32_t count, const taskq_enqueue_options *options,
                                 bool wants_jobs, taskq_arena *arena, taskq_enqueue *out, taskq_error *err)
{
    taskq_enqueue_options own = TASKQ_ENQUEUE_OPTIONS_INIT;
    taskq_status status = options ? TASKQ__SIZED_IN(options, &own, err) : TASKQ_OK;
    if (status == TASKQ_OK) {
        status = all_known(&jobs, count, arena, err);
    }
    if (status != TASKQ_OK) {
        return status;
    }
    *out = (taskq_enqueue){.jobs = jobs, .count = count, .keep_ms = IDEMPOTENCY_KEEP_MS, .wants_jobs = wants_jobs};
    if (own.idempotency_key.size > 0) {
        out->digest = own.digest;
        if (!join_key(&own, arena, &out->idempotency_key)) {
            return taskq__fail_memory(err);
        }
    }
    return TASKQ_OK;
}

/* ---- reporting ------------------------------------------------------------------------------------------- */

bool taskq__json_is_object(taskq_text json)
{
    size_t at = 0;
    while (at < json.size &&
           (json.data[at] == ' ' || json.data[at] == '\t' || json.data[at] == '\n' || json.data[at] == '\r')) {
        at++;
    }
    return at < json.size && json.data[at] == '{';
}

taskq_status taskq__report_check(const taskq_report *report, bool json_checked)
{
    taskq_text outcome = report->succeeded ? report->result : report->error;
    if (report->id < 1) {
        return TASKQ_ENOTFOUND;
    }
    if (report->version < 1) {
        return TASKQ_EINVAL;
    }
    if (!report->succeeded && (report->retry_in_ms < -1 || report->retry_in_ms > TASKQ_DELAY_MS_MAX)) {
        return TASKQ_EINVAL;
    }
    if (!report->succeeded && outcome.size > 0 && !taskq__json_is_object(outcome)) {
        return TASKQ_EINVAL;
    }
    if (outcome.size > 0 && !json_checked && taskq__json_check(outcome, NULL) != TASKQ_OK) {
        return TASKQ_EINVAL;
    }
    return TASKQ_OK;
}

taskq_status taskq__report_begin(taskq_report *report, taskq_error *err)
{
    taskq_status status = taskq__sized_both(report, TASKQ__SIZED_END(taskq_report, job), sizeof(*report), err);
    if (status != TASKQ_OK) {
        return status;
    }
    report->job = NULL;
    report->status = taskq__report_check(report, false);
    if (report->status == TASKQ_EINVAL) {
        return taskq__fail(
            err, TASKQ_EINVAL,
            "the report has no version of a lease, a retry_in_ms out of its range, or no JSON for its outcome");
    }
    return report->status == TASKQ_OK ? TASKQ_OK
                                      : taskq__fail(err, report->status, "there is no job %lld", (long long)report->id);
}

void taskq__report_event(const taskq_report *report, uint64_t random, bool wants_job, taskq_event *out)
{
    *out = (taskq_event){
        .kind = report->succeeded ? TASKQ_EVENT_SUCCEED : TASKQ_EVENT_FAIL,
        .id = report->id,
        .version = report->version,
        .outcome = report->succeeded ? report->result : report->error,
        .delay_ms = report->succeeded ? -1 : report->retry_in_ms,
        .no_retry = !report->succeeded && report->no_retry,
        .random = random,
        .wants_job = wants_job,
    };
    out->digest = taskq__report_digest(out->kind, out->outcome, out->no_retry, out->delay_ms);
}

void taskq__report_take(taskq_report *report, const taskq_event *event)
{
    report->status = event->status;
    if (event->status == TASKQ_OK) {
        report->state = event->state;
        report->new_version = event->new_version;
        report->job = event->job;
    }
}

taskq_status taskq__event_refusal(const taskq_event *event, taskq_error *err)
{
    switch (event->status) {
    case TASKQ_OK: return TASKQ_OK;
    case TASKQ_ENOTFOUND: return taskq__fail(err, event->status, "there is no job %lld", (long long)event->id);
    case TASKQ_ESTALE:
        return taskq__fail(err, event->status, "version %lld of job %lld is not the current one: the lease is lost",
                           (long long)event->version, (long long)event->id);
    case TASKQ_ECONFLICT:
        return taskq__fail(err, event->status, "the state of job %lld forbids it", (long long)event->id);
    default:
        return taskq__fail(err, event->status, "job %lld: %s", (long long)event->id, taskq_status_name(event->status));
    }
}
