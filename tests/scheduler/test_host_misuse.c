/* SPDX-License-Identifier: MIT */
/* What a host may get wrong about its transaction: each time it is told so at once, and nothing is damaged or hangs. */
#include "support/check_main.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <taskq/sqlite.h>

#include "fixture.h"
#include "host.h"
#include "store/sqlite/db.h"

/* All that needs a transaction of this thread's. */
static void assert_none_is_mine(const char *words)
{
    taskq_new_job job = new_job("default", "mail");
    const taskq_new_job *jobs[] = {&job};
    taskq_report report = TASKQ_REPORT_INIT;
    report.id = report.version = 1;
    ck_assert_int_eq(taskq_sqlite_commit(fx.store, &fx.err), TASKQ_EINVAL);
    ck_assert_ptr_nonnull(strstr(fx.err.text, words));
    ck_assert_int_eq(taskq_sqlite_rollback(fx.store, &fx.err), TASKQ_EINVAL);
    ck_assert_int_eq(taskq_sqlite_enqueue(fx.store, jobs, 1, NULL, NULL, NULL, &fx.err), TASKQ_EINVAL);
    ck_assert_int_eq(taskq_sqlite_complete(fx.store, &report, &fx.err), TASKQ_EINVAL);
    ck_assert_ptr_nonnull(strstr(fx.err.text, words));
}

START_TEST(nothing_goes_on_without_a_begin)
{
    assert_none_is_mine("taskq_sqlite_begin comes first");
    (void)host_begin();
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    assert_none_is_mine("taskq_sqlite_begin comes first");
}
END_TEST

START_TEST(a_second_begin_is_refused_and_the_first_goes_on)
{
    sqlite3 *db = host_begin(), *other = NULL;
    ck_assert_int_eq(taskq_sqlite_begin(fx.store, &other, &fx.err), TASKQ_EINVAL);
    ck_assert_ptr_nonnull(strstr(fx.err.text, "this thread"));
    ck_assert_ptr_null(other);
    host_run(db, "INSERT INTO orders VALUES (1)");
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    ck_assert_int_eq(host_orders(), 1);
}
END_TEST

static void *try_from_elsewhere(void *user)
{
    (void)user;
    assert_none_is_mine("another thread's");
    return NULL;
}

START_TEST(another_threads_transaction_is_left_alone)
{
    pthread_t thread;
    (void)host_begin();
    (void)host_enqueue("mail");
    ck_assert_int_eq(pthread_create(&thread, NULL, try_from_elsewhere, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    ck_assert_int_eq(host_queued(), 1);
}
END_TEST

START_TEST(the_scheduler_refuses_the_thread_that_would_wait_for_itself)
{
    taskq_new_job job = new_job("default", "mail");
    const taskq_new_job *jobs[] = {&job};
    taskq_jobs *list = NULL;
    taskq_claim_options options = claim_of(&(taskq_text){"default", 7}, NULL, 60000);
    (void)host_begin();
    ck_assert_int_eq(taskq_scheduler_enqueue(fx.scheduler, jobs, 1, NULL, NULL, NULL, &fx.err), TASKQ_EINVAL);
    ck_assert_int_eq(taskq_scheduler_claim(fx.scheduler, &options, &list, &fx.err), TASKQ_EINVAL);
    ck_assert_int_eq(taskq_scheduler_sweep(fx.scheduler, NULL, &fx.err), TASKQ_EINVAL);
    ck_assert_int_eq(taskq_scheduler_cancel(fx.scheduler, 1, NULL, &fx.err), TASKQ_EINVAL);
    ck_assert_ptr_nonnull(strstr(fx.err.text, "this thread has a transaction"));
    ck_assert_int_eq(taskq_scheduler_get(fx.scheduler, 1, &list, &fx.err), TASKQ_ENOTFOUND);
    ck_assert_int_eq(taskq_scheduler_ping(fx.scheduler, &fx.err), TASKQ_OK);
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
}
END_TEST

START_TEST(a_store_without_a_scheduler_lends_nothing)
{
    sqlite3 *db = NULL;
    taskq_store *store = NULL;
    taskq_scheduler *second = NULL;
    taskq_sqlite_options options = TASKQ_SQLITE_OPTIONS_INIT;
    taskq_scheduler_options on_it = TASKQ_SCHEDULER_OPTIONS_INIT;
    options.path = fixture_path("other.db");
    ck_ok(taskq_sqlite_open(&options, &store, &fx.err));
    ck_assert_int_eq(taskq_sqlite_begin(store, &db, &fx.err), TASKQ_EINVAL);
    ck_assert_ptr_nonnull(strstr(fx.err.text, "no scheduler is open"));
    ck_assert_int_eq(taskq_sqlite_begin(NULL, &db, &fx.err), TASKQ_EINVAL);
    ck_assert_int_eq(taskq_sqlite_begin(fx.store, NULL, &fx.err), TASKQ_EINVAL);
    taskq_store_close(store);
    on_it.store = fx.store;
    ck_assert_int_eq(taskq_scheduler_open(&on_it, &second, &fx.err), TASKQ_EBUSY);
}
END_TEST

START_TEST(what_would_end_the_transaction_or_touch_the_log_is_not_authorized)
{
    static const char *const refused[] = {
        "COMMIT",
        "END",
        "ROLLBACK",
        "BEGIN",
        "PRAGMA wal_checkpoint",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA wal_autocheckpoint = 1",
        "PRAGMA synchronous = OFF",
        "PRAGMA locking_mode = EXCLUSIVE",
        "PRAGMA query_only = ON",
        "PRAGMA incremental_vacuum",
        "PRAGMA optimize",
        "ATTACH 'x.db' AS x",
        "DETACH main",
        "PRAGMA writable_schema = ON",
        "DELETE FROM taskq_jobs",
        "UPDATE TASKQ_jobs SET state = 5",
        "INSERT INTO taskq_queues (name) VALUES ('x')",
        "DROP TABLE taskq_meta",
        "ALTER TABLE taskq_jobs ADD COLUMN mine",
        "CREATE INDEX mine ON taskq_jobs (type)",
        "CREATE TRIGGER t AFTER INSERT ON taskq_jobs BEGIN DELETE FROM orders; END",
        "ANALYZE",
        "CREATE TRIGGER t AFTER INSERT ON orders BEGIN DELETE FROM taskq_jobs; END; INSERT INTO orders VALUES (1)",
    };
    sqlite3 *db = host_begin();
    (void)host_enqueue("mail");
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        ck_assert_msg(host_try(db, refused[i]) == SQLITE_AUTH, "%s: %s", refused[i], sqlite3_errmsg(db));
    }
    ck_assert_int_eq(sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL), SQLITE_LOCKED);
    host_run(db,
             "DROP TRIGGER t; INSERT INTO orders VALUES (1); SAVEPOINT a; DELETE FROM orders; ROLLBACK TO a; RELEASE a;"
             "CREATE TABLE lines (id INTEGER PRIMARY KEY, n); CREATE INDEX lines_n ON lines (n); ANALYZE lines;"
             "PRAGMA user_version = 7; PRAGMA table_info(orders); SELECT count(*) FROM taskq_jobs;"
             "PRAGMA synchronous");
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    ck_assert_int_eq(host_orders(), 1);
    ck_assert_int_eq(host_queued(), 1);
    ck_assert_int_eq(claim("default", "mail", NULL), 1);
}
END_TEST

START_TEST(every_table_of_ours_is_known_to_the_guard)
{
    taskq__db *db = taskq__db_of(fx.store);
    sqlite3_stmt *stmt = NULL;
    int count = 0;
    ck_assert_int_eq(sqlite3_prepare_v2(db->writer.sqlite,
                                        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'taskq%'",
                                        -1, &stmt, NULL),
                     SQLITE_OK);
    char sql[160];
    sqlite3 *lent = host_begin();
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        (void)snprintf(sql, sizeof(sql), "DELETE FROM %s", (const char *)sqlite3_column_text(stmt, 0));
        ck_assert_msg(host_try(lent, sql) == SQLITE_AUTH, "%s", sql);
        count++;
    }
    sqlite3_finalize(stmt);
    ck_assert_int_gt(count, 5);
    ck_ok(taskq_sqlite_rollback(fx.store, &fx.err));
}
END_TEST

START_TEST(a_statement_that_is_left_running_keeps_nothing_open)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3 *db = host_begin();
    host_run(db, "INSERT INTO orders VALUES (1), (2), (3)");
    ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT id FROM orders", -1, &stmt, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    ck_assert(!sqlite3_stmt_busy(stmt));
    db = host_begin();
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
    ck_ok(taskq_sqlite_rollback(fx.store, &fx.err));
    ck_assert(!sqlite3_stmt_busy(stmt));
    ck_assert_int_eq(enqueue("default", "mail"), 1);
    /* Finalized too late: it costs the host some memory until then, nobody anything else. */
    fixture_reopen();
    sqlite3_finalize(stmt);
    ck_assert_int_eq(host_orders(), 3);
}
END_TEST

/* The file may not grow any more: SQLite says that it is full. */
static void limit_pages(const char *to)
{
    char sql[64];
    (void)snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %s", to);
    host_run(taskq__db_of(fx.store)->writer.sqlite, sql);
}

static taskq_status enqueue_large(void)
{
    size_t size = 1 << 20;
    char *payload = malloc(size);
    memset(payload, '1', size);
    taskq_new_job job = new_job("default", "mail");
    const taskq_new_job *jobs[] = {&job};
    job.payload = (taskq_text){payload, size};
    taskq_status status = taskq_sqlite_enqueue(fx.store, jobs, 1, NULL, NULL, NULL, &fx.err);
    free(payload);
    return status;
}

START_TEST(after_a_statement_has_failed_nothing_holds)
{
    taskq_new_job job = new_job("default", "mail");
    const taskq_new_job *jobs[] = {&job};
    sqlite3_stmt *stmt = NULL;
    limit_pages("60");
    sqlite3 *db = host_begin();
    ck_assert_int_eq(sqlite3_prepare_v2(db, "INSERT INTO orders VALUES (1)", -1, &stmt, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_DONE);
    sqlite3_reset(stmt);
    (void)host_enqueue("mail");
    ck_assert_int_eq(enqueue_large(), TASKQ_EUNAVAIL);
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_AUTH);
    sqlite3_finalize(stmt);
    ck_assert_int_eq(host_try(db, "INSERT INTO orders VALUES (2)"), SQLITE_AUTH);
    ck_assert_int_eq(taskq_sqlite_enqueue(fx.store, jobs, 1, NULL, NULL, NULL, &fx.err), TASKQ_EUNAVAIL);
    ck_assert_int_eq(taskq_sqlite_commit(fx.store, &fx.err), TASKQ_EUNAVAIL);
    ck_assert_ptr_nonnull(strstr(fx.err.text, "full"));
    assert_none_is_mine("taskq_sqlite_begin comes first");
    ck_assert_int_eq(host_orders(), 0);
    ck_assert_int_eq(host_queued(), 0);
    limit_pages("1000000");
    ck_assert_int_eq(enqueue("default", "mail"), 1);
}
END_TEST

START_TEST(a_statement_of_the_hosts_that_ends_the_transaction_is_noticed)
{
    sqlite3 *db = host_begin();
    (void)host_enqueue("mail");
    host_run(db, "CREATE TABLE one (id INTEGER PRIMARY KEY); INSERT INTO one VALUES (1)");
    ck_assert_int_eq(host_try(db, "INSERT OR ROLLBACK INTO one VALUES (1)"), SQLITE_CONSTRAINT_PRIMARYKEY);
    ck_assert_int_eq(taskq_sqlite_commit(fx.store, &fx.err), TASKQ_EINVAL);
    ck_assert_ptr_nonnull(strstr(fx.err.text, "other means"));
    ck_assert_int_eq(host_queued(), 0);
    ck_assert_int_eq(enqueue("default", "mail"), 1);
}
END_TEST

START_TEST(a_scheduler_that_is_closed_by_the_holder_rolls_back)
{
    sqlite3 *db = host_begin();
    host_run(db, "INSERT INTO orders VALUES (1)");
    (void)host_enqueue("mail");
    fixture_reopen();
    ck_assert_int_eq(host_orders(), 0);
    ck_assert_int_eq(host_queued(), 0);
    assert_none_is_mine("taskq_sqlite_begin comes first");
}
END_TEST

static void *close_scheduler(void *user)
{
    taskq_scheduler_close(user);
    return NULL;
}

START_TEST(a_scheduler_that_is_closed_by_another_thread_waits_for_the_commit)
{
    pthread_t thread;
    sqlite3 *db = host_begin(), *again = NULL;
    (void)host_enqueue("mail");
    taskq_scheduler_shut(fx.scheduler);
    ck_assert_int_eq(pthread_create(&thread, NULL, close_scheduler, fx.scheduler), 0);
    host_run(db, "INSERT INTO orders VALUES (1)");
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    fx.scheduler = NULL;
    ck_assert_int_eq(taskq_sqlite_begin(fx.store, &again, &fx.err), TASKQ_EINVAL);
    ck_assert_int_eq(host_orders(), 1);
    ck_assert_int_eq(host_queued(), 1);
}
END_TEST

START_TEST(nobody_begins_once_it_is_shut)
{
    sqlite3 *db = NULL;
    taskq_scheduler_shut(fx.scheduler);
    ck_assert_int_eq(taskq_sqlite_begin(fx.store, &db, &fx.err), TASKQ_ECANCELED);
}
END_TEST

TASKQ_TESTS_WITH(host_setup, fixture_teardown, nothing_goes_on_without_a_begin,
                 a_second_begin_is_refused_and_the_first_goes_on, another_threads_transaction_is_left_alone,
                 the_scheduler_refuses_the_thread_that_would_wait_for_itself, a_store_without_a_scheduler_lends_nothing,
                 what_would_end_the_transaction_or_touch_the_log_is_not_authorized,
                 every_table_of_ours_is_known_to_the_guard, a_statement_that_is_left_running_keeps_nothing_open,
                 after_a_statement_has_failed_nothing_holds,
                 a_statement_of_the_hosts_that_ends_the_transaction_is_noticed,
                 a_scheduler_that_is_closed_by_the_holder_rolls_back,
                 a_scheduler_that_is_closed_by_another_thread_waits_for_the_commit, nobody_begins_once_it_is_shut)
