/* SPDX-License-Identifier: MIT */
/*
 * What every connection must be told. SQLite's defaults are a library's, not a server's: they flush too little or check
 * too much, checkpoint in the middle of a commit, overwrite deleted rows with zeros (Debian), and let the last reader
 * that leaves checkpoint the file. One connection writes and checkpoints; readers can do neither.
 */
#include "store/sqlite/db.h"

#include "core/fail.h"
#include "store/sqlite/fault.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Negative: KiB. The writer's is the larger one, the heads of all indexes are its working set. */
#define WRITER_CACHE "PRAGMA cache_size = -12288;"
#define READER_CACHE "PRAGMA cache_size = -2048;"

/* The answer of a pragma that answers with a word, compared with the one that is needed. */
static int pragma_is(sqlite3 *sqlite, const char *text, const char *word, bool *out)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(sqlite, text, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
        const char *answer = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
        *out = answer != NULL && sqlite3_stricmp(answer, word) == 0;
        rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    sqlite3_finalize(stmt);
    return rc;
}

static int set_up(sqlite3 *sqlite, bool writes, taskq_durability durability)
{
    sqlite3_extended_result_codes(sqlite, 1);
    sqlite3_busy_timeout(sqlite, TASKQ__BUSY_MS);
    int rc = sqlite3_db_config(sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_db_config(sqlite, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(sqlite,
                          "PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF; "
                          "PRAGMA secure_delete = OFF; PRAGMA cell_size_check = ON;",
                          NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK && !writes) {
        rc = sqlite3_db_config(sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        if (rc == SQLITE_OK) {
            rc = sqlite3_exec(sqlite, READER_CACHE "PRAGMA query_only = ON;", NULL, NULL, NULL);
        }
    } else if (rc == SQLITE_OK) {
        rc = sqlite3_exec(sqlite, WRITER_CACHE "PRAGMA auto_vacuum = NONE; PRAGMA wal_autocheckpoint = 0;", NULL, NULL,
                          NULL);
        if (rc == SQLITE_OK) {
            rc = sqlite3_exec(sqlite,
                              durability == TASKQ_DURABILITY_FULL ? "PRAGMA synchronous = FULL"
                                                                  : "PRAGMA synchronous = NORMAL",
                              NULL, NULL, NULL);
        }
    }
    return rc;
}

static taskq_status need_wal(sqlite3 *sqlite, taskq_error *err)
{
    bool wal = false;
    int rc = pragma_is(sqlite, "PRAGMA journal_mode = WAL", "wal", &wal);
    if (rc == SQLITE_NOTADB) {
        return taskq__fail(err, TASKQ_EINVAL, "not a taskq store: it is no SQLite database");
    }
    if (rc != SQLITE_OK) {
        return taskq__fault(sqlite, rc, "switching to WAL", err);
    }
    return wal ? TASKQ_OK
               : taskq__fail(err, TASKQ_EUNAVAIL, "the file cannot be used in WAL mode (is it on a network?)");
}

/* Where SQLite is compiled to know URIs (Debian's is), a file named "file:..." would be another one than the one that is
 * locked: a relative path is made to begin with "./". */
int taskq__path_open(const char *path, int flags, sqlite3 **out)
{
    if (path[0] == '/' || (flags & SQLITE_OPEN_MEMORY) != 0) {
        return sqlite3_open_v2(path, out, flags, NULL);
    }
    char *plain = sqlite3_mprintf("./%s", path);
    int rc = plain == NULL ? SQLITE_NOMEM : sqlite3_open_v2(plain, out, flags, NULL);
    sqlite3_free(plain);
    return rc;
}

taskq_status taskq__conn_open(const char *path, bool writes, taskq_durability durability, taskq__conn *out,
                              taskq_error *err)
{
    bool in_memory = strcmp(path, ":memory:") == 0;
    memset(out, 0, sizeof(*out));
    /* No mutex of SQLite's own: a connection is used by one thread at a time. No URI: a path is a path. */
    int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | (in_memory ? SQLITE_OPEN_MEMORY : 0);
    int rc = taskq__path_open(path, flags, &out->sqlite);
    if (rc == SQLITE_OK) {
        rc = set_up(out->sqlite, writes, durability);
    }
    taskq_status status = TASKQ_OK;
    if (rc == SQLITE_NOTADB) {
        status = taskq__fail(err, TASKQ_EINVAL, "%s is not a taskq store: it is no SQLite database", path);
    } else if (rc != SQLITE_OK) {
        status = taskq__fault(out->sqlite, rc, path, err);
    } else if (writes && !in_memory) {
        status = need_wal(out->sqlite, err);
    }
    if (status != TASKQ_OK) {
        taskq__conn_close(out);
    }
    return status;
}

void taskq__conn_close(taskq__conn *conn)
{
    taskq__conn_finalize(conn);
    sqlite3_close_v2(conn->sqlite); /* a host may have left a statement of its own on it: then it goes with that one */
    conn->sqlite = NULL;
}

static taskq_status check_host(taskq__db *db, sqlite3 *sqlite, taskq_error *err)
{
    bool wal = false, utf8 = false;
    const char *path = sqlite3_db_filename(sqlite, "main");
    bool has_file = path != NULL && path[0] != '\0';
    if (!sqlite3_get_autocommit(sqlite)) {
        return taskq__fail(err, TASKQ_EINVAL, "the connection has a transaction open");
    }
    struct stat theirs, ours;
    bool same = db->in_memory || (has_file && stat(path, &theirs) == 0 && stat(db->path, &ours) == 0 &&
                                  theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino);
    if (has_file == db->in_memory || !same) {
        return taskq__fail(err, TASKQ_EINVAL, "the connection and the path %s are not of the same database", db->path);
    }
    int rc = pragma_is(sqlite, "PRAGMA encoding", "UTF-8", &utf8);
    if (rc == SQLITE_OK) {
        rc = pragma_is(sqlite, "PRAGMA journal_mode", "wal", &wal);
    }
    if (rc != SQLITE_OK) {
        return taskq__fault(sqlite, rc, "looking at the connection", err);
    }
    if (!utf8) {
        return taskq__fail(err, TASKQ_EINVAL, "the connection's database is not in UTF-8");
    }
    return wal || db->in_memory ? TASKQ_OK : taskq__fail(err, TASKQ_EINVAL, "the connection is not in WAL mode");
}

taskq_status taskq__host_take(taskq__db *db, sqlite3 *sqlite, taskq_error *err)
{
    taskq_status status = check_host(db, sqlite, err);
    if (status != TASKQ_OK) {
        return status;
    }
    int rc = taskq__sql_int(sqlite, "PRAGMA synchronous", "", &db->host_synchronous);
    if (rc == SQLITE_OK) {
        rc = taskq__sql_int(sqlite, "PRAGMA wal_autocheckpoint", "", &db->host_autocheckpoint);
    }
    if (rc == SQLITE_OK) {
        rc = taskq__sql_int(sqlite, "PRAGMA busy_timeout", "", &db->host_busy_ms);
    }
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(sqlite,
                          db->durability == TASKQ_DURABILITY_FULL ? "PRAGMA synchronous = FULL"
                                                                  : "PRAGMA synchronous = NORMAL",
                          NULL, NULL, NULL);
    }
    if (rc != SQLITE_OK) {
        return taskq__fault(sqlite, rc, "setting up the connection", err);
    }
    sqlite3_wal_autocheckpoint(sqlite, 0);
    sqlite3_busy_timeout(sqlite, TASKQ__BUSY_MS);
    db->writer.sqlite = sqlite;
    return TASKQ_OK;
}

void taskq__host_give_back(taskq__db *db)
{
    sqlite3 *sqlite = db->writer.sqlite;
    char text[64];
    if (sqlite == NULL) {
        return;
    }
    taskq__conn_finalize(&db->writer);
    sqlite3_set_authorizer(sqlite, NULL, NULL);
    sqlite3_snprintf(sizeof(text), text, "PRAGMA synchronous = %d", (int)db->host_synchronous);
    sqlite3_exec(sqlite, text, NULL, NULL, NULL);
    sqlite3_wal_autocheckpoint(sqlite, (int)db->host_autocheckpoint);
    sqlite3_busy_timeout(sqlite, (int)db->host_busy_ms);
    db->writer.sqlite = NULL;
}
