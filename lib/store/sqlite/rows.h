/* SPDX-License-Identifier: MIT */
/* Rows of the database as job records. Results are SQLite's codes, or TASKQ__RC_ARENA. */
#ifndef TASKQ_STORE_SQLITE_ROWS_H
#define TASKQ_STORE_SQLITE_ROWS_H

#include <taskq/sys/store.h>

#include "store/row.h"
#include "store/sqlite/sql.h"

/* How much of a job is read: what the state machine looks at (a result or error is there, but is not what it says), or all
 * that is shown of it (but attempts and log), or of that all but result, error and progress. */
typedef enum taskq__row_depth { TASKQ__ROW_NARROW, TASKQ__ROW_WHOLE, TASKQ__ROW_BARE } taskq__row_depth;

/* The job of that id into the arena; *found false: there is none. */
int taskq__row_read(taskq__conn *conn, int64_t id, taskq__row_depth depth, taskq_now now, taskq_arena *arena,
                    taskq__row *out, bool *found);

/* The jobs' columns of a command's current row, from column 0. */
bool taskq__row_take(taskq__cmd *cmd, taskq_now now, taskq_arena *arena, taskq__row *out);
/* The payload's columns, from `first`. */
bool taskq__row_take_payload(taskq__cmd *cmd, int first, taskq_arena *arena, taskq_job *out);
/* Result, error and progress, from their own tables. */
int taskq__row_read_texts(taskq__conn *conn, taskq_arena *arena, taskq__row *row);

/* The last 64 KiB of its log. */
int taskq__row_read_log(taskq__conn *conn, taskq_arena *arena, taskq_job *job);

#endif
