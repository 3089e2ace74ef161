/* SPDX-License-Identifier: MIT */
/* What a host may get wrong, and what may go wrong on its connection: it is told, and gets the connection back as it was. */
#include "pghost.h"

#include <pthread.h>
#include <string.h>

static pghost host, other;

static void setup(void)
{
    place_setup();
    taskq_store_close(place_open()); /* makes the schema */
    host_make_orders();
    place_run("INSERT INTO @queues (name) VALUES ('default')");
    host_open(&host);
    host_open(&other);
}

static void teardown(void)
{
    host_close(&host);
    host_close(&other);
    place_teardown();
}

static void assert_refused(taskq_status wanted, const char *word)
{
    ck_assert_int_eq(host_enqueue(&host, NULL, NULL, NULL, NULL), wanted);
    ck_assert_msg(strstr(place.err.text, word) != NULL, "%s", place.err.text);
}

/* ---- before anything is sent ------------------------------------------------------------------------------------------- */

START_TEST(without_a_transaction_nothing_is_enqueued)
{
    assert_refused(TASKQ_EINVAL, "BEGIN comes first");
    host_run(&host, "BEGIN");
    ck_assert_str_eq(host_try(&host, "SELECT nothing"), "42703");
    assert_refused(TASKQ_EINVAL, "failed already");
    host_run(&host, "ROLLBACK");
    ck_assert_int_eq(count_jobs(), 0);
}
END_TEST

START_TEST(a_connection_that_is_busy_in_a_pipeline_or_none_is_refused)
{
    PGconn *conn = host.conn;
    host_run(&host, "BEGIN");
    ck_assert_int_eq(PQsendQuery(conn, "SELECT 1"), 1);
    assert_refused(TASKQ_EINVAL, "not done yet");
    PQclear(PQgetResult(conn));
    ck_assert_ptr_null(PQgetResult(conn));
    ck_assert_int_eq(PQenterPipelineMode(conn), 1);
    assert_refused(TASKQ_EINVAL, "pipeline mode");
    ck_assert_int_eq(PQexitPipelineMode(conn), 1);
    host.conn = NULL;
    assert_refused(TASKQ_EINVAL, "no connection");
    host.conn = conn;
    ck_ok(host_enqueue(&host, NULL, NULL, NULL, NULL));
}
END_TEST

START_TEST(arguments_are_checked_before_anything_is_sent)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    const taskq_new_job *jobs[] = {&job};
    job.priority = 100000;
    job.type = TASKQ_TEXT("mail");
    host_run(&host, "BEGIN");
    ck_assert_int_eq(taskq_postgres_enqueue(host.conn, &host.options, jobs, 1, NULL, NULL, NULL, &place.err),
                     TASKQ_EINVAL);
    ck_assert_str_eq(place.err.field, "/priority");
    ck_assert_int_eq(taskq_postgres_enqueue(host.conn, &host.options, NULL, 0, NULL, NULL, NULL, NULL), TASKQ_EINVAL);
    ck_assert_int_eq(taskq_postgres_complete(host.conn, &host.options, NULL, &place.err), TASKQ_EINVAL);
    host.options.schema = "no-name";
    assert_refused(TASKQ_EINVAL, "letters, digits");
    host.options = (taskq_postgres_options){.schema = place.schema};
    assert_refused(TASKQ_EINVAL, "");
    assert_usable(&host);
}
END_TEST

START_TEST(another_encoding_than_utf8_is_refused)
{
    host_run(&host, "BEGIN");
    host_run(&host, "SET LOCAL client_encoding = latin1");
    assert_refused(TASKQ_EINVAL, "LATIN1");
    host_run(&host, "COMMIT");
    host_run(&host, "BEGIN");
    ck_ok(host_enqueue(&host, NULL, NULL, NULL, NULL));
}
END_TEST

/* ---- what the database says ------------------------------------------------------------------------------------------------ */

START_TEST(no_store_or_half_of_one_or_one_of_another_version_leaves_the_transaction_usable)
{
    host_run(&host, "BEGIN");
    host.options.schema = "nowhere";
    assert_refused(TASKQ_ENOTFOUND, "\"nowhere\"");
    assert_usable(&host);
    host.options.schema = place.schema;
    place_run("INSERT INTO @meta (name, value) VALUES ('import_stage', %d)", TASKQ_STAGE_JOBS);
    assert_refused(TASKQ_ESTORE, "not complete");
    assert_usable(&host);
    place_run("UPDATE @meta SET value = %d WHERE name = 'import_stage'", TASKQ_STAGE_DONE);
    ck_ok(host_enqueue(&host, NULL, NULL, NULL, NULL));
    place_run("UPDATE @meta SET value = 99 WHERE name = 'schema'");
    assert_refused(TASKQ_EINVAL, "version 99");
    assert_usable(&host);
    place_run("DELETE FROM @meta");
    assert_refused(TASKQ_EINVAL, "not taskq's");
    assert_usable(&host);
}
END_TEST

START_TEST(a_transaction_that_only_reads_is_told_so_and_goes_on)
{
    host_run(&host, "BEGIN READ ONLY");
    assert_refused(TASKQ_EUNAVAIL, "read-only");
    assert_usable(&host);
}
END_TEST

START_TEST(a_statement_that_the_database_refuses_takes_nothing_else_with_it)
{
    host_run(&host, "BEGIN");
    host_run(&host, "INSERT INTO @orders VALUES (1)");
    ck_ok(host_enqueue(&host, NULL, NULL, NULL, NULL));
    place_run("CREATE FUNCTION @refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '53100'; END $$");
    host_run(&host, "SAVEPOINT before");
    host_run(&host, "CREATE TRIGGER refuse BEFORE INSERT ON @payloads FOR EACH ROW EXECUTE FUNCTION @refuse()");
    assert_refused(TASKQ_EUNAVAIL, "53100");
    assert_usable(&host);
    host_run(&host, "ROLLBACK TO before");
    host_run(&host, "COMMIT");
    ck_assert_int_eq(count_jobs(), 1);
    ck_assert_int_eq(count_orders(), 1);
}
END_TEST

/* ---- the connection --------------------------------------------------------------------------------------------------------- */

START_TEST(nothing_is_left_on_the_connection)
{
    static const char *const settings =
        "SELECT hashtext(string_agg(name || '=' || setting, ' ' ORDER BY name)) FROM pg_settings "
        "WHERE name <> 'application_name'";
    int64_t before = host_number(&host, settings);
    host_run(&host, "BEGIN");
    ck_assert_int_eq(PQsetnonblocking(host.conn, 1), 0);
    ck_ok(host_enqueue(&host, "key", "again", NULL, NULL));
    ck_assert(PQisnonblocking(host.conn));
    ck_assert_int_eq(PQsetnonblocking(host.conn, 0), 0);
    ck_ok(host_enqueue(&host, NULL, NULL, NULL, NULL));
    ck_assert(!PQisnonblocking(host.conn));
    ck_assert_int_eq(host_number(&host, settings), before);
    ck_assert_int_eq(host_number(&host, "SELECT count(*) FROM pg_prepared_statements"), 0);
    ck_assert_str_eq(host_try(&host, "RELEASE SAVEPOINT taskq_host"), "3B001");
}
END_TEST

static void *enqueue_taken(void *user)
{
    *(taskq_status *)user = host_enqueue(&other, "key", NULL, NULL, NULL);
    return NULL;
}

START_TEST(a_connection_that_is_lost_meanwhile_is_unavailable)
{
    taskq_status status = TASKQ_OK;
    pthread_t thread;
    host_run(&host, "BEGIN");
    host_run(&other, "BEGIN");
    ck_ok(host_enqueue(&host, "key", NULL, NULL, NULL));
    ck_assert_int_eq(pthread_create(&thread, NULL, enqueue_taken, &status), 0);
    place_await(1,
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'a host' AND wait_event_type = 'Lock'");
    place_run("SELECT pg_terminate_backend(%d)", PQbackendPID(other.conn));
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(status, TASKQ_EUNAVAIL);
    ck_assert_int_eq(PQstatus(other.conn), CONNECTION_BAD);
    ck_assert_int_eq(host_enqueue(&other, "key", NULL, NULL, NULL), TASKQ_EUNAVAIL);
    host_run(&host, "COMMIT");
    ck_assert_int_eq(count_jobs(), 1);
}
END_TEST

/* ---- memory ------------------------------------------------------------------------------------------------------------------ */

/* Gives what is asked for so many times; then nothing more. */
static void *resize_some(void *user, void *old, size_t size)
{
    int *left = user;
    if (size == 0) {
        free(old);
        return NULL;
    }
    return (*left)-- > 0 ? realloc(old, size) : NULL;
}

START_TEST(wherever_memory_ends_nothing_of_the_call_is_there)
{
    taskq_status status = TASKQ_ENOMEM;
    int tries = 0;
    host_run(&host, "BEGIN");
    for (; status != TASKQ_OK; tries++) {
        int left = tries;
        host.options.allocator = (taskq_allocator){resize_some, &left};
        status = host_enqueue(&host, "key", "again", NULL, NULL);
        ck_assert(status == TASKQ_OK || status == TASKQ_ENOMEM || status == TASKQ_EUNAVAIL);
        assert_usable(&host);
        ck_assert_int_eq(host_number(&host, "SELECT count(*) FROM @jobs"), status == TASKQ_OK);
    }
    ck_assert_int_gt(tries, 5);
    host_run(&host, "COMMIT");
    ck_assert_int_eq(count_jobs(), 1);
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, without_a_transaction_nothing_is_enqueued,
                 a_connection_that_is_busy_in_a_pipeline_or_none_is_refused,
                 arguments_are_checked_before_anything_is_sent, another_encoding_than_utf8_is_refused,
                 no_store_or_half_of_one_or_one_of_another_version_leaves_the_transaction_usable,
                 a_transaction_that_only_reads_is_told_so_and_goes_on,
                 a_statement_that_the_database_refuses_takes_nothing_else_with_it, nothing_is_left_on_the_connection,
                 a_connection_that_is_lost_meanwhile_is_unavailable, wherever_memory_ends_nothing_of_the_call_is_there)
