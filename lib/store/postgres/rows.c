/* SPDX-License-Identifier: MIT */
/*
 * From rows to records. A job is spread over tables so that a move rewrites little; here it is put together again, out of the
 * columns that rows.h names.
 */
#include "store/postgres/rows.h"

#include "core/tags.h"
#include "core/timekeeper.h"
#include "store/postgres/values.h"

#include <string.h>

/* In the order of TASKQ__PG_JOB_COLUMNS. */
enum {
    COLUMN_ID,
    COLUMN_VERSION,
    COLUMN_STATE,
    COLUMN_QUEUE,
    COLUMN_TYPE,
    COLUMN_PRIORITY,
    COLUMN_RUN_AT,
    COLUMN_ATTEMPT,
    COLUMN_MAX_ATTEMPTS,
    COLUMN_TIMEOUT,
    COLUMN_LEASE,
    COLUMN_BACKOFF_BASE,
    COLUMN_BACKOFF_FACTOR,
    COLUMN_BACKOFF_MAX,
    COLUMN_BACKOFF_JITTER,
    COLUMN_BATCH,
    COLUMN_UNIQUE_KEY,
    COLUMN_WORKER,
    COLUMN_CANCEL_REQUESTED,
    COLUMN_UPDATED_AT,
    COLUMN_STARTED_AT,
    COLUMN_DONE_AT,
    COLUMN_FAILED_AT,
    COLUMN_LEASE_DUE,
    COLUMN_TIMEOUT_DUE,
    COLUMN_BACKOFF_DUE,
    COLUMN_RESULT_OF,
    COLUMN_ERROR_OF,
    COLUMN_EXTRAS,
    COLUMN_COUNT
};
_Static_assert((int)COLUMN_COUNT == (int)TASKQ__PG_JOB_COLUMN_COUNT, "rows.h counts the columns too");

void taskq__pg_row_show_lease(taskq_job *job, taskq_now now)
{
    job->lease_expires_at_ms = job->state == TASKQ_STATE_RUNNING ? taskq__steady_to_wall(job->lease_due_ms, now) : 0;
}

static const char there[] = "?";

void taskq__pg_row_stand_in(taskq__pg_row *row)
{
    if (row->result_of != 0) {
        row->job.result = (taskq_text){there, 1};
    }
    if (row->error_of != 0) {
        row->job.error = (taskq_text){there, 1};
    }
}

bool taskq__pg_is_stand_in(taskq_text text)
{
    return text.data == there;
}

#define INT(column) taskq__pg_result_int(result, row, first + (column))

static void take_numbers(const PGresult *result, int row, int first, taskq__pg_row *out)
{
    taskq_job *job = &out->job;
    job->id = INT(COLUMN_ID);
    job->version = INT(COLUMN_VERSION);
    job->state = (taskq_state)INT(COLUMN_STATE);
    job->priority = (int32_t)INT(COLUMN_PRIORITY);
    job->run_at_ms = INT(COLUMN_RUN_AT);
    job->attempt = (int32_t)INT(COLUMN_ATTEMPT);
    job->max_attempts = (int32_t)INT(COLUMN_MAX_ATTEMPTS);
    job->timeout_ms = INT(COLUMN_TIMEOUT);
    job->lease_ms = INT(COLUMN_LEASE);
    job->backoff.base_ms = INT(COLUMN_BACKOFF_BASE);
    job->backoff.factor = taskq__pg_result_double(result, row, first + COLUMN_BACKOFF_FACTOR);
    job->backoff.max_ms = INT(COLUMN_BACKOFF_MAX);
    job->backoff.jitter = taskq__pg_result_double(result, row, first + COLUMN_BACKOFF_JITTER);
    job->cancel_requested = INT(COLUMN_CANCEL_REQUESTED) != 0;
    job->updated_at_ms = INT(COLUMN_UPDATED_AT);
    job->started_at_ms = INT(COLUMN_STARTED_AT);
    /* One of the two at most; the other is NULL, which reads as 0. */
    job->finished_at_ms = INT(COLUMN_DONE_AT) + INT(COLUMN_FAILED_AT);
    job->lease_due_ms = INT(COLUMN_LEASE_DUE);
    job->timeout_due_ms = INT(COLUMN_TIMEOUT_DUE);
    job->backoff_due_ms = INT(COLUMN_BACKOFF_DUE);
    out->result_of = INT(COLUMN_RESULT_OF);
    out->error_of = INT(COLUMN_ERROR_OF);
    out->extras = (uint32_t)INT(COLUMN_EXTRAS);
}

bool taskq__pg_row_take(const PGresult *result, int row, int first, taskq_now now, taskq_arena *arena,
                        taskq__pg_row *out)
{
    memset(out, 0, sizeof(*out));
    take_numbers(result, row, first, out);
    taskq__pg_row_show_lease(&out->job, now);
    taskq_job *job = &out->job;
    return taskq__pg_result_copy(result, row, first + COLUMN_QUEUE, arena, &job->queue) &&
           taskq__pg_result_copy(result, row, first + COLUMN_TYPE, arena, &job->type) &&
           taskq__pg_result_copy(result, row, first + COLUMN_BATCH, arena, &job->batch) &&
           taskq__pg_result_copy(result, row, first + COLUMN_UNIQUE_KEY, arena, &job->unique_key) &&
           taskq__pg_result_copy(result, row, first + COLUMN_WORKER, arena, &job->worker);
}

bool taskq__pg_row_take_payload(const PGresult *result, int row, int first, taskq_arena *arena, taskq_job *out)
{
    taskq_text tags;
    if (!taskq__pg_result_copy(result, row, first, arena, &out->payload) ||
        !taskq__pg_result_copy(result, row, first + 1, arena, &tags) ||
        !taskq__pg_result_copy(result, row, first + 2, arena, &out->traceparent)) {
        return false;
    }
    taskq__tags_split(tags, out);
    out->created_at_ms = INT(3);
    return true;
}

bool taskq__pg_row_take_texts(const PGresult *result, int row, int first, taskq_arena *arena, taskq_job *out)
{
    return taskq__pg_result_copy(result, row, first, arena, &out->result) &&
           taskq__pg_result_copy(result, row, first + 1, arena, &out->error) &&
           taskq__pg_result_copy(result, row, first + 2, arena, &out->progress);
}

bool taskq__pg_row_take_whole(const PGresult *result, int row, int first, taskq_now now, taskq_arena *arena,
                              taskq__pg_row *out)
{
    return taskq__pg_row_take(result, row, first, now, arena, out) &&
           taskq__pg_row_take_payload(result, row, first + COLUMN_COUNT, arena, &out->job) &&
           taskq__pg_row_take_texts(result, row, first + COLUMN_COUNT + TASKQ__PG_PAYLOAD_COLUMN_COUNT, arena,
                                    &out->job);
}
