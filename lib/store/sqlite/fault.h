/* SPDX-License-Identifier: MIT */
/* What SQLite's result codes mean for the caller of a store. */
#ifndef TASKQ_STORE_SQLITE_FAULT_H
#define TASKQ_STORE_SQLITE_FAULT_H

#include <taskq/status.h>

#include <sqlite3.h>

/* The status alone. `rc` may be an extended code, or TASKQ__RC_ARENA. */
taskq_status taskq__fault_status(int rc);

/* The same with text: "`doing`: what SQLite says". `sqlite` may be NULL. */
taskq_status taskq__fault(sqlite3 *sqlite, int rc, const char *doing, taskq_error *err);

#endif
