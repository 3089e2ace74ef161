/* SPDX-License-Identifier: MIT */
/* Every statement of the SQLite store, named in one place, and the small tools to run one. Results are SQLite's own codes, or
 * TASKQ__RC_ARENA; commit.c and reads.c make statuses of them. */
#ifndef TASKQ_STORE_SQLITE_SQL_H
#define TASKQ_STORE_SQLITE_SQL_H

#include <taskq/sys/arena.h>

#include <sqlite3.h>

/* A row did not fit into the caller's arena: nothing is wrong with the database. No code of SQLite's is negative. */
#define TASKQ__RC_ARENA (-1)

typedef enum taskq__sql {
    TASKQ__SQL_BEGIN_WRITE,
    TASKQ__SQL_BEGIN_READ,
    TASKQ__SQL_COMMIT,
    TASKQ__SQL_META_READ,
    TASKQ__SQL_META_WRITE,
    TASKQ__SQL_FREE_PAGES,
    TASKQ__SQL_DATA_VERSION,
    /* jobs */
    TASKQ__SQL_JOB_READ,
    TASKQ__SQL_JOB_READ_WHOLE,
    TASKQ__SQL_JOB_INSERT,
    TASKQ__SQL_JOB_UPDATE_CLAIMED,
    TASKQ__SQL_JOB_UPDATE_ENDED,
    TASKQ__SQL_JOB_UPDATE,
    TASKQ__SQL_JOB_BEAT_READ,
    TASKQ__SQL_JOB_BEAT,
    TASKQ__SQL_JOB_ASK_CANCEL,
    TASKQ__SQL_JOB_DELETE,
    TASKQ__SQL_PAYLOAD_READ,
    TASKQ__SQL_PAYLOAD_INSERT,
    TASKQ__SQL_PAYLOAD_DELETE,
    /* finding them */
    TASKQ__SQL_HEAD_ANY,
    TASKQ__SQL_HEAD_TYPE,
    TASKQ__SQL_POLL_HELD,
    TASKQ__SQL_READY_SINCE,
    TASKQ__SQL_UNIQUE_FIND,
    TASKQ__SQL_EXPIRED,
    TASKQ__SQL_DUE_WALL,
    TASKQ__SQL_DUE_STEADY,
    TASKQ__SQL_OLD_DONE,
    TASKQ__SQL_OLD_FAILED,
    /* what belongs to a job */
    TASKQ__SQL_ATTEMPT_INSERT,
    TASKQ__SQL_ATTEMPT_TEXT,
    TASKQ__SQL_ATTEMPT_DIGEST,
    TASKQ__SQL_ATTEMPT_NTH_LAST,
    TASKQ__SQL_ATTEMPTS_READ,
    TASKQ__SQL_ATTEMPTS_PRUNE,
    TASKQ__SQL_ATTEMPTS_DELETE,
    TASKQ__SQL_PROGRESS_READ,
    TASKQ__SQL_PROGRESS_WRITE,
    TASKQ__SQL_PROGRESS_DELETE,
    TASKQ__SQL_LOG_READ,
    TASKQ__SQL_LOG_LAST,
    TASKQ__SQL_LOG_INSERT,
    TASKQ__SQL_LOG_DELETE_ONE,
    TASKQ__SQL_LOG_PRUNE,
    TASKQ__SQL_LOG_DELETE,
    /* queues, counters, keys */
    TASKQ__SQL_QUEUE_READ,
    TASKQ__SQL_QUEUE_MAKE,
    TASKQ__SQL_QUEUE_PAUSE,
    TASKQ__SQL_QUEUES_READ,
    TASKQ__SQL_COUNTER_ADD,
    TASKQ__SQL_COUNTERS_READ,
    TASKQ__SQL_KEY_READ,
    TASKQ__SQL_KEY_WRITE,
    TASKQ__SQL_KEYS_OLD,
    TASKQ__SQL_KEY_DELETE,
    /* reads */
    TASKQ__SQL_LIST,
    TASKQ__SQL_OLDEST_READY,
    TASKQ__SQL_NEXT_EXPIRES,
    TASKQ__SQL_NEXT_RUN_AT,
    TASKQ__SQL_NEXT_BACKOFF,
    /* moving to another store */
    TASKQ__SQL_EXPORT_JOBS,
    TASKQ__SQL_EXPORT_ATTEMPTS,
    TASKQ__SQL_EXPORT_KEYS,
    TASKQ__SQL_EXPORT_COUNTS,
    TASKQ__SQL_EXPORT_MARKS,
    TASKQ__SQL_COUNT
} taskq__sql;

/* Which connections prepare a statement. */
enum { TASKQ__SQL_FOR_WRITER = 1, TASKQ__SQL_FOR_READER = 2, TASKQ__SQL_FOR_PRODUCER = 4 /* one that only enqueues */ };

typedef struct taskq__sql_text {
    const char *name;
    unsigned use;
    const char *text; /* '@' stands for the prefix of the tables */
} taskq__sql_text;

const taskq__sql_text *taskq__sql_at(taskq__sql which);

/* One connection with what is prepared on it. One thread at a time. */
typedef struct taskq__conn {
    sqlite3 *sqlite;
    sqlite3_stmt *statements[TASKQ__SQL_COUNT];
} taskq__conn;

/* The text with the prefix put in, SQLite's memory: to be freed with sqlite3_free(); NULL: none. */
char *taskq__sql_expand(const char *text, const char *prefix);
/* Run a text of statements once, without results. */
int taskq__sql_run(sqlite3 *sqlite, const char *text, const char *prefix);
/* One integer of a text of SQL; *out untouched where there is no row. */
int taskq__sql_int(sqlite3 *sqlite, const char *text, const char *prefix, int64_t *out);
/* Prepare everything of `use` on an open connection; what was prepared stays for taskq__conn_close. */
int taskq__conn_prepare(taskq__conn *conn, unsigned use, const char *prefix);
void taskq__conn_finalize(taskq__conn *conn);

/* A statement being given its values in order and run. The first failure sticks and everything after it does nothing. */
typedef struct taskq__cmd {
    sqlite3_stmt *stmt;
    int rc, next;
} taskq__cmd;

taskq__cmd taskq__cmd_of(taskq__conn *conn, taskq__sql which);
void taskq__cmd_int(taskq__cmd *cmd, int64_t value);
void taskq__cmd_int_or_null(taskq__cmd *cmd, int64_t value); /* 0: NULL */
void taskq__cmd_double(taskq__cmd *cmd, double value);
void taskq__cmd_text(taskq__cmd *cmd, taskq_text text);         /* borrowed until the command has ended */
void taskq__cmd_text_or_null(taskq__cmd *cmd, taskq_text text); /* size 0: NULL */
void taskq__cmd_blob(taskq__cmd *cmd, const void *data, size_t size);
bool taskq__cmd_row(taskq__cmd *cmd); /* the next row is there; false: no more, or failed */
int taskq__cmd_end(taskq__cmd *cmd);  /* SQLITE_OK, or what went wrong */
int taskq__cmd_run(taskq__cmd *cmd);  /* to the end, rows left alone */
int64_t taskq__cmd_column(taskq__cmd *cmd, int column);
/* A text of the row, valid until the next row or the end; NULL is size 0. */
taskq_text taskq__cmd_column_text(taskq__cmd *cmd, int column);
/* The same, copied into the arena; false marks the command failed (TASKQ__RC_ARENA). */
bool taskq__cmd_column_copy(taskq__cmd *cmd, int column, taskq_arena *arena, taskq_text *out);

#endif
