/* SPDX-License-Identifier: MIT */
/* What a failure of PostgreSQL means for the batch: which may be tried again, which are somebody's fault. */
#ifndef TASKQ_STORE_POSTGRES_FAULT_H
#define TASKQ_STORE_POSTGRES_FAULT_H

#include <taskq/status.h>

#include <libpq-fe.h>

/* The status of a failed result, by its SQLSTATE: 40001, 40P01, 55P03 (lock), 23505 (a race for a key), 57014 before its time: EBUSY; 08, 57P, 53, 25006, XX...: EUNAVAIL;
 * 22, 23 but for that: EINVAL; 58 (I/O): ESTORE only where nothing may be trusted any more. `err` names what was being done. */
taskq_status taskq__pg_fault(const PGresult *result, const char *doing, taskq_error *err);

#endif
