/* SPDX-License-Identifier: MIT */
/*
 * The store in pieces, for another one that takes it over: rows as they are, not as they are shown, and as many at once
 * as make a good transaction over there.
 */
#include "store/sqlite/db.h"
#include "store/sqlite/rows.h"

#include "core/rng.h"
#include "store/sqlite/fault.h"

enum { PAGE_ROWS = 500, PAGE_BYTES = 4 << 20 };

/* ---- jobs ---------------------------------------------------------------------------------------------------------- */

static bool take_attempt(taskq__cmd *cmd, taskq_arena *arena, taskq_stored_attempt *out)
{
    enum { VERSION, ATTEMPT, OUTCOME, WORKER, STARTED_AT, FINISHED_AT, DIGEST, TEXT };
    out->version = taskq__cmd_column(cmd, VERSION);
    out->attempt = (int32_t)taskq__cmd_column(cmd, ATTEMPT);
    out->outcome = (taskq_outcome)taskq__cmd_column(cmd, OUTCOME);
    out->started_at_ms = taskq__cmd_column(cmd, STARTED_AT);
    out->finished_at_ms = taskq__cmd_column(cmd, FINISHED_AT);
    out->reported = sqlite3_column_type(cmd->stmt, DIGEST) != SQLITE_NULL;
    out->digest = (uint64_t)taskq__cmd_column(cmd, DIGEST);
    return taskq__cmd_column_copy(cmd, WORKER, arena, &out->worker) &&
           taskq__cmd_column_copy(cmd, TEXT, arena, &out->text);
}

static int read_attempts(taskq__conn *conn, taskq_arena *arena, taskq_stored_job *out, size_t *bytes)
{
    uint32_t room = 0;
    taskq_stored_attempt *attempts = NULL;
    taskq__cmd cmd = taskq__cmd_of(conn, TASKQ__SQL_EXPORT_ATTEMPTS);
    taskq__cmd_int(&cmd, out->job.id);
    while (taskq__cmd_row(&cmd)) {
        if (out->attempt_count == room) {
            room = room == 0 ? 4 : room * 2;
            taskq_stored_attempt *more = taskq_arena_alloc(arena, room * sizeof(*more));
            if (more == NULL) {
                cmd.rc = TASKQ__RC_ARENA;
                break;
            }
            for (uint32_t i = 0; i < out->attempt_count; i++) {
                more[i] = attempts[i];
            }
            attempts = more;
        }
        if (!take_attempt(&cmd, arena, &attempts[out->attempt_count])) {
            break;
        }
        *bytes += attempts[out->attempt_count++].text.size;
    }
    out->attempts = attempts;
    return taskq__cmd_end(&cmd);
}

static int read_progress(taskq__conn *conn, taskq_arena *arena, taskq_job *job)
{
    taskq__cmd cmd = taskq__cmd_of(conn, TASKQ__SQL_PROGRESS_READ);
    taskq__cmd_int(&cmd, job->id);
    if (taskq__cmd_row(&cmd)) {
        taskq__cmd_column_copy(&cmd, 0, arena, &job->progress);
    }
    return taskq__cmd_end(&cmd);
}

static int read_job(taskq__conn *conn, int64_t id, taskq_arena *arena, taskq_stored_job *out, size_t *bytes)
{
    taskq__row row;
    bool found = false;
    int rc = taskq__row_read(conn, id, TASKQ__ROW_BARE, (taskq_now){0, 0}, arena, &row, &found);
    if (rc != SQLITE_OK || !found) {
        return rc != SQLITE_OK ? rc : SQLITE_CORRUPT; /* a job without its payload */
    }
    out->job = row.job;
    out->result_of = row.result_of;
    out->error_of = row.error_of;
    if ((row.extras & TASKQ__HAS_PROGRESS) != 0) {
        rc = read_progress(conn, arena, &out->job);
    }
    if (rc == SQLITE_OK && (row.extras & TASKQ__HAS_LOG) != 0) {
        rc = taskq__row_read_log(conn, arena, &out->job);
    }
    if (rc == SQLITE_OK && (row.extras & TASKQ__HAS_ATTEMPTS) != 0) {
        rc = read_attempts(conn, arena, out, bytes);
    }
    *bytes += out->job.payload.size + out->job.log.size + out->job.progress.size;
    return rc;
}

static int read_jobs(taskq__conn *conn, int64_t after_id, taskq_arena *arena, taskq_stored_page *out)
{
    taskq_stored_job *jobs = taskq_arena_alloc(arena, PAGE_ROWS * sizeof(*jobs));
    if (jobs == NULL) {
        return TASKQ__RC_ARENA;
    }
    size_t bytes = 0;
    int rc = SQLITE_OK;
    taskq__cmd cmd = taskq__cmd_of(conn, TASKQ__SQL_EXPORT_JOBS);
    taskq__cmd_int(&cmd, after_id);
    taskq__cmd_int(&cmd, PAGE_ROWS);
    while (rc == SQLITE_OK && bytes < PAGE_BYTES && taskq__cmd_row(&cmd)) {
        taskq_stored_job *job = &jobs[out->count++];
        rc = read_job(conn, taskq__cmd_column(&cmd, 0), arena, job, &bytes);
        taskq__cmd_column_copy(&cmd, 1, arena, &job->poll);
    }
    out->jobs = jobs;
    int ended = taskq__cmd_end(&cmd);
    return rc != SQLITE_OK ? rc : ended;
}

/* ---- keys and queues ------------------------------------------------------------------------------------------------- */

static int read_keys(taskq__conn *conn, taskq_text after_key, taskq_arena *arena, taskq_stored_page *out)
{
    taskq_stored_key *keys = taskq_arena_alloc(arena, PAGE_ROWS * sizeof(*keys));
    if (keys == NULL) {
        return TASKQ__RC_ARENA;
    }
    size_t bytes = 0;
    taskq__cmd cmd = taskq__cmd_of(conn, TASKQ__SQL_EXPORT_KEYS);
    taskq__cmd_text(&cmd, after_key);
    taskq__cmd_int(&cmd, PAGE_ROWS);
    while (bytes < PAGE_BYTES && taskq__cmd_row(&cmd)) {
        taskq_stored_key *key = &keys[out->count];
        key->digest = (uint64_t)taskq__cmd_column(&cmd, 1);
        key->expires_at_ms = taskq__cmd_column(&cmd, 2);
        if (taskq__cmd_column_copy(&cmd, 0, arena, &key->key) && taskq__cmd_column_copy(&cmd, 3, arena, &key->jobs)) {
            out->count++;
            bytes += key->key.size + key->jobs.size;
        }
    }
    out->keys = keys;
    return taskq__cmd_end(&cmd);
}

/* Whatever changes a store changes one of these numbers. The order of the rows is the table's own, so the marks are added up. */
static int read_marks(taskq__conn *conn, uint64_t *mark)
{
    enum { COLUMNS = 4 };
    taskq__cmd cmd = taskq__cmd_of(conn, TASKQ__SQL_EXPORT_MARKS);
    while (taskq__cmd_row(&cmd)) {
        uint64_t row = 0;
        for (int column = 0; column < COLUMNS; column++) {
            row = taskq__mix64(row ^ (uint64_t)taskq__cmd_column(&cmd, column));
        }
        *mark += row;
    }
    return taskq__cmd_end(&cmd);
}

static int read_whole(taskq__conn *conn, taskq_stored_whole *out)
{
    taskq__cmd id = taskq__cmd_of(conn, TASKQ__SQL_META_READ);
    taskq__cmd_text(&id, TASKQ_TEXT("last_id"));
    out->last_id = taskq__cmd_row(&id) ? taskq__cmd_column(&id, 0) : 0;
    int rc = taskq__cmd_end(&id);
    if (rc != SQLITE_OK) {
        return rc;
    }
    out->mark = taskq__mix64((uint64_t)out->last_id);
    taskq__cmd counts = taskq__cmd_of(conn, TASKQ__SQL_EXPORT_COUNTS);
    taskq__cmd_text(&counts, (taskq_text){NULL, 0});
    while (taskq__cmd_row(&counts)) {
        int64_t n = taskq__cmd_column(&counts, 0);
        out->jobs += n;
        out->mark = taskq__mix64(out->mark ^ (uint64_t)n);
    }
    rc = taskq__cmd_end(&counts);
    return rc == SQLITE_OK ? read_marks(conn, &out->mark) : rc;
}

/* ---- the slots --------------------------------------------------------------------------------------------------------- */

taskq_status taskq__sqlite_export_whole(void *self, taskq_stored_whole *out, taskq_error *err)
{
    taskq__db *db = self;
    taskq__conn *conn = NULL;
    taskq_stored_whole whole = {0};
    taskq_status status = taskq__read_begin(db, &conn, err);
    if (status == TASKQ_OK) {
        status = taskq__read_end(db, conn, read_whole(conn, &whole), "counting what is to be moved", err);
    }
    if (status == TASKQ_OK) {
        *out = whole;
    }
    return status;
}

taskq_status taskq__sqlite_export_page(void *self, taskq_stage stage, int64_t after_id, taskq_text after_key,
                                       taskq_arena *arena, taskq_stored_page *out, taskq_error *err)
{
    taskq__db *db = self;
    taskq_stored_page page = {.stage = stage};
    if (stage == TASKQ_STAGE_QUEUES) {
        taskq_counts counts = {NULL, 0};
        taskq_status status = taskq__sqlite_counts(self, NULL, (taskq_now){0, 0}, arena, &counts, err);
        page.queues = counts.queues;
        page.count = counts.count;
        *out = status == TASKQ_OK ? page : *out;
        return status;
    }
    taskq__conn *conn = NULL;
    taskq_status status = taskq__read_begin(db, &conn, err);
    if (status != TASKQ_OK) {
        return status;
    }
    int rc =
        stage == TASKQ_STAGE_JOBS ? read_jobs(conn, after_id, arena, &page) : read_keys(conn, after_key, arena, &page);
    status = taskq__read_end(db, conn, rc, "reading what is to be moved", err);
    if (status == TASKQ_OK) {
        *out = page;
    }
    return status;
}
