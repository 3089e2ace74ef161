/* SPDX-License-Identifier: MIT */
/*
 * New jobs, all of an op or none. A unique_key or an idempotency key that is taken is found by reading; where another server takes
 * it in the same moment, a constraint fires, nothing of the batch has happened, and given again it finds the key taken.
 */
#include "store/postgres/ops_enqueue.h"

#include "core/fail.h"
#include "core/job.h"
#include "core/text.h"

#include <stdlib.h>

/* A key of a few bytes may name a job of a megabyte, and a thousand of them travel in one op: an answer holds so much more than
 * what was asked with. */
enum { EXISTING_BYTES_MAX = TASKQ_CLAIM_BYTES_MAX, TWIN_BYTES_MIN = 4096 };

/* ---- what is asked for --------------------------------------------------------------------------------------------- */

/* Where in the batch a unique key was asked for. */
typedef struct asker {
    uint32_t op, job;
} asker;

static taskq_status take_unique(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    const asker *askers = user;
    for (int row = 0; row < PQntuples(result); row++) {
        const asker *at = &askers[taskq__pg_result_int(result, row, 0) - 1];
        taskq__pg_enqueuing *e = unit->plans[at->op];
        int64_t id = taskq__pg_result_int(result, row, 2);
        taskq__pg_touch *touch = taskq__pg_touch_of(unit, id);
        if (touch == NULL) {
            return taskq__pg_fail_arena(err);
        }
        if (!touch->there && !touch->removed) {
            if (!taskq__pg_row_take(result, row, 2, unit->now, unit->arena, &touch->row)) {
                return taskq__pg_fail_arena(err);
            }
            taskq__row_stand_in(&touch->row);
            touch->there = true;
        }
        e->holders[at->job] = id;
        e->holder_bytes[at->job] = taskq__pg_result_int(result, row, 1);
    }
    return TASKQ_OK;
}

static taskq_status take_keys(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    (void)user;
    (void)err;
    for (int row = 0; row < PQntuples(result); row++) {
        taskq_text key = taskq__pg_result_text(result, row, 0);
        for (uint32_t i = 0; i < unit->batch->count; i++) {
            taskq__pg_enqueuing *e = unit->plans[i];
            if (unit->batch->ops[i]->kind == TASKQ_OP_ENQUEUE && taskq__text_equal(e->in->idempotency_key, key)) {
                e->key_there = true;
                e->key_digest = (uint64_t)taskq__pg_result_int(result, row, 1);
                e->key_jobs = taskq__pg_result_text(result, row, 2);
                e->key_valid = taskq__pg_result_int(result, row, 3) > unit->now.wall_ms;
            }
        }
    }
    return TASKQ_OK;
}

static taskq__pg_enqueuing *new_plan(taskq__pg_unit *unit, taskq_op *op)
{
    taskq__pg_enqueuing *e = taskq_arena_alloc(unit->arena, sizeof(*e));
    if (e != NULL) {
        e->op = op;
        e->in = op->in.enqueue;
        e->holders = taskq_arena_alloc(unit->arena, e->in->count * sizeof(int64_t));
        e->holder_bytes = taskq_arena_alloc(unit->arena, e->in->count * sizeof(int64_t));
    }
    return e == NULL || e->holders == NULL || e->holder_bytes == NULL ? NULL : e;
}

static int by_text(const void *left, const void *right)
{
    const taskq_text *a = left, *b = right;
    return taskq__pg_text_order(*a, *b);
}

static taskq_status ask_keys(taskq__pg_unit *unit, taskq_text *keys, uint32_t count, taskq_error *err)
{
    if (count == 0) {
        return TASKQ_OK;
    }
    qsort(keys, count, sizeof(taskq_text), by_text);
    taskq__pg_params params;
    taskq__pg_params_columns(&params, unit->arena, "t");
    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || !taskq__text_equal(keys[i], keys[i - 1])) {
            taskq__pg_row_text(&params, keys[i]);
        }
    }
    return taskq__pg_ask(unit, TASKQ__PG_SQL_KEYS_LOCK, &params, take_keys, NULL, err);
}

taskq_status taskq__pg_enqueues_ask(taskq__pg_unit *unit, taskq_error *err)
{
    taskq__pg_params unique;
    taskq__pg_params_columns(&unique, unit->arena, "tt");
    asker *askers = taskq_arena_alloc(unit->arena, (size_t)unit->id_count * sizeof(asker));
    taskq_text *keys = taskq_arena_alloc(unit->arena, unit->batch->count * sizeof(taskq_text));
    uint32_t key_count = 0, asked = 0;
    if (askers == NULL || keys == NULL) {
        return taskq__pg_fail_arena(err);
    }
    for (uint32_t i = 0; i < unit->batch->count; i++) {
        taskq_op *op = unit->batch->ops[i];
        if (op->kind != TASKQ_OP_ENQUEUE) {
            continue;
        }
        taskq__pg_enqueuing *e = unit->plans[i] = new_plan(unit, op);
        if (e == NULL) {
            return taskq__pg_fail_arena(err);
        }
        if (e->in->idempotency_key.size > 0) {
            keys[key_count++] = e->in->idempotency_key;
        }
        for (uint32_t k = 0; k < e->in->count; k++) {
            if (e->in->jobs[k]->unique_key.size > 0) {
                taskq__pg_row_text(&unique, e->in->jobs[k]->queue);
                taskq__pg_row_text(&unique, e->in->jobs[k]->unique_key);
                askers[asked++] = (asker){i, k};
            }
        }
    }
    taskq_status status = ask_keys(unit, keys, key_count, err);
    return status != TASKQ_OK || asked == 0
               ? status
               : taskq__pg_ask(unit, TASKQ__PG_SQL_UNIQUE_FIND, &unique, take_unique, askers, err);
}

/* Keys that were used: the jobs of then; keys that are taken: those who have them, where more than their ids is wanted. */
taskq_status taskq__pg_enqueues_follow(taskq__pg_unit *unit, taskq_error *err)
{
    int64_t *ids = NULL, *groups = NULL;
    uint32_t count = 0;
    if (unit->id_count == 0) {
        return TASKQ_OK;
    }
    ids = taskq_arena_alloc(unit->arena, (size_t)unit->id_count * sizeof(int64_t));
    groups = taskq_arena_alloc(unit->arena, (size_t)unit->id_count * sizeof(int64_t));
    if (ids == NULL || groups == NULL) {
        return taskq__pg_fail_arena(err);
    }
    for (uint32_t i = 0; i < unit->batch->count; i++) {
        taskq__pg_enqueuing *e = unit->plans[i];
        if (unit->batch->ops[i]->kind != TASKQ_OP_ENQUEUE) {
            continue;
        }
        bool replays = taskq__pg_key_replays(e);
        int64_t bytes = 0;
        for (uint32_t k = 0; k < e->in->count; k++) {
            int64_t id = replays ? taskq__pg_key_job(e, k) : e->in->wants_jobs && !e->key_valid ? e->holders[k] : 0;
            bytes += replays ? 0 : e->holder_bytes[k];
            if (id != 0 && (bytes - e->holder_bytes[k] < 2 * EXISTING_BYTES_MAX || replays)) {
                ids[count] = id;
                groups[count++] = i;
            }
        }
    }
    return count == 0 ? TASKQ_OK : taskq__pg_ask_whole(unit, ids, groups, count, EXISTING_BYTES_MAX, err);
}

/* ---- deciding -------------------------------------------------------------------------------------------------------- */

/* A job that is there already, as it now is. One that was deleted since is its id alone. */
static bool answer_existing(taskq__pg_unit *unit, taskq__pg_enqueuing *e, int64_t id, taskq_job *place)
{
    const taskq__pg_touch *touch = taskq__pg_touch_look(unit, id);
    if (touch != NULL && touch->there) {
        if (!taskq__pg_job_copy(e->op->arena, &touch->row.job, place)) {
            return false;
        }
        if (!e->in->wants_jobs) {
            place->payload = place->result = place->error = place->progress = (taskq_text){NULL, 0};
        }
        e->existing_bytes += place->payload.size + place->result.size + place->error.size + place->progress.size;
    }
    place->id = id;
    return true;
}

static bool replay(taskq__pg_unit *unit, taskq__pg_enqueuing *e)
{
    taskq_enqueue *in = e->in;
    in->replayed = true;
    for (uint32_t i = 0; i < in->count; i++) {
        if (!answer_existing(unit, e, taskq__pg_key_job(e, i), in->results[i])) {
            return false;
        }
        in->results[i]->existing = !taskq__pg_key_made(e, i);
        in->made += !in->results[i]->existing;
    }
    return true;
}

/* The live job that has the key, now and in this batch; 0: none. */
static int64_t holder_of(const taskq__pg_unit *unit, const taskq__pg_enqueuing *e, uint32_t i, const taskq_job *job)
{
    const taskq__named *key = taskq__places_look(&unit->keys, job->queue, job->unique_key);
    if (key != NULL && key->holder != 0) {
        const taskq__pg_touch *taker = taskq__pg_touch_look(unit, key->holder);
        if (taker != NULL && taker->there && !taskq_state_is_terminal(taker->row.job.state)) {
            return key->holder;
        }
    }
    const taskq__pg_touch *touch = e->holders[i] == 0 ? NULL : taskq__pg_touch_look(unit, e->holders[i]);
    return touch != NULL && touch->there && !taskq_state_is_terminal(touch->row.job.state) ? e->holders[i] : 0;
}

/* What an earlier job of the op adds to the answer again where this one has its key. Small ones are not worth the search. */
static const taskq_job *find_twin(const taskq__pg_enqueuing *e, uint32_t i)
{
    const taskq_job *job = e->in->results[i];
    for (uint32_t k = 0; k < i && job->unique_key.size > 0; k++) {
        const taskq_job *earlier = e->in->results[k];
        if (!earlier->existing && taskq__text_equal(earlier->unique_key, job->unique_key) &&
            taskq__text_equal(earlier->queue, job->queue)) {
            return earlier;
        }
    }
    return NULL;
}

/* The answer must not be many times as large as the request. One job is always given, as is the answer to a repetition. */
static void check_size(taskq__pg_enqueuing *e, size_t given_bytes)
{
    if (e->in->wants_jobs && e->in->count > 1 && e->existing_bytes > EXISTING_BYTES_MAX + given_bytes) {
        e->op->status = taskq__fail(&e->op->error, TASKQ_EINVAL,
                                    "the jobs that have these unique keys hold more than %d MiB: enqueue fewer at once",
                                    EXISTING_BYTES_MAX >> 20);
    }
}

/* One new job as it will be; or the one that has its unique_key. Nothing is made yet; false: no memory of the caller's. */
static bool plan_one(taskq__pg_unit *unit, taskq__pg_enqueuing *e, uint32_t i)
{
    taskq_job before, *place = e->in->results[i];
    taskq__job_from_new(e->in->jobs[i], unit->now, &before);
    int64_t holder = before.unique_key.size == 0 ? 0 : holder_of(unit, e, i, &before);
    if (holder != 0) {
        bool copied = answer_existing(unit, e, holder, place);
        const taskq__pg_touch *touch = taskq__pg_touch_look(unit, holder);
        if (e->in->wants_jobs && !touch->whole && !touch->made) {
            e->existing_bytes += (size_t)e->holder_bytes[i]; /* too much was asked for to be read */
        }
        place->existing = true;
        return copied;
    }
    taskq_event event = {.kind = TASKQ_EVENT_ENQUEUE};
    taskq_move move;
    e->op->status = unit->batch->decide(&before, &event, unit->now, &move, &e->op->error);
    if (e->op->status != TASKQ_OK) {
        return true;
    }
    *place = move.after;
    place->existing = false;
    const taskq_job *twin = find_twin(e, i);
    if (twin != NULL && twin->payload.size >= TWIN_BYTES_MIN) {
        e->existing_bytes += twin->payload.size;
    }
    return !e->in->wants_jobs || taskq__pg_job_copy(e->op->arena, &move.after, place);
}

static bool make_one(taskq__pg_unit *unit, taskq__pg_enqueuing *e, uint32_t i)
{
    taskq_job *job = e->in->results[i];
    const taskq_job *twin = find_twin(e, i);
    if (twin != NULL) {
        *job = *twin;
        job->existing = true;
        return true;
    }
    job->id = unit->ids[unit->id_used++];
    taskq__pg_touch *touch = taskq__pg_touch_of(unit, job->id);
    taskq__named *queue = taskq__places_find(&unit->places, job->queue, (taskq_text){NULL, 0});
    taskq__named *key = job->unique_key.size == 0 ? NULL : taskq__places_find(&unit->keys, job->queue, job->unique_key);
    if (touch == NULL || queue == NULL || (key == NULL && job->unique_key.size > 0)) {
        return false;
    }
    touch->row.job = *job;
    touch->there = touch->made = touch->whole = true;
    touch->payload_bytes = (int64_t)job->payload.size;
    queue->make = true;
    if (key != NULL) {
        key->holder = job->id;
    }
    e->in->made++;
    taskq__batch_due(unit->batch, job);
    return taskq__pg_count(unit, job->queue, (taskq_state)0, job->state) &&
           (job->state != TASKQ_STATE_QUEUED || taskq__pg_made_ready(unit, touch));
}

/* Ids, states and versions were all that was wanted: nothing may point to the caller's request any more. */
static void strip(taskq_enqueue *in)
{
    for (uint32_t i = 0; i < in->count; i++) {
        const taskq_job whole = *in->results[i];
        *in->results[i] =
            (taskq_job){.id = whole.id, .version = whole.version, .state = whole.state, .existing = whole.existing};
    }
}

static void plan_all(taskq__pg_unit *unit, taskq__pg_enqueuing *e)
{
    size_t given_bytes = 0;
    for (uint32_t i = 0; i < e->in->count && e->op->status == TASKQ_OK; i++) {
        given_bytes += e->in->jobs[i]->payload.size;
        if (!plan_one(unit, e, i)) {
            e->op->status = taskq__fail_memory(&e->op->error); /* the caller's own bound: nothing is written yet */
        } else if (e->op->status == TASKQ_OK) {
            check_size(e, given_bytes);
        }
    }
}

taskq_status taskq__pg_enqueue_op(taskq__pg_unit *unit, uint32_t index, taskq_error *err)
{
    taskq__pg_enqueuing *e = unit->plans[index];
    taskq_op *op = e->op;
    if (!taskq__enqueue_room(e->op)) {
        op->status = taskq__fail_memory(&op->error);
        return TASKQ_OK;
    }
    if (e->key_valid && !taskq__pg_key_replays(e)) {
        op->status = taskq__fail(&op->error, TASKQ_EEXISTS, "the idempotency key was used with another request");
        return TASKQ_OK;
    }
    if (e->key_valid) {
        if (!replay(unit, e)) {
            op->status = taskq__fail_memory(&op->error);
        }
    } else {
        plan_all(unit, e);
        for (uint32_t i = 0; i < e->in->count && op->status == TASKQ_OK; i++) {
            if (!e->in->results[i]->existing && !make_one(unit, e, i)) {
                return taskq__pg_fail_arena(err);
            }
        }
        e->key_write = op->status == TASKQ_OK && e->in->idempotency_key.size > 0;
        if (e->key_write && !taskq__pg_key_fill(unit, e)) {
            return taskq__pg_fail_arena(err);
        }
    }
    if (op->status == TASKQ_OK && !e->in->wants_jobs) {
        strip(e->in);
    }
    return TASKQ_OK;
}
