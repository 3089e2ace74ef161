/* SPDX-License-Identifier: MIT */
/*
 * One place that says which of SQLite's failures may be tried again, which are somebody's fault and after which nothing
 * is to be trusted. The last kind matters most: a write or a flush that failed once is never tried again as if nothing
 * had happened, because the second flush may report success for pages that the kernel has already dropped.
 */
#include "store/sqlite/fault.h"

#include "core/fail.h"
#include "store/sqlite/sql.h"

static taskq_status status_of_io(int rc)
{
    switch (rc) {
    case SQLITE_IOERR_NOMEM: return TASKQ_EUNAVAIL;
    case SQLITE_IOERR_BLOCKED:
    case SQLITE_IOERR_LOCK:
    case SQLITE_IOERR_RDLOCK:
    case SQLITE_IOERR_UNLOCK: return TASKQ_EBUSY;
    default: return TASKQ_ESTORE;
    }
}

static taskq_status status_of(int rc)
{
    if (rc == TASKQ__RC_ARENA) {
        return TASKQ_ENOMEM;
    }
    switch (rc & 0xff) {
    case SQLITE_OK: return TASKQ_OK;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_SCHEMA: return TASKQ_EBUSY;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_INTERRUPT: return TASKQ_EUNAVAIL;
    case SQLITE_IOERR: return status_of_io(rc);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return TASKQ_ESTORE;
    default: return TASKQ_EINVAL;
    }
}

taskq_status taskq__fault(sqlite3 *sqlite, int rc, const char *doing, taskq_error *err)
{
    if (rc == TASKQ__RC_ARENA) {
        return taskq__fail_memory(err);
    }
    /* The connection's own text says more, where it is about this failure. */
    bool own = sqlite != NULL && (sqlite3_errcode(sqlite) & 0xff) == (rc & 0xff);
    return taskq__fail(err, status_of(rc), "%s: %s", doing, own ? sqlite3_errmsg(sqlite) : sqlite3_errstr(rc));
}
