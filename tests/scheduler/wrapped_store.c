/* SPDX-License-Identifier: MIT */
/*
 * What a database does only on a bad day is asked for here: a commit that is refused, one that is done while its answer is
 * lost, one that takes long. The real store is behind it, so nothing of what is kept is pretended.
 */
#include "wrapped_store.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/fail.h"
#include "store/store.h"

static uint32_t guilty_op(const wrapped_store *wrapped, const taskq_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        const taskq_op *op = batch->ops[i];
        for (uint32_t k = 0; wrapped->culprit_id && op->kind == TASKQ_OP_SETTLE && k < op->count; k++) {
            if (op->in.events[k].id == wrapped->culprit_id) {
                return i;
            }
        }
        if (!wrapped->culprit_id && wrapped->culprit_kind && op->kind == wrapped->culprit_kind) {
            return i;
        }
    }
    return batch->count;
}

static taskq_status fail_commit(wrapped_store *wrapped, taskq_batch *batch, taskq_status status, bool lost,
                                taskq_error *err)
{
    if (lost) {
        taskq_error ignored = TASKQ_ERROR_INIT;
        (void)taskq__store_commit(wrapped->inner, batch, &ignored);
    }
    batch->culprit = guilty_op(wrapped, batch);
    return taskq__fail(err, status, "the test says so");
}

static void pass_gate(wrapped_store *wrapped)
{
    wrapped->at_gate++;
    pthread_cond_broadcast(&wrapped->changed);
    while (wrapped->gate_closed) {
        pthread_cond_wait(&wrapped->changed, &wrapped->lock);
    }
    wrapped->at_gate--;
}

static bool names_job(const taskq_op *op, int64_t id)
{
    for (uint32_t i = 0; op->kind == TASKQ_OP_SETTLE && i < op->count; i++) {
        if (op->in.events[i].id == id) {
            return true;
        }
    }
    return false;
}

/* What a batch promises to a store. */
static void look_at(wrapped_store *wrapped, const taskq_batch *batch)
{
    wrapped->ops_max = batch->count > wrapped->ops_max ? batch->count : wrapped->ops_max;
    for (uint32_t i = 0; i < batch->count; i++) {
        const taskq_op *op = batch->ops[i];
        wrapped->walk_in_company = wrapped->walk_in_company || (op->kind == TASKQ_OP_WALK && batch->count > 1);
        for (uint32_t k = 0; op->kind == TASKQ_OP_SETTLE && k < op->count; k++) {
            for (uint32_t other = 0; other < i; other++) {
                wrapped->named_twice = wrapped->named_twice || names_job(batch->ops[other], op->in.events[k].id);
            }
        }
    }
}

static taskq_status commit(void *self, taskq_batch *batch, taskq_error *err)
{
    wrapped_store *wrapped = self;
    pthread_mutex_lock(&wrapped->lock);
    wrapped->asked++;
    look_at(wrapped, batch);
    if (!wrapped->gate_is_behind) {
        pass_gate(wrapped);
    }
    bool fails = wrapped->fail_times > 0 && wrapped->asked >= wrapped->fail_from;
    bool guilty = wrapped->culprit_id != 0 && guilty_op(wrapped, batch) < batch->count;
    wrapped->fail_times -= fails;
    taskq_status status = wrapped->fail_status;
    bool lost = wrapped->fail_lost;
    pthread_mutex_unlock(&wrapped->lock);
    if (fails) {
        return fail_commit(wrapped, batch, status, lost, err);
    }
    if (guilty) {
        return fail_commit(wrapped, batch, TASKQ_EINVAL, false, err);
    }
    status = taskq__store_commit(wrapped->inner, batch, err);
    pthread_mutex_lock(&wrapped->lock);
    wrapped->commits += status == TASKQ_OK;
    if (status == TASKQ_OK && wrapped->walks_have_more && batch->ops[0]->kind == TASKQ_OP_WALK) {
        batch->ops[0]->in.walk->more = true;
    }
    if (wrapped->gate_is_behind) {
        pass_gate(wrapped);
    }
    pthread_mutex_unlock(&wrapped->lock);
    return status;
}

static taskq_status get(void *self, int64_t id, uint32_t parts, taskq_now now, taskq_arena *arena, taskq_job **out,
                        taskq_error *err)
{
    return taskq__store_get(((wrapped_store *)self)->inner, id, parts, now, arena, out, err);
}

static taskq_status list(void *self, const taskq_filter *filter, taskq_now now, taskq_arena *arena, taskq_page *out,
                         taskq_error *err)
{
    return taskq__store_list(((wrapped_store *)self)->inner, filter, now, arena, out, err);
}

static taskq_status counts(void *self, const taskq_text *queue, taskq_now now, taskq_arena *arena, taskq_counts *out,
                           taskq_error *err)
{
    return taskq__store_counts(((wrapped_store *)self)->inner, queue, now, arena, out, err);
}

static taskq_status next_due(void *self, int64_t within_ms, taskq_now *out, taskq_error *err)
{
    return taskq__store_next_due(((wrapped_store *)self)->inner, within_ms, out, err);
}

static taskq_status ping(void *self, taskq_error *err)
{
    return taskq__store_ping(((wrapped_store *)self)->inner, err);
}

static taskq_status upkeep(void *self, bool idle, taskq_error *err)
{
    wrapped_store *wrapped = self;
    pthread_mutex_lock(&wrapped->lock);
    wrapped->idle_upkeeps += idle;
    pthread_mutex_unlock(&wrapped->lock);
    return taskq__store_upkeep(wrapped->inner, idle, err);
}

static int wake_fd(void *self)
{
    return ((wrapped_store *)self)->news_fd;
}

static taskq_status wake_read(void *self, taskq_ready *out, uint32_t max, uint32_t *out_count, taskq_error *err)
{
    wrapped_store *wrapped = self;
    uint64_t told = 0;
    (void)err;
    *out_count = 0;
    if (max > 0 && read(wrapped->news_fd, &told, sizeof(told)) == (ssize_t)sizeof(told)) {
        pthread_mutex_lock(&wrapped->lock);
        *out = wrapped->news;
        pthread_mutex_unlock(&wrapped->lock);
        *out_count = 1;
    }
    return TASKQ_OK;
}

static taskq_status announce(void *self, const taskq_ready *ready, uint32_t count, taskq_error *err)
{
    wrapped_store *wrapped = self;
    (void)err;
    pthread_mutex_lock(&wrapped->lock);
    for (uint32_t i = 0; i < count; i++) {
        wrapped->announced += ready[i].count;
    }
    pthread_mutex_unlock(&wrapped->lock);
    return TASKQ_OK;
}

static void close_inner(void *self)
{
    taskq_store_close(((wrapped_store *)self)->inner);
}

static const taskq_store_ops OPS = {
    .struct_size = sizeof(taskq_store_ops),
    .name = "wrapped",
    .commit = commit,
    .get = get,
    .list = list,
    .counts = counts,
    .next_due = next_due,
    .ping = ping,
    .close = close_inner,
    .upkeep = upkeep,
};

static const taskq_store_ops SHARED_OPS = {
    .struct_size = sizeof(taskq_store_ops),
    .name = "shared",
    .flags = TASKQ_STORE_SHARED,
    .commit = commit,
    .get = get,
    .list = list,
    .counts = counts,
    .next_due = next_due,
    .ping = ping,
    .close = close_inner,
    .upkeep = upkeep,
    .wake_fd = wake_fd,
    .wake_read = wake_read,
    .announce = announce,
};

static void make(wrapped_store *wrapped, const taskq_store_ops *ops, taskq_store *inner, taskq_store **out)
{
    memset(wrapped, 0, sizeof(*wrapped));
    wrapped->inner = inner;
    wrapped->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&wrapped->lock, NULL);
    pthread_cond_init(&wrapped->changed, NULL);
    (void)taskq_store_make(ops, wrapped, NULL, out, NULL);
}

void wrapped_store_make(wrapped_store *wrapped, taskq_store *inner, taskq_store **out)
{
    make(wrapped, &OPS, inner, out);
}

void wrapped_store_make_shared(wrapped_store *wrapped, taskq_store *inner, taskq_store **out)
{
    make(wrapped, &SHARED_OPS, inner, out);
}

void wrapped_store_clear(wrapped_store *wrapped)
{
    (void)close(wrapped->news_fd);
    pthread_mutex_destroy(&wrapped->lock);
    pthread_cond_destroy(&wrapped->changed);
}

void wrapped_store_tell(wrapped_store *wrapped, taskq_ready news)
{
    uint64_t one = 1;
    pthread_mutex_lock(&wrapped->lock);
    wrapped->news = news;
    pthread_mutex_unlock(&wrapped->lock);
    ssize_t told = write(wrapped->news_fd, &one, sizeof(one));
    (void)told;
}

void wrapped_store_fail_next(wrapped_store *wrapped, uint32_t times, taskq_status status, bool lost)
{
    pthread_mutex_lock(&wrapped->lock);
    wrapped->fail_from = wrapped->asked + 1 - wrapped->at_gate;
    wrapped->fail_times = times;
    wrapped->fail_status = status;
    wrapped->fail_lost = lost;
    pthread_mutex_unlock(&wrapped->lock);
}

void wrapped_store_close_gate(wrapped_store *wrapped)
{
    pthread_mutex_lock(&wrapped->lock);
    wrapped->gate_closed = true;
    pthread_mutex_unlock(&wrapped->lock);
}

void wrapped_store_await_at_gate(wrapped_store *wrapped)
{
    pthread_mutex_lock(&wrapped->lock);
    while (wrapped->at_gate == 0) {
        pthread_cond_wait(&wrapped->changed, &wrapped->lock);
    }
    pthread_mutex_unlock(&wrapped->lock);
}

void wrapped_store_open_gate(wrapped_store *wrapped)
{
    pthread_mutex_lock(&wrapped->lock);
    wrapped->gate_closed = false;
    pthread_cond_broadcast(&wrapped->changed);
    pthread_mutex_unlock(&wrapped->lock);
}

uint64_t wrapped_store_commits(wrapped_store *wrapped)
{
    pthread_mutex_lock(&wrapped->lock);
    uint64_t commits = wrapped->commits;
    pthread_mutex_unlock(&wrapped->lock);
    return commits;
}

uint64_t wrapped_store_asked(wrapped_store *wrapped)
{
    pthread_mutex_lock(&wrapped->lock);
    uint64_t asked = wrapped->asked;
    pthread_mutex_unlock(&wrapped->lock);
    return asked;
}
