/* SPDX-License-Identifier: MIT */
/* Every statement of the PostgreSQL store, named in one place, so that a test can explain each of them. '@' stands for the
 * schema and a dot. Those that write or find many rows take them as arrays. */
#ifndef TASKQ_STORE_POSTGRES_SQL_H
#define TASKQ_STORE_POSTGRES_SQL_H

typedef enum taskq__pg_sql {
    TASKQ__PG_SQL_BEGIN,
    TASKQ__PG_SQL_COMMIT,
    TASKQ__PG_SQL_ROLLBACK,
    TASKQ__PG_SQL_COUNT
} taskq__pg_sql;

typedef struct taskq__pg_sql_text {
    const char *name; /* also the prepared statement's, after "taskq_" */
    const char *text;
} taskq__pg_sql_text;

const taskq__pg_sql_text *taskq__pg_sql_at(taskq__pg_sql which);

#endif
