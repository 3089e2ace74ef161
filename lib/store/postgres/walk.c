/* SPDX-License-Identifier: MIT */
/*
 * What the sweep asks for: attempts that are over, jobs that are due, jobs and keys that are old. Found by the index of their
 * instant, locked unless somebody else has them, then decided on one by one: so all servers may sweep at once, and each job is
 * moved by one of them. Retention also ends at a number of bytes, since deleting a megabyte costs as much as hundreds of rows.
 */
#include "store/postgres/unit.h"

#include "core/rng.h"

enum { FREED_BYTES_MAX = 16 << 20, RANGES_MAX = 2, SLACK = 64 /* as the statements have it */ };

/* A row that was due. */
typedef struct candidate {
    int64_t due_ms;
    taskq__pg_touch *touch; /* NULL: not taken, since others have it locked or since there were enough */
    bool locked;
} candidate;

/* An index, from where to where it was walked. */
typedef struct range {
    taskq__pg_sweep sweep;
    struct walking *walking;
    int64_t from_ms, until_ms;
    candidate *list;
    uint32_t count, done; /* done: before the first that was left though nobody had it */
    bool full;            /* it may go on behind the list */
} range;

typedef struct walking {
    taskq_walk *walk;
    taskq__pg_steps *steps;
    range ranges[RANGES_MAX];
    uint32_t range_count;
    uint32_t taken;
    bool looks, left;
    int64_t began_ms; /* by the database's clock, before it catches up with what others have moved */
} walking;

static bool take_row(taskq__pg_unit *unit, const PGresult *result, int row, candidate *out)
{
    enum { FIRST = 1 };
    taskq__pg_touch *touch = taskq__pg_touch_of(unit, taskq__pg_result_int(result, row, FIRST));
    if (touch == NULL || !taskq__pg_row_take(result, row, FIRST, unit->now, unit->arena, &touch->row)) {
        return false;
    }
    taskq__row_stand_in(&touch->row);
    touch->there = true;
    touch->payload_bytes = taskq__pg_result_int(result, row, FIRST + TASKQ__COLUMN_COUNT);
    out->touch = touch;
    return true;
}

static taskq_status take_rows(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    range *r = user;
    walking *w = r->walking;
    uint32_t rows = (uint32_t)PQntuples(result);
    w->began_ms = unit->now.wall_ms;
    r->list = taskq_arena_alloc(unit->arena, rows * sizeof(candidate));
    if (r->list == NULL) {
        return taskq__pg_fail_arena(err);
    }
    for (; r->count < rows; r->count++) {
        candidate *c = &r->list[r->count];
        int row = (int)r->count;
        *c = (candidate){.due_ms = taskq__pg_result_int(result, row, 0)};
        c->locked = taskq__pg_result_null(result, row, 1);
        if (!c->locked && w->taken < w->walk->max) {
            w->taken++;
            if (!take_row(unit, result, row, c)) {
                return taskq__pg_fail_arena(err);
            }
        }
    }
    r->full = rows == w->walk->max + SLACK;
    return TASKQ_OK;
}

/* They are gone already. */
static taskq_status take_keys(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    range *r = user;
    walking *w = r->walking;
    (void)err;
    w->began_ms = unit->now.wall_ms;
    r->list = taskq_arena_alloc(unit->arena, sizeof(candidate));
    if (r->list == NULL) {
        return taskq__pg_fail_arena(err);
    }
    r->list[0].due_ms = r->from_ms;
    w->taken = (uint32_t)PQntuples(result);
    for (int row = 0; row < PQntuples(result); row++) {
        int64_t due_ms = taskq__pg_result_int(result, row, 0);
        r->list[0].due_ms = due_ms > r->list[0].due_ms ? due_ms : r->list[0].due_ms;
    }
    r->full = w->taken == w->walk->max;
    unit->writes = w->taken > 0;
    return TASKQ_OK;
}

static taskq_status ask_range(taskq__pg_unit *unit, walking *w, taskq__pg_sql which, taskq__pg_sweep sweep,
                              int64_t until_ms, taskq_error *err)
{
    const taskq__pg_sweeps *sweeps = taskq__pg_floors_sweeps(unit->pg->floors);
    range *r = &w->ranges[w->range_count++];
    taskq__pg_params params;
    *r = (range){.sweep = sweep, .walking = w, .until_ms = until_ms};
    r->from_ms = w->looks ? INT64_MIN : atomic_load(&sweeps->at_ms[sweep]);
    taskq__pg_params_init(&params, unit->arena);
    taskq__pg_param_int(&params, r->from_ms);
    taskq__pg_param_int(&params, w->walk->max);
    if (w->walk->kind == TASKQ_WALK_RETENTION) {
        taskq__pg_param_int(&params, until_ms);
    }
    return taskq__pg_ask(unit, which, &params, sweep == TASKQ__PG_SWEEP_KEYS ? take_keys : take_rows, r, err);
}

static taskq_status ask_ranges(taskq__pg_unit *unit, walking *w, taskq_error *err)
{
    const taskq_walk *walk = w->walk;
    taskq_status status = TASKQ_OK;
    switch (walk->kind) {
    case TASKQ_WALK_EXPIRED:
        return ask_range(unit, w, TASKQ__PG_SQL_WALK_EXPIRES, TASKQ__PG_SWEEP_EXPIRES, INT64_MAX, err);
    case TASKQ_WALK_DUE:
        status = ask_range(unit, w, TASKQ__PG_SQL_WALK_RUN, TASKQ__PG_SWEEP_RUN, INT64_MAX, err);
        return status != TASKQ_OK
                   ? status
                   : ask_range(unit, w, TASKQ__PG_SQL_WALK_BACKOFF, TASKQ__PG_SWEEP_BACKOFF, INT64_MAX, err);
    case TASKQ_WALK_RETENTION:
        status = ask_range(unit, w, TASKQ__PG_SQL_WALK_DONE, TASKQ__PG_SWEEP_DONE, walk->cut_ms, err);
        return status != TASKQ_OK
                   ? status
                   : ask_range(unit, w, TASKQ__PG_SQL_WALK_FAILED, TASKQ__PG_SWEEP_FAILED, walk->cut_failed_ms, err);
    case TASKQ_WALK_KEYS: return ask_range(unit, w, TASKQ__PG_SQL_WALK_KEYS, TASKQ__PG_SWEEP_KEYS, INT64_MAX, err);
    }
    return status;
}

taskq_status taskq__pg_walk_ask(taskq__pg_unit *unit, taskq_walk *walk, taskq_error *err)
{
    walking *w = unit->plans[0] = taskq_arena_alloc(unit->arena, sizeof(*w));
    if (w == NULL) {
        return taskq__pg_fail_arena(err);
    }
    w->walk = walk;
    w->steps = &taskq__pg_floors_sweeps(unit->pg->floors)->kinds[walk->kind];
    w->looks = taskq__pg_steps_look(w->steps, taskq__pg_now_ms());
    taskq_status status = w->looks ? taskq__pg_pace_ask_begin(unit, &w->steps->pace, err) : TASKQ_OK;
    status = status == TASKQ_OK ? ask_ranges(unit, w, err) : status;
    return status == TASKQ_OK && w->looks ? taskq__pg_pace_ask_end(unit, &w->steps->pace, err) : status;
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

static taskq_status move_range(taskq__pg_unit *unit, walking *w, range *r, int64_t *freed, taskq_error *err)
{
    taskq_event_kind kind = w->walk->kind == TASKQ_WALK_EXPIRED ? TASKQ_EVENT_EXPIRE
                            : w->walk->kind == TASKQ_WALK_DUE   ? TASKQ_EVENT_DUE
                                                                : TASKQ_EVENT_DELETE;
    taskq_status status = TASKQ_OK;
    for (; r->done < r->count && status == TASKQ_OK; r->done++) {
        candidate *c = &r->list[r->done];
        if (!c->locked && (c->touch == NULL || *freed >= FREED_BYTES_MAX)) {
            break;
        }
        w->left = w->left || c->locked;
        if (c->touch != NULL) {
            status = move_one(unit, w->walk, kind, c->touch, err);
            *freed += kind == TASKQ_EVENT_DELETE ? c->touch->payload_bytes : 0;
        }
    }
    return status;
}

/* Where the next step goes on; INT64_MAX: this index is at its end. */
static int64_t goes_on_at(const range *r)
{
    bool keys = r->sweep == TASKQ__PG_SWEEP_KEYS;
    return !keys && r->done < r->count ? r->list[r->done].due_ms
           : !r->full                  ? INT64_MAX
                                       : r->list[keys ? 0 : r->count - 1].due_ms;
}

taskq_status taskq__pg_walk_decide(taskq__pg_unit *unit, taskq_walk *walk, taskq_error *err)
{
    walking *w = unit->plans[0];
    taskq_status status = TASKQ_OK;
    int64_t freed = 0;
    bool on = false, advances = false;
    walk->moved = walk->kind == TASKQ_WALK_KEYS ? w->taken : 0;
    walk->lost = walk->timed_out = 0;
    for (uint32_t i = 0; i < w->range_count && status == TASKQ_OK; i++) {
        range *r = &w->ranges[i];
        status = walk->kind == TASKQ_WALK_KEYS ? TASKQ_OK : move_range(unit, w, r, &freed, err);
        on = on || goes_on_at(r) != INT64_MAX;
        advances = advances || (goes_on_at(r) != INT64_MAX && goes_on_at(r) > r->from_ms);
    }
    /* More at one instant than a step sees, and all of it locked by others: to be looked at in another sweep. */
    walk->more = on && (walk->moved > 0 || advances);
    w->left = w->left || (on && !walk->more);
    return status;
}

void taskq__pg_walk_committed(taskq__pg_unit *unit)
{
    const walking *w = unit->plans[0];
    taskq__pg_sweeps *sweeps = taskq__pg_floors_sweeps(unit->pg->floors);
    taskq__pg_steps_went(w->steps, w->looks, w->walk->more, w->left, w->began_ms, taskq__pg_now_ms());
    for (uint32_t i = 0; i < w->range_count; i++) {
        const range *r = &w->ranges[i];
        int64_t on_ms = goes_on_at(r);
        atomic_store(&sweeps->at_ms[r->sweep], on_ms == INT64_MAX ? taskq__pg_steps_end(w->steps, r->until_ms) : on_ms);
    }
}

/* Even where there was no floor yet it begins somewhere from now on. */
bool taskq__pg_walk_failed(taskq__pg_unit *unit)
{
    const walking *w = unit->plans == NULL ? NULL : unit->plans[0];
    taskq__pg_sweeps *sweeps = taskq__pg_floors_sweeps(unit->pg->floors);
    if (w == NULL || !w->looks || !taskq__pg_pace_failed(unit, &w->steps->pace)) {
        return false;
    }
    w->steps->looked_at_ms = taskq__pg_now_ms();
    for (uint32_t i = 0; i < w->range_count; i++) {
        const range *r = &w->ranges[i];
        int64_t end_ms = unit->now.wall_ms - TASKQ__PG_PACE_BEHIND_MS;
        if (atomic_load(&sweeps->at_ms[r->sweep]) == INT64_MIN) {
            atomic_store(&sweeps->at_ms[r->sweep], r->until_ms < end_ms ? r->until_ms : end_ms);
        }
    }
    return true;
}
