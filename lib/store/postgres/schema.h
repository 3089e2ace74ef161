/* SPDX-License-Identifier: MIT */
/* The schema: which version is there, and bringing it up to ours. */
#ifndef TASKQ_STORE_POSTGRES_SCHEMA_H
#define TASKQ_STORE_POSTGRES_SCHEMA_H

#include <taskq/alloc.h>
#include <taskq/status.h>

#include <libpq-fe.h>

enum { TASKQ__PG_SCHEMA_VERSION = 1, TASKQ__PG_SCHEMA_BYTES_MAX = 48 };

/* Each brings the schema from its index to the version after: statements, then NULL; '@' stands for the schema, quoted, and a dot. */
extern const char *const *const taskq__pg_migrations[TASKQ__PG_SCHEMA_VERSION];

#endif
