/* SPDX-License-Identifier: MIT */
/* What callers ask for, checked and made what a store takes: by the scheduler for its line, and by a store's own functions for the
 * transaction that a host has opened. */
#ifndef TASKQ_CORE_REQUEST_H
#define TASKQ_CORE_REQUEST_H

#include <taskq/job.h>
#include <taskq/sys/store.h>

/* EINVAL: everything about an enqueue that can be refused without a store. Of several jobs err.field begins with the one at fault. */
taskq_status taskq__enqueue_check(const taskq_new_job *const *jobs, uint32_t count,
                                  const taskq_enqueue_options *options, taskq_error *err);

/* The op's input of what was checked; scope and key are joined in the arena. ENOMEM. */
taskq_status taskq__enqueue_make(const taskq_new_job *const *jobs, uint32_t count, const taskq_enqueue_options *options,
                                 bool wants_jobs, taskq_arena *arena, taskq_enqueue *out, taskq_error *err);

/* Is there a JSON object, going by its first character? */
bool taskq__json_is_object(taskq_text json);

/* OK, EINVAL, ENOTFOUND: a report that cannot be one of any job. */
taskq_status taskq__report_check(const taskq_report *report, bool json_checked);
/* A caller's one report, checked in full; its status is set, too. */
taskq_status taskq__report_begin(taskq_report *report, taskq_error *err);
/* The event of a report that was checked, and what became of it. */
void taskq__report_event(const taskq_report *report, uint64_t random, bool wants_job, taskq_event *out);
void taskq__report_take(taskq_report *report, const taskq_event *event);

/* The status of an event that was tried, in words for whoever asked for it alone. */
taskq_status taskq__event_refusal(const taskq_event *event, taskq_error *err);

#endif
