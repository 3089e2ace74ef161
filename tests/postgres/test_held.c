/* SPDX-License-Identifier: MIT */
/* Who keeps dead rows from being cleared away is named, and nobody else is. */
#include "pgstore.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store/ops.h"
#include "store/postgres/pg.h"

enum { OLD_MS = 100, EPOCH_1970_TO_2000_S = 946684800 };

static taskq_store *store;
static taskq__pg *pg;
static char heard[1024]; /* the fields of the last warning */
static int64_t heard_age_ms;

static void hear(void *user, const taskq_log_event *event)
{
    (void)user;
    if (strstr(event->message, "an old snapshot is held") == NULL) {
        return;
    }
    size_t used = 0;
    for (uint32_t i = 0; i < event->field_count; i++) {
        const taskq_log_field *field = &event->fields[i];
        if (strcmp(field->name, "age_ms") == 0) {
            heard_age_ms = field->number;
        } else if (field->text == NULL) {
            used += (size_t)snprintf(heard + used, sizeof(heard) - used, "%s=%d ", field->name, (int)field->number);
        } else {
            used += (size_t)snprintf(heard + used, sizeof(heard) - used, "%s=%s ", field->name, field->text);
        }
    }
}

static void setup(void)
{
    place_setup();
    taskq_postgres_options options = TASKQ_POSTGRES_OPTIONS_INIT;
    options.conninfo = place.conninfo;
    options.schema = place.schema;
    options.log = (taskq_log){.struct_size = sizeof(taskq_log), .fn = hear};
    ck_ok(taskq_postgres_open(&options, &store, &place.err));
    pg = store->self;
    pg->held.every_ms = 0;
    pg->held.old_ms = OLD_MS;
}

static void teardown(void)
{
    taskq_store_close(store);
    place_teardown();
}

/* Somebody, of that database; more: "replication=true". */
static PGconn *connect_as(const char *name, const char *database, const char *more)
{
    char conninfo[512];
    PGconn *admin = taskq__pg_session_conn(place.admin);
    (void)snprintf(conninfo, sizeof(conninfo), "host=%s port=%s user=%s dbname=%s application_name=%s %s",
                   PQhost(admin), PQport(admin), PQuser(admin), database, name, more);
    PGconn *conn = PQconnectdb(conninfo);
    ck_assert_msg(PQstatus(conn) == CONNECTION_OK, "%s", PQerrorMessage(conn));
    return conn;
}

static void say(PGconn *conn, const char *text)
{
    PGresult *result = PQexec(conn, text);
    ExecStatusType status = PQresultStatus(result);
    ck_assert_msg(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_COPY_BOTH, "%s: %s", text,
                  PQerrorMessage(conn));
    PQclear(result);
}

/* A transaction that is open and has looked at the database. */
static PGconn *open_transaction(const char *name, const char *database, const char *begin, const char *look)
{
    PGconn *conn = connect_as(name, database, "");
    say(conn, begin);
    say(conn, look);
    return conn;
}

static PGconn *open_snapshot(const char *name, const char *database)
{
    return open_transaction(name, database, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", "SELECT 1");
}

/* Something dies, and the server looks. */
static void look(void)
{
    place_run("SELECT pg_current_xact_id()");
    ck_ok(taskq__store_upkeep(store, true, &place.err));
}

static void await_warning(void)
{
    heard[0] = '\0';
    while (heard[0] == '\0') {
        look();
    }
    ck_assert_int_ge((int)heard_age_ms, OLD_MS);
    ck_assert_int_eq((int)atomic_load(&pg->held_ms), (int)heard_age_ms);
}

static void await_nobody(void)
{
    do {
        look();
    } while (atomic_load(&pg->held_ms) != 0);
}

static void ck_heard(const char *part)
{
    ck_assert_msg(strstr(heard, part) != NULL, "%s is not in: %s", part, heard);
}

/* Whoever holds nothing is there for longer than the one that does, and would be named first. */
static void ck_innocent(PGconn *innocent)
{
    const char *database = PQdb(taskq__pg_session_conn(place.admin));
    PGconn *culprit = open_snapshot("the_culprit", database);
    await_warning();
    ck_heard("application=the_culprit ");
    PQfinish(culprit);
    await_nobody();
    PQfinish(innocent);
}

START_TEST(a_snapshot_that_is_only_read_with_is_named)
{
    char part[128];
    const char *database = PQdb(taskq__pg_session_conn(place.admin));
    PGconn *culprit = open_snapshot("a_dump", database);
    await_warning();
    ck_heard("held_by=session ");
    ck_heard("application=a_dump ");
    ck_heard("state=idle in transaction ");
    (void)snprintf(part, sizeof(part), "end_it_with=SELECT pg_terminate_backend(%d) ", PQbackendPID(culprit));
    ck_heard(part);
    PQfinish(culprit);
    await_nobody();
}
END_TEST

START_TEST(a_transaction_that_wrote_and_idles_is_named_without_a_snapshot)
{
    PGconn *culprit =
        open_transaction("a_writer", PQdb(taskq__pg_session_conn(place.admin)), "BEGIN", "SELECT pg_current_xact_id()");
    await_warning();
    ck_heard("application=a_writer ");
    PQfinish(culprit);
    await_nobody();
}
END_TEST

START_TEST(a_snapshot_in_another_database_is_not_named)
{
    ck_innocent(open_snapshot("an_innocent", "template1"));
}
END_TEST

START_TEST(an_open_transaction_without_a_snapshot_is_not_named)
{
    ck_innocent(open_transaction("an_innocent", PQdb(taskq__pg_session_conn(place.admin)), "BEGIN", "SELECT 1"));
}
END_TEST

START_TEST(a_writer_in_another_database_is_named_with_it)
{
    /* What anybody looks at here is kept for as long as that one has not ended. */
    PGconn *culprit = open_transaction("a_writer", "template1", "BEGIN", "SELECT pg_current_xact_id()");
    await_warning();
    ck_heard("application=a_writer ");
    ck_heard("database=template1 ");
    PQfinish(culprit);
    await_nobody();
}
END_TEST

START_TEST(who_writes_is_named_before_those_who_look_meanwhile)
{
    const char *database = PQdb(taskq__pg_session_conn(place.admin));
    PGconn *culprit = open_transaction("a_writer", database, "BEGIN", "SELECT pg_current_xact_id()");
    PGconn *other = open_snapshot("a_reader", database);
    await_warning();
    ck_heard("application=a_writer ");
    PQfinish(culprit);
    PQfinish(other);
    await_nobody();
}
END_TEST

START_TEST(a_prepared_transaction_is_named)
{
    PGconn *conn =
        open_transaction("x", PQdb(taskq__pg_session_conn(place.admin)), "BEGIN", "SELECT pg_current_xact_id()");
    say(conn, "PREPARE TRANSACTION 'a forgotten one'");
    await_warning();
    ck_heard("held_by=prepared transaction a forgotten one ");
    ck_heard("end_it_with=ROLLBACK PREPARED 'a forgotten one' ");
    say(conn, "ROLLBACK PREPARED 'a forgotten one'");
    PQfinish(conn);
    await_nobody();
}
END_TEST

/* ---- standbys ------------------------------------------------------------------------------------------------------------ */

static char *add_number(char *at, uint64_t number, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--) {
        *at++ = (char)(number >> (8 * i));
    }
    return at;
}

/* A standby with hot_standby_feedback on which a query has begun just now: it says from which transaction on rows are to be kept. */
static PGconn *follow(const char *start)
{
    char feedback[25];
    PGconn *conn = connect_as("a_standby", PQdb(taskq__pg_session_conn(place.admin)), "replication=true");
    uint64_t xid = (uint64_t)place_number("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint");
    say(conn, start);
    feedback[0] = 'h';
    char *at = add_number(feedback + 1, (uint64_t)(time(NULL) - EPOCH_1970_TO_2000_S) * 1000000, 8);
    at = add_number(at, xid & UINT32_MAX, 4);
    at = add_number(at, xid >> 32, 4);
    at = add_number(at, 0, 4); /* and none for the catalog */
    at = add_number(at, 0, 4);
    ck_assert_int_eq(PQputCopyData(conn, feedback, (int)(at - feedback)), 1);
    ck_assert_int_eq(PQflush(conn), 0);
    return conn;
}

START_TEST(a_standby_on_which_an_old_query_runs_is_named)
{
    PGconn *standby = follow("START_REPLICATION PHYSICAL 0/1000000");
    await_warning();
    ck_heard("held_by=standby at 127.0.0.1 ");
    ck_heard("application=a_standby ");
    ck_heard("hot_standby_feedback");
    PQfinish(standby);
    await_nobody();
}
END_TEST

START_TEST(a_replication_slot_that_was_left_behind_is_named)
{
    place_run("SELECT pg_create_physical_replication_slot('left_behind', true)");
    PGconn *standby = follow("START_REPLICATION SLOT left_behind PHYSICAL 0/1000000");
    place_await(1, "SELECT count(*) FROM pg_replication_slots WHERE xmin IS NOT NULL");
    PQfinish(standby);
    place_await(0, "SELECT count(*) FROM pg_replication_slots WHERE active");
    await_warning();
    ck_heard("held_by=replication slot left_behind ");
    ck_heard("end_it_with=SELECT pg_drop_replication_slot('left_behind') ");
    place_run("SELECT pg_drop_replication_slot('left_behind')");
    await_nobody();
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, a_snapshot_that_is_only_read_with_is_named,
                 a_transaction_that_wrote_and_idles_is_named_without_a_snapshot,
                 a_snapshot_in_another_database_is_not_named, an_open_transaction_without_a_snapshot_is_not_named,
                 a_writer_in_another_database_is_named_with_it, who_writes_is_named_before_those_who_look_meanwhile,
                 a_prepared_transaction_is_named, a_standby_on_which_an_old_query_runs_is_named,
                 a_replication_slot_that_was_left_behind_is_named)
