/* SPDX-License-Identifier: MIT */
/*
 * Round trips. libpq's pipeline mode wants its answers taken in one exact order, with NULLs and a sync between them, and an
 * error makes the rest of the round trip void; all of that ends here, so that those above see one answer a statement, and
 * after a failure a session that is either clean or closed.
 */
#include "store/postgres/session_inner.h"

#include "core/alloc.h"
#include "core/fail.h"
#include "store/postgres/fault.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

/* ---- making and ending ---------------------------------------------------------------------------------------------- */

taskq__pg_session *taskq__pg_session_new(const taskq__pg_session_options *options)
{
    taskq__pg_session *session = taskq__alloc(options->allocator, sizeof(*session));
    if (session != NULL) {
        session->options = *options;
        if (options->allocator != NULL) {
            session->allocator = *options->allocator;
        }
        session->options.allocator = &session->allocator;
        if (session->options.connect_ms == 0) {
            session->options.connect_ms = TASKQ__PG_CONNECT_MS;
        }
        if (session->options.answer_ms == 0) {
            session->options.answer_ms = TASKQ__PG_ANSWER_MS;
        }
        session->until_ms = INT64_MAX;
        session->retry_ms = TASKQ__PG_RETRY_MS_MIN;
        taskq__rng_init(&session->rng, 0);
    }
    return session;
}

taskq_status taskq__pg_session_make(const taskq__pg_session_options *options, taskq__pg_session **out, taskq_error *err)
{
    char *text = NULL;
    PQconninfoOption *given = PQconninfoParse(options->conninfo, &text);
    if (given == NULL) {
        taskq_status status = text == NULL ? taskq__fail_memory(err)
                                           : taskq__fail(err, TASKQ_EINVAL, "the connection string: %.*s",
                                                         (int)strcspn(text, "\n"), text);
        PQfreemem(text);
        return status;
    }
    PQconninfoFree(given);
    taskq__pg_session *session = taskq__pg_session_new(options);
    if (session == NULL) {
        return taskq__fail_memory(err);
    }
    *out = session;
    return TASKQ_OK;
}

void taskq__pg_session_reset(taskq__pg_session *session)
{
    memset(session->prepared, 0, sizeof(session->prepared));
    session->head = session->count = 0;
    session->synced = false;
    session->deadline_ms = 0;
    session->failure = (taskq_error)TASKQ_ERROR_INIT;
    session->sqlstate[0] = '\0';
}

void taskq__pg_session_drop(taskq__pg_session *session)
{
    if (session->conn != NULL && session->adopted) {
        taskq__pg_session_hand_back(session);
    } else {
        PQfinish(session->conn); /* does not block: the farewell goes out if there is room */
    }
    session->conn = NULL;
    taskq__pg_session_reset(session);
}

void taskq__pg_session_free(taskq__pg_session *session)
{
    if (session == NULL) {
        return;
    }
    taskq__pg_session_drop(session);
    for (int i = 0; i < TASKQ__PG_SQL_COUNT; i++) {
        taskq__free(&session->allocator, session->texts[i]);
    }
    taskq_allocator allocator = session->allocator;
    taskq__free(&allocator, session->entries);
    taskq__free(&allocator, session);
}

/* ---- being connected -------------------------------------------------------------------------------------------------- */

bool taskq__pg_session_is_open(const taskq__pg_session *session)
{
    return session->conn != NULL;
}

bool taskq__pg_session_was_refused(const taskq__pg_session *session)
{
    return session->was_refused;
}

uint64_t taskq__pg_session_generation(const taskq__pg_session *session)
{
    return session->generation;
}

int taskq__pg_session_fd(const taskq__pg_session *session)
{
    return session->conn == NULL ? -1 : PQsocket(session->conn);
}

PGconn *taskq__pg_session_conn(taskq__pg_session *session)
{
    return session->conn;
}

int64_t taskq__pg_session_retry_ms(taskq__pg_session *session)
{
    int64_t left = session->conn != NULL ? 0 : session->retry_at_ms - taskq__pg_now_ms();
    return left > 0 ? left : 0;
}

void taskq__pg_session_until(taskq__pg_session *session, int64_t until_ms)
{
    session->until_ms = until_ms;
}

int64_t taskq__pg_session_deadline(const taskq__pg_session *session, int64_t in_ms)
{
    int64_t at_ms = taskq__pg_now_ms() + in_ms;
    return at_ms < session->until_ms ? at_ms : session->until_ms;
}

/* ---- sending ------------------------------------------------------------------------------------------------------------ */

static bool push(taskq__pg_session *session, taskq__pg_entry entry)
{
    if (session->count == session->room) {
        uint32_t room = session->room == 0 ? 32 : session->room * 2;
        taskq__pg_entry *entries = taskq__resize(&session->allocator, session->entries, room * sizeof(*entries));
        if (entries == NULL) {
            taskq__fail_memory(&session->failure);
            return false;
        }
        session->entries = entries;
        session->room = room;
    }
    session->entries[session->count++] = entry;
    return true;
}

static void fail_sending(taskq__pg_session *session, const char *doing)
{
    taskq__pg_fail_libpq(&session->failure, doing, PQerrorMessage(session->conn));
}

static const char *text_of(taskq__pg_session *session, taskq__pg_sql which)
{
    if (session->texts[which] == NULL) {
        session->texts[which] =
            taskq__pg_sql_expand(taskq__pg_sql_at(which)->text, session->options.schema, &session->allocator);
        if (session->texts[which] == NULL) {
            taskq__fail_memory(&session->failure);
        }
    }
    return session->texts[which];
}

static bool can_send(taskq__pg_session *session)
{
    if (session->failure.status != TASKQ_OK) {
        return false;
    }
    if (session->conn == NULL) {
        taskq__fail(&session->failure, TASKQ_EUNAVAIL, "there is no connection to PostgreSQL");
        return false;
    }
    assert(session->deadline_ms == 0);
    return true;
}

/* The values as libpq takes them. */
typedef struct bound {
    int count;
    const char *values[TASKQ__PG_PARAMS_MAX];
    int lengths[TASKQ__PG_PARAMS_MAX];
    int formats[TASKQ__PG_PARAMS_MAX];
} bound;

static void bind(const taskq__pg_params *params, bound *out)
{
    out->count = params == NULL ? 0 : params->count;
    for (int i = 0; i < out->count; i++) {
        const taskq__pg_column *column = &params->columns[i];
        out->values[i] = column->bytes != NULL ? column->bytes : params->values[i];
        out->lengths[i] = column->bytes != NULL ? (int)column->size : params->lengths[i];
        out->formats[i] = 1;
    }
}

static void send_unprepared(taskq__pg_session *session, taskq__pg_entry entry, const char *text, const bound *values)
{
    if (PQsendQueryParams(session->conn, text, values->count, NULL, values->values, values->lengths, values->formats,
                          1) != 1) {
        fail_sending(session, entry.doing);
    } else {
        (void)push(session, entry);
    }
}

static void send_prepared(taskq__pg_session *session, taskq__pg_entry entry, const char *text, const bound *values)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "taskq_%s", entry.doing);
    if (!session->prepared[entry.which]) {
        if (PQsendPrepare(session->conn, name, text, 0, NULL) != 1) {
            fail_sending(session, entry.doing);
            return;
        }
        session->prepared[entry.which] = true;
        if (!push(session, (taskq__pg_entry){entry.doing, entry.which, true, true})) {
            return;
        }
    }
    if (PQsendQueryPrepared(session->conn, name, values->count, values->values, values->lengths, values->formats, 1) !=
        1) {
        fail_sending(session, entry.doing);
    } else {
        (void)push(session, entry);
    }
}

/* Behind a pooler what is set ends with the transaction. */
static void send_local_settings(taskq__pg_session *session)
{
    static const char for_transaction[] = {0, 0, 0, 0, 0, 0, 0, 1};
    const bound values = {1, {for_transaction}, {8}, {1}};
    const char *text = text_of(session, TASKQ__PG_SQL_SETTINGS);
    if (text != NULL) {
        send_unprepared(session, (taskq__pg_entry){"settings", TASKQ__PG_SQL_SETTINGS, true, false}, text, &values);
    }
}

void taskq__pg_session_send(taskq__pg_session *session, taskq__pg_sql which, const taskq__pg_params *params)
{
    if (!can_send(session)) {
        return;
    }
    if (params != NULL && params->failed) {
        taskq__fail_memory(&session->failure);
        return;
    }
    const char *text = text_of(session, which);
    if (text == NULL) {
        return;
    }
    bound values;
    bind(params, &values);
    const taskq__pg_entry entry = {taskq__pg_sql_at(which)->name, (int)which, false, false};
    if (session->options.pooled || which == TASKQ__PG_SQL_SETTINGS) {
        send_unprepared(session, entry, text, &values);
        if (!session->adopted && (which == TASKQ__PG_SQL_BEGIN || which == TASKQ__PG_SQL_BEGIN_READ)) {
            send_local_settings(session);
        }
    } else {
        send_prepared(session, entry, text, &values);
    }
}

void taskq__pg_session_send_text(taskq__pg_session *session, const char *text, const char *doing)
{
    if (!can_send(session)) {
        return;
    }
    const bound none = {.count = 0};
    send_unprepared(session, (taskq__pg_entry){doing, -1, false, false}, text, &none);
}

/* ---- answers ------------------------------------------------------------------------------------------------------------ */

/* The connection is of no use any more. */
static taskq_status lose(taskq__pg_session *session, const char *doing, const char *why, taskq_error *err)
{
    taskq_error reason = TASKQ_ERROR_INIT;
    taskq_status status = taskq__pg_fail_libpq(&reason, doing, why);
    if (err != NULL) {
        *err = reason;
    }
    taskq__pg_session_count_lost(session);
    taskq__pg_session_drop(session);
    taskq__pg_session_log_reach(session, false, &reason);
    return status;
}

taskq_status taskq__pg_session_sync(taskq__pg_session *session, taskq_error *err)
{
    if (session->failure.status != TASKQ_OK) {
        taskq_error failure = session->failure;
        if (session->conn != NULL && session->adopted) {
            taskq__pg_session_drain(session);
        } else if (session->conn != NULL) {
            taskq__pg_session_drop(session); /* part of what belongs together is on its way */
        }
        session->failure = (taskq_error)TASKQ_ERROR_INIT;
        return taskq__fail(err, failure.status, "%s", failure.text);
    }
    if (session->conn == NULL) {
        return taskq__fail(err, TASKQ_EUNAVAIL, "there is no connection to PostgreSQL");
    }
    session->deadline_ms = taskq__pg_session_deadline(session, session->options.answer_ms);
    session->was_refused = false;
    session->synced = true;
    if (PQpipelineSync(session->conn) != 1 || PQflush(session->conn) < 0) {
        return lose(session, "sending to PostgreSQL", PQerrorMessage(session->conn), err);
    }
    return TASKQ_OK; /* what did not go out at once goes while the answers are waited for */
}

/* The next result of libpq's, NULL included, not before it is there whole. */
static taskq_status await_result(taskq__pg_session *session, const char *doing, PGresult **out, taskq_error *err)
{
    while (PQisBusy(session->conn)) {
        int unsent = PQflush(session->conn);
        short events = (short)(unsent > 0 ? POLLIN | POLLOUT : POLLIN);
        int rc = taskq__pg_wait(PQsocket(session->conn), events, session->deadline_ms);
        if (rc <= 0) {
            return lose(session, doing, rc == 0 ? "no answer from PostgreSQL in time" : strerror(-rc), err);
        }
        /* Also where sending failed: the reason may stand in what the server said before it hung up. */
        if (PQconsumeInput(session->conn) != 1 || (unsent < 0 && (rc & POLLIN) == 0)) {
            return lose(session, doing, PQerrorMessage(session->conn), err);
        }
    }
    *out = PQgetResult(session->conn);
    return TASKQ_OK;
}

/* The result of the entry at the head, and the NULL behind it. */
static taskq_status take_result(taskq__pg_session *session, PGresult **out, taskq_error *err)
{
    const char *doing = session->entries[session->count - 1].doing; /* answers come together, after the last one */
    PGresult *result = NULL, *more = NULL;
    taskq_status status = await_result(session, doing, &result, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (result == NULL) {
        return lose(session, doing, PQerrorMessage(session->conn), err);
    }
    for (;;) {
        status = await_result(session, doing, &more, err);
        if (status != TASKQ_OK) {
            PQclear(result);
            return status;
        }
        if (more == NULL) {
            break;
        }
        PQclear(more);
    }
    session->head++;
    *out = result;
    return TASKQ_OK;
}

static taskq_status take_sync(taskq__pg_session *session, taskq_error *err)
{
    PGresult *result = NULL;
    taskq_status status = await_result(session, "ending a round trip", &result, err);
    if (status != TASKQ_OK) {
        return status;
    }
    ExecStatusType kind = PQresultStatus(result);
    PQclear(result);
    if (kind != PGRES_PIPELINE_SYNC) {
        return lose(session, "ending a round trip", PQerrorMessage(session->conn), err);
    }
    session->head = session->count = 0;
    session->synced = false;
    session->deadline_ms = 0;
    return TASKQ_OK;
}

/* After a failure: everything to the sync, of which nothing was executed. */
static void eat(taskq__pg_session *session)
{
    while (session->conn != NULL && session->head < session->count) {
        const taskq__pg_entry entry = session->entries[session->head];
        PGresult *result = NULL;
        if (take_result(session, &result, NULL) != TASKQ_OK) {
            return;
        }
        if (entry.prepares && PQresultStatus(result) != PGRES_COMMAND_OK) {
            session->prepared[entry.which] = false;
        }
        PQclear(result);
    }
    if (session->conn != NULL) {
        (void)take_sync(session, NULL);
    }
}

/* Whether another connection may do better: the server is going, or has changed under what is prepared. What it is short of, and what is
 * forbidden, it is on every connection. */
static bool is_of_connection(taskq_status status, const char *sqlstate)
{
    return status == TASKQ_EUNAVAIL &&
           (sqlstate == NULL || (strncmp(sqlstate, "53", 2) != 0 && strcmp(sqlstate, "42501") != 0));
}

static taskq_status refused(taskq__pg_session *session, taskq__pg_entry entry, PGresult *result, taskq_error *err)
{
    if (PQstatus(session->conn) != CONNECTION_OK) {
        taskq_error reason = TASKQ_ERROR_INIT;
        taskq_status status = taskq__pg_fault(result, entry.doing, &reason);
        PQclear(result);
        (void)status;
        taskq__pg_session_count_lost(session);
        taskq__pg_session_drop(session);
        taskq__pg_session_log_reach(session, false, &reason);
        return taskq__fail(err, TASKQ_EUNAVAIL, "%s", reason.text);
    }
    taskq_status status = taskq__pg_fault(result, entry.doing, err);
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    session->was_refused =
        severity != NULL && strcmp(severity, "ERROR") == 0; /* FATAL comes in the midst of COMMIT, too */
    bool drops = !session->adopted && is_of_connection(status, sqlstate);
    (void)snprintf(session->sqlstate, sizeof(session->sqlstate), "%s", sqlstate == NULL ? "" : sqlstate);
    PQclear(result);
    if (entry.prepares) {
        session->prepared[entry.which] = false;
    }
    if (drops) {
        taskq__pg_session_drop(session);
    } else {
        eat(session);
    }
    return status;
}

taskq_status taskq__pg_session_next(taskq__pg_session *session, PGresult **out, taskq_error *err)
{
    if (session->conn == NULL) {
        return taskq__fail(err, TASKQ_EUNAVAIL, "there is no connection to PostgreSQL");
    }
    for (;;) {
        assert(session->head < session->count && session->synced);
        const taskq__pg_entry entry = session->entries[session->head];
        PGresult *result = NULL;
        taskq_status status = take_result(session, &result, err);
        if (status != TASKQ_OK) {
            return status;
        }
        ExecStatusType kind = PQresultStatus(result);
        if (kind != PGRES_COMMAND_OK && kind != PGRES_TUPLES_OK) {
            return refused(session, entry, result, err);
        }
        if (!entry.ours) {
            *out = result;
            return TASKQ_OK;
        }
        PQclear(result);
    }
}

taskq_status taskq__pg_session_skip(taskq__pg_session *session, taskq_error *err)
{
    PGresult *result = NULL;
    taskq_status status = taskq__pg_session_next(session, &result, err);
    if (status == TASKQ_OK) {
        PQclear(result);
    }
    return status;
}

taskq_status taskq__pg_session_end(taskq__pg_session *session, taskq_error *err)
{
    if (session->conn == NULL) {
        return taskq__fail(err, TASKQ_EUNAVAIL, "there is no connection to PostgreSQL");
    }
    while (session->head < session->count) {
        if (session->entries[session->count - 1].ours && session->head + 1 == session->count) {
            break; /* settings alone after the last BEGIN: eaten below */
        }
        taskq_status status = taskq__pg_session_skip(session, err);
        if (status != TASKQ_OK) {
            return status;
        }
    }
    if (session->head < session->count) {
        eat(session);
        return session->conn == NULL ? taskq__fail(err, TASKQ_EUNAVAIL, "the connection is lost") : TASKQ_OK;
    }
    return take_sync(session, err);
}

void taskq__pg_session_rollback(taskq__pg_session *session)
{
    if (session->conn != NULL && (session->synced || session->count > 0)) {
        if (!session->synced) {
            (void)taskq__pg_session_sync(session, NULL);
        }
        if (session->conn != NULL) {
            eat(session);
        }
    }
    if (session->conn == NULL || PQtransactionStatus(session->conn) == PQTRANS_IDLE) {
        return;
    }
    taskq__pg_session_send(session, TASKQ__PG_SQL_ROLLBACK, NULL);
    taskq_status status = taskq__pg_session_sync(session, NULL);
    if (status == TASKQ_OK) {
        status = taskq__pg_session_skip(session, NULL);
    }
    if (status == TASKQ_OK) {
        status = taskq__pg_session_end(session, NULL);
    }
    if (status != TASKQ_OK || (session->conn != NULL && PQtransactionStatus(session->conn) != PQTRANS_IDLE)) {
        taskq__pg_session_drop(session);
    }
}
