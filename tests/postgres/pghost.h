/* SPDX-License-Identifier: MIT */
/* A host that has a table of orders in the database, on a connection of its own. */
#ifndef TASKQ_TESTS_POSTGRES_PGHOST_H
#define TASKQ_TESTS_POSTGRES_PGHOST_H

#include "batch.h"
#include "pgstore.h"

#include <libpq-fe.h>

typedef struct pghost {
    PGconn *conn;
    taskq_postgres_options options; /* where the jobs are: the schema alone */
} pghost;

void host_open(pghost *host);  /* connected, and no transaction open */
void host_close(pghost *host); /* whatever is open on it is rolled back */
void host_make_orders(void);   /* the table */
/* One statement, '@' is the schema; PostgreSQL's code, "" where it worked. */
const char *host_try(pghost *host, const char *text);
void host_run(pghost *host, const char *text);
int64_t host_number(pghost *host, const char *text);
/* Its transaction is open and works. */
void assert_usable(pghost *host);
/* One job of type "mail" into "default". Its id; made (may be NULL): it is new. */
taskq_status host_enqueue(pghost *host, const char *unique_key, const char *idempotency_key, int64_t *id, bool *made);
taskq_status host_complete(pghost *host, int64_t id, int64_t version);
/* One job that runs, by way of a store. */
int64_t running_job(taskq_store *store, int64_t *version);
/* What there is, after a look whether the counters say the same. */
int64_t count_jobs(void);
int64_t count_orders(void);

#endif
