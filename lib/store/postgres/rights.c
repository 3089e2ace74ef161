/* SPDX-License-Identifier: MIT */
/*
 * Servers need not own their tables, and whoever runs them by a role of lesser rights wants to grant what is needed and no more.
 * What that is stands here once: it is printed for the operator, looked for by --check, and looked for again when a store is opened,
 * for a server that lacks a right would start, and refuse requests one by one.
 */
#include "store/postgres/rights.h"

#include "core/fail.h"
#include "store/postgres/session_inner.h"

#include <string.h>

enum { SQL_BYTES_MAX = 16384 };

typedef struct right {
    const char *kind, *name;
    const char *serving, *importing; /* importing: besides; NULL: nothing */
} right;

/* UPDATE is also what a row is locked by. Tests take each of these away and see what does not work then. */
static const right rights[] = {
    {"TABLE", "meta", "SELECT", "INSERT, UPDATE"},
    {"TABLE", "jobs", "SELECT, INSERT, UPDATE, DELETE", NULL},
    {"TABLE", "payloads", "SELECT, INSERT, DELETE", NULL},
    {"TABLE", "attempts", "SELECT, INSERT, DELETE", NULL},
    {"TABLE", "progress", "SELECT, INSERT, UPDATE, DELETE", NULL},
    {"TABLE", "logs", "SELECT, INSERT, DELETE", NULL},
    {"TABLE", "queues", "SELECT, INSERT, UPDATE", NULL},
    {"TABLE", "counters", "SELECT, INSERT, UPDATE, DELETE", NULL},
    {"TABLE", "keys", "SELECT, INSERT, UPDATE, DELETE", NULL},
    {"TABLE", "batches", "SELECT, INSERT, UPDATE, DELETE", NULL},
    {"SEQUENCE", "job_ids", "USAGE", "UPDATE"},
    {"FUNCTION", "now_ms()", "EXECUTE", NULL},
};
enum { RIGHTS = sizeof(rights) / sizeof(rights[0]) };

/* ---- printed -------------------------------------------------------------------------------------------------------------- */

static void print_importing(taskq__buf *out, const char *schema, const char *mark, const char *verb, const char *to)
{
    for (size_t i = 0; i < RIGHTS; i++) {
        if (rights[i].importing != NULL) {
            taskq__buf_add_format(out, "-- %s: %s %s ON %s \"%s\".%s %s taskq_server;\n", mark, verb,
                                  rights[i].importing, rights[i].kind, schema, rights[i].name, to);
        }
    }
}

void taskq__pg_rights_print(taskq__buf *out, const char *schema)
{
    taskq__buf_add_string(out, "-- What the servers' own role needs, where it is not the one that ran the above:\n");
    taskq__buf_add_format(out, "-- GRANT USAGE ON SCHEMA \"%s\" TO taskq_server;\n", schema);
    for (size_t i = 0; i < RIGHTS; i++) {
        taskq__buf_add_format(out, "-- GRANT %s ON %s \"%s\".%s TO taskq_server;\n", rights[i].serving, rights[i].kind,
                              schema, rights[i].name);
    }
    taskq__buf_add_string(out, "-- and, so that it can name who holds an old snapshot:\n"
                               "-- GRANT pg_read_all_stats TO taskq_server;\n"
                               "-- What --import needs besides, and what takes it back after it:\n");
    print_importing(out, schema, "import", "GRANT", "TO");
    print_importing(out, schema, "imported", "REVOKE", "FROM");
}

/* ---- looked for ----------------------------------------------------------------------------------------------------------- */

/* Rows of kind, name, right. */
static void add_needs(taskq__buf *out, taskq__pg_purpose purpose)
{
    const char *between = "";
    for (size_t i = 0; i < RIGHTS; i++) {
        const char *list = purpose == TASKQ__PG_TO_SERVE ? rights[i].serving : rights[i].importing;
        while (list != NULL && *list != '\0') {
            size_t size = strcspn(list, ",");
            taskq__buf_add_format(out, "%s('%s', '%s', '%.*s')", between, rights[i].kind, rights[i].name, (int)size,
                                  list);
            between = ", ";
            list += size + strspn(list + size, ", ");
        }
    }
}

/* One row of two texts, each NULL or what is wrong, into `wrong`. */
static taskq_status ask(taskq__pg_session *session, taskq__buf *text, const char *doing, char (*wrong)[256],
                        taskq_error *err)
{
    PGresult *result = NULL;
    if (text->failed) {
        return taskq__fail_memory(err);
    }
    taskq__pg_session_send_text(session, text->data, doing);
    taskq_status status = taskq__pg_session_sync(session, err);
    status = status == TASKQ_OK ? taskq__pg_session_next(session, &result, err) : status;
    if (status != TASKQ_OK) {
        return status;
    }
    for (int i = 0; i < 2; i++) {
        taskq_text found = taskq__pg_result_text(result, 0, i);
        size_t size = found.size < sizeof(wrong[i]) ? found.size : sizeof(wrong[i]) - 1;
        if (size > 0) {
            memcpy(wrong[i], found.data, size);
        }
        wrong[i][size] = '\0';
    }
    PQclear(result);
    return taskq__pg_session_end(session, err);
}

taskq_status taskq__pg_rights_check(taskq__pg_session *session, const char *schema, taskq__pg_purpose purpose,
                                    taskq_error *err)
{
    char wrong[2][256];
    taskq__buf text;
    taskq__buf_init(&text, &session->allocator, SQL_BYTES_MAX);
    taskq__buf_add_string(
        &text, "SELECT left(string_agg(DISTINCT f.name, ', ') FILTER (WHERE f.place IS NULL), 200), "
               "left(string_agg(f.privilege || ' on ' || f.name, ', ') FILTER (WHERE f.place IS NOT NULL AND NOT "
               "CASE f.kind WHEN 'TABLE' THEN has_table_privilege(f.place, f.privilege) "
               "WHEN 'SEQUENCE' THEN has_sequence_privilege(f.place, f.privilege) "
               "ELSE has_function_privilege(f.place, f.privilege) END), 200) "
               "FROM (SELECT w.*, coalesce(c.oid, p.oid) AS place FROM (VALUES ");
    add_needs(&text, purpose);
    taskq__buf_add_format(
        &text,
        ") w (kind, name, privilege) JOIN pg_catalog.pg_namespace n ON n.nspname = '%s' "
        "LEFT JOIN pg_catalog.pg_class c ON w.kind <> 'FUNCTION' AND c.relnamespace = n.oid AND c.relname = w.name "
        "LEFT JOIN pg_catalog.pg_proc p ON w.kind = 'FUNCTION' AND p.pronamespace = n.oid "
        "AND p.proname || '()' = w.name AND p.pronargs = 0) f",
        schema);
    taskq_status status = ask(session, &text, "looking for the role's rights", wrong, err);
    taskq__buf_clear(&text);
    if (status == TASKQ_OK && wrong[0][0] != '\0') {
        return taskq__fail(err, TASKQ_EINVAL, "of the schema \"%s\" something is gone: %s", schema, wrong[0]);
    }
    if (status == TASKQ_OK && wrong[1][0] != '\0') {
        return taskq__fail(
            err, TASKQ_EINVAL,
            "in the schema \"%s\" this role lacks %s: run the grants%s that taskq-server --print-schema prints "
            "at its end",
            schema, wrong[1], purpose == TASKQ__PG_TO_SERVE ? "" : " for an import");
    }
    return status;
}

taskq_status taskq__pg_rights_to_make(taskq__pg_session *session, const char *schema, taskq_error *err)
{
    char wrong[2][256];
    taskq__buf text;
    taskq__buf_init(&text, &session->allocator, SQL_BYTES_MAX);
    taskq__buf_add_string(&text, "SELECT left(string_agg(DISTINCT c.relname, ', '), 200), max(CASE "
                                 "WHEN n.oid IS NULL AND NOT has_database_privilege(current_database(), 'CREATE') "
                                 "THEN 'CREATE on this database' "
                                 "WHEN n.oid IS NOT NULL AND NOT has_schema_privilege(n.oid, 'CREATE') "
                                 "THEN 'CREATE on this schema' END) FROM (VALUES ");
    add_needs(&text, TASKQ__PG_TO_SERVE);
    taskq__buf_add_format(&text,
                          ") w (kind, name, privilege) LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = '%s' "
                          "LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name",
                          schema);
    taskq_status status = ask(session, &text, "looking for the role's rights", wrong, err);
    taskq__buf_clear(&text);
    if (status == TASKQ_OK && wrong[0][0] != '\0') {
        return taskq__fail(err, TASKQ_EINVAL,
                           "the schema \"%s\" holds tables that are not taskq's: name another one (%s)", schema,
                           wrong[0]);
    }
    if (status == TASKQ_OK && wrong[1][0] != '\0') {
        return taskq__fail(err, TASKQ_EINVAL,
                           "the schema \"%s\" is not there, and this role lacks %s: run what taskq-server --print-schema "
                           "prints as one that may make it, the grants at its end too",
                           schema, wrong[1]);
    }
    return status;
}
