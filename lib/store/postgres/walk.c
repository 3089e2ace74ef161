/* SPDX-License-Identifier: MIT */
/*
 * What the sweep asks for: attempts that are over, jobs that are due, jobs and keys that are old. Found by the index of their
 * instant, locked unless somebody else has them, then decided on one by one: so all servers may sweep at once, and each job is
 * moved by one of them. Retention also ends at a number of bytes, since deleting a megabyte costs as much as hundreds of rows.
 */
#include "store/postgres/unit.h"

#include "core/rng.h"

enum { FREED_BYTES_MAX = 16 << 20, FLOOR_BEHIND_MS = 30000 };

typedef struct walking {
    taskq_walk *walk;
    taskq__pg_touch **touches;
    uint32_t count;
    uint32_t keys; /* that were deleted */
} walking;

static taskq_status take_rows(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    walking *w = user;
    for (int row = 0; row < PQntuples(result) && w->count < w->walk->max; row++) {
        taskq__pg_touch *touch = taskq__pg_touch_of(unit, taskq__pg_result_int(result, row, 0));
        if (touch == NULL || !taskq__pg_row_take(result, row, 0, unit->now, unit->arena, &touch->row)) {
            return taskq__pg_fail_arena(err);
        }
        taskq__row_stand_in(&touch->row);
        touch->there = true;
        touch->payload_bytes = taskq__pg_result_int(result, row, TASKQ__COLUMN_COUNT);
        w->touches[w->count++] = touch;
    }
    return TASKQ_OK;
}

static taskq_status take_keys(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    walking *w = user;
    (void)err;
    const char *text = PQcmdTuples((PGresult *)result);
    for (; *text >= '0' && *text <= '9'; text++) {
        w->keys = w->keys * 10 + (uint32_t)(*text - '0');
    }
    unit->writes = w->keys > 0;
    return TASKQ_OK;
}

static taskq_status ask_range(taskq__pg_unit *unit, taskq__pg_sql which, int64_t edge, walking *w, taskq_error *err)
{
    taskq__pg_params params;
    taskq__pg_params_init(&params, unit->arena);
    taskq__pg_param_int(&params, edge);
    taskq__pg_param_int(&params, w->walk->max);
    return taskq__pg_ask(unit, which, &params, take_rows, w, err);
}

static taskq_status ask_keys(taskq__pg_unit *unit, walking *w, taskq_error *err)
{
    taskq__pg_params params;
    taskq__pg_params_init(&params, unit->arena);
    taskq__pg_param_int(&params, w->walk->max);
    return taskq__pg_ask(unit, TASKQ__PG_SQL_WALK_KEYS, &params, take_keys, w, err);
}

taskq_status taskq__pg_walk_ask(taskq__pg_unit *unit, taskq_walk *walk, taskq_error *err)
{
    taskq__pg_floors *floors = unit->pg->floors;
    walking *w = unit->plans[0] = taskq_arena_alloc(unit->arena, sizeof(*w));
    if (w == NULL) {
        return taskq__pg_fail_arena(err);
    }
    w->walk = walk;
    w->touches = taskq_arena_alloc(unit->arena, walk->max * sizeof(taskq__pg_touch *));
    if (w->touches == NULL) {
        return taskq__pg_fail_arena(err);
    }
    taskq_status status = TASKQ_OK;
    switch (walk->kind) {
    case TASKQ_WALK_EXPIRED:
        return ask_range(unit, TASKQ__PG_SQL_WALK_EXPIRES, taskq__pg_sweep_floor(floors, TASKQ__PG_SWEEP_EXPIRES), w,
                         err);
    case TASKQ_WALK_DUE:
        status = ask_range(unit, TASKQ__PG_SQL_WALK_RUN, taskq__pg_sweep_floor(floors, TASKQ__PG_SWEEP_RUN), w, err);
        return status != TASKQ_OK ? status
                                  : ask_range(unit, TASKQ__PG_SQL_WALK_BACKOFF,
                                              taskq__pg_sweep_floor(floors, TASKQ__PG_SWEEP_BACKOFF), w, err);
    case TASKQ_WALK_RETENTION:
        status = ask_range(unit, TASKQ__PG_SQL_WALK_DONE, walk->cut_ms, w, err);
        return status != TASKQ_OK ? status : ask_range(unit, TASKQ__PG_SQL_WALK_FAILED, walk->cut_failed_ms, w, err);
    case TASKQ_WALK_KEYS: return ask_keys(unit, w, err);
    }
    return status;
}

static taskq_status move_one(taskq__pg_unit *unit, taskq_walk *walk, taskq_event_kind kind, taskq__pg_touch *touch,
                             taskq_error *err)
{
    const taskq_job *job = &touch->row.job;
    taskq_event event = {.kind = kind, .id = job->id, .version = job->version, .delay_ms = -1};
    event.random = taskq__mix64(walk->random ^ (uint64_t)job->id);
    taskq_move move;
    if (unit->batch->decide(job, &event, unit->now, &move, NULL) != TASKQ_OK) {
        return TASKQ_OK;
    }
    walk->moved++;
    walk->lost += move.ended == TASKQ_OUTCOME_LOST;
    walk->timed_out += move.ended == TASKQ_OUTCOME_TIMED_OUT;
    return taskq__pg_move(unit, touch, &event, &move, (taskq_text){NULL, 0}) ? TASKQ_OK : taskq__pg_fail_arena(err);
}

/* A walk that came to its end left nothing behind it; what others had locked meanwhile, and what they are about to commit, is
 * not older than the distance that is kept. */
static void raise_floors(taskq__pg_unit *unit, const taskq_walk *walk)
{
    int64_t at_ms = unit->now.wall_ms - FLOOR_BEHIND_MS;
    if (walk->kind == TASKQ_WALK_EXPIRED) {
        taskq__pg_sweep_raise(unit->pg->floors, TASKQ__PG_SWEEP_EXPIRES, at_ms);
    } else if (walk->kind == TASKQ_WALK_DUE) {
        taskq__pg_sweep_raise(unit->pg->floors, TASKQ__PG_SWEEP_RUN, at_ms);
        taskq__pg_sweep_raise(unit->pg->floors, TASKQ__PG_SWEEP_BACKOFF, at_ms);
    }
}

taskq_status taskq__pg_walk_decide(taskq__pg_unit *unit, taskq_walk *walk, taskq_error *err)
{
    const walking *w = unit->plans[0];
    taskq_event_kind kind = walk->kind == TASKQ_WALK_EXPIRED ? TASKQ_EVENT_EXPIRE
                            : walk->kind == TASKQ_WALK_DUE   ? TASKQ_EVENT_DUE
                                                             : TASKQ_EVENT_DELETE;
    taskq_status status = TASKQ_OK;
    uint32_t done = 0;
    int64_t freed = 0;
    walk->moved = w->keys;
    walk->lost = walk->timed_out = 0;
    for (; done < w->count && status == TASKQ_OK && freed < FREED_BYTES_MAX; done++) {
        status = move_one(unit, walk, kind, w->touches[done], err);
        freed += kind == TASKQ_EVENT_DELETE ? w->touches[done]->payload_bytes : 0;
    }
    walk->more = walk->moved == walk->max || done < w->count;
    if (status == TASKQ_OK && !walk->more) {
        raise_floors(unit, walk);
    }
    return status;
}
