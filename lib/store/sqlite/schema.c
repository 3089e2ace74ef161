/* SPDX-License-Identifier: MIT */
/*
 * The format of the file. What is here is written in files of users: a migration that was released is never edited.
 *
 * To change the format: append a migration below and raise TASKQ__SCHEMA_VERSION by one. It runs inside the transaction
 * that all missing ones share, from any older version, so it sees exactly what its predecessors left. A new column gets
 * a DEFAULT (ALTER TABLE ADD COLUMN is immediate); an index over millions of rows takes seconds and belongs in the release
 * notes; a table that must be rewritten is copied under a new name and renamed. Put a stored database of the version before
 * under tests and let the suite open it. Version numbers are those of the schema, not of the library.
 *
 * Later features have their places: limits are columns of `queues`, dependencies and concurrency keys tables of their own
 * beside `jobs` (with `claimable` 0 while they hold a job back), schedules a table, counters by batch another table.
 */
#include "store/sqlite/schema.h"

#include "core/fail.h"
#include "store/sqlite/fault.h"
#include "store/sqlite/sql.h"

#include <string.h>

/* "tskq", for file(1) and its like; only ever set in a file that we made ourselves. */
#define APPLICATION_ID "0x74736b71"

static const char *const migration_1 =
    "CREATE TABLE @meta (name TEXT NOT NULL PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;"
    /* Narrow: the only table that moves rewrite. Ids are given out by the store from meta's last_id, never twice; SQLite's
     * AUTOINCREMENT would keep the same number in a table of its own, at the price of a write a row. */
    "CREATE TABLE @jobs ("
    " id INTEGER PRIMARY KEY,"
    " version INTEGER NOT NULL,"
    " state INTEGER NOT NULL,"
    " claimable INTEGER NOT NULL," /* 1: stands in the ready indexes */
    " attempt INTEGER NOT NULL,"
    " extras INTEGER NOT NULL DEFAULT 0," /* which side tables have rows of it */
    " cancel_requested INTEGER NOT NULL DEFAULT 0,"
    " priority INTEGER NOT NULL,"
    " run_at INTEGER NOT NULL,"
    " updated_at INTEGER NOT NULL,"
    " started_at INTEGER,"
    " done_at INTEGER,"   /* finished: succeeded or canceled */
    " failed_at INTEGER," /* finished: failed */
    " lease_due INTEGER,"
    " timeout_due INTEGER,"
    " expires_at INTEGER,"  /* the earlier of the two, while it runs */
    " run_due INTEGER,"     /* run_at, while it waits for it */
    " backoff_due INTEGER," /* the same on elapsed time, of a backoff */
    " result_of INTEGER,"   /* version of the attempt that has the result */
    " error_of INTEGER,"    /* and the error that is shown */
    " queue TEXT NOT NULL,"
    " type TEXT NOT NULL,"
    " max_attempts INTEGER NOT NULL,"
    " timeout_ms INTEGER NOT NULL,"
    " lease_ms INTEGER NOT NULL,"
    " backoff_base_ms INTEGER NOT NULL,"
    " backoff_factor REAL NOT NULL,"
    " backoff_max_ms INTEGER NOT NULL,"
    " backoff_jitter REAL NOT NULL,"
    " batch TEXT,"
    " unique_key TEXT,"
    " live_key TEXT," /* the same until the job has ended */
    " worker TEXT,"
    " poll TEXT" /* of the claim that has the lease */
    ") STRICT;"
    /* Each over the rows that can be looked for alone, and each by columns of its own, NULL in all other rows: a move then
     * opens the few indexes whose columns it changes. The id is the last column of every index by itself. */
    "CREATE INDEX @jobs_ready_any ON @jobs (queue, priority DESC, run_at) WHERE claimable = 1;"
    "CREATE INDEX @jobs_ready_type ON @jobs (queue, type, priority DESC, run_at) WHERE claimable = 1;"
    "CREATE INDEX @jobs_expires ON @jobs (expires_at) WHERE expires_at IS NOT NULL;"
    "CREATE INDEX @jobs_run_due ON @jobs (run_due) WHERE run_due IS NOT NULL;"
    "CREATE INDEX @jobs_backoff_due ON @jobs (backoff_due) WHERE backoff_due IS NOT NULL;"
    "CREATE UNIQUE INDEX @jobs_live_key ON @jobs (queue, live_key) WHERE live_key IS NOT NULL;"
    "CREATE INDEX @jobs_poll ON @jobs (poll, worker) WHERE poll IS NOT NULL;"
    "CREATE INDEX @jobs_done ON @jobs (done_at) WHERE done_at IS NOT NULL;"
    "CREATE INDEX @jobs_failed ON @jobs (failed_at) WHERE failed_at IS NOT NULL;"
    "CREATE TABLE @payloads ("
    " id INTEGER PRIMARY KEY,"
    " created_at INTEGER NOT NULL,"
    " tags TEXT," /* names, a space between */
    " traceparent TEXT,"
    " payload TEXT NOT NULL"
    ") STRICT;"
    /* One row for each ended attempt, by the version that its lease had. */
    "CREATE TABLE @attempts ("
    " job_id INTEGER NOT NULL,"
    " version INTEGER NOT NULL,"
    " attempt INTEGER NOT NULL,"
    " outcome INTEGER NOT NULL,"
    " worker TEXT,"
    " started_at INTEGER,"
    " finished_at INTEGER NOT NULL,"
    " digest INTEGER," /* of the report that ended it; NULL: none did */
    " text TEXT,"      /* result or error */
    " PRIMARY KEY (job_id, version)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE @progress (id INTEGER PRIMARY KEY, progress TEXT NOT NULL) STRICT;"
    /* In pieces, so that a line more does not rewrite 64 KiB; end_at counts the bytes from the first one ever. */
    "CREATE TABLE @logs ("
    " job_id INTEGER NOT NULL,"
    " end_at INTEGER NOT NULL,"
    " chunk TEXT NOT NULL,"
    " PRIMARY KEY (job_id, end_at)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE @queues (name TEXT NOT NULL PRIMARY KEY, paused INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;"
    "CREATE TABLE @counters ("
    " queue TEXT NOT NULL,"
    " state INTEGER NOT NULL,"
    " n INTEGER NOT NULL,"
    " PRIMARY KEY (queue, state)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE @keys ("
    " key TEXT NOT NULL PRIMARY KEY,"
    " digest INTEGER NOT NULL,"
    " expires_at INTEGER NOT NULL,"
    " jobs BLOB NOT NULL" /* eight bytes a job: id * 2 + made */
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX @keys_expires ON @keys (expires_at);"
    "INSERT INTO @meta (name, value) VALUES ('last_id', 0);";

static const char *const migrations[TASKQ__SCHEMA_VERSION] = {migration_1};

/* All tables of the migrations above. */
static const char *const tables[] = {"attempts", "counters", "jobs",     "keys",  "logs",
                                     "meta",     "payloads", "progress", "queues"};

bool taskq__schema_has(const char *prefix, const char *table)
{
    size_t size = strlen(prefix);
    bool found = false;
    for (size_t i = 0;
         i < sizeof(tables) / sizeof(tables[0]) && !found && sqlite3_strnicmp(table, prefix, (int)size) == 0; i++) {
        found = sqlite3_stricmp(table + size, tables[i]) == 0;
    }
    return found;
}

taskq_status taskq__schema_read(sqlite3 *sqlite, const char *prefix, bool shared, int *out, taskq_error *err)
{
    int64_t ours = 0, others = 0, version = 0;
    int rc = taskq__sql_int(sqlite, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '@meta'",
                            prefix, &ours);
    if (rc == SQLITE_OK && ours == 0) {
        rc = taskq__sql_int(sqlite, "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
                            prefix, &others);
    }
    if (rc == SQLITE_OK && ours != 0) {
        rc = taskq__sql_int(sqlite, "SELECT value FROM @meta WHERE name = 'schema'", prefix, &version);
        if (rc == SQLITE_ERROR) {
            return taskq__fail(err, TASKQ_EINVAL, "not a taskq store: its table %smeta is another one's", prefix);
        }
    }
    if (rc == SQLITE_NOTADB) {
        return taskq__fail(err, TASKQ_EINVAL, "not a taskq store: it is no SQLite database");
    }
    if (rc != SQLITE_OK) {
        return taskq__fault(sqlite, rc, "reading the schema", err);
    }
    if (others > 0 && !shared) {
        return taskq__fail(err, TASKQ_EINVAL, "not a taskq store: the database has tables, but none called %smeta",
                           prefix);
    }
    if (ours != 0 && version < 1) {
        return taskq__fail(err, TASKQ_EINVAL, "not a taskq store: %smeta tells no schema version", prefix);
    }
    if (version > TASKQ__SCHEMA_VERSION) {
        return taskq__fail(err, TASKQ_EINVAL,
                           "the store's schema is version %lld, newer than the %d that this library knows",
                           (long long)version, TASKQ__SCHEMA_VERSION);
    }
    *out = (int)version;
    return TASKQ_OK;
}

static int run_migrations(sqlite3 *sqlite, const char *prefix, bool shared, int from)
{
    int rc = SQLITE_OK;
    if (from == 0 && !shared) {
        rc = taskq__sql_run(sqlite, "PRAGMA application_id = " APPLICATION_ID, prefix);
    }
    for (int i = from; rc == SQLITE_OK && i < TASKQ__SCHEMA_VERSION; i++) {
        rc = taskq__sql_run(sqlite, migrations[i], prefix);
    }
    if (rc == SQLITE_OK) {
        char write[160];
        sqlite3_snprintf(sizeof(write), write,
                         "INSERT INTO @meta (name, value) VALUES ('schema', %d) "
                         "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                         TASKQ__SCHEMA_VERSION);
        rc = taskq__sql_run(sqlite, write, prefix);
    }
    return rc;
}

taskq_status taskq__schema_migrate(sqlite3 *sqlite, const char *prefix, bool shared, taskq_error *err)
{
    int version = 0;
    taskq_status status = taskq__schema_read(sqlite, prefix, shared, &version, err);
    if (status != TASKQ_OK || version == TASKQ__SCHEMA_VERSION) {
        return status;
    }
    int rc = sqlite3_exec(sqlite, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc != SQLITE_OK) {
        return taskq__fault(sqlite, rc, "migrating the schema", err);
    }
    /* Again, now that nobody else can change it. */
    status = taskq__schema_read(sqlite, prefix, shared, &version, err);
    if (status == TASKQ_OK) {
        rc = run_migrations(sqlite, prefix, shared, version);
        rc = rc == SQLITE_OK ? sqlite3_exec(sqlite, "COMMIT", NULL, NULL, NULL) : rc;
        status = rc == SQLITE_OK ? TASKQ_OK : taskq__fault(sqlite, rc, "migrating the schema", err);
    }
    if (!sqlite3_get_autocommit(sqlite)) {
        sqlite3_exec(sqlite, "ROLLBACK", NULL, NULL, NULL);
    }
    return status;
}
