/* SPDX-License-Identifier: MIT */
/* The other direction: the store is opened on the host's own connection, and the host borrows it back. */
#include "support/check_main.h"

#include <sqlite3.h>
#include <string.h>

#include <taskq/sqlite.h>

#include "fixture.h"
#include "host.h"

static sqlite3 *own;
static sqlite3_stmt *kept; /* what a host's wrapper has prepared once and for all */

static void open_on_it(void)
{
    taskq_sqlite_options sqlite = TASKQ_SQLITE_OPTIONS_INIT;
    taskq_scheduler_options options = TASKQ_SCHEDULER_OPTIONS_INIT;
    sqlite.path = fixture_path("jobs.db");
    sqlite.connection = own;
    ck_ok(taskq_sqlite_open(&sqlite, &fx.store, &fx.err));
    options.store = fx.store;
    ck_ok(taskq_scheduler_open(&options, &fx.scheduler, &fx.err));
}

static void close_on_it(void)
{
    taskq_scheduler_close(fx.scheduler);
    taskq_store_close(fx.store);
    fx.scheduler = NULL;
    fx.store = NULL;
}

static void setup(void)
{
    fixture_setup_plain();
    close_on_it();
    ck_assert_int_eq(sqlite3_open(fixture_path("jobs.db"), &own), SQLITE_OK);
    host_run(own, "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; CREATE TABLE people (id INTEGER PRIMARY KEY);"
                  "CREATE TABLE orders (id INTEGER, buyer INTEGER REFERENCES people (id))");
    ck_assert_int_eq(sqlite3_prepare_v2(own, "COMMIT", -1, &kept, NULL), SQLITE_OK);
    open_on_it();
}

static void teardown(void)
{
    close_on_it();
    sqlite3_finalize(kept);
    ck_assert_int_eq(sqlite3_close(own), SQLITE_OK);
    fixture_teardown();
}

START_TEST(the_host_borrows_its_own_connection)
{
    ck_assert_ptr_eq(host_begin(), own);
    host_run(own, "INSERT INTO orders VALUES (1, NULL)");
    ck_assert_int_eq(host_try(own, "INSERT INTO orders VALUES (2, 99)"), SQLITE_CONSTRAINT);
    int64_t id = host_enqueue("mail");
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    ck_assert_int_eq(host_orders(), 1);
    ck_assert_int_eq(claim("default", "mail", NULL), id);
}
END_TEST

START_TEST(what_the_hosts_own_constraints_refuse_at_the_commit_takes_the_jobs_along)
{
    (void)host_begin();
    host_run(own, "PRAGMA defer_foreign_keys = ON; INSERT INTO orders VALUES (1, 99)");
    (void)host_enqueue("mail");
    ck_assert_int_eq(taskq_sqlite_commit(fx.store, &fx.err), TASKQ_EINVAL);
    ck_assert_ptr_nonnull(strstr(fx.err.text, "FOREIGN KEY"));
    ck_assert_int_eq(host_orders(), 0);
    ck_assert_int_eq(host_queued(), 0);
    ck_assert_int_eq(enqueue("default", "mail"), 1);
}
END_TEST

START_TEST(a_commit_that_was_prepared_before_is_refused_in_it)
{
    (void)host_begin();
    host_run(own, "INSERT INTO orders VALUES (1, NULL)");
    ck_assert_int_eq(sqlite3_step(kept), SQLITE_AUTH);
    ck_assert_int_eq(host_try(own, "PRAGMA wal_checkpoint"), SQLITE_AUTH);
    ck_ok(taskq_sqlite_rollback(fx.store, &fx.err));
    ck_assert_int_eq(host_orders(), 0);
}
END_TEST

START_TEST(a_transaction_beside_the_rule_is_neither_used_nor_rolled_back)
{
    taskq_new_job job = new_job("default", "mail");
    const taskq_new_job *jobs[] = {&job};
    sqlite3 *db = NULL;
    host_run(own, "BEGIN; INSERT INTO orders VALUES (1, NULL)");
    ck_assert_int_eq(taskq_scheduler_enqueue(fx.scheduler, jobs, 1, NULL, NULL, NULL, &fx.err), TASKQ_EBUSY);
    ck_assert_ptr_nonnull(strstr(fx.err.text, "has a transaction open"));
    ck_assert_int_eq(taskq_sqlite_begin(fx.store, &db, &fx.err), TASKQ_EBUSY);
    ck_assert_int_eq(taskq_scheduler_ping(fx.scheduler, &fx.err), TASKQ_OK);
    ck_assert(!sqlite3_get_autocommit(own));
    host_run(own, "COMMIT");
    ck_assert_int_eq(host_orders(), 1);
    ck_assert_int_eq(enqueue("default", "mail"), 1);
}
END_TEST

START_TEST(the_connection_comes_back_as_it_was)
{
    (void)host_begin();
    (void)host_enqueue("mail");
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    close_on_it();
    host_run(own, "BEGIN; INSERT INTO orders VALUES (1, NULL)");
    ck_assert_int_eq(sqlite3_step(kept), SQLITE_DONE);
    ck_assert_int_eq(sqlite3_reset(kept), SQLITE_OK);
    host_run(own, "PRAGMA wal_checkpoint(TRUNCATE); ATTACH ':memory:' AS other; DETACH other");
    open_on_it();
    ck_assert_int_eq(claim("default", "mail", NULL), 1);
}
END_TEST

/* Other prefixes than the usual one: what is ours is known by it. */
static void assert_guards(const char *prefix, const char *ours, const char *others)
{
    taskq_sqlite_options sqlite = TASKQ_SQLITE_OPTIONS_INIT;
    taskq_scheduler_options options = TASKQ_SCHEDULER_OPTIONS_INIT;
    close_on_it();
    sqlite.path = fixture_path("jobs.db");
    sqlite.connection = own;
    sqlite.table_prefix = prefix;
    ck_ok(taskq_sqlite_open(&sqlite, &fx.store, &fx.err));
    options.store = fx.store;
    ck_ok(taskq_scheduler_open(&options, &fx.scheduler, &fx.err));
    (void)host_begin();
    (void)host_enqueue("mail");
    ck_assert_int_eq(host_try(own, ours), SQLITE_AUTH);
    host_run(own, others);
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    ck_assert_int_gt(claim("default", "mail", NULL), 0);
}

START_TEST(queues_of_several_names_live_in_one_file)
{
    assert_guards("shop_", "DELETE FROM Shop_Jobs", "DELETE FROM taskq_jobs; DELETE FROM orders");
    assert_guards("", "DELETE FROM jobs", "DELETE FROM shop_jobs");
    ck_assert_int_eq(host_ask("SELECT count(*) FROM jobs"), 1);
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, the_host_borrows_its_own_connection,
                 what_the_hosts_own_constraints_refuse_at_the_commit_takes_the_jobs_along,
                 a_commit_that_was_prepared_before_is_refused_in_it,
                 a_transaction_beside_the_rule_is_neither_used_nor_rolled_back, the_connection_comes_back_as_it_was,
                 queues_of_several_names_live_in_one_file)
