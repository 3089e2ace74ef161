/* SPDX-License-Identifier: MIT */
/*
 * The reads but for the list: one job, the queues with their counts, when the sweep is wanted, and whether it could write.
 * Counts come from counters and ages from the heads of an index: none of it depends on how many jobs there are.
 */
#include "store/sqlite/db.h"
#include "store/sqlite/rows.h"

#include "core/fail.h"
#include "core/text.h"
#include "store/sqlite/fault.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>

/* ---- one job ------------------------------------------------------------------------------------------------------- */

static bool take_attempt(taskq__cmd *cmd, taskq_arena *arena, taskq_attempt *out)
{
    out->attempt = (int32_t)taskq__cmd_column(cmd, 0);
    out->outcome = (taskq_outcome)taskq__cmd_column(cmd, 1);
    out->started_at_ms = taskq__cmd_column(cmd, 3);
    out->finished_at_ms = taskq__cmd_column(cmd, 4);
    return taskq__cmd_column_copy(cmd, 2, arena, &out->worker) &&
           (out->outcome == TASKQ_OUTCOME_SUCCEEDED || taskq__cmd_column_copy(cmd, 5, arena, &out->error));
}

/* The last ones; read from the end, shown from the oldest. */
static int read_attempts(taskq__conn *conn, taskq_arena *arena, taskq_job *job)
{
    taskq_attempt *attempts = taskq_arena_alloc(arena, TASKQ_ATTEMPTS_SHOWN_MAX * sizeof(*attempts));
    if (attempts == NULL) {
        return TASKQ__RC_ARENA;
    }
    taskq__cmd cmd = taskq__cmd_of(conn, TASKQ__SQL_ATTEMPTS_READ);
    taskq__cmd_int(&cmd, job->id);
    taskq__cmd_int(&cmd, TASKQ_ATTEMPTS_SHOWN_MAX);
    uint32_t at = TASKQ_ATTEMPTS_SHOWN_MAX;
    while (at > 0 && taskq__cmd_row(&cmd) && take_attempt(&cmd, arena, &attempts[at - 1])) {
        at--;
    }
    job->attempts = attempts + at;
    job->attempt_count = TASKQ_ATTEMPTS_SHOWN_MAX - at;
    return taskq__cmd_end(&cmd);
}

int taskq__row_read_log(taskq__conn *conn, taskq_arena *arena, taskq_job *job)
{
    /* Pieces that reach into the last 64 KiB: that much, and the first one may stick out by as much again. */
    char *text = taskq_arena_alloc(arena, 2 * TASKQ_LOG_BYTES_MAX);
    size_t size = 0;
    if (text == NULL) {
        return TASKQ__RC_ARENA;
    }
    taskq__cmd cmd = taskq__cmd_of(conn, TASKQ__SQL_LOG_READ);
    taskq__cmd_int(&cmd, job->id);
    while (taskq__cmd_row(&cmd)) {
        taskq_text chunk = taskq__cmd_column_text(&cmd, 0);
        if (chunk.size > 2 * TASKQ_LOG_BYTES_MAX - size) {
            cmd.rc = SQLITE_CORRUPT;
            break;
        }
        memcpy(text + size, chunk.data, chunk.size);
        size += chunk.size;
    }
    job->log = taskq__text_cut_tail((taskq_text){text, size}, TASKQ_LOG_BYTES_MAX);
    return taskq__cmd_end(&cmd);
}

static int read_parts(taskq__conn *conn, uint32_t parts, uint32_t extras, taskq_arena *arena, taskq_job *job)
{
    int rc = SQLITE_OK;
    if ((parts & TASKQ_PART_ATTEMPTS) != 0 && (extras & TASKQ__HAS_ATTEMPTS) != 0) {
        rc = read_attempts(conn, arena, job);
    }
    if (rc == SQLITE_OK && (parts & TASKQ_PART_LOG) != 0 && (extras & TASKQ__HAS_LOG) != 0) {
        rc = taskq__row_read_log(conn, arena, job);
    }
    return rc;
}

taskq_status taskq__sqlite_get(void *self, int64_t id, uint32_t parts, taskq_now now, taskq_arena *arena,
                               taskq_job **out, taskq_error *err)
{
    taskq__db *db = self;
    taskq__conn *conn = NULL;
    taskq_status status = taskq__read_begin(db, &conn, err);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq__row *row = taskq_arena_alloc(arena, sizeof(*row));
    bool found = false;
    int rc = row == NULL ? TASKQ__RC_ARENA : taskq__row_read(conn, id, TASKQ__ROW_WHOLE, now, arena, row, &found);
    if (rc == SQLITE_OK && found) {
        rc = read_parts(conn, parts, row->extras, arena, &row->job);
    }
    status = taskq__read_end(db, conn, rc, "reading a job", err);
    if (status == TASKQ_OK && !found) {
        return taskq__fail(err, TASKQ_ENOTFOUND, "there is no job %" PRId64, id);
    }
    if (status == TASKQ_OK) {
        *out = &row->job;
    }
    return status;
}

/* ---- queues -------------------------------------------------------------------------------------------------------- */

static int read_counters(taskq__conn *conn, taskq_queue *queue)
{
    taskq__cmd cmd = taskq__cmd_of(conn, TASKQ__SQL_COUNTERS_READ);
    taskq__cmd_text(&cmd, queue->name);
    while (taskq__cmd_row(&cmd)) {
        int64_t state = taskq__cmd_column(&cmd, 0);
        if (state > 0 && state < TASKQ_STATE_COUNT) {
            queue->counts[state] = taskq__cmd_column(&cmd, 1);
        }
    }
    return taskq__cmd_end(&cmd);
}

/* The earliest run_at of what is ready: the index has it first within each priority, so it is asked once a priority. */
static int read_oldest(taskq__conn *conn, taskq_now now, taskq_queue *queue)
{
    int64_t below = TASKQ_PRIORITY_MAX + 1, oldest = now.wall_ms;
    bool more = queue->counts[TASKQ_STATE_QUEUED] > 0;
    int rc = SQLITE_OK;
    while (more && rc == SQLITE_OK) {
        taskq__cmd cmd = taskq__cmd_of(conn, TASKQ__SQL_OLDEST_READY);
        taskq__cmd_text(&cmd, queue->name);
        taskq__cmd_int(&cmd, below);
        more = taskq__cmd_row(&cmd);
        if (more) {
            int64_t run_at = taskq__cmd_column(&cmd, 1);
            below = taskq__cmd_column(&cmd, 0);
            oldest = run_at < oldest ? run_at : oldest;
        }
        rc = taskq__cmd_end(&cmd);
    }
    queue->oldest_ready_age_ms = now.wall_ms - oldest;
    return rc;
}

typedef struct queue_list {
    taskq_queue *queues;
    uint32_t count, room;
} queue_list;

/* The next free entry, zeroed; NULL: no memory. */
static taskq_queue *next_entry(queue_list *list, taskq_arena *arena)
{
    if (list->count == list->room) {
        uint32_t room = list->room == 0 ? 8 : list->room * 2;
        taskq_queue *queues = taskq_arena_alloc(arena, room * sizeof(*queues));
        if (queues == NULL) {
            return NULL;
        }
        if (list->count > 0) {
            memcpy(queues, list->queues, list->count * sizeof(*queues));
        }
        list->queues = queues;
        list->room = room;
    }
    return &list->queues[list->count];
}

static int read_names(taskq__conn *conn, const taskq_text *name, taskq_arena *arena, queue_list *list)
{
    taskq__cmd cmd = taskq__cmd_of(conn, name != NULL ? TASKQ__SQL_QUEUE_READ : TASKQ__SQL_QUEUES_READ);
    taskq__cmd_text(&cmd, name != NULL ? *name : (taskq_text){NULL, 0});
    while (taskq__cmd_row(&cmd)) {
        taskq_queue *queue = next_entry(list, arena);
        if (queue == NULL) {
            cmd.rc = TASKQ__RC_ARENA;
            break;
        }
        if (name != NULL && !taskq_arena_copy(arena, name->data, name->size, &queue->name)) {
            cmd.rc = TASKQ__RC_ARENA;
        } else if (name == NULL) {
            taskq__cmd_column_copy(&cmd, 0, arena, &queue->name);
        }
        queue->paused = taskq__cmd_column(&cmd, name != NULL ? 0 : 1) != 0;
        list->count++;
    }
    return taskq__cmd_end(&cmd);
}

taskq_status taskq__sqlite_counts(void *self, const taskq_text *queue, taskq_now now, taskq_arena *arena,
                                  taskq_counts *out, taskq_error *err)
{
    taskq__db *db = self;
    taskq__conn *conn = NULL;
    taskq_status status = taskq__read_begin(db, &conn, err);
    if (status != TASKQ_OK) {
        return status;
    }
    queue_list list = {NULL, 0, 0};
    int rc = read_names(conn, queue, arena, &list);
    for (uint32_t i = 0; i < list.count && rc == SQLITE_OK; i++) {
        rc = read_counters(conn, &list.queues[i]);
        if (rc == SQLITE_OK) {
            rc = read_oldest(conn, now, &list.queues[i]);
        }
    }
    status = taskq__read_end(db, conn, rc, "reading the queues", err);
    if (status == TASKQ_OK) {
        *out = (taskq_counts){list.queues, list.count};
    }
    return status;
}

/* ---- when, and whether ----------------------------------------------------------------------------------------------- */

static int read_earliest(taskq__conn *conn, taskq__sql which, int64_t *inout)
{
    taskq__cmd cmd = taskq__cmd_of(conn, which);
    taskq__cmd_int(&cmd, INT64_MIN);
    if (taskq__cmd_row(&cmd) && taskq__cmd_column(&cmd, 0) < *inout) {
        *inout = taskq__cmd_column(&cmd, 0);
    }
    return taskq__cmd_end(&cmd);
}

taskq_status taskq__sqlite_next_due(void *self, int64_t within_ms, taskq_now *out, taskq_error *err)
{
    (void)within_ms; /* the head of an index: whatever it is */
    taskq__db *db = self;
    taskq__conn *conn = NULL;
    taskq_status status = taskq__read_begin(db, &conn, err);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq_now due = {INT64_MAX, INT64_MAX};
    int rc = read_earliest(conn, TASKQ__SQL_NEXT_RUN_AT, &due.wall_ms);
    if (rc == SQLITE_OK) {
        rc = read_earliest(conn, TASKQ__SQL_NEXT_EXPIRES, &due.steady_ms);
    }
    if (rc == SQLITE_OK) {
        rc = read_earliest(conn, TASKQ__SQL_NEXT_BACKOFF, &due.steady_ms);
    }
    status = taskq__read_end(db, conn, rc, "reading when something is due", err);
    if (status == TASKQ_OK) {
        *out = due;
    }
    return status;
}

/* Only where nobody is writing at the moment: whoever writes finds out by himself. */
static int try_to_write(taskq__db *db, int *moved)
{
    int rc = SQLITE_OK;
    *moved = 0;
    if (pthread_mutex_trylock(&db->write_lock) != 0) {
        return rc;
    }
    if (db->loan.active || !sqlite3_get_autocommit(db->writer.sqlite)) { /* the host is writing */
        pthread_mutex_unlock(&db->write_lock);
        return rc;
    }
    sqlite3_file_control(db->writer.sqlite, "main", SQLITE_FCNTL_HAS_MOVED, moved);
    taskq__cmd begin = taskq__cmd_of(&db->writer, TASKQ__SQL_BEGIN_WRITE);
    rc = taskq__cmd_run(&begin);
    if (!sqlite3_get_autocommit(db->writer.sqlite)) {
        sqlite3_exec(db->writer.sqlite, "ROLLBACK", NULL, NULL, NULL);
    }
    pthread_mutex_unlock(&db->write_lock);
    return rc;
}

taskq_status taskq__sqlite_ping(void *self, taskq_error *err)
{
    enum { ROOM_BYTES_MIN = 1 << 20 };
    taskq__db *db = self;
    struct statvfs disk;
    int moved = 0;
    if (atomic_load(&db->broken)) {
        return taskq__fail(err, TASKQ_ESTORE,
                           "the store failed to write and takes nothing more until it is opened anew");
    }
    if (!db->in_memory && statvfs(db->path, &disk) != 0) {
        return taskq__fail(err, TASKQ_EUNAVAIL, "cannot look at %s: %s", db->path, strerror(errno));
    }
    if (!db->in_memory && (uint64_t)disk.f_bavail * disk.f_frsize < ROOM_BYTES_MIN) {
        return taskq__fail(err, TASKQ_EUNAVAIL, "the disk of %s is full", db->path);
    }
    int rc = try_to_write(db, &moved);
    if (rc != SQLITE_OK) {
        /* The writer may be at work again: its own words are not to be asked for. */
        return taskq__fault(NULL, rc, "trying to write", err);
    }
    if (moved) {
        return taskq__fail(err, TASKQ_ESTORE, "%s was moved or deleted while it is open", db->path);
    }
    return TASKQ_OK;
}
