/* SPDX-License-Identifier: MIT */
/*
 * A look at a store that changes nothing, for whoever wants to know before a server is started.
 */
#include <stdio.h>

#include "core/fail.h"
#include "core/sized.h"
#include "store/postgres/pg.h"
#include "store/postgres/rights.h"
#include "store/postgres/schema.h"

/* Whatever a server would be refused for. */
static taskq_status look_inside(taskq__pg_session *session, const char *schema, taskq_error *err)
{
    bool half = false;
    taskq_status status = taskq__pg_schema_ready(session, schema, false, err);
    if (status == TASKQ_ENOTFOUND) {
        taskq_status making = taskq__pg_rights_to_make(session, schema, err);
        return making == TASKQ_OK ? status : making;
    }
    status = status == TASKQ_OK ? taskq__pg_rights_check(session, schema, TASKQ__PG_TO_SERVE, err) : status;
    status = status == TASKQ_OK ? taskq__pg_import_look(session, &half, err) : status;
    return status == TASKQ_OK ? taskq__pg_import_whole(half, schema, err) : status;
}

static taskq_status look(taskq__pg_session *session, const char *schema, char *summary, size_t summary_bytes,
                         taskq_error *err)
{
    taskq_status status = taskq__pg_session_ready(session, err);
    status = status == TASKQ_OK ? look_inside(session, schema, err) : status;
    if (status == TASKQ_OK) {
        PGconn *conn = taskq__pg_session_conn(session);
        int version = PQserverVersion(conn);
        snprintf(summary, summary_bytes, "PostgreSQL %d.%d at %s:%s, database %s, schema %s", version / 10000,
                 version % 10000, PQhost(conn), PQport(conn), PQdb(conn), schema);
    }
    return status;
}

taskq_status taskq_postgres_check(const taskq_postgres_options *given, char *summary, size_t summary_bytes,
                                  taskq_error *err)
{
    char schema[TASKQ__PG_SCHEMA_BYTES_MAX + 1];
    taskq_postgres_options options;
    taskq__pg_session *session = NULL;
    if (summary == NULL || summary_bytes == 0) {
        return taskq__fail(err, TASKQ_EINVAL, "there is no place to put the summary");
    }
    taskq_status status = TASKQ__SIZED_IN(given, &options, err);
    status = status == TASKQ_OK ? taskq__pg_schema_take(options.schema, schema, err) : status;
    if (status != TASKQ_OK) {
        return status;
    }
    const taskq__pg_session_options looks = {.conninfo = options.conninfo,
                                             .schema = schema,
                                             .role = "taskq check",
                                             .pooled = options.pooled,
                                             .allocator = &options.allocator};
    status = taskq__pg_session_make(&looks, &session, err);
    status = status == TASKQ_OK ? look(session, schema, summary, summary_bytes, err) : status;
    taskq__pg_session_free(session);
    return status;
}
