/* SPDX-License-Identifier: MIT */
/*
 * What both stores do with a job's row whatever database it came from.
 */
#include "store/row.h"

#include "core/timekeeper.h"

static const char there[] = "?";

void taskq__row_stand_in(taskq__row *row)
{
    if (row->result_of != 0) {
        row->job.result = (taskq_text){there, 1};
    }
    if (row->error_of != 0) {
        row->job.error = (taskq_text){there, 1};
    }
}

bool taskq__row_is_stand_in(taskq_text text)
{
    return text.data == there;
}

int64_t taskq__row_holder(taskq_text after, taskq_text before, int64_t held_by, int64_t ended_version)
{
    if (after.size == 0) {
        return 0;
    }
    return after.data == before.data && after.size == before.size ? held_by : ended_version;
}

void taskq__row_show_lease(taskq_job *job, taskq_now now)
{
    job->lease_expires_at_ms = job->state == TASKQ_STATE_RUNNING ? taskq__steady_to_wall(job->lease_due_ms, now) : 0;
}
