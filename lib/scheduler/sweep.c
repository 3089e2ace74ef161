/* SPDX-License-Identifier: MIT */
/*
 * The passage of time: leases that are over, jobs that are due, old jobs and keys that go. Every step is a walk of bounded
 * size, alone in its batch, so that callers in the line wait for one step at most; a sweep ends after a bounded number of
 * steps and says that there is more. Between two steps the news of other servers are heard, and ours go out: a sweep that works
 * off what an outage left takes long.
 */
#include "scheduler/scheduler.h"

#include "core/fail.h"
#include "core/log.h"

enum {
    STEP_ROWS = 500,
    STEPS_MAX = 100, /* a kind and sweep */
    LOOK_READY_MAX = 64,
    LOOK_EVERY_MS = 1000,   /* whatever was told by others, and in case that it was not */
    PRUNE_EVERY_MS = 60000, /* retention and old keys are not urgent, unless what is kept is kept for less */
    SOON_MS = 1             /* an instant that has come but was not worked off: do not spin on it */
};

static void log_expired(taskq_scheduler *scheduler, const taskq_walk *walk)
{
    taskq_log_field fields[] = {{"lost", NULL, walk->lost}, {"timed_out", NULL, walk->timed_out}};
    if (walk->lost + walk->timed_out > 0 && taskq__log_wants(&scheduler->log, TASKQ_LOG_WARN)) {
        taskq__log(&scheduler->log, TASKQ_LOG_WARN, "scheduler", "attempts ended without a report", fields, 2);
    }
}

static void count_step(taskq_scheduler *scheduler, const taskq_walk *walk, taskq_sweep_report *report)
{
    switch (walk->kind) {
    case TASKQ_WALK_EXPIRED:
        report->lost += walk->lost;
        report->timed_out += walk->timed_out;
        taskq__stats_add(&scheduler->stats, TASKQ__COUNT_LOST, walk->lost);
        taskq__stats_add(&scheduler->stats, TASKQ__COUNT_TIMED_OUT, walk->timed_out);
        log_expired(scheduler, walk);
        break;
    case TASKQ_WALK_DUE: report->made_ready += walk->moved; break;
    case TASKQ_WALK_RETENTION:
        report->deleted += walk->moved;
        taskq__stats_add(&scheduler->stats, TASKQ__COUNT_DELETED, walk->moved);
        break;
    case TASKQ_WALK_KEYS: break;
    }
}

/* Step after step until one has found the end. `ended`: false where there is more. */
static taskq_status walk_kind(taskq_scheduler *scheduler, taskq_walk_kind kind, taskq_arena *arena,
                              taskq_sweep_report *report, bool *ended, taskq_error *err)
{
    for (int step = 0; step < STEPS_MAX; step++) {
        taskq__loop_hear(scheduler);
        taskq_now now = taskq__scheduler_now(scheduler);
        taskq_walk walk = {.kind = kind, .max = STEP_ROWS, .random = taskq__rng_next(&scheduler->rng)};
        /* Where nothing is ever deleted the cut lies before all time. */
        walk.cut_ms = scheduler->retention_ms < 0 ? 0 : now.wall_ms - scheduler->retention_ms;
        walk.cut_failed_ms = scheduler->retention_failed_ms < 0 ? 0 : now.wall_ms - scheduler->retention_failed_ms;
        taskq__call call = {.ops = {{.kind = TASKQ_OP_WALK, .in = {.walk = &walk}, .count = 1, .arena = arena}},
                            .count = 1};
        taskq_status status = taskq__scheduler_run(scheduler, &call, 0, err);
        taskq__arena_reset(arena);
        if (status != TASKQ_OK) {
            return status;
        }
        count_step(scheduler, &walk, report);
        if (!walk.more) {
            return TASKQ_OK;
        }
    }
    *ended = false;
    return TASKQ_OK;
}

static int64_t shorter(int64_t every_ms, int64_t retention_ms)
{
    return retention_ms >= 0 && retention_ms < every_ms ? retention_ms : every_ms;
}

static bool prune_is_due(const taskq_scheduler *scheduler, taskq_now now)
{
    int64_t last = atomic_load_explicit(&scheduler->pruned_steady_ms, memory_order_relaxed);
    int64_t every_ms = shorter(shorter(PRUNE_EVERY_MS, scheduler->retention_ms), scheduler->retention_failed_ms);
    return last == 0 || now.steady_ms - last >= every_ms;
}

static taskq_status prune(taskq_scheduler *scheduler, taskq_arena *arena, taskq_sweep_report *report, bool *ended,
                          taskq_error *err)
{
    bool all = true;
    taskq_status status = TASKQ_OK;
    if (scheduler->retention_ms >= 0 || scheduler->retention_failed_ms >= 0) {
        status = walk_kind(scheduler, TASKQ_WALK_RETENTION, arena, report, &all, err);
    }
    if (status == TASKQ_OK) {
        status = walk_kind(scheduler, TASKQ_WALK_KEYS, arena, report, &all, err);
    }
    if (status == TASKQ_OK && all) {
        atomic_store_explicit(&scheduler->pruned_steady_ms, taskq__scheduler_now(scheduler).steady_ms,
                              memory_order_relaxed);
    }
    *ended = *ended && all;
    return status;
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static int64_t until(int64_t due_ms, int64_t now_ms)
{
    return due_ms == INT64_MAX ? INT64_MAX : due_ms - now_ms;
}

static taskq_status next_due(taskq_scheduler *scheduler, int64_t *out_in_ms, taskq_error *err)
{
    taskq_now due = {INT64_MAX, INT64_MAX};
    taskq_status status = taskq__store_next_due(scheduler->store, scheduler->sweep_interval_ms, &due, err);
    if (status == TASKQ_OK) {
        taskq_now now = taskq__line_store_now(scheduler->line);
        int64_t wall = until(due.wall_ms, now.wall_ms), steady = until(due.steady_ms, now.steady_ms);
        *out_in_ms = clamp(wall < steady ? wall : steady, SOON_MS, scheduler->sweep_interval_ms);
    }
    return status;
}

static bool look_is_due(taskq_scheduler *scheduler)
{
    int64_t looked_ms = atomic_load_explicit(&scheduler->looked_steady_ms, memory_order_relaxed);
    return taskq__scheduler_now(scheduler).steady_ms - looked_ms >= LOOK_EVERY_MS;
}

/* A store that cannot wake us by a descriptor is asked whether others have made something ready, while somebody waits for it. */
static taskq_status look_again(taskq_scheduler *scheduler, taskq_error *err)
{
    taskq_ready ready[LOOK_READY_MAX];
    uint32_t count = 0;
    if (look_is_due(scheduler)) {
        atomic_store_explicit(&scheduler->looked_steady_ms, taskq__scheduler_now(scheduler).steady_ms,
                              memory_order_relaxed);
        taskq__line_look_again(scheduler->line);
    }
    if (taskq__store_wake_fd(scheduler->store) >= 0 || taskq__line_read_counts(scheduler->line).parked == 0) {
        return TASKQ_OK;
    }
    taskq_status status = taskq__store_wake_read(scheduler->store, ready, LOOK_READY_MAX, &count, err);
    if (status == TASKQ_OK && count > 0) {
        taskq__line_ready(scheduler->line, ready, count);
    }
    return status;
}

void taskq__sweep_look(taskq_scheduler *scheduler)
{
    taskq_error ignored = TASKQ_ERROR_INIT; /* the next sweep fails the same way, and tells */
    if (look_is_due(scheduler)) {
        (void)look_again(scheduler, &ignored);
    }
}

static taskq_status sweep(taskq_scheduler *scheduler, taskq_arena *arena, taskq_sweep_report *report, taskq_error *err)
{
    bool ended = true;
    taskq_status status = look_again(scheduler, err);
    if (status == TASKQ_OK) {
        status = walk_kind(scheduler, TASKQ_WALK_EXPIRED, arena, report, &ended, err);
    }
    if (status == TASKQ_OK) {
        status = walk_kind(scheduler, TASKQ_WALK_DUE, arena, report, &ended, err);
    }
    if (status == TASKQ_OK && prune_is_due(scheduler, taskq__scheduler_now(scheduler))) {
        status = prune(scheduler, arena, report, &ended, err);
    }
    if (status == TASKQ_OK && ended) {
        status = next_due(scheduler, &report->next_due_in_ms, err);
    }
    return status;
}

taskq_status taskq_scheduler_sweep(taskq_scheduler *scheduler, taskq_sweep_report *out, taskq_error *err)
{
    if (!scheduler) {
        return taskq__fail(err, TASKQ_EINVAL, "there is no scheduler");
    }
    taskq_status status = taskq__scheduler_enter(scheduler, err);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq_sweep_report report = {.next_due_in_ms = taskq__loop_host_begins(scheduler)};
    if (report.next_due_in_ms == 0) {
        taskq_arena *arena = taskq__arena_new(&scheduler->allocator, 0);
        status = arena ? sweep(scheduler, arena, &report, err) : taskq__fail_memory(err);
        taskq__arena_free(arena);
        report.next_due_in_ms = taskq__loop_host_ends(scheduler, report.next_due_in_ms);
    }
    if (status == TASKQ_OK && out) {
        *out = report;
    }
    taskq__scheduler_leave(scheduler);
    return status;
}
