/* SPDX-License-Identifier: MIT */
/* Every statement of the PostgreSQL store, named in one place, so that a test can explain each of them. '@' stands for the
 * schema, quoted, and a dot. Those that write or find many rows take them as arrays. */
#ifndef TASKQ_STORE_POSTGRES_SQL_H
#define TASKQ_STORE_POSTGRES_SQL_H

#include <taskq/alloc.h>

typedef enum taskq__pg_sql {
    /* sql_reads.c: transactions, reads, upkeep */
    TASKQ__PG_SQL_BEGIN,
    TASKQ__PG_SQL_COMMIT,
    TASKQ__PG_SQL_ROLLBACK,
    TASKQ__PG_SQL_SETTINGS,
    TASKQ__PG_SQL_BEGIN_READ,
    TASKQ__PG_SQL_GET,
    TASKQ__PG_SQL_GET_ATTEMPTS,
    TASKQ__PG_SQL_GET_LOG,
    TASKQ__PG_SQL_LIST,
    TASKQ__PG_SQL_LIST_EDGE,
    TASKQ__PG_SQL_LIST_WEIGHT,
    TASKQ__PG_SQL_QUEUE_READ,
    TASKQ__PG_SQL_QUEUES_READ,
    TASKQ__PG_SQL_NEXT_DUE,
    TASKQ__PG_SQL_PING,
    TASKQ__PG_SQL_MAY_WRITE,
    TASKQ__PG_SQL_NOTIFY,
    TASKQ__PG_SQL_FOLD_COUNTERS,
    TASKQ__PG_SQL_FORGET_BATCHES,
    TASKQ__PG_SQL_HELD_SNAPSHOT,
    TASKQ__PG_SQL_DEAD_ROWS,
    TASKQ__PG_SQL_HOST_SAVE,
    TASKQ__PG_SQL_HOST_RELEASE,
    TASKQ__PG_SQL_HOST_VERSION,
    TASKQ__PG_SQL_OF_IMPORT, /* not a statement: here begin those of sql_import.c */

    /* sql_import.c: taking over another store */
    TASKQ__PG_SQL_IMPORT_STANDING = TASKQ__PG_SQL_OF_IMPORT,
    TASKQ__PG_SQL_IMPORT_LOCK,
    TASKQ__PG_SQL_IMPORT_OURS,
    TASKQ__PG_SQL_IMPORT_IDS,
    TASKQ__PG_SQL_IMPORT_MARK,
    TASKQ__PG_SQL_IMPORT_DONE,
    TASKQ__PG_SQL_IMPORT_QUEUES,
    TASKQ__PG_SQL_IMPORT_JOBS,
    TASKQ__PG_SQL_IMPORT_PAYLOADS,
    TASKQ__PG_SQL_IMPORT_COUNTERS,
    TASKQ__PG_SQL_IMPORT_ATTEMPTS,
    TASKQ__PG_SQL_IMPORT_PROGRESS,
    TASKQ__PG_SQL_IMPORT_LOGS,
    TASKQ__PG_SQL_IMPORT_KEYS,
    TASKQ__PG_SQL_OF_COMMIT, /* not a statement: here begin those of sql_commit.c */

    /* sql_commit.c: what a batch reads and writes; each number follows the one before */
    TASKQ__PG_SQL_BATCH_NOTE = TASKQ__PG_SQL_OF_COMMIT,
    TASKQ__PG_SQL_BATCH_ASK,
    TASKQ__PG_SQL_BATCH_COUNT,
    TASKQ__PG_SQL_BATCH_COUNT_ONLY,
    TASKQ__PG_SQL_START,
    TASKQ__PG_SQL_JOBS_LOCK,
    TASKQ__PG_SQL_JOBS_TRY_LOCK,
    TASKQ__PG_SQL_JOBS_THERE,
    TASKQ__PG_SQL_JOBS_WHOLE,
    TASKQ__PG_SQL_UNIQUE_FIND,
    TASKQ__PG_SQL_RETRY_KEYS,
    TASKQ__PG_SQL_DIGESTS,
    TASKQ__PG_SQL_KEYS_LOCK,
    TASKQ__PG_SQL_LOG_LAST,
    TASKQ__PG_SQL_QUEUES_LOOK,
    TASKQ__PG_SQL_POLL_HELD,
    TASKQ__PG_SQL_CLAIM_ONE_ANY,
    TASKQ__PG_SQL_CLAIM_ONE_TYPE,
    TASKQ__PG_SQL_CLAIM_ANY,
    TASKQ__PG_SQL_CLAIM_TYPES,
    TASKQ__PG_SQL_WALK_EXPIRES,
    TASKQ__PG_SQL_WALK_RUN,
    TASKQ__PG_SQL_WALK_BACKOFF,
    TASKQ__PG_SQL_WALK_DONE,
    TASKQ__PG_SQL_WALK_FAILED,
    TASKQ__PG_SQL_WALK_KEYS,
    TASKQ__PG_SQL_JOBS_INSERT,
    TASKQ__PG_SQL_PAYLOADS_INSERT,
    TASKQ__PG_SQL_JOBS_UPDATE,
    TASKQ__PG_SQL_JOBS_BEAT,
    TASKQ__PG_SQL_JOBS_ASK_CANCEL,
    TASKQ__PG_SQL_JOBS_DELETE,
    TASKQ__PG_SQL_PAYLOADS_DELETE,
    TASKQ__PG_SQL_ATTEMPTS_INSERT,
    TASKQ__PG_SQL_ATTEMPTS_PRUNE,
    TASKQ__PG_SQL_ATTEMPTS_DELETE,
    TASKQ__PG_SQL_PROGRESS_WRITE,
    TASKQ__PG_SQL_PROGRESS_DELETE,
    TASKQ__PG_SQL_LOGS_INSERT,
    TASKQ__PG_SQL_LOGS_DELETE_ONE,
    TASKQ__PG_SQL_LOGS_PRUNE,
    TASKQ__PG_SQL_LOGS_DELETE,
    TASKQ__PG_SQL_QUEUES_MAKE,
    TASKQ__PG_SQL_QUEUES_PAUSE,
    TASKQ__PG_SQL_KEYS_INSERT,
    TASKQ__PG_SQL_KEYS_DELETE,
    TASKQ__PG_SQL_COUNT
} taskq__pg_sql;

typedef struct taskq__pg_sql_text {
    const char *name; /* also the prepared statement's, after "taskq_"; errors name what was being done by it */
    const char *text;
} taskq__pg_sql_text;

extern const taskq__pg_sql_text taskq__pg_sql_reads[TASKQ__PG_SQL_OF_IMPORT];
extern const taskq__pg_sql_text taskq__pg_sql_import[TASKQ__PG_SQL_OF_COMMIT - TASKQ__PG_SQL_OF_IMPORT];
extern const taskq__pg_sql_text taskq__pg_sql_commit[TASKQ__PG_SQL_COUNT - TASKQ__PG_SQL_OF_COMMIT];

const taskq__pg_sql_text *taskq__pg_sql_at(taskq__pg_sql which);

/* The text with the schema put in, the allocator's memory; NULL: none. */
char *taskq__pg_sql_expand(const char *text, const char *schema, const taskq_allocator *allocator);

#endif
