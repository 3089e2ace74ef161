/* SPDX-License-Identifier: MIT */
/*
 * The state machine: the job before, an event, the time and a random number give the job after, or a
 * refusal. It is pure and stands here alone, so that every store makes the same moves, a repeated batch
 * decides the same again, and a simulation can run it a million times. A feature that adds a move adds it
 * here, once. A refusal leaves `out` alone: every function checks first and begins its move then.
 */
#include "core/backoff.h"
#include "core/fail.h"
#include "core/job.h"
#include "core/timekeeper.h"

#include <inttypes.h>

#define ERROR_TIMEOUT "{\"code\":\"timeout\",\"message\":\"the attempt ran longer than the job's timeout_ms\"}"
#define ERROR_LOST "{\"code\":\"lost\",\"message\":\"the lease ran out: its worker died or lost its connection\"}"
#define ERROR_UNEXPLAINED "{\"code\":\"failed\",\"message\":\"the worker gave no reason\"}"

static const taskq_text no_text = {NULL, 0};

/* ---- refusals ------------------------------------------------------------------------------------------ */

static taskq_status refuse_state(const taskq_job *before, const char *wish, taskq_error *err)
{
    return taskq__fail(err, TASKQ_ECONFLICT, "job %" PRId64 " is %s, it cannot be %s", before->id,
                       taskq_state_name(before->state), wish);
}

static taskq_status refuse_version(const taskq_job *before, const taskq_event *event, taskq_error *err)
{
    if (before->version == event->version) {
        return taskq__fail(err, TASKQ_ESTALE, "job %" PRId64 " is %s: version %" PRId64 " is not a lease", before->id,
                           taskq_state_name(before->state), event->version);
    }
    return taskq__fail(err, TASKQ_ESTALE, "job %" PRId64 " has version %" PRId64 ", %" PRId64 " is not the current one",
                       before->id, before->version, event->version);
}

/* Whoever ends an attempt must hold its lease: the version is the token, and "whatever it is" is none. */
static bool holds_lease(const taskq_job *before, const taskq_event *event)
{
    return before->state == TASKQ_STATE_RUNNING && event->version != 0 && event->version == before->version;
}

/* ---- what moves have in common ------------------------------------------------------------------------- */

static taskq_job *begin_move(const taskq_job *before, taskq_state state, taskq_now now, taskq_move *out)
{
    *out = (taskq_move){.after = *before};
    taskq_job *job = &out->after;
    job->state = state;
    job->version++;
    job->updated_at_ms = now.wall_ms;
    job->lease_due_ms = 0;
    job->timeout_due_ms = 0;
    job->lease_expires_at_ms = 0;
    job->backoff_due_ms = 0;
    job->finished_at_ms = taskq_state_is_terminal(state) ? now.wall_ms : 0;
    return job;
}

/* Ready at once with delay 0, else in so many milliseconds of elapsed time. */
static taskq_job *begin_delayed(const taskq_job *before, int64_t delay_ms, taskq_now now, taskq_move *out)
{
    int64_t bounded_ms = delay_ms < TASKQ_DELAY_MS_MAX ? delay_ms : TASKQ_DELAY_MS_MAX;
    taskq_state state = bounded_ms > 0 ? TASKQ_STATE_SCHEDULED : TASKQ_STATE_QUEUED;
    taskq_job *job = begin_move(before, state, now, out);
    job->run_at_ms = now.wall_ms + bounded_ms;
    job->backoff_due_ms = bounded_ms > 0 ? now.steady_ms + bounded_ms : 0;
    return job;
}

/* An attempt ended without success: another one, or the end. `ended` and `error` go into the attempt's
 * row. */
static void end_without_success(const taskq_job *before, const taskq_event *event, taskq_now now, taskq_outcome ended,
                                taskq_text error, taskq_move *out)
{
    taskq_job *job;
    if (before->cancel_requested) {
        job = begin_move(before, TASKQ_STATE_CANCELED, now, out);
    } else if (before->attempt >= before->max_attempts || event->no_retry) {
        job = begin_move(before, TASKQ_STATE_FAILED, now, out);
    } else {
        int64_t delay_ms = event->delay_ms;
        if (delay_ms < 0) {
            delay_ms = taskq__backoff_delay_ms(&before->backoff, before->attempt, event->random);
        }
        job = begin_delayed(before, delay_ms, now, out);
    }
    job->error = error;
    job->result = no_text;
    out->ended = ended;
    out->outcome = error;
}

/* ---- the moves ----------------------------------------------------------------------------------------- */

static taskq_status decide_enqueue(const taskq_job *before, const taskq_event *event, taskq_now now, taskq_move *out,
                                   taskq_error *err)
{
    (void)event;
    if (before->state != 0) {
        return refuse_state(before, "enqueued again", err);
    }
    taskq_state state = before->run_at_ms <= now.wall_ms ? TASKQ_STATE_QUEUED : TASKQ_STATE_SCHEDULED;
    taskq_job *job = begin_move(before, state, now, out);
    job->version = 1;
    job->created_at_ms = now.wall_ms;
    return TASKQ_OK;
}

static taskq_status decide_claim(const taskq_job *before, const taskq_event *event, taskq_now now, taskq_move *out,
                                 taskq_error *err)
{
    if (before->state != TASKQ_STATE_QUEUED) {
        return refuse_state(before, "claimed", err);
    }
    taskq_job *job = begin_move(before, TASKQ_STATE_RUNNING, now, out);
    job->attempt++;
    job->worker = event->worker;
    job->progress = no_text;
    job->started_at_ms = now.wall_ms;
    job->lease_due_ms = now.steady_ms + before->lease_ms;
    job->timeout_due_ms = now.steady_ms + before->timeout_ms;
    job->lease_expires_at_ms = taskq__steady_to_wall(job->lease_due_ms, now);
    out->progress_cleared = true;
    return TASKQ_OK;
}

/* A success counts whenever it arrives under a valid lease: late, or after a cancel was asked for. */
static taskq_status decide_succeed(const taskq_job *before, const taskq_event *event, taskq_now now, taskq_move *out,
                                   taskq_error *err)
{
    if (!holds_lease(before, event)) {
        return refuse_version(before, event, err);
    }
    taskq_job *job = begin_move(before, TASKQ_STATE_SUCCEEDED, now, out);
    job->result = event->outcome;
    job->error = no_text;
    out->ended = TASKQ_OUTCOME_SUCCEEDED;
    out->outcome = event->outcome;
    return TASKQ_OK;
}

/* A failure that comes too late would have been a time-out, had the sweep been faster: what is recorded
 * must not depend on who won that race. The report's wish about another try is still honoured. */
static taskq_status decide_fail(const taskq_job *before, const taskq_event *event, taskq_now now, taskq_move *out,
                                taskq_error *err)
{
    if (!holds_lease(before, event)) {
        return refuse_version(before, event, err);
    }
    taskq_outcome ended = before->cancel_requested ? TASKQ_OUTCOME_CANCELED : TASKQ_OUTCOME_FAILED;
    taskq_text error = event->outcome.size > 0 ? event->outcome : TASKQ_TEXT(ERROR_UNEXPLAINED);
    if (now.steady_ms > before->timeout_due_ms) {
        ended = TASKQ_OUTCOME_TIMED_OUT;
        error = TASKQ_TEXT(ERROR_TIMEOUT);
    }
    end_without_success(before, event, now, ended, error, out);
    return TASKQ_OK;
}

/* The attempt was not one: it is not counted, and says nothing about the job. */
static taskq_status decide_release(const taskq_job *before, const taskq_event *event, taskq_now now, taskq_move *out,
                                   taskq_error *err)
{
    if (!holds_lease(before, event)) {
        return refuse_version(before, event, err);
    }
    taskq_job *job;
    if (before->cancel_requested) {
        job = begin_move(before, TASKQ_STATE_CANCELED, now, out);
    } else if (event->delay_ms > 0) {
        job = begin_delayed(before, event->delay_ms, now, out);
    } else {
        job = begin_move(before, TASKQ_STATE_QUEUED, now, out); /* run_at is kept, and with it its place in the queue */
    }
    job->attempt--;
    out->ended = before->cancel_requested ? TASKQ_OUTCOME_CANCELED : TASKQ_OUTCOME_RELEASED;
    return TASKQ_OK;
}

static taskq_status decide_cancel(const taskq_job *before, const taskq_event *event, taskq_now now, taskq_move *out,
                                  taskq_error *err)
{
    (void)event;
    if (before->state == TASKQ_STATE_RUNNING) {
        /* Only its worker can end it now; the request is no move, so the lease stays good. */
        *out = (taskq_move){.after = *before, .touched = !before->cancel_requested};
        out->after.cancel_requested = true;
        return TASKQ_OK;
    }
    if (before->state != TASKQ_STATE_QUEUED && before->state != TASKQ_STATE_SCHEDULED &&
        before->state != TASKQ_STATE_BLOCKED) {
        return refuse_state(before, "canceled", err);
    }
    (void)begin_move(before, TASKQ_STATE_CANCELED, now, out);
    return TASKQ_OK;
}

static taskq_status decide_retry(const taskq_job *before, const taskq_event *event, taskq_now now, taskq_move *out,
                                 taskq_error *err)
{
    (void)event;
    if (!taskq_state_is_terminal(before->state)) {
        return refuse_state(before, "retried before it has ended", err);
    }
    taskq_job *job = begin_move(before, TASKQ_STATE_QUEUED, now, out);
    job->attempt = 0;
    job->run_at_ms = now.wall_ms;
    job->cancel_requested = false;
    job->result = no_text;
    job->error = no_text;
    job->progress = no_text;
    out->cleared = true;
    return TASKQ_OK;
}

static taskq_status decide_delete(const taskq_job *before, const taskq_event *event, taskq_now now, taskq_move *out,
                                  taskq_error *err)
{
    (void)event;
    if (!taskq_state_is_terminal(before->state)) {
        return refuse_state(before, "deleted before it has ended", err);
    }
    *out = (taskq_move){.after = *before, .removed = true};
    out->after.version++; /* "the same version" would read: nothing to write */
    out->after.updated_at_ms = now.wall_ms;
    return TASKQ_OK;
}

/* Backoffs and delayed releases go by elapsed time, run_at that somebody asked for by the wall clock. */
static taskq_status decide_due(const taskq_job *before, const taskq_event *event, taskq_now now, taskq_move *out,
                               taskq_error *err)
{
    (void)event;
    if (before->state != TASKQ_STATE_SCHEDULED) {
        return refuse_state(before, "made ready", err);
    }
    bool is_due =
        before->backoff_due_ms != 0 ? now.steady_ms >= before->backoff_due_ms : now.wall_ms >= before->run_at_ms;
    if (!is_due) {
        return refuse_state(before, "made ready before it is due", err);
    }
    (void)begin_move(before, TASKQ_STATE_QUEUED, now, out);
    return TASKQ_OK;
}

static taskq_status decide_expire(const taskq_job *before, const taskq_event *event, taskq_now now, taskq_move *out,
                                  taskq_error *err)
{
    if (before->state != TASKQ_STATE_RUNNING) {
        return refuse_state(before, "taken from its worker", err);
    }
    bool timed_out = now.steady_ms >= before->timeout_due_ms;
    if (!timed_out && now.steady_ms < before->lease_due_ms) {
        return refuse_state(before, "taken from its worker while the lease holds", err);
    }
    /* The sweep has no opinion of its own about another try. */
    taskq_event plain = {.kind = event->kind, .delay_ms = -1, .random = event->random};
    end_without_success(before, &plain, now, timed_out ? TASKQ_OUTCOME_TIMED_OUT : TASKQ_OUTCOME_LOST,
                        timed_out ? TASKQ_TEXT(ERROR_TIMEOUT) : TASKQ_TEXT(ERROR_LOST), out);
    return TASKQ_OK;
}

taskq_status taskq__job_decide(const taskq_job *before, const taskq_event *event, taskq_now now, taskq_move *out,
                               taskq_error *err)
{
    static taskq_decide_fn *const deciders[] = {
        [TASKQ_EVENT_ENQUEUE] = decide_enqueue, [TASKQ_EVENT_CLAIM] = decide_claim,
        [TASKQ_EVENT_SUCCEED] = decide_succeed, [TASKQ_EVENT_FAIL] = decide_fail,
        [TASKQ_EVENT_RELEASE] = decide_release, [TASKQ_EVENT_CANCEL] = decide_cancel,
        [TASKQ_EVENT_RETRY] = decide_retry,     [TASKQ_EVENT_DELETE] = decide_delete,
        [TASKQ_EVENT_DUE] = decide_due,         [TASKQ_EVENT_EXPIRE] = decide_expire,
    };
    unsigned kind = (unsigned)event->kind;
    if (kind >= sizeof(deciders) / sizeof(deciders[0]) || deciders[kind] == NULL) {
        return taskq__fail(err, TASKQ_ECONFLICT, "there is no event of kind %u", kind);
    }
    if (event->version != 0 && event->version != before->version) {
        return refuse_version(before, event, err);
    }
    return deciders[kind](before, event, now, out, err);
}
