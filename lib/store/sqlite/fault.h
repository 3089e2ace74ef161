/* SPDX-License-Identifier: MIT */
/* What SQLite's result codes mean for the caller of a store. */
#ifndef TASKQ_STORE_SQLITE_FAULT_H
#define TASKQ_STORE_SQLITE_FAULT_H

#include <taskq/status.h>

#include <sqlite3.h>

/* The status and its text: "`doing`: what SQLite says". `rc` may be an extended code, or TASKQ__RC_ARENA; `sqlite` may be NULL. */
taskq_status taskq__fault(sqlite3 *sqlite, int rc, const char *doing, taskq_error *err);

#endif
