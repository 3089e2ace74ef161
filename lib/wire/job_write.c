/* SPDX-License-Identifier: MIT */
/*
 * A job and a queue as every endpoint returns them. This runs once for every job of every answer, so room is made once, and what is
 * the same for all is one piece of text. Fields that are null are left out; payload and result go out as the text that came in.
 */
#include "wire/emit.h"
#include "wire/record.h"

enum { JOB_BYTES_USUAL = 1024 }; /* of everything but the long texts, with names of common length */

static void write_int(taskq__buf *buf, const char *key, int64_t value)
{
    taskq__emit_key(buf, key);
    taskq__emit_int(buf, value);
}

static void write_text(taskq__buf *buf, const char *key, taskq_text text)
{
    if (text.size > 0) {
        taskq__emit_key(buf, key);
        taskq__emit_string(buf, text);
    }
}

static void write_json(taskq__buf *buf, const char *key, taskq_text json)
{
    if (json.size > 0) {
        taskq__emit_key(buf, key);
        taskq__emit_raw(buf, json);
    }
}

static void write_time(taskq__buf *buf, const char *key, int64_t unix_ms)
{
    if (unix_ms != 0) {
        taskq__emit_key(buf, key);
        taskq__emit_time(buf, unix_ms);
    }
}

static void write_backoff(taskq__buf *buf, const taskq_backoff *backoff)
{
    taskq__emit_key(buf, "backoff");
    taskq__emit_open(buf, '{');
    write_int(buf, "base_ms", backoff->base_ms);
    taskq__emit_key(buf, "factor");
    taskq__emit_double(buf, backoff->factor);
    write_int(buf, "max_ms", backoff->max_ms);
    taskq__emit_key(buf, "jitter");
    taskq__emit_double(buf, backoff->jitter);
    taskq__emit_close(buf, '}');
}

static void write_attempts(taskq__buf *buf, const taskq_job *job)
{
    taskq__emit_key(buf, "attempts");
    taskq__emit_open(buf, '[');
    for (uint32_t i = 0; i < job->attempt_count; i++) {
        const taskq_attempt *one = &job->attempts[i];
        taskq__emit_comma(buf);
        taskq__emit_open(buf, '{');
        write_int(buf, "attempt", one->attempt);
        write_text(buf, "worker", one->worker);
        write_time(buf, "started_at", one->started_at_ms);
        write_time(buf, "finished_at", one->finished_at_ms);
        write_text(buf, "outcome", taskq_text_of(taskq_outcome_name(one->outcome)));
        write_json(buf, "error", one->error);
        taskq__emit_close(buf, '}');
    }
    taskq__emit_close(buf, ']');
}

/* What was asked for: it stays as it is through a job's life, but for run_at. */
static void write_order(taskq__buf *buf, const taskq_job *job)
{
    write_int(buf, "id", job->id);
    write_text(buf, "queue", job->queue);
    write_text(buf, "type", job->type);
    write_json(buf, "payload", job->payload);
    write_text(buf, "state", taskq_text_of(taskq_state_name(job->state)));
    write_int(buf, "priority", job->priority);
    taskq__emit_key(buf, "run_at");
    taskq__emit_time(buf, job->run_at_ms);
    write_int(buf, "attempt", job->attempt);
    write_int(buf, "max_attempts", job->max_attempts);
    write_int(buf, "timeout_ms", job->timeout_ms);
    write_int(buf, "lease_ms", job->lease_ms);
    write_backoff(buf, &job->backoff);
    write_int(buf, "version", job->version);
    taskq__emit_key(buf, "tags");
    taskq__emit_strings(buf, job->tags, job->tag_count);
    write_text(buf, "batch", job->batch);
    write_text(buf, "unique_key", job->unique_key);
    write_text(buf, "traceparent", job->traceparent);
}

static void write_course(taskq__buf *buf, const taskq_job *job)
{
    write_text(buf, "worker", job->worker);
    write_json(buf, "progress", job->progress);
    taskq__emit_key(buf, "cancel_requested");
    taskq__emit_bool(buf, job->cancel_requested);
    write_json(buf, "result", job->result);
    write_json(buf, "error", job->error);
    taskq__emit_key(buf, "created_at");
    taskq__emit_time(buf, job->created_at_ms);
    write_time(buf, "updated_at", job->updated_at_ms);
    write_time(buf, "started_at", job->started_at_ms);
    write_time(buf, "finished_at", job->finished_at_ms);
    write_time(buf, "lease_expires_at", job->lease_expires_at_ms);
}

void taskq__wire_write_job(taskq__buf *buf, const taskq_job *job, uint32_t parts)
{
    size_t usual = job->payload.size + job->result.size + JOB_BYTES_USUAL;
    if (usual < buf->max - buf->size) { /* a guess must not break the bound that the job itself keeps */
        (void)taskq__buf_reserve(buf, usual);
    }
    taskq__emit_open(buf, '{');
    if (job->version == 0) { /* of a job that is gone, the id is all that there is */
        write_int(buf, "id", job->id);
        taskq__emit_close(buf, '}');
        return;
    }
    write_order(buf, job);
    write_course(buf, job);
    if ((parts & TASKQ__WIRE_DETAIL) != 0) {
        write_attempts(buf, job);
        write_text(buf, "log", job->log);
    }
    if (job->existing) {
        taskq__emit_key(buf, "existing");
        taskq__emit_bool(buf, true);
    }
    taskq__emit_close(buf, '}');
}

void taskq__wire_write_queue(taskq__buf *buf, const taskq_queue *queue)
{
    taskq__emit_open(buf, '{');
    write_text(buf, "name", queue->name);
    taskq__emit_key(buf, "paused");
    taskq__emit_bool(buf, queue->paused);
    taskq__emit_key(buf, "counts");
    taskq__emit_open(buf, '{');
    for (int state = TASKQ_STATE_QUEUED; state < TASKQ_STATE_COUNT; state++) {
        write_int(buf, taskq_state_name((taskq_state)state), queue->counts[state]);
    }
    taskq__emit_close(buf, '}');
    write_int(buf, "oldest_ready_age_ms", queue->oldest_ready_age_ms);
    taskq__emit_close(buf, '}');
}
