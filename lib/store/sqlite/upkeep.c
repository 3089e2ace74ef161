/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints are made here, between batches, by the connection that writes: SQLite's automatic ones run inside
 * somebody's commit. The log is copied back once it has grown to some pages; where readers keep it from starting over, a
 * checkpoint that waits for them a moment does; and when nobody is waiting it is emptied.
 */
#include "store/sqlite/db.h"

#include "core/fail.h"
#include "store/sqlite/fault.h"

enum {
    PASSIVE_PAGES = 4000,  /* 16 MiB: a page that is written often is copied back once */
    RESTART_PAGES = 16000, /* 64 MiB: readers were in the way for so long that they are waited for */
    AGAIN_PAGES = 1000     /* how much more must be written before a checkpoint that got nowhere is tried again */
};

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
    if (idle && db->wal_pages > db->wal_tried) {
        return checkpoint(db, SQLITE_CHECKPOINT_TRUNCATE, err);
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
