/* SPDX-License-Identifier: MIT */
/*
 * The lists that cross the public border. Records are reached through a function and a pointer, never as an
 * array of structs, so that they may grow without breaking a host; list and records lie in one arena and go
 * together.
 */
#include "core/jobs.h"

struct taskq_jobs {
    taskq_arena *arena;
    taskq_job **jobs;
    uint32_t count;
    int64_t next_before_id;
};

struct taskq_queues {
    taskq_arena *arena;
    const taskq_queue *queues;
    uint32_t count;
};

taskq_jobs *taskq__jobs_new(const taskq_allocator *a)
{
    taskq_arena *arena = taskq__arena_new(a, 0);
    if (arena == NULL) {
        return NULL;
    }
    taskq_jobs *list = taskq_arena_alloc(arena, sizeof(*list));
    if (list == NULL) {
        taskq__arena_free(arena);
        return NULL;
    }
    list->arena = arena;
    return list;
}

taskq_arena *taskq__jobs_arena(taskq_jobs *list)
{
    return list->arena;
}

void taskq__jobs_set(taskq_jobs *list, taskq_job **jobs, uint32_t count, int64_t next_before_id)
{
    list->jobs = jobs;
    list->count = count;
    list->next_before_id = next_before_id;
}

uint32_t taskq_jobs_count(const taskq_jobs *list)
{
    return list == NULL ? 0 : list->count;
}

const taskq_job *taskq_jobs_at(const taskq_jobs *list, uint32_t index)
{
    return index < taskq_jobs_count(list) ? list->jobs[index] : NULL;
}

int64_t taskq_jobs_next(const taskq_jobs *list)
{
    return list == NULL ? 0 : list->next_before_id;
}

void taskq_jobs_free(taskq_jobs *list)
{
    if (list != NULL) {
        taskq__arena_free(list->arena);
    }
}

taskq_queues *taskq__queues_new(const taskq_allocator *a)
{
    taskq_arena *arena = taskq__arena_new(a, 0);
    if (arena == NULL) {
        return NULL;
    }
    taskq_queues *list = taskq_arena_alloc(arena, sizeof(*list));
    if (list == NULL) {
        taskq__arena_free(arena);
        return NULL;
    }
    list->arena = arena;
    return list;
}

taskq_arena *taskq__queues_arena(taskq_queues *list)
{
    return list->arena;
}

void taskq__queues_set(taskq_queues *list, const taskq_queue *queues, uint32_t count)
{
    list->queues = queues;
    list->count = count;
}

uint32_t taskq_queues_count(const taskq_queues *list)
{
    return list == NULL ? 0 : list->count;
}

const taskq_queue *taskq_queues_at(const taskq_queues *list, uint32_t index)
{
    return index < taskq_queues_count(list) ? &list->queues[index] : NULL;
}

void taskq_queues_free(taskq_queues *list)
{
    if (list != NULL) {
        taskq__arena_free(list->arena);
    }
}
