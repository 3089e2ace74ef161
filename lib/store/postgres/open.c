/* SPDX-License-Identifier: MIT */
/*
 * Opening and closing. The database is asked once, at the start, by the session that commits: who opens a store wants to
 * know at once that it is not there, is not ours or may not be used. From then on every session looks after itself.
 */
#include "store/postgres/pg.h"

#include "core/alloc.h"
#include "core/fail.h"
#include "core/rng.h"
#include "core/sized.h"
#include "store/postgres/floors.h"
#include "store/postgres/notify.h"
#include "store/postgres/rights.h"

#include <string.h>

/* A program that only enqueues in transactions of its own links no library with a scheduler, and opens no store. */
#pragma weak taskq_store_make

enum { READERS_DEFAULT = 4, READERS_MAX = 64 };

static const taskq_store_ops postgres_ops;

static taskq_status check_options(const taskq_postgres_options *options, taskq_error *err)
{
    if (options->conninfo == NULL || options->conninfo[0] == '\0') {
        return taskq__fail(err, TASKQ_EINVAL, "the store needs a connection string");
    }
    if (options->reader_count > READERS_MAX) {
        return taskq__fail(err, TASKQ_EINVAL, "%u connections for reads, %d at most", options->reader_count,
                           READERS_MAX);
    }
    return TASKQ_OK;
}

static void postgres_close(void *self)
{
    taskq__pg *pg = self;
    taskq__pg_notifier_free(pg->notifier);
    taskq__pg_pool_free(pg->readers);
    taskq__pg_pool_free(pg->pinger);
    taskq__pg_session_free(pg->committer);
    taskq__pg_news_clear(&pg->news);
    taskq__pg_floors_free(pg->floors);
    taskq_allocator allocator = pg->allocator;
    taskq__free(&allocator, pg->conninfo);
    taskq__free(&allocator, pg);
}

static taskq__pg *new_pg(const taskq_postgres_options *options, const char *schema)
{
    taskq__pg *pg = taskq__alloc(&options->allocator, sizeof(*pg));
    if (pg == NULL) {
        return NULL;
    }
    taskq__rng rng;
    taskq__rng_init(&rng, 0);
    pg->allocator = options->allocator;
    pg->log = options->log;
    pg->pooled = options->pooled;
    pg->server = (int64_t)(taskq__rng_next(&rng) >> 1);
    memcpy(pg->schema, schema, strlen(schema) + 1);
    taskq__pg_news_init(&pg->news);
    taskq__pg_held_init(&pg->held);
    pg->conninfo = taskq__strdup(&options->allocator, options->conninfo);
    if (pg->conninfo == NULL || taskq__pg_floors_make(&pg->allocator, &pg->floors, NULL) != TASKQ_OK) {
        postgres_close(pg);
        return NULL;
    }
    return pg;
}

static taskq_status connect_all(taskq__pg *pg, uint32_t readers, taskq_error *err)
{
    const taskq__pg_session_options commits = {.conninfo = pg->conninfo,
                                               .schema = pg->schema,
                                               .role = "taskq commit",
                                               .pooled = pg->pooled,
                                               .log = &pg->log,
                                               .lost = &pg->lost,
                                               .allocator = &pg->allocator};
    taskq_status status = taskq__pg_session_make(&commits, &pg->committer, err);
    status = status == TASKQ_OK ? taskq__pg_session_ready(pg->committer, err) : status;
    status = status == TASKQ_OK ? taskq__pg_schema_ready(pg->committer, pg->schema, true, err) : status;
    status = status == TASKQ_OK ? taskq__pg_rights_check(pg->committer, pg->schema, TASKQ__PG_TO_SERVE, err) : status;
    status = status == TASKQ_OK ? taskq__pg_import_look(pg->committer, &pg->half_imported, err) : status;
    status = status == TASKQ_OK ? taskq__pg_pool_make(pg, "taskq read", readers, &pg->readers, err) : status;
    status = status == TASKQ_OK ? taskq__pg_pool_make(pg, "taskq ping", 1, &pg->pinger, err) : status;
    if (status == TASKQ_OK && !pg->pooled) {
        status = taskq__pg_notifier_make(pg, &pg->notifier, err);
    }
    return status;
}

taskq_status taskq_postgres_open(const taskq_postgres_options *given, taskq_store **out, taskq_error *err)
{
    char schema[TASKQ__PG_SCHEMA_BYTES_MAX + 1];
    taskq_postgres_options options;
    if (out == NULL) {
        return taskq__fail(err, TASKQ_EINVAL, "there is no place to put the store");
    }
    if (taskq_store_make == NULL) {
        return taskq__fail(err, TASKQ_EINVAL, "a store wants taskq or taskq-scheduler linked beside taskq-postgres");
    }
    taskq_status status = TASKQ__SIZED_IN(given, &options, err);
    status = status == TASKQ_OK ? check_options(&options, err) : status;
    status = status == TASKQ_OK ? taskq__pg_schema_take(options.schema, schema, err) : status;
    if (status != TASKQ_OK) {
        return status;
    }
    taskq__pg *pg = new_pg(&options, schema);
    if (pg == NULL) {
        return taskq__fail_memory(err);
    }
    status = connect_all(pg, options.reader_count == 0 ? READERS_DEFAULT : options.reader_count, err);
    if (status == TASKQ_OK) {
        status = taskq_store_make(&postgres_ops, pg, &options.allocator, out, err);
    }
    if (status != TASKQ_OK) {
        postgres_close(pg);
    }
    return status;
}

static const taskq_store_ops postgres_ops = {
    .struct_size = sizeof(taskq_store_ops),
    .name = "postgresql",
    .flags = TASKQ_STORE_OWN_CLOCK | TASKQ_STORE_SHARED,
    .commit = taskq__pg_commit,
    .get = taskq__pg_get,
    .list = taskq__pg_list,
    .counts = taskq__pg_counts,
    .next_due = taskq__pg_next_due,
    .ping = taskq__pg_ping,
    .close = postgres_close,
    .upkeep = taskq__pg_upkeep,
    .wake_fd = taskq__pg_wake_fd,
    .wake_read = taskq__pg_wake_read,
    .announce = taskq__pg_announce,
    .import_begin = taskq__pg_import_begin,
    .import_page = taskq__pg_import_page,
    .import_stage = taskq__pg_import_stage,
    .figures = taskq__pg_figures,
};
