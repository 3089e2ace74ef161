/* SPDX-License-Identifier: MIT */
/*
 * A producer that is another process than the scheduler, with a transaction of its own on the same file. It is the one case
 * in which two connections write one file, and SQLite before 3.51.3 can damage a write-ahead log then, on whichever side
 * it is: so both sides have to run on a later one. The jobs are written by the op of every enqueue, within a savepoint, since
 * here it is the host who commits: what has failed must not be committed by halves.
 */
#include "store/sqlite/beside.h"

#include "core/fail.h"
#include "core/job.h"
#include "core/jobs.h"
#include "core/request.h"
#include "core/sized.h"
#include "store/sqlite/batch.h"
#include "store/sqlite/fault.h"
#include "store/sqlite/schema.h"

#include <string.h>

enum { SAFE_VERSION = 3051003 };

taskq_status taskq__beside_check(int64_t here, int64_t there, taskq_error *err)
{
    bool own = here < SAFE_VERSION;
    int64_t found = own ? here : there;
    if (found >= SAFE_VERSION) {
        return TASKQ_OK;
    }
    if (found == 0) {
        return taskq__fail(err, TASKQ_EINVAL, "the store does not tell which SQLite its scheduler runs on");
    }
    return taskq__fail(err, TASKQ_EINVAL,
                       "SQLite %d.%d.%d %s: before 3.51.3 a second process that writes to the file can damage it",
                       (int)(found / 1000000), (int)(found / 1000 % 1000), (int)(found % 1000),
                       own ? "is what this process runs on" : "is what the store's scheduler runs on");
}

static int read_scheduler_version(sqlite3 *sqlite, const char *prefix, int64_t *out)
{
    sqlite3_stmt *stmt = NULL;
    char *text = taskq__sql_expand("SELECT value FROM @meta WHERE name = '" TASKQ__META_SQLITE "'", prefix);
    if (text == NULL) {
        return SQLITE_NOMEM;
    }
    int rc = sqlite3_prepare_v2(sqlite, text, -1, &stmt, NULL);
    sqlite3_free(text);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
        *out = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
        rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    sqlite3_finalize(stmt);
    return rc;
}

taskq_status taskq__beside_look(sqlite3 *sqlite, const char *prefix, int64_t *scheduler_version, taskq_error *err)
{
    int version = 0;
    if (sqlite3_get_autocommit(sqlite)) {
        return taskq__fail(err, TASKQ_EINVAL, "no transaction is open on the connection: BEGIN IMMEDIATE comes first");
    }
    taskq_status status = taskq__schema_read(sqlite, prefix, true, &version, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (version == 0) {
        return taskq__fail(err, TASKQ_ENOTFOUND, "there is no store in the connection's database, no table %smeta",
                           prefix);
    }
    if (version != TASKQ__SCHEMA_VERSION) {
        return taskq__fail(err, TASKQ_EINVAL, "the store's schema is version %d, its scheduler is to bring it to %d",
                           version, TASKQ__SCHEMA_VERSION);
    }
    int rc = read_scheduler_version(sqlite, prefix, scheduler_version);
    return rc == SQLITE_OK ? TASKQ_OK : taskq__fault(sqlite, rc, "reading the store", err);
}

/* The op within a savepoint; what it refuses is in the op and was found before it wrote. */
static int run_op(taskq__conn *conn, taskq_op *op)
{
    taskq__txn txn;
    taskq_clock clock;
    taskq_clock_system(&clock);
    int64_t wall_ms = clock.wall_ms(clock.user);
    taskq_batch batch = {
        .struct_size = sizeof(batch),
        .decide = taskq__job_decide,
        .now = {wall_ms, wall_ms}, /* a job that is new has no instant of elapsed time */
        .arena = op->arena,
    };
    int rc = sqlite3_exec(conn->sqlite, "SAVEPOINT taskq_enqueue", NULL, NULL, NULL);
    if (rc != SQLITE_OK) {
        return rc;
    }
    taskq__txn_init(&txn, conn, &batch);
    rc = taskq__txn_run_op(&txn, op);
    if (rc == SQLITE_OK) {
        rc = taskq__txn_flush(&txn);
    }
    if (rc != SQLITE_OK && !sqlite3_get_autocommit(conn->sqlite)) {
        sqlite3_exec(conn->sqlite, "ROLLBACK TO taskq_enqueue", NULL, NULL, NULL);
    }
    int released = sqlite3_get_autocommit(conn->sqlite)
                       ? SQLITE_OK
                       : sqlite3_exec(conn->sqlite, "RELEASE taskq_enqueue", NULL, NULL, NULL);
    return rc != SQLITE_OK ? rc : released;
}

static taskq_status run(sqlite3 *sqlite, const char *prefix, taskq_op *op, taskq_error *err)
{
    taskq__conn conn = {.sqlite = sqlite};
    int rc = taskq__conn_prepare(&conn, TASKQ__SQL_FOR_PRODUCER, prefix);
    if (rc == SQLITE_OK) {
        rc = run_op(&conn, op);
    }
    taskq_status status = TASKQ_OK;
    if (rc != SQLITE_OK) {
        status = taskq__fault(sqlite, rc, "enqueueing", err);
    } else if (op->status != TASKQ_OK) {
        status = op->status;
        if (err != NULL) {
            *err = op->error;
        }
    }
    taskq__conn_finalize(&conn);
    return status;
}

taskq_status taskq__beside_enqueue(sqlite3 *sqlite, const char *prefix, const taskq_allocator *allocator,
                                   const taskq__beside *what, taskq_error *err)
{
    taskq_enqueue enqueue;
    taskq_jobs *list = taskq__jobs_new(allocator);
    if (list == NULL) {
        return taskq__fail_memory(err);
    }
    taskq_arena *arena = taskq__jobs_arena(list);
    taskq_status status =
        taskq__enqueue_make(what->jobs, what->count, what->options, what->out != NULL, arena, &enqueue, err);
    if (status == TASKQ_OK) {
        taskq_op op = {.kind = TASKQ_OP_ENQUEUE, .in = {.enqueue = &enqueue}, .count = 1, .arena = arena};
        status = run(sqlite, prefix, &op, err);
    }
    if (status == TASKQ_OK && what->made != NULL) {
        *what->made = enqueue.made;
    }
    if (status == TASKQ_OK && what->out != NULL) {
        taskq__jobs_set(list, enqueue.results, what->count, 0);
        *what->out = list;
        list = NULL;
    }
    taskq_jobs_free(list);
    return status;
}

taskq_status taskq_sqlite_enqueue_beside(struct sqlite3 *connection, const taskq_sqlite_options *store,
                                         const taskq_new_job *const *jobs, uint32_t count,
                                         const taskq_enqueue_options *options, taskq_jobs **out, uint32_t *made,
                                         taskq_error *err)
{
    taskq_sqlite_options own;
    char prefix[TASKQ__PREFIX_BYTES_MAX + 1] = "";
    const taskq__beside what = {jobs, count, options, out, made};
    int64_t scheduler_version = SAFE_VERSION;
    taskq_status status = connection != NULL ? taskq__options_take(store, &own, prefix, err)
                                             : taskq__fail(err, TASKQ_EINVAL, "there is no connection");
    if (status == TASKQ_OK) {
        status = taskq__enqueue_check(jobs, count, options, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__beside_check(sqlite3_libversion_number(), scheduler_version, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__beside_look(connection, prefix, &scheduler_version, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__beside_check(sqlite3_libversion_number(), scheduler_version, err);
    }
    return status == TASKQ_OK ? taskq__beside_enqueue(connection, prefix, &own.allocator, &what, err) : status;
}
