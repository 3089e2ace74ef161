/* SPDX-License-Identifier: MIT */
/*
 * What is between the beginning of a transaction and its writing: everything is read that the ops need, then each op is decided in
 * its order. The same for a batch, which has a transaction of its own, and for a call in a transaction of the host's.
 */
#include "store/postgres/unit.h"

#include "core/fail.h"

enum { AHEAD_MS_MAX = 60000 }; /* more is no wait but a clock that was set back */

static taskq_status run_op(taskq__pg_unit *unit, uint32_t index, taskq_error *err)
{
    taskq_op *op = unit->batch->ops[index];
    taskq_status status = TASKQ_OK;
    switch (op->kind) {
    case TASKQ_OP_QUEUE: break; /* before the look */
    case TASKQ_OP_BEAT: status = taskq__pg_beat(unit, op, err); break;
    case TASKQ_OP_SETTLE: status = taskq__pg_settle(unit, index, err); break;
    case TASKQ_OP_ENQUEUE: status = taskq__pg_enqueue_op(unit, index, err); break;
    case TASKQ_OP_CLAIM: break; /* after all others */
    case TASKQ_OP_WALK: status = taskq__pg_walk_decide(unit, op->in.walk, err); break;
    }
    return status;
}

/* Settings of queues: what the batch's claims go by, whatever the database says. */
static taskq_status set_queues(taskq__pg_unit *unit, taskq_error *err)
{
    for (uint32_t i = 0; i < unit->batch->count; i++) {
        const taskq_op *op = unit->batch->ops[i];
        const taskq_queue_change *change = op->kind == TASKQ_OP_QUEUE ? op->in.queue : NULL;
        taskq__named *place =
            change == NULL ? NULL : taskq__places_find(&unit->places, change->name, (taskq_text){NULL, 0});
        if (change != NULL && place == NULL) {
            return taskq__pg_fail_arena(err);
        }
        if (change != NULL) {
            place->make = true;
        }
        if (change != NULL && change->set_paused) {
            place->known = place->pause = true;
            place->paused = change->paused;
        }
    }
    return TASKQ_OK;
}

taskq_status taskq__pg_unit_look(taskq__pg_unit *unit, taskq_error *err)
{
    unit->plans = taskq_arena_alloc(unit->arena, unit->batch->count * sizeof(void *));
    taskq_status status = unit->plans == NULL ? taskq__pg_fail_arena(err) : set_queues(unit, err);
    if (status == TASKQ_OK) {
        status = taskq__pg_look(unit, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__pg_settles_follow(unit, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__pg_enqueues_follow(unit, err);
    }
    return status == TASKQ_OK ? taskq__pg_round(unit, err) : status;
}

/* The time was asked for before the rows were locked, and others may have moved them meanwhile: a batch that waited for a lock, or
 * claims what was made ready a moment ago, would begin an attempt before the last one ended. Time never goes back for a job. */
static void catch_up(taskq__pg_unit *unit)
{
    int64_t latest_ms = unit->now.wall_ms;
    for (const taskq__pg_touch *touch = unit->first; touch != NULL; touch = touch->next) {
        int64_t ahead_ms = touch->there ? touch->row.job.updated_at_ms - unit->now.wall_ms : 0;
        if (ahead_ms > latest_ms - unit->now.wall_ms && ahead_ms <= AHEAD_MS_MAX) {
            latest_ms = touch->row.job.updated_at_ms;
        }
    }
    unit->now = (taskq_now){latest_ms, latest_ms};
    unit->batch->now = unit->now;
}

/* From here on outcomes are filled in: nothing before touches those of an earlier run. */
taskq_status taskq__pg_unit_decide(taskq__pg_unit *unit, taskq_error *err)
{
    taskq_status status = TASKQ_OK;
    catch_up(unit);
    for (uint32_t i = 0; i < unit->batch->count; i++) {
        unit->batch->ops[i]->status = TASKQ_OK;
    }
    for (uint32_t i = 0; i < unit->batch->count && status == TASKQ_OK; i++) {
        status = run_op(unit, i, err);
    }
    if (status == TASKQ_OK && unit->shape_count > 0) {
        status = taskq__pg_claims_pick(unit, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__pg_round(unit, err);
    }
    if (status == TASKQ_OK && unit->shape_count > 0) {
        status = taskq__pg_claims_lease(unit, err);
    }
    for (uint32_t i = 0; i < unit->batch->count; i++) {
        taskq_op *op = unit->batch->ops[i];
        if (op->status != TASKQ_OK && op->error.status != op->status) {
            (void)taskq__fail(&op->error, op->status, "%s", taskq_status_name(op->status));
        }
    }
    return status;
}

/* ---- floors ---------------------------------------------------------------------------------------------------------- */

static bool is_walk(const taskq__pg_unit *unit)
{
    return unit->batch->count == 1 && unit->batch->ops[0]->kind == TASKQ_OP_WALK;
}

void taskq__pg_looks_hold(taskq__pg_unit *unit)
{
    if (is_walk(unit)) {
        taskq__pg_walk_committed(unit);
    }
    taskq__pg_claims_committed(unit);
}

bool taskq__pg_looks_failed(taskq__pg_unit *unit)
{
    return is_walk(unit) ? taskq__pg_walk_failed(unit) : taskq__pg_claims_failed(unit);
}
