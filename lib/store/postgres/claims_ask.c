/* SPDX-License-Identifier: MIT */
/*
 * A claim seeks, it never filters: for each queue, and each type that is asked for, one range of a ready index, read from where
 * the last claim ended. Claims that ask for the same are one statement; what it finds is locked unless somebody else has it.
 */
#include "store/postgres/claims.h"

#include "core/text.h"

/* How many more of each range are looked at than are taken; where others have so many, once more: of each, and of all together. */
enum { SLACK = 64, WIDE_SLACK = 4096, WIDE_ALL = 16384 };

static bool same_names(const taskq_text *a, uint32_t a_count, const taskq_text *b, uint32_t b_count)
{
    if (a_count != b_count) {
        return false;
    }
    for (uint32_t i = 0; i < a_count; i++) {
        if (!taskq__text_equal(a[i], b[i])) {
            return false;
        }
    }
    return true;
}

static bool share_a_queue(const taskq_claim *a, const taskq_claim *b)
{
    for (uint32_t i = 0; i < a->queue_count; i++) {
        for (uint32_t k = 0; k < b->queue_count; k++) {
            if (taskq__text_equal(a->queues[i], b->queues[k])) {
                return true;
            }
        }
    }
    return false;
}

static taskq__pg_shape *shape_for(taskq__pg_unit *unit, const taskq_claim *claim)
{
    taskq__pg_shape *shapes = unit->shapes;
    for (uint32_t i = 0; i < unit->shape_count; i++) {
        const taskq_claim *like = shapes[i].like;
        if (same_names(like->queues, like->queue_count, claim->queues, claim->queue_count) &&
            same_names(like->types, like->type_count, claim->types, claim->type_count)) {
            return &shapes[i];
        }
    }
    shapes[unit->shape_count] = (taskq__pg_shape){.like = claim};
    return &shapes[unit->shape_count++];
}

/* What a shape finds may be taken by others of the batch: events of this batch, and shapes before it. */
static void add_what_others_take(taskq__pg_unit *unit)
{
    taskq__pg_shape *shapes = unit->shapes;
    uint32_t settled = 0;
    for (uint32_t i = 0; i < unit->batch->count; i++) {
        const taskq_op *op = unit->batch->ops[i];
        for (uint32_t k = 0; op->kind == TASKQ_OP_SETTLE && k < op->count; k++) {
            settled += op->in.events[k].kind == TASKQ_EVENT_CANCEL;
        }
    }
    for (uint32_t i = unit->shape_count; i-- > 0;) {
        for (uint32_t k = 0; k < i; k++) {
            shapes[i].limit += share_a_queue(shapes[i].like, shapes[k].like) ? shapes[k].limit : 0;
        }
        shapes[i].limit += settled;
    }
}

bool taskq__pg_claim_shapes(taskq__pg_unit *unit)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < unit->batch->count; i++) {
        count += unit->batch->ops[i]->kind == TASKQ_OP_CLAIM;
    }
    unit->shapes = taskq_arena_alloc(unit->arena, count * sizeof(taskq__pg_shape));
    if (unit->shapes == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < unit->batch->count; i++) {
        taskq_op *op = unit->batch->ops[i];
        if (op->kind != TASKQ_OP_CLAIM) {
            continue;
        }
        taskq__pg_claiming *c = unit->plans[i] = taskq_arena_alloc(unit->arena, sizeof(*c));
        if (c == NULL) {
            return false;
        }
        c->op = op;
        c->claim = op->in.claim;
        c->picks = taskq_arena_alloc(unit->arena, c->claim->limit * sizeof(taskq__pg_touch *));
        if (c->picks == NULL) {
            return false;
        }
        c->shape = shape_for(unit, c->claim);
        c->shape->limit += c->claim->limit;
        c->shape->claims++;
    }
    add_what_others_take(unit);
    return true;
}

/* ---- asking -------------------------------------------------------------------------------------------------------- */

static taskq_status take_found(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    taskq__pg_shape *shape = user;
    int rows = PQntuples(result);
    shape->found = taskq_arena_alloc(unit->arena, (size_t)rows * sizeof(taskq__pg_candidate));
    if (shape->found == NULL) {
        return taskq__pg_fail_arena(err);
    }
    for (int row = 0; row < rows; row++) {
        if (taskq__pg_result_null(result, row, 1)) {
            continue; /* it only says whether a range was cut */
        }
        taskq__pg_touch *touch = taskq__pg_take_candidate(unit, result, row, 1);
        if (touch == NULL) {
            return taskq__pg_fail_arena(err);
        }
        touch->held = true;
        shape->found[shape->found_count++] =
            (taskq__pg_candidate){(uint32_t)taskq__pg_result_int(result, row, 0), touch};
    }
    return TASKQ_OK;
}

/* Of several ranges: did any go on? */
static taskq_status take_merged(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    taskq__pg_shape *shape = user;
    shape->cut = PQntuples(result) > 0 && taskq__pg_result_int(result, 0, PQnfields(result) - 1) != 0;
    return take_found(unit, result, user, err);
}

/* 1: an op of this batch says that the queue is open, -1: that it is not; 0: the database says. */
static int said_open(const taskq__pg_unit *unit, taskq_text queue)
{
    const taskq__named *place = taskq__places_look(&unit->places, queue, (taskq_text){NULL, 0});
    return place == NULL || !place->known ? 0 : place->paused ? -1 : 1;
}

static bool is_named_before(const taskq_text *names, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++) {
        if (taskq__text_equal(names[k], names[i])) {
            return true;
        }
    }
    return false;
}

/* false: nowhere. */
static bool begin_at(taskq__pg_unit *unit, taskq__pg_shape *shape, taskq_text queue, taskq_text type,
                     taskq__pg_floor *out)
{
    bool somewhere = taskq__pg_floor_of(unit->pg->floors, queue, type, out);
    shape->floored = shape->floored || !taskq__pg_floor_is_beginning(out) || !somewhere;
    return somewhere;
}

static taskq_status ask_one(taskq__pg_unit *unit, taskq__pg_shape *shape, taskq_error *err)
{
    const taskq_claim *like = shape->like;
    taskq_text type = like->type_count == 0 ? (taskq_text){NULL, 0} : like->types[0];
    taskq__pg_floor floor;
    taskq__pg_params params;
    if (!begin_at(unit, shape, like->queues[0], type, &floor)) {
        return TASKQ_OK;
    }
    taskq__pg_params_init(&params, unit->arena);
    taskq__pg_param_text(&params, like->queues[0]);
    if (like->type_count > 0) {
        taskq__pg_param_text(&params, type);
    }
    taskq__pg_param_int(&params, said_open(unit, like->queues[0]) > 0);
    taskq__pg_param_int(&params, floor.rank);
    taskq__pg_param_int(&params, floor.run_at_ms);
    taskq__pg_param_int(&params, floor.id);
    taskq__pg_param_int(&params, shape->limit);
    return taskq__pg_ask(unit, like->type_count == 0 ? TASKQ__PG_SQL_CLAIM_ONE_ANY : TASKQ__PG_SQL_CLAIM_ONE_TYPE,
                         &params, take_found, shape, err);
}

static void add_head(taskq__pg_unit *unit, taskq__pg_shape *shape, taskq__pg_params *params, uint32_t place,
                     const taskq_text *type)
{
    const taskq_text queue = shape->like->queues[place];
    taskq__pg_floor floor;
    if (!begin_at(unit, shape, queue, type == NULL ? (taskq_text){NULL, 0} : *type, &floor)) {
        return;
    }
    taskq__pg_row_int(params, place);
    taskq__pg_row_text(params, queue);
    if (type != NULL) {
        taskq__pg_row_text(params, *type);
    }
    taskq__pg_row_int(params, said_open(unit, queue) > 0);
    taskq__pg_row_int(params, floor.rank);
    taskq__pg_row_int(params, floor.run_at_ms);
    taskq__pg_row_int(params, floor.id);
}

static int64_t wide_slack(const taskq__pg_shape *shape)
{
    int64_t ranges = (int64_t)shape->like->queue_count * (shape->like->type_count == 0 ? 1 : shape->like->type_count);
    int64_t each = WIDE_ALL / ranges;
    return each < SLACK ? SLACK : each > WIDE_SLACK ? WIDE_SLACK : each;
}

static taskq_status ask_many(taskq__pg_unit *unit, taskq__pg_shape *shape, taskq_error *err)
{
    const taskq_claim *like = shape->like;
    bool typed = like->type_count > 0;
    taskq__pg_params params;
    taskq__pg_params_init(&params, unit->arena);
    for (int i = 0; i < (typed ? 7 : 6); i++) {
        taskq__pg_params_column(&params, i == 1 || (i == 2 && typed) ? TASKQ__PG_VALUE_TEXT : TASKQ__PG_VALUE_INT8);
    }
    for (uint32_t i = 0; i < like->queue_count; i++) {
        if (is_named_before(like->queues, i) || said_open(unit, like->queues[i]) < 0) {
            continue;
        }
        if (!typed) {
            add_head(unit, shape, &params, i, NULL);
        }
        for (uint32_t k = 0; k < like->type_count; k++) {
            if (!is_named_before(like->types, k)) {
                add_head(unit, shape, &params, i, &like->types[k]);
            }
        }
    }
    if (taskq__pg_params_rows(&params) == 0 && !params.failed) {
        return TASKQ_OK;
    }
    taskq__pg_param_int(&params, shape->limit);
    taskq__pg_param_int(&params, shape->wide ? wide_slack(shape) : SLACK);
    return taskq__pg_ask(unit, typed ? TASKQ__PG_SQL_CLAIM_TYPES : TASKQ__PG_SQL_CLAIM_ANY, &params, take_merged, shape,
                         err);
}

taskq_status taskq__pg_shape_ask(taskq__pg_unit *unit, taskq__pg_shape *shape, taskq_error *err)
{
    const taskq_claim *like = shape->like;
    if (like->queue_count == 1 && like->type_count <= 1) {
        return said_open(unit, like->queues[0]) < 0 ? TASKQ_OK : ask_one(unit, shape, err);
    }
    return ask_many(unit, shape, err);
}

/* ---- from the beginning ---------------------------------------------------------------------------------------------- */

typedef bool range_fn(taskq__pg_unit *unit, taskq_text queue, taskq_text type, void *user);

/* Each range of a shape; true: `visit` was for one. */
static bool each_range(taskq__pg_unit *unit, const taskq__pg_shape *shape, range_fn *visit, void *user)
{
    const taskq_claim *like = shape->like;
    bool any = false;
    for (uint32_t i = 0; i < like->queue_count; i++) {
        for (uint32_t k = 0; k < like->type_count; k++) {
            any = visit(unit, like->queues[i], like->types[k], user) || any;
        }
        any = (like->type_count == 0 && visit(unit, like->queues[i], (taskq_text){NULL, 0}, user)) || any;
    }
    return any;
}

static bool look_at(taskq__pg_unit *unit, taskq_text queue, taskq_text type, void *user)
{
    const bool *anew = user;
    return said_open(unit, queue) >= 0 && taskq__pg_floor_look(unit->pg->floors, queue, type, *anew);
}

bool taskq__pg_shape_looks(taskq__pg_unit *unit, taskq__pg_shape *shape, bool anew)
{
    bool looks = each_range(unit, shape, look_at, &anew);
    shape->looks = shape->looks || looks;
    return looks;
}

static bool looked_at(taskq__pg_unit *unit, taskq_text queue, taskq_text type, void *user)
{
    const bool *all = user;
    taskq__pg_floor_looked(unit->pg->floors, queue, type, *all);
    return false;
}

static bool failed_at(taskq__pg_unit *unit, taskq_text queue, taskq_text type, void *user)
{
    (void)user;
    taskq__pg_floor_failed(unit->pg->floors, queue, type);
    return false;
}

/* Floors rise, and come down to what a look from the beginning has found. */
static void raise_floors(taskq__pg_unit *unit, const taskq__pg_shape *shape)
{
    const taskq_text any = {NULL, 0};
    bool all = !shape->cut && shape->found_count < shape->limit;
    for (uint32_t k = 0; k < shape->found_count; k++) {
        const taskq_job *job = &shape->found[k].touch->row.job;
        taskq__pg_floor at = {-job->priority, job->run_at_ms, job->id};
        taskq__pg_floor_raise(unit->pg->floors, job->queue, shape->like->type_count == 0 ? any : job->type, at, all);
    }
    if (shape->looks) {
        (void)each_range(unit, shape, looked_at, &all);
    }
}

void taskq__pg_claims_committed(taskq__pg_unit *unit)
{
    const taskq__pg_shape *shapes = unit->shapes;
    for (uint32_t i = 0; i < unit->shape_count; i++) {
        raise_floors(unit, &shapes[i]);
    }
    for (const taskq__pg_touch *touch = unit->first; touch != NULL; touch = touch->next) {
        const taskq_job *job = &touch->row.job;
        if (touch->there && job->state == TASKQ_STATE_QUEUED) {
            taskq__pg_floor at = {-job->priority, job->run_at_ms, job->id};
            taskq__pg_floor_lower(unit->pg->floors, job->queue, (taskq_text){NULL, 0}, at);
            taskq__pg_floor_lower(unit->pg->floors, job->queue, job->type, at);
        }
    }
}

bool taskq__pg_claims_failed(taskq__pg_unit *unit)
{
    const taskq__pg_shape *shapes = unit->shapes;
    bool failed = taskq__pg_pace_failed(unit, taskq__pg_floors_pace(unit->pg->floors));
    for (uint32_t i = 0; i < unit->shape_count && failed; i++) {
        (void)each_range(unit, &shapes[i], failed_at, NULL);
    }
    return failed;
}

/* ---- once more --------------------------------------------------------------------------------------------------------- */

/* Jobs behind what was looked at are ready. */
static bool widens(taskq__pg_shape *shape)
{
    bool wants = shape->cut && !shape->wide && shape->found_count < shape->limit && wide_slack(shape) > SLACK;
    shape->wide = shape->wide || wants;
    return wants;
}

/* Jobs before a floor may have become ready. */
static bool begins_anew(taskq__pg_unit *unit, taskq__pg_shape *shape)
{
    return shape->floored && shape->found_count < shape->claims && taskq__pg_shape_looks(unit, shape, true);
}

static taskq_status ask_again(taskq__pg_unit *unit, bool *looks, taskq_error *err)
{
    taskq__pg_shape *shapes = unit->shapes;
    taskq__pg_pace *pace = taskq__pg_floors_pace(unit->pg->floors);
    taskq_status status = TASKQ_OK;
    *looks = false;
    for (uint32_t i = 0; i < unit->shape_count; i++) {
        bool anew = begins_anew(unit, &shapes[i]);
        shapes[i].again = widens(&shapes[i]) || anew;
        *looks = *looks || anew;
    }
    if (*looks) {
        status = taskq__pg_pace_ask_begin(unit, pace, err);
    }
    for (uint32_t i = 0; i < unit->shape_count && status == TASKQ_OK; i++) {
        if (shapes[i].again) {
            shapes[i].floored = shapes[i].cut = false;
            shapes[i].found_count = 0; /* those come again: what we have locked ourselves is not passed over */
            status = taskq__pg_shape_ask(unit, &shapes[i], err);
        }
    }
    if (*looks && status == TASKQ_OK) {
        status = taskq__pg_pace_ask_end(unit, pace, err);
    }
    return status == TASKQ_OK ? taskq__pg_round(unit, err) : status;
}

taskq_status taskq__pg_claims_again(taskq__pg_unit *unit, taskq_error *err)
{
    bool looks = false;
    taskq_status status = ask_again(unit, &looks, err);
    return looks && status == TASKQ_OK ? ask_again(unit, &looks, err) : status; /* what was cut only now */
}
