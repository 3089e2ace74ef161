/* SPDX-License-Identifier: MIT */
/*
 * The object itself: opening, shutting, closing. Closing waits for the calls under way without a lock on their path: one
 * atomic word counts them, and the last one to leave touches nothing but that word's address.
 */
#include "scheduler/scheduler.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/fail.h"
#include "core/sized.h"

#define UNDER_WAY_SHUT (UINT32_C(1) << 31)
#define UNDER_WAY_CLOSING (UINT32_C(1) << 30)
#define UNDER_WAY_COUNT (UNDER_WAY_CLOSING - 1)

#define SWEEP_INTERVAL_MS INT64_C(500)
#define SWEEP_INTERVAL_MS_MIN 10
#define SWEEP_INTERVAL_MS_MAX 60000
#define RETENTION_MS (INT64_C(7) * 86400000)
#define RETENTION_FAILED_MS (INT64_C(30) * 86400000)
#define RETENTION_MS_MAX (INT64_C(36500) * 86400000)
#define BUSY_AFTER_MS INT64_C(10000)
#define BUSY_AFTER_MS_MAX 600000
#define PARKED_MAX 10000u
#define PARKED_MAX_MAX 1000000u

taskq_status taskq__scheduler_enter(taskq_scheduler *scheduler, taskq_error *err)
{
    taskq_status status = taskq__process_check(&scheduler->process, "scheduler", err);
    if (status != TASKQ_OK) {
        return status;
    }
    uint32_t before = atomic_fetch_add_explicit(&scheduler->under_way, 1, memory_order_acquire);
    if (before & UNDER_WAY_SHUT) {
        taskq__scheduler_leave(scheduler);
        return taskq__fail(err, TASKQ_ECANCELED, "the scheduler is shutting down");
    }
    return TASKQ_OK;
}

void taskq__scheduler_leave(taskq_scheduler *scheduler)
{
    _Atomic uint32_t *word = &scheduler->under_way;
    uint32_t before = atomic_fetch_sub_explicit(word, 1, memory_order_acq_rel);
    if ((before & UNDER_WAY_CLOSING) && (before & UNDER_WAY_COUNT) == 1) {
        taskq__word_wake(word);
    }
}

taskq_now taskq__scheduler_now(taskq_scheduler *scheduler)
{
    return taskq__timekeeper_now(&scheduler->time);
}

taskq_status taskq__scheduler_run(taskq_scheduler *scheduler, taskq__call *call, uint32_t op, taskq_error *err)
{
    taskq_status status = taskq__line_run(scheduler->line, call, err);
    if (status != TASKQ_OK || op >= call->count || call->ops[op].status == TASKQ_OK) {
        return status;
    }
    if (err) {
        *err = call->ops[op].error;
        err->status = call->ops[op].status;
    }
    return call->ops[op].status;
}

static taskq_status check_options(const taskq_scheduler_options *options, taskq_error *err)
{
    if (!options->store) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/store", "a scheduler needs a store");
    }
    int64_t interval = options->sweep_interval_ms;
    if (interval != 0 && (interval < SWEEP_INTERVAL_MS_MIN || interval > SWEEP_INTERVAL_MS_MAX)) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/sweep_interval_ms",
                                 "the sweep interval is not within %d and %d ms", SWEEP_INTERVAL_MS_MIN,
                                 SWEEP_INTERVAL_MS_MAX);
    }
    if (options->retention_ms < -1 || options->retention_ms > RETENTION_MS_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/retention_ms", "retention is not within -1 and 36500 days");
    }
    if (options->retention_failed_ms < -1 || options->retention_failed_ms > RETENTION_MS_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/retention_failed_ms", "retention is not within -1 and 36500 days");
    }
    if (options->busy_after_ms < 0 || options->busy_after_ms > BUSY_AFTER_MS_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/busy_after_ms", "busy_after_ms is not within 0 and %d",
                                 BUSY_AFTER_MS_MAX);
    }
    if (options->parked_max > PARKED_MAX_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/parked_max", "more than %u claims cannot wait", PARKED_MAX_MAX);
    }
    return TASKQ_OK;
}

static taskq_status open_parts(taskq_scheduler *scheduler, const taskq__line_options *line, taskq_error *err)
{
    scheduler->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (scheduler->wake_fd < 0) {
        return taskq__fail(err, TASKQ_EUNAVAIL, "no descriptor is left for the scheduler");
    }
    taskq_status status = taskq__line_open(line, &scheduler->line, err);
    if (status != TASKQ_OK) {
        goto no_line;
    }
    if (pthread_mutex_init(&scheduler->loop_lock, NULL) != 0) {
        status = taskq__fail_memory(err);
        goto no_lock;
    }
    status = taskq__lend_open(scheduler, err);
    if (status == TASKQ_OK) {
        return TASKQ_OK;
    }
    pthread_mutex_destroy(&scheduler->loop_lock);
no_lock:
    taskq__line_close(scheduler->line);
no_line:
    (void)close(scheduler->wake_fd);
    return status;
}

static taskq_status open_checked(const taskq_scheduler_options *options, taskq_scheduler **out, taskq_error *err)
{
    taskq_scheduler *scheduler = taskq__alloc(&options->allocator, sizeof(*scheduler));
    if (!scheduler) {
        return taskq__fail_memory(err);
    }
    scheduler->allocator = options->allocator;
    taskq__process_begin(&scheduler->process);
    scheduler->store = options->store;
    scheduler->log = options->log;
    scheduler->sweep_interval_ms = options->sweep_interval_ms ? options->sweep_interval_ms : SWEEP_INTERVAL_MS;
    scheduler->retention_ms = options->retention_ms ? options->retention_ms : RETENTION_MS;
    scheduler->retention_failed_ms = options->retention_failed_ms ? options->retention_failed_ms : RETENTION_FAILED_MS;
    taskq__timekeeper_init(&scheduler->time, &options->clock);
    taskq__rng_init(&scheduler->rng, options->seed);
    taskq__stats_init(&scheduler->stats, taskq__scheduler_now(scheduler).steady_ms);
    atomic_init(&scheduler->sleeps_until_ms, INT64_MIN);
    taskq__line_options line = {
        .allocator = scheduler->allocator,
        .store = scheduler->store,
        .time = &scheduler->time,
        .rng = &scheduler->rng,
        .log = &scheduler->log,
        .parked_max = options->parked_max ? options->parked_max : PARKED_MAX,
        .busy_after_ms = options->busy_after_ms ? options->busy_after_ms : BUSY_AFTER_MS,
        .due = taskq__loop_due,
        .user = scheduler,
    };
    taskq_status status = open_parts(scheduler, &line, err);
    if (status != TASKQ_OK) {
        taskq__process_end(&scheduler->process);
        taskq__free(&options->allocator, scheduler);
        return status;
    }
    *out = scheduler;
    return TASKQ_OK;
}

taskq_status taskq_scheduler_open(const taskq_scheduler_options *options, taskq_scheduler **out, taskq_error *err)
{
    taskq_scheduler_options own;
    taskq_status status = TASKQ__SIZED_IN(options, &own, err);
    if (status == TASKQ_OK) {
        status = check_options(&own, err);
    }
    if (status == TASKQ_OK && !out) {
        status = taskq__fail(err, TASKQ_EINVAL, "there is no place for the scheduler");
    }
    return status == TASKQ_OK ? open_checked(&own, out, err) : status;
}

void taskq_scheduler_shut(taskq_scheduler *scheduler)
{
    if (scheduler && !taskq__process_is_other(&scheduler->process)) {
        atomic_fetch_or_explicit(&scheduler->under_way, UNDER_WAY_SHUT, memory_order_acq_rel);
        taskq__line_shut(scheduler->line);
    }
}

void taskq_scheduler_close(taskq_scheduler *scheduler)
{
    if (!scheduler) {
        return;
    }
    if (taskq__process_is_other(&scheduler->process)) {
        (void)close(scheduler->wake_fd); /* the rest of it are locks and threads of the parent's */
        return;
    }
    taskq_scheduler_shut(scheduler);
    taskq__lend_close(scheduler);
    taskq_scheduler_stop(scheduler);
    uint32_t word = atomic_fetch_or_explicit(&scheduler->under_way, UNDER_WAY_CLOSING, memory_order_acq_rel);
    word |= UNDER_WAY_CLOSING;
    while (word & UNDER_WAY_COUNT) {
        taskq__word_wait(&scheduler->under_way, word);
        word = atomic_load_explicit(&scheduler->under_way, memory_order_acquire);
    }
    taskq__store_disown(scheduler->store);
    taskq__line_close(scheduler->line);
    taskq__loop_free_host(scheduler);
    (void)close(scheduler->wake_fd);
    pthread_mutex_destroy(&scheduler->loop_lock);
    taskq__process_end(&scheduler->process);
    taskq_allocator allocator = scheduler->allocator;
    taskq__free(&allocator, scheduler);
}

taskq_status taskq_scheduler_read_stats(taskq_scheduler *scheduler, taskq_scheduler_stats *out, taskq_error *err)
{
    if (!scheduler) {
        return taskq__fail(err, TASKQ_EINVAL, "there is no scheduler");
    }
    taskq_status status = taskq__process_check(&scheduler->process, "scheduler", err);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq__line_counts counts = taskq__line_read_counts(scheduler->line);
    taskq_scheduler_stats own = {.commits = counts.commits, .ops = counts.ops, .parked = counts.parked};
    taskq__stats_read(&scheduler->stats, taskq__scheduler_now(scheduler), &own);
    return TASKQ__SIZED_OUT(out, &own, err);
}

uint32_t taskq_scheduler_store_figures(taskq_scheduler *scheduler, taskq_figure *out, uint32_t max)
{
    bool usable = scheduler && out && taskq__process_check(&scheduler->process, "scheduler", NULL) == TASKQ_OK;
    return usable ? taskq__store_figures(scheduler->store, out, max) : 0;
}

taskq_status taskq_scheduler_ping(taskq_scheduler *scheduler, taskq_error *err)
{
    if (!scheduler) {
        return taskq__fail(err, TASKQ_EINVAL, "there is no scheduler");
    }
    taskq_status status = taskq__scheduler_enter(scheduler, err);
    if (status == TASKQ_OK) {
        status = taskq__store_ping(scheduler->store, err);
        taskq__scheduler_leave(scheduler);
    }
    return status;
}

int64_t taskq_scheduler_now_ms(taskq_scheduler *scheduler)
{
    return taskq__scheduler_now(scheduler).wall_ms;
}
