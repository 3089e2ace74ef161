/* SPDX-License-Identifier: MIT */
/* The process is killed between any two steps of a host's transaction: its rows and the jobs agree nevertheless. */
#include "support/check_main.h"
#include "support/killed.h"

#include <sqlite3.h>
#include <unistd.h>

#include <taskq/sqlite.h>

#include "fixture.h"
#include "host.h"

/* ---- the child ----------------------------------------------------------------------------------------------------- */

/* A job that runs becomes an order, and an order that is made wants a mail: one transaction. */
enum { BEGUN, ORDERED, ENQUEUED, COMPLETED, ORDERED_MORE, ENDED, CLOSED, STEPS };

typedef struct plan {
    bool commits, checkpoints;
} plan;

static void live(void *user)
{
    const plan *how = user;
    fixture_reopen();
    int64_t version, id = claim("default", "order", &version);
    sqlite3 *db = host_begin();
    killed_step(BEGUN);
    host_run(db, "INSERT INTO orders VALUES (1)");
    killed_step(ORDERED);
    (void)host_enqueue("mail");
    killed_step(ENQUEUED);
    taskq_report report = TASKQ_REPORT_INIT;
    report.id = id;
    report.version = version;
    report.succeeded = true;
    ck_ok(taskq_sqlite_complete(fx.store, &report, &fx.err));
    killed_step(COMPLETED);
    host_run(db, "INSERT INTO orders VALUES (2)");
    killed_step(ORDERED_MORE);
    ck_ok(how->commits ? taskq_sqlite_commit(fx.store, &fx.err) : taskq_sqlite_rollback(fx.store, &fx.err));
    killed_step(ENDED);
    if (how->checkpoints) { /* the log is copied back when the last connection closes */
        taskq_scheduler_close(fx.scheduler);
        taskq_store_close(fx.store);
    }
    killed_step(CLOSED);
}

static void close_parts(void)
{
    taskq_scheduler_close(fx.scheduler);
    taskq_store_close(fx.store);
    fx.scheduler = NULL;
    fx.store = NULL;
}

static void die_after(int which, bool commits)
{
    plan how = {commits, which == CLOSED};
    close_parts(); /* a fork has none of our threads and must have none of our locks */
    killed_after(which, live, &how);
    fixture_reopen();
}

/* Both orders, the mail and the end of the job; or none of them, and the job still runs. */
static void assert_whole(bool happened)
{
    ck_assert_int_eq(host_orders(), happened ? 2 : 0);
    ck_assert_int_eq(host_ask("SELECT count(*) FROM taskq_jobs WHERE type = 'mail'"), happened);
    ck_assert_int_eq(state_of(1), happened ? TASKQ_STATE_SUCCEEDED : TASKQ_STATE_RUNNING);
    ck_assert_int_eq(host_queued(), happened);
    ck_assert_int_eq(host_ask("SELECT sum(n) FROM taskq_counters"), happened ? 2 : 1);
    ck_assert_int_eq(enqueue("default", "next"), happened ? 3 : 2);
}

START_TEST(a_kill_before_the_commit_leaves_nothing)
{
    (void)enqueue("default", "order");
    die_after(_i, true);
    assert_whole(false);
}
END_TEST

START_TEST(a_kill_after_the_commit_leaves_everything)
{
    (void)enqueue("default", "order");
    die_after(ENDED + _i, true);
    assert_whole(true);
}
END_TEST

START_TEST(a_kill_around_a_rollback_leaves_nothing)
{
    (void)enqueue("default", "order");
    die_after(_i, false);
    assert_whole(false);
}
END_TEST

/* ---- at any moment, in the middle of a step too ------------------------------------------------------------------------ */

static void transact_for_ever(int out)
{
    fixture_reopen();
    for (int64_t i = 1;; i++) {
        sqlite3 *db = host_begin();
        host_run(db, "INSERT INTO orders VALUES (1)");
        (void)host_enqueue("mail");
        bool commits = i % 4 != 0;
        ck_ok(commits ? taskq_sqlite_commit(fx.store, &fx.err) : taskq_sqlite_rollback(fx.store, &fx.err));
        if (commits && write(out, "+", 1) != 1) {
            _exit(1);
        }
    }
}

START_TEST(a_kill_at_any_moment_leaves_as_many_orders_as_mails)
{
    int64_t told = 0;
    for (int round = 0; round < 10; round++) {
        close_parts();
        told += killed_while(transact_for_ever, 5 * round);
        fixture_reopen();
        int64_t orders = host_orders();
        ck_assert_int_eq(host_queued(), orders);
        ck_assert_int_ge(orders, told);
        ck_assert_int_le(orders, told + 1 + round);
    }
}
END_TEST

TASKQ_TESTS_LOOPED(host_setup, fixture_teardown, {a_kill_before_the_commit_leaves_nothing, ENDED},
                   {a_kill_after_the_commit_leaves_everything, STEPS - ENDED},
                   {a_kill_around_a_rollback_leaves_nothing, STEPS},
                   {a_kill_at_any_moment_leaves_as_many_orders_as_mails, 1})
