/* SPDX-License-Identifier: MIT */
/*
 * What a batch left of each job, as rows: those that went are deleted, those that changed are updated, and those that are new
 * inserted, in this order, so that a unique key that was freed is free. Each kind is one statement over arrays.
 */
#include "store/postgres/ops_enqueue.h"
#include "store/postgres/unit.h"

#include "core/job.h"
#include "core/tags.h"

#include <stdlib.h>

static const taskq_text no_text = {NULL, 0};

static bool is_written(const taskq__pg_touch *touch)
{
    return touch->there && touch->changed && !touch->made;
}

/* ---- what went ----------------------------------------------------------------------------------------------------- */

static taskq_status write_deleted(taskq__pg_unit *unit, taskq_error *err)
{
    static const struct {
        taskq__pg_sql which;
        uint32_t extras;
    } tables[] = {{TASKQ__PG_SQL_JOBS_DELETE, 0},
                  {TASKQ__PG_SQL_PAYLOADS_DELETE, 0},
                  {TASKQ__PG_SQL_ATTEMPTS_DELETE, TASKQ__HAS_ATTEMPTS},
                  {TASKQ__PG_SQL_PROGRESS_DELETE, TASKQ__HAS_PROGRESS},
                  {TASKQ__PG_SQL_LOGS_DELETE, TASKQ__HAS_LOG}};
    taskq_status status = TASKQ_OK;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && status == TASKQ_OK; i++) {
        taskq__pg_params params;
        taskq__pg_params_columns(&params, unit->arena, "i");
        for (const taskq__pg_touch *touch = unit->first; touch != NULL; touch = touch->next) {
            if (touch->removed && (tables[i].extras == 0 || (touch->row.extras & tables[i].extras) != 0)) {
                taskq__pg_row_int(&params, touch->row.job.id);
            }
        }
        status = taskq__pg_ask_rows(unit, tables[i].which, &params, err);
    }
    return status;
}

/* ---- what changed -------------------------------------------------------------------------------------------------- */

static void add_update(taskq__pg_params *params, const taskq__pg_touch *touch)
{
    const taskq_job *job = &touch->row.job;
    bool failed = job->state == TASKQ_STATE_FAILED;
    taskq__pg_row_int(params, job->id);
    taskq__pg_row_int(params, job->version);
    taskq__pg_row_int(params, job->state);
    taskq__pg_row_int(params, job->state == TASKQ_STATE_QUEUED);
    taskq__pg_row_int(params, job->updated_at_ms);
    taskq__pg_row_int(params, job->attempt);
    taskq__pg_row_int_or_null(params, job->lease_due_ms);
    taskq__pg_row_int_or_null(params, job->timeout_due_ms);
    taskq__pg_row_int_or_null(params, taskq__job_running_until(job));
    taskq__pg_row_text_or_null(params, touch->poll);
    taskq__pg_row_int(params, touch->row.extras);
    taskq__pg_row_int_or_null(params, failed ? 0 : job->finished_at_ms);
    taskq__pg_row_int_or_null(params, failed ? job->finished_at_ms : 0);
    taskq__pg_row_text_or_null(params, taskq_state_is_terminal(job->state) ? no_text : job->unique_key);
    taskq__pg_row_int_or_null(params, touch->row.result_of);
    taskq__pg_row_int_or_null(params, touch->row.error_of);
    taskq__pg_row_text_or_null(params, job->worker);
    taskq__pg_row_int_or_null(params, job->started_at_ms);
    taskq__pg_row_int(params, job->run_at_ms);
    taskq__pg_row_int_or_null(params, taskq__job_run_due(job));
    taskq__pg_row_int_or_null(params, job->backoff_due_ms);
    taskq__pg_row_int(params, job->cancel_requested);
}

static taskq_status write_changed(taskq__pg_unit *unit, taskq_error *err)
{
    taskq__pg_params updated, beaten, asked;
    taskq__pg_params_columns(&updated, unit->arena, "iiiiiiiiitiiitiitiiiii");
    taskq__pg_params_columns(&beaten, unit->arena, "iiii");
    taskq__pg_params_columns(&asked, unit->arena, "ii");
    for (const taskq__pg_touch *touch = unit->first; touch != NULL; touch = touch->next) {
        const taskq_job *job = &touch->row.job;
        if (is_written(touch)) {
            add_update(&updated, touch);
            continue;
        }
        if (touch->there && touch->beaten) {
            taskq__pg_row_int(&beaten, job->id);
            taskq__pg_row_int_or_null(&beaten, job->lease_due_ms);
            taskq__pg_row_int_or_null(&beaten, taskq__job_running_until(job));
            taskq__pg_row_int(&beaten, touch->row.extras);
        }
        if (touch->there && touch->asked) {
            taskq__pg_row_int(&asked, job->id);
            taskq__pg_row_int(&asked, job->updated_at_ms);
        }
    }
    taskq_status status = taskq__pg_ask_rows(unit, TASKQ__PG_SQL_JOBS_UPDATE, &updated, err);
    if (status == TASKQ_OK) {
        status = taskq__pg_ask_rows(unit, TASKQ__PG_SQL_JOBS_BEAT, &beaten, err);
    }
    return status == TASKQ_OK ? taskq__pg_ask_rows(unit, TASKQ__PG_SQL_JOBS_ASK_CANCEL, &asked, err) : status;
}

/* ---- what is new ----------------------------------------------------------------------------------------------------- */

static void add_insert(taskq__pg_params *params, const taskq__pg_touch *touch)
{
    const taskq_job *job = &touch->row.job;
    taskq__pg_row_int(params, job->id);
    taskq__pg_row_int(params, job->version);
    taskq__pg_row_int(params, job->state);
    taskq__pg_row_int(params, job->state == TASKQ_STATE_QUEUED);
    taskq__pg_row_text(params, job->queue);
    taskq__pg_row_text(params, job->type);
    taskq__pg_row_int(params, job->priority);
    taskq__pg_row_int(params, job->run_at_ms);
    taskq__pg_row_int(params, job->attempt);
    taskq__pg_row_int(params, job->max_attempts);
    taskq__pg_row_int(params, job->timeout_ms);
    taskq__pg_row_int(params, job->lease_ms);
    taskq__pg_row_int(params, job->backoff.base_ms);
    taskq__pg_row_double(params, job->backoff.factor);
    taskq__pg_row_int(params, job->backoff.max_ms);
    taskq__pg_row_double(params, job->backoff.jitter);
    taskq__pg_row_text_or_null(params, job->batch);
    taskq__pg_row_text_or_null(params, job->unique_key);
    taskq__pg_row_text_or_null(params, job->unique_key); /* it is live */
    taskq__pg_row_int(params, job->updated_at_ms);
    taskq__pg_row_int_or_null(params, taskq__job_run_due(job));
    taskq__pg_row_int_or_null(params, job->backoff_due_ms);
    taskq__pg_row_text_or_null(params, job->worker);
    taskq__pg_row_text_or_null(params, touch->poll);
    taskq__pg_row_int_or_null(params, job->started_at_ms);
    taskq__pg_row_int_or_null(params, job->lease_due_ms);
    taskq__pg_row_int_or_null(params, job->timeout_due_ms);
    taskq__pg_row_int_or_null(params, taskq__job_running_until(job));
}

/* Those with unique keys in the order of the keys: two servers that take the same ones wait for each other in one direction alone. */
static int by_key(const void *left, const void *right)
{
    const taskq_job *a = &(*(const taskq__pg_touch *const *)left)->row.job;
    const taskq_job *b = &(*(const taskq__pg_touch *const *)right)->row.job;
    int order = (a->unique_key.size > 0) - (b->unique_key.size > 0);
    if (order == 0 && a->unique_key.size > 0) {
        order = taskq__pg_text_order(a->queue, b->queue);
        order = order == 0 ? taskq__pg_text_order(a->unique_key, b->unique_key) : order;
    }
    return order != 0 ? order : (a->id > b->id) - (a->id < b->id);
}

static taskq_status write_made(taskq__pg_unit *unit, taskq_error *err)
{
    taskq__pg_params jobs, payloads;
    taskq__pg_params_columns(&jobs, unit->arena, "iiiittiiiiiiididtttiiittiiii");
    taskq__pg_params_columns(&payloads, unit->arena, "iittt");
    const taskq__pg_touch **made = taskq_arena_alloc(unit->arena, unit->touch_count * sizeof(taskq__pg_touch *));
    uint32_t count = 0;
    if (made == NULL) {
        return taskq__pg_fail_arena(err);
    }
    for (const taskq__pg_touch *touch = unit->first; touch != NULL; touch = touch->next) {
        if (touch->made) {
            made[count++] = touch;
        }
    }
    qsort(made, count, sizeof(taskq__pg_touch *), by_key);
    for (uint32_t i = 0; i < count; i++) {
        const taskq__pg_touch *touch = made[i];
        taskq_text tags;
        if (!taskq__tags_join(&touch->row.job, unit->arena, &tags)) {
            return taskq__pg_fail_arena(err);
        }
        add_insert(&jobs, touch);
        taskq__pg_row_int(&payloads, touch->row.job.id);
        taskq__pg_row_int(&payloads, touch->row.job.created_at_ms);
        taskq__pg_row_text_or_null(&payloads, tags);
        taskq__pg_row_text_or_null(&payloads, touch->row.job.traceparent);
        taskq__pg_row_text(&payloads, touch->row.job.payload);
    }
    taskq_status status = taskq__pg_ask_rows(unit, TASKQ__PG_SQL_JOBS_INSERT, &jobs, err);
    return status == TASKQ_OK ? taskq__pg_ask_rows(unit, TASKQ__PG_SQL_PAYLOADS_INSERT, &payloads, err) : status;
}

taskq_status taskq__pg_write(taskq__pg_unit *unit, taskq_error *err)
{
    taskq_status status = write_deleted(unit, err);
    if (status == TASKQ_OK) {
        status = write_changed(unit, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__pg_write_side(unit, err);
    }
    if (status == TASKQ_OK) {
        status = write_made(unit, err);
    }
    return status;
}

/* The last of it: counters, and the row by which the batch can be asked for later. */
taskq_status taskq__pg_write_note(taskq__pg_unit *unit, int64_t number, bool with_row, taskq_error *err)
{
    taskq__pg_params params;
    bool counts = false;
    taskq__pg_params_init(&params, unit->arena);
    if (with_row) {
        taskq__pg_param_int(&params, unit->pg->server);
        taskq__pg_param_int(&params, number);
        taskq__pg_param_int(&params, unit->now.wall_ms);
    }
    taskq__pg_params note = params;
    taskq__pg_params_column(&params, TASKQ__PG_VALUE_TEXT);
    taskq__pg_params_column(&params, TASKQ__PG_VALUE_INT8);
    taskq__pg_params_column(&params, TASKQ__PG_VALUE_INT8);
    for (const taskq__named *place = unit->places.first; place != NULL; place = place->next) {
        for (int state = 1; state < TASKQ_STATE_COUNT; state++) {
            if (place->delta[state] != 0) {
                taskq__pg_row_text(&params, place->queue);
                taskq__pg_row_int(&params, state);
                taskq__pg_row_int(&params, place->delta[state]);
                counts = true;
            }
        }
    }
    if (params.failed) {
        return taskq__pg_fail_arena(err);
    }
    if (counts) {
        return taskq__pg_ask(unit, with_row ? TASKQ__PG_SQL_BATCH_COUNT : TASKQ__PG_SQL_BATCH_COUNT_ONLY, &params, NULL,
                             NULL, err);
    }
    return with_row ? taskq__pg_ask(unit, TASKQ__PG_SQL_BATCH_NOTE, &note, NULL, NULL, err) : TASKQ_OK;
}
