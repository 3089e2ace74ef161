/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints are made here, between batches, by the connection that writes: SQLite's automatic ones run inside
 * somebody's commit. The log is copied back once it has grown to some pages; where readers keep it from starting over, a
 * checkpoint that waits for them a moment does; and when nobody is waiting all of it is copied back.
 *
 * The log's file is not cut then: it grows in strides and is written over from its beginning. A flush that also has to
 * write down a new size of the file takes several times, on a busy disk forty times, as long as one of the data alone, and
 * a log that grows by itself makes every commit's flush such a one.
 */
#include "store/sqlite/db.h"

#include "core/fail.h"
#include "store/sqlite/fault.h"

enum {
    PASSIVE_PAGES = 4000,  /* 16 MiB: a page that is written often is copied back once */
    RESTART_PAGES = 16000, /* 64 MiB: readers were in the way for so long that they are waited for */
    AGAIN_PAGES = 1000,    /* how much more must be written before a checkpoint that got nowhere is tried again */
    FRAME_BYTES = 4096 + 24,
    STRIDE_BYTES = 1 << 20,
    AHEAD_BYTES = STRIDE_BYTES / 4, /* less than that to its end: it grows */
    KEPT_BYTES = PASSIVE_PAGES * FRAME_BYTES + 2 * STRIDE_BYTES
};

/* SQLite's own handle of the log: a descriptor of ours, once closed, would take the process's locks on the file along. */
static sqlite3_file *log_of(taskq__db *db)
{
    sqlite3_file *file = NULL;
    int rc = sqlite3_file_control(db->writer.sqlite, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
    return rc == SQLITE_OK && file != NULL && file->pMethods != NULL ? file : NULL;
}

static sqlite3_int64 bytes_of(sqlite3_file *file)
{
    sqlite3_int64 bytes = 0;
    return file != NULL && file->pMethods->xFileSize(file, &bytes) == SQLITE_OK ? bytes : 0;
}

/* Zeros after the last frame are no frame, as are those of an earlier round: a recovery ends there. A write that fails is
 * of no consequence, the commit that needs the room will say so. */
static void append_zeros(sqlite3_file *file)
{
    static const char zeros[65536];
    sqlite3_int64 bytes = bytes_of(file);
    for (sqlite3_int64 end = bytes + STRIDE_BYTES; bytes < end; bytes += (int)sizeof(zeros)) {
        if (file->pMethods->xWrite(file, zeros, (int)sizeof(zeros), bytes) != SQLITE_OK) {
            return;
        }
    }
}

/* Within a transaction, for another process may write to the file, too (beside.c): its frames would come to stand there. */
static void grow_log(taskq__db *db)
{
    sqlite3_file *file = log_of(db);
    sqlite3_int64 bytes = bytes_of(file);
    sqlite3_int64 used = (sqlite3_int64)db->wal_pages * FRAME_BYTES;
    if (file == NULL || bytes >= KEPT_BYTES || bytes - used >= AHEAD_BYTES) {
        return;
    }
    taskq__cmd begin = taskq__cmd_of(&db->writer, TASKQ__SQL_BEGIN_WRITE);
    if (taskq__cmd_run(&begin) == SQLITE_OK) {
        append_zeros(file);
    }
    if (!sqlite3_get_autocommit(db->writer.sqlite)) {
        sqlite3_exec(db->writer.sqlite, "ROLLBACK", NULL, NULL, NULL);
    }
}

static taskq_status checkpoint(taskq__db *db, int mode, taskq_error *err)
{
    int pages = 0, copied = 0;
    int rc = sqlite3_wal_checkpoint_v2(db->writer.sqlite, "main", mode, &pages, &copied);
    db->wal_tried = db->wal_pages;
    if (rc == SQLITE_OK && (mode != SQLITE_CHECKPOINT_PASSIVE)) {
        db->wal_pages = db->wal_tried = 0;
    }
    if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED) {
        return TASKQ_OK; /* readers hold it: next time */
    }
    taskq_status status = taskq__fault(db->writer.sqlite, rc, "checkpointing", err);
    if (status == TASKQ_ESTORE) {
        atomic_store(&db->broken, true);
    }
    return status;
}

static taskq_status upkeep_locked(taskq__db *db, bool idle, taskq_error *err)
{
    if (db->wal_pages < db->wal_tried) {
        db->wal_tried = 0; /* it has started over */
    }
    /* A log that was copied back under load is as long as it was: it is cut although nothing is left to copy. */
    bool large = idle && bytes_of(log_of(db)) > KEPT_BYTES;
    if (idle && (large || db->wal_pages > db->wal_tried)) {
        bool cut = large || db->host_owned;
        return checkpoint(db, cut ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_RESTART, err);
    }
    if (!idle && !db->host_owned && db->durability == TASKQ_DURABILITY_FULL) {
        grow_log(db);
    }
    if (db->wal_pages < PASSIVE_PAGES || db->wal_pages - db->wal_tried < AGAIN_PAGES) {
        return TASKQ_OK;
    }
    return checkpoint(db, db->wal_pages < RESTART_PAGES ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_RESTART, err);
}

taskq_status taskq__sqlite_upkeep(void *self, bool idle, taskq_error *err)
{
    taskq__db *db = self;
    if (atomic_load(&db->broken)) {
        return taskq__fail(err, TASKQ_ESTORE, "the store failed to write");
    }
    if (db->in_memory) {
        return TASKQ_OK;
    }
    pthread_mutex_lock(&db->write_lock);
    taskq_status status = upkeep_locked(db, idle, err);
    pthread_mutex_unlock(&db->write_lock);
    return status;
}
