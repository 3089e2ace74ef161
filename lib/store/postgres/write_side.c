/* SPDX-License-Identifier: MIT */
/*
 * The rows beside the jobs: ended attempts, progress, logs, queues and idempotency keys. Queues go in the order of their names,
 * so that two servers that make the same ones wait for each other in one direction alone.
 */
#include "store/postgres/ops_enqueue.h"
#include "store/postgres/unit.h"

#include <stdlib.h>
#include <string.h>

/* An attempt takes two versions at least, so a job of a lower version cannot have too many. */
enum { PRUNE_FROM_VERSION = 2 * TASKQ_ATTEMPTS_SHOWN_MAX, CHUNK_BYTES = 2048 };

/* ---- attempts ------------------------------------------------------------------------------------------------------ */

static void add_attempt(taskq__pg_params *params, int64_t id, const taskq__pg_ended *ended)
{
    taskq__pg_row_int(params, id);
    taskq__pg_row_int(params, ended->version);
    taskq__pg_row_int(params, ended->attempt);
    taskq__pg_row_int(params, ended->outcome);
    taskq__pg_row_text_or_null(params, ended->worker);
    taskq__pg_row_int_or_null(params, ended->started_at_ms);
    taskq__pg_row_int(params, ended->finished_at_ms);
    taskq__pg_row_int(params, ended->reported);
    taskq__pg_row_int(params, (int64_t)ended->digest);
    taskq__pg_row_text_or_null(params, ended->text);
}

/* Releases and retries can add attempts without end: the last ones are kept, and the one whose error is shown. */
static taskq_status write_attempts(taskq__pg_unit *unit, taskq_error *err)
{
    taskq__pg_params insert, prune;
    taskq__pg_params_columns(&insert, unit->arena, "iiiitiiiit");
    taskq__pg_params_columns(&prune, unit->arena, "ii");
    for (const taskq__pg_touch *touch = unit->first; touch != NULL; touch = touch->next) {
        for (const taskq__pg_ended *ended = touch->there ? touch->ended : NULL; ended != NULL; ended = ended->next) {
            add_attempt(&insert, touch->row.job.id, ended);
        }
        if (touch->there && touch->ended != NULL && touch->ended->version >= PRUNE_FROM_VERSION) {
            taskq__pg_row_int(&prune, touch->row.job.id);
            taskq__pg_row_int(&prune, touch->row.error_of);
        }
    }
    bool prunes = taskq__pg_params_rows(&prune) > 0;
    taskq__pg_param_int(&prune, TASKQ_ATTEMPTS_SHOWN_MAX);
    taskq_status status = taskq__pg_ask_rows(unit, TASKQ__PG_SQL_ATTEMPTS_INSERT, &insert, err);
    return status == TASKQ_OK && prunes ? taskq__pg_ask_rows(unit, TASKQ__PG_SQL_ATTEMPTS_PRUNE, &prune, err) : status;
}

/* ---- progress and logs --------------------------------------------------------------------------------------------- */

static taskq_status write_progress(taskq__pg_unit *unit, taskq_error *err)
{
    taskq__pg_params write, gone;
    taskq__pg_params_columns(&write, unit->arena, "it");
    taskq__pg_params_columns(&gone, unit->arena, "i");
    for (const taskq__pg_touch *touch = unit->first; touch != NULL; touch = touch->next) {
        if (touch->there && touch->progress_set) {
            taskq__pg_row_int(&write, touch->row.job.id);
            taskq__pg_row_text(&write, touch->progress);
        } else if (touch->there && touch->progress_gone) {
            taskq__pg_row_int(&gone, touch->row.job.id);
        }
    }
    taskq_status status = taskq__pg_ask_rows(unit, TASKQ__PG_SQL_PROGRESS_WRITE, &write, err);
    return status == TASKQ_OK ? taskq__pg_ask_rows(unit, TASKQ__PG_SQL_PROGRESS_DELETE, &gone, err) : status;
}

/* Pieces are joined up to so much, so that a log of single characters is not as many rows. */
static bool join_tail(taskq__pg_unit *unit, const taskq__pg_touch *touch, taskq_text *out)
{
    char *joined = taskq_arena_alloc(unit->arena, touch->log_tail.size + touch->log.size);
    if (joined != NULL) {
        memcpy(joined, touch->log_tail.data, touch->log_tail.size);
        memcpy(joined + touch->log_tail.size, touch->log.data, touch->log.size);
        *out = (taskq_text){joined, touch->log_tail.size + touch->log.size};
    }
    return joined != NULL;
}

static taskq_status write_logs(taskq__pg_unit *unit, taskq_error *err)
{
    taskq__pg_params insert, one, prune;
    taskq__pg_params_columns(&insert, unit->arena, "iib");
    taskq__pg_params_columns(&one, unit->arena, "ii");
    taskq__pg_params_columns(&prune, unit->arena, "ii");
    for (const taskq__pg_touch *touch = unit->first; touch != NULL; touch = touch->next) {
        taskq_text text = touch->log;
        int64_t end = touch->log_end + (int64_t)text.size, id = touch->row.job.id;
        if (!touch->there || text.size == 0) {
            continue;
        }
        if (touch->log_tail.size > 0 && touch->log_tail.size + text.size <= CHUNK_BYTES) {
            taskq__pg_row_int(&one, id);
            taskq__pg_row_int(&one, touch->log_end);
            if (!join_tail(unit, touch, &text)) {
                return taskq__pg_fail_arena(err);
            }
        }
        taskq__pg_row_int(&insert, id);
        taskq__pg_row_int(&insert, end);
        taskq__pg_row_text(&insert, text);
        if (end > TASKQ_LOG_BYTES_MAX) { /* what lies wholly before it; the reader cuts the rest at a character */
            taskq__pg_row_int(&prune, id);
            taskq__pg_row_int(&prune, end - TASKQ_LOG_BYTES_MAX);
        }
    }
    taskq_status status = taskq__pg_ask_rows(unit, TASKQ__PG_SQL_LOGS_DELETE_ONE, &one, err);
    if (status == TASKQ_OK) {
        status = taskq__pg_ask_rows(unit, TASKQ__PG_SQL_LOGS_INSERT, &insert, err);
    }
    return status == TASKQ_OK ? taskq__pg_ask_rows(unit, TASKQ__PG_SQL_LOGS_PRUNE, &prune, err) : status;
}

/* ---- queues and keys ----------------------------------------------------------------------------------------------- */

static int by_name(const void *left, const void *right)
{
    const taskq__named *const *a = left, *const *b = right;
    return taskq__pg_text_order((*a)->queue, (*b)->queue);
}

static taskq_status write_queues(taskq__pg_unit *unit, taskq_error *err)
{
    taskq__pg_floors *floors = unit->pg == NULL ? NULL : unit->pg->floors;
    uint64_t generation = taskq__pg_session_generation(unit->session);
    taskq__named **sorted = taskq_arena_alloc(unit->arena, unit->places.count * sizeof(taskq__named *));
    uint32_t count = 0;
    if (sorted == NULL) {
        return taskq__pg_fail_arena(err);
    }
    for (taskq__named *place = unit->places.first; place != NULL; place = place->next) {
        if (place->pause || (place->make && !taskq__pg_queue_known(floors, generation, place->queue))) {
            sorted[count++] = place;
        }
    }
    qsort(sorted, count, sizeof(taskq__named *), by_name);
    taskq__pg_params make, pause;
    taskq__pg_params_columns(&make, unit->arena, "t");
    taskq__pg_params_columns(&pause, unit->arena, "ti");
    for (uint32_t i = 0; i < count; i++) {
        if (sorted[i]->pause) {
            taskq__pg_row_text(&pause, sorted[i]->queue);
            taskq__pg_row_int(&pause, sorted[i]->paused);
        } else {
            taskq__pg_row_text(&make, sorted[i]->queue);
        }
    }
    taskq_status status = taskq__pg_ask_rows(unit, TASKQ__PG_SQL_QUEUES_PAUSE, &pause, err);
    return status == TASKQ_OK ? taskq__pg_ask_rows(unit, TASKQ__PG_SQL_QUEUES_MAKE, &make, err) : status;
}

static int by_idempotency_key(const void *left, const void *right)
{
    const taskq__pg_enqueuing *const *a = left, *const *b = right;
    return taskq__pg_text_order((*a)->in->idempotency_key, (*b)->in->idempotency_key);
}

static taskq_status write_keys(taskq__pg_unit *unit, taskq_error *err)
{
    taskq__pg_params gone, insert;
    taskq__pg_params_columns(&gone, unit->arena, "t");
    taskq__pg_params_columns(&insert, unit->arena, "tibi");
    const taskq__pg_enqueuing **keyed = taskq_arena_alloc(unit->arena, unit->batch->count * sizeof(void *));
    uint32_t count = 0;
    if (keyed == NULL) {
        return taskq__pg_fail_arena(err);
    }
    for (uint32_t i = 0; i < unit->batch->count; i++) {
        const taskq__pg_enqueuing *e = unit->plans[i];
        if (unit->batch->ops[i]->kind == TASKQ_OP_ENQUEUE && e->key_write) {
            keyed[count++] = e;
        }
    }
    qsort(keyed, count, sizeof(void *), by_idempotency_key);
    for (uint32_t i = 0; i < count; i++) {
        const taskq__pg_enqueuing *e = keyed[i];
        if (e->key_there) { /* over its time */
            taskq__pg_row_text(&gone, e->in->idempotency_key);
        }
        taskq__pg_row_text(&insert, e->in->idempotency_key);
        taskq__pg_row_int(&insert, (int64_t)e->in->digest);
        taskq__pg_row_text(&insert, e->key_bytes);
        taskq__pg_row_int(&insert, unit->now.wall_ms + e->in->keep_ms);
    }
    taskq_status status = taskq__pg_ask_rows(unit, TASKQ__PG_SQL_KEYS_DELETE, &gone, err);
    return status == TASKQ_OK ? taskq__pg_ask_rows(unit, TASKQ__PG_SQL_KEYS_INSERT, &insert, err) : status;
}

taskq_status taskq__pg_write_side(taskq__pg_unit *unit, taskq_error *err)
{
    taskq_status status = write_attempts(unit, err);
    if (status == TASKQ_OK) {
        status = write_progress(unit, err);
    }
    if (status == TASKQ_OK) {
        status = write_logs(unit, err);
    }
    if (status == TASKQ_OK) {
        status = write_queues(unit, err);
    }
    return status == TASKQ_OK ? write_keys(unit, err) : status;
}
