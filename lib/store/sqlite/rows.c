/* SPDX-License-Identifier: MIT */
/*
 * From rows to records. A job is spread over tables so that a move rewrites little; here it is put together again, and
 * no deeper than asked: the state machine never looks at a payload, so a report does not read one.
 */
#include "store/sqlite/rows.h"

#include "core/tags.h"

#include <string.h>

static void take_numbers(taskq__cmd *cmd, taskq__row *out)
{
    taskq_job *job = &out->job;
    job->id = taskq__cmd_column(cmd, TASKQ__COLUMN_ID);
    job->version = taskq__cmd_column(cmd, TASKQ__COLUMN_VERSION);
    job->state = (taskq_state)taskq__cmd_column(cmd, TASKQ__COLUMN_STATE);
    job->priority = (int32_t)taskq__cmd_column(cmd, TASKQ__COLUMN_PRIORITY);
    job->run_at_ms = taskq__cmd_column(cmd, TASKQ__COLUMN_RUN_AT);
    job->attempt = (int32_t)taskq__cmd_column(cmd, TASKQ__COLUMN_ATTEMPT);
    job->max_attempts = (int32_t)taskq__cmd_column(cmd, TASKQ__COLUMN_MAX_ATTEMPTS);
    job->timeout_ms = taskq__cmd_column(cmd, TASKQ__COLUMN_TIMEOUT);
    job->lease_ms = taskq__cmd_column(cmd, TASKQ__COLUMN_LEASE);
    job->backoff.base_ms = taskq__cmd_column(cmd, TASKQ__COLUMN_BACKOFF_BASE);
    job->backoff.factor = sqlite3_column_double(cmd->stmt, TASKQ__COLUMN_BACKOFF_FACTOR);
    job->backoff.max_ms = taskq__cmd_column(cmd, TASKQ__COLUMN_BACKOFF_MAX);
    job->backoff.jitter = sqlite3_column_double(cmd->stmt, TASKQ__COLUMN_BACKOFF_JITTER);
    job->cancel_requested = taskq__cmd_column(cmd, TASKQ__COLUMN_CANCEL_REQUESTED) != 0;
    job->updated_at_ms = taskq__cmd_column(cmd, TASKQ__COLUMN_UPDATED_AT);
    job->started_at_ms = taskq__cmd_column(cmd, TASKQ__COLUMN_STARTED_AT);
    /* One of the two at most; the other is NULL, which reads as 0. */
    job->finished_at_ms =
        taskq__cmd_column(cmd, TASKQ__COLUMN_DONE_AT) + taskq__cmd_column(cmd, TASKQ__COLUMN_FAILED_AT);
    job->lease_due_ms = taskq__cmd_column(cmd, TASKQ__COLUMN_LEASE_DUE);
    job->timeout_due_ms = taskq__cmd_column(cmd, TASKQ__COLUMN_TIMEOUT_DUE);
    job->backoff_due_ms = taskq__cmd_column(cmd, TASKQ__COLUMN_BACKOFF_DUE);
    out->result_of = taskq__cmd_column(cmd, TASKQ__COLUMN_RESULT_OF);
    out->error_of = taskq__cmd_column(cmd, TASKQ__COLUMN_ERROR_OF);
    out->extras = (uint32_t)taskq__cmd_column(cmd, TASKQ__COLUMN_EXTRAS);
}

bool taskq__row_take(taskq__cmd *cmd, taskq_now now, taskq_arena *arena, taskq__row *out)
{
    memset(out, 0, sizeof(*out));
    take_numbers(cmd, out);
    taskq__row_show_lease(&out->job, now);
    taskq_job *job = &out->job;
    return taskq__cmd_column_copy(cmd, TASKQ__COLUMN_QUEUE, arena, &job->queue) &&
           taskq__cmd_column_copy(cmd, TASKQ__COLUMN_TYPE, arena, &job->type) &&
           taskq__cmd_column_copy(cmd, TASKQ__COLUMN_BATCH, arena, &job->batch) &&
           taskq__cmd_column_copy(cmd, TASKQ__COLUMN_UNIQUE_KEY, arena, &job->unique_key) &&
           taskq__cmd_column_copy(cmd, TASKQ__COLUMN_WORKER, arena, &job->worker);
}

bool taskq__row_take_payload(taskq__cmd *cmd, int first, taskq_arena *arena, taskq_job *out)
{
    taskq_text tags;
    if (!taskq__cmd_column_copy(cmd, first, arena, &out->payload) ||
        !taskq__cmd_column_copy(cmd, first + 1, arena, &tags) ||
        !taskq__cmd_column_copy(cmd, first + 2, arena, &out->traceparent)) {
        return false;
    }
    taskq__tags_split(tags, out);
    out->created_at_ms = taskq__cmd_column(cmd, first + 3);
    return true;
}

static int read_text(taskq__conn *conn, taskq__sql which, int64_t id, int64_t version, taskq_arena *arena,
                     taskq_text *out)
{
    taskq__cmd cmd = taskq__cmd_of(conn, which);
    taskq__cmd_int(&cmd, id);
    if (version != 0) {
        taskq__cmd_int(&cmd, version);
    }
    if (taskq__cmd_row(&cmd)) {
        taskq__cmd_column_copy(&cmd, 0, arena, out);
    }
    return taskq__cmd_end(&cmd);
}

int taskq__row_read_texts(taskq__conn *conn, taskq_arena *arena, taskq__row *row)
{
    taskq_job *job = &row->job;
    int rc = SQLITE_OK;
    if (row->result_of != 0) {
        rc = read_text(conn, TASKQ__SQL_ATTEMPT_TEXT, job->id, row->result_of, arena, &job->result);
    }
    if (rc == SQLITE_OK && row->error_of != 0) {
        rc = read_text(conn, TASKQ__SQL_ATTEMPT_TEXT, job->id, row->error_of, arena, &job->error);
    }
    if (rc == SQLITE_OK && (row->extras & TASKQ__HAS_PROGRESS) != 0) {
        rc = read_text(conn, TASKQ__SQL_PROGRESS_READ, job->id, 0, arena, &job->progress);
    }
    return rc;
}

int taskq__row_read(taskq__conn *conn, int64_t id, taskq__row_depth depth, taskq_now now, taskq_arena *arena,
                    taskq__row *out, bool *found)
{
    bool narrow = depth == TASKQ__ROW_NARROW;
    taskq__cmd cmd = taskq__cmd_of(conn, narrow ? TASKQ__SQL_JOB_READ : TASKQ__SQL_JOB_READ_WHOLE);
    taskq__cmd_int(&cmd, id);
    *found = taskq__cmd_row(&cmd);
    if (*found && taskq__row_take(&cmd, now, arena, out) && !narrow) {
        taskq__row_take_payload(&cmd, TASKQ__COLUMN_COUNT, arena, &out->job);
    }
    int rc = taskq__cmd_end(&cmd);
    if (rc == SQLITE_OK && *found && depth == TASKQ__ROW_WHOLE) {
        rc = taskq__row_read_texts(conn, arena, out);
    } else if (rc == SQLITE_OK && *found && narrow) {
        taskq__row_stand_in(out);
    }
    return rc;
}
