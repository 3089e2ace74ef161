/* SPDX-License-Identifier: MIT */
/*
 * From rows to records. A job is spread over tables so that a move rewrites little; here it is put together again, out of the
 * columns that store/row.h names.
 */
#include "store/postgres/rows.h"

#include "core/tags.h"
#include "store/postgres/values.h"

#include <string.h>

#define INT(column) taskq__pg_result_int(result, row, first + (column))

static void take_numbers(const PGresult *result, int row, int first, taskq__row *out)
{
    taskq_job *job = &out->job;
    job->id = INT(TASKQ__COLUMN_ID);
    job->version = INT(TASKQ__COLUMN_VERSION);
    job->state = (taskq_state)INT(TASKQ__COLUMN_STATE);
    job->priority = (int32_t)INT(TASKQ__COLUMN_PRIORITY);
    job->run_at_ms = INT(TASKQ__COLUMN_RUN_AT);
    job->attempt = (int32_t)INT(TASKQ__COLUMN_ATTEMPT);
    job->max_attempts = (int32_t)INT(TASKQ__COLUMN_MAX_ATTEMPTS);
    job->timeout_ms = INT(TASKQ__COLUMN_TIMEOUT);
    job->lease_ms = INT(TASKQ__COLUMN_LEASE);
    job->backoff.base_ms = INT(TASKQ__COLUMN_BACKOFF_BASE);
    job->backoff.factor = taskq__pg_result_double(result, row, first + TASKQ__COLUMN_BACKOFF_FACTOR);
    job->backoff.max_ms = INT(TASKQ__COLUMN_BACKOFF_MAX);
    job->backoff.jitter = taskq__pg_result_double(result, row, first + TASKQ__COLUMN_BACKOFF_JITTER);
    job->cancel_requested = INT(TASKQ__COLUMN_CANCEL_REQUESTED) != 0;
    job->updated_at_ms = INT(TASKQ__COLUMN_UPDATED_AT);
    job->started_at_ms = INT(TASKQ__COLUMN_STARTED_AT);
    /* One of the two at most; the other is NULL, which reads as 0. */
    job->finished_at_ms = INT(TASKQ__COLUMN_DONE_AT) + INT(TASKQ__COLUMN_FAILED_AT);
    job->lease_due_ms = INT(TASKQ__COLUMN_LEASE_DUE);
    job->timeout_due_ms = INT(TASKQ__COLUMN_TIMEOUT_DUE);
    job->backoff_due_ms = INT(TASKQ__COLUMN_BACKOFF_DUE);
    out->result_of = INT(TASKQ__COLUMN_RESULT_OF);
    out->error_of = INT(TASKQ__COLUMN_ERROR_OF);
    out->extras = (uint32_t)INT(TASKQ__COLUMN_EXTRAS);
}

bool taskq__pg_row_take(const PGresult *result, int row, int first, taskq_now now, taskq_arena *arena, taskq__row *out)
{
    memset(out, 0, sizeof(*out));
    take_numbers(result, row, first, out);
    taskq__row_show_lease(&out->job, now);
    taskq_job *job = &out->job;
    return taskq__pg_result_copy(result, row, first + TASKQ__COLUMN_QUEUE, arena, &job->queue) &&
           taskq__pg_result_copy(result, row, first + TASKQ__COLUMN_TYPE, arena, &job->type) &&
           taskq__pg_result_copy(result, row, first + TASKQ__COLUMN_BATCH, arena, &job->batch) &&
           taskq__pg_result_copy(result, row, first + TASKQ__COLUMN_UNIQUE_KEY, arena, &job->unique_key) &&
           taskq__pg_result_copy(result, row, first + TASKQ__COLUMN_WORKER, arena, &job->worker);
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
                              taskq__row *out)
{
    return taskq__pg_row_take(result, row, first, now, arena, out) &&
           taskq__pg_row_take_payload(result, row, first + TASKQ__COLUMN_COUNT, arena, &out->job) &&
           taskq__pg_row_take_texts(result, row, first + TASKQ__COLUMN_COUNT + TASKQ__PG_PAYLOAD_COLUMN_COUNT, arena,
                                    &out->job);
}
