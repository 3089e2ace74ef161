/* SPDX-License-Identifier: MIT */
/*
 * Heartbeats: the most frequent write while jobs run, so they touch one narrow row and one index, and a log grows by a
 * piece. A heartbeat is no move: version and state stay.
 */
#include "store/sqlite/batch.h"

#include "core/text.h"
#include "core/timekeeper.h"

#include <string.h>

/* Pieces of a log are joined up to so much, so that a log of single characters is not as many rows. */
enum { CHUNK_BYTES = 2048 };

typedef struct lease {
    int64_t version, lease_ms, timeout_due_ms;
    taskq_state state;
    bool cancel_requested;
    uint32_t extras;
} lease;

static int read_lease(taskq__txn *txn, int64_t id, lease *out, bool *found)
{
    taskq__cmd read = taskq__cmd_of(txn->conn, TASKQ__SQL_JOB_BEAT_READ);
    taskq__cmd_int(&read, id);
    *found = taskq__cmd_row(&read);
    if (*found) {
        out->version = taskq__cmd_column(&read, 0);
        out->state = (taskq_state)taskq__cmd_column(&read, 1);
        out->lease_ms = taskq__cmd_column(&read, 2);
        out->cancel_requested = taskq__cmd_column(&read, 3) != 0;
        out->timeout_due_ms = taskq__cmd_column(&read, 4);
        out->extras = (uint32_t)taskq__cmd_column(&read, 5);
    }
    return taskq__cmd_end(&read);
}

static int write_progress(taskq__txn *txn, const taskq_beat *beat)
{
    taskq__cmd write = taskq__cmd_of(txn->conn, TASKQ__SQL_PROGRESS_WRITE);
    taskq__cmd_int(&write, beat->id);
    taskq__cmd_text(&write, beat->progress);
    return taskq__cmd_run(&write);
}

/* Where the log ends, counted from its first byte ever, and its last piece where there is room in it for `more`. */
static int read_log_end(taskq__txn *txn, int64_t id, size_t more, int64_t *end, taskq_text *tail)
{
    taskq__cmd last = taskq__cmd_of(txn->conn, TASKQ__SQL_LOG_LAST);
    taskq__cmd_int(&last, id);
    *end = 0;
    *tail = (taskq_text){NULL, 0};
    if (taskq__cmd_row(&last)) {
        *end = taskq__cmd_column(&last, 0);
        if (taskq__cmd_column_text(&last, 1).size + more <= CHUNK_BYTES) {
            taskq__cmd_column_copy(&last, 1, txn->arena, tail);
        }
    }
    return taskq__cmd_end(&last);
}

static int log_delete(taskq__txn *txn, taskq__sql which, int64_t id, int64_t end)
{
    taskq__cmd cmd = taskq__cmd_of(txn->conn, which);
    taskq__cmd_int(&cmd, id);
    taskq__cmd_int(&cmd, end);
    return taskq__cmd_run(&cmd);
}

static int append_log(taskq__txn *txn, const taskq_beat *beat)
{
    taskq_text text = taskq__text_cut_tail(beat->log, TASKQ_LOG_BYTES_MAX);
    taskq_text tail;
    int64_t end = 0;
    int rc = read_log_end(txn, beat->id, text.size, &end, &tail);
    if (rc == SQLITE_OK && tail.size > 0) {
        char *joined = taskq_arena_alloc(txn->arena, tail.size + text.size);
        if (joined == NULL) {
            return TASKQ__RC_ARENA;
        }
        memcpy(joined, tail.data, tail.size);
        memcpy(joined + tail.size, text.data, text.size);
        rc = log_delete(txn, TASKQ__SQL_LOG_DELETE_ONE, beat->id, end);
        end -= (int64_t)tail.size;
        text = (taskq_text){joined, tail.size + text.size};
    }
    if (rc != SQLITE_OK) {
        return rc;
    }
    end += (int64_t)text.size;
    taskq__cmd insert = taskq__cmd_of(txn->conn, TASKQ__SQL_LOG_INSERT);
    taskq__cmd_int(&insert, beat->id);
    taskq__cmd_int(&insert, end);
    taskq__cmd_text(&insert, text);
    rc = taskq__cmd_run(&insert);
    /* What lies wholly before the last 64 KiB goes; the reader cuts the rest at a character. */
    return rc == SQLITE_OK && end > TASKQ_LOG_BYTES_MAX
               ? log_delete(txn, TASKQ__SQL_LOG_PRUNE, beat->id, end - TASKQ_LOG_BYTES_MAX)
               : rc;
}

static int renew(taskq__txn *txn, taskq_beat *beat, const lease *held)
{
    uint32_t extras = held->extras;
    int rc = SQLITE_OK;
    if (beat->progress.size > 0) {
        rc = write_progress(txn, beat);
        extras |= TASKQ__HAS_PROGRESS;
    }
    if (rc == SQLITE_OK && beat->log.size > 0) {
        rc = append_log(txn, beat);
        extras |= TASKQ__HAS_LOG;
    }
    if (rc != SQLITE_OK) {
        return rc;
    }
    int64_t lease_due = txn->now.steady_ms + held->lease_ms;
    int64_t expires_at = lease_due < held->timeout_due_ms ? lease_due : held->timeout_due_ms;
    taskq__cmd update = taskq__cmd_of(txn->conn, TASKQ__SQL_JOB_BEAT);
    taskq__cmd_int(&update, lease_due);
    taskq__cmd_int(&update, expires_at);
    taskq__cmd_int(&update, extras);
    taskq__cmd_int(&update, beat->id);
    rc = taskq__cmd_run(&update);
    taskq__batch_due_steady(txn->batch, expires_at);
    beat->lease_expires_at_ms = taskq__steady_to_wall(lease_due, txn->now);
    beat->cancel_requested = held->cancel_requested;
    return rc;
}

int taskq__op_beat(taskq__txn *txn, taskq_op *op)
{
    for (uint32_t i = 0; i < op->count; i++) {
        taskq_beat *beat = &op->in.beats[i];
        lease held = {0};
        bool found = false;
        beat->quiet = false;
        int rc = read_lease(txn, beat->id, &held, &found);
        if (rc == SQLITE_OK && !found) {
            beat->status = TASKQ_ENOTFOUND;
        } else if (rc == SQLITE_OK && (held.state != TASKQ_STATE_RUNNING || held.version != beat->version)) {
            beat->status = TASKQ_ESTALE;
        } else if (rc == SQLITE_OK) {
            beat->status = TASKQ_OK;
            rc = renew(txn, beat, &held);
        }
        if (rc != SQLITE_OK) {
            return rc;
        }
    }
    return SQLITE_OK;
}
