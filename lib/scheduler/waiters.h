/* SPDX-License-Identifier: MIT */
/* Parked claims, found by queue and type. Everything here happens under the line's lock. */
#ifndef TASKQ_SCHEDULER_WAITERS_H
#define TASKQ_SCHEDULER_WAITERS_H

#include <taskq/alloc.h>

#include "scheduler/call.h"

enum { TASKQ__WAITERS_BUCKETS = 4096 };

typedef struct taskq__waiters {
    const taskq_allocator *allocator; /* lives as long as they do */
    taskq__park_node **buckets;       /* chains of the heads of the queues, one queue a pair */
    taskq__call **polls;              /* chains of calls by (worker, poll) */
    taskq__call *oldest, *newest;
    uint32_t count;
} taskq__waiters;

taskq_status taskq__waiters_init(taskq__waiters *waiters, const taskq_allocator *a, taskq_error *err);
void taskq__waiters_clear(taskq__waiters *waiters);

/* The call keeps its place by arrival, so one that was taken out and comes back stands where it stood. */
void taskq__waiters_add(taskq__waiters *waiters, taskq__call *call);
void taskq__waiters_remove(taskq__waiters *waiters, taskq__call *call);

/* The oldest that would take a job of this pair and arrived after `after`. A queue or type of 0 in the pair stands for one that
 * is not known; `after` is looked at for such pairs alone, the others have an order of their own. */
taskq__call *taskq__waiters_oldest(const taskq__waiters *waiters, taskq__pair pair, uint64_t after);

/* The next younger that would take a job of this pair, of which something is not known. */
taskq__call *taskq__waiters_next(const taskq__call *call, taskq__pair pair);

/* Sets `looks` of the oldest claim of each pair that somebody waits for. */
void taskq__waiters_mark_oldest(taskq__waiters *waiters);

/* The parked claim of this worker and poll. */
taskq__call *taskq__waiters_of_poll(const taskq__waiters *waiters, uint64_t poll_hash);

/* Would it take a job of this pair? */
bool taskq__call_fits(const taskq__call *call, taskq__pair pair);

#endif
