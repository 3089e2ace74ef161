/* SPDX-License-Identifier: MIT */
/*
 * Events on jobs that are there: reports, releases, cancels, retries, deletes. Each stands alone; what is refused is found
 * by reading, before anything is written. A report whose answer was lost comes again and is answered as the first time.
 */
#include "store/postgres/unit.h"

#include "core/text.h"

/* One event in the midst of it. */
typedef struct settling {
    bool has_digest; /* that version was ended by a report */
    uint64_t digest;
    int64_t key_holder; /* RETRY: the live job that has its unique_key */
} settling;

static bool is_report(const taskq_event *event)
{
    return event->version != 0 && (event->kind == TASKQ_EVENT_SUCCEED || event->kind == TASKQ_EVENT_FAIL);
}

static taskq_status take_retry_keys(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    (void)user;
    (void)err;
    for (uint32_t i = 0; i < unit->batch->count; i++) {
        const taskq_op *op = unit->batch->ops[i];
        settling *settled = unit->plans[i];
        for (uint32_t k = 0; k < op->count && op->kind == TASKQ_OP_SETTLE; k++) {
            for (int row = 0; row < PQntuples(result) && op->in.events[k].kind == TASKQ_EVENT_RETRY; row++) {
                if (taskq__pg_result_int(result, row, 0) == op->in.events[k].id) {
                    settled[k].key_holder = taskq__pg_result_int(result, row, 1);
                }
            }
        }
    }
    return TASKQ_OK;
}

static taskq_status gather(taskq__pg_unit *unit, taskq__pg_params *retried, uint32_t *whole_count, int64_t **whole,
                           taskq_error *err)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < unit->batch->count; i++) {
        count += unit->batch->ops[i]->kind == TASKQ_OP_SETTLE ? unit->batch->ops[i]->count : 0;
    }
    *whole = taskq_arena_alloc(unit->arena, count * sizeof(int64_t));
    if (*whole == NULL) {
        return taskq__pg_fail_arena(err);
    }
    for (uint32_t i = 0; i < unit->batch->count; i++) {
        const taskq_op *op = unit->batch->ops[i];
        if (op->kind != TASKQ_OP_SETTLE) {
            continue;
        }
        unit->plans[i] = taskq_arena_alloc(unit->arena, op->count * sizeof(settling));
        if (unit->plans[i] == NULL) {
            return taskq__pg_fail_arena(err);
        }
        for (uint32_t k = 0; k < op->count; k++) {
            const taskq_event *event = &op->in.events[k];
            if (event->kind == TASKQ_EVENT_RETRY) {
                taskq__pg_row_int(retried, event->id);
            }
            if (event->wants_job && event->kind != TASKQ_EVENT_DELETE) {
                (*whole)[(*whole_count)++] = event->id;
            }
        }
    }
    return TASKQ_OK;
}

taskq_status taskq__pg_settles_ask(taskq__pg_unit *unit, taskq_error *err)
{
    taskq__pg_params retried;
    taskq__pg_params_columns(&retried, unit->arena, "i");
    uint32_t whole_count = 0;
    int64_t *whole = NULL;
    taskq_status status = gather(unit, &retried, &whole_count, &whole, err);
    if (status == TASKQ_OK && taskq__pg_params_rows(&retried) > 0) {
        status = taskq__pg_ask(unit, TASKQ__PG_SQL_RETRY_KEYS, &retried, take_retry_keys, NULL, err);
    }
    if (status == TASKQ_OK && whole_count > 0) {
        status = taskq__pg_ask_whole(unit, whole, NULL, whole_count, 0, err);
    }
    return status;
}

/* Where in the batch a digest belongs: the op in the upper half, the event in the lower. */
static taskq_status take_digests(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    (void)user;
    (void)err;
    for (int row = 0; row < PQntuples(result); row++) {
        uint64_t place = (uint64_t)taskq__pg_result_int(result, row, 0);
        settling *settled = unit->plans[place >> 32];
        settled[place & UINT32_MAX].has_digest = true;
        settled[place & UINT32_MAX].digest = (uint64_t)taskq__pg_result_int(result, row, 1);
    }
    return TASKQ_OK;
}

/* A report of a version that is not the current one: was it counted before? */
taskq_status taskq__pg_settles_follow(taskq__pg_unit *unit, taskq_error *err)
{
    taskq__pg_params params;
    taskq__pg_params_init(&params, unit->arena);
    for (int i = 0; i < 3; i++) {
        taskq__pg_params_column(&params, TASKQ__PG_VALUE_INT8);
    }
    for (uint32_t i = 0; i < unit->batch->count; i++) {
        const taskq_op *op = unit->batch->ops[i];
        for (uint32_t k = 0; k < op->count && op->kind == TASKQ_OP_SETTLE; k++) {
            const taskq_event *event = &op->in.events[k];
            const taskq__pg_touch *touch = is_report(event) ? taskq__pg_touch_look(unit, event->id) : NULL;
            if (touch != NULL && touch->there && touch->row.job.version > event->version) {
                taskq__pg_row_int(&params, (int64_t)((uint64_t)i << 32 | k));
                taskq__pg_row_int(&params, event->id);
                taskq__pg_row_int(&params, event->version);
            }
        }
    }
    return taskq__pg_params_rows(&params) == 0
               ? TASKQ_OK
               : taskq__pg_ask(unit, TASKQ__PG_SQL_DIGESTS, &params, take_digests, NULL, err);
}

static bool is_repeated(const taskq__pg_touch *touch, const taskq_event *event, const settling *settled)
{
    if (!is_report(event)) {
        return false;
    }
    for (const taskq__pg_ended *ended = touch->ended; ended != NULL; ended = ended->next) {
        if (ended->version == event->version) {
            return ended->reported && ended->digest == event->digest;
        }
    }
    return settled->has_digest && settled->digest == event->digest;
}

/* By another live job, in the database or in this batch. */
static bool is_key_taken(taskq__pg_unit *unit, const taskq_job *job, const settling *settled)
{
    const taskq__named *key =
        job->unique_key.size == 0 ? NULL : taskq__places_look(&unit->keys, job->queue, job->unique_key);
    if (key != NULL) {
        return key->holder != job->id;
    }
    if (job->unique_key.size == 0 || settled->key_holder == 0 || settled->key_holder == job->id) {
        return false;
    }
    const taskq__pg_touch *holder = taskq__pg_touch_look(unit, settled->key_holder);
    return holder == NULL || (holder->there && !taskq_state_is_terminal(holder->row.job.state));
}

static bool take_key(taskq__pg_unit *unit, const taskq_job *job)
{
    taskq__named *key = job->unique_key.size == 0 ? NULL : taskq__places_find(&unit->keys, job->queue, job->unique_key);
    if (key != NULL) {
        key->holder = job->id;
    }
    return key != NULL || job->unique_key.size == 0;
}

static void answer(taskq_event *event, const taskq__pg_touch *touch, taskq_job *place, taskq_now now)
{
    event->status = TASKQ_OK;
    event->state = touch->row.job.state;
    event->new_version = touch->row.job.version;
    if (place != NULL) {
        taskq__row_show_lease(place, now);
        event->job = place;
    }
}

/* All that a wanted job needs of the caller's arena, before anything is changed: the job as it will be. */
static bool place_for(taskq__pg_unit *unit, const taskq_op *op, const taskq_event *event, const taskq__pg_touch *touch,
                      const taskq_job *after, taskq_job **out)
{
    (void)unit;
    *out = NULL;
    if (!event->wants_job || event->kind == TASKQ_EVENT_DELETE) {
        return true;
    }
    *out = touch->whole ? taskq_arena_alloc(op->arena, sizeof(taskq_job)) : NULL;
    return *out != NULL && taskq__pg_job_copy(op->arena, after, *out);
}

static taskq_status settle_one(taskq__pg_unit *unit, taskq_op *op, taskq_event *event, const settling *settled,
                               taskq_error *err)
{
    taskq__pg_touch *touch = taskq__pg_touch_look(unit, event->id);
    taskq_job *place = NULL;
    taskq_move move;
    event->status = TASKQ_ENOTFOUND;
    event->job = NULL;
    event->state = (taskq_state)0;
    event->new_version = 0;
    event->repeated = false;
    if (touch != NULL && touch->locked) {
        event->status = TASKQ_EBUSY;
        return TASKQ_OK;
    }
    if (touch == NULL || !touch->there) {
        return TASKQ_OK;
    }
    taskq_status status = unit->batch->decide(&touch->row.job, event, unit->now, &move, NULL);
    if (status == TASKQ_OK && event->kind == TASKQ_EVENT_RETRY && is_key_taken(unit, &touch->row.job, settled)) {
        status = TASKQ_ECONFLICT;
    }
    bool repeated = status == TASKQ_ESTALE && is_repeated(touch, event, settled);
    if (status != TASKQ_OK && !repeated) {
        event->status = status;
        return TASKQ_OK;
    }
    if (!place_for(unit, op, event, touch, repeated ? &touch->row.job : &move.after, &place)) {
        event->status = TASKQ_ENOMEM; /* the caller's own bound: nothing was written, the others go on */
        return TASKQ_OK;
    }
    event->repeated = repeated;
    if (!repeated && (!taskq__pg_move(unit, touch, event, &move, (taskq_text){NULL, 0}) ||
                      (event->kind == TASKQ_EVENT_RETRY && !take_key(unit, &touch->row.job)))) {
        return taskq__pg_fail_arena(err);
    }
    if (touch->removed) {
        event->status = TASKQ_OK;
    } else {
        answer(event, touch, place, unit->now);
    }
    return TASKQ_OK;
}

taskq_status taskq__pg_settle(taskq__pg_unit *unit, uint32_t index, taskq_error *err)
{
    taskq_op *op = unit->batch->ops[index];
    const settling *settled = unit->plans[index];
    taskq_status status = TASKQ_OK;
    for (uint32_t i = 0; i < op->count && status == TASKQ_OK; i++) {
        status = settle_one(unit, op, &op->in.events[i], &settled[i], err);
    }
    return status;
}
