/* SPDX-License-Identifier: MIT */
/*
 * What a batch reads and writes. Each kind of op is one statement over arrays, so that a batch costs a few round trips however
 * many ops are in it; rows of jobs are locked by primary key alone, in ascending order, and looked at in C.
 */
#include "store/postgres/sql.h"

#define AT(which) [TASKQ__PG_SQL_##which - TASKQ__PG_SQL_OF_COMMIT]

const taskq__pg_sql_text taskq__pg_sql_commit[TASKQ__PG_SQL_COUNT - TASKQ__PG_SQL_OF_COMMIT] = {
    AT(BATCH_NOTE) = {"batch_note",
                      "INSERT INTO @batches (server, number, at) VALUES ($1::bigint, $2::bigint, @now_ms()) RETURNING at"},
};
