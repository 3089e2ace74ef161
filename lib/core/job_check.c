/* SPDX-License-Identifier: MIT */
/*
 * What may be asked for: every name and range of a new job, checked once, in front of every store. The same
 * check serves a request over HTTP and a host's own struct, so the errors speak of fields by their JSON
 * pointer.
 */
#include "core/fail.h"
#include "core/job.h"
#include "core/rfc3339.h"
#include "core/text.h"

#include <inttypes.h>
#include <stdio.h>

static taskq_status check_range(int64_t value, int64_t min, int64_t max, const char *field, taskq_error *err)
{
    if (value >= min && value <= max) {
        return TASKQ_OK;
    }
    return taskq__fail_field(err, TASKQ_EINVAL, field, "%s is %" PRId64 ", it must be %" PRId64 " to %" PRId64,
                             field + 1, value, min, max);
}

/* A NaN is in no range. */
static taskq_status check_real(double value, double min, double max, const char *field, taskq_error *err)
{
    if (value >= min && value <= max) {
        return TASKQ_OK;
    }
    return taskq__fail_field(err, TASKQ_EINVAL, field, "%s is %g, it must be %g to %g", field + 1, value, min, max);
}

static taskq_status check_name(taskq_text name, const char *field, taskq_error *err)
{
    if (taskq__text_is_name(name)) {
        return TASKQ_OK;
    }
    return taskq__fail_field(err, TASKQ_EINVAL, field, "%s must be 1 to %d characters of A-Z a-z 0-9 . _ : / -",
                             field + 1, TASKQ_NAME_BYTES_MAX);
}

/* Not there is fine; there but empty is not. */
static bool is_absent(taskq_text text)
{
    return text.size == 0 && text.data == NULL;
}

static taskq_status check_texts(const taskq_new_job *job, taskq_error *err)
{
    taskq_status status = check_name(job->queue, "/queue", err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (is_absent(job->type)) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/type", "type is required: it names the handler of the job");
    }
    status = check_name(job->type, "/type", err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (job->payload.size == 0 || job->payload.data == NULL) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/payload", "payload must be a JSON value, such as {}");
    }
    if (job->payload.size > TASKQ__PAYLOAD_BYTES_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/payload", "payload is %zu bytes, at most %d are taken",
                                 job->payload.size, TASKQ__PAYLOAD_BYTES_MAX);
    }
    if (!is_absent(job->batch)) {
        status = check_name(job->batch, "/batch", err);
    }
    if (status == TASKQ_OK && !is_absent(job->unique_key) && !taskq__text_is_key(job->unique_key)) {
        status = taskq__fail_field(err, TASKQ_EINVAL, "/unique_key",
                                   "unique_key must be 1 to %d characters, none of them NUL", TASKQ_KEY_CHARS_MAX);
    }
    return status;
}

static taskq_status check_tags(const taskq_new_job *job, taskq_error *err)
{
    if (job->tag_count > TASKQ_TAGS_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/tags", "tags are %" PRIu32 ", at most %d are taken",
                                 job->tag_count, TASKQ_TAGS_MAX);
    }
    for (uint32_t i = 0; i < job->tag_count; i++) {
        char field[24];
        (void)snprintf(field, sizeof(field), "/tags/%" PRIu32, i);
        taskq_status status = check_name(job->tags[i], field, err);
        if (status != TASKQ_OK) {
            return status;
        }
        for (uint32_t earlier = 0; earlier < i; earlier++) {
            if (taskq__text_equal(job->tags[i], job->tags[earlier])) {
                return taskq__fail_field(err, TASKQ_EINVAL, field, "%s is the same tag as tags/%" PRIu32, field + 1,
                                         earlier);
            }
        }
    }
    return TASKQ_OK;
}

static taskq_status check_when(const taskq_new_job *job, taskq_error *err)
{
    if (job->has_run_at && job->has_delay) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/delay_ms", "run_at and delay_ms exclude each other");
    }
    if (job->has_delay) {
        return check_range(job->delay_ms, 0, TASKQ_DELAY_MS_MAX, "/delay_ms", err);
    }
    if (job->has_run_at && (job->run_at_ms < 0 || job->run_at_ms > TASKQ__WALL_MS_MAX)) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/run_at", "run_at must lie in the years 1970 to 2100");
    }
    return TASKQ_OK;
}

static taskq_status check_backoff(const taskq_backoff *backoff, taskq_error *err)
{
    taskq_status status = check_range(backoff->base_ms, 0, TASKQ_BACKOFF_BASE_MS_MAX, "/backoff/base_ms", err);
    if (status == TASKQ_OK) {
        status = check_real(backoff->factor, 1.0, TASKQ_BACKOFF_FACTOR_MAX, "/backoff/factor", err);
    }
    if (status == TASKQ_OK) {
        status = check_range(backoff->max_ms, 0, TASKQ_BACKOFF_MAX_MS_MAX, "/backoff/max_ms", err);
    }
    if (status == TASKQ_OK) {
        status = check_real(backoff->jitter, 0.0, 1.0, "/backoff/jitter", err);
    }
    return status;
}

static taskq_status check_numbers(const taskq_new_job *job, taskq_error *err)
{
    taskq_status status = check_range(job->priority, -TASKQ_PRIORITY_MAX, TASKQ_PRIORITY_MAX, "/priority", err);
    if (status == TASKQ_OK) {
        status = check_range(job->max_attempts, 1, TASKQ_ATTEMPTS_MAX, "/max_attempts", err);
    }
    if (status == TASKQ_OK) {
        status = check_range(job->timeout_ms, TASKQ_TIMEOUT_MS_MIN, TASKQ_TIMEOUT_MS_MAX, "/timeout_ms", err);
    }
    if (status == TASKQ_OK) {
        status = check_range(job->lease_ms, TASKQ_LEASE_MS_MIN, TASKQ_LEASE_MS_MAX, "/lease_ms", err);
    }
    return status;
}

taskq_status taskq__new_job_check(const taskq_new_job *job, taskq_error *err)
{
    if (job->struct_size < sizeof(*job)) {
        return taskq__fail(err, TASKQ_EINVAL, "the new job was not set up with TASKQ_NEW_JOB_INIT");
    }
    taskq_status status = check_texts(job, err);
    if (status == TASKQ_OK) {
        status = check_tags(job, err);
    }
    if (status == TASKQ_OK) {
        status = check_when(job, err);
    }
    if (status == TASKQ_OK) {
        status = check_numbers(job, err);
    }
    if (status == TASKQ_OK) {
        status = check_backoff(&job->backoff, err);
    }
    return status;
}
