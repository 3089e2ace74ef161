/* SPDX-License-Identifier: MIT */
/* The schema: which version is there, and bringing it up to ours. */
#ifndef TASKQ_STORE_POSTGRES_SCHEMA_H
#define TASKQ_STORE_POSTGRES_SCHEMA_H

#include <taskq/postgres.h>

#include "store/postgres/session.h"

enum { TASKQ__PG_SCHEMA_VERSION = 1, TASKQ__PG_SCHEMA_BYTES_MAX = 48 };

/* Each brings the schema from its index to the version after: statements, then NULL; '@' stands for the schema, quoted, and a dot. */
extern const char *const *const taskq__pg_migrations[TASKQ__PG_SCHEMA_VERSION];

/* The schema's name as it was given (NULL: the default), checked, into room for TASKQ__PG_SCHEMA_BYTES_MAX + 1. */
taskq_status taskq__pg_schema_take(const char *given, char *out, taskq_error *err);
/* The schema is there in our version, made or migrated where it was not. Where that is not allowed: there, in our version or an older one, or
 * ENOTFOUND. EINVAL: it is not ours, newer, or the role may not; the text says what to do. The session is ready. */
taskq_status taskq__pg_schema_ready(taskq__pg_session *session, const char *schema, bool may_migrate, taskq_error *err);

#endif
