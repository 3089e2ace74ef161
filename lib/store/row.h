/* SPDX-License-Identifier: MIT */
/* A job as both stores keep it: what its narrow row is, and which of its texts stand elsewhere. */
#ifndef TASKQ_STORE_ROW_H
#define TASKQ_STORE_ROW_H

#include <taskq/sys/store.h>

/* Which side tables have rows of a job: saves looking into them for nothing. */
enum { TASKQ__HAS_PROGRESS = 1, TASKQ__HAS_LOG = 2, TASKQ__HAS_ATTEMPTS = 4 };

typedef struct taskq__row {
    taskq_job job;
    int64_t result_of, error_of; /* the attempts (by version) that have result and error; 0: none */
    uint32_t extras;
} taskq__row;

/* A job's columns, its table's alias is j, and the numbers under which they are found; a payload's, p. */
#define TASKQ__JOB_COLUMNS                                                                                           \
    "j.id, j.version, j.state, j.queue, j.type, j.priority, j.run_at, j.attempt, j.max_attempts, j.timeout_ms, "     \
    "j.lease_ms, j.backoff_base_ms, j.backoff_factor, j.backoff_max_ms, j.backoff_jitter, j.batch, j.unique_key, "   \
    "j.worker, j.cancel_requested, j.updated_at, j.started_at, j.done_at, j.failed_at, j.lease_due, j.timeout_due, " \
    "j.backoff_due, j.result_of, j.error_of, j.extras"
#define TASKQ__PAYLOAD_COLUMNS "p.payload, p.tags, p.traceparent, p.created_at"
enum {
    TASKQ__COLUMN_ID,
    TASKQ__COLUMN_VERSION,
    TASKQ__COLUMN_STATE,
    TASKQ__COLUMN_QUEUE,
    TASKQ__COLUMN_TYPE,
    TASKQ__COLUMN_PRIORITY,
    TASKQ__COLUMN_RUN_AT,
    TASKQ__COLUMN_ATTEMPT,
    TASKQ__COLUMN_MAX_ATTEMPTS,
    TASKQ__COLUMN_TIMEOUT,
    TASKQ__COLUMN_LEASE,
    TASKQ__COLUMN_BACKOFF_BASE,
    TASKQ__COLUMN_BACKOFF_FACTOR,
    TASKQ__COLUMN_BACKOFF_MAX,
    TASKQ__COLUMN_BACKOFF_JITTER,
    TASKQ__COLUMN_BATCH,
    TASKQ__COLUMN_UNIQUE_KEY,
    TASKQ__COLUMN_WORKER,
    TASKQ__COLUMN_CANCEL_REQUESTED,
    TASKQ__COLUMN_UPDATED_AT,
    TASKQ__COLUMN_STARTED_AT,
    TASKQ__COLUMN_DONE_AT,
    TASKQ__COLUMN_FAILED_AT,
    TASKQ__COLUMN_LEASE_DUE,
    TASKQ__COLUMN_TIMEOUT_DUE,
    TASKQ__COLUMN_BACKOFF_DUE,
    TASKQ__COLUMN_RESULT_OF,
    TASKQ__COLUMN_ERROR_OF,
    TASKQ__COLUMN_EXTRAS,
    TASKQ__COLUMN_COUNT
};

/* The state machine only keeps a result or an error, or lets it go: of a megabyte that nobody looks at it is enough to know that it is
 * there. */
void taskq__row_stand_in(taskq__row *row);
bool taskq__row_is_stand_in(taskq_text text);

/* Which attempt has a text after a move: none, the one it was with before, or the one that has just ended. */
int64_t taskq__row_holder(taskq_text after, taskq_text before, int64_t held_by, int64_t ended_version);

/* A running job's lease as it is shown. */
void taskq__row_show_lease(taskq_job *job, taskq_now now);

#endif
