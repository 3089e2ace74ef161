/* SPDX-License-Identifier: MIT */
/*
 * What workers say about their leases: ended (and what next), still at it, given back. Each element of a list stands alone;
 * one that cannot be sent at all is answered here and never reaches the store.
 */
#include "scheduler/scheduler.h"

#include <stdlib.h>

#include "core/fail.h"
#include "core/job.h"
#include "core/request.h"
#include "core/scan.h"
#include "core/sized.h"
#include "core/text.h"

enum { PROGRESS_BYTES_MAX = 65536 };

static uint32_t make_events(taskq_scheduler *scheduler, taskq_report *const *reports, uint32_t count, bool json_checked,
                            bool want_jobs, taskq_event *events)
{
    uint32_t made = 0;
    for (uint32_t i = 0; i < count; i++) {
        reports[i]->job = NULL;
        reports[i]->status = taskq__report_check(reports[i], json_checked);
        if (reports[i]->status == TASKQ_OK) {
            taskq__report_event(reports[i], taskq__rng_next(&scheduler->rng), want_jobs, &events[made++]);
        }
    }
    return made;
}

/* The reports that were sent stand in the events in the same order. */
static void read_events(taskq_scheduler *scheduler, taskq_report *const *reports, uint32_t count,
                        const taskq_event *events)
{
    taskq_now now = taskq__scheduler_now(scheduler);
    uint64_t succeeded = 0, failed = 0, stale = 0;
    for (uint32_t i = 0; i < count; i++) {
        taskq_report *report = reports[i];
        if (report->status != TASKQ_OK) {
            continue;
        }
        const taskq_event *event = events++;
        taskq__report_take(report, event);
        if (event->status != TASKQ_OK) {
            stale += event->status == TASKQ_ESTALE;
            continue;
        }
        succeeded += report->succeeded;
        failed += !report->succeeded;
        taskq__stats_reported(&scheduler->stats, now, report->id);
    }
    taskq__stats_add(&scheduler->stats, TASKQ__COUNT_SUCCEEDED, succeeded);
    taskq__stats_add(&scheduler->stats, TASKQ__COUNT_FAILED_ATTEMPTS, failed);
    taskq__stats_add(&scheduler->stats, TASKQ__COUNT_STALE, stale);
}

static taskq_status list_reported(taskq_report *const *reports, uint32_t count, taskq_jobs *list, taskq_error *err)
{
    taskq_job **jobs = taskq_arena_alloc(taskq__jobs_arena(list), sizeof(taskq_job *) * (count + 1));
    uint32_t found = 0;
    if (!jobs) {
        return taskq__fail_memory(err);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (reports[i]->job) {
            jobs[found++] = (taskq_job *)(uintptr_t)reports[i]->job;
        }
    }
    taskq__jobs_set(list, jobs, found, 0);
    return TASKQ_OK;
}

typedef struct completion {
    taskq__call call;
    taskq__claim_work work;
    taskq_event few[8], *events; /* `events` is `few` or in the list's arena */
    uint32_t event_count;
    taskq_jobs *reported, *claimed;
} completion;

static taskq_status build(taskq_scheduler *scheduler, taskq_report *const *reports, uint32_t count, bool json_checked,
                          bool want_jobs, const taskq_claim_options *next, completion *work, taskq_error *err)
{
    work->reported = taskq__jobs_new(&scheduler->allocator);
    work->claimed = next ? taskq__jobs_new(&scheduler->allocator) : NULL;
    if (!work->reported || (next && !work->claimed)) {
        return taskq__fail_memory(err);
    }
    taskq_arena *arena = taskq__jobs_arena(work->reported);
    work->events = work->few;
    if (count > sizeof(work->few) / sizeof(work->few[0])) {
        work->events = taskq_arena_alloc(arena, sizeof(taskq_event) * count);
        if (!work->events) {
            return taskq__fail_memory(err);
        }
    }
    work->event_count = make_events(scheduler, reports, count, json_checked, want_jobs, work->events);
    if (work->event_count > 0) {
        taskq_op *op = &work->call.ops[work->call.count++];
        op->kind = TASKQ_OP_SETTLE;
        op->in.events = work->events;
        op->count = work->event_count;
        op->arena = arena;
    }
    return next ? taskq__claim_begin(scheduler, next, &work->call, work->claimed, &work->work, err) : TASKQ_OK;
}

static taskq_status check_completion(taskq_report *const *reports, uint32_t count, bool want_jobs,
                                     const taskq_claim_options *next, taskq_jobs **reported, taskq_jobs **claimed,
                                     taskq_error *err)
{
    if (count > TASKQ_REPORTS_MAX || (count > 0 && !reports)) {
        return taskq__fail(err, TASKQ_EINVAL, "more than %d reports", TASKQ_REPORTS_MAX);
    }
    for (uint32_t i = 0; i < count; i++) {
        taskq_status status =
            taskq__sized_both(reports[i], TASKQ__SIZED_END(taskq_report, job), sizeof(taskq_report), err);
        if (status != TASKQ_OK) {
            return status;
        }
    }
    if (want_jobs && !reported) {
        return taskq__fail(err, TASKQ_EINVAL, "there is no place for the jobs that are wanted");
    }
    if (next && !claimed) {
        return taskq__fail(err, TASKQ_EINVAL, "there is no place for the jobs that are claimed");
    }
    taskq_claim_options own = TASKQ_CLAIM_OPTIONS_INIT;
    taskq_status status = next ? TASKQ__SIZED_IN(next, &own, err) : TASKQ_OK;
    if (status != TASKQ_OK) {
        return status;
    }
    if (own.wait_ms != 0) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/next/wait_ms", "a claim after reports does not wait");
    }
    return TASKQ_OK;
}

static taskq_status complete(taskq_scheduler *scheduler, taskq_report *const *reports, uint32_t count, completion *work,
                             taskq_error *err)
{
    /* Each report has its own status, and a claim that was refused must not hide what became of them. */
    uint32_t op = work->event_count > 0 ? UINT32_MAX : 0;
    taskq_status status = work->call.count > 0 ? taskq__scheduler_run(scheduler, &work->call, op, err) : TASKQ_OK;
    if (status != TASKQ_OK) {
        return status;
    }
    if (work->event_count > 0 && work->call.ops[0].status != TASKQ_OK) {
        if (err) {
            *err = work->call.ops[0].error;
        }
        return work->call.ops[0].status;
    }
    read_events(scheduler, reports, count, work->events);
    return list_reported(reports, count, work->reported, err);
}

taskq_status taskq_scheduler_complete(taskq_scheduler *scheduler, taskq_report *const *reports, uint32_t count,
                                      bool json_checked, bool want_jobs, const taskq_claim_options *next,
                                      taskq_jobs **reported, taskq_jobs **claimed, taskq_error *err)
{
    if (!scheduler) {
        return taskq__fail(err, TASKQ_EINVAL, "there is no scheduler");
    }
    taskq_status status = check_completion(reports, count, want_jobs, next, reported, claimed, err);
    if (status == TASKQ_OK) {
        status = taskq__scheduler_enter(scheduler, err);
    }
    if (status != TASKQ_OK) {
        return status;
    }
    completion work = {.reported = NULL};
    work.work.nodes = work.work.few;
    status = build(scheduler, reports, count, json_checked, want_jobs, next, &work, err);
    if (status == TASKQ_OK) {
        status = complete(scheduler, reports, count, &work, err);
    }
    if (status == TASKQ_OK && next) {
        taskq__claim_end(scheduler, &work.work, work.claimed);
        *claimed = work.claimed;
        work.claimed = NULL;
    }
    if (status == TASKQ_OK && reported) {
        *reported = work.reported;
        work.reported = NULL;
    }
    taskq__claim_clear(&work.work);
    taskq_jobs_free(work.reported);
    taskq_jobs_free(work.claimed);
    taskq__scheduler_leave(scheduler);
    return status;
}

static taskq_status check_beat(const taskq_heartbeat *beat, taskq_error *err)
{
    taskq_status status =
        taskq__sized_both(beat, TASKQ__SIZED_END(taskq_heartbeat, quiet), sizeof(taskq_heartbeat), err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (beat->version < 1) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/version", "a version is 1 or more");
    }
    if (beat->progress.size > PROGRESS_BYTES_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/progress", "progress has more than %d bytes", PROGRESS_BYTES_MAX);
    }
    if (beat->progress.size > 0 &&
        (!taskq__json_is_object(beat->progress) || taskq__json_check(beat->progress, NULL) != TASKQ_OK)) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/progress", "progress is not a JSON object");
    }
    if (!taskq__text_is_utf8(beat->log)) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/log", "the log text is not UTF-8");
    }
    return TASKQ_OK;
}

static taskq_status run_beats(taskq_scheduler *scheduler, taskq_heartbeat *const *beats, uint32_t count,
                              taskq_beat *sent, taskq_arena *arena, taskq_error *err)
{
    for (uint32_t i = 0; i < count; i++) {
        sent[i] = (taskq_beat){
            .id = beats[i]->id,
            .version = beats[i]->version,
            .progress = beats[i]->progress,
            .log = taskq__text_cut_tail(beats[i]->log, TASKQ_LOG_BYTES_MAX),
        };
    }
    taskq__call call = {.ops = {{.kind = TASKQ_OP_BEAT, .in = {.beats = sent}, .count = count, .arena = arena}},
                        .count = 1};
    taskq_status status = taskq__scheduler_run(scheduler, &call, 0, err);
    for (uint32_t i = 0; i < count && status == TASKQ_OK; i++) {
        beats[i]->status = sent[i].status;
        beats[i]->lease_expires_at_ms = sent[i].lease_expires_at_ms;
        beats[i]->cancel_requested = sent[i].cancel_requested;
        beats[i]->quiet = sent[i].quiet;
    }
    return status;
}

taskq_status taskq_scheduler_heartbeat(taskq_scheduler *scheduler, taskq_heartbeat *const *beats, uint32_t count,
                                       taskq_error *err)
{
    if (!scheduler || !beats || count == 0 || count > TASKQ_REPORTS_MAX) {
        return taskq__fail(err, TASKQ_EINVAL, "the number of heartbeats is not within 1 and %d", TASKQ_REPORTS_MAX);
    }
    for (uint32_t i = 0; i < count; i++) {
        taskq_status status = check_beat(beats[i], err);
        if (status != TASKQ_OK) {
            if (count > 1) {
                taskq__fail_element(err, i);
            }
            return status;
        }
    }
    taskq_status status = taskq__scheduler_enter(scheduler, err);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq_arena *arena = taskq__arena_new(&scheduler->allocator, 0);
    taskq_beat *sent = arena ? taskq_arena_alloc(arena, sizeof(taskq_beat) * count) : NULL;
    status = sent ? run_beats(scheduler, beats, count, sent, arena, err) : taskq__fail_memory(err);
    taskq__arena_free(arena);
    taskq__scheduler_leave(scheduler);
    return status;
}

taskq_status taskq_scheduler_release(taskq_scheduler *scheduler, int64_t id, int64_t version, int64_t delay_ms,
                                     taskq_jobs **out, taskq_error *err)
{
    if (!scheduler || version < 1) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/version", "a version is 1 or more");
    }
    if (delay_ms < -1 || delay_ms > TASKQ_DELAY_MS_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/delay_ms", "the delay is not within 0 and %lld ms",
                                 (long long)TASKQ_DELAY_MS_MAX);
    }
    taskq_event event = {
        .kind = TASKQ_EVENT_RELEASE,
        .id = id,
        .version = version,
        .delay_ms = delay_ms == 0 ? -1 : delay_ms,
        .random = taskq__rng_next(&scheduler->rng),
        .wants_job = out != NULL,
    };
    event.digest = taskq__report_digest(event.kind, event.outcome, event.no_retry, event.delay_ms);
    return taskq__settle_one(scheduler, &event, out, err);
}
