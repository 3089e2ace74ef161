/* SPDX-License-Identifier: MIT */
/*
 * One action on many jobs, in steps: a page is read, what the state forbids is left out, the rest is settled in chunks, and
 * between two chunks others get their turn in the line. Pages go strictly down the ids, so a job that a retry makes fit the
 * filter again is not met twice. Only what was really changed is counted: a job may have moved between page and chunk.
 */
#include "scheduler/scheduler.h"

#include "core/fail.h"
#include "core/sized.h"
#include "core/text.h"

enum {
    CHUNK = 500,
    IDS_MAX = 1000,
    DELETE_BYTES = 16 << 20 /* of the jobs of one chunk: to delete a large job takes the store long */
};

typedef struct bulk {
    taskq_scheduler *scheduler;
    taskq_bulk_action action;
    uint32_t affected;
    bool more;
    bool (*gone)(void *user); /* NULL: nobody can be */
    void *user;
    uint32_t chunk_count;
    size_t chunk_bytes;  /* of what is to be deleted */
    taskq_event *events; /* CHUNK of them */
    taskq_arena *arena;  /* emptied after each page */
} bulk;

static bool state_allows(taskq_bulk_action action, const taskq_job *job)
{
    switch (action) {
    case TASKQ_BULK_CANCEL:
        return !taskq_state_is_terminal(job->state) && !(job->state == TASKQ_STATE_RUNNING && job->cancel_requested);
    case TASKQ_BULK_RETRY:
    case TASKQ_BULK_DELETE: return taskq_state_is_terminal(job->state);
    }
    return false;
}

static taskq_event_kind event_of(taskq_bulk_action action)
{
    switch (action) {
    case TASKQ_BULK_CANCEL: return TASKQ_EVENT_CANCEL;
    case TASKQ_BULK_RETRY: return TASKQ_EVENT_RETRY;
    case TASKQ_BULK_DELETE: break;
    }
    return TASKQ_EVENT_DELETE;
}

static taskq_status flush(bulk *work, taskq_error *err)
{
    uint32_t count = work->chunk_count;
    bool busy = false;
    work->chunk_count = 0;
    work->chunk_bytes = 0;
    if (count == 0) {
        return TASKQ_OK;
    }
    taskq_status status = taskq__settle(work->scheduler, work->events, count, work->arena, err);
    for (uint32_t i = 0; i < count && status == TASKQ_OK; i++) {
        work->affected += work->events[i].status == TASKQ_OK;
        busy = busy || work->events[i].status == TASKQ_EBUSY;
    }
    return busy ? taskq__fail(err, TASKQ_EBUSY, "somebody else's transaction has some of the jobs: repeat it") : status;
}

/* Whoever asked has left: what is not begun is left, too. */
static bool is_abandoned(bulk *work)
{
    work->more = work->more || (work->gone && work->gone(work->user));
    return work->more;
}

/* Takes a job that fits into the chunk; sets `more` where the bound is reached. */
static taskq_status take(bulk *work, const taskq_job *job, taskq_error *err)
{
    if (!state_allows(work->action, job)) {
        return TASKQ_OK;
    }
    taskq_status status = TASKQ_OK;
    if (work->chunk_count == CHUNK || work->chunk_bytes >= DELETE_BYTES ||
        work->affected + work->chunk_count >= TASKQ_BULK_MAX) {
        status = flush(work, err);
        if (status == TASKQ_OK && is_abandoned(work)) {
            return TASKQ_OK;
        }
    }
    if (status != TASKQ_OK) {
        return status;
    }
    if (work->affected >= TASKQ_BULK_MAX) {
        work->more = true;
        return TASKQ_OK;
    }
    work->events[work->chunk_count++] = (taskq_event){
        .kind = event_of(work->action),
        .id = job->id,
        .delay_ms = -1,
        .random = taskq__rng_next(&work->scheduler->rng),
    };
    if (work->action == TASKQ_BULK_DELETE) {
        work->chunk_bytes += job->payload.size + job->result.size + job->error.size;
    }
    return TASKQ_OK;
}

static bool has_tag(const taskq_job *job, taskq_text tag)
{
    for (uint32_t i = 0; i < job->tag_count; i++) {
        if (taskq__text_equal(job->tags[i], tag)) {
            return true;
        }
    }
    return false;
}

static bool fits(const taskq_job *job, const taskq_filter *filter)
{
    return (!filter->state || job->state == filter->state) &&
           (filter->queue.size == 0 || taskq__text_equal(job->queue, filter->queue)) &&
           (filter->type.size == 0 || taskq__text_equal(job->type, filter->type)) &&
           (filter->batch.size == 0 || taskq__text_equal(job->batch, filter->batch)) &&
           (filter->tag.size == 0 || has_tag(job, filter->tag));
}

static taskq_status do_ids(bulk *work, const int64_t *ids, uint32_t count, const taskq_filter *filter, taskq_error *err)
{
    taskq_status status = TASKQ_OK;
    for (uint32_t i = 0; i < count && status == TASKQ_OK && !work->more; i++) {
        bool twice = false;
        for (uint32_t k = 0; k < i && !twice; k++) {
            twice = ids[k] == ids[i];
        }
        if (twice || ids[i] < 1) {
            continue;
        }
        taskq_job *job = NULL;
        status = taskq__store_get(work->scheduler->store, ids[i], 0, taskq__scheduler_now(work->scheduler), work->arena,
                                  &job, err);
        if (status == TASKQ_OK && fits(job, filter)) {
            status = take(work, job, err);
        } else if (status == TASKQ_ENOTFOUND) {
            status = TASKQ_OK;
        }
        taskq__arena_reset(work->arena);
    }
    return status == TASKQ_OK ? flush(work, err) : status;
}

static taskq_status do_filter(bulk *work, const taskq_filter *asked, taskq_error *err)
{
    taskq_filter filter = *asked;
    filter.before_id = 0;
    filter.limit = CHUNK;
    filter.q = filter.worker = (taskq_text){NULL, 0};
    taskq_status status = TASKQ_OK;
    do {
        taskq_page page = {NULL, 0, 0};
        status = taskq__store_list(work->scheduler->store, &filter, taskq__scheduler_now(work->scheduler), work->arena,
                                   &page, err);
        for (uint32_t i = 0; i < page.count && status == TASKQ_OK && !work->more; i++) {
            status = take(work, page.jobs[i], err);
        }
        filter.before_id = page.next_before_id;
        taskq__arena_reset(work->arena);
    } while (status == TASKQ_OK && filter.before_id != 0 && !is_abandoned(work));
    return status == TASKQ_OK ? flush(work, err) : status;
}

static bool narrows(const taskq_filter *filter)
{
    return filter->state || filter->queue.size > 0 || filter->type.size > 0 || filter->tag.size > 0 ||
           filter->batch.size > 0;
}

static taskq_status check(taskq_bulk_action action, const int64_t *ids, uint32_t id_count, const taskq_filter *filter,
                          taskq_error *err)
{
    if (action < TASKQ_BULK_CANCEL || action > TASKQ_BULK_DELETE) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/action", "there is no such action");
    }
    if (id_count > IDS_MAX || (id_count > 0 && !ids)) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/filter/ids", "more than %d ids", IDS_MAX);
    }
    if (id_count == 0 && !narrows(filter)) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/filter", "the filter is empty: it would mean every job");
    }
    if ((int)filter->state < 0 || filter->state >= TASKQ_STATE_COUNT) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/filter/state", "there is no such state");
    }
    return TASKQ_OK;
}

taskq_status taskq_scheduler_bulk(taskq_scheduler *scheduler, taskq_bulk_action action, const int64_t *ids,
                                  uint32_t id_count, const taskq_filter *filter, uint32_t *affected, bool *more,
                                  taskq_error *err)
{
    return taskq_scheduler_bulk_until(scheduler, action, ids, id_count, filter, NULL, NULL, affected, more, err);
}

taskq_status taskq_scheduler_bulk_until(taskq_scheduler *scheduler, taskq_bulk_action action, const int64_t *ids,
                                        uint32_t id_count, const taskq_filter *filter, bool (*gone)(void *user),
                                        void *user, uint32_t *affected, bool *more, taskq_error *err)
{
    if (!scheduler) {
        return taskq__fail(err, TASKQ_EINVAL, "there is no scheduler");
    }
    taskq_filter all = TASKQ_FILTER_INIT;
    taskq_status status = filter ? TASKQ__SIZED_IN(filter, &all, err) : TASKQ_OK;
    if (status == TASKQ_OK) {
        status = check(action, ids, id_count, &all, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__scheduler_enter(scheduler, err);
    }
    if (status != TASKQ_OK) {
        return status;
    }
    taskq_arena *memory = taskq__arena_new(&scheduler->allocator, 0);
    bulk work = {.scheduler = scheduler,
                 .action = action,
                 .gone = gone,
                 .user = user,
                 .arena = taskq__arena_new(&scheduler->allocator, 0)};
    work.events = memory ? taskq_arena_alloc(memory, sizeof(taskq_event) * CHUNK) : NULL;
    if (!work.events || !work.arena) {
        status = taskq__fail_memory(err);
    } else if (id_count > 0) {
        status = do_ids(&work, ids, id_count, &all, err);
    } else {
        status = do_filter(&work, &all, err);
    }
    if (status == TASKQ_OK && affected) {
        *affected = work.affected;
    }
    if (status == TASKQ_OK && more) {
        *more = work.more;
    }
    taskq__arena_free(work.arena);
    taskq__arena_free(memory);
    taskq__scheduler_leave(scheduler);
    return status;
}
