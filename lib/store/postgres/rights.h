/* SPDX-License-Identifier: MIT */
/* What a role must be allowed, that is not the one that owns the tables. */
#ifndef TASKQ_STORE_POSTGRES_RIGHTS_H
#define TASKQ_STORE_POSTGRES_RIGHTS_H

#include "core/buf.h"
#include "store/postgres/session.h"

typedef enum taskq__pg_purpose { TASKQ__PG_TO_SERVE, TASKQ__PG_TO_IMPORT } taskq__pg_purpose;

/* The grants, as comments behind the schema's SQL. */
void taskq__pg_rights_print(taskq__buf *out, const char *schema);
/* The schema is there, in our version. EINVAL: something of it is not, or this role may not use it; the text names what. */
taskq_status taskq__pg_rights_check(taskq__pg_session *session, const char *schema, taskq__pg_purpose purpose,
                                    taskq_error *err);
/* The schema is not there. EINVAL: this role could not make it, or tables of somebody else's are in its way. */
taskq_status taskq__pg_rights_to_make(taskq__pg_session *session, const char *schema, taskq_error *err);

#endif
