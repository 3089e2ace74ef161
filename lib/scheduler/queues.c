/* SPDX-License-Identifier: MIT */
/*
 * Queues, and the readers: these go to the store directly, on connections of their own, and never stand in the line.
 */
#include "scheduler/scheduler.h"

#include "core/fail.h"
#include "core/sized.h"
#include "core/text.h"

enum { SEARCH_BYTES_MAX = 1024 };

static taskq_status check_name(taskq_text name, taskq_error *err)
{
    if (!taskq__text_is_name(name)) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/name", "a name has 1 to %d of A-Z a-z 0-9 . _ : / -",
                                 TASKQ_NAME_BYTES_MAX);
    }
    return TASKQ_OK;
}

static taskq_status read_queues(taskq_scheduler *scheduler, const taskq_text *name, taskq_queues **out, taskq_error *err)
{
    taskq_queues *list = taskq__queues_new(&scheduler->allocator);
    if (!list) {
        return taskq__fail_memory(err);
    }
    taskq_counts counts = {NULL, 0};
    taskq_status status = taskq__store_counts(scheduler->store, name, taskq__scheduler_now(scheduler),
                                              taskq__queues_arena(list), &counts, err);
    if (status == TASKQ_OK && name && counts.count == 0) {
        status = taskq__fail(err, TASKQ_ENOTFOUND, "there is no such queue");
    }
    if (status != TASKQ_OK) {
        taskq_queues_free(list);
        return status;
    }
    taskq__queues_set(list, counts.queues, counts.count);
    *out = list;
    return TASKQ_OK;
}

taskq_status taskq_scheduler_queues(taskq_scheduler *scheduler, const taskq_text *name, taskq_queues **out,
                                    taskq_error *err)
{
    if (!scheduler || !out) {
        return taskq__fail(err, TASKQ_EINVAL, "there is no scheduler, or no place for the queues");
    }
    taskq_status status = name ? check_name(*name, err) : TASKQ_OK;
    if (status == TASKQ_OK) {
        status = taskq__scheduler_enter(scheduler, err);
    }
    if (status == TASKQ_OK) {
        status = read_queues(scheduler, name, out, err);
        taskq__scheduler_leave(scheduler);
    }
    return status;
}

static taskq_status change_queue(taskq_scheduler *scheduler, taskq_queue_change *change, taskq_error *err)
{
    taskq_arena *arena = taskq__arena_new(&scheduler->allocator, 0);
    if (!arena) {
        return taskq__fail_memory(err);
    }
    taskq__call call = {.ops = {{.kind = TASKQ_OP_QUEUE, .in = {.queue = change}, .count = 1, .arena = arena}},
                        .count = 1};
    taskq_status status = taskq__scheduler_run(scheduler, &call, 0, err);
    taskq__arena_free(arena);
    return status;
}

taskq_status taskq_scheduler_queue_pause(taskq_scheduler *scheduler, taskq_text name, bool paused, taskq_queues **out,
                                         taskq_error *err)
{
    if (!scheduler) {
        return taskq__fail(err, TASKQ_EINVAL, "there is no scheduler");
    }
    taskq_status status = check_name(name, err);
    if (status == TASKQ_OK) {
        status = taskq__scheduler_enter(scheduler, err);
    }
    if (status != TASKQ_OK) {
        return status;
    }
    taskq_queue_change change = {.name = name, .set_paused = true, .paused = paused};
    status = change_queue(scheduler, &change, err);
    if (status == TASKQ_OK && out) {
        status = read_queues(scheduler, &name, out, err);
    }
    taskq__scheduler_leave(scheduler);
    return status;
}

static taskq_status read_job(taskq_scheduler *scheduler, int64_t id, taskq_jobs **out, taskq_error *err)
{
    taskq_jobs *list = taskq__jobs_new(&scheduler->allocator);
    taskq_arena *arena = list ? taskq__jobs_arena(list) : NULL;
    taskq_job **jobs = list ? taskq_arena_alloc(arena, sizeof(*jobs)) : NULL;
    taskq_status status = jobs ? TASKQ_OK : taskq__fail_memory(err);
    if (status == TASKQ_OK) {
        status = taskq__store_get(scheduler->store, id, TASKQ_PART_ATTEMPTS | TASKQ_PART_LOG,
                                  taskq__scheduler_now(scheduler), arena, jobs, err);
    }
    if (status != TASKQ_OK) {
        taskq_jobs_free(list);
        return status;
    }
    taskq__jobs_set(list, jobs, 1, 0);
    *out = list;
    return TASKQ_OK;
}

taskq_status taskq_scheduler_get(taskq_scheduler *scheduler, int64_t id, taskq_jobs **out, taskq_error *err)
{
    if (!scheduler || !out) {
        return taskq__fail(err, TASKQ_EINVAL, "there is no scheduler, or no place for the job");
    }
    if (id < 1) {
        return taskq__fail(err, TASKQ_ENOTFOUND, "there is no job %lld", (long long)id);
    }
    taskq_status status = taskq__scheduler_enter(scheduler, err);
    if (status == TASKQ_OK) {
        status = read_job(scheduler, id, out, err);
        taskq__scheduler_leave(scheduler);
    }
    return status;
}

static taskq_status check_filter(const taskq_filter *filter, taskq_error *err)
{
    const struct {
        const taskq_text *name;
        const char *field;
    } names[] = {{&filter->queue, "/queue"},
                 {&filter->type, "/type"},
                 {&filter->tag, "/tag"},
                 {&filter->batch, "/batch"},
                 {&filter->worker, "/worker"}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].name->size > 0 && !taskq__text_is_name(*names[i].name)) {
            return taskq__fail_field(err, TASKQ_EINVAL, names[i].field, "a name has 1 to %d of A-Z a-z 0-9 . _ : / -",
                                     TASKQ_NAME_BYTES_MAX);
        }
    }
    if (filter->q.size > SEARCH_BYTES_MAX || !taskq__text_is_utf8(filter->q)) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/q", "the text to look for is not UTF-8 of at most %d bytes",
                                 SEARCH_BYTES_MAX);
    }
    if ((int)filter->state < 0 || filter->state >= TASKQ_STATE_COUNT) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/state", "there is no such state");
    }
    if (filter->limit > TASKQ_LIST_LIMIT_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/limit", "the limit is not within 1 and %d", TASKQ_LIST_LIMIT_MAX);
    }
    if (filter->before_id < 0) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/before_id", "an id is not negative");
    }
    return TASKQ_OK;
}

static taskq_status read_page(taskq_scheduler *scheduler, const taskq_filter *filter, taskq_jobs **out, taskq_error *err)
{
    taskq_jobs *list = taskq__jobs_new(&scheduler->allocator);
    if (!list) {
        return taskq__fail_memory(err);
    }
    taskq_page page = {NULL, 0, 0};
    taskq_status status = taskq__store_list(scheduler->store, filter, taskq__scheduler_now(scheduler),
                                            taskq__jobs_arena(list), &page, err);
    if (status != TASKQ_OK) {
        taskq_jobs_free(list);
        return status;
    }
    taskq__jobs_set(list, page.jobs, page.count, page.next_before_id);
    *out = list;
    return TASKQ_OK;
}

taskq_status taskq_scheduler_list(taskq_scheduler *scheduler, const taskq_filter *filter, taskq_jobs **out,
                                  taskq_error *err)
{
    taskq_filter all = TASKQ_FILTER_INIT;
    if (!scheduler || !out) {
        return taskq__fail(err, TASKQ_EINVAL, "there is no scheduler, or no place for the jobs");
    }
    taskq_status status = filter ? TASKQ__SIZED_IN(filter, &all, err) : TASKQ_OK;
    all.limit = all.limit ? all.limit : 100;
    if (status == TASKQ_OK) {
        status = check_filter(&all, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__scheduler_enter(scheduler, err);
    }
    if (status == TASKQ_OK) {
        status = read_page(scheduler, &all, out, err);
        taskq__scheduler_leave(scheduler);
    }
    return status;
}
