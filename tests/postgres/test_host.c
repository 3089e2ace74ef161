/* SPDX-License-Identifier: MIT */
/* A transaction of the host's own, on its own connection: its rows and the jobs hold together or not at all. */
#include "pghost.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include <taskq/scheduler.h>

static taskq_store *store;
static pghost host, other;

static void setup(void)
{
    place_setup();
    store = place_open(); /* makes the schema */
    host_make_orders();
    place_run("INSERT INTO @queues (name) VALUES ('default')"); /* it was used before: nobody waits for its being made */
    host_open(&host);
    host_open(&other);
}

static void teardown(void)
{
    host_close(&host);
    host_close(&other);
    taskq_store_close(store);
    place_teardown();
}

/* ---- together or not at all ------------------------------------------------------------------------------------------ */

START_TEST(what_is_committed_holds_together)
{
    int64_t id = 0;
    bool made = false;
    host_run(&host, "BEGIN");
    host_run(&host, "INSERT INTO @orders VALUES (1)");
    ck_ok(host_enqueue(&host, NULL, NULL, &id, &made));
    ck_assert(made && id > 0);
    ck_assert_int_eq(count_orders() + count_jobs(), 0);
    host_run(&host, "COMMIT");
    ck_assert_int_eq(count_orders(), 1);
    ck_assert_int_eq(count_jobs(), 1);
    ck_assert_int_eq(place_number("SELECT state FROM @jobs WHERE id = %lld AND claimable", (long long)id),
                     TASKQ_STATE_QUEUED);
    ck_assert_int_eq(place_number("SELECT count(*) FROM @queues WHERE name = 'default'"), 1);
}
END_TEST

START_TEST(what_is_rolled_back_is_gone_together)
{
    host_run(&host, "BEGIN");
    host_run(&host, "INSERT INTO @orders VALUES (1)");
    ck_ok(host_enqueue(&host, "key", "again", NULL, NULL));
    host_run(&host, "ROLLBACK");
    ck_assert_int_eq(count_orders() + count_jobs(), 0);
    ck_assert_int_eq(place_number("SELECT count(*) FROM @keys"), 0);
}
END_TEST

START_TEST(a_savepoint_of_the_hosts_takes_back_whole_calls)
{
    host_run(&host, "BEGIN");
    host_run(&host, "SAVEPOINT taskq_host"); /* of the name that ours has, too */
    ck_ok(host_enqueue(&host, NULL, NULL, NULL, NULL));
    host_run(&host, "SAVEPOINT two");
    ck_ok(host_enqueue(&host, NULL, NULL, NULL, NULL));
    host_run(&host, "ROLLBACK TO two");
    host_run(&host, "COMMIT");
    ck_assert_int_eq(count_jobs(), 1);
    host_run(&host, "BEGIN");
    host_run(&host, "SAVEPOINT taskq_host");
    ck_ok(host_enqueue(&host, NULL, NULL, NULL, NULL));
    host_run(&host, "ROLLBACK TO taskq_host");
    host_run(&host, "COMMIT");
    ck_assert_int_eq(count_jobs(), 1);
}
END_TEST

START_TEST(a_thousand_jobs_are_one_call_and_a_hundred_calls_one_transaction)
{
    enum { JOBS = 1000, CALLS = 100 };
    static taskq_new_job jobs[JOBS];
    static const taskq_new_job *list[JOBS];
    uint32_t made = 0;
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (taskq_new_job)TASKQ_NEW_JOB_INIT;
        jobs[i].type = TASKQ_TEXT("mail");
        list[i] = &jobs[i];
    }
    host_run(&host, "BEGIN");
    ck_ok(taskq_postgres_enqueue(host.conn, &host.options, list, JOBS, NULL, NULL, &made, &place.err));
    ck_assert_uint_eq(made, JOBS);
    for (int i = 0; i < CALLS; i++) {
        ck_ok(host_enqueue(&host, NULL, NULL, NULL, NULL));
    }
    host_run(&host, "COMMIT");
    ck_assert_int_eq(count_jobs(), JOBS + CALLS);
}
END_TEST

/* ---- who waits for a job ------------------------------------------------------------------------------------------------ */

typedef struct waiting {
    taskq_scheduler *scheduler;
    taskq_status status;
    int64_t id;
} waiting;

static void *claim_one(void *user)
{
    waiting *one = user;
    taskq_claim_options claim = TASKQ_CLAIM_OPTIONS_INIT;
    taskq_jobs *list = NULL;
    claim.wait_ms = 60000;
    one->status = taskq_scheduler_claim(one->scheduler, &claim, &list, NULL);
    one->id = taskq_jobs_count(list) == 0 ? 0 : taskq_jobs_at(list, 0)->id;
    taskq_jobs_free(list);
    return NULL;
}

static uint32_t parked(taskq_scheduler *scheduler)
{
    taskq_scheduler_stats stats = {.struct_size = sizeof(stats)};
    ck_ok(taskq_scheduler_read_stats(scheduler, &stats, &place.err));
    return stats.parked;
}

static int64_t heard(void)
{
    taskq_figure figures[TASKQ_FIGURES_MAX];
    uint32_t count = taskq__store_figures(store, figures, TASKQ_FIGURES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(figures[i].name, "notifications_received") == 0) {
            return figures[i].value;
        }
    }
    ck_abort_msg("notifications are not counted");
    return 0;
}

START_TEST(a_held_claim_is_woken_by_the_commit_and_not_before)
{
    waiting one = {.scheduler = NULL};
    pthread_t thread;
    int64_t id = 0;
    taskq_scheduler_options options = TASKQ_SCHEDULER_OPTIONS_INIT;
    options.store = store;
    ck_ok(taskq_scheduler_open(&options, &one.scheduler, &place.err));
    ck_ok(taskq_scheduler_start(one.scheduler, &place.err));
    ck_assert_int_eq(pthread_create(&thread, NULL, claim_one, &one), 0);
    while (parked(one.scheduler) == 0) {
        (void)sched_yield();
    }
    host_run(&host, "BEGIN");
    ck_ok(host_enqueue(&host, NULL, NULL, NULL, NULL));
    host_run(&host, "ROLLBACK");
    host_run(&host, "BEGIN");
    ck_ok(host_enqueue(&host, NULL, NULL, &id, NULL));
    ck_assert_int_eq(heard(), 0);
    ck_assert_uint_eq(parked(one.scheduler), 1);
    host_run(&host, "COMMIT");
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(one.id, id);
    while (heard() == 0) { /* the claim may have looked by itself in this very moment */
        (void)sched_yield();
    }
    ck_assert_int_eq(heard(), 1);
    taskq_scheduler_close(one.scheduler);
}
END_TEST

/* ---- keys -------------------------------------------------------------------------------------------------------------- */

START_TEST(a_unique_key_is_found_taken_in_the_same_transaction_and_after_it)
{
    int64_t first = 0, second = 0, third = 0;
    bool made = true;
    host_run(&host, "BEGIN");
    ck_ok(host_enqueue(&host, "key", NULL, &first, NULL));
    ck_ok(host_enqueue(&host, "key", NULL, &second, &made));
    ck_assert(!made && second == first);
    host_run(&host, "COMMIT");
    host_run(&other, "BEGIN");
    ck_ok(host_enqueue(&other, "key", NULL, &third, &made));
    ck_assert(!made && third == first);
    host_run(&other, "COMMIT");
    ck_assert_int_eq(count_jobs(), 1);
}
END_TEST

START_TEST(an_idempotency_key_is_answered_as_the_first_time_and_refused_with_another_request)
{
    int64_t first = 0, second = 0;
    host_run(&host, "BEGIN");
    ck_ok(host_enqueue(&host, NULL, "again", &first, NULL));
    ck_ok(host_enqueue(&host, NULL, "again", &second, NULL));
    ck_assert_int_eq(second, first);
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    taskq_enqueue_options options = TASKQ_ENQUEUE_OPTIONS_INIT;
    const taskq_new_job *jobs[] = {&job};
    job.type = TASKQ_TEXT("other");
    options.idempotency_key = TASKQ_TEXT("again");
    options.digest = 1;
    ck_assert_int_eq(taskq_postgres_enqueue(host.conn, &host.options, jobs, 1, &options, NULL, NULL, &place.err),
                     TASKQ_EEXISTS);
    assert_usable(&host);
    host_run(&host, "COMMIT");
    ck_assert_int_eq(count_jobs(), 1);
}
END_TEST

typedef struct racing {
    const char *unique_key, *idempotency_key;
    taskq_status status;
    int64_t id;
    bool made;
} racing;

static void *race(void *user)
{
    racing *one = user;
    one->status = host_enqueue(&other, one->unique_key, one->idempotency_key, &one->id, &one->made);
    return NULL;
}

/* `other` waits for what `host` has in its hands, until that ends. */
static int64_t race_with(racing *one, const char *begin, const char *end)
{
    pthread_t thread;
    int64_t id = 0;
    host_run(&host, "BEGIN");
    host_run(&other, begin);
    host_run(&other, "INSERT INTO @orders VALUES (1)");
    ck_ok(host_enqueue(&host, one->unique_key, one->idempotency_key, &id, NULL));
    ck_assert_int_eq(pthread_create(&thread, NULL, race, one), 0);
    place_await(1,
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'a host' AND wait_event_type = 'Lock'");
    host_run(&host, end);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    assert_usable(&other);
    return id;
}

START_TEST(a_key_that_another_transaction_took_meanwhile_is_found_taken)
{
    racing one = {.unique_key = _i == 0 ? "key" : NULL, .idempotency_key = _i == 1 ? "again" : NULL};
    int64_t id = race_with(&one, "BEGIN", "COMMIT");
    ck_ok(one.status);
    ck_assert_int_eq(one.id, id);
    host_run(&other, "COMMIT");
    ck_assert_int_eq(count_jobs(), 1);
    ck_assert_int_eq(count_orders(), 1);
}
END_TEST

START_TEST(a_key_that_another_transaction_gave_back_is_taken)
{
    racing one = {.unique_key = _i == 0 ? "key" : NULL, .idempotency_key = _i == 1 ? "again" : NULL};
    int64_t id = race_with(&one, "BEGIN", "ROLLBACK");
    ck_ok(one.status);
    ck_assert(one.made && one.id != id);
    host_run(&other, "COMMIT");
    ck_assert_int_eq(count_jobs(), 1);
}
END_TEST

START_TEST(a_key_that_a_snapshot_does_not_show_is_busy_and_the_transaction_goes_on)
{
    racing one = {.unique_key = "key"};
    (void)race_with(&one, _i == 0 ? "BEGIN ISOLATION LEVEL REPEATABLE READ" : "BEGIN ISOLATION LEVEL SERIALIZABLE",
                    "COMMIT");
    ck_assert_int_eq(one.status, TASKQ_EBUSY);
    host_run(&other, "ROLLBACK");
    host_run(&other, "BEGIN ISOLATION LEVEL SERIALIZABLE");
    ck_ok(host_enqueue(&other, "key", NULL, NULL, &one.made));
    ck_assert(!one.made);
    host_run(&other, "COMMIT");
    ck_assert_int_eq(count_jobs(), 1);
    ck_assert_int_eq(count_orders(), 0);
}
END_TEST

START_TEST(a_lock_is_waited_for_as_long_as_the_host_says)
{
    host_run(&host, "BEGIN");
    ck_ok(host_enqueue(&host, "key", NULL, NULL, NULL));
    host_run(&other, "BEGIN");
    host_run(&other, "SET LOCAL lock_timeout = '20ms'");
    ck_assert_int_eq(host_enqueue(&other, "key", NULL, NULL, NULL), TASKQ_EBUSY);
    assert_usable(&other);
    ck_ok(host_enqueue(&other, "another key", NULL, NULL, NULL));
    host_run(&other, "COMMIT");
    host_run(&host, "COMMIT");
    ck_assert_int_eq(count_jobs(), 2);
}
END_TEST

START_TEST(a_queue_is_made_with_the_first_job_in_it)
{
    place_run("DELETE FROM @queues");
    host_run(&host, "BEGIN");
    ck_ok(host_enqueue(&host, NULL, NULL, NULL, NULL));
    ck_assert_int_eq(place_number("SELECT count(*) FROM @queues"), 0);
    host_run(&host, "COMMIT");
    ck_assert_int_eq(place_number("SELECT count(*) FROM @queues WHERE name = 'default' AND NOT paused"), 1);
    ck_assert_int_eq(count_jobs(), 1);
}
END_TEST

/* ---- the end of a job ----------------------------------------------------------------------------------------------------- */

START_TEST(a_job_is_ended_with_what_it_did_and_once)
{
    int64_t version, id = running_job(store, &version);
    host_run(&host, "BEGIN");
    host_run(&host, "INSERT INTO @orders VALUES (1)");
    ck_ok(host_complete(&host, id, version));
    ck_assert_int_eq(place_number("SELECT state FROM @jobs"), TASKQ_STATE_RUNNING);
    host_run(&host, "COMMIT");
    ck_assert_int_eq(place_number("SELECT state FROM @jobs"), TASKQ_STATE_SUCCEEDED);
    host_run(&host, "BEGIN");
    host_run(&host, "INSERT INTO @orders VALUES (1)");
    ck_assert_int_eq(host_complete(&host, id, version), TASKQ_EEXISTS);
    assert_usable(&host);
    host_run(&host, "ROLLBACK");
    ck_assert_int_eq(count_orders(), 1);
    ck_assert_int_eq(count_jobs(), 1);
    ck_assert_int_eq(place_number("SELECT count(*) FROM @attempts"), 1);
}
END_TEST

START_TEST(a_report_that_was_rolled_back_never_was)
{
    int64_t version, id = running_job(store, &version);
    host_run(&host, "BEGIN");
    ck_ok(host_complete(&host, id, version));
    host_run(&host, "ROLLBACK");
    ck_assert_int_eq(place_number("SELECT state FROM @jobs"), TASKQ_STATE_RUNNING);
    host_run(&host, "BEGIN");
    ck_ok(host_complete(&host, id, version));
    host_run(&host, "COMMIT");
    ck_assert_int_eq(place_number("SELECT state FROM @jobs"), TASKQ_STATE_SUCCEEDED);
    ck_assert_int_eq(count_jobs(), 1);
}
END_TEST

START_TEST(a_lost_lease_and_an_unknown_job_are_refused_and_lock_nothing)
{
    int64_t version, id = running_job(store, &version);
    host_run(&host, "BEGIN");
    ck_assert_int_eq(host_complete(&host, id, version - 1), TASKQ_ESTALE);
    assert_usable(&host);
    ck_assert_int_eq(host_complete(&host, id + 1, version), TASKQ_ENOTFOUND);
    assert_usable(&host);
    ck_assert_int_eq(host_complete(&host, 0, version), TASKQ_ENOTFOUND);
    ck_assert_int_eq(host_complete(&host, id, 0), TASKQ_EINVAL);
    host_run(&other, "BEGIN");
    host_run(&other, "SELECT FROM @jobs FOR UPDATE NOWAIT");
    host_run(&other, "ROLLBACK");
    host_run(&host, "COMMIT");
    ck_assert_int_eq(count_jobs(), 1);
}
END_TEST

START_TEST(a_failure_is_reported_and_the_job_waits_for_its_next_attempt)
{
    taskq_report report = TASKQ_REPORT_INIT;
    report.id = running_job(store, &report.version);
    report.error = TASKQ_TEXT("{\"code\": \"smtp\"}");
    report.retry_in_ms = 60000;
    host_run(&host, "BEGIN");
    ck_ok(taskq_postgres_complete(host.conn, &host.options, &report, &place.err));
    ck_assert_int_eq(report.state, TASKQ_STATE_SCHEDULED);
    ck_assert_int_gt(report.new_version, report.version);
    host_run(&host, "COMMIT");
    ck_assert_int_eq(place_number("SELECT state FROM @jobs"), TASKQ_STATE_SCHEDULED);
    ck_assert_int_eq(place_number("SELECT outcome FROM @attempts"), TASKQ_OUTCOME_FAILED);
    ck_assert_int_eq(count_jobs(), 1);
}
END_TEST

START_TEST(a_job_that_changed_since_the_snapshot_is_busy_and_the_transaction_goes_on)
{
    int64_t version, id;
    host_run(&host, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    ck_assert_int_eq(host_number(&host, "SELECT count(*) FROM @jobs"), 0);
    id = running_job(store, &version);
    ck_assert_int_eq(host_complete(&host, id, version), TASKQ_ENOTFOUND);
    host_run(&host, "ROLLBACK");
    host_run(&host, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    ck_assert_int_eq(host_number(&host, "SELECT count(*) FROM @jobs"), 1);
    place_run("UPDATE @jobs SET updated_at = updated_at + 1"); /* as a heartbeat does */
    ck_assert_int_eq(host_complete(&host, id, version), TASKQ_EBUSY);
    assert_usable(&host);
    host_run(&host, "ROLLBACK");
    host_run(&host, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    ck_ok(host_complete(&host, id, version));
    host_run(&host, "COMMIT");
    ck_assert_int_eq(place_number("SELECT state FROM @jobs"), TASKQ_STATE_SUCCEEDED);
}
END_TEST

START_TEST(of_two_transactions_that_end_the_same_job_one_does)
{
    int64_t version, id = running_job(store, &version);
    host_run(&host, "BEGIN");
    host_run(&other, "BEGIN");
    ck_ok(host_complete(&host, id, version));
    host_run(&other, "SET LOCAL lock_timeout = '20ms'");
    ck_assert_int_eq(host_complete(&other, id, version), TASKQ_EBUSY);
    assert_usable(&other);
    host_run(&host, "COMMIT");
    ck_assert_int_eq(host_complete(&other, id, version), TASKQ_EEXISTS);
    host_run(&other, "ROLLBACK");
    ck_assert_int_eq(count_jobs(), 1);
}
END_TEST

TASKQ_TESTS_LOOPED(setup, teardown, {what_is_committed_holds_together, 1}, {what_is_rolled_back_is_gone_together, 1},
                   {a_savepoint_of_the_hosts_takes_back_whole_calls, 1},
                   {a_thousand_jobs_are_one_call_and_a_hundred_calls_one_transaction, 1},
                   {a_held_claim_is_woken_by_the_commit_and_not_before, 1},
                   {a_unique_key_is_found_taken_in_the_same_transaction_and_after_it, 1},
                   {an_idempotency_key_is_answered_as_the_first_time_and_refused_with_another_request, 1},
                   {a_key_that_another_transaction_took_meanwhile_is_found_taken, 2},
                   {a_key_that_another_transaction_gave_back_is_taken, 2},
                   {a_key_that_a_snapshot_does_not_show_is_busy_and_the_transaction_goes_on, 2},
                   {a_lock_is_waited_for_as_long_as_the_host_says, 1}, {a_queue_is_made_with_the_first_job_in_it, 1},
                   {a_job_is_ended_with_what_it_did_and_once, 1}, {a_report_that_was_rolled_back_never_was, 1},
                   {a_lost_lease_and_an_unknown_job_are_refused_and_lock_nothing, 1},
                   {a_failure_is_reported_and_the_job_waits_for_its_next_attempt, 1},
                   {a_job_that_changed_since_the_snapshot_is_busy_and_the_transaction_goes_on, 1},
                   {of_two_transactions_that_end_the_same_job_one_does, 1})
