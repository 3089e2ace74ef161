/* SPDX-License-Identifier: MIT */
/*
 * A look at a store without changing it, for an operator who wants to know before starting a server, or beside one.
 */
#include "store/sqlite/db.h"

#include "core/alloc.h"
#include "core/fail.h"
#include "store/sqlite/fault.h"
#include "store/sqlite/schema.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What SQLite itself finds wrong with the file. */
static taskq_status check_pages(sqlite3 *sqlite, taskq_error *err)
{
    sqlite3_stmt *stmt = NULL;
    taskq_status status = TASKQ_OK;
    int rc = sqlite3_prepare_v2(sqlite, "PRAGMA quick_check(1)", -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
    }
    if (rc != SQLITE_ROW) {
        status = taskq__fault(sqlite, rc, "checking the file", err);
    } else {
        const char *word = (const char *)sqlite3_column_text(stmt, 0);
        if (word == NULL || strcmp(word, "ok") != 0) {
            status = taskq__fail(err, TASKQ_ESTORE, "the file is damaged: %s", word == NULL ? "no memory" : word);
        }
    }
    sqlite3_finalize(stmt);
    return status;
}

static int count_jobs(sqlite3 *sqlite, const char *prefix, int64_t *out)
{
    sqlite3_stmt *stmt = NULL;
    char *text = taskq__sql_expand("SELECT coalesce(sum(n), 0) FROM @counters", prefix);
    if (text == NULL) {
        return SQLITE_NOMEM;
    }
    int rc = sqlite3_prepare_v2(sqlite, text, -1, &stmt, NULL);
    sqlite3_free(text);
    if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        *out = sqlite3_column_int64(stmt, 0);
    }
    sqlite3_finalize(stmt);
    return rc;
}

static taskq_status look(sqlite3 *sqlite, const char *path, const char *prefix, char *summary, size_t summary_bytes,
                         taskq_error *err)
{
    int version = 0;
    int64_t jobs = 0;
    taskq_status status = taskq__schema_read(sqlite, prefix, false, &version, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (version == 0) {
        return taskq__fail(err, TASKQ_ENOTFOUND, "%s is empty, the store would be made in it", path);
    }
    status = check_pages(sqlite, err);
    if (status != TASKQ_OK) {
        return status;
    }
    int rc = count_jobs(sqlite, prefix, &jobs);
    if (rc != SQLITE_OK) {
        return taskq__fault(sqlite, rc, "counting the jobs", err);
    }
    if (summary != NULL && summary_bytes > 0) {
        snprintf(summary, summary_bytes, "%s is a sound store of schema %d%s with %lld %s", path, version,
                 version < TASKQ__SCHEMA_VERSION ? " (it would be migrated)" : "", (long long)jobs,
                 jobs == 1 ? "job" : "jobs");
    }
    return TASKQ_OK;
}

/* A store that is not there yet: could it be made? */
static taskq_status look_at_place(const taskq_allocator *a, const char *path, taskq_error *err)
{
    const char *slash = strrchr(path, '/');
    char *folder =
        slash == NULL ? taskq__strdup(a, ".") : taskq__strndup(a, path, slash == path ? 1 : (size_t)(slash - path));
    if (folder == NULL) {
        return taskq__fail_memory(err);
    }
    taskq_status status =
        access(folder, W_OK | X_OK) == 0
            ? taskq__fail(err, TASKQ_ENOTFOUND, "%s is not there yet, it would be made", path)
            : taskq__fail(err, TASKQ_EUNAVAIL, "%s cannot be made in %s: %s", path, folder, strerror(errno));
    taskq__free(a, folder);
    return status;
}

taskq_status taskq_sqlite_check(const taskq_sqlite_options *given, char *summary, size_t summary_bytes, taskq_error *err)
{
    char prefix[TASKQ__PREFIX_BYTES_MAX + 1] = "";
    taskq_sqlite_options options;
    struct stat found;
    taskq__conn conn;
    taskq_status status = taskq__options_take(given, &options, prefix, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (stat(options.path, &found) != 0) {
        return errno == ENOENT ? look_at_place(&options.allocator, options.path, err)
                               : taskq__fail(err, TASKQ_EUNAVAIL, "cannot open %s: %s", options.path, strerror(errno));
    }
    if (!S_ISREG(found.st_mode)) {
        return taskq__fail(err, TASKQ_EINVAL, "%s is not a regular file", options.path);
    }
    status = taskq__conn_open(options.path, false, options.durability, &conn, err);
    if (status == TASKQ_OK) {
        status = look(conn.sqlite, options.path, prefix, summary, summary_bytes, err);
        taskq__conn_close(&conn);
    }
    return status;
}

const char *taskq_sqlite_built_with(void)
{
    return "SQLite " SQLITE_VERSION;
}
