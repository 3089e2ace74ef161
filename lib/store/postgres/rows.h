/* SPDX-License-Identifier: MIT */
/* Rows of the database as job records. */
#ifndef TASKQ_STORE_POSTGRES_ROWS_H
#define TASKQ_STORE_POSTGRES_ROWS_H

#include <taskq/sys/store.h>

#include <libpq-fe.h>

#include "store/row.h"

/* Of a job's result and error r and e (attempts), of its progress g. */
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
    TASKQ__PG_PAYLOAD_COLUMN_COUNT = 4,
    TASKQ__PG_TEXT_COLUMN_COUNT = 3,
    TASKQ__PG_WHOLE_COLUMN_COUNT = TASKQ__COLUMN_COUNT + TASKQ__PG_PAYLOAD_COLUMN_COUNT + TASKQ__PG_TEXT_COLUMN_COUNT
};

/* All of these: false, no memory in the arena. The columns begin at `first`; `out` of the first is overwritten. */
bool taskq__pg_row_take(const PGresult *result, int row, int first, taskq_now now, taskq_arena *arena, taskq__row *out);
bool taskq__pg_row_take_payload(const PGresult *result, int row, int first, taskq_arena *arena, taskq_job *out);
bool taskq__pg_row_take_texts(const PGresult *result, int row, int first, taskq_arena *arena, taskq_job *out);
/* The three of them, one after the other. */
bool taskq__pg_row_take_whole(const PGresult *result, int row, int first, taskq_now now, taskq_arena *arena,
                              taskq__row *out);

#endif
