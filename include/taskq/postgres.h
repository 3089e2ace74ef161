/* SPDX-License-Identifier: MIT */
/*
 * The store in PostgreSQL, for where one machine is not enough: any number of schedulers, on any machines, over one database.
 *
 * The database's clock is the clock of all of them. Leases, reports and claims of different schedulers are settled by the
 * database's locks and each job's version; no scheduler knows of the others but through notifications, which only make waiting
 * shorter. Lost connections are made again; while there is none, calls fail with EUNAVAIL and nothing has happened.
 * What is acknowledged is as durable as the server's synchronous_commit says.
 * Threads: see <taskq/store.h>. Link taskq-postgres beside taskq or taskq-scheduler.
 */
#ifndef TASKQ_POSTGRES_H
#define TASKQ_POSTGRES_H

#include <taskq/alloc.h>
#include <taskq/log.h>
#include <taskq/store.h>

TASKQ_BEGIN_DECLS

/** Where the store is. */
typedef struct taskq_postgres_options {
    size_t struct_size;
    const char *conninfo; /**< "postgresql://..." or "host=... dbname=...", as libpq takes it, several hosts too; required */
    const char *
        schema; /**< letters, digits and _, beginning with a letter, 48 at most; made where it is not there; NULL: "taskq" */
    uint32_t reader_count; /**< connections for reads, 1 to 64; 0: 4. Two more: one commits, one has the notifications */
    bool pooled; /**< a pooler in transaction mode stands between (pgbouncer): nothing is prepared, notifications are not used, and a
                      job enqueued at another scheduler is found by looking again, about a second later at most */
    taskq_log log; /**< zeroed: nowhere. Lost and regained connections; who holds a snapshot so long that the tables grow */
    taskq_allocator allocator; /**< zeroed: libc's. libpq has its own */
} taskq_postgres_options;
#define TASKQ_POSTGRES_OPTIONS_INIT                                                                \
    {                                                                                              \
        sizeof(taskq_postgres_options), NULL, NULL, 0, false, {0, NULL, NULL, (taskq_log_level)0}, \
        {                                                                                          \
            NULL, NULL                                                                             \
        }                                                                                          \
    }

/** Connect, make or migrate the schema, open the store.
 * EINVAL: an option, or what is there is not ours or newer than this library, or may not be made by this role (the text says what to
 * do); EUNAVAIL: not reachable. */
TASKQ_API taskq_status taskq_postgres_open(const taskq_postgres_options *options, taskq_store **out, taskq_error *err);

/** Look at the store without changing it: can it be reached, is the schema there, ours and not newer than this library? OK with a sentence
 * for the operator in `summary` (summary_bytes long, cut); ENOTFOUND: there is no such schema yet (it would be made); EINVAL, EUNAVAIL:
 * what is wrong, in err. */
TASKQ_API taskq_status taskq_postgres_check(const taskq_postgres_options *options, char *summary, size_t summary_bytes,
                                            taskq_error *err);

/** The SQL that makes the schema, from version `from` (0: nothing there) to this library's, with what a role of lesser rights needs
 * to be granted, for those who run it by hand. Into `buffer`, always with an end; *needed (may be NULL): bytes with the end. ELIMIT: cut. */
TASKQ_API taskq_status taskq_postgres_schema(const char *schema, int from, char *buffer, size_t buffer_bytes,
                                             size_t *needed, taskq_error *err);

/** What it was built with, such as "libpq 15.12". Static. */
TASKQ_API const char *taskq_postgres_built_with(void);

TASKQ_END_DECLS

#endif
