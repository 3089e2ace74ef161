/* SPDX-License-Identifier: MIT */
/*
 * A store whose host writes beside its jobs, in one transaction, must not do so beside a batch or a checkpoint: it asks
 * here for the line, and gives it back when the transaction has ended. What was done meanwhile is told then, so that
 * waiting claims are woken after the commit and not before, and so that the figures count it.
 */
#include "scheduler/scheduler.h"

static taskq_status hold(void *user, taskq_batch *batch, void (*abandon)(void *store), void *store, taskq_error *err)
{
    taskq_scheduler *scheduler = user;
    taskq_status status = taskq__scheduler_enter(scheduler, err);
    if (status != TASKQ_OK) {
        return status;
    }
    status = taskq__line_hold(scheduler->line, batch, err);
    if (status != TASKQ_OK) {
        taskq__scheduler_leave(scheduler);
        return status;
    }
    scheduler->abandon = abandon;
    scheduler->abandoned = store;
    return TASKQ_OK;
}

static void count(taskq_scheduler *scheduler, const taskq__tally *tally)
{
    taskq_now now = taskq__scheduler_now(scheduler);
    taskq__stats_enqueued(&scheduler->stats, now, tally->enqueued);
    taskq__stats_add(&scheduler->stats, TASKQ__COUNT_SUCCEEDED, tally->succeeded);
    taskq__stats_add(&scheduler->stats, TASKQ__COUNT_FAILED_ATTEMPTS, tally->failed);
    for (uint32_t i = 0; i < tally->reported_count; i++) {
        taskq__stats_reported(&scheduler->stats, now, tally->reported[i]);
    }
}

static void give_back(void *user, taskq_batch *committed, const taskq__tally *tally)
{
    taskq_scheduler *scheduler = user;
    taskq__stats_add(&scheduler->stats, TASKQ__COUNT_STALE, tally->stale);
    if (committed) {
        count(scheduler, tally);
    }
    taskq__line_give_back(scheduler->line, committed, tally->ops);
    taskq__scheduler_leave(scheduler);
}

static taskq_now now(void *user)
{
    return taskq__scheduler_now(user);
}

static uint64_t draw(void *user)
{
    return taskq__rng_next(&((taskq_scheduler *)user)->rng);
}

taskq_status taskq__lend_open(taskq_scheduler *scheduler, taskq_error *err)
{
    scheduler->owner = (taskq__owner){
        .user = scheduler,
        .hold = hold,
        .give_back = give_back,
        .now = now,
        .random = draw,
    };
    return taskq__store_own(scheduler->store, &scheduler->owner, err);
}

void taskq__lend_close(taskq_scheduler *scheduler)
{
    if (taskq__line_is_held_here(scheduler->line)) {
        scheduler->abandon(scheduler->abandoned);
    }
}
