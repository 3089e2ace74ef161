/* SPDX-License-Identifier: MIT */
/*
 * The store in an SQLite file: embedded, the default.
 *
 * One connection writes and checkpoints (WAL); reads have connections of their own. A lock on the file keeps a second server
 * out. The file, its -wal and its -shm belong together; copy them only with taskq_sqlite_backup or taskq_store_backup.
 * A process that opens the same file by other means than this library (SQLite excepted) must not close it while the store is
 * open: POSIX drops all of a process's locks on a file when any descriptor of it is closed.
 * Threads: see <taskq/store.h>; the functions here that take a path may run beside a server that uses the same file.
 */
#ifndef TASKQ_SQLITE_H
#define TASKQ_SQLITE_H

#include <taskq/alloc.h>
#include <taskq/store.h>

TASKQ_BEGIN_DECLS

struct sqlite3;

typedef enum taskq_durability {
    TASKQ_DURABILITY_FULL = 0, /**< what is acknowledged is on disk and outlives a power cut */
    TASKQ_DURABILITY_RELAXED =
        1 /**< what is acknowledged outlives a crash of the process; a power cut may take the last seconds */
} taskq_durability;

typedef struct taskq_sqlite_options {
    size_t struct_size;
    const char *path; /**< the file; made where it is not there. ":memory:" for a store that ends with the process */
    taskq_durability durability;
    const char *table_prefix; /**< before every table's name, letters, digits and _, 32 at most; NULL: "taskq_" */
    struct sqlite3 *connection; /**< the host's own connection to `path`, in WAL mode, used by nobody else while the store is
                                     open; borrowed, not closed. NULL: the store opens its own */
    uint32_t reader_count;      /**< reading connections, 1 to 64; 0: 4 */
    taskq_allocator allocator; /**< zeroed: the C library's; SQLite has its own (see <taskq/alloc.h>) */
} taskq_sqlite_options;
#define TASKQ_SQLITE_OPTIONS_INIT                                                                      \
    {                                                                                                  \
        sizeof(taskq_sqlite_options), NULL, TASKQ_DURABILITY_FULL, NULL, NULL, 0, TASKQ_ALLOCATOR_INIT \
    }

/** Open or make the store; an older schema is migrated.
 * EBUSY: another server has it open; EINVAL: an option, or the file is no database of ours, or its schema is newer than this
 * library (the text says which versions); EUNAVAIL: cannot be opened or is full; ESTORE: damaged. */
TASKQ_API taskq_status taskq_sqlite_open(const taskq_sqlite_options *options, taskq_store **out, taskq_error *err);

/** Copy the store at options->path to `to` while a server may be using it; see taskq_store_backup. ENOTFOUND: there is none. */
TASKQ_API taskq_status taskq_sqlite_backup(const taskq_sqlite_options *options, const char *to,
                                           taskq_progress_fn *progress, void *user, taskq_error *err);

/** Look at the store at options->path without changing it: can it be read, is the schema ours and of which version, is the file
 * sound? OK with a sentence for the operator in `summary` (summary_bytes long, cut); ENOTFOUND: there is none yet (it would be
 * made); EINVAL, ESTORE: what is wrong, in err. */
TASKQ_API taskq_status taskq_sqlite_check(const taskq_sqlite_options *options, char *summary, size_t summary_bytes,
                                          taskq_error *err);

TASKQ_END_DECLS

#endif
