/* SPDX-License-Identifier: MIT */
/* One connection: values there and back, failures that leave it clean, losses that are noticed, waits that end. Which hosts
 * it is made to: test_hosts.c. */
#include "pgplace.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "store/postgres/fault.h"

static taskq__pg_session *session;

static void setup(void)
{
    place_setup();
    session = place_session(place.conninfo, false);
    ck_ok(taskq__pg_session_ready(session, &place.err));
}

static void teardown(void)
{
    taskq__pg_session_free(session);
    place_teardown();
}

/* A text of one statement, and how it ended. */
static taskq_status try_text(const char *text)
{
    taskq__pg_session_send_text(session, text, "a test");
    taskq_status status = taskq__pg_session_sync(session, &place.err);
    return status == TASKQ_OK ? taskq__pg_session_end(session, &place.err) : status;
}

static int64_t number_of(const char *text)
{
    PGresult *result = NULL;
    taskq__pg_session_send_text(session, text, "a test");
    ck_ok(taskq__pg_session_sync(session, &place.err));
    ck_ok(taskq__pg_session_next(session, &result, &place.err));
    int64_t number = taskq__pg_result_int(result, 0, 0);
    PQclear(result);
    ck_ok(taskq__pg_session_end(session, &place.err));
    return number;
}

START_TEST(columns_of_values_arrive_as_they_were_given)
{
    taskq__pg_params params;
    PGresult *result = NULL;
    PGconn *conn = taskq__pg_session_conn(session);
    taskq__pg_params_init(&params, place.arena);
    taskq__pg_params_column(&params, TASKQ__PG_VALUE_INT8);
    taskq__pg_params_column(&params, TASKQ__PG_VALUE_TEXT);
    taskq__pg_params_column(&params, TASKQ__PG_VALUE_FLOAT8);
    taskq__pg_params_column(&params, TASKQ__PG_VALUE_BYTEA);
    for (int i = 0; i < 300; i++) {
        taskq__pg_row_int_or_null(&params, i == 0 ? 0 : INT64_MIN + i);
        taskq__pg_row_text_or_null(&params, i == 1 ? (taskq_text){NULL, 0} : TASKQ_TEXT("{\"a\": \"\xc3\xa4\"}"));
        taskq__pg_row_double(&params, i * 0.1);
        taskq__pg_row_text(&params, (taskq_text){"\0\1", 2});
    }
    ck_assert_int_eq(taskq__pg_params_rows(&params), 300);
    const char *values[4];
    int lengths[4], formats[4] = {1, 1, 1, 1};
    for (int i = 0; i < 4; i++) {
        values[i] = params.columns[i].bytes;
        lengths[i] = (int)params.columns[i].size;
    }
    ck_assert_int_eq(PQexitPipelineMode(conn), 1);
    result = PQexecParams(conn, "SELECT * FROM unnest($1::bigint[], $2::text[], $3::float8[], $4::bytea[])", 4, NULL,
                          values, lengths, formats, 1);
    ck_assert_int_eq(PQntuples(result), 300);
    ck_assert(taskq__pg_result_null(result, 0, 0) && taskq__pg_result_null(result, 1, 1));
    ck_assert(taskq__pg_result_int(result, 299, 0) == INT64_MIN + 299);
    ck_assert_int_eq((int)taskq__pg_result_text(result, 299, 1).size, 11);
    ck_assert(taskq__pg_result_double(result, 299, 2) == 299 * 0.1);
    ck_assert_int_eq((int)taskq__pg_result_text(result, 299, 3).size, 2);
    PQclear(result);
}
END_TEST

START_TEST(a_statement_that_fails_voids_its_round_trip_and_leaves_the_session_clean)
{
    PGresult *result = NULL;
    taskq__pg_session_send_text(session, "SELECT 1", "one");
    taskq__pg_session_send_text(session, "SELECT 1 / 0", "two");
    taskq__pg_session_send_text(session, "SELECT 3", "three");
    ck_ok(taskq__pg_session_sync(session, &place.err));
    ck_ok(taskq__pg_session_next(session, &result, &place.err));
    PQclear(result);
    ck_assert_int_eq(taskq__pg_session_next(session, &result, &place.err), TASKQ_EINVAL);
    ck_assert(strstr(place.err.text, "two: division by zero (22012)") != NULL);
    ck_assert_int_eq((int)number_of("SELECT 4"), 4);
}
END_TEST

START_TEST(a_rollback_takes_what_nobody_read_and_ends_the_transaction)
{
    place_run("CREATE SCHEMA \"%s\"", place.schema);
    place_run("CREATE TABLE @t (n bigint)");
    char text[64];
    (void)snprintf(text, sizeof(text), "INSERT INTO \"%s\".t VALUES (1)", place.schema);
    taskq__pg_session_send(session, TASKQ__PG_SQL_BEGIN, NULL);
    taskq__pg_session_send_text(session, text, "writing");
    ck_ok(taskq__pg_session_sync(session, &place.err));
    taskq__pg_session_rollback(session);
    ck_assert(taskq__pg_session_is_open(session));
    ck_assert_int_eq((int)place_number("SELECT count(*) FROM @t"), 0);
    ck_assert_int_eq((int)number_of("SELECT 5"), 5);
}
END_TEST

START_TEST(a_failed_preparation_is_made_again)
{
    PGresult *result = NULL;
    taskq__pg_session_send_text(session, "SELECT 1 / 0", "failing");
    taskq__pg_session_send(session, TASKQ__PG_SQL_PING, NULL);
    ck_ok(taskq__pg_session_sync(session, &place.err));
    ck_assert_int_eq(taskq__pg_session_next(session, &result, &place.err), TASKQ_EINVAL);
    taskq__pg_session_send(session, TASKQ__PG_SQL_PING, NULL);
    ck_ok(taskq__pg_session_sync(session, &place.err));
    ck_ok(taskq__pg_session_next(session, &result, &place.err));
    ck_assert_int_eq((int)taskq__pg_result_int(result, 0, 0), 1);
    PQclear(result);
    ck_ok(taskq__pg_session_end(session, &place.err));
}
END_TEST

START_TEST(a_connection_that_the_server_ended_is_made_again)
{
    int64_t pid = number_of("SELECT pg_backend_pid()::bigint");
    uint64_t before = taskq__pg_session_generation(session);
    place_run("SELECT pg_terminate_backend(%d, 5000)", (int)pid);
    ck_ok(taskq__pg_session_ready(session, &place.err));
    ck_assert_uint_eq(taskq__pg_session_generation(session), before + 1);
    ck_assert_int_ne((int)number_of("SELECT pg_backend_pid()::bigint"), (int)pid);
}
END_TEST

START_TEST(a_connection_lost_in_the_middle_is_unavailable_and_closed)
{
    int64_t pid = number_of("SELECT pg_backend_pid()::bigint");
    PGresult *result = NULL;
    taskq__pg_session_send_text(session, "SELECT pg_sleep(5)", "sleeping");
    ck_ok(taskq__pg_session_sync(session, &place.err));
    place_run("SELECT pg_terminate_backend(%d, 5000)", (int)pid);
    ck_assert_int_eq(taskq__pg_session_next(session, &result, &place.err), TASKQ_EUNAVAIL);
    ck_assert(!taskq__pg_session_is_open(session));
    ck_ok(taskq__pg_session_ready(session, &place.err));
}
END_TEST

START_TEST(a_server_that_is_silent_holds_nobody_longer_than_said)
{
    pid_t pid = (pid_t)number_of("SELECT pg_backend_pid()::bigint");
    PGresult *result = NULL;
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    taskq__pg_session_send_text(session, "SELECT 1", "asking");
    ck_ok(taskq__pg_session_sync(session, &place.err));
    taskq_status status = taskq__pg_session_next(session, &result, &place.err);
    ck_assert_int_eq(kill(pid, SIGCONT), 0);
    ck_assert_int_eq(status, TASKQ_EUNAVAIL);
    ck_assert(strstr(place.err.text, "no answer") != NULL);
    ck_assert(!taskq__pg_session_is_open(session));
}
END_TEST

START_TEST(behind_a_pooler_settings_end_with_the_transaction)
{
    taskq__pg_session_free(session);
    session = place_session(place.conninfo, true);
    ck_ok(taskq__pg_session_ready(session, &place.err));
    PGresult *result = NULL;
    taskq__pg_session_send(session, TASKQ__PG_SQL_BEGIN, NULL);
    taskq__pg_session_send_text(session, "SELECT current_setting('enable_seqscan')::boolean", "looking");
    taskq__pg_session_send(session, TASKQ__PG_SQL_COMMIT, NULL);
    ck_ok(taskq__pg_session_sync(session, &place.err));
    ck_ok(taskq__pg_session_skip(session, &place.err));
    ck_ok(taskq__pg_session_next(session, &result, &place.err));
    ck_assert(!taskq__pg_result_int(result, 0, 0));
    PQclear(result);
    ck_ok(taskq__pg_session_end(session, &place.err));
    ck_assert(number_of("SELECT current_setting('enable_seqscan')::boolean"));
    ck_assert_int_eq((int)number_of("SELECT count(*) FROM pg_prepared_statements"), 0);
}
END_TEST

START_TEST(what_a_pooler_does_to_prepared_statements_is_told)
{
    char text[64];
    (void)snprintf(text, sizeof(text), "PREPARE taskq_%s AS SELECT 1", taskq__pg_sql_at(TASKQ__PG_SQL_PING)->name);
    ck_ok(try_text(text)); /* another client's, on the same connection of the pooler's */
    taskq__pg_session_send(session, TASKQ__PG_SQL_PING, NULL);
    ck_ok(taskq__pg_session_sync(session, &place.err));
    ck_assert_int_ne(taskq__pg_session_end(session, &place.err), TASKQ_OK);
    ck_assert_msg(strstr(place.err.text, "--db-pooled is missing") != NULL, "%s", place.err.text);
    ck_ok(taskq__pg_session_ready(session, &place.err));
    taskq__pg_session_send(session, TASKQ__PG_SQL_PING, NULL);
    ck_ok(taskq__pg_session_sync(session, &place.err));
    ck_ok(taskq__pg_session_end(session, &place.err));
    ck_ok(try_text("DEALLOCATE ALL")); /* and this one's are on another connection of it */
    taskq__pg_session_send(session, TASKQ__PG_SQL_PING, NULL);
    ck_ok(taskq__pg_session_sync(session, &place.err));
    ck_assert_int_ne(taskq__pg_session_end(session, &place.err), TASKQ_OK);
    ck_assert_msg(strstr(place.err.text, "--db-pooled is missing") != NULL, "%s", place.err.text);
}
END_TEST

START_TEST(a_host_gets_its_connection_back_as_it_was)
{
    taskq__pg_session *adopted = NULL;
    PGconn *host = taskq__pg_session_conn(session);
    ck_assert_int_eq(PQexitPipelineMode(host), 1);
    ck_assert_int_eq(PQsetnonblocking(host, 0), 0);
    PQclear(PQexec(host, "BEGIN"));
    ck_ok(taskq__pg_session_adopt(host, place.schema, NULL, &adopted, &place.err));
    taskq__pg_session_send(adopted, TASKQ__PG_SQL_PING, NULL);
    ck_ok(taskq__pg_session_sync(adopted, &place.err));
    ck_ok(taskq__pg_session_end(adopted, &place.err));
    taskq__pg_session_free(adopted);
    ck_assert(PQpipelineStatus(host) == PQ_PIPELINE_OFF && !PQisnonblocking(host));
    ck_assert_int_eq(PQtransactionStatus(host), PQTRANS_INTRANS);
}
END_TEST

START_TEST(failures_are_told_apart_by_whether_trying_again_helps)
{
    ck_assert_int_eq(try_text("SELECT 'x'::bigint"), TASKQ_EINVAL);
    ck_assert_int_eq(try_text("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$"), TASKQ_EBUSY);
    ck_assert_int_eq(try_text("DO $$ BEGIN RAISE SQLSTATE '23505'; END $$"), TASKQ_EBUSY);
    ck_assert_int_eq(try_text("DO $$ BEGIN RAISE SQLSTATE '23514'; END $$"), TASKQ_EINVAL);
    ck_assert_int_eq(try_text("DO $$ BEGIN RAISE SQLSTATE '53100'; END $$"), TASKQ_EUNAVAIL);
    ck_assert(taskq__pg_session_is_open(session));
    ck_assert_int_eq(try_text("SELECT * FROM nowhere"), TASKQ_EUNAVAIL);
    ck_assert(!taskq__pg_session_is_open(session));
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, columns_of_values_arrive_as_they_were_given,
                 a_statement_that_fails_voids_its_round_trip_and_leaves_the_session_clean,
                 a_rollback_takes_what_nobody_read_and_ends_the_transaction, a_failed_preparation_is_made_again,
                 a_connection_that_the_server_ended_is_made_again,
                 a_connection_lost_in_the_middle_is_unavailable_and_closed,
                 a_server_that_is_silent_holds_nobody_longer_than_said,
                 behind_a_pooler_settings_end_with_the_transaction, what_a_pooler_does_to_prepared_statements_is_told,
                 a_host_gets_its_connection_back_as_it_was, failures_are_told_apart_by_whether_trying_again_helps)
