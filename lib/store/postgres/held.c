/* SPDX-License-Identifier: MIT */
/*
 * Somebody's old transaction is the one thing that makes a PostgreSQL queue slow and that nobody but its operator can end, so
 * it is said by name. Not each old transaction holds anything, and a standby or a replication slot has no time of its own: what
 * counts is the transaction number from which on dead rows are kept. It has been held since a look at which a later number
 * was the next one to be given out, so each look writes that number down.
 */
#include "store/postgres/pg.h"

#include "core/fail.h"
#include "core/log.h"

#include <stdio.h>
#include <string.h>

enum { EVERY_MS = 10000, OLD_MS = 30000, TELL_EVERY_MS = 300000, MARKS_IN_OLD = 4 };

/* The columns of HELD_SNAPSHOT; all but the first are NULL where nobody holds anything. */
enum { NEXT_XID, WHO, PID, DATABASE, USER, APPLICATION, STATE, CURE, AGE, XID };

void taskq__pg_held_init(taskq__pg_held *held)
{
    memset(held, 0, sizeof(*held));
    held->every_ms = EVERY_MS;
    held->old_ms = OLD_MS;
}

/* What has been held for long enough is below this number; 0: not known yet. */
static int64_t old_xid(const taskq__pg_held *held, int64_t now_ms)
{
    int64_t found = 0;
    for (uint32_t i = 0; i < held->mark_count && now_ms - held->marks[i].at_ms >= held->old_ms; i++) {
        found = held->marks[i].next_xid;
    }
    return found;
}

static void add_mark(taskq__pg_held *held, int64_t next_xid)
{
    int64_t now = taskq__pg_now_ms();
    uint32_t count = held->mark_count;
    if (count > 0 && next_xid < held->marks[count - 1].next_xid) {
        count = 0; /* another database, or an older copy of it */
    }
    if (count > 0 && now - held->marks[count - 1].at_ms < held->old_ms / MARKS_IN_OLD) {
        return; /* so few are enough */
    }
    if (count == TASKQ__PG_MARKS) {
        count--;
        memmove(&held->marks[0], &held->marks[1], count * sizeof(held->marks[0]));
    }
    held->marks[count].at_ms = now;
    held->marks[count].next_xid = next_xid;
    held->mark_count = count + 1;
}

/* Since when that number has been held, as far as it was seen. */
static int64_t since(const taskq__pg_held *held, int64_t xid, int64_t now_ms)
{
    if (held->xid == xid) {
        return held->since_ms;
    }
    for (uint32_t i = 0; i < held->mark_count; i++) {
        int64_t next = held->marks[i].next_xid;
        /* Rows know the lower half of a number alone. */
        if ((int32_t)((uint32_t)next - (uint32_t)xid) > 0) {
            return held->marks[i].at_ms;
        }
    }
    return now_ms;
}

static void tell(taskq__pg *pg, const PGresult *result, int64_t age_ms)
{
    enum { TEXTS = 6 };
    static const int columns[TEXTS] = {WHO, DATABASE, USER, APPLICATION, STATE, CURE};
    char texts[TEXTS][320];
    for (size_t i = 0; i < TEXTS; i++) {
        taskq_text text = taskq__pg_result_text(result, 0, columns[i]);
        (void)snprintf(texts[i], sizeof(texts[i]), "%.*s", (int)text.size, text.data == NULL ? "" : text.data);
    }
    const taskq_log_field fields[] = {
        {"held_by", texts[0], 0},     {"pid", NULL, taskq__pg_result_int(result, 0, PID)},
        {"database", texts[1], 0},    {"user", texts[2], 0},
        {"application", texts[3], 0}, {"state", texts[4], 0},
        {"age_ms", NULL, age_ms},     {"end_it_with", texts[5], 0},
    };
    taskq__log(
        &pg->log, TASKQ_LOG_WARN, "store",
        "an old snapshot is held, so dead rows cannot be cleared away and claims become slower: end what holds it",
        fields, sizeof(fields) / sizeof(fields[0]));
}

static void judge(taskq__pg *pg, const PGresult *result, int64_t now_ms)
{
    taskq__pg_held *held = &pg->held;
    if (taskq__pg_result_null(result, 0, XID)) {
        atomic_store(&pg->held_ms, 0);
        held->tell_at_ms = 0;
        held->xid = 0;
        return;
    }
    int64_t xid = taskq__pg_result_int(result, 0, XID);
    held->since_ms = since(held, xid, now_ms);
    held->xid = xid;
    int64_t age_ms =
        taskq__pg_result_null(result, 0, AGE) ? now_ms - held->since_ms : taskq__pg_result_int(result, 0, AGE);
    atomic_store(&pg->held_ms, age_ms);
    if (now_ms >= held->tell_at_ms) {
        held->tell_at_ms = now_ms + TELL_EVERY_MS;
        tell(pg, result, age_ms);
    }
}

taskq_status taskq__pg_held_look(taskq__pg *pg, taskq_arena *arena, taskq_error *err)
{
    taskq__pg_session *session = pg->committer;
    PGresult *result = NULL;
    taskq__pg_params old, dead;
    int64_t now = taskq__pg_now_ms();
    taskq__pg_params_init(&old, arena);
    taskq__pg_param_int(&old, pg->held.old_ms);
    taskq__pg_param_int(&old, old_xid(&pg->held, now));
    taskq__pg_params_init(&dead, arena);
    taskq__pg_param_text(&dead, taskq_text_of(pg->schema));
    taskq__pg_session_send(session, TASKQ__PG_SQL_HELD_SNAPSHOT, &old);
    taskq__pg_session_send(session, TASKQ__PG_SQL_DEAD_ROWS, &dead);
    taskq_status status = taskq__pg_session_sync(session, err);
    status = status == TASKQ_OK ? taskq__pg_session_next(session, &result, err) : status;
    if (status == TASKQ_OK) {
        judge(pg, result, now);
        add_mark(&pg->held, taskq__pg_result_int(result, 0, NEXT_XID));
        PQclear(result);
        status = taskq__pg_session_next(session, &result, err);
    }
    if (status == TASKQ_OK) {
        atomic_store(&pg->dead_rows, taskq__pg_result_int(result, 0, 0));
        PQclear(result);
        status = taskq__pg_session_end(session, err);
    }
    return status;
}
