/* SPDX-License-Identifier: MIT */
/*
 * A job as it is asked for, from JSON and to JSON. The ranges stand in the table, so that an answer names the field at fault before
 * anything is stored; reading starts from the defaults, writing leaves them out, so that the two are each other's inverse.
 */
#include "wire/api_fields.h"
#include "wire/backoff_fields.h"
#include "wire/emit.h"
#include "wire/record.h"

#include "core/fail.h"
#include "core/text.h"

const char *const taskq__wire_opaque[] = {"payload", "result", NULL};

const taskq__field taskq__backoff_fields[TASKQ__BACKOFF_FIELDS] = {
    {TASKQ__ROW(TASKQ__API_BACKOFF_OPTIONS_BASE_MS, taskq_backoff, base_ms, TASKQ__FIELD_INT64)},
    {TASKQ__ROW(TASKQ__API_BACKOFF_OPTIONS_FACTOR, taskq_backoff, factor, TASKQ__FIELD_DOUBLE)},
    {TASKQ__ROW(TASKQ__API_BACKOFF_OPTIONS_MAX_MS, taskq_backoff, max_ms, TASKQ__FIELD_INT64)},
    {TASKQ__ROW(TASKQ__API_BACKOFF_OPTIONS_JITTER, taskq_backoff, jitter, TASKQ__FIELD_DOUBLE)},
};
TASKQ__ALL_OF(taskq__backoff_fields, TASKQ__API_BACKOFF_OPTIONS);

static taskq_status read_tags(const taskq__reader *reader, uint32_t node, const taskq__field *field, void *place)
{
    taskq_new_job *job = place;
    (void)field;
    return taskq__read_names(reader, node, job->tags, TASKQ_TAGS_MAX, &job->tag_count);
}

enum { RUN_AT = 0, DELAY_MS = 1 };

static const taskq__field new_job_fields[] = {
    [RUN_AT] = {TASKQ__ROW(TASKQ__API_NEW_JOB_RUN_AT, taskq_new_job, run_at_ms, TASKQ__FIELD_TIME)},
    [DELAY_MS] = {TASKQ__ROW(TASKQ__API_NEW_JOB_DELAY_MS, taskq_new_job, delay_ms, TASKQ__FIELD_INT64)},
    {TASKQ__ROW(TASKQ__API_NEW_JOB_TYPE, taskq_new_job, type, TASKQ__FIELD_NAME)},
    {TASKQ__ROW(TASKQ__API_NEW_JOB_QUEUE, taskq_new_job, queue, TASKQ__FIELD_NAME)},
    {TASKQ__ROW(TASKQ__API_NEW_JOB_PAYLOAD, taskq_new_job, payload, TASKQ__FIELD_JSON)},
    {TASKQ__ROW(TASKQ__API_NEW_JOB_PRIORITY, taskq_new_job, priority, TASKQ__FIELD_INT32)},
    {TASKQ__ROW(TASKQ__API_NEW_JOB_MAX_ATTEMPTS, taskq_new_job, max_attempts, TASKQ__FIELD_INT32)},
    {TASKQ__ROW(TASKQ__API_NEW_JOB_TIMEOUT_MS, taskq_new_job, timeout_ms, TASKQ__FIELD_INT64)},
    {TASKQ__ROW(TASKQ__API_NEW_JOB_LEASE_MS, taskq_new_job, lease_ms, TASKQ__FIELD_INT64)},
    {TASKQ__ROW(TASKQ__API_NEW_JOB_BACKOFF, taskq_new_job, backoff, TASKQ__FIELD_OBJECT),
     .fields = taskq__backoff_fields, .field_count = TASKQ__BACKOFF_FIELDS},
    {TASKQ__API_NEW_JOB_TAGS, .kind = TASKQ__FIELD_CUSTOM, .offset = 0, .read = read_tags},
    {TASKQ__ROW(TASKQ__API_NEW_JOB_BATCH, taskq_new_job, batch, TASKQ__FIELD_NAME)},
    {TASKQ__ROW(TASKQ__API_NEW_JOB_UNIQUE_KEY, taskq_new_job, unique_key, TASKQ__FIELD_LABEL)},
};
TASKQ__ALL_OF(new_job_fields, TASKQ__API_NEW_JOB);

taskq_status taskq__wire_read_new_job(const taskq__json *json, uint32_t node, const char *path, taskq_arena *arena,
                                      taskq_new_job *out, taskq_error *err)
{
    const taskq__reader reader = {json, arena, err, false};
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    uint32_t given = 0;
    taskq_status status = taskq__fields_read(&reader, node, new_job_fields, TASKQ__COUNT(new_job_fields), &job, &given);
    if (status == TASKQ_OK) {
        job.has_run_at = (given & 1u << RUN_AT) != 0;
        job.has_delay = (given & 1u << DELAY_MS) != 0;
        if (job.has_run_at && job.has_delay) {
            status = taskq__fail_field(err, TASKQ_EINVAL, "/delay_ms", "cannot stand beside run_at");
        }
    }
    if (status != TASKQ_OK) {
        taskq__field_prefix_path(err, path);
        return status;
    }
    *out = job;
    return TASKQ_OK;
}

/* ---- to JSON --------------------------------------------------------------------------------------------------- */

static void write_int_unless(taskq__buf *buf, const char *key, int64_t value, int64_t unless)
{
    if (value != unless) {
        taskq__emit_key(buf, key);
        taskq__emit_int(buf, value);
    }
}

static void write_text_unless(taskq__buf *buf, const char *key, taskq_text value, taskq_text unless)
{
    if (!taskq__text_equal(value, unless)) {
        taskq__emit_key(buf, key);
        taskq__emit_string(buf, value);
    }
}

static void write_double_unless(taskq__buf *buf, const char *key, double value, double unless)
{
    if (value < unless || value > unless) {
        taskq__emit_key(buf, key);
        taskq__emit_double(buf, value);
    }
}

static void write_backoff_unless(taskq__buf *buf, const taskq_backoff *backoff, const taskq_backoff *unless)
{
    bool same = backoff->base_ms == unless->base_ms && backoff->max_ms == unless->max_ms &&
                !(backoff->factor < unless->factor || backoff->factor > unless->factor) &&
                !(backoff->jitter < unless->jitter || backoff->jitter > unless->jitter);
    if (same) {
        return;
    }
    taskq__emit_key(buf, "backoff");
    taskq__emit_open(buf, '{');
    write_int_unless(buf, "base_ms", backoff->base_ms, unless->base_ms);
    write_double_unless(buf, "factor", backoff->factor, unless->factor);
    write_int_unless(buf, "max_ms", backoff->max_ms, unless->max_ms);
    write_double_unless(buf, "jitter", backoff->jitter, unless->jitter);
    taskq__emit_close(buf, '}');
}

void taskq__wire_write_new_job(taskq__buf *buf, const taskq_new_job *job)
{
    static const taskq_new_job usual = TASKQ_NEW_JOB_INIT;
    taskq__emit_open(buf, '{');
    taskq__emit_key(buf, "type");
    taskq__emit_string(buf, job->type);
    taskq__emit_key(buf, "payload");
    taskq__emit_raw(buf, job->payload.size > 0 ? job->payload : usual.payload);
    write_text_unless(buf, "queue", job->queue, usual.queue);
    write_int_unless(buf, "priority", job->priority, usual.priority);
    if (job->has_run_at) {
        taskq__emit_key(buf, "run_at");
        taskq__emit_time(buf, job->run_at_ms);
    }
    if (job->has_delay) {
        taskq__emit_key(buf, "delay_ms");
        taskq__emit_int(buf, job->delay_ms);
    }
    write_int_unless(buf, "max_attempts", job->max_attempts, usual.max_attempts);
    write_int_unless(buf, "timeout_ms", job->timeout_ms, usual.timeout_ms);
    write_int_unless(buf, "lease_ms", job->lease_ms, usual.lease_ms);
    write_backoff_unless(buf, &job->backoff, &usual.backoff);
    if (job->tag_count > 0) {
        taskq__emit_key(buf, "tags");
        taskq__emit_strings(buf, job->tags, job->tag_count < TASKQ_TAGS_MAX ? job->tag_count : TASKQ_TAGS_MAX);
    }
    write_text_unless(buf, "batch", job->batch, usual.batch);
    write_text_unless(buf, "unique_key", job->unique_key, usual.unique_key);
    taskq__emit_close(buf, '}');
}
