/* SPDX-License-Identifier: MIT */
/*
 * Reads have connections of their own, so that a page of a list never waits for a commit nor a commit for it. They are
 * few, because each has a cache; a reader more waits for another one to finish. ":memory:" cannot be opened twice: its
 * reads go through the writer, under the writer's lock.
 */
#include "store/sqlite/db.h"

#include "core/alloc.h"
#include "core/fail.h"
#include "store/sqlite/fault.h"

taskq_status taskq__readers_open(taskq__db *db, uint32_t count, taskq_error *err)
{
    db->readers = taskq__alloc_array(&db->allocator, count, sizeof(*db->readers));
    db->idle = taskq__alloc_array(&db->allocator, count, sizeof(*db->idle));
    if (db->readers == NULL || db->idle == NULL) {
        return taskq__fail_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        taskq__conn *conn = &db->readers[i];
        taskq_status status = taskq__conn_open(db->path, false, db->durability, conn, err);
        if (status != TASKQ_OK) {
            return status;
        }
        db->reader_count++;
        int rc = taskq__conn_prepare(conn, TASKQ__SQL_FOR_READER, db->prefix);
        if (rc != SQLITE_OK) {
            return taskq__fault(conn->sqlite, rc, "preparing the reads", err);
        }
        db->idle[db->idle_count++] = conn;
    }
    return TASKQ_OK;
}

void taskq__readers_close(taskq__db *db)
{
    for (uint32_t i = 0; i < db->reader_count; i++) {
        taskq__conn_close(&db->readers[i]);
    }
    taskq__free(&db->allocator, db->readers);
    taskq__free(&db->allocator, db->idle);
    db->readers = NULL;
    db->idle = NULL;
    db->reader_count = db->idle_count = 0;
}

static taskq_status take(taskq__db *db, taskq__conn **out, taskq_error *err)
{
    if (db->in_memory) {
        *out = &db->writer;
        return taskq__writer_take(db, err);
    }
    pthread_mutex_lock(&db->read_lock);
    while (db->idle_count == 0) {
        pthread_cond_wait(&db->read_free, &db->read_lock);
    }
    *out = db->idle[--db->idle_count];
    pthread_mutex_unlock(&db->read_lock);
    return TASKQ_OK;
}

static void put_back(taskq__db *db, taskq__conn *conn)
{
    if (db->in_memory) {
        pthread_mutex_unlock(&db->write_lock);
        return;
    }
    pthread_mutex_lock(&db->read_lock);
    db->idle[db->idle_count++] = conn;
    pthread_cond_signal(&db->read_free);
    pthread_mutex_unlock(&db->read_lock);
}

taskq_status taskq__read_begin(taskq__db *db, taskq__conn **out, taskq_error *err)
{
    taskq__conn *conn = NULL;
    taskq_status status = take(db, &conn, err);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq__cmd begin = taskq__cmd_of(conn, TASKQ__SQL_BEGIN_READ);
    int rc = taskq__cmd_run(&begin);
    if (rc != SQLITE_OK) {
        status = taskq__fault(conn->sqlite, rc, "beginning a read", err);
        put_back(db, conn);
        return status;
    }
    *out = conn;
    return TASKQ_OK;
}

taskq_status taskq__read_end(taskq__db *db, taskq__conn *conn, int rc, const char *doing, taskq_error *err)
{
    taskq_status status = rc == SQLITE_OK ? TASKQ_OK : taskq__fault(conn->sqlite, rc, doing, err);
    if (!sqlite3_get_autocommit(conn->sqlite)) {
        taskq__cmd commit = taskq__cmd_of(conn, TASKQ__SQL_COMMIT);
        if (taskq__cmd_run(&commit) != SQLITE_OK && !sqlite3_get_autocommit(conn->sqlite)) {
            sqlite3_exec(conn->sqlite, "ROLLBACK", NULL, NULL, NULL);
        }
    }
    put_back(db, conn);
    return status;
}
