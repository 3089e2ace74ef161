/* SPDX-License-Identifier: MIT */
/* Rows of the database as job records. */
#ifndef TASKQ_STORE_POSTGRES_ROWS_H
#define TASKQ_STORE_POSTGRES_ROWS_H

#include <taskq/sys/store.h>

#include <libpq-fe.h>

/* Which side tables have rows of a job: saves looking into them for nothing. */
enum { TASKQ__PG_HAS_PROGRESS = 1, TASKQ__PG_HAS_LOG = 2, TASKQ__PG_HAS_ATTEMPTS = 4 };

/* A job's columns in the order in which taskq__pg_row_take wants them; the table's alias is j. Of the payload's p, of its result and
 * error r and e (attempts), of its progress g. */
#define TASKQ__PG_JOB_COLUMNS                                                                                        \
    "j.id, j.version, j.state, j.queue, j.type, j.priority, j.run_at, j.attempt, j.max_attempts, j.timeout_ms, "     \
    "j.lease_ms, j.backoff_base_ms, j.backoff_factor, j.backoff_max_ms, j.backoff_jitter, j.batch, j.unique_key, "   \
    "j.worker, j.cancel_requested, j.updated_at, j.started_at, j.done_at, j.failed_at, j.lease_due, j.timeout_due, " \
    "j.backoff_due, j.result_of, j.error_of, j.extras"
#define TASKQ__PG_PAYLOAD_COLUMNS "p.payload, p.tags, p.traceparent, p.created_at"
#define TASKQ__PG_TEXT_COLUMNS "r.text, e.text, g.progress"
/* One table's row by its primary key for each row before it, and by no other way: OFFSET 0 keeps it a query of its own. A plain join
 * would be the planner's to turn round, and with statistics of a table that was empty it reads that table whole for each row. */
#define TASKQ__PG_EACH(columns, table, where, alias) \
    "CROSS JOIN LATERAL (SELECT " columns " FROM " table " WHERE " where " OFFSET 0) " alias " "
#define TASKQ__PG_MAYBE(columns, table, where, alias) \
    "LEFT JOIN LATERAL (SELECT " columns " FROM " table " WHERE " where " OFFSET 0) " alias " ON true "
/* What must be joined to j for the last two. */
#define TASKQ__PG_JOIN_TEXTS                                                             \
    TASKQ__PG_MAYBE("*", "@payloads", "id = j.id", "p")                                  \
    TASKQ__PG_MAYBE("text", "@attempts", "job_id = j.id AND version = j.result_of", "r") \
    TASKQ__PG_MAYBE("text", "@attempts", "job_id = j.id AND version = j.error_of", "e")  \
    TASKQ__PG_MAYBE("progress", "@progress", "id = j.id AND j.extras & 1 <> 0", "g")
enum {
    TASKQ__PG_JOB_COLUMN_COUNT = 29,
    TASKQ__PG_PAYLOAD_COLUMN_COUNT = 4,
    TASKQ__PG_TEXT_COLUMN_COUNT = 3,
    TASKQ__PG_WHOLE_COLUMN_COUNT =
        TASKQ__PG_JOB_COLUMN_COUNT + TASKQ__PG_PAYLOAD_COLUMN_COUNT + TASKQ__PG_TEXT_COLUMN_COUNT
};

typedef struct taskq__pg_row {
    taskq_job job;
    int64_t result_of, error_of; /* the attempts (by version) that have result and error; 0: none */
    uint32_t extras;
} taskq__pg_row;

/* All of these: false, no memory in the arena. The columns begin at `first`; `out` of the first is overwritten. */
bool taskq__pg_row_take(const PGresult *result, int row, int first, taskq_now now, taskq_arena *arena,
                        taskq__pg_row *out);
bool taskq__pg_row_take_payload(const PGresult *result, int row, int first, taskq_arena *arena, taskq_job *out);
bool taskq__pg_row_take_texts(const PGresult *result, int row, int first, taskq_arena *arena, taskq_job *out);
/* The three of them, one after the other. */
bool taskq__pg_row_take_whole(const PGresult *result, int row, int first, taskq_now now, taskq_arena *arena,
                              taskq__pg_row *out);

/* The state machine only keeps a result or an error, or lets it go: it is enough to know that it is there. */
void taskq__pg_row_stand_in(taskq__pg_row *row);
bool taskq__pg_is_stand_in(taskq_text text);
/* A running job's lease as it is shown. */
void taskq__pg_row_show_lease(taskq_job *job, taskq_now now);

#endif
