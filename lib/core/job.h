/* SPDX-License-Identifier: MIT */
/* The job record: checking what is asked for, and the state machine, one pure function. */
#ifndef TASKQ_CORE_JOB_H
#define TASKQ_CORE_JOB_H

#include <taskq/job.h>
#include <taskq/sys/store.h>

/* The server's own bound is lower by default; this is what no bound of a host can exceed. */
enum { TASKQ__PAYLOAD_BYTES_MAX = 64 * 1024 * 1024 };

/* Every range and name of a new job; err.field names the one at fault ("/backoff/factor", "/tags/3"). The payload's JSON is not looked at.
 * run_at must lie in the years 1970 to 2100; a tag given twice is refused. */
taskq_status taskq__new_job_check(const taskq_new_job *job, taskq_error *err);

/* The job that a new job becomes before it is decided upon: fields copied (texts borrowed), state 0, version 0, id 0. With neither
 * run_at nor delay run_at_ms is now. A malformed traceparent is dropped. */
void taskq__job_from_new(const taskq_new_job *new_job, taskq_now now, taskq_job *out);

/* The state machine. See taskq_decide_fn. */
taskq_status taskq__job_decide(const taskq_job *before, const taskq_event *event, taskq_now now, taskq_move *out,
                               taskq_error *err);

/* The instant at which the sweep must look at a running job: the earlier of lease and time-out. */
int64_t taskq__job_expires_at(const taskq_job *job);

/* What a store keeps of it while it runs, and the run_at that a scheduled job waits for (not where it waits for a backoff); else 0. */
int64_t taskq__job_running_until(const taskq_job *job);
int64_t taskq__job_run_due(const taskq_job *job);

/* The digest of a report: kind, outcome, no_retry, delay. */
uint64_t taskq__report_digest(taskq_event_kind kind, taskq_text outcome, bool no_retry, int64_t delay_ms);

taskq_status taskq__state_parse(taskq_text word, taskq_state *out); /* EINVAL */

#endif
