/* SPDX-License-Identifier: MIT */
/*
 * Who gets what: the jobs that were found ready, and those that this batch itself made ready, merged in their order (queues as
 * the caller prefers them; within one: priority, run_at, id). First it is settled which jobs a claim takes, so that large
 * payloads are read for those alone; then they are leased.
 */
#include "store/postgres/claims.h"

#include "core/text.h"

#include <stdlib.h>

/* ---- asking -------------------------------------------------------------------------------------------------------- */

static taskq_status take_held(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    (void)user;
    for (int row = 0; row < PQntuples(result); row++) {
        taskq__pg_claiming *c = unit->plans[taskq__pg_result_int(result, row, 0)];
        taskq__pg_touch *touch = taskq__pg_take_candidate(unit, result, row, 1);
        if (touch == NULL) {
            return taskq__pg_fail_arena(err);
        }
        touch->row.job.progress =
            taskq__pg_result_text(result, row, 1 + TASKQ__COLUMN_COUNT + TASKQ__PG_PAYLOAD_COLUMN_COUNT + 2);
        if (c->pick_count < c->claim->limit) {
            c->picks[c->pick_count++] = touch;
        }
    }
    return TASKQ_OK;
}

static taskq_status ask_held(taskq__pg_unit *unit, taskq_error *err)
{
    taskq__pg_params params;
    taskq__pg_params_columns(&params, unit->arena, "itti");
    for (uint32_t i = 0; i < unit->batch->count; i++) {
        const taskq_op *op = unit->batch->ops[i];
        if (op->kind == TASKQ_OP_CLAIM && op->in.claim->poll.size > 0 && op->in.claim->worker.size > 0) {
            taskq__pg_row_int(&params, i);
            taskq__pg_row_text(&params, op->in.claim->poll);
            taskq__pg_row_text(&params, op->in.claim->worker);
            taskq__pg_row_int(&params, op->in.claim->limit);
        }
    }
    return taskq__pg_params_rows(&params) == 0
               ? TASKQ_OK
               : taskq__pg_ask(unit, TASKQ__PG_SQL_POLL_HELD, &params, take_held, NULL, err);
}

static taskq_status take_queues(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    (void)user;
    for (int row = 0; row < PQntuples(result); row++) {
        taskq__named *queue =
            taskq__places_find(&unit->places, taskq__pg_result_text(result, row, 0), (taskq_text){NULL, 0});
        if (queue == NULL) {
            return taskq__pg_fail_arena(err);
        }
        if (!queue->known) {
            queue->known = true;
            queue->paused = taskq__pg_result_int(result, row, 1) != 0;
        }
    }
    return TASKQ_OK;
}

/* What this batch makes ready must not be handed out of a queue that is paused. */
static taskq_status ask_queues(taskq__pg_unit *unit, taskq_error *err)
{
    const taskq__pg_shape *shapes = unit->shapes;
    bool makes_ready = false;
    for (uint32_t i = 0; i < unit->batch->count; i++) {
        makes_ready = makes_ready || unit->batch->ops[i]->kind == TASKQ_OP_ENQUEUE ||
                      unit->batch->ops[i]->kind == TASKQ_OP_SETTLE;
    }
    taskq__pg_params params;
    taskq__pg_params_columns(&params, unit->arena, "t");
    for (uint32_t i = 0; makes_ready && i < unit->shape_count; i++) {
        for (uint32_t k = 0; k < shapes[i].like->queue_count; k++) {
            taskq__pg_row_text(&params, shapes[i].like->queues[k]);
        }
    }
    return !makes_ready ? TASKQ_OK : taskq__pg_ask(unit, TASKQ__PG_SQL_QUEUES_LOOK, &params, take_queues, NULL, err);
}

static taskq_status ask_shapes(taskq__pg_unit *unit, taskq_error *err)
{
    taskq__pg_pace *pace = taskq__pg_floors_pace(unit->pg->floors);
    taskq__pg_shape *shapes = unit->shapes;
    bool looks = false;
    for (uint32_t i = 0; i < unit->shape_count; i++) {
        looks = taskq__pg_shape_looks(unit, &shapes[i], false) || looks;
    }
    taskq_status status = looks ? taskq__pg_pace_ask_begin(unit, pace, err) : TASKQ_OK;
    for (uint32_t i = 0; i < unit->shape_count && status == TASKQ_OK; i++) {
        status = taskq__pg_shape_ask(unit, &shapes[i], err);
    }
    return status == TASKQ_OK && looks ? taskq__pg_pace_ask_end(unit, pace, err) : status;
}

taskq_status taskq__pg_claims_ask(taskq__pg_unit *unit, taskq_error *err)
{
    if (unit->batch->count == 0 || unit->batch->ops[unit->batch->count - 1]->kind != TASKQ_OP_CLAIM) {
        return TASKQ_OK; /* claims come last */
    }
    if (!taskq__pg_claim_shapes(unit)) {
        return taskq__pg_fail_arena(err);
    }
    taskq_status status = ask_held(unit, err);
    status = status == TASKQ_OK ? ask_shapes(unit, err) : status;
    return status == TASKQ_OK ? ask_queues(unit, err) : status;
}

/* ---- which jobs ------------------------------------------------------------------------------------------------------ */

static int by_order(const void *left, const void *right)
{
    const taskq__pg_candidate *a = left, *b = right;
    const taskq_job *x = &a->touch->row.job, *y = &b->touch->row.job;
    if (a->place != b->place) {
        return a->place < b->place ? -1 : 1;
    }
    if (x->priority != y->priority) {
        return x->priority > y->priority ? -1 : 1;
    }
    if (x->run_at_ms != y->run_at_ms) {
        return x->run_at_ms < y->run_at_ms ? -1 : 1;
    }
    return (x->id > y->id) - (x->id < y->id);
}

static bool is_paused(const taskq__pg_unit *unit, taskq_text name)
{
    const taskq__named *queue = taskq__places_look(&unit->places, name, (taskq_text){NULL, 0});
    return queue != NULL && queue->known && queue->paused;
}

static bool wants(const taskq_claim *claim, const taskq_job *job, uint32_t *place)
{
    bool queue = false, type = claim->type_count == 0;
    for (uint32_t i = 0; i < claim->queue_count && !queue; i++) {
        queue = taskq__text_equal(claim->queues[i], job->queue);
        *place = i;
    }
    for (uint32_t i = 0; i < claim->type_count && queue && !type; i++) {
        type = taskq__text_equal(claim->types[i], job->type);
    }
    return queue && type;
}

/* Those that this batch made ready, in the order in which the shape wants them. */
static bool gather_local(taskq__pg_unit *unit, taskq__pg_shape *shape)
{
    uint32_t count = 0, place = 0;
    for (const taskq__pg_touch *touch = unit->first; touch != NULL; touch = touch->next) {
        count += touch->ready_here;
    }
    if (count == 0) {
        return true;
    }
    shape->local = taskq_arena_alloc(unit->arena, count * sizeof(taskq__pg_candidate));
    if (shape->local == NULL) {
        return false;
    }
    for (taskq__pg_touch *touch = unit->first; touch != NULL; touch = touch->next) {
        if (touch->ready_here && wants(shape->like, &touch->row.job, &place) && !is_paused(unit, touch->row.job.queue)) {
            shape->local[shape->local_count++] = (taskq__pg_candidate){place, touch};
        }
    }
    if (shape->local_count > 1) {
        qsort(shape->local, shape->local_count, sizeof(taskq__pg_candidate), by_order);
    }
    return true;
}

static const taskq__pg_candidate *next_of(const taskq__pg_candidate *list, uint32_t count, uint32_t *at)
{
    while (*at < count && (list[*at].touch->picked || !list[*at].touch->there ||
                           list[*at].touch->row.job.state != TASKQ_STATE_QUEUED)) {
        ++*at;
    }
    return *at < count ? &list[*at] : NULL;
}

static taskq__pg_touch *next_candidate(taskq__pg_shape *shape)
{
    const taskq__pg_candidate *found = next_of(shape->found, shape->found_count, &shape->found_at);
    const taskq__pg_candidate *local = next_of(shape->local, shape->local_count, &shape->local_at);
    if (found == NULL || local == NULL) {
        return found != NULL ? found->touch : local != NULL ? local->touch : NULL;
    }
    return by_order(found, local) < 0 ? found->touch : local->touch;
}

/* What this poll got before and still holds comes back as it is. */
static void keep_held(taskq__pg_claiming *c)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->pick_count; i++) {
        const taskq__pg_touch *touch = c->picks[i];
        if (touch->there && touch->row.job.state == TASKQ_STATE_RUNNING && !touch->changed) {
            c->picks[kept++] = c->picks[i];
        }
    }
    c->pick_count = kept;
    c->held = kept > 0;
}

static void pick(taskq__pg_claiming *c)
{
    int64_t bytes = 0;
    keep_held(c);
    if (c->held) {
        return;
    }
    while (c->pick_count < c->claim->limit) {
        taskq__pg_touch *touch = next_candidate(c->shape);
        if (touch == NULL || (c->pick_count > 0 && bytes + touch->payload_bytes > (int64_t)c->claim->bytes_max)) {
            break;
        }
        touch->picked = true;
        bytes += touch->payload_bytes;
        c->picks[c->pick_count++] = touch;
    }
}

taskq_status taskq__pg_claims_pick(taskq__pg_unit *unit, taskq_error *err)
{
    taskq__pg_shape *shapes = unit->shapes;
    uint32_t limit = 0, count = 0;
    for (uint32_t i = 0; i < unit->shape_count; i++) {
        if (!gather_local(unit, &shapes[i])) {
            return taskq__pg_fail_arena(err);
        }
        limit += shapes[i].limit;
    }
    int64_t *ids = taskq_arena_alloc(unit->arena, limit * sizeof(int64_t));
    if (ids == NULL) {
        return taskq__pg_fail_arena(err);
    }
    for (uint32_t i = 0; i < unit->batch->count && unit->shape_count > 0; i++) {
        taskq__pg_claiming *c = unit->plans[i];
        if (unit->batch->ops[i]->kind != TASKQ_OP_CLAIM) {
            continue;
        }
        pick(c);
        for (uint32_t k = 0; k < c->pick_count; k++) {
            if (!c->picks[k]->whole) {
                ids[count++] = c->picks[k]->row.job.id;
            }
        }
    }
    return count == 0 ? TASKQ_OK : taskq__pg_ask_whole(unit, ids, ids, count, 0, err);
}

/* ---- leasing ---------------------------------------------------------------------------------------------------------- */

static bool hand_over(taskq__pg_claiming *c, const taskq_job *job, taskq_now now)
{
    taskq_job *place = taskq_arena_alloc(c->op->arena, sizeof(*place));
    if (place == NULL || !taskq__pg_job_copy(c->op->arena, job, place)) {
        c->again = true;
        return false;
    }
    taskq__row_show_lease(place, now);
    c->claim->jobs[c->claim->job_count++] = place;
    return true;
}

static taskq_status lease_one(taskq__pg_unit *unit, taskq__pg_claiming *c, taskq__pg_touch *touch, taskq_error *err)
{
    taskq_event event = {.kind = TASKQ_EVENT_CLAIM,
                         .id = touch->row.job.id,
                         .version = touch->row.job.version,
                         .worker = c->claim->worker};
    taskq_move move;
    if (unit->batch->decide(&touch->row.job, &event, unit->now, &move, NULL) != TASKQ_OK ||
        !hand_over(c, &move.after, unit->now)) {
        return TASKQ_OK;
    }
    return taskq__pg_move(unit, touch, &event, &move, c->claim->poll) ? TASKQ_OK : taskq__pg_fail_arena(err);
}

static taskq_status lease_all(taskq__pg_unit *unit, taskq__pg_claiming *c, taskq_error *err)
{
    taskq_claim *claim = c->claim;
    taskq_status status = TASKQ_OK;
    claim->job_count = 0;
    claim->jobs = taskq_arena_alloc(c->op->arena, claim->limit * sizeof(taskq_job *));
    if (claim->jobs == NULL) {
        c->op->status = TASKQ_ENOMEM;
        return TASKQ_OK;
    }
    int64_t bytes = 0;
    for (uint32_t i = 0; i < c->pick_count && !c->again && status == TASKQ_OK; i++) {
        taskq__pg_touch *touch = c->picks[i];
        bytes += touch->payload_bytes;
        if (claim->job_count > 0 && bytes > (int64_t)claim->bytes_max) {
            break; /* how large it is was not known when it was picked */
        }
        if (!touch->whole) {
            continue; /* it went meanwhile */
        }
        if (c->held) {
            (void)hand_over(c, &touch->row.job, unit->now);
        } else {
            status = lease_one(unit, c, touch, err);
        }
    }
    if (c->again && claim->job_count == 0) {
        c->op->status = TASKQ_ENOMEM; /* there is a job, but the caller's arena has no room for it */
    }
    return status;
}

/* Locked and not taken, so others may have passed over it. */
static taskq_status give_back(taskq__pg_unit *unit, taskq_error *err)
{
    const taskq__pg_shape *shapes = unit->shapes;
    for (uint32_t i = 0; i < unit->shape_count; i++) {
        for (uint32_t k = 0; k < shapes[i].found_count; k++) {
            taskq__pg_touch *touch = shapes[i].found[k].touch;
            if (touch->there && touch->row.job.state == TASKQ_STATE_QUEUED && !touch->changed && !touch->ready_here &&
                !taskq__pg_made_ready(unit, touch)) {
                return taskq__pg_fail_arena(err);
            }
        }
    }
    return TASKQ_OK;
}

taskq_status taskq__pg_claims_lease(taskq__pg_unit *unit, taskq_error *err)
{
    taskq_status status = TASKQ_OK;
    for (uint32_t i = 0; i < unit->batch->count && unit->shape_count > 0 && status == TASKQ_OK; i++) {
        if (unit->batch->ops[i]->kind == TASKQ_OP_CLAIM) {
            status = lease_all(unit, unit->plans[i], err);
        }
    }
    return status == TASKQ_OK ? give_back(unit, err) : status;
}
