/* SPDX-License-Identifier: MIT */
/* A transaction of the host's own: its rows and the jobs hold together or not at all, and nobody comes between. */
#include "support/check_main.h"

#include <sqlite3.h>
#include <stdio.h>

#include <taskq/sqlite.h>

#include "fixture.h"
#include "host.h"

START_TEST(what_is_committed_holds_together)
{
    sqlite3 *db = host_begin();
    host_run(db, "INSERT INTO orders VALUES (1)");
    int64_t id = host_enqueue("mail");
    ck_assert_int_eq(host_orders(), 0);
    ck_assert_int_eq(state_of(id), 0);
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    ck_assert_int_eq(host_orders(), 1);
    ck_assert_int_eq(state_of(id), TASKQ_STATE_QUEUED);
    ck_assert_int_eq(claim("default", "mail", NULL), id);
}
END_TEST

START_TEST(what_is_rolled_back_is_gone_together)
{
    int64_t before = enqueue("default", "mail");
    sqlite3 *db = host_begin();
    host_run(db, "INSERT INTO orders VALUES (1)");
    int64_t id = host_enqueue("mail");
    ck_ok(taskq_sqlite_rollback(fx.store, &fx.err));
    ck_assert_int_eq(host_orders(), 0);
    ck_assert_int_eq(state_of(id), 0);
    ck_assert_int_eq(host_queued(), 1);
    ck_assert_int_eq(enqueue("default", "mail"), before + 1);
}
END_TEST

START_TEST(a_held_claim_is_woken_by_the_commit_and_not_before)
{
    claimant one;
    claimant_init(&one, "default", "mail", 60000);
    claimant_start(&one);
    await_parked(1);
    (void)host_begin();
    int64_t id = host_enqueue("mail");
    ck_assert_uint_eq(stats().parked, 1);
    ck_assert(!atomic_load(&one.ended));
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    claimant_join(&one);
    ck_assert_int_eq(one.id, id);
}
END_TEST

START_TEST(a_held_claim_stays_held_through_a_rollback)
{
    claimant one;
    claimant_init(&one, "default", "mail", 60000);
    claimant_start(&one);
    await_parked(1);
    (void)host_begin();
    (void)host_enqueue("mail");
    ck_ok(taskq_sqlite_rollback(fx.store, &fx.err));
    ck_assert_uint_eq(stats().parked, 1);
    int64_t id = enqueue("default", "mail");
    claimant_join(&one);
    ck_assert_int_eq(one.id, id);
}
END_TEST

/* A job that runs; its version. */
static int64_t running(int64_t *version)
{
    (void)enqueue("default", "mail");
    return claim("default", "mail", version);
}

static taskq_status complete_in_it(int64_t id, int64_t version)
{
    taskq_report report = TASKQ_REPORT_INIT;
    report.id = id;
    report.version = version;
    report.succeeded = true;
    report.result = TASKQ_TEXT("{\"sent\": true}");
    taskq_status status = taskq_sqlite_complete(fx.store, &report, &fx.err);
    ck_assert_int_eq(report.status, status);
    return status;
}

START_TEST(a_job_is_finished_with_what_its_handler_wrote)
{
    int64_t version, id = running(&version);
    sqlite3 *db = host_begin();
    host_run(db, "INSERT INTO orders VALUES (1)");
    ck_ok(complete_in_it(id, version));
    ck_assert_int_eq(state_of(id), TASKQ_STATE_RUNNING);
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    ck_assert_int_eq(state_of(id), TASKQ_STATE_SUCCEEDED);
    ck_assert_int_eq(host_orders(), 1);
    ck_assert_uint_eq(stats().succeeded, 1);
}
END_TEST

START_TEST(a_lost_lease_is_told_and_the_effect_can_be_rolled_back)
{
    int64_t version, id = running(&version);
    sqlite3 *db = host_begin();
    host_run(db, "INSERT INTO orders VALUES (1)");
    ck_assert_int_eq(complete_in_it(id, version + 1), TASKQ_ESTALE);
    ck_assert_int_eq(complete_in_it(99, 2), TASKQ_ENOTFOUND);
    ck_ok(taskq_sqlite_rollback(fx.store, &fx.err));
    ck_assert_int_eq(host_orders(), 0);
    ck_assert_int_eq(complete(id, version, true, NULL), TASKQ_OK);
    ck_assert_uint_eq(stats().stale_reports, 1);
}
END_TEST

START_TEST(a_report_that_was_counted_before_does_not_pass_as_new)
{
    int64_t version, id = running(&version);
    (void)host_begin();
    ck_ok(complete_in_it(id, version));
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    sqlite3 *db = host_begin();
    host_run(db, "INSERT INTO orders VALUES (1)");
    ck_assert_int_eq(complete_in_it(id, version), TASKQ_EEXISTS);
    ck_ok(taskq_sqlite_rollback(fx.store, &fx.err));
    ck_assert_int_eq(host_orders(), 0);
    ck_assert_uint_eq(stats().succeeded, 1);
}
END_TEST

START_TEST(a_failed_attempt_waits_for_its_backoff_as_ever)
{
    int64_t version, id = running(&version);
    taskq_report report = TASKQ_REPORT_INIT;
    report.id = id;
    report.version = version;
    report.retry_in_ms = 5000;
    (void)host_begin();
    ck_ok(taskq_sqlite_complete(fx.store, &report, &fx.err));
    ck_assert_int_eq(report.state, TASKQ_STATE_SCHEDULED);
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    fake_clock_advance(&fx.clock, 5000);
    ck_ok(taskq_scheduler_sweep(fx.scheduler, NULL, &fx.err));
    ck_assert_int_eq(state_of(id), TASKQ_STATE_QUEUED);
}
END_TEST

START_TEST(a_refusal_leaves_the_transaction_usable)
{
    taskq_new_job bad = new_job("default", "mail"), good = bad;
    const taskq_new_job *jobs[] = {&good, &bad};
    taskq_report report = TASKQ_REPORT_INIT;
    bad.priority = 5000;
    sqlite3 *db = host_begin();
    host_run(db, "INSERT INTO orders VALUES (1)");
    ck_assert_int_eq(taskq_sqlite_enqueue(fx.store, jobs, 2, NULL, NULL, NULL, &fx.err), TASKQ_EINVAL);
    ck_assert_str_eq(fx.err.field, "/1/priority");
    ck_assert_int_eq(taskq_sqlite_enqueue(fx.store, NULL, 0, NULL, NULL, NULL, &fx.err), TASKQ_EINVAL);
    ck_assert_int_eq(taskq_sqlite_complete(fx.store, &report, &fx.err), TASKQ_ENOTFOUND);
    report.id = 1;
    ck_assert_int_eq(taskq_sqlite_complete(fx.store, &report, &fx.err), TASKQ_EINVAL);
    (void)host_enqueue("mail");
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    ck_assert_int_eq(host_orders(), 1);
    ck_assert_int_eq(host_queued(), 1);
}
END_TEST

START_TEST(keys_are_those_of_every_other_enqueue)
{
    taskq_new_job job = new_job("default", "mail");
    const taskq_new_job *jobs[] = {&job};
    taskq_enqueue_options options = TASKQ_ENQUEUE_OPTIONS_INIT;
    taskq_jobs *list = NULL;
    uint32_t made = 9;
    job.unique_key = TASKQ_TEXT("order-1");
    int64_t first = enqueue_job(&job);
    (void)host_begin();
    ck_ok(taskq_sqlite_enqueue(fx.store, jobs, 1, NULL, &list, &made, &fx.err));
    ck_assert_int_eq(taskq_jobs_at(list, 0)->id, first);
    ck_assert(taskq_jobs_at(list, 0)->existing);
    ck_assert_uint_eq(made, 0);
    job.unique_key = (taskq_text){NULL, 0};
    options.idempotency_key = TASKQ_TEXT("k");
    options.digest = 1;
    ck_ok(taskq_sqlite_enqueue(fx.store, jobs, 1, &options, NULL, &made, &fx.err));
    ck_assert_uint_eq(made, 1);
    options.digest = 2;
    ck_assert_int_eq(taskq_sqlite_enqueue(fx.store, jobs, 1, &options, NULL, NULL, &fx.err), TASKQ_EEXISTS);
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    taskq_jobs_free(list);
    options.digest = 1;
    ck_ok(taskq_scheduler_enqueue(fx.scheduler, jobs, 1, &options, NULL, NULL, &fx.err));
    ck_assert_int_eq(host_queued(), 2);
}
END_TEST

START_TEST(a_savepoint_takes_its_jobs_back)
{
    sqlite3 *db = host_begin();
    int64_t kept = host_enqueue("mail");
    host_run(db, "SAVEPOINT part; INSERT INTO orders VALUES (1)");
    (void)host_enqueue("mail");
    host_run(db, "ROLLBACK TO part; RELEASE part; INSERT INTO orders VALUES (2)");
    int64_t last = host_enqueue("mail");
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    ck_assert_int_eq(host_orders(), 1);
    ck_assert_int_eq(host_queued(), 2);
    ck_assert_int_eq(last, kept + 1);
    ck_assert_int_eq(enqueue("default", "mail"), last + 1);
}
END_TEST

START_TEST(a_job_for_later_is_known_to_the_sweep)
{
    taskq_new_job job = new_job("default", "mail");
    const taskq_new_job *jobs[] = {&job};
    taskq_sweep_report report = {0};
    job.has_delay = true;
    job.delay_ms = 100;
    (void)host_begin();
    ck_ok(taskq_sqlite_enqueue(fx.store, jobs, 1, NULL, NULL, NULL, &fx.err));
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    ck_ok(taskq_scheduler_sweep(fx.scheduler, &report, &fx.err));
    ck_assert_int_eq(report.next_due_in_ms, 100);
    fake_clock_advance(&fx.clock, 100);
    ck_ok(taskq_scheduler_sweep(fx.scheduler, &report, &fx.err));
    ck_assert_uint_eq(report.made_ready, 1);
}
END_TEST

START_TEST(many_jobs_in_many_queues_wake_whoever_waits)
{
    claimant ones[40];
    char name[16];
    for (uint32_t i = 0; i < 40; i++) {
        claimant_init(&ones[i], "default", NULL, 60000);
        claimant_start(&ones[i]);
        await_parked(i + 1);
    }
    (void)host_begin();
    for (int i = 0; i < 400; i++) { /* more names than a batch can tell one by one */
        (void)snprintf(name, sizeof(name), "t%d", i);
        (void)host_enqueue(name);
    }
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    for (uint32_t i = 0; i < 40; i++) {
        claimant_join(&ones[i]);
        ck_assert_uint_eq(ones[i].count, 1);
    }
    ck_assert_uint_eq(stats().enqueued, 400);
}
END_TEST

TASKQ_TESTS_WITH(host_setup, fixture_teardown, what_is_committed_holds_together, what_is_rolled_back_is_gone_together,
                 a_held_claim_is_woken_by_the_commit_and_not_before, a_held_claim_stays_held_through_a_rollback,
                 a_job_is_finished_with_what_its_handler_wrote, a_lost_lease_is_told_and_the_effect_can_be_rolled_back,
                 a_report_that_was_counted_before_does_not_pass_as_new, a_failed_attempt_waits_for_its_backoff_as_ever,
                 a_refusal_leaves_the_transaction_usable, keys_are_those_of_every_other_enqueue,
                 a_savepoint_takes_its_jobs_back, a_job_for_later_is_known_to_the_sweep,
                 many_jobs_in_many_queues_wake_whoever_waits)
