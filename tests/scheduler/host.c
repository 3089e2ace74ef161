/* SPDX-License-Identifier: MIT */
/*
 * The host of the tests about transactions. What it asks about, it asks by a connection that only reads, which is what any
 * other reader would see.
 */
#include "host.h"

#include <check.h>
#include <sqlite3.h>

#include <taskq/sqlite.h>

#include "fixture.h"

void host_setup(void)
{
    fixture_setup_plain();
    sqlite3 *db = host_begin();
    host_run(db, "CREATE TABLE IF NOT EXISTS orders (id INTEGER)");
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
}

sqlite3 *host_begin(void)
{
    sqlite3 *db = NULL;
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_status status = taskq_sqlite_begin(fx.store, &db, &err);
    ck_assert_msg(status == TASKQ_OK, "%s: %s", taskq_status_name(status), err.text);
    return db;
}

int host_try(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

void host_run(sqlite3 *db, const char *sql)
{
    ck_assert_msg(host_try(db, sql) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
}

int64_t host_enqueue(const char *type)
{
    taskq_new_job job = new_job("default", type);
    const taskq_new_job *jobs[] = {&job};
    taskq_jobs *list = NULL;
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_status status = taskq_sqlite_enqueue(fx.store, jobs, 1, NULL, &list, NULL, &err);
    ck_assert_msg(status == TASKQ_OK, "%s: %s", taskq_status_name(status), err.text);
    int64_t id = taskq_jobs_at(list, 0)->id;
    taskq_jobs_free(list);
    return id;
}

int64_t host_ask(const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    ck_assert_int_eq(sqlite3_open_v2(fixture_path("jobs.db"), &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

int64_t host_orders(void)
{
    return host_ask("SELECT count(*) FROM orders");
}

int64_t host_queued(void)
{
    int64_t jobs = host_ask("SELECT count(*) FROM taskq_jobs WHERE state = 1");
    ck_assert_int_eq(host_ask("SELECT coalesce(sum(n), 0) FROM taskq_counters WHERE state = 1"), jobs);
    return jobs;
}
