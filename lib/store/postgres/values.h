/* SPDX-License-Identifier: MIT */
/* Values on their way into statements and out of results, in PostgreSQL's binary form: nothing is printed, escaped or parsed.
 * Built in an arena; the first failure (no memory) sticks, and taskq__pg_session_send refuses what failed. */
#ifndef TASKQ_STORE_POSTGRES_VALUES_H
#define TASKQ_STORE_POSTGRES_VALUES_H

#include <taskq/sys/arena.h>

#include <libpq-fe.h>

enum { TASKQ__PG_PARAMS_MAX = 40 };

typedef enum taskq__pg_value_type {
    TASKQ__PG_VALUE_INT8,
    TASKQ__PG_VALUE_FLOAT8,
    TASKQ__PG_VALUE_TEXT,
    TASKQ__PG_VALUE_BYTEA
} taskq__pg_value_type;

/* The parameters of one statement, $1 first: single values, or columns (arrays of one length). */
typedef struct taskq__pg_column {
    taskq__pg_value_type type;
    char *bytes; /* the array's header, then its elements */
    size_t size, room;
    int32_t count;
} taskq__pg_column;

typedef struct taskq__pg_params {
    taskq_arena *arena;
    bool failed;
    int count, next; /* next: the column that the next value of a row goes to */
    const char *values[TASKQ__PG_PARAMS_MAX];
    int lengths[TASKQ__PG_PARAMS_MAX];
    taskq__pg_column columns[TASKQ__PG_PARAMS_MAX]; /* bytes NULL: a single value */
} taskq__pg_params;

void taskq__pg_params_init(taskq__pg_params *params, taskq_arena *arena);

/* Single values, each the next parameter. Texts are borrowed until the statement is sent. */
void taskq__pg_param_int(taskq__pg_params *params, int64_t value);
void taskq__pg_param_text(taskq__pg_params *params, taskq_text value);
void taskq__pg_param_bytes(taskq__pg_params *params, taskq_text value);
void taskq__pg_param_null(taskq__pg_params *params);

/* Columns: declare each with its type (each the next parameter), then give the rows' values in the order of the columns. Values are copied. */
void taskq__pg_params_column(taskq__pg_params *params, taskq__pg_value_type type);
/* Parameters that are all columns: a letter each, i INT8, d FLOAT8, t TEXT, b BYTEA. */
void taskq__pg_params_columns(taskq__pg_params *params, taskq_arena *arena, const char *types);
void taskq__pg_row_int(taskq__pg_params *params, int64_t value);
void taskq__pg_row_int_or_null(taskq__pg_params *params, int64_t value); /* 0: NULL */
void taskq__pg_row_double(taskq__pg_params *params, double value);
void taskq__pg_row_text(taskq__pg_params *params, taskq_text value);         /* TEXT and BYTEA */
void taskq__pg_row_text_or_null(taskq__pg_params *params, taskq_text value); /* size 0: NULL */
int32_t taskq__pg_params_rows(const taskq__pg_params *params);               /* complete rows so far */

/* What a result holds. Of NULL: 0, and a text of size 0. */
int64_t taskq__pg_result_int(const PGresult *result, int row, int column); /* int2, int4, int8, bool */
double taskq__pg_result_double(const PGresult *result, int row, int column);
taskq_text taskq__pg_result_text(const PGresult *result, int row, int column); /* the result's memory */
bool taskq__pg_result_null(const PGresult *result, int row, int column);
/* Copied into the arena; false: no memory. */
bool taskq__pg_result_copy(const PGresult *result, int row, int column, taskq_arena *arena, taskq_text *out);

#endif
