/* SPDX-License-Identifier: MIT */
/*
 * Bringing the schema up to this library's. Two servers that start at once, of the same version or not, meet at an advisory
 * lock: one migrates, the other one finds it done. Who may not make tables is told what to do; who finds tables that
 * are not ours leaves them alone.
 */
#include "store/postgres/schema.h"

#include "core/buf.h"
#include "core/fail.h"
#include "store/postgres/rights.h"
#include "store/postgres/session_inner.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { SQL_BYTES_MAX = 1 << 20, BUSY_TRIES = 30 };

/* ---- names ------------------------------------------------------------------------------------------------------------- */

taskq_status taskq__pg_schema_take(const char *given, char *out, taskq_error *err)
{
    const char *name = given == NULL ? "taskq" : given;
    size_t size = strnlen(name, TASKQ__PG_SCHEMA_BYTES_MAX + 1);
    if (size == 0 || size > TASKQ__PG_SCHEMA_BYTES_MAX) {
        return taskq__fail(err, TASKQ_EINVAL, "a schema's name has 1 to %d characters", TASKQ__PG_SCHEMA_BYTES_MAX);
    }
    for (size_t i = 0; i < size; i++) {
        bool fits = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z') || name[i] == '_' ||
                    (name[i] >= '0' && name[i] <= '9');
        if (!fits || (i == 0 && !isalpha((unsigned char)name[i]))) {
            return taskq__fail(err, TASKQ_EINVAL,
                               "a schema's name is letters, digits and _, and begins with a letter: %s is not", name);
        }
    }
    if (strncasecmp(name, "pg_", 3) == 0 || strcmp(name, "information_schema") == 0) {
        return taskq__fail(err, TASKQ_EINVAL, "PostgreSQL keeps schemas that begin with pg_ for itself");
    }
    memcpy(out, name, size);
    out[size] = '\0';
    return TASKQ_OK;
}

/* ---- the texts ----------------------------------------------------------------------------------------------------------- */

static void add_expanded(taskq__buf *out, const char *text, const char *schema)
{
    for (; *text != '\0'; text++) {
        if (*text == '@') {
            taskq__buf_add_format(out, "\"%s\".", schema);
        } else {
            taskq__buf_add_char(out, *text);
        }
    }
}

static void add_lock(taskq__buf *out, const char *schema)
{
    taskq__buf_add_format(out, "SELECT pg_advisory_xact_lock(hashtextextended('taskq schema %s', 0))", schema);
}

static void add_version(taskq__buf *out, const char *schema, int version)
{
    taskq__buf_add_format(out, "UPDATE \"%s\".meta SET value = %d WHERE name = 'schema'", schema, version);
}

static void add_migrations(taskq__buf *out, const char *schema, int from)
{
    taskq__buf_add_format(out, "-- taskq: schema \"%s\" from version %d (0: nothing there) to %d\nBEGIN;\n", schema,
                          from, TASKQ__PG_SCHEMA_VERSION);
    add_lock(out, schema);
    taskq__buf_add_string(out, ";\n");
    if (from == 0) {
        taskq__buf_add_format(out, "CREATE SCHEMA IF NOT EXISTS \"%s\";\n", schema);
    }
    for (int version = from; version < TASKQ__PG_SCHEMA_VERSION; version++) {
        for (const char *const *one = taskq__pg_migrations[version]; *one != NULL; one++) {
            add_expanded(out, *one, schema);
            taskq__buf_add_string(out, ";\n");
        }
    }
    if (from > 0 && from < TASKQ__PG_SCHEMA_VERSION) {
        add_version(out, schema, TASKQ__PG_SCHEMA_VERSION);
        taskq__buf_add_string(out, ";\n");
    }
    taskq__buf_add_string(out, "COMMIT;\n");
    taskq__pg_rights_print(out, schema);
}

taskq_status taskq_postgres_schema(const char *schema, int from, char *buffer, size_t buffer_bytes, size_t *needed,
                                   taskq_error *err)
{
    char name[TASKQ__PG_SCHEMA_BYTES_MAX + 1];
    taskq_status status = taskq__pg_schema_take(schema, name, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (from < 0 || from > TASKQ__PG_SCHEMA_VERSION || (buffer == NULL && buffer_bytes > 0)) {
        return taskq__fail(err, TASKQ_EINVAL, "there is no schema of version %d: 0 to %d", from,
                           TASKQ__PG_SCHEMA_VERSION);
    }
    taskq__buf text;
    taskq__buf_init(&text, NULL, SQL_BYTES_MAX);
    add_migrations(&text, name, from);
    if (text.failed) {
        taskq__buf_clear(&text);
        return taskq__fail_memory(err);
    }
    size_t fits = text.size < buffer_bytes ? text.size : buffer_bytes - (buffer_bytes > 0);
    if (buffer_bytes > 0) {
        memcpy(buffer, text.data, fits);
        buffer[fits] = '\0';
    }
    if (needed != NULL) {
        *needed = text.size + 1;
    }
    status = fits < text.size ? taskq__fail(err, TASKQ_ELIMIT, "the text has %zu bytes with its end", text.size + 1)
                              : status;
    taskq__buf_clear(&text);
    return status;
}

/* ---- the database's ------------------------------------------------------------------------------------------------------ */

typedef struct found {
    bool schema, meta;
    int64_t version; /* where meta is */
} found;

/* What a failure of the schema's statements means: the connection's stay what they are, everything else is that the database does not
 * let us or is not ours. */
static taskq_status explain(taskq_status status, const char *schema, taskq_error *err)
{
    if (err == NULL || status == TASKQ_OK || status == TASKQ_EBUSY || status == TASKQ_ENOMEM) {
        return status;
    }
    taskq_error reason = *err;
    if (strstr(reason.text, "(42501)") != NULL) {
        return taskq__fail(
            err, TASKQ_EINVAL,
            "this role may not make or use the schema \"%s\": run what taskq-server --print-schema prints as "
            "one that may, the grants at its end too (%s)",
            schema, reason.text);
    }
    if (strstr(reason.text, "(42P07)") != NULL || strstr(reason.text, "(42703)") != NULL ||
        strstr(reason.text, "(42P01)") != NULL || strstr(reason.text, "(42P13)") != NULL) {
        return taskq__fail(err, TASKQ_EINVAL,
                           "the schema \"%s\" holds tables that are not taskq's: name another one (%s)", schema,
                           reason.text);
    }
    return status;
}

/* One statement's text, sent; the caller syncs. */
static bool send_buf(taskq__pg_session *session, taskq__buf *text, const char *doing)
{
    if (text->failed) {
        return false;
    }
    taskq__pg_session_send_text(session, text->data, doing);
    taskq__buf_rewind(text);
    return true;
}

static taskq_status look(taskq__pg_session *session, const char *schema, taskq__buf *text, found *out, taskq_error *err)
{
    PGresult *result = NULL;
    memset(out, 0, sizeof(*out));
    taskq__buf_add_format(text,
                          "SELECT n.oid IS NOT NULL, c.oid IS NOT NULL FROM (SELECT 1) one "
                          "LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = '%s' "
                          "LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'meta'",
                          schema);
    if (!send_buf(session, text, "looking for the schema")) {
        return taskq__fail_memory(err);
    }
    taskq_status status = taskq__pg_session_sync(session, err);
    status = status == TASKQ_OK ? taskq__pg_session_next(session, &result, err) : status;
    if (status != TASKQ_OK) {
        return status;
    }
    out->schema = taskq__pg_result_int(result, 0, 0) != 0;
    out->meta = taskq__pg_result_int(result, 0, 1) != 0;
    PQclear(result);
    status = taskq__pg_session_end(session, err);
    if (status != TASKQ_OK || !out->meta) {
        return status;
    }
    taskq__buf_add_format(text, "SELECT value FROM \"%s\".meta WHERE name = 'schema'", schema);
    if (!send_buf(session, text, "reading the schema's version")) {
        return taskq__fail_memory(err);
    }
    status = taskq__pg_session_sync(session, err);
    status = status == TASKQ_OK ? taskq__pg_session_next(session, &result, err) : status;
    if (status != TASKQ_OK) {
        return status;
    }
    out->version = PQntuples(result) == 1 ? taskq__pg_result_int(result, 0, 0) : -1;
    PQclear(result);
    return taskq__pg_session_end(session, err);
}

static taskq_status check(const char *schema, const found *there, taskq_error *err)
{
    if (there->meta && there->version < 1) {
        return taskq__fail(err, TASKQ_EINVAL, "the schema \"%s\" holds tables that are not taskq's: name another one",
                           schema);
    }
    if (there->version > TASKQ__PG_SCHEMA_VERSION) {
        return taskq__fail(err, TASKQ_EINVAL,
                           "the schema \"%s\" is of version %d, which is newer than this library's %d: upgrade it",
                           schema, (int)there->version, TASKQ__PG_SCHEMA_VERSION);
    }
    return TASKQ_OK;
}

/* All that is missing, in the transaction that holds the lock. */
static taskq_status send_migrations(taskq__pg_session *session, const char *schema, const found *there, taskq__buf *text)
{
    bool fine = true;
    if (!there->schema) {
        taskq__buf_add_format(text, "CREATE SCHEMA \"%s\"", schema);
        fine = send_buf(session, text, "making the schema");
    }
    for (int64_t version = there->version; fine && version < TASKQ__PG_SCHEMA_VERSION; version++) {
        for (const char *const *one = taskq__pg_migrations[version]; fine && *one != NULL; one++) {
            add_expanded(text, *one, schema);
            fine = send_buf(session, text, "migrating the schema");
        }
    }
    if (fine && there->version > 0) {
        add_version(text, schema, TASKQ__PG_SCHEMA_VERSION);
        fine = send_buf(session, text, "migrating the schema");
    }
    return fine ? TASKQ_OK : TASKQ_ENOMEM;
}

static taskq_status migrate(taskq__pg_session *session, const char *schema, taskq__buf *text, taskq_error *err)
{
    found there;
    taskq__pg_session_send(session, TASKQ__PG_SQL_BEGIN, NULL);
    add_lock(text, schema);
    if (!send_buf(session, text, "waiting for another server's migration")) {
        return taskq__fail_memory(err);
    }
    taskq_status status = taskq__pg_session_sync(session, err);
    status = status == TASKQ_OK ? taskq__pg_session_end(session, err) : status;
    status = status == TASKQ_OK ? look(session, schema, text, &there, err) : status;
    status = status == TASKQ_OK ? check(schema, &there, err) : status;
    if (status == TASKQ_OK && there.version < TASKQ__PG_SCHEMA_VERSION) {
        if (send_migrations(session, schema, &there, text) != TASKQ_OK) {
            return taskq__fail_memory(err);
        }
        status = taskq__pg_session_sync(session, err);
        status = status == TASKQ_OK ? taskq__pg_session_end(session, err) : status;
    }
    if (status != TASKQ_OK) {
        return status;
    }
    taskq__pg_session_send(session, TASKQ__PG_SQL_COMMIT, NULL);
    status = taskq__pg_session_sync(session, err);
    return status == TASKQ_OK ? taskq__pg_session_end(session, err) : status;
}

taskq_status taskq__pg_schema_ready(taskq__pg_session *session, const char *schema, bool may_migrate, taskq_error *err)
{
    taskq_error reason = TASKQ_ERROR_INIT;
    taskq__buf text;
    found there;
    taskq__buf_init(&text, &session->allocator, SQL_BYTES_MAX);
    taskq_status status = TASKQ_EBUSY;
    for (int tries = 0; status == TASKQ_EBUSY && tries < BUSY_TRIES; tries++) {
        reason = (taskq_error)TASKQ_ERROR_INIT;
        status = look(session, schema, &text, &there, &reason);
        status = status == TASKQ_OK ? check(schema, &there, &reason) : status;
        if (status != TASKQ_OK || there.version == TASKQ__PG_SCHEMA_VERSION) {
            break;
        }
        if (!may_migrate) {
            status = there.meta ? TASKQ_OK : taskq__fail(&reason, TASKQ_ENOTFOUND, "there is no schema \"%s\"", schema);
            break;
        }
        status = migrate(session, schema, &text, &reason);
        taskq__pg_session_rollback(session);
    }
    taskq__buf_clear(&text);
    if (status == TASKQ_OK) {
        return status;
    }
    taskq__pg_session_rollback(session);
    status = explain(status, schema, &reason);
    return taskq__fail(err, status, "%s", reason.text);
}
