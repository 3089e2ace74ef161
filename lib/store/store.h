/* SPDX-License-Identifier: MIT */
/* The store as the scheduler sees it: every call of the ops table behind a check of its arguments and of what came back. */
#ifndef TASKQ_STORE_STORE_H
#define TASKQ_STORE_STORE_H

#include <taskq/store.h>
#include <taskq/sys/store.h>

/* EINVAL: it was opened by the process that this one was forked from. */
taskq_status taskq__store_check(const taskq_store *store, taskq_error *err);

/* What the scheduler must know before it plans a batch: TASKQ_STORE_OWN_CLOCK, TASKQ_STORE_SHARED. */
uint32_t taskq__store_flags(const taskq_store *store);

/* One thread at a time: commit, upkeep. The statuses are those of sys/store.h. */
taskq_status taskq__store_commit(taskq_store *store, taskq_batch *batch, taskq_error *err);
taskq_status taskq__store_upkeep(taskq_store *store, bool idle, taskq_error *err); /* OK where the store has none */

/* Any thread. */
taskq_status taskq__store_get(taskq_store *store, int64_t id, uint32_t parts, taskq_now now, taskq_arena *arena,
                              taskq_job **out, taskq_error *err);
taskq_status taskq__store_list(taskq_store *store, const taskq_filter *filter, taskq_now now, taskq_arena *arena,
                               taskq_page *out, taskq_error *err);
taskq_status taskq__store_counts(taskq_store *store, const taskq_text *queue, taskq_now now, taskq_arena *arena,
                                 taskq_counts *out, taskq_error *err);
taskq_status taskq__store_next_due(taskq_store *store, int64_t within_ms, taskq_now *out, taskq_error *err);
taskq_status taskq__store_ping(taskq_store *store, taskq_error *err);

/* Other servers' news; -1, OK with nothing, and OK where the store has none. */
/* Statistics: how many were written to `out`. */
uint32_t taskq__store_figures(taskq_store *store, taskq_figure *out, uint32_t max);
int taskq__store_wake_fd(taskq_store *store);
taskq_status taskq__store_wake_read(taskq_store *store, taskq_ready *out, uint32_t max, uint32_t *out_count,
                                    taskq_error *err);
taskq_status taskq__store_announce(taskq_store *store, const taskq_ready *ready, uint32_t count, taskq_error *err);

/* ---- the other direction: a store whose host may write beside the scheduler's batches, in a transaction of its own ------ */

/* What was done in such a transaction, for the scheduler's figures. */
typedef struct taskq__tally {
    uint32_t ops, enqueued, succeeded, failed, stale;
    const int64_t *reported; /* ids of jobs */
    uint32_t reported_count;
} taskq__tally;

/* The scheduler that is open on a store: it alone says who writes when. */
typedef struct taskq__owner {
    void *user;
    /* Until it is given back by the same thread, no batch is committed and no upkeep is done. `batch` is set up with `decide`, its
     * arena and room for `ready`, all the holder's meanwhile. `abandon` is called (by the holder's thread) where the scheduler is
     * closed by the very thread that holds it; it must give back. EBUSY: others had it for too long; EINVAL: this thread has it;
     * ECANCELED. */
    taskq_status (*hold)(void *user, taskq_batch *batch, void (*abandon)(void *store), void *store, taskq_error *err);
    /* `committed`: what became ready and due, waiting claims are woken for it; NULL: nothing was written. */
    void (*give_back)(void *user, taskq_batch *committed, const taskq__tally *tally);
    taskq_now (*now)(void *user);
    uint64_t (*random)(void *user);
} taskq__owner;

/* Taken by a scheduler when it is opened, given up (NULL) when it is closed. EBUSY: another has it; EINVAL in a forked child. */
taskq_status taskq__store_own(taskq_store *store, const taskq__owner *owner, taskq_error *err);
void taskq__store_disown(taskq_store *store);
const taskq__owner *taskq__store_owner(taskq_store *store); /* NULL: none */

/* The object behind a store of this table; NULL: it is of another kind. */
void *taskq__store_self(const taskq_store *store, const taskq_store_ops *ops);

#endif
