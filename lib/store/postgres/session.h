/* SPDX-License-Identifier: MIT */
/* One connection to PostgreSQL, in pipeline mode, on which every wait has a deadline: one leader waits for all, so a server
 * that is silent must never hold it longer than it said. One thread at a time.
 *
 * A round trip: send ..., sync, next (or skip) once for each statement that was sent, end. */
#ifndef TASKQ_STORE_POSTGRES_SESSION_H
#define TASKQ_STORE_POSTGRES_SESSION_H

#include <taskq/alloc.h>
#include <taskq/log.h>
#include <taskq/status.h>

#include <stdatomic.h>

#include "store/postgres/sql.h"
#include "store/postgres/values.h"

enum {
    TASKQ__PG_CONNECT_MS = 5000, /* to make a connection */
    TASKQ__PG_ANSWER_MS = 10000, /* for an answer; the server gives up on a lock or a statement before */
    TASKQ__PG_LOCK_MS = 1000,
    TASKQ__PG_STATEMENT_MS = 8000,
    TASKQ__PG_IDLE_MS = 15000,   /* a transaction in which nothing happens: its server is gone */
    TASKQ__PG_RETRY_MS_MIN = 50, /* between two attempts to connect: doubled, with jitter */
    TASKQ__PG_RETRY_MS_MAX = 2000,
    TASKQ__PG_VERSION_MIN = 130000
};

typedef struct taskq__pg_session taskq__pg_session;

typedef struct taskq__pg_session_options {
    const char *conninfo;          /* as libpq takes it, several hosts too */
    const char *schema;            /* checked: letters, digits, _ */
    const char *role;              /* for application_name and the log: "taskq commit", "taskq read", "taskq notify" */
    bool pooled;                   /* a pooler in transaction mode stands between: nothing is kept in the session */
    const taskq_log *log;          /* NULL: nowhere */
    atomic_uint_fast64_t *lost;    /* NULL: not counted. Connections that were lost */
    int64_t connect_ms, answer_ms; /* 0: TASKQ__PG_CONNECT_MS, TASKQ__PG_ANSWER_MS */
    const taskq_allocator *allocator;
} taskq__pg_session_options;

/* Makes no connection yet. The options' strings are borrowed as long as the session lives. EINVAL: no connection string. */
taskq_status taskq__pg_session_make(const taskq__pg_session_options *options, taskq__pg_session **out, taskq_error *err);
/* A session on the host's own connection, for the time of one call: nothing is prepared or set on it, it is never closed, waits have no
 * deadline but the host's, and free hands it back as it was. EINVAL: it is not idle between two statements, or in pipeline mode. */
taskq_status taskq__pg_session_adopt(PGconn *host, const char *schema, const taskq_allocator *allocator,
                                     taskq__pg_session **out, taskq_error *err);
void taskq__pg_session_free(taskq__pg_session *session); /* NULL is fine */
/* Adopted and open, in a transaction: take back what was done since TASKQ__PG_SQL_HOST_SAVE, whatever is under way. */
taskq_status taskq__pg_session_take_back(taskq__pg_session *session, taskq_error *err);
/* The last round trip ended with a statement that PostgreSQL refused, so its transaction does not hold; the connection may be closed by now. */
bool taskq__pg_session_was_refused(const taskq__pg_session *session);
/* PostgreSQL's code of the statement that was last refused; "": none. */
const char *taskq__pg_session_sqlstate(const taskq__pg_session *session);

/* Connected: nothing. Else connect and set up; while the distance from the last failed attempt is not over, EUNAVAIL at once with the
 * reason of that failure. EINVAL: what is there cannot be used (encoding, version). */
taskq_status taskq__pg_session_ready(taskq__pg_session *session, taskq_error *err);
bool taskq__pg_session_is_open(const taskq__pg_session *session);
/* Counts the connections made: what was cached per connection is void when it changes. */
uint64_t taskq__pg_session_generation(const taskq__pg_session *session);
int taskq__pg_session_fd(const taskq__pg_session *session);     /* -1: none */
PGconn *taskq__pg_session_conn(taskq__pg_session *session);     /* for notifications; NULL: none */
int64_t taskq__pg_session_retry_ms(taskq__pg_session *session); /* how long until connecting is tried again; 0: at once */

/* Whatever is waited for on it ends by then, connecting too; INT64_MAX: only by its own bounds. */
void taskq__pg_session_until(taskq__pg_session *session, int64_t until_ms);

/* Put a statement into the pipeline; it is prepared on first use (not where pooled). What the parameters point to is needed until it
 * returns. A failure sticks and comes out of the next sync. */
void taskq__pg_session_send(taskq__pg_session *session, taskq__pg_sql which, const taskq__pg_params *params);
/* The same for a text of one statement, without parameters, schema put in; `doing` is for errors and lives until it is answered. */
void taskq__pg_session_send_text(taskq__pg_session *session, const char *text, const char *doing);
/* The end of what is sent: from now on at most TASKQ__PG_ANSWER_MS for all its answers. Between two syncs, what was sent without BEGIN is
 * one transaction. Where it fails the connection is closed, and whether anything was executed is not known. */
taskq_status taskq__pg_session_sync(taskq__pg_session *session, taskq_error *err);
/* The answer to the next statement, in the order in which they were sent; to be cleared with PQclear. When one fails, the rest of the
 * round trip was not executed: its status comes (fault.h), and the session has eaten everything to the sync: begin anew, with
 * taskq__pg_session_rollback where a transaction was open. A lost or silent connection is closed, and EUNAVAIL. */
taskq_status taskq__pg_session_next(taskq__pg_session *session, PGresult **out, taskq_error *err);
/* The same where nothing but success is of interest. */
taskq_status taskq__pg_session_skip(taskq__pg_session *session, taskq_error *err);
/* After the last answer of a round trip; answers that nobody took are skipped. */
taskq_status taskq__pg_session_end(taskq__pg_session *session, taskq_error *err);
/* ROLLBACK where a transaction is open, answers that nobody took skipped; after this it is fit for the next transaction, or closed. */
void taskq__pg_session_rollback(taskq__pg_session *session);
void taskq__pg_session_drop(taskq__pg_session *session); /* close the connection: nothing on it is to be trusted */

int64_t taskq__pg_now_ms(void); /* monotonic */

#endif
