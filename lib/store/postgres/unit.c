/* SPDX-License-Identifier: MIT */
/*
 * The batch's memory: which jobs it holds and what has been asked. All of it is the batch's arena and goes with it, but the
 * answers: texts of jobs point into them, so that a payload is copied once, to the caller.
 */
#include "store/postgres/unit.h"

#include "core/fail.h"
#include "core/rng.h"

#include <string.h>

enum { FIRST_ROOM = 64 }; /* a power of two */

void taskq__pg_unit_init(taskq__pg_unit *unit, taskq__pg *pg, taskq__pg_session *session, taskq_batch *batch)
{
    memset(unit, 0, sizeof(*unit));
    unit->pg = pg;
    unit->session = session;
    unit->batch = batch;
    unit->arena = batch->arena;
    taskq__places_init(&unit->places, batch->arena);
    taskq__places_init(&unit->keys, batch->arena);
    batch->ready_count = 0;
    batch->next_due = (taskq_now){INT64_MAX, INT64_MAX};
}

void taskq__pg_unit_clear(taskq__pg_unit *unit)
{
    for (uint32_t i = 0; i < unit->result_count; i++) {
        PQclear(unit->results[i]);
    }
    unit->result_count = 0;
}

taskq_status taskq__pg_fail_arena(taskq_error *err)
{
    return taskq__fail(err, TASKQ_EUNAVAIL, "no memory for the batch");
}

/* ---- round trips ------------------------------------------------------------------------------------------------- */

/* A list in the arena, grown to hold one more. */
static void *grow(taskq_arena *arena, void *old, uint32_t count, uint32_t *room, size_t size)
{
    if (count < *room) {
        return old;
    }
    uint32_t wider = *room == 0 ? FIRST_ROOM : *room * 2;
    void *list = taskq_arena_alloc(arena, wider * size);
    if (list != NULL) {
        if (count > 0) {
            memcpy(list, old, count * size);
        }
        *room = wider;
    }
    return list;
}

taskq_status taskq__pg_ask(taskq__pg_unit *unit, taskq__pg_sql which, const taskq__pg_params *params,
                           taskq__pg_take_fn *take, void *user, taskq_error *err)
{
    taskq__pg_asked *asked =
        grow(unit->arena, unit->asked, unit->asked_count, &unit->asked_room, sizeof(taskq__pg_asked));
    if (asked == NULL) {
        return taskq__pg_fail_arena(err);
    }
    unit->asked = asked;
    unit->asked[unit->asked_count++] = (taskq__pg_asked){take, user};
    taskq__pg_session_send(unit->session, which, params);
    return TASKQ_OK;
}

taskq_status taskq__pg_ask_rows(taskq__pg_unit *unit, taskq__pg_sql which, const taskq__pg_params *params,
                                taskq_error *err)
{
    if (params->failed) {
        return taskq__pg_fail_arena(err);
    }
    if (taskq__pg_params_rows(params) == 0) {
        return TASKQ_OK;
    }
    unit->writes = true;
    return taskq__pg_ask(unit, which, params, NULL, NULL, err);
}

static taskq_status take_one(taskq__pg_unit *unit, const taskq__pg_asked *asked, taskq_error *err)
{
    PGresult *result = NULL;
    taskq_status status = taskq__pg_session_next(unit->session, &result, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (asked->take == NULL) {
        PQclear(result);
        return TASKQ_OK;
    }
    PGresult **results = grow(unit->arena, unit->results, unit->result_count, &unit->result_room, sizeof(PGresult *));
    if (results == NULL) {
        PQclear(result);
        return taskq__pg_fail_arena(err);
    }
    unit->results = results;
    unit->results[unit->result_count++] = result;
    return asked->take(unit, result, asked->user, err);
}

taskq_status taskq__pg_round(taskq__pg_unit *unit, taskq_error *err)
{
    uint32_t count = unit->asked_count;
    taskq_status status = count == 0 ? TASKQ_OK : taskq__pg_session_sync(unit->session, err);
    for (uint32_t i = 0; i < count && status == TASKQ_OK; i++) {
        status = take_one(unit, &unit->asked[i], err);
    }
    unit->asked_count = 0;
    return status == TASKQ_OK && count > 0 ? taskq__pg_session_end(unit->session, err) : status;
}

/* ---- jobs -------------------------------------------------------------------------------------------------------- */

static taskq__pg_touch **find_slot(taskq__pg_touch **touches, uint32_t room, int64_t id)
{
    for (uint32_t i = (uint32_t)taskq__mix64((uint64_t)id) & (room - 1);; i = (i + 1) & (room - 1)) {
        if (touches[i] == NULL || touches[i]->row.job.id == id) {
            return &touches[i];
        }
    }
}

static bool make_room(taskq__pg_unit *unit)
{
    if (unit->touch_count * 2 < unit->touch_room) {
        return true;
    }
    uint32_t room = unit->touch_room == 0 ? FIRST_ROOM : unit->touch_room * 2;
    taskq__pg_touch **touches = taskq_arena_alloc(unit->arena, room * sizeof(taskq__pg_touch *));
    if (touches == NULL) {
        return false;
    }
    for (taskq__pg_touch *touch = unit->first; touch != NULL; touch = touch->next) {
        *find_slot(touches, room, touch->row.job.id) = touch;
    }
    unit->touches = touches;
    unit->touch_room = room;
    return true;
}

taskq__pg_touch *taskq__pg_touch_look(const taskq__pg_unit *unit, int64_t id)
{
    return unit->touch_room == 0 ? NULL : *find_slot(unit->touches, unit->touch_room, id);
}

taskq__pg_touch *taskq__pg_touch_of(taskq__pg_unit *unit, int64_t id)
{
    taskq__pg_touch **slot = make_room(unit) ? find_slot(unit->touches, unit->touch_room, id) : NULL;
    if (slot == NULL || *slot != NULL) {
        return slot == NULL ? NULL : *slot;
    }
    taskq__pg_touch *touch = taskq_arena_alloc(unit->arena, sizeof(*touch));
    if (touch == NULL) {
        return NULL;
    }
    touch->row.job.id = id;
    *slot = touch;
    unit->touch_count++;
    if (unit->last == NULL) {
        unit->first = touch;
    } else {
        unit->last->next = touch;
    }
    unit->last = touch;
    return touch;
}

static bool copy_text(taskq_arena *arena, taskq_text *text)
{
    return text->size == 0 || taskq_arena_copy(arena, text->data, text->size, text);
}

bool taskq__pg_job_copy(taskq_arena *arena, const taskq_job *from, taskq_job *to)
{
    *to = *from;
    for (uint32_t i = 0; i < to->tag_count; i++) {
        if (!copy_text(arena, &to->tags[i])) {
            return false;
        }
    }
    return copy_text(arena, &to->queue) && copy_text(arena, &to->type) && copy_text(arena, &to->payload) &&
           copy_text(arena, &to->batch) && copy_text(arena, &to->unique_key) && copy_text(arena, &to->traceparent) &&
           copy_text(arena, &to->worker) && copy_text(arena, &to->result) && copy_text(arena, &to->error) &&
           copy_text(arena, &to->progress);
}

int taskq__pg_by_id(const void *left, const void *right)
{
    const int64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}
