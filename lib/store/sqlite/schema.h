/* SPDX-License-Identifier: MIT */
/* The tables, their numbered migrations, and how a database is known to be ours. */
#ifndef TASKQ_STORE_SQLITE_SCHEMA_H
#define TASKQ_STORE_SQLITE_SCHEMA_H

#include <taskq/status.h>

#include <sqlite3.h>

enum { TASKQ__SCHEMA_VERSION = 1 };

/* In the table of meta: which SQLite (3040001) the scheduler that had the store open last ran on. */
#define TASKQ__META_SQLITE "sqlite"

/* The version of the schema in the database: 0 where there is none of ours. EINVAL: tables of others alone (unless `shared`), or a
 * newer schema; both versions are in the text. ESTORE: damaged; EBUSY, EUNAVAIL. */
taskq_status taskq__schema_read(sqlite3 *sqlite, const char *prefix, bool shared, int *out, taskq_error *err);

/* Is it a table of ours, with this prefix? Letters of either case are the same to SQLite. */
bool taskq__schema_has(const char *prefix, const char *table);

/* Bring the database to TASKQ__SCHEMA_VERSION in one transaction; the same statuses. */
taskq_status taskq__schema_migrate(sqlite3 *sqlite, const char *prefix, bool shared, taskq_error *err);

#endif
