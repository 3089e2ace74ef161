/* SPDX-License-Identifier: MIT */
/* The process is killed between any two steps of a host's transaction: its rows and the jobs agree nevertheless. */
#include "pghost.h"
#include "support/killed.h"

#include <unistd.h>

static int64_t job_id, job_version;

static void setup(void)
{
    place_setup();
    taskq_store *store = place_open();
    host_make_orders();
    job_id = running_job(store, &job_version);
    taskq_store_close(store);
}

/* ---- the child ----------------------------------------------------------------------------------------------------- */

/* A job that runs becomes an order, and an order that is made wants a mail: one transaction. */
enum { BEGUN, ORDERED, ENQUEUED, ORDERED_MORE, COMPLETED, ENDED, STEPS };

static void live(void *user)
{
    const bool *commits = user;
    pghost host;
    host_open(&host);
    host_run(&host, "BEGIN");
    killed_step(BEGUN);
    host_run(&host, "INSERT INTO @orders VALUES (1)");
    killed_step(ORDERED);
    ck_ok(host_enqueue(&host, "key", "again", NULL, NULL));
    killed_step(ENQUEUED);
    host_run(&host, "INSERT INTO @orders VALUES (2)");
    killed_step(ORDERED_MORE);
    ck_ok(host_complete(&host, job_id, job_version));
    killed_step(COMPLETED);
    host_run(&host, *commits ? "COMMIT" : "ROLLBACK");
    killed_step(ENDED);
}

/* The server has seen the child's end. */
static void await_end(void)
{
    place_await(0, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'a host'");
}

static void die_after(int which, bool commits)
{
    killed_after(which, live, &commits);
    await_end();
}

/* Both orders, the mail and the end of the job; or none of them, and the job still runs. */
static void assert_whole(bool happened)
{
    ck_assert_int_eq(count_orders(), happened ? 2 : 0);
    ck_assert_int_eq(count_jobs(), happened ? 2 : 1);
    ck_assert_int_eq(place_number("SELECT count(*) FROM @jobs WHERE type = 'mail'"), happened);
    ck_assert_int_eq(place_number("SELECT count(*) FROM @keys"), happened);
    ck_assert_int_eq(place_number("SELECT count(*) FROM @attempts"), happened);
    ck_assert_int_eq(place_number("SELECT state FROM @jobs WHERE id = %lld", (long long)job_id),
                     happened ? TASKQ_STATE_SUCCEEDED : TASKQ_STATE_RUNNING);
}

START_TEST(a_kill_before_the_commit_leaves_nothing)
{
    die_after(_i, true);
    assert_whole(false);
}
END_TEST

START_TEST(a_kill_after_the_commit_leaves_everything)
{
    die_after(ENDED, true);
    assert_whole(true);
}
END_TEST

START_TEST(a_kill_around_a_rollback_leaves_nothing)
{
    die_after(_i, false);
    assert_whole(false);
}
END_TEST

/* Who does not know whether it was done does it again. */
START_TEST(what_a_killed_process_may_have_done_is_done_once_by_the_next)
{
    pghost host;
    bool made = false, committed = _i == ENDED;
    die_after(_i, true);
    host_open(&host);
    host_run(&host, "BEGIN");
    host_run(&host, "INSERT INTO @orders VALUES (1)");
    ck_ok(host_enqueue(&host, "key", "again", NULL, &made));
    host_run(&host, "INSERT INTO @orders VALUES (2)");
    taskq_status status = host_complete(&host, job_id, job_version);
    ck_assert_int_eq(status, committed ? TASKQ_EEXISTS : TASKQ_OK);
    host_run(&host, status == TASKQ_OK ? "COMMIT" : "ROLLBACK");
    host_close(&host);
    assert_whole(true);
}
END_TEST

/* ---- at any moment, in the middle of a step too ------------------------------------------------------------------------ */

static void transact_for_ever(int out)
{
    pghost host;
    host_open(&host);
    for (int64_t i = 1;; i++) {
        host_run(&host, "BEGIN");
        host_run(&host, "INSERT INTO @orders VALUES (1)");
        ck_ok(host_enqueue(&host, NULL, NULL, NULL, NULL));
        bool commits = i % 4 != 0;
        host_run(&host, commits ? "COMMIT" : "ROLLBACK");
        if (commits && write(out, "+", 1) != 1) {
            _exit(1);
        }
    }
}

START_TEST(a_kill_at_any_moment_leaves_as_many_orders_as_mails)
{
    enum { ROUNDS = 10 };
    int64_t told = 0;
    for (int round = 0; round < ROUNDS; round++) {
        told += killed_while(transact_for_ever, 5 * round);
        await_end();
        int64_t orders = count_orders();
        ck_assert_int_eq(count_jobs(), orders + 1); /* and the one that was there before */
        ck_assert_int_ge(orders, told);
        ck_assert_int_le(orders, told + 1 + round);
    }
}
END_TEST

TASKQ_TESTS_LOOPED(setup, place_teardown, {a_kill_before_the_commit_leaves_nothing, ENDED},
                   {a_kill_after_the_commit_leaves_everything, 1}, {a_kill_around_a_rollback_leaves_nothing, STEPS},
                   {what_a_killed_process_may_have_done_is_done_once_by_the_next, STEPS},
                   {a_kill_at_any_moment_leaves_as_many_orders_as_mails, 1})
