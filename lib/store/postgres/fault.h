/* SPDX-License-Identifier: MIT */
/* What a failure of PostgreSQL means for the batch: which may be tried again, which are somebody's fault. */
#ifndef TASKQ_STORE_POSTGRES_FAULT_H
#define TASKQ_STORE_POSTGRES_FAULT_H

#include <taskq/status.h>

#include <libpq-fe.h>

/* The status of a failed result, by its SQLSTATE: 40, 55P03 (lock), 23505 (a race for a key), 57014: EBUSY; the rest of 22, 23 and 54: EINVAL;
 * everything else, the connection's own failures too: EUNAVAIL. `err` names what was being done. */
taskq_status taskq__pg_fault(const PGresult *result, const char *doing, taskq_error *err);

#endif
