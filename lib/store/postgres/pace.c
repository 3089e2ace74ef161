/* SPDX-License-Identifier: MIT */
/*
 * The one rule of all floors. What lies before a floor is hidden from whoever begins there, so the beginning is looked at once a
 * second, and at once where news came. While a snapshot is held that means to walk over all that died since, a second for seven
 * million entries, and everybody waits for the one who commits: so such looks take at most one part in twenty of the time. One
 * that the database gave up for its length is paid for alike, and with each in a row the pause doubles; meanwhile the old floors
 * hold.
 */
#include "store/postgres/pace.h"

#include "store/postgres/unit.h"

#include <string.h>

bool taskq__pg_pace_allows(const taskq__pg_pace *pace, int64_t now_ms)
{
    return now_ms >= pace->next_ms;
}

bool taskq__pg_pace_is_due(const taskq__pg_pace *pace, int64_t now_ms, int64_t looked_at_ms, bool told)
{
    return taskq__pg_pace_allows(pace, now_ms) && (told || now_ms - looked_at_ms >= TASKQ__PG_PACE_EVERY_MS);
}

void taskq__pg_pace_ends(taskq__pg_pace *pace, int64_t now_ms, int64_t took_ms)
{
    pace->under_way = false;
    pace->took_ms = took_ms > 0 ? took_ms : 0;
    if (taskq__pg_pace_allows(pace, now_ms)) { /* a cheap one may have been let through */
        pace->pause_ms = 0;
        pace->next_ms = now_ms;
    }
    int64_t next_ms = now_ms + pace->took_ms * TASKQ__PG_PACE_SHARE;
    pace->next_ms = pace->next_ms > next_ms ? pace->next_ms : next_ms;
}

void taskq__pg_pace_fails(taskq__pg_pace *pace, int64_t now_ms, int64_t took_ms)
{
    int64_t doubled_ms =
        pace->pause_ms * 2 < TASKQ__PG_PACE_PAUSE_MS_MAX ? pace->pause_ms * 2 : TASKQ__PG_PACE_PAUSE_MS_MAX;
    int64_t share_ms = took_ms * TASKQ__PG_PACE_SHARE;
    share_ms = share_ms < TASKQ__PG_PACE_EVERY_MS ? TASKQ__PG_PACE_EVERY_MS : share_ms;
    pace->under_way = false;
    pace->took_ms = took_ms;
    pace->pause_ms = doubled_ms > share_ms ? doubled_ms : share_ms;
    pace->next_ms = now_ms + pace->pause_ms;
}

static taskq_status take_begin(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    taskq__pg_pace *pace = user;
    (void)unit;
    (void)err;
    pace->began_ms = taskq__pg_result_int(result, 0, 0);
    pace->under_way = true;
    return TASKQ_OK;
}

static taskq_status take_end(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    taskq__pg_pace *pace = user;
    (void)unit;
    (void)err;
    taskq__pg_pace_ends(pace, taskq__pg_now_ms(), taskq__pg_result_int(result, 0, 0) - pace->began_ms);
    return TASKQ_OK;
}

/* The time, and no ids. */
static taskq_status ask_time(taskq__pg_unit *unit, taskq__pg_pace *pace, taskq__pg_take_fn *take, taskq_error *err)
{
    taskq__pg_params params;
    taskq__pg_params_init(&params, unit->arena);
    taskq__pg_param_int(&params, 0);
    return taskq__pg_ask(unit, TASKQ__PG_SQL_START, &params, take, pace, err);
}

taskq_status taskq__pg_pace_ask_begin(taskq__pg_unit *unit, taskq__pg_pace *pace, taskq_error *err)
{
    pace->under_way = false;
    pace->asked_ms = taskq__pg_now_ms();
    return ask_time(unit, pace, take_begin, err);
}

taskq_status taskq__pg_pace_ask_end(taskq__pg_unit *unit, taskq__pg_pace *pace, taskq_error *err)
{
    return ask_time(unit, pace, take_end, err);
}

bool taskq__pg_pace_failed(const taskq__pg_unit *unit, taskq__pg_pace *pace)
{
    int64_t now_ms = taskq__pg_now_ms();
    bool canceled = strcmp(taskq__pg_session_sqlstate(unit->session), "57014") == 0;
    if (pace->under_way && canceled) {
        taskq__pg_pace_fails(pace, now_ms, now_ms - pace->asked_ms);
        return true;
    }
    pace->under_way = false;
    return false;
}
