/* SPDX-License-Identifier: MIT */
/*
 * Connecting without ever being held: one host that swallows packets must not use up the time of the others, so hosts are
 * tried in turn, each with its share of what is left and not longer than its connect_timeout (which libpq heeds only where it
 * may block). Only the resolver is beyond reach: it is the C library's and blocks. A connection that is there is set up at once.
 */
#include "store/postgres/hosts.h"
#include "store/postgres/session_inner.h"

#include "core/fail.h"
#include "core/log.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { WAIT_MS_MAX = 3600000 };

int64_t taskq__pg_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int taskq__pg_wait(int fd, short events, int64_t deadline_ms)
{
    for (;;) {
        int64_t left = deadline_ms - taskq__pg_now_ms();
        struct pollfd one = {.fd = fd, .events = events};
        int rc = poll(&one, 1, left > WAIT_MS_MAX ? WAIT_MS_MAX : left > 0 ? (int)left : 0);
        if (rc > 0) {
            return one.revents;
        }
        if (rc == 0 && deadline_ms <= taskq__pg_now_ms()) {
            return 0;
        }
        if (rc < 0 && errno != EINTR) {
            return -errno;
        }
    }
}

taskq_status taskq__pg_fail_libpq(taskq_error *err, const char *doing, const char *text)
{
    char line[TASKQ_ERROR_TEXT_MAX];
    size_t size = strnlen(text, sizeof(line) - 1);
    memcpy(line, text, size);
    while (size > 0 && (line[size - 1] == '\n' || line[size - 1] == ' ')) {
        size--;
    }
    line[size] = '\0';
    for (size_t i = 0; i < size; i++) {
        line[i] = (char)(line[i] == '\n' || line[i] == '\t' ? ' ' : line[i]);
    }
    return taskq__fail(err, TASKQ_EUNAVAIL, "%s: %s", doing, size == 0 ? "the connection is lost" : line);
}

/* libpq would print them. */
static void ignore_notice(void *user, const PGresult *result)
{
    (void)user;
    (void)result;
}

static taskq_status await_connection(PGconn *conn, int64_t deadline_ms, taskq_error *err)
{
    PostgresPollingStatusType want = PGRES_POLLING_WRITING;
    while (want != PGRES_POLLING_OK) {
        if (want == PGRES_POLLING_FAILED || PQstatus(conn) == CONNECTION_BAD) {
            return taskq__pg_fail_libpq(err, "connecting to PostgreSQL", PQerrorMessage(conn));
        }
        int rc = taskq__pg_wait(PQsocket(conn), want == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ms);
        if (rc == 0) {
            const char *host = PQhost(conn);
            return taskq__fail(err, TASKQ_EUNAVAIL, "connecting to PostgreSQL: no answer from %s in time",
                               host == NULL || host[0] == '\0' ? "the server" : host);
        }
        if (rc < 0) {
            return taskq__fail(err, TASKQ_EUNAVAIL, "connecting to PostgreSQL: %s", strerror(-rc));
        }
        want = PQconnectPoll(conn);
    }
    return TASKQ_OK;
}

/* ---- hosts in turn --------------------------------------------------------------------------------------------------- */

static taskq_status connect_host(taskq__pg_session *session, const taskq__pg_hosts *all, uint32_t index,
                                 const char *attributes, int64_t deadline_ms, taskq_error *err)
{
    taskq__pg_host one;
    taskq_status status = taskq__pg_hosts_at(all, index, &one, err);
    if (status != TASKQ_OK) {
        return status;
    }
    /* What is after dbname overrides what is in the string, what is before it gives way. */
    const char *keywords[] = {"fallback_application_name",
                              "keepalives_idle",
                              "keepalives_interval",
                              "keepalives_count",
                              "dbname",
                              "client_encoding",
                              "target_session_attrs",
                              NULL,
                              NULL,
                              NULL,
                              NULL};
    const char *values[] = {
        session->options.role, "30", "10", "3", session->options.conninfo, "UTF8", attributes, NULL, NULL, NULL, NULL};
    if (all->count > 1) {
        int at = 7;
        const char *own[][2] = {{"host", one.name}, {"hostaddr", one.address}, {"port", one.port}};
        for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
            if (own[i][1][0] != '\0') {
                keywords[at] = own[i][0];
                values[at++] = own[i][1];
            }
        }
    }
    PGconn *conn = PQconnectStartParams(keywords, values, 1);
    if (conn == NULL) {
        return taskq__fail_memory(err);
    }
    PQsetNoticeReceiver(conn, ignore_notice, NULL);
    status = await_connection(conn, deadline_ms, err);
    if (status != TASKQ_OK) {
        PQfinish(conn);
        return status;
    }
    session->conn = conn;
    return TASKQ_OK;
}

static taskq_status connect_any(taskq__pg_session *session, const taskq__pg_hosts *all, const char *attributes,
                                int64_t deadline_ms, taskq_error *err)
{
    taskq_status status = TASKQ_EUNAVAIL;
    for (uint32_t i = 0; i < all->count && session->conn == NULL; i++) {
        int64_t now = taskq__pg_now_ms();
        int64_t share = deadline_ms > now ? (deadline_ms - now) / (all->count - i) : 0;
        if (all->timeout_ms > 0 && all->timeout_ms < share) {
            share = all->timeout_ms;
        }
        status = connect_host(session, all, i, attributes, now + share, err);
    }
    return status;
}

/* ---- set up ------------------------------------------------------------------------------------------------------------ */

static taskq_status check_server(PGconn *conn, taskq_error *err)
{
    const char *encoding = PQparameterStatus(conn, "server_encoding");
    if (PQserverVersion(conn) < TASKQ__PG_VERSION_MIN) {
        return taskq__fail(err, TASKQ_EINVAL, "PostgreSQL %d is too old: %d at least", PQserverVersion(conn) / 10000,
                           TASKQ__PG_VERSION_MIN / 10000);
    }
    if (encoding != NULL && strcmp(encoding, "UTF8") != 0) {
        return taskq__fail(err, TASKQ_EINVAL, "the database's encoding is %s: it must be UTF8", encoding);
    }
    return TASKQ_OK;
}

static taskq_status set_up(taskq__pg_session *session, taskq_error *err)
{
    taskq_status status = check_server(session->conn, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (PQsetnonblocking(session->conn, 1) != 0 || PQenterPipelineMode(session->conn) != 1) {
        return taskq__pg_fail_libpq(err, "setting up the connection", PQerrorMessage(session->conn));
    }
    if (session->options.pooled) {
        return TASKQ_OK; /* another transaction may run in another session: each sets up its own */
    }
    static const char for_session[] = {0, 0, 0, 0, 0, 0, 0, 0};
    taskq__pg_params params = {.count = 1, .values = {for_session}, .lengths = {8}};
    taskq__pg_session_send(session, TASKQ__PG_SQL_SETTINGS, &params);
    status = taskq__pg_session_sync(session, err);
    if (status == TASKQ_OK) {
        status = taskq__pg_session_skip(session, err);
    }
    return status == TASKQ_OK ? taskq__pg_session_end(session, err) : status;
}

taskq_status taskq__pg_connect(taskq__pg_session *session, int64_t deadline_ms, taskq_error *err)
{
    taskq__pg_hosts all;
    taskq_status status = taskq__pg_hosts_find(session->options.conninfo, &all, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (all.attributes != NULL && strcmp(all.attributes, "prefer-standby") == 0) {
        /* The preference is for one among all, and libpq sees one of them at a time. */
        int64_t now = taskq__pg_now_ms();
        status = connect_any(session, &all, "standby", now + (deadline_ms - now) / 2, err);
        if (status != TASKQ_OK) {
            status = connect_any(session, &all, "any", deadline_ms, err);
        }
    } else {
        status = connect_any(session, &all, all.attributes == NULL ? "read-write" : all.attributes, deadline_ms, err);
    }
    taskq__pg_hosts_clear(&all);
    if (status == TASKQ_OK) {
        status = set_up(session, err);
        if (status != TASKQ_OK) {
            taskq__pg_session_drop(session);
        }
    }
    return status;
}

/* ---- staying connected ------------------------------------------------------------------------------------------------- */

/* A server that went away while nobody used the connection has left its farewell in the socket. */
static bool still_there(taskq__pg_session *session)
{
    enum { LOOKS_MAX = 4 };
    for (int i = 0; i < LOOKS_MAX; i++) {
        struct pollfd one = {.fd = PQsocket(session->conn), .events = POLLIN};
        if (PQstatus(session->conn) != CONNECTION_OK || one.fd < 0) {
            return false;
        }
        if (poll(&one, 1, 0) <= 0) {
            return true;
        }
        if (PQconsumeInput(session->conn) != 1) {
            return false;
        }
    }
    return true;
}

void taskq__pg_session_count_lost(taskq__pg_session *session)
{
    if (session->options.lost != NULL) {
        atomic_fetch_add(session->options.lost, 1);
    }
}

void taskq__pg_session_log_reach(taskq__pg_session *session, bool reached, const taskq_error *reason)
{
    const taskq_log_field fields[] = {{"connection", session->options.role, 0},
                                      {"reason", reason == NULL ? "" : reason->text, 0}};
    /* One that never was there was not lost: whoever opens learns why not, and decides. */
    if (session->options.log == NULL || session->told == !reached || (!reached && session->generation == 0)) {
        return;
    }
    session->told = !reached;
    if (reached) {
        taskq__log(session->options.log, TASKQ_LOG_INFO, "store", "connected to PostgreSQL again", fields, 1);
    } else {
        taskq__log(session->options.log, TASKQ_LOG_WARN, "store",
                   "PostgreSQL is out of reach; connecting is tried again", fields, 2);
    }
}

taskq_status taskq__pg_session_ready(taskq__pg_session *session, taskq_error *err)
{
    if (session->conn != NULL && (session->adopted || still_there(session))) {
        return TASKQ_OK;
    }
    if (session->conn != NULL) {
        taskq__pg_session_count_lost(session);
        taskq__pg_session_drop(session);
    }
    if (session->adopted) {
        return taskq__fail(err, TASKQ_EUNAVAIL, "the connection is lost");
    }
    if (session->retry_at_ms > taskq__pg_now_ms()) {
        return taskq__fail(err, session->last_failure.status, "%s", session->last_failure.text);
    }
    taskq_error reason = TASKQ_ERROR_INIT;
    taskq_status status =
        taskq__pg_connect(session, taskq__pg_session_deadline(session, session->options.connect_ms), &reason);
    if (status != TASKQ_OK) {
        session->last_failure = reason;
        session->retry_at_ms = taskq__pg_now_ms() + session->retry_ms / 2 +
                               (int64_t)taskq__rng_below(&session->rng, (uint64_t)session->retry_ms);
        session->retry_ms =
            session->retry_ms * 2 < TASKQ__PG_RETRY_MS_MAX ? session->retry_ms * 2 : TASKQ__PG_RETRY_MS_MAX;
        taskq__pg_session_log_reach(session, false, &reason);
        return taskq__fail(err, status, "%s", reason.text);
    }
    session->generation++;
    session->retry_ms = TASKQ__PG_RETRY_MS_MIN;
    session->retry_at_ms = 0;
    taskq__pg_session_log_reach(session, true, NULL);
    return TASKQ_OK;
}
