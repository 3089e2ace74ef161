/* SPDX-License-Identifier: MIT */
/* The process is killed between any two steps of a host's transaction: its rows and the jobs agree nevertheless. */
#include "support/check_main.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <taskq/sqlite.h>

#include "fixture.h"
#include "host.h"

/* ---- the child: goes on until the step after which it is to be killed, tells so, and waits for it ------------------------ */

static int kill_after, tell;

static void step(int which)
{
    if (which == kill_after) {
        char done = '.';
        (void)!write(tell, &done, 1);
        for (;;) {
            (void)pause();
        }
    }
}

/* A job that runs becomes an order, and an order that is made wants a mail: one transaction. */
enum { BEGUN, ORDERED, ENQUEUED, COMPLETED, ORDERED_MORE, ENDED, CLOSED, STEPS };

static void live(bool commits, bool checkpoints)
{
    int64_t version, id = claim("default", "order", &version);
    sqlite3 *db = host_begin();
    step(BEGUN);
    host_run(db, "INSERT INTO orders VALUES (1)");
    step(ORDERED);
    (void)host_enqueue("mail");
    step(ENQUEUED);
    taskq_report report = TASKQ_REPORT_INIT;
    report.id = id;
    report.version = version;
    report.succeeded = true;
    ck_ok(taskq_sqlite_complete(fx.store, &report, &fx.err));
    step(COMPLETED);
    host_run(db, "INSERT INTO orders VALUES (2)");
    step(ORDERED_MORE);
    ck_ok(commits ? taskq_sqlite_commit(fx.store, &fx.err) : taskq_sqlite_rollback(fx.store, &fx.err));
    step(ENDED);
    if (checkpoints) { /* the log is copied back when the last connection closes */
        taskq_scheduler_close(fx.scheduler);
        taskq_store_close(fx.store);
    }
    step(CLOSED);
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
    int ends[2];
    char done;
    close_parts(); /* a fork has none of our threads and must have none of our locks */
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        kill_after = which;
        tell = ends[1];
        fixture_reopen();
        live(commits, which == CLOSED);
        _exit(1);
    }
    (void)close(ends[1]);
    ck_assert_int_eq(read(ends[0], &done, 1), 1);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    (void)close(ends[0]);
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
        int ends[2];
        char some[64];
        close_parts();
        ck_assert_int_eq(pipe(ends), 0);
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            fixture_reopen();
            transact_for_ever(ends[1]);
        }
        (void)close(ends[1]);
        ck_assert_int_eq(read(ends[0], some, 1), 1);
        told++;
        for (int i = 0; i < 5 * round; i++) {
            ssize_t got = read(ends[0], some, sizeof(some));
            ck_assert_int_gt(got, 0);
            told += got;
        }
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        for (ssize_t got; (got = read(ends[0], some, sizeof(some))) > 0;) {
            told += got;
        }
        (void)close(ends[0]);
        fixture_reopen();
        int64_t orders = host_orders();
        ck_assert_int_eq(host_queued(), orders);
        ck_assert_int_ge(orders, told);
        ck_assert_int_le(orders, told + 1 + round);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create(__FILE__);
    const struct {
        const TTest *test;
        int count;
    } tests[] = {
        {a_kill_before_the_commit_leaves_nothing, ENDED},
        {a_kill_after_the_commit_leaves_everything, STEPS - ENDED},
        {a_kill_around_a_rollback_leaves_nothing, STEPS},
        {a_kill_at_any_moment_leaves_as_many_orders_as_mails, 1},
    };
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        TCase *one = tcase_create(tests[i].test->name);
        tcase_set_timeout(one, TASKQ_TESTS_TIMEOUT_SECONDS);
        tcase_add_checked_fixture(one, host_setup, fixture_teardown);
        tcase_add_loop_test(one, tests[i].test, 0, tests[i].count);
        suite_add_tcase(suite, one);
    }
    return taskq_check_run(suite);
}
