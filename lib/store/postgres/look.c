/* SPDX-License-Identifier: MIT */
/*
 * The first round trip: everything that the ops of a batch name is asked for at once, the rows of jobs locked in ascending
 * order before anything else is. What comes back becomes touches.
 */
#include "store/postgres/unit.h"

#include "core/fail.h"
#include "core/tags.h"

#include <stdlib.h>

/* A batch may want whole jobs of megabytes: what is beyond that is refused to the event that wanted it. */
#define WHOLE_BYTES_MAX ((int64_t)64 << 20)

static taskq_status take_start(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    (void)user;
    int rows = PQntuples(result);
    if (rows < 1 || (uint32_t)rows - 1 < unit->id_count) {
        return taskq__fail(err, TASKQ_EUNAVAIL, "the database gave no time or no ids");
    }
    int64_t now = taskq__pg_result_int(result, 0, 0);
    unit->now = (taskq_now){now, now};
    unit->batch->now = unit->now;
    for (uint32_t i = 0; i < unit->id_count; i++) {
        unit->ids[i] = taskq__pg_result_int(result, (int)i + 1, 1);
    }
    return TASKQ_OK;
}

static taskq_status ask_start(taskq__pg_unit *unit, taskq_error *err)
{
    for (uint32_t i = 0; i < unit->batch->count; i++) {
        const taskq_op *op = unit->batch->ops[i];
        unit->id_count += op->kind == TASKQ_OP_ENQUEUE ? op->in.enqueue->count : 0;
    }
    unit->ids = taskq_arena_alloc(unit->arena, (size_t)unit->id_count * sizeof(int64_t));
    if (unit->ids == NULL) {
        return taskq__pg_fail_arena(err);
    }
    taskq__pg_params params;
    taskq__pg_params_init(&params, unit->arena);
    taskq__pg_param_int(&params, unit->id_count);
    return taskq__pg_ask(unit, TASKQ__PG_SQL_START, &params, take_start, NULL, err);
}

/* ---- rows of jobs -------------------------------------------------------------------------------------------------- */

static taskq_status take_locked(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    (void)user;
    for (int i = 0; i < PQntuples(result); i++) {
        taskq__pg_touch *touch = taskq__pg_touch_of(unit, taskq__pg_result_int(result, i, 0));
        if (touch == NULL || !taskq__pg_row_take(result, i, 0, unit->now, unit->arena, &touch->row)) {
            return taskq__pg_fail_arena(err);
        }
        taskq__row_stand_in(&touch->row);
        touch->there = touch->held = true;
    }
    return TASKQ_OK;
}

/* Jobs that beats and events name, each once and in order. */
static taskq_status ask_locks(taskq__pg_unit *unit, taskq_error *err)
{
    size_t count = 0, used = 0;
    for (uint32_t i = 0; i < unit->batch->count; i++) {
        const taskq_op *op = unit->batch->ops[i];
        count += op->kind == TASKQ_OP_BEAT || op->kind == TASKQ_OP_SETTLE ? op->count : 0;
    }
    if (count == 0) {
        return TASKQ_OK;
    }
    int64_t *ids = taskq_arena_alloc(unit->arena, count * sizeof(int64_t));
    if (ids == NULL) {
        return taskq__pg_fail_arena(err);
    }
    for (uint32_t i = 0; i < unit->batch->count; i++) {
        const taskq_op *op = unit->batch->ops[i];
        for (uint32_t k = 0; k < op->count && op->kind == TASKQ_OP_BEAT; k++) {
            ids[used++] = op->in.beats[k].id;
        }
        for (uint32_t k = 0; k < op->count && op->kind == TASKQ_OP_SETTLE; k++) {
            ids[used++] = op->in.events[k].id;
        }
    }
    qsort(ids, count, sizeof(int64_t), taskq__pg_by_id);
    taskq__pg_params params;
    taskq__pg_params_columns(&params, unit->arena, "i");
    unit->named = ids;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || ids[i] != ids[i - 1]) {
            taskq__pg_row_int(&params, ids[i]);
            ids[unit->named_count++] = ids[i];
        }
    }
    /* A host waits in its transaction as long as it said; a batch waits for nobody. */
    return taskq__pg_ask(unit, unit->pg == NULL ? TASKQ__PG_SQL_JOBS_LOCK : TASKQ__PG_SQL_JOBS_TRY_LOCK, &params,
                         take_locked, NULL, err);
}

static taskq_status take_others(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    (void)user;
    for (int i = 0; i < PQntuples(result); i++) {
        taskq__pg_touch *touch = taskq__pg_touch_of(unit, taskq__pg_result_int(result, i, 0));
        if (touch == NULL) {
            return taskq__pg_fail_arena(err);
        }
        touch->locked = true;
        unit->locked_count++;
    }
    return TASKQ_OK;
}

/* Of those that were not to be had: which are there nevertheless, locked by others? They may have been read without a lock, for their texts:
 * that is nothing to decide on. */
static taskq_status ask_missing(taskq__pg_unit *unit, taskq_error *err)
{
    taskq__pg_params params;
    taskq__pg_params_columns(&params, unit->arena, "i");
    for (uint32_t i = 0; i < unit->named_count; i++) {
        taskq__pg_touch *touch = taskq__pg_touch_look(unit, unit->named[i]);
        if (touch != NULL && touch->held) {
            continue;
        }
        if (touch != NULL) {
            touch->there = false;
        }
        taskq__pg_row_int(&params, unit->named[i]);
    }
    return unit->pg == NULL || taskq__pg_params_rows(&params) == 0
               ? TASKQ_OK
               : taskq__pg_ask(unit, TASKQ__PG_SQL_JOBS_THERE, &params, take_others, NULL, err);
}

/* What was not read yet. A text that an op has changed meanwhile, or taken away, stands as the op left it. */
static void take_texts(taskq__pg_touch *touch, const PGresult *result, int row)
{
    enum { TEXTS = TASKQ__COLUMN_COUNT + TASKQ__PG_PAYLOAD_COLUMN_COUNT };
    taskq_job *job = &touch->row.job;
    touch->whole = true;
    job->payload = taskq__pg_result_text(result, row, TASKQ__COLUMN_COUNT);
    taskq__tags_split(taskq__pg_result_text(result, row, TASKQ__COLUMN_COUNT + 1), job);
    job->traceparent = taskq__pg_result_text(result, row, TASKQ__COLUMN_COUNT + 2);
    job->created_at_ms = taskq__pg_result_int(result, row, TASKQ__COLUMN_COUNT + 3);
    if (!touch->changed || taskq__row_is_stand_in(job->result)) {
        job->result = taskq__pg_result_text(result, row, TEXTS);
    }
    if (!touch->changed || taskq__row_is_stand_in(job->error)) {
        job->error = taskq__pg_result_text(result, row, TEXTS + 1);
    }
    if (touch->progress.size == 0 && !touch->progress_gone) {
        job->progress = taskq__pg_result_text(result, row, TEXTS + 2);
    }
    touch->payload_bytes = (int64_t)job->payload.size;
}

/* Of a job that the batch holds already only what was not read yet: the row stands as the ops left it. */
static taskq_status take_whole(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    (void)user;
    enum { TEXTS = TASKQ__COLUMN_COUNT + TASKQ__PG_PAYLOAD_COLUMN_COUNT };
    for (int i = 0; i < PQntuples(result); i++) {
        taskq__pg_touch *touch = taskq__pg_touch_of(unit, taskq__pg_result_int(result, i, 0));
        if (touch == NULL) {
            return taskq__pg_fail_arena(err);
        }
        if (!touch->there && !touch->removed && !taskq__pg_row_take(result, i, 0, unit->now, unit->arena, &touch->row)) {
            return taskq__pg_fail_arena(err);
        }
        touch->there = !touch->removed;
        if (!touch->made && !touch->whole && taskq__pg_result_int(result, i, TEXTS + TASKQ__PG_TEXT_COLUMN_COUNT) != 0) {
            take_texts(touch, result, i);
        }
    }
    return TASKQ_OK;
}

taskq_status taskq__pg_ask_whole(taskq__pg_unit *unit, const int64_t *ids, const int64_t *groups, uint32_t count,
                                 int64_t texts_max, taskq_error *err)
{
    taskq__pg_params params;
    taskq__pg_params_columns(&params, unit->arena, "ii");
    for (uint32_t i = 0; i < count; i++) {
        taskq__pg_row_int(&params, ids[i]);
        taskq__pg_row_int(&params, groups == NULL ? 0 : groups[i]);
    }
    taskq__pg_param_int(&params, texts_max == 0 ? WHOLE_BYTES_MAX : texts_max);
    taskq__pg_param_int(&params, WHOLE_BYTES_MAX);
    return taskq__pg_ask(unit, TASKQ__PG_SQL_JOBS_WHOLE, &params, take_whole, NULL, err);
}

taskq__pg_touch *taskq__pg_take_candidate(taskq__pg_unit *unit, const PGresult *result, int row, int first)
{
    const int payload = first + TASKQ__COLUMN_COUNT;
    taskq__pg_touch *touch = taskq__pg_touch_of(unit, taskq__pg_result_int(result, row, first));
    if (touch == NULL || touch->held || touch->removed) {
        return touch;
    }
    /* As it is now, though it was read before for somebody who has the same unique key. */
    if (!taskq__pg_row_take(result, row, first, unit->now, unit->arena, &touch->row)) {
        return NULL;
    }
    taskq_job *job = &touch->row.job;
    touch->there = true;
    touch->payload_bytes = taskq__pg_result_int(result, row, payload);
    job->payload = taskq__pg_result_text(result, row, payload + 1);
    taskq__tags_split(taskq__pg_result_text(result, row, payload + 2), job);
    job->traceparent = taskq__pg_result_text(result, row, payload + 3);
    job->created_at_ms = taskq__pg_result_int(result, row, payload + 4);
    job->error = taskq__pg_result_text(result, row, payload + 5);
    /* Large, or with texts that the statement's snapshot did not have: read again. */
    touch->whole = (size_t)touch->payload_bytes == job->payload.size && touch->row.result_of == 0 &&
                   (touch->row.error_of == 0 || job->error.size > 0);
    if (!touch->whole) {
        taskq__row_stand_in(&touch->row);
    }
    return touch;
}

taskq_status taskq__pg_look(taskq__pg_unit *unit, taskq_error *err)
{
    taskq_status status = ask_start(unit, err);
    if (status == TASKQ_OK) {
        status = ask_locks(unit, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__pg_beats_ask(unit, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__pg_settles_ask(unit, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__pg_enqueues_ask(unit, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__pg_claims_ask(unit, err);
    }
    if (status == TASKQ_OK && unit->batch->count == 1 && unit->batch->ops[0]->kind == TASKQ_OP_WALK) {
        status = taskq__pg_walk_ask(unit, unit->batch->ops[0]->in.walk, err);
    }
    status = status == TASKQ_OK ? taskq__pg_round(unit, err) : status;
    return status == TASKQ_OK ? ask_missing(unit, err) : status; /* with what follows */
}
