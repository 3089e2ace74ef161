/* SPDX-License-Identifier: MIT */
/*
 * The store in PostgreSQL, for where one machine is not enough: any number of schedulers, on any machines, over one database.
 *
 * The database's clock is the clock of all of them. Leases, reports and claims of different schedulers are settled by the
 * database's locks and each job's version; no scheduler knows of the others but through notifications, which only make waiting
 * shorter. Lost connections are made again; while there is none, calls fail with EUNAVAIL and nothing has happened.
 * What is acknowledged is as durable as the server's synchronous_commit says.
 * Threads: see <taskq/store.h>. Link taskq-postgres beside taskq or taskq-scheduler; alone for transactions of your own.
 */
#ifndef TASKQ_POSTGRES_H
#define TASKQ_POSTGRES_H

#include <taskq/alloc.h>
#include <taskq/job.h>
#include <taskq/log.h>
#include <taskq/store.h>

TASKQ_BEGIN_DECLS

struct pg_conn;

/** Where the store is. */
typedef struct taskq_postgres_options {
    size_t struct_size;
    const char *conninfo; /**< "postgresql://..." or "host=... dbname=...", as libpq takes it, several hosts too; required */
    const char *
        schema; /**< letters, digits and _, beginning with a letter, 48 at most; made where it is not there; NULL: "taskq" */
    uint32_t reader_count; /**< connections for reads, 1 to 64; 0: 4. Three more: one commits, one has the notifications, one is asked
                            whether all is well */
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
 * EINVAL: an option, or what is there is not ours or newer than this library, or may not be made or used by this role (the text says what to
 * do); EUNAVAIL: not reachable. */
TASKQ_API taskq_status taskq_postgres_open(const taskq_postgres_options *options, taskq_store **out, taskq_error *err);

/** Look at the store without changing it: can it be reached, is the schema there, ours and not newer than this library, and may this role
 * do with it what a scheduler does? OK with a sentence for the operator in `summary` (summary_bytes long, cut); ENOTFOUND: there is no
 * such schema yet (it would be made); ESTORE: it holds half an import; EINVAL, EUNAVAIL: what is wrong, in err. */
TASKQ_API taskq_status taskq_postgres_check(const taskq_postgres_options *options, char *summary, size_t summary_bytes,
                                            taskq_error *err);

/** The SQL that makes the schema, from version `from` (0: nothing there) to this library's, and in comments what a role of lesser rights
 * needs to be granted, for a scheduler and besides for an import, for those who run it by hand. Into `buffer`, always with an end;
 * *needed (may be NULL): bytes with the end. ELIMIT: cut. */
TASKQ_API taskq_status taskq_postgres_schema(const char *schema, int from, char *buffer, size_t buffer_bytes,
                                             size_t *needed, taskq_error *err);

/* ---- a transaction of the host's own --------------------------------------------------------------------------------- */

/** As taskq_scheduler_enqueue, in the transaction that the host has opened (BEGIN) on its own connection, a PGconn: jobs and the host's
 * own rows hold together or not at all. The host commits or rolls back by itself. The jobs are there, and claims that wait at any
 * scheduler are woken, with the commit (where that one's store is pooled: within about a second). Neither a scheduler nor a store is needed in
 * this process, but the schema has to be there, made by one.
 *
 * `store`: of the options schema and allocator count; NULL: the defaults. The connection's role needs what taskq_postgres_schema grants.
 * The connection goes back as it came: nothing is prepared on it and nothing set, so a pooler in transaction mode may stand between. It is not in
 * pipeline mode, client_encoding is UTF8, and while the call lasts this thread has it alone. The call waits as a statement of the
 * host's would: statement_timeout and lock_timeout are the host's.
 *
 * All of it is done within a savepoint (taskq_host): whatever the status, but for a lost connection, the transaction stays usable, and
 * nothing of a call that has failed is in it. A unique_key or idempotency key that another open transaction has just taken is waited
 * for; so be short: from here to the commit others wait for these keys, and for a queue that is used for the first time.
 * At READ COMMITTED such a key is then found taken, as ever. At REPEATABLE READ or SERIALIZABLE keys are looked up as they were when
 * the transaction began, and one that was taken since is EBUSY. created_at and a run_at that is not given are the database's
 * clock at the call, not at the commit.
 *
 * Since it notifies, it cannot be ended by PREPARE TRANSACTION.
 *
 * EINVAL: an argument, no transaction is open or it has failed, the schema is of another version; ENOTFOUND: there is no such schema;
 * EEXISTS as ever; EBUSY: roll back, and begin anew; ESTORE: the schema holds half an import; EUNAVAIL: the connection is lost, or the
 * server refuses (the text says why). */
TASKQ_API taskq_status taskq_postgres_enqueue(struct pg_conn *connection, const taskq_postgres_options *store,
                                              const taskq_new_job *const *jobs, uint32_t count,
                                              const taskq_enqueue_options *options, taskq_jobs **out, uint32_t *made,
                                              taskq_error *err);

/** Report one ended attempt in the host's transaction: with what the handler has written in it, the job's effect happens once.
 * The rules are those of taskq_postgres_enqueue. The job's row is locked until the transaction ends, and heartbeats of the job wait for it:
 * so this comes last, right before the commit. Above READ COMMITTED a job that was heard of since the transaction's first statement is EBUSY.
 * The status is the report's, too. ENOTFOUND, ESTALE: the lease is lost, the job is another's; EEXISTS: this very report was
 * counted by an earlier transaction, its effect is there. In these three cases roll back. */
TASKQ_API taskq_status taskq_postgres_complete(struct pg_conn *connection, const taskq_postgres_options *store,
                                               taskq_report *report, taskq_error *err);

/** What it was built with, such as "libpq 15.12". Static. */
TASKQ_API const char *taskq_postgres_built_with(void);

TASKQ_END_DECLS

#endif
