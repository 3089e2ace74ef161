/* SPDX-License-Identifier: MIT */
/*
 * The host's own connection, borrowed for the time of one call. It goes back as it came, whatever happened: out of pipeline mode,
 * with nothing of ours to be read on it, nothing prepared, nothing set. How long a statement may take is the host's to say
 * (statement_timeout, lock_timeout): we wait on its connection as it would itself.
 */
#include "store/postgres/session_inner.h"

#include "core/fail.h"

/* Long enough to be no deadline. */
#define NO_DEADLINE_MS ((int64_t)1 << 40)

taskq_status taskq__pg_session_adopt(PGconn *host, const char *schema, const taskq_allocator *allocator,
                                     taskq__pg_session **out, taskq_error *err)
{
    if (PQstatus(host) != CONNECTION_OK || PQpipelineStatus(host) != PQ_PIPELINE_OFF ||
        (PQtransactionStatus(host) != PQTRANS_IDLE && PQtransactionStatus(host) != PQTRANS_INTRANS)) {
        return taskq__fail(err, TASKQ_EINVAL, "the connection is not open and between two statements");
    }
    const taskq__pg_session_options options = {.conninfo = "",
                                               .schema = schema,
                                               .role = "host",
                                               .pooled = true,
                                               .answer_ms = NO_DEADLINE_MS,
                                               .allocator = allocator};
    taskq__pg_session *session = taskq__pg_session_new(&options);
    if (session == NULL) {
        return taskq__fail_memory(err);
    }
    session->adopted = true;
    session->adopted_nonblocking = PQisnonblocking(host);
    session->conn = host;
    session->generation = 1;
    if (PQsetnonblocking(host, 1) != 0 || PQenterPipelineMode(host) != 1) {
        taskq_status status = taskq__pg_fail_libpq(err, "using the connection", PQerrorMessage(host));
        taskq__pg_session_free(session);
        return status;
    }
    *out = session;
    return TASKQ_OK;
}

void taskq__pg_session_drain(taskq__pg_session *session)
{
    PGconn *conn = session->conn;
    if (session->count > 0 || session->synced || session->failure.status != TASKQ_OK) {
        (void)PQsetnonblocking(conn, 0);
        bool ended = !session->synced && PQpipelineSync(conn) != 1;
        for (int nothing = 0; !ended && nothing < 2;) { /* one NULL ends a statement, two say that there is none */
            PGresult *result = PQgetResult(conn);
            nothing = result == NULL ? nothing + 1 : 0;
            ended = PQresultStatus(result) == PGRES_PIPELINE_SYNC || PQstatus(conn) != CONNECTION_OK;
            PQclear(result);
        }
        (void)PQsetnonblocking(conn, 1);
    }
    taskq__pg_session_reset(session);
}

void taskq__pg_session_hand_back(taskq__pg_session *session)
{
    taskq__pg_session_drain(session);
    (void)PQexitPipelineMode(session->conn);
    (void)PQsetnonblocking(session->conn, session->adopted_nonblocking);
}

/* Not by way of the session's own: where there is no memory for anything else, this is done nevertheless. */
taskq_status taskq__pg_session_take_back(taskq__pg_session *session, taskq_error *err)
{
    PGconn *conn = session->conn;
    taskq_status status = TASKQ_OK;
    taskq__pg_session_drain(session);
    (void)PQexitPipelineMode(conn);
    PGresult *result = PQexec(conn, "ROLLBACK TO SAVEPOINT taskq_host; RELEASE SAVEPOINT taskq_host");
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        taskq_error reason = TASKQ_ERROR_INIT;
        (void)taskq__pg_fail_libpq(&reason, "taking back", PQerrorMessage(conn));
        status = taskq__fail(err, TASKQ_EUNAVAIL, "the transaction can only be rolled back: %s", reason.text);
    }
    PQclear(result);
    (void)PQenterPipelineMode(conn);
    return status;
}

const char *taskq__pg_session_sqlstate(const taskq__pg_session *session)
{
    return session->sqlstate;
}
