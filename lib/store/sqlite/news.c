/* SPDX-License-Identifier: MIT */
/*
 * Another process may enqueue into the file (taskq_sqlite_enqueue_beside) while claims are held here. SQLite wakes nobody, but
 * tells a connection whether others have written since it was asked last: the scheduler asks with each sweep. What is ready
 * is counted by the ids that were given out since; names are not told, whoever waits looks for himself.
 */
#include "store/sqlite/db.h"

#include "store/sqlite/fault.h"
#include "store/sqlite/schema.h"

enum { NEW_IDS_MAX = 10000, READY_MAX = 1000 };

/* Beside its schema each store keeps which SQLite its scheduler runs on, for producers to judge by. Where it cannot be written the
 * store opens nevertheless, unless what is there says more than is true. */
static int note_version(taskq__db *db)
{
    const taskq_text name = TASKQ_TEXT(TASKQ__META_SQLITE);
    int64_t ours = sqlite3_libversion_number();
    taskq__cmd read = taskq__cmd_of(&db->writer, TASKQ__SQL_META_READ);
    taskq__cmd_text(&read, name);
    int64_t noted = taskq__cmd_row(&read) ? taskq__cmd_column(&read, 0) : 0;
    int rc = taskq__cmd_end(&read);
    if (rc != SQLITE_OK || noted == ours) {
        return rc;
    }
    taskq__cmd write = taskq__cmd_of(&db->writer, TASKQ__SQL_META_WRITE);
    taskq__cmd_text(&write, name);
    taskq__cmd_int(&write, ours);
    rc = taskq__cmd_run(&write);
    return noted > ours ? rc : SQLITE_OK;
}

static int ask(taskq__db *db, int *version, int64_t *last_id)
{
    taskq__cmd look = taskq__cmd_of(&db->writer, TASKQ__SQL_DATA_VERSION);
    *version = taskq__cmd_row(&look) ? (int)taskq__cmd_column(&look, 0) : 0;
    int rc = taskq__cmd_end(&look);
    if (rc == SQLITE_OK) {
        taskq__cmd read = taskq__cmd_of(&db->writer, TASKQ__SQL_META_READ);
        taskq__cmd_text(&read, TASKQ_TEXT("last_id"));
        *last_id = taskq__cmd_row(&read) ? taskq__cmd_column(&read, 0) : 0;
        rc = taskq__cmd_end(&read);
    }
    return rc;
}

taskq_status taskq__news_begin(taskq__db *db, taskq_error *err)
{
    int rc = note_version(db);
    if (rc == SQLITE_OK) {
        rc = ask(db, &db->data_version, &db->seen_id);
    }
    return rc == SQLITE_OK ? TASKQ_OK : taskq__fault(db->writer.sqlite, rc, "reading the last id", err);
}

/* How many of the ids above `since` are ready; all that wait are to look where there are too many of them to count. */
static int count_ready(taskq__db *db, int64_t since, int64_t last_id, uint32_t *out)
{
    if (last_id - since > NEW_IDS_MAX) {
        *out = UINT32_MAX;
        return SQLITE_OK;
    }
    taskq__cmd find = taskq__cmd_of(&db->writer, TASKQ__SQL_READY_SINCE);
    taskq__cmd_int(&find, since);
    taskq__cmd_int(&find, READY_MAX);
    while (taskq__cmd_row(&find)) {
        *out += 1;
    }
    *out = *out == READY_MAX ? UINT32_MAX : *out;
    return taskq__cmd_end(&find);
}

static int look(taskq__db *db, uint32_t *ready)
{
    int version = 0;
    int64_t last_id = 0;
    int rc = ask(db, &version, &last_id);
    if (rc == SQLITE_OK && version != db->data_version) {
        rc = count_ready(db, db->seen_id, last_id, ready);
    }
    if (rc == SQLITE_OK) {
        db->data_version = version;
        db->seen_id = last_id;
    }
    return rc;
}

taskq_status taskq__sqlite_wake_read(void *self, taskq_ready *out, uint32_t max, uint32_t *out_count, taskq_error *err)
{
    taskq__db *db = self;
    uint32_t ready = 0;
    taskq_status status = TASKQ_OK;
    pthread_mutex_lock(&db->write_lock);
    if (!db->loan.active && sqlite3_get_autocommit(db->writer.sqlite)) {
        int rc = look(db, &ready);
        status = rc == SQLITE_OK ? TASKQ_OK : taskq__fault(db->writer.sqlite, rc, "looking for others' jobs", err);
    }
    pthread_mutex_unlock(&db->write_lock);
    if (status == TASKQ_OK) {
        *out_count = ready > 0 && max > 0;
        if (*out_count > 0) {
            out[0] = (taskq_ready){{NULL, 0}, {NULL, 0}, ready};
        }
    }
    return status;
}
