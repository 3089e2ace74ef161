/* SPDX-License-Identifier: MIT */
/* A session's inside, shared by session.c (round trips) and session_connect.c (connecting) alone. */
#ifndef TASKQ_STORE_POSTGRES_SESSION_INNER_H
#define TASKQ_STORE_POSTGRES_SESSION_INNER_H

#include "store/postgres/session.h"

#include "core/rng.h"

/* What was sent and is to be answered. */
typedef struct taskq__pg_entry {
    const char *doing;
    int which; /* a taskq__pg_sql; -1: a text */
    bool ours; /* its answer is the session's alone */
    bool prepares;
} taskq__pg_entry;

struct taskq__pg_session {
    taskq__pg_session_options options;
    taskq_allocator allocator;
    PGconn *conn; /* NULL: none */
    bool adopted; /* the host's: not ours to close */
    int adopted_nonblocking;
    uint64_t generation;

    char *texts[TASKQ__PG_SQL_COUNT]; /* expanded on first use */
    bool prepared[TASKQ__PG_SQL_COUNT];

    taskq__pg_entry *entries; /* from head on they wait for their answers */
    uint32_t head, count, room;
    bool synced;         /* the sync's own answer is to come */
    int64_t deadline_ms; /* of the answers; 0: nothing was synced */
    int64_t until_ms;    /* no deadline is later */
    taskq_error failure; /* of sending; status OK: none */
    char sqlstate[6];    /* of the statement that was last refused */
    bool was_refused;    /* and nothing worse: the server is there and goes on */

    int64_t retry_at_ms, retry_ms;
    bool told;                /* that it is out of reach */
    taskq_error last_failure; /* of connecting */
    taskq__rng rng;
};

/* A deadline that is so far from now, or earlier. */
int64_t taskq__pg_session_deadline(const taskq__pg_session *session, int64_t in_ms);
taskq__pg_session *taskq__pg_session_new(const taskq__pg_session_options *options); /* NULL: no memory */
/* An adopted connection: what is under way on it is read to its end. */
void taskq__pg_session_drain(taskq__pg_session *session);
void taskq__pg_session_hand_back(taskq__pg_session *session); /* drained, and as it was */

/* Wait until the socket has what is asked for (POLLIN, POLLOUT). 0: the time is over; negative: errno. */
int taskq__pg_wait(int fd, short events, int64_t deadline_ms);
/* libpq's words without their line breaks. */
taskq_status taskq__pg_fail_libpq(taskq_error *err, const char *doing, const char *text);

taskq_status taskq__pg_connect(taskq__pg_session *session, int64_t deadline_ms, taskq_error *err);
void taskq__pg_session_count_lost(taskq__pg_session *session);
/* Told once when it is lost, and once when it is there again. */
void taskq__pg_session_log_reach(taskq__pg_session *session, bool reached, const taskq_error *reason);
/* Forget what was sent and prepared. */
void taskq__pg_session_reset(taskq__pg_session *session);

#endif
