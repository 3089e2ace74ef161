/* SPDX-License-Identifier: MIT */
/*
 * A producer in another process, in a transaction of its own on the scheduler's file. The public call works with SQLite 3.51.3 or
 * later alone, and which one is there is not ours to choose: what it does is tested on any, and the call itself for what
 * it must do with the one that is there.
 */
#include "support/check_main.h"

#include <sqlite3.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <taskq/sqlite.h>

#include "fixture.h"
#include "host.h"
#include "scheduler/scheduler.h"
#include "store/sqlite/beside.h"

static sqlite3 *connect_and_begin(const char *path)
{
    sqlite3 *db = NULL;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 60000);
    host_run(db, "BEGIN IMMEDIATE; INSERT INTO orders VALUES (1)");
    return db;
}

static taskq_status enqueue_beside(sqlite3 *db, const taskq_new_job *job, taskq_error *err)
{
    taskq_jobs *list = NULL;
    int64_t version = 0;
    const taskq__beside what = {&job, 1, NULL, &list, NULL};
    taskq_status status = taskq__beside_look(db, "taskq_", &version, err);
    ck_assert_msg(status == TASKQ_OK, "%s", err->text);
    ck_assert_int_eq(version, sqlite3_libversion_number());
    status = taskq__beside_enqueue(db, "taskq_", NULL, &what, err);
    taskq_jobs_free(list);
    return status;
}

/* ---- the other process: this program again, for a forked child's SQLite would take its parent's locks for its own ------- */

enum { WRITERS = 3, ROUNDS = 200 };

/* An order and its mail, then `end`, `rounds` times; every fifth of many is rolled back. No test runs here: nothing is asserted. */
static int produce(const char *path, const char *end, int rounds)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    const taskq_new_job *jobs[] = {&job};
    const taskq__beside what = {jobs, 1, NULL, NULL, NULL};
    taskq_sqlite_options options = TASKQ_SQLITE_OPTIONS_INIT;
    sqlite3 *db = NULL;
    job.type = TASKQ_TEXT("mail");
    options.path = path;
    bool good = sqlite3_open(path, &db) == SQLITE_OK && sqlite3_busy_timeout(db, 60000) == SQLITE_OK;
    for (int i = 1; good && i <= rounds; i++) {
        good = host_try(db, "BEGIN IMMEDIATE; INSERT INTO orders VALUES (1)") == SQLITE_OK;
        taskq_status status = rounds > 1 ? taskq_sqlite_enqueue_beside(db, &options, jobs, 1, NULL, NULL, NULL, NULL)
                                         : taskq__beside_enqueue(db, "taskq_", NULL, &what, NULL);
        good = good && status == TASKQ_OK && host_try(db, i % 5 == 0 ? "ROLLBACK" : end) == SQLITE_OK;
    }
    return sqlite3_close(db) == SQLITE_OK && good ? 0 : 1;
}

static pid_t start_producer(const char *what)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)execl("/proc/self/exe", "producer", what, fixture_path("jobs.db"), (char *)NULL);
        _exit(127);
    }
    return child;
}

static void await_producer(pid_t child)
{
    int ended = 0;
    ck_assert_int_eq(waitpid(child, &ended, 0), child);
    ck_assert(WIFEXITED(ended) && WEXITSTATUS(ended) == 0);
}

static void produce_elsewhere(const char *end)
{
    await_producer(start_producer(end));
}

START_TEST(an_order_and_its_mail_come_from_another_process)
{
    int64_t id = enqueue("default", "mail");
    produce_elsewhere("COMMIT");
    ck_assert_int_eq(host_orders(), 1);
    ck_assert_int_eq(host_queued(), 2);
    ck_assert_int_eq(claim("default", "mail", NULL), id);
    ck_assert_int_eq(claim("default", "mail", NULL), id + 1);
    ck_assert_int_eq(enqueue("default", "mail"), id + 2);
}
END_TEST

START_TEST(what_the_other_process_rolls_back_was_never_there)
{
    produce_elsewhere("ROLLBACK");
    ck_assert_int_eq(host_orders(), 0);
    ck_assert_int_eq(host_queued(), 0);
    ck_assert_int_eq(enqueue("default", "mail"), 1);
}
END_TEST

START_TEST(a_held_claim_hears_of_it_with_the_next_sweep)
{
    claimant other, one;
    claimant_init(&other, "default", "letter", 60000);
    claimant_start(&other);
    await_parked(1);
    claimant_init(&one, "default", "mail", 60000);
    claimant_start(&one);
    await_parked(2);
    ck_ok(taskq_scheduler_sweep(fx.scheduler, NULL, &fx.err));
    produce_elsewhere("COMMIT");
    ck_assert(!atomic_load(&one.ended));
    ck_ok(taskq_scheduler_sweep(fx.scheduler, NULL, &fx.err));
    claimant_join(&one);
    ck_assert_int_eq(one.id, 1);
    ck_assert(!atomic_load(&other.ended));
    taskq_scheduler_shut(fx.scheduler);
    claimant_join(&other);
}
END_TEST

START_TEST(a_sweep_without_news_wakes_nobody)
{
    claimant one;
    claimant_init(&one, "default", "mail", 60000);
    claimant_start(&one);
    await_parked(1);
    (void)enqueue("default", "letter");
    uint64_t ops = stats().ops;
    ck_ok(taskq_scheduler_sweep(fx.scheduler, NULL, &fx.err));
    ck_ok(taskq_scheduler_sweep(fx.scheduler, NULL, &fx.err));
    ck_assert_uint_le(stats().ops, ops + 6); /* the sweep's own steps */
    ck_assert_uint_eq(stats().claimed, 0);
    taskq_scheduler_shut(fx.scheduler);
    claimant_join(&one);
}
END_TEST

START_TEST(a_refusal_leaves_the_other_processes_transaction_usable)
{
    taskq_new_job job = new_job("default", "mail");
    taskq_error err = TASKQ_ERROR_INIT;
    const taskq_new_job *jobs[] = {&job};
    taskq_enqueue_options options = TASKQ_ENQUEUE_OPTIONS_INIT;
    options.idempotency_key = TASKQ_TEXT("k");
    options.digest = 1;
    sqlite3 *db = connect_and_begin(fixture_path("jobs.db"));
    const taskq__beside what = {jobs, 1, &options, NULL, NULL};
    ck_assert_int_eq(taskq__beside_enqueue(db, "taskq_", NULL, &what, &err), TASKQ_OK);
    options.digest = 2;
    ck_assert_int_eq(taskq__beside_enqueue(db, "taskq_", NULL, &what, &err), TASKQ_EEXISTS);
    host_run(db, "COMMIT");
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    ck_assert_int_eq(host_queued(), 1);
}
END_TEST

START_TEST(a_statement_that_fails_leaves_no_half_of_a_job)
{
    taskq_new_job job = new_job("default", "mail");
    taskq_error err = TASKQ_ERROR_INIT;
    sqlite3 *db = connect_and_begin(fixture_path("jobs.db"));
    /* The job's row is written, its payload is not. */
    host_run(db, "CREATE TEMP TRIGGER no BEFORE INSERT ON main.taskq_payloads BEGIN SELECT RAISE(ABORT, 'no'); END");
    ck_assert_int_eq(enqueue_beside(db, &job, &err), TASKQ_EINVAL);
    host_run(db, "COMMIT");
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    ck_assert_int_eq(host_orders(), 1);
    ck_assert_int_eq(host_queued(), 0);
    ck_assert_int_eq(enqueue("default", "mail"), 1);
}
END_TEST

static void assert_refused(sqlite3 *db, taskq_status wanted, const char *words)
{
    int64_t version;
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_int_eq(taskq__beside_look(db, "taskq_", &version, &err), wanted);
    ck_assert_msg(strstr(err.text, words) != NULL, "%s", err.text);
}

START_TEST(a_connection_that_does_not_fit_is_refused)
{
    sqlite3 *db = connect_and_begin(fixture_path("jobs.db"));
    host_run(db, "COMMIT");
    assert_refused(db, TASKQ_EINVAL, "BEGIN IMMEDIATE comes first");
    host_run(db, "BEGIN IMMEDIATE; UPDATE taskq_meta SET value = 9 WHERE name = 'schema'");
    assert_refused(db, TASKQ_EINVAL, "version 9");
    host_run(db, "ROLLBACK");
    sqlite3_close(db);
    ck_assert_int_eq(sqlite3_open(fixture_path("other.db"), &db), SQLITE_OK);
    host_run(db, "CREATE TABLE orders (id); BEGIN IMMEDIATE");
    assert_refused(db, TASKQ_ENOTFOUND, "no table taskq_meta");
    sqlite3_close(db);
}
END_TEST

START_TEST(both_sides_must_run_on_a_sqlite_that_can_do_it)
{
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_int_eq(taskq__beside_check(3051003, 3051003, &err), TASKQ_OK);
    ck_assert_int_eq(taskq__beside_check(3052000, 3054001, &err), TASKQ_OK);
    ck_assert_int_eq(taskq__beside_check(3051002, 3051003, &err), TASKQ_EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "SQLite 3.51.2 is what this process runs on"));
    ck_assert_int_eq(taskq__beside_check(3051003, 3040001, &err), TASKQ_EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "SQLite 3.40.1 is what the store's scheduler runs on"));
    ck_assert_int_eq(taskq__beside_check(3051003, 0, &err), TASKQ_EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "does not tell"));
}
END_TEST

START_TEST(the_call_does_what_the_sqlite_that_is_there_allows)
{
    taskq_new_job job = new_job("default", "mail");
    const taskq_new_job *jobs[] = {&job};
    taskq_sqlite_options options = TASKQ_SQLITE_OPTIONS_INIT;
    options.path = fixture_path("jobs.db");
    uint32_t made = 7;
    bool can = sqlite3_libversion_number() >= 3051003;
    sqlite3 *db = connect_and_begin(fixture_path("jobs.db"));
    ck_assert_int_eq(taskq_sqlite_enqueue_beside(db, &options, NULL, 0, NULL, NULL, NULL, &fx.err), TASKQ_EINVAL);
    taskq_status status = taskq_sqlite_enqueue_beside(db, &options, jobs, 1, NULL, NULL, &made, &fx.err);
    ck_assert_int_eq(status, can ? TASKQ_OK : TASKQ_EINVAL);
    ck_assert_msg(can || strstr(fx.err.text, "before 3.51.3"), "%s", fx.err.text);
    host_run(db, "COMMIT");
    ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
    ck_assert_uint_eq(made, can ? 1 : 7);
    ck_assert_int_eq(host_queued(), can);
    ck_assert_int_eq(host_orders(), 1);
}
END_TEST

/* ---- with a SQLite that can do it alone ---------------------------------------------------------------------------------- */

START_TEST(several_processes_and_the_scheduler_write_side_by_side)
{
    pid_t children[WRITERS];
    int64_t claimed = 0, version = 0;
    for (int i = 0; i < WRITERS; i++) {
        children[i] = start_producer("many");
    }
    while (claimed < WRITERS * ROUNDS * 4 / 5) {
        int64_t id = claim("default", "mail", &version);
        if (id != 0) {
            ck_assert_int_eq(complete(id, version, true, NULL), TASKQ_OK);
            claimed++;
        }
        if (claimed % 100 == 0) {
            taskq__line_upkeep(fx.scheduler->line);
        }
    }
    for (int i = 0; i < WRITERS; i++) {
        await_producer(children[i]);
    }
    ck_assert_int_eq(host_orders(), claimed);
    ck_assert_int_eq(host_ask("SELECT count(*) FROM taskq_jobs WHERE state = 5"), claimed);
    ck_assert_int_eq(host_queued(), 0);
    ck_assert_int_eq(host_ask("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
}
END_TEST

int main(int argc, char **argv)
{
    if (argc == 3) {
        bool many = strcmp(argv[1], "many") == 0;
        return produce(argv[2], many ? "COMMIT" : argv[1], many ? ROUNDS : 1);
    }
    const TTest *const tests[] = {
        an_order_and_its_mail_come_from_another_process,
        what_the_other_process_rolls_back_was_never_there,
        a_held_claim_hears_of_it_with_the_next_sweep,
        a_sweep_without_news_wakes_nobody,
        a_refusal_leaves_the_other_processes_transaction_usable,
        a_statement_that_fails_leaves_no_half_of_a_job,
        a_connection_that_does_not_fit_is_refused,
        both_sides_must_run_on_a_sqlite_that_can_do_it,
        the_call_does_what_the_sqlite_that_is_there_allows,
        several_processes_and_the_scheduler_write_side_by_side,
    };
    size_t count = sizeof(tests) / sizeof(tests[0]);
    Suite *suite = suite_create(__FILE__);
    taskq_check_add(suite, tests, sqlite3_libversion_number() >= 3051003 ? count : count - 1, host_setup,
                    fixture_teardown);
    return taskq_check_run(suite);
}
