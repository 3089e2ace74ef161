/* SPDX-License-Identifier: MIT */
/* A role of lesser rights: what is printed for it is what it needs and no more, and whatever it lacks is told before it serves. */
#include "batch.h"
#include "pgstore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/ops.h"
#include "store/postgres/schema.h"

enum { SQL_BYTES = 65536 };

static char role[64], role_conninfo[512], printed[SQL_BYTES];
static taskq_postgres_options as_role;

static PGconn *connect_as(const char *user)
{
    char conninfo[512];
    PGconn *admin = taskq__pg_session_conn(place.admin);
    (void)snprintf(conninfo, sizeof(conninfo), "host=%s port=%s dbname=%s user=%s", PQhost(admin), PQport(admin),
                   PQdb(admin), user);
    PGconn *conn = PQconnectdb(conninfo);
    ck_assert_msg(PQstatus(conn) == CONNECTION_OK, "%s", PQerrorMessage(conn));
    return conn;
}

/* Several statements, as one that may. */
static void run_as_admin(const char *text)
{
    PGconn *conn = connect_as(PQuser(taskq__pg_session_conn(place.admin)));
    PGresult *result = PQexec(conn, text);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s: %s", text, PQresultErrorMessage(result));
    PQclear(result);
    PQfinish(conn);
}

/* The printed lines that begin like this, for the test's role. */
static void run_printed(const char *prefix)
{
    static char text[SQL_BYTES];
    size_t used = 0, mark = strcspn(prefix, "GR"); /* GRANT, REVOKE */
    for (const char *line = printed; *line != '\0'; line += strcspn(line, "\n") + 1) {
        if (strncmp(line, prefix, strlen(prefix)) == 0) {
            const char *from = line + mark, *to = strstr(line, "taskq_server;");
            ck_assert_ptr_nonnull(to);
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%.*s%s;\n", (int)(to - from), from, role);
        }
    }
    ck_assert_uint_gt(used, 0);
    run_as_admin(text);
}

static void setup(void)
{
    place_setup();
    (void)snprintf(role, sizeof(role), "role_%s", place.schema);
    place_run("CREATE ROLE %s LOGIN", role);
    PGconn *admin = taskq__pg_session_conn(place.admin);
    (void)snprintf(role_conninfo, sizeof(role_conninfo), "host=%s port=%s dbname=%s user=%s", PQhost(admin),
                   PQport(admin), PQdb(admin), role);
    ck_ok(taskq_postgres_schema(place.schema, 0, printed, sizeof(printed), NULL, &place.err));
    as_role = (taskq_postgres_options)TASKQ_POSTGRES_OPTIONS_INIT;
    as_role.conninfo = role_conninfo;
    as_role.schema = place.schema;
}

static void teardown(void)
{
    place_run("DROP OWNED BY %s", role);
    place_run("DROP ROLE %s", role);
    place_teardown();
}

/* The tables, made by hand where PUBLIC may nothing. */
static void make_schema(void)
{
    run_as_admin(printed);
    place_run("REVOKE EXECUTE ON FUNCTION @now_ms() FROM PUBLIC");
}

static taskq_store *open_as_role(void)
{
    taskq_store *store = NULL;
    ck_ok(taskq_postgres_open(&as_role, &store, &place.err));
    return store;
}

/* Neither --check nor a server says that it would work; both say this instead. */
static void ck_refused(const char *word)
{
    char summary[256];
    taskq_store *store = NULL;
    ck_assert_int_eq(taskq_postgres_check(&as_role, summary, sizeof(summary), &place.err), TASKQ_EINVAL);
    ck_assert_msg(strstr(place.err.text, word) != NULL, "%s", place.err.text);
    ck_assert_int_eq(taskq_postgres_open(&as_role, &store, &place.err), TASKQ_EINVAL);
}

/* ---- each right, and no other -------------------------------------------------------------------------------------------- */

static void prepare_all(PGconn *conn)
{
    for (int i = 0; i < TASKQ__PG_SQL_COUNT; i++) {
        const taskq__pg_sql_text *sql = taskq__pg_sql_at((taskq__pg_sql)i);
        char *text = taskq__pg_sql_expand(sql->text, place.schema, NULL);
        PQclear(PQprepare(conn, sql->name, text, 0, NULL)); /* BEGIN and the like have no plan and fail */
        free(text);
    }
}

static bool is_denied(PGconn *conn, const char *text)
{
    char *expanded = taskq__pg_sql_expand(text, place.schema, NULL);
    PGresult *result = PQexec(conn, expanded);
    const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    bool denied = code != NULL && strcmp(code, "42501") == 0;
    PQclear(result);
    free(expanded);
    return denied;
}

/* The first statement that this role may not execute; NULL: none. */
static const char *first_denied(PGconn *conn, bool imports)
{
    for (int i = 0; i < TASKQ__PG_SQL_COUNT; i++) {
        const taskq__pg_sql_text *sql = taskq__pg_sql_at((taskq__pg_sql)i);
        char text[512];
        if (!imports && i > TASKQ__PG_SQL_IMPORT_STANDING && i < TASKQ__PG_SQL_OF_COMMIT) {
            continue;
        }
        int params = place_params_of(sql->text);
        size_t used = (size_t)snprintf(text, sizeof(text), "EXPLAIN EXECUTE %s%s", sql->name, params > 0 ? "(" : "");
        for (int k = 0; k < params; k++) {
            used += (size_t)snprintf(text + used, sizeof(text) - used, "NULL%s", k + 1 < params ? "," : ")");
        }
        if (is_denied(conn, text)) {
            return sql->name;
        }
    }
    /* What a plan does not tell. */
    if (is_denied(conn, "SELECT nextval('@job_ids')")) {
        return "nextval";
    }
    return imports && is_denied(conn, "SELECT setval('@job_ids', 1, false)") ? "setval" : NULL;
}

/* Of "... SELECT, INSERT ON TABLE x TO taskq_server;" each one is taken away for a moment. */
static int take_each(PGconn *conn, const char *line, bool imports)
{
    int taken = 0;
    const char *at = strstr(line, "GRANT ") + 6, *on = strstr(at, " ON "), *to = strstr(at, " TO taskq_server");
    if (on == NULL || on > to || strncmp(at, "USAGE ON SCHEMA", 15) == 0) {
        return 0; /* without the schema nothing is found at all */
    }
    for (; at < on; at += strspn(at, ", ")) {
        char grant[256], revoke[256];
        int size = (int)strcspn(at, ", ");
        (void)snprintf(revoke, sizeof(revoke), "REVOKE %.*s%.*s FROM %s", size, at, (int)(to - on), on, role);
        (void)snprintf(grant, sizeof(grant), "GRANT %.*s%.*s TO %s", size, at, (int)(to - on), on, role);
        place_run("%s", revoke);
        ck_assert_msg(first_denied(conn, imports) != NULL, "nothing needs it: %s", grant);
        place_run("%s", grant);
        at += size;
        taken++;
    }
    return taken;
}

static int take_all(PGconn *conn, const char *prefix, bool imports)
{
    int taken = 0;
    for (const char *line = printed; *line != '\0'; line += strcspn(line, "\n") + 1) {
        if (strncmp(line, prefix, strlen(prefix)) == 0) {
            taken += take_each(conn, line, imports);
        }
    }
    const char *denied = first_denied(conn, imports);
    ck_assert_msg(denied == NULL, "%s", denied);
    return taken;
}

START_TEST(what_is_printed_is_what_serving_needs_and_no_more)
{
    make_schema();
    run_printed("-- GRANT ");
    PGconn *conn = connect_as(role);
    prepare_all(conn);
    ck_assert_int_gt(take_all(conn, "-- GRANT ", false), 20);
    PQfinish(conn);
}
END_TEST

START_TEST(what_an_import_needs_besides_is_marked_and_no_more)
{
    make_schema();
    run_printed("-- GRANT ");
    PGconn *conn = connect_as(role);
    prepare_all(conn);
    ck_assert_ptr_nonnull(first_denied(conn, true));
    run_printed("-- import: GRANT ");
    ck_assert_int_eq(take_all(conn, "-- import: GRANT ", true), 3);
    run_printed("-- imported: REVOKE ");
    ck_assert_ptr_nonnull(first_denied(conn, true));
    PQfinish(conn);
}
END_TEST

/* ---- at work ------------------------------------------------------------------------------------------------------------- */

START_TEST(a_role_with_the_printed_grants_alone_works)
{
    make_schema();
    run_printed("-- GRANT ");
    taskq_store *store = open_as_role();
    taskq_job *job = NULL;
    test_batch batch;
    batch_init(&batch);
    batch_enqueue(&batch, 1, "unique", "key");
    ck_assert_int_eq(batch_run(&batch, store), TASKQ_OK);
    ck_ok(taskq__store_get(store, 1, TASKQ_PART_LOG, (taskq_now){0, 0}, place.arena, &job, &place.err));
    ck_assert_int_eq(job->state, TASKQ_STATE_QUEUED);
    ck_ok(taskq__store_ping(store, &place.err));
    ck_ok(taskq__store_upkeep(store, true, &place.err));
    batch_clear(&batch);
    taskq_store_close(store);
}
END_TEST

/* The beginning of an import, and one page of it. */
static taskq_status import_queues(taskq_store *store)
{
    const taskq_stored_whole whole = {.last_id = 7, .mark = 1};
    const taskq_queue queue = {.name = TASKQ_TEXT("q"), .paused = true};
    const taskq_stored_page page = {.stage = TASKQ_STAGE_QUEUES, .queues = &queue, .count = 1};
    taskq_stage stage;
    int64_t after_id;
    uint64_t done;
    taskq_status status = store->ops->import_begin(store->self, &whole, &stage, &after_id, &done, &place.err);
    return status == TASKQ_OK ? store->ops->import_page(store->self, &page, &place.err) : status;
}

START_TEST(a_role_imports_while_it_has_the_rights_for_that)
{
    make_schema();
    run_printed("-- GRANT ");
    taskq_store *store = open_as_role();
    ck_assert_int_eq(import_queues(store), TASKQ_EINVAL);
    ck_assert_msg(strstr(place.err.text, "INSERT on meta, UPDATE on meta, UPDATE on job_ids") != NULL, "%s",
                  place.err.text);
    run_printed("-- import: GRANT ");
    ck_ok(import_queues(store));
    for (int stage = TASKQ_STAGE_QUEUES + 1; stage <= TASKQ_STAGE_DONE; stage++) {
        ck_ok(store->ops->import_stage(store->self, (taskq_stage)stage, &place.err));
    }
    run_printed("-- imported: REVOKE ");
    ck_assert_int_eq(import_queues(store), TASKQ_EINVAL);
    taskq_store_close(store);
    taskq_store_close(open_as_role());
}
END_TEST

/* ---- told beforehand ----------------------------------------------------------------------------------------------------- */

START_TEST(a_role_that_may_make_nothing_is_told_so)
{
    ck_refused("--print-schema");
    place_run("CREATE SCHEMA \"%s\"", place.schema);
    place_run("GRANT USAGE ON SCHEMA \"%s\" TO %s", place.schema, role);
    ck_refused("--print-schema");
}
END_TEST

START_TEST(a_role_that_may_only_look_is_told_what_it_lacks)
{
    make_schema();
    ck_refused("--print-schema"); /* not even at the schema */
    place_run("GRANT USAGE ON SCHEMA \"%s\" TO %s", place.schema, role);
    place_run("GRANT SELECT ON @meta TO %s", role);
    ck_refused("lacks SELECT on jobs, INSERT on jobs");
    run_printed("-- GRANT ");
    place_run("REVOKE DELETE ON @keys FROM %s", role);
    ck_refused("lacks DELETE on keys: run the grants");
    place_run("REVOKE EXECUTE ON FUNCTION @now_ms() FROM %s", role);
    ck_refused("EXECUTE on now_ms()");
}
END_TEST

START_TEST(tables_that_are_gone_or_somebody_elses_are_told)
{
    make_schema();
    run_printed("-- GRANT ");
    place_run("DROP TABLE @progress");
    ck_refused("something is gone: progress");
    place_run("DROP SCHEMA \"%s\" CASCADE", place.schema);
    place_run("CREATE SCHEMA \"%s\"", place.schema);
    place_run("GRANT ALL ON SCHEMA \"%s\" TO %s", place.schema, role);
    place_run("CREATE TABLE @jobs (what text)");
    ck_refused("not taskq's");
}
END_TEST

START_TEST(half_an_import_is_told)
{
    char summary[256];
    make_schema();
    run_printed("-- GRANT ");
    run_printed("-- import: GRANT ");
    taskq_store *store = open_as_role();
    ck_ok(import_queues(store));
    taskq_store_close(store);
    ck_assert_int_eq(taskq_postgres_check(&as_role, summary, sizeof(summary), &place.err), TASKQ_ESTORE);
    ck_assert_msg(strstr(place.err.text, "is not complete") != NULL, "%s", place.err.text);
}
END_TEST

START_TEST(of_two_imports_the_later_one_goes_on)
{
    const taskq_stored_page page = {.stage = TASKQ_STAGE_QUEUES};
    taskq_store *earlier = place_open(), *later = place_open();
    ck_ok(import_queues(earlier));
    ck_ok(import_queues(later));
    ck_assert_int_eq(earlier->ops->import_page(earlier->self, &page, &place.err), TASKQ_EEXISTS);
    ck_assert_msg(strstr(place.err.text, "another import") != NULL, "%s", place.err.text);
    ck_assert_int_eq(earlier->ops->import_stage(earlier->self, TASKQ_STAGE_JOBS, &place.err), TASKQ_EEXISTS);
    ck_ok(later->ops->import_stage(later->self, TASKQ_STAGE_JOBS, &place.err));
    ck_ok(import_queues(earlier)); /* asked for again, it is the later one */
    ck_assert_int_eq(later->ops->import_stage(later->self, TASKQ_STAGE_KEYS, &place.err), TASKQ_EEXISTS);
    taskq_store_close(earlier);
    taskq_store_close(later);
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, what_is_printed_is_what_serving_needs_and_no_more,
                 what_an_import_needs_besides_is_marked_and_no_more, a_role_with_the_printed_grants_alone_works,
                 a_role_imports_while_it_has_the_rights_for_that, a_role_that_may_make_nothing_is_told_so,
                 a_role_that_may_only_look_is_told_what_it_lacks, tables_that_are_gone_or_somebody_elses_are_told,
                 half_an_import_is_told, of_two_imports_the_later_one_goes_on)
