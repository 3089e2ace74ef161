/* SPDX-License-Identifier: MIT */
/* The steps of an enqueue by another process than the scheduler's. */
#ifndef TASKQ_STORE_SQLITE_BESIDE_H
#define TASKQ_STORE_SQLITE_BESIDE_H

#include <taskq/clock.h>
#include <taskq/sqlite.h>

#include <sqlite3.h>

typedef struct taskq__beside {
    const taskq_new_job *const *jobs; /* checked */
    uint32_t count;
    const taskq_enqueue_options *options;
    taskq_jobs **out;
    uint32_t *made;
} taskq__beside;

/* EINVAL: with these versions of SQLite, as numbers (3051003), two processes must not write one file. 0: not known. */
taskq_status taskq__beside_check(int64_t here, int64_t there, taskq_error *err);

/* Is there a transaction, and a store of our schema? Tells the version that its scheduler runs on. */
taskq_status taskq__beside_look(sqlite3 *sqlite, const char *prefix, int64_t *scheduler_version, taskq_error *err);

taskq_status taskq__beside_enqueue(sqlite3 *sqlite, const char *prefix, const taskq_allocator *allocator,
                                   const taskq__beside *what, taskq_error *err);

#endif
