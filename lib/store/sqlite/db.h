/* SPDX-License-Identifier: MIT */
/* The SQLite store's object: one writing connection, a pool of reading ones, a lock on the file. */
#ifndef TASKQ_STORE_SQLITE_DB_H
#define TASKQ_STORE_SQLITE_DB_H

#include <taskq/sqlite.h>
#include <taskq/sys/store.h>

#include <pthread.h>
#include <stdatomic.h>

#include "store/sqlite/loan.h"
#include "store/sqlite/lock.h"
#include "store/sqlite/sql.h"

enum {
    TASKQ__READERS_DEFAULT = 4,
    TASKQ__READERS_MAX = 64,
    TASKQ__PREFIX_BYTES_MAX = 32,
    TASKQ__BUSY_MS = 250 /* how long to wait for another process that has the file locked */
};

typedef struct taskq__db {
    taskq_allocator allocator;
    char *path; /* ":memory:" has no readers, no lock, no upkeep */
    bool in_memory, host_owned;
    char prefix[TASKQ__PREFIX_BYTES_MAX + 1];
    taskq_durability durability;
    taskq__filelock lock;

    pthread_mutex_t write_lock; /* the writer, and what is guarded by it: a commit, a ping's look, reads of ":memory:" */
    taskq__conn writer;
    int wal_pages, wal_tried; /* pages in the WAL after the last commit, and when a checkpoint was tried last */
    int64_t host_synchronous, host_autocheckpoint, host_busy_ms; /* to be put back */
    pthread_cond_t write_free;                                   /* the loan has ended */
    taskq__loan loan;
    int data_version; /* guarded by write_lock, as the next: what others had written when news.c looked last */
    int64_t seen_id;  /* the last id given out then */
    atomic_int hand;  /* whose statements run on the writer: TASKQ__HAND_... */

    pthread_mutex_t read_lock;
    pthread_cond_t read_free;
    taskq__conn *readers;
    taskq__conn **idle; /* guarded by read_lock: a stack of those that nobody uses */
    uint32_t reader_count, idle_count;

    atomic_bool broken; /* a write or flush failed: nothing is acknowledged any more */
} taskq__db;

/* ---- connection.c */

/* Open `path` (an existing file, but for ":memory:") for writing or reading and set every pragma that matters. */
taskq_status taskq__conn_open(const char *path, bool writes, taskq_durability durability, taskq__conn *out,
                              taskq_error *err);
void taskq__conn_close(taskq__conn *conn);
int taskq__path_open(const char *path, int flags, sqlite3 **out); /* sqlite3_open_v2 of a path that is never a URI */
/* The host's connection: checked, set up for the store, and given back as it was. */
taskq_status taskq__host_take(taskq__db *db, sqlite3 *sqlite, taskq_error *err);
void taskq__host_give_back(taskq__db *db);

/* ---- readers.c: a connection for one read, in a snapshot of its own. Waits for other readers, never for the writer. */
taskq_status taskq__readers_open(taskq__db *db, uint32_t count, taskq_error *err);
void taskq__readers_close(taskq__db *db);
taskq_status taskq__read_begin(taskq__db *db, taskq__conn **out, taskq_error *err);
/* `rc`: how the read went; makes the status of it. */
taskq_status taskq__read_end(taskq__db *db, taskq__conn *conn, int rc, const char *doing, taskq_error *err);

/* ---- loan.c: the writer, locked, once the host does not have it. Bounded: EBUSY. */
taskq_status taskq__writer_take(taskq__db *db, taskq_error *err);

/* ---- news.c: other processes that enqueue into this file. */
taskq_status taskq__news_begin(taskq__db *db, taskq_error *err);
taskq_status taskq__sqlite_wake_read(void *self, taskq_ready *out, uint32_t max, uint32_t *out_count, taskq_error *err);

/* ---- guard.c: asked by SQLite whenever a statement is prepared on the writer; `user` is the taskq__db. */
int taskq__guard(void *user, int action, const char *one, const char *two, const char *schema, const char *trigger);

/* ---- the slots of the ops table, each in the file of its name */
taskq_status taskq__sqlite_commit(void *self, taskq_batch *batch, taskq_error *err);
taskq_status taskq__sqlite_get(void *self, int64_t id, uint32_t parts, taskq_now now, taskq_arena *arena,
                               taskq_job **out, taskq_error *err);
taskq_status taskq__sqlite_list(void *self, const taskq_filter *filter, taskq_now now, taskq_arena *arena,
                                taskq_page *out, taskq_error *err);
taskq_status taskq__sqlite_counts(void *self, const taskq_text *queue, taskq_now now, taskq_arena *arena,
                                  taskq_counts *out, taskq_error *err);
taskq_status taskq__sqlite_next_due(void *self, int64_t within_ms, taskq_now *out, taskq_error *err);
taskq_status taskq__sqlite_ping(void *self, taskq_error *err);
taskq_status taskq__sqlite_upkeep(void *self, bool idle, taskq_error *err);
taskq_status taskq__sqlite_backup(void *self, const char *path, taskq_progress_fn *progress, void *user,
                                  taskq_error *err);
taskq_status taskq__sqlite_export_whole(void *self, taskq_stored_whole *out, taskq_error *err);
taskq_status taskq__sqlite_export_page(void *self, taskq_stage stage, int64_t after_id, taskq_text after_key,
                                       taskq_arena *arena, taskq_stored_page *out, taskq_error *err);

/* ---- open.c: the object behind a store; NULL: it is of another kind. */
taskq__db *taskq__db_of(taskq_store *store);

/* ---- open.c: what options mean; shared with backup and check. `own` is what was given, as this version knows it; `prefix` has room for
 * TASKQ__PREFIX_BYTES_MAX + 1. */
taskq_status taskq__options_take(const taskq_sqlite_options *given, taskq_sqlite_options *own, char *prefix,
                                 taskq_error *err);

#endif
