/* SPDX-License-Identifier: MIT */
/* The inside of the scheduler, shared by the files of this folder. */
#ifndef TASKQ_SCHEDULER_SCHEDULER_H
#define TASKQ_SCHEDULER_SCHEDULER_H

#include <pthread.h>

#include <taskq/scheduler.h>

#include "core/jobs.h"
#include "core/process.h"
#include "scheduler/commit.h"
#include "scheduler/stats.h"
#include "store/store.h"

typedef struct taskq__loop taskq__loop;

struct taskq_scheduler {
    taskq__process process;
    taskq_allocator allocator;
    taskq_store *store;
    taskq_log log;
    taskq__timekeeper time;
    taskq__rng rng;
    taskq__line *line;
    taskq__stats stats;
    int64_t sweep_interval_ms, retention_ms, retention_failed_ms; /* retention -1: never */
    /* How many calls are under way, and two bits: shut, and closing (the last call to leave wakes the one who closes). */
    _Atomic uint32_t under_way;
    _Atomic int64_t pruned_steady_ms; /* when retention and old keys were last worked off to their end; 0: never yet */
    _Atomic int64_t looked_steady_ms; /* when claims that wait were last let look by themselves */
    _Atomic bool hears;               /* somebody reads the store's news just now */
    /* The instant (elapsed time) for which the thread sleeps; INT64_MIN: it does not sleep, or there is none. */
    _Atomic int64_t sleeps_until_ms;
    int wake_fd; /* eventfd on which the thread sleeps; it lives as long as the scheduler, for a leader may write to it at any time */

    taskq__owner owner;           /* what the store knows of us: lend.c */
    void (*abandon)(void *store); /* the holder of the line's alone: ends its transaction */
    void *abandoned;

    pthread_mutex_t loop_lock;
    taskq__loop *loop;         /* guarded by loop_lock */
    taskq__loop *_Atomic host; /* of the host's own loop; made once, with loop_lock held */
};

/* Every public call is between these two. EINVAL in a forked child, ECANCELED once it is shut; then there is nothing to leave. */
taskq_status taskq__scheduler_enter(taskq_scheduler *scheduler, taskq_error *err);
void taskq__scheduler_leave(taskq_scheduler *scheduler);

taskq_now taskq__scheduler_now(taskq_scheduler *scheduler);

/* Run a call; where the transaction was OK, what comes back is the status of op `op`, with its error. */
taskq_status taskq__scheduler_run(taskq_scheduler *scheduler, taskq__call *call, uint32_t op, taskq_error *err);

/* claim.c: a claim of options, checked and made an op of a call. */
typedef struct taskq__claim_work {
    taskq_claim claim;
    taskq_text queues[TASKQ_CLAIM_NAMES_MAX], types[TASKQ_CLAIM_NAMES_MAX];
    taskq__park_node few[4], *nodes; /* `nodes` is `few` or allocated */
    const taskq_allocator *allocator;
} taskq__claim_work;

taskq_status taskq__claim_begin(taskq_scheduler *scheduler, const taskq_claim_options *options, taskq__call *call,
                                taskq_jobs *list, taskq__claim_work *work, taskq_error *err);
/* Puts what was claimed into the list, counts it. */
void taskq__claim_end(taskq_scheduler *scheduler, const taskq__claim_work *work, taskq_jobs *list);
void taskq__claim_clear(taskq__claim_work *work);

/* control.c: up to `count` events in one op; and a single one, with its status as the call's. */
taskq_status taskq__settle(taskq_scheduler *scheduler, taskq_event *events, uint32_t count, taskq_arena *arena,
                           taskq_error *err);
taskq_status taskq__settle_one(taskq_scheduler *scheduler, taskq_event *event, taskq_jobs **out, taskq_error *err);

/* lend.c: the line for the host of the store. Opening makes us the one scheduler of the store (EBUSY: another is); closing ends a
 * transaction that this very thread has left open, since nobody else could. */
taskq_status taskq__lend_open(taskq_scheduler *scheduler, taskq_error *err);
void taskq__lend_close(taskq_scheduler *scheduler);

/* sweep.c: between two sweeps, claims that wait look again where they have not for a second. */
void taskq__sweep_look(taskq_scheduler *scheduler);

/* loop.c: the line's news of what is due, for the thread. */
void taskq__loop_due(void *user, taskq_now due, taskq_now now);
/* News that other servers have sent are read, and ours are sent; nothing where there are none. Any thread. */
void taskq__loop_hear(taskq_scheduler *scheduler);
/* A sweep begins, and ends: nothing happens where the host does not watch taskq_scheduler_fd. How long it may sleep; 0, where one
 * begins: sweep. */
int64_t taskq__loop_host_begins(taskq_scheduler *scheduler);
int64_t taskq__loop_host_ends(taskq_scheduler *scheduler, int64_t next_due_in_ms);
void taskq__loop_free_host(taskq_scheduler *scheduler);

#endif
