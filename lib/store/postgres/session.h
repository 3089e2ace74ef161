/* SPDX-License-Identifier: MIT */
/* One connection to PostgreSQL, in pipeline mode, on which every wait has a deadline: one leader waits for all, so a server
 * that is silent must never hold it longer than it said. One thread at a time. */
#ifndef TASKQ_STORE_POSTGRES_SESSION_H
#define TASKQ_STORE_POSTGRES_SESSION_H

#include <taskq/alloc.h>
#include <taskq/log.h>
#include <taskq/status.h>

#include "store/postgres/sql.h"
#include "store/postgres/values.h"

enum {
    TASKQ__PG_CONNECT_MS = 5000, /* to make a connection */
    TASKQ__PG_ANSWER_MS = 10000, /* for an answer; the server gives up on a lock or a statement before */
    TASKQ__PG_LOCK_MS = 5000,
    TASKQ__PG_STATEMENT_MS = 8000,
    TASKQ__PG_RETRY_MS_MIN = 50, /* between two attempts to connect: doubled, with jitter */
    TASKQ__PG_RETRY_MS_MAX = 2000
};

typedef struct taskq__pg_session taskq__pg_session;

typedef struct taskq__pg_session_options {
    const char *conninfo; /* as libpq takes it, several hosts too */
    const char *schema;   /* checked: letters, digits, _ */
    const char *role;     /* for application_name: "taskq commit", "taskq read", "taskq notify" */
    bool pooled;          /* a pooler in transaction mode stands between: nothing is kept in the session */
    bool reads_only;      /* a connection for reads: any server that takes them */
    bool autocommit;      /* statements between two syncs are one implicit transaction: reads, LISTEN */
    const taskq_allocator *allocator;
} taskq__pg_session_options;

/* Makes no connection yet. The options' strings are borrowed as long as the session lives. */
taskq_status taskq__pg_session_make(const taskq__pg_session_options *options, taskq__pg_session **out, taskq_error *err);
/* A session on the host's own connection: never closed, never in pipeline mode when handed back, no deadline but libpq's own... */
taskq_status taskq__pg_session_adopt(PGconn *host, const char *schema, const taskq_allocator *allocator,
                                     taskq__pg_session **out, taskq_error *err);
void taskq__pg_session_free(taskq__pg_session *session); /* NULL is fine */

/* Connected: nothing. Else connect, set up, check the schema; while the distance from the last failed attempt is not over, EUNAVAIL at
 * once with the reason of that failure. EINVAL: what is there is not ours, or cannot be used (encoding, schema version). */
taskq_status taskq__pg_session_ready(taskq__pg_session *session, taskq_error *err);
bool taskq__pg_session_is_open(const taskq__pg_session *session);
uint64_t taskq__pg_session_generation(
    const taskq__pg_session *session); /* counts the connections made: what was cached per connection is void */
int taskq__pg_session_fd(const taskq__pg_session *session); /* -1: none */
PGconn *taskq__pg_session_conn(taskq__pg_session *session); /* for notifications */

/* Put a statement into the pipeline; it is prepared on first use (not where pooled). A failure sticks and comes out of the next sync. */
void taskq__pg_session_send(taskq__pg_session *session, taskq__pg_sql which, const taskq__pg_params *params);
/* The end of a round trip: flush, and from now on at most TASKQ__PG_ANSWER_MS for all its answers. Between two syncs: what was sent
 * without BEGIN is one transaction. */
taskq_status taskq__pg_session_sync(taskq__pg_session *session, taskq_error *err);
/* The answer to the next statement, in the order in which they were sent; to be cleared with PQclear. When one fails, the rest of the
 * round trip was not executed: its status comes (fault.h), and the session has eaten everything to the sync: begin anew, with ROLLBACK
 * where a transaction was open. A lost or silent connection is closed and EUNAVAIL. */
taskq_status taskq__pg_session_next(taskq__pg_session *session, PGresult **out, taskq_error *err);
/* The same where nothing but success is of interest. */
taskq_status taskq__pg_session_skip(taskq__pg_session *session, taskq_error *err);
/* After the last answer of a round trip. */
taskq_status taskq__pg_session_end(taskq__pg_session *session, taskq_error *err);
/* ROLLBACK, if the connection is still there; after this it is fit for the next transaction or closed. */
void taskq__pg_session_rollback(taskq__pg_session *session);
void taskq__pg_session_drop(taskq__pg_session *session); /* close the connection: nothing on it is to be trusted */

#endif
