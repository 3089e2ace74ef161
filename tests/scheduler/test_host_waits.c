/* SPDX-License-Identifier: MIT */
/* Who else wants the store while a host's transaction has it: they wait their turn, but not for ever. */
#include "support/check_main.h"

#include <sched.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>

#include <taskq/sqlite.h>

#include "fixture.h"
#include "host.h"
#include "scheduler/scheduler.h"
#include "store/sqlite/db.h"

static void be_short(taskq_scheduler_options *options)
{
    options->busy_after_ms = 30;
}

/* As host_setup, where calls do not wait for long. */
static void make_impatient(void)
{
    fixture_teardown();
    fixture_open(be_short);
    host_run(host_begin(), "CREATE TABLE orders (id INTEGER)");
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
}

typedef struct caller {
    pthread_t thread;
    taskq_status status;
    taskq_error err;
} caller;

static void *call_enqueue(void *user)
{
    caller *one = user;
    taskq_new_job job = new_job("default", "mail");
    const taskq_new_job *jobs[] = {&job};
    one->status = taskq_scheduler_enqueue(fx.scheduler, jobs, 1, NULL, NULL, NULL, &one->err);
    return NULL;
}

static void *call_begin(void *user)
{
    caller *one = user;
    sqlite3 *db = NULL;
    one->status = taskq_sqlite_begin(fx.store, &db, &one->err);
    if (one->status == TASKQ_OK) {
        one->status = taskq_sqlite_commit(fx.store, &one->err);
    }
    return NULL;
}

static void start(caller *one, void *(*what)(void *user))
{
    one->err = (taskq_error)TASKQ_ERROR_INIT;
    ck_assert_int_eq(pthread_create(&one->thread, NULL, what, one), 0);
}

static taskq_status join(caller *one)
{
    ck_assert_int_eq(pthread_join(one->thread, NULL), 0);
    return one->status;
}

START_TEST(calls_wait_until_it_has_ended)
{
    caller a, b;
    (void)host_begin();
    start(&a, call_enqueue);
    await_waiting(1);
    start(&b, call_begin);
    await_waiting(2);
    ck_assert_int_eq(host_enqueue("mail"), 1);
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    ck_assert_int_eq(join(&a), TASKQ_OK);
    ck_assert_int_eq(join(&b), TASKQ_OK);
    ck_assert_int_eq(host_queued(), 2);
}
END_TEST

START_TEST(whoever_has_waited_for_too_long_is_told_so)
{
    make_impatient();
    caller a, b, c;
    claimant held;
    claimant_init(&held, "default", "mail", 60000);
    claimant_start(&held);
    await_parked(1);
    (void)host_begin();
    start(&a, call_enqueue);
    start(&b, call_begin);
    start(&c, call_enqueue);
    ck_assert_int_eq(join(&a), TASKQ_EBUSY);
    ck_assert_int_eq(join(&b), TASKQ_EBUSY);
    ck_assert_int_eq(join(&c), TASKQ_EBUSY);
    ck_assert_str_eq(a.err.text, b.err.text);
    ck_assert_uint_eq(stats().parked, 1);
    int64_t id = host_enqueue("mail");
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    claimant_join(&held);
    ck_assert_int_eq(held.id, id);
    ck_assert_int_eq(enqueue("default", "mail"), id + 1);
}
END_TEST

START_TEST(a_claim_whose_time_is_over_ends_with_no_job)
{
    claimant held, late;
    claimant_init(&held, "default", "mail", 100);
    claimant_start(&held);
    while (stats().parked == 0 && !atomic_load(&held.ended)) {
        (void)sched_yield();
    }
    (void)host_begin();
    claimant_init(&late, "default", "mail", 20);
    claimant_start(&late);
    claimant_join(&late);
    claimant_join(&held);
    ck_assert_int_eq(held.status, TASKQ_OK);
    ck_assert_int_eq(late.status, TASKQ_OK);
    ck_assert_uint_eq(held.count + late.count, 0);
    (void)host_enqueue("mail");
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    ck_assert_int_eq(host_queued(), 1);
}
END_TEST

START_TEST(reads_go_on_and_see_what_was_before)
{
    int64_t id = enqueue("default", "mail");
    taskq_queues *queues = NULL;
    taskq_text name = {"default", 7};
    (void)host_begin();
    (void)host_enqueue("mail");
    ck_assert_int_eq(state_of(id), TASKQ_STATE_QUEUED);
    ck_ok(taskq_scheduler_queues(fx.scheduler, &name, &queues, &fx.err));
    ck_assert_int_eq(taskq_queues_at(queues, 0)->counts[TASKQ_STATE_QUEUED], 1);
    taskq_queues_free(queues);
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
}
END_TEST

static void *call_upkeep(void *user)
{
    (void)user;
    taskq__line_upkeep(fx.scheduler->line);
    ck_assert_int_eq(taskq_scheduler_ping(fx.scheduler, &fx.err), TASKQ_OK);
    return NULL;
}

START_TEST(no_checkpoint_is_made_meanwhile)
{
    taskq__db *db = taskq__db_of(fx.store);
    pthread_t thread;
    (void)enqueue("default", "mail");
    int pages = db->wal_pages;
    ck_assert_int_gt(pages, 0);
    (void)host_begin();
    ck_assert_int_eq(pthread_create(&thread, NULL, call_upkeep, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(db->wal_pages, pages);
    ck_assert_int_eq(db->wal_tried, 0);
    ck_ok(taskq_sqlite_rollback(fx.store, &fx.err));
    taskq__line_upkeep(fx.scheduler->line);
    ck_assert_int_eq(db->wal_pages, 0);
}
END_TEST

/* ---- a store in memory: its reads go through the one connection -------------------------------------------------------- */

static void move_into_memory(void)
{
    fixture_teardown();
    fixture_setup_plain();
    taskq_scheduler_close(fx.scheduler);
    taskq_store_close(fx.store);
    taskq_sqlite_options sqlite = TASKQ_SQLITE_OPTIONS_INIT;
    taskq_scheduler_options options = TASKQ_SCHEDULER_OPTIONS_INIT;
    sqlite.path = ":memory:";
    ck_ok(taskq_sqlite_open(&sqlite, &fx.store, &fx.err));
    options.store = fx.store;
    ck_ok(taskq_scheduler_open(&options, &fx.scheduler, &fx.err));
}

static void *read_job(void *user)
{
    taskq_jobs *list = NULL;
    caller *one = user;
    one->status = taskq_scheduler_get(fx.scheduler, 1, &list, &one->err);
    taskq_jobs_free(list);
    return NULL;
}

START_TEST(reads_of_a_store_in_memory_wait)
{
    move_into_memory();
    caller reader;
    taskq_jobs *list = NULL;
    sqlite3 *db = host_begin();
    host_run(db, "CREATE TABLE orders (id); INSERT INTO orders VALUES (1)");
    (void)host_enqueue("mail");
    ck_assert_int_eq(taskq_scheduler_get(fx.scheduler, 1, &list, &fx.err), TASKQ_EBUSY);
    start(&reader, read_job);
    ck_ok(taskq_sqlite_commit(fx.store, &fx.err));
    ck_assert_int_eq(join(&reader), TASKQ_OK);
}
END_TEST

/* ---- all at once ------------------------------------------------------------------------------------------------------ */

enum { HOSTS = 3, PRODUCERS = 2, CONSUMERS = 2, ROUNDS = 40 };

static _Atomic int committed, consumed;

static void *be_host(void *user)
{
    char insert[64];
    for (int i = 0; i < ROUNDS; i++) {
        sqlite3 *db = host_begin();
        (void)snprintf(insert, sizeof(insert), "INSERT INTO orders VALUES (%d)", *(int *)user * ROUNDS + i);
        host_run(db, insert);
        (void)host_enqueue("order");
        bool commits = i % 3 != 0;
        ck_assert_int_eq((commits ? taskq_sqlite_commit : taskq_sqlite_rollback)(fx.store, NULL), TASKQ_OK);
        atomic_fetch_add(&committed, commits);
    }
    return NULL;
}

static void *be_producer(void *user)
{
    for (int i = 0; i < ROUNDS; i++) {
        caller one;
        one.err = (taskq_error)TASKQ_ERROR_INIT;
        (void)call_enqueue(&one);
        ck_assert_int_eq(one.status, TASKQ_OK);
    }
    return user;
}

static void *be_consumer(void *user)
{
    for (;;) {
        taskq_text queue = {"default", 7};
        taskq_claim_options options = claim_of(&queue, NULL, 60000);
        taskq_jobs *list = NULL;
        taskq_error err = TASKQ_ERROR_INIT;
        ck_assert_int_eq(taskq_scheduler_claim(fx.scheduler, &options, &list, &err), TASKQ_OK);
        uint32_t count = taskq_jobs_count(list);
        for (uint32_t i = 0; i < count; i++) {
            taskq_report report = TASKQ_REPORT_INIT;
            report.id = taskq_jobs_at(list, i)->id;
            report.version = taskq_jobs_at(list, i)->version;
            report.succeeded = true;
            (void)host_begin();
            ck_assert_int_eq(taskq_sqlite_complete(fx.store, &report, NULL), TASKQ_OK);
            ck_assert_int_eq(taskq_sqlite_commit(fx.store, NULL), TASKQ_OK);
            atomic_fetch_add(&consumed, 1);
        }
        taskq_jobs_free(list);
        if (count == 0) {
            return user;
        }
    }
}

START_TEST(hosts_producers_and_consumers_work_side_by_side)
{
    pthread_t threads[HOSTS + PRODUCERS + CONSUMERS];
    int numbers[HOSTS + PRODUCERS + CONSUMERS];
    for (int i = 0; i < HOSTS + PRODUCERS + CONSUMERS; i++) {
        numbers[i] = i;
        void *(*what)(void *) = i < HOSTS ? be_host : i < HOSTS + PRODUCERS ? be_producer : be_consumer;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, what, &numbers[i]), 0);
    }
    for (int i = 0; i < HOSTS + PRODUCERS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    while (atomic_load(&consumed) < atomic_load(&committed) + PRODUCERS * ROUNDS) {
        (void)sched_yield();
    }
    await_parked(CONSUMERS);
    taskq_scheduler_shut(fx.scheduler);
    for (int i = HOSTS + PRODUCERS; i < HOSTS + PRODUCERS + CONSUMERS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    ck_assert_int_eq(host_orders(), atomic_load(&committed));
    ck_assert_int_eq(host_ask("SELECT count(*) FROM taskq_jobs WHERE type = 'order' AND state = 5"), committed);
    ck_assert_int_eq(host_queued(), 0);
    ck_assert_uint_eq(stats().succeeded, (uint64_t)consumed);
}
END_TEST

TASKQ_TESTS_WITH(host_setup, fixture_teardown, calls_wait_until_it_has_ended,
                 whoever_has_waited_for_too_long_is_told_so, a_claim_whose_time_is_over_ends_with_no_job,
                 reads_go_on_and_see_what_was_before, no_checkpoint_is_made_meanwhile, reads_of_a_store_in_memory_wait,
                 hosts_producers_and_consumers_work_side_by_side)
