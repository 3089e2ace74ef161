/* SPDX-License-Identifier: MIT */
/* How lists that are handed to a host are made: an arena, and pointers into it. */
#ifndef TASKQ_CORE_JOBS_H
#define TASKQ_CORE_JOBS_H

#include "core/arena.h"

/* An empty list with an arena of its own; the arena is freed with the list and keeps a copy of the allocator. NULL: no memory. */
taskq_jobs *taskq__jobs_new(const taskq_allocator *a);
taskq_arena *taskq__jobs_arena(taskq_jobs *list);
/* `jobs` lives in the list's arena. */
void taskq__jobs_set(taskq_jobs *list, taskq_job **jobs, uint32_t count, int64_t next_before_id);

taskq_queues *taskq__queues_new(const taskq_allocator *a);
taskq_arena *taskq__queues_arena(taskq_queues *list);
void taskq__queues_set(taskq_queues *list, const taskq_queue *queues, uint32_t count);

#endif
