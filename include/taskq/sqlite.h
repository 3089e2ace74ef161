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
#include <taskq/job.h>
#include <taskq/store.h>

TASKQ_BEGIN_DECLS

struct sqlite3;

/** What an answer means. */
typedef enum taskq_durability {
    TASKQ_DURABILITY_FULL = 0, /**< what is acknowledged is on disk and outlives a power cut */
    TASKQ_DURABILITY_RELAXED =
        1 /**< what is acknowledged outlives a crash of the process; a power cut may take the last seconds */
} taskq_durability;

/** Which file, and how it is used. */
typedef struct taskq_sqlite_options {
    size_t struct_size;
    const char *path; /**< the file; made where it is not there. ":memory:" for a store that ends with the process */
    taskq_durability durability; /**< what an answer means */
    const char *table_prefix;    /**< before every table's name, letters, digits and _, 32 at most; NULL: "taskq_" */
    struct sqlite3 *connection; /**< the host's own connection to `path`, in WAL mode, used by the host in a taskq_sqlite_begin
                                     alone while the store is open; borrowed, not closed. NULL: the store opens its own */
    uint32_t reader_count;     /**< reading connections, 1 to 64; 0: 4 */
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

/* ---- a transaction of the host's own: taskq_sqlite_begin has the rules ---------------------------------------------- */

/** Wait for the store and begin a transaction of the host's own, whose tables may live in the same file. Until it ends the host has the
 * store's one writing connection (`out`): what it writes there and the jobs that it enqueues or finishes with the functions below hold
 * together or not at all, also when the process is killed between any two steps. A scheduler has to be open on the store.
 *
 * Threads: any thread may begin; the same one ends it, and it alone uses the connection meanwhile. It calls nothing else that writes to
 * the scheduler (EINVAL). Other threads' calls wait, each for the scheduler's busy_after_ms at most (then EBUSY), held claims stay held,
 * reads go on and see what was committed before. So: be short, and wait for nobody. Closing the scheduler waits for the end; closed by
 * this very thread, it rolls back.
 *
 * The connection is the same each time while the store is open. The host may keep statements prepared on it, to be finalized before the
 * store is closed; it runs none outside of a transaction. BEGIN, COMMIT, ROLLBACK, ATTACH, a pragma that acts or sets, and writing to our
 * tables are refused there (SQLITE_AUTH, "not authorized"), for SQLite before 3.51.3 can damage a log that is checkpointed from two
 * sides, and jobs move by their own rules. Savepoints and reading our tables are allowed.
 *
 * The other direction, where the store was opened on options.connection: the same. It is the store's from opening to closing, its
 * authorizer and its WAL hook too, and the host uses it in such a transaction alone. Should the host have one open beside that, calls that
 * write get EBUSY until it has ended.
 *
 * What is refused (EINVAL, ENOMEM, EEXISTS, ENOTFOUND, ESTALE) leaves the transaction as it was, usable. Where a statement of an enqueue or
 * a report fails (EBUSY, EUNAVAIL, ESTORE), everything more is refused in the same words and it can only be rolled back, which
 * taskq_sqlite_commit does, too. After commit or rollback, whatever they say, it has ended.
 *
 * EBUSY: others had the store for busy_after_ms, or another process has the file locked; EINVAL: there is no scheduler, or this thread
 * has begun already; ECANCELED; EUNAVAIL; ESTORE. */
TASKQ_API taskq_status taskq_sqlite_begin(taskq_store *store, struct sqlite3 **out, taskq_error *err);

/** As taskq_scheduler_enqueue, in this thread's transaction. The jobs are there, and claims that wait are woken, once it is committed. */
TASKQ_API taskq_status taskq_sqlite_enqueue(taskq_store *store, const taskq_new_job *const *jobs, uint32_t count,
                                            const taskq_enqueue_options *options, taskq_jobs **out, uint32_t *made,
                                            taskq_error *err);

/** Report one ended attempt in this thread's transaction: with what the handler has written in it, the job's effect happens once.
 * The status is the report's, too. ENOTFOUND, ESTALE: the lease is lost, the job is another's; EEXISTS: this very report was
 * counted by an earlier transaction, its effect is there. In these three cases roll back. */
TASKQ_API taskq_status taskq_sqlite_complete(taskq_store *store, taskq_report *report, taskq_error *err);

/** All of it holds, on disk as options.durability says; or none of it does, and the status tells why. EINVAL: this thread has not
 * begun one, or it was ended by other means. */
TASKQ_API taskq_status taskq_sqlite_commit(taskq_store *store, taskq_error *err);

/** None of it holds. EINVAL: this thread has not begun one. */
TASKQ_API taskq_status taskq_sqlite_rollback(taskq_store *store, taskq_error *err);

/** Enqueue in a transaction that the host has opened (BEGIN IMMEDIATE) on a connection of its own, in another process than the one
 * whose scheduler has the store open. The host commits or rolls back by itself; the scheduler finds the jobs with its next sweep.
 * Two processes then write one file: both have to run on SQLite 3.51.3 or later, which is looked at each time. `store`: of the
 * options the path (any; the connection's file it is), table_prefix and allocator count.
 * EINVAL: an argument, an earlier SQLite here or there, no transaction is open, or the schema is another version's; ENOTFOUND: no
 * store is in the file; EEXISTS as ever. On EBUSY, EUNAVAIL or ESTORE nothing of this call was written, or SQLite has rolled back all
 * of the transaction (sqlite3_get_autocommit tells). */
TASKQ_API taskq_status taskq_sqlite_enqueue_beside(struct sqlite3 *connection, const taskq_sqlite_options *store,
                                                   const taskq_new_job *const *jobs, uint32_t count,
                                                   const taskq_enqueue_options *options, taskq_jobs **out,
                                                   uint32_t *made, taskq_error *err);

/** Look at the store at options->path without changing it: can it be read, is the schema ours and of which version, is the file
 * sound? OK with a sentence for the operator in `summary` (summary_bytes long, cut); ENOTFOUND: there is none yet (it would be
 * made); EINVAL, ESTORE: what is wrong, in err. */
TASKQ_API taskq_status taskq_sqlite_check(const taskq_sqlite_options *options, char *summary, size_t summary_bytes,
                                          taskq_error *err);

/** What it was built with, such as "SQLite 3.40.1". Static. */
TASKQ_API const char *taskq_sqlite_built_with(void);

TASKQ_END_DECLS

#endif
