/* SPDX-License-Identifier: MIT */
/*
 * The job record: its words, what a new job becomes before the state machine sees it, and the few values
 * that are computed from one. What may be asked for is checked in job_check.c, what becomes of a job is
 * decided in decide.c.
 */
#include "core/job.h"

#include "core/rng.h"
#include "core/text.h"

static const char *const state_names[TASKQ_STATE_COUNT] = {
    [TASKQ_STATE_QUEUED] = "queued",     [TASKQ_STATE_SCHEDULED] = "scheduled", [TASKQ_STATE_BLOCKED] = "blocked",
    [TASKQ_STATE_RUNNING] = "running",   [TASKQ_STATE_SUCCEEDED] = "succeeded", [TASKQ_STATE_FAILED] = "failed",
    [TASKQ_STATE_CANCELED] = "canceled",
};

const char *taskq_state_name(taskq_state state)
{
    unsigned index = (unsigned)state;
    return index < TASKQ_STATE_COUNT && state_names[index] != NULL ? state_names[index] : "unknown";
}

taskq_status taskq__state_parse(taskq_text word, taskq_state *out)
{
    for (unsigned i = 1; i < TASKQ_STATE_COUNT; i++) {
        if (taskq__text_is(word, state_names[i])) {
            *out = (taskq_state)i;
            return TASKQ_OK;
        }
    }
    return TASKQ_EINVAL;
}

const char *taskq_outcome_name(taskq_outcome outcome)
{
    switch (outcome) {
    case TASKQ_OUTCOME_NONE: return "none";
    case TASKQ_OUTCOME_SUCCEEDED: return "succeeded";
    case TASKQ_OUTCOME_FAILED: return "failed";
    case TASKQ_OUTCOME_TIMED_OUT: return "timed_out";
    case TASKQ_OUTCOME_LOST: return "lost";
    case TASKQ_OUTCOME_RELEASED: return "released";
    case TASKQ_OUTCOME_CANCELED: return "canceled";
    }
    return "unknown";
}

bool taskq_state_is_terminal(taskq_state state)
{
    return state == TASKQ_STATE_SUCCEEDED || state == TASKQ_STATE_FAILED || state == TASKQ_STATE_CANCELED;
}

static int64_t first_run_at(const taskq_new_job *new_job, taskq_now now)
{
    if (new_job->has_run_at) {
        return new_job->run_at_ms;
    }
    return new_job->has_delay ? now.wall_ms + new_job->delay_ms : now.wall_ms;
}

void taskq__job_from_new(const taskq_new_job *new_job, taskq_now now, taskq_job *out)
{
    *out = (taskq_job){
        .priority = new_job->priority,
        .max_attempts = new_job->max_attempts,
        .queue = new_job->queue,
        .type = new_job->type,
        .payload = new_job->payload,
        .run_at_ms = first_run_at(new_job, now),
        .timeout_ms = new_job->timeout_ms,
        .lease_ms = new_job->lease_ms,
        .backoff = new_job->backoff,
        .tag_count = new_job->tag_count,
        .batch = new_job->batch,
        .unique_key = new_job->unique_key,
    };
    for (uint32_t i = 0; i < new_job->tag_count; i++) {
        out->tags[i] = new_job->tags[i];
    }
    if (taskq__text_is_traceparent(new_job->traceparent)) {
        out->traceparent = new_job->traceparent;
    }
}

int64_t taskq__job_expires_at(const taskq_job *job)
{
    if (job->lease_due_ms == 0 || job->timeout_due_ms == 0) {
        return job->lease_due_ms + job->timeout_due_ms; /* the one there is, or 0 */
    }
    return job->lease_due_ms < job->timeout_due_ms ? job->lease_due_ms : job->timeout_due_ms;
}

int64_t taskq__job_running_until(const taskq_job *job)
{
    return job->state == TASKQ_STATE_RUNNING ? taskq__job_expires_at(job) : 0;
}

int64_t taskq__job_run_due(const taskq_job *job)
{
    return job->state == TASKQ_STATE_SCHEDULED && job->backoff_due_ms == 0 ? job->run_at_ms : 0;
}

uint64_t taskq__report_digest(taskq_event_kind kind, taskq_text outcome, bool no_retry, int64_t delay_ms)
{
    uint64_t digest = taskq_digest(outcome.data, outcome.size);
    digest = taskq__mix64(digest ^ (uint64_t)kind);
    digest = taskq__mix64(digest ^ (uint64_t)no_retry);
    return taskq__mix64(digest ^ (uint64_t)delay_ms);
}
