/* SPDX-License-Identifier: MIT */
/*
 * A store is a table of functions and an object. Whoever writes a second one is not to find out by a corrupted job that
 * it forgot an output or took ops out of order: everything goes through here, arguments are asserted on the way in and
 * what the table's author promised on the way out.
 */
#include "store/ops.h"

#include "core/alloc.h"
#include "core/fail.h"

#include <assert.h>
#include <string.h>

taskq_status taskq_store_make(const taskq_store_ops *ops, void *self, const taskq_allocator *allocator,
                              taskq_store **out, taskq_error *err)
{
    if (ops == NULL || out == NULL) {
        return taskq__fail(err, TASKQ_EINVAL, "a store needs a table of functions and a place to put it");
    }
    if (ops->struct_size < offsetof(taskq_store_ops, upkeep)) {
        return taskq__fail(err, TASKQ_EINVAL, "the store's table is too short: struct_size is %zu", ops->struct_size);
    }
    const struct {
        bool there;
        const char *name;
    } required[] = {
        {ops->name != NULL, "name"}, {ops->commit != NULL, "commit"}, {ops->get != NULL, "get"},
        {ops->list != NULL, "list"}, {ops->counts != NULL, "counts"}, {ops->next_due != NULL, "next_due"},
        {ops->ping != NULL, "ping"}, {ops->close != NULL, "close"},
    };
    for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
        if (!required[i].there) {
            return taskq__fail(err, TASKQ_EINVAL, "the store's table has no %s", required[i].name);
        }
    }
    taskq_store *store = taskq__alloc(allocator, sizeof(*store));
    if (store == NULL) {
        return taskq__fail_memory(err);
    }
    store->allocator = allocator == NULL ? (taskq_allocator)TASKQ_ALLOCATOR_INIT : *allocator;
    store->ops = ops;
    store->self = self;
    taskq__process_begin(&store->process);
    atomic_init(&store->owner, NULL);
    *out = store;
    return TASKQ_OK;
}

void taskq_store_close(taskq_store *store)
{
    if (store == NULL) {
        return;
    }
    if (taskq__process_is_other(&store->process)) {
        if (TASKQ__HAS(store->ops, forked)) {
            store->ops->forked(store->self);
        }
        return;
    }
    taskq_allocator allocator = store->allocator;
    store->ops->close(store->self);
    taskq__process_end(&store->process);
    taskq__free(&allocator, store);
}

taskq_status taskq__store_check(const taskq_store *store, taskq_error *err)
{
    return taskq__process_check(&store->process, "store", err);
}

const char *taskq_store_name(const taskq_store *store)
{
    return store == NULL ? "none" : store->ops->name;
}

taskq_status taskq_store_backup(taskq_store *store, const char *path, taskq_progress_fn *progress, void *user,
                                taskq_error *err)
{
    if (store == NULL || path == NULL || path[0] == '\0') {
        return taskq__fail(err, TASKQ_EINVAL, "a backup needs a store and the path of a file");
    }
    taskq_status status = taskq__store_check(store, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (!TASKQ__HAS(store->ops, backup)) {
        return taskq__fail(err, TASKQ_EINVAL, "the store %s has no backup of its own", store->ops->name);
    }
    return store->ops->backup(store->self, path, progress, user, err);
}

uint32_t taskq__store_flags(const taskq_store *store)
{
    return store->ops->flags;
}

static void assert_claim_given(const taskq_claim *claim)
{
    assert(claim->limit >= 1 && claim->limit <= TASKQ_CLAIM_JOBS_MAX);
    assert(claim->queue_count >= 1 && claim->queue_count <= TASKQ_CLAIM_NAMES_MAX);
    assert(claim->type_count <= TASKQ_CLAIM_NAMES_MAX);
    (void)claim;
}

static void assert_op_given(const taskq_op *op, const taskq_batch *batch)
{
    assert(op->arena != NULL);
    switch (op->kind) {
    case TASKQ_OP_QUEUE: assert(op->count == 1 && op->in.queue->name.size > 0); break;
    case TASKQ_OP_BEAT:
    case TASKQ_OP_SETTLE: assert(op->count == 0 || op->in.events != NULL); break;
    case TASKQ_OP_ENQUEUE: assert(op->count == 1 && op->in.enqueue->count <= TASKQ_ENQUEUE_JOBS_MAX); break;
    case TASKQ_OP_CLAIM: assert_claim_given(op->in.claim); break;
    case TASKQ_OP_WALK: assert(batch->count == 1 && op->in.walk->max >= 1); break;
    default: assert(false && "an op of no kind");
    }
    (void)batch;
}

static void assert_batch_given(const taskq_batch *batch)
{
    assert(batch != NULL && batch->struct_size == sizeof(*batch));
    assert(batch->decide != NULL && batch->arena != NULL);
    assert(batch->ready_max == 0 || batch->ready != NULL);
    for (uint32_t i = 0; i < batch->count; i++) {
        assert(i == 0 || batch->ops[i - 1]->kind <= batch->ops[i]->kind);
        assert_op_given(batch->ops[i], batch);
    }
}

static void assert_settled(const taskq_op *op)
{
    for (uint32_t i = 0; i < op->count; i++) {
        const taskq_event *event = &op->in.events[i];
        assert(event->status <= TASKQ_OK);
        assert(event->status != TASKQ_OK || !event->wants_job || event->job != NULL ||
               event->kind == TASKQ_EVENT_DELETE);
        assert(event->status != TASKQ_OK || event->kind == TASKQ_EVENT_DELETE || event->new_version >= 1);
        (void)event;
    }
}

static void assert_enqueued(const taskq_enqueue *enqueue)
{
    assert(enqueue->made <= enqueue->count);
    for (uint32_t i = 0; i < enqueue->count; i++) {
        assert(enqueue->results[i] != NULL && enqueue->results[i]->id >= 1);
    }
    (void)enqueue;
}

static void assert_claimed(const taskq_claim *claim)
{
    assert(claim->job_count <= claim->limit);
    for (uint32_t i = 0; i < claim->job_count; i++) {
        assert(claim->jobs[i]->state == TASKQ_STATE_RUNNING && claim->jobs[i]->version >= 2);
    }
    (void)claim;
}

/* What the scheduler goes by without looking again. */
static void assert_batch_done(const taskq_batch *batch)
{
    assert(batch->ready_count <= batch->ready_max);
    for (uint32_t i = 0; i < batch->count; i++) {
        const taskq_op *op = batch->ops[i];
        if (op->status != TASKQ_OK) {
            assert(op->status < TASKQ_OK && op->error.status == op->status);
            continue;
        }
        switch (op->kind) {
        case TASKQ_OP_SETTLE: assert_settled(op); break;
        case TASKQ_OP_ENQUEUE: assert_enqueued(op->in.enqueue); break;
        case TASKQ_OP_CLAIM: assert_claimed(op->in.claim); break;
        case TASKQ_OP_WALK: assert(op->in.walk->moved <= op->in.walk->max); break;
        default: break;
        }
    }
}

taskq_status taskq__store_commit(taskq_store *store, taskq_batch *batch, taskq_error *err)
{
    assert(store != NULL);
    assert_batch_given(batch);
    batch->culprit = batch->count;
    taskq_status status = store->ops->commit(store->self, batch, err);
    if (status == TASKQ_OK) {
        assert_batch_done(batch);
    } else {
        assert(status == TASKQ_EBUSY || status == TASKQ_EINVAL || status == TASKQ_EUNAVAIL ||
               status == TASKQ_EUNKNOWN || status == TASKQ_ESTORE);
        assert(batch->culprit <= batch->count);
    }
    return status;
}

taskq_status taskq__store_upkeep(taskq_store *store, bool idle, taskq_error *err)
{
    assert(store != NULL);
    return TASKQ__HAS(store->ops, upkeep) ? store->ops->upkeep(store->self, idle, err) : TASKQ_OK;
}

taskq_status taskq__store_get(taskq_store *store, int64_t id, uint32_t parts, taskq_now now, taskq_arena *arena,
                              taskq_job **out, taskq_error *err)
{
    assert(store != NULL && arena != NULL && out != NULL);
    taskq_status status = store->ops->get(store->self, id, parts, now, arena, out, err);
    assert(status != TASKQ_OK || (*out)->id == id);
    return status;
}

taskq_status taskq__store_list(taskq_store *store, const taskq_filter *filter, taskq_now now, taskq_arena *arena,
                               taskq_page *out, taskq_error *err)
{
    assert(store != NULL && filter != NULL && arena != NULL && out != NULL);
    assert(filter->limit <= TASKQ_LIST_LIMIT_MAX && filter->before_id >= 0);
    taskq_status status = store->ops->list(store->self, filter, now, arena, out, err);
    assert(status != TASKQ_OK || out->count <= TASKQ_LIST_LIMIT_MAX);
    return status;
}

taskq_status taskq__store_counts(taskq_store *store, const taskq_text *queue, taskq_now now, taskq_arena *arena,
                                 taskq_counts *out, taskq_error *err)
{
    assert(store != NULL && arena != NULL && out != NULL);
    taskq_status status = store->ops->counts(store->self, queue, now, arena, out, err);
    assert(status != TASKQ_OK || queue == NULL || out->count <= 1);
    return status;
}

taskq_status taskq__store_next_due(taskq_store *store, int64_t within_ms, taskq_now *out, taskq_error *err)
{
    assert(store != NULL && within_ms >= 0 && out != NULL);
    return store->ops->next_due(store->self, within_ms, out, err);
}

taskq_status taskq__store_ping(taskq_store *store, taskq_error *err)
{
    assert(store != NULL);
    return store->ops->ping(store->self, err);
}

uint32_t taskq__store_figures(taskq_store *store, taskq_figure *out, uint32_t max)
{
    assert(store != NULL && out != NULL);
    uint32_t count = TASKQ__HAS(store->ops, figures) ? store->ops->figures(store->self, out, max) : 0;
    assert(count <= max);
    return count;
}

int taskq__store_wake_fd(taskq_store *store)
{
    assert(store != NULL);
    return TASKQ__HAS(store->ops, wake_fd) ? store->ops->wake_fd(store->self) : -1;
}

taskq_status taskq__store_wake_read(taskq_store *store, taskq_ready *out, uint32_t max, uint32_t *out_count,
                                    taskq_error *err)
{
    assert(store != NULL && out != NULL && out_count != NULL);
    if (!TASKQ__HAS(store->ops, wake_read)) {
        *out_count = 0;
        return TASKQ_OK;
    }
    taskq_status status = store->ops->wake_read(store->self, out, max, out_count, err);
    assert(status != TASKQ_OK || *out_count <= max);
    return status;
}

taskq_status taskq__store_announce(taskq_store *store, const taskq_ready *ready, uint32_t count, taskq_error *err)
{
    assert(store != NULL && (ready != NULL || count == 0));
    return TASKQ__HAS(store->ops, announce) ? store->ops->announce(store->self, ready, count, err) : TASKQ_OK;
}

/* ---- the scheduler that is open on it ----------------------------------------------------------------------------- */

taskq_status taskq__store_own(taskq_store *store, const taskq__owner *owner, taskq_error *err)
{
    const taskq__owner *none = NULL;
    taskq_status status = taskq__store_check(store, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (!atomic_compare_exchange_strong(&store->owner, &none, owner)) {
        return taskq__fail(err, TASKQ_EBUSY, "another scheduler is open on this store");
    }
    return TASKQ_OK;
}

void taskq__store_disown(taskq_store *store)
{
    atomic_store(&store->owner, NULL);
}

const taskq__owner *taskq__store_owner(taskq_store *store)
{
    return atomic_load(&store->owner);
}

void *taskq__store_self(const taskq_store *store, const taskq_store_ops *ops)
{
    return store != NULL && store->ops == ops ? store->self : NULL;
}
