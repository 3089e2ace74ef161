/* SPDX-License-Identifier: MIT */
/*
 * Several stores on one database, as several servers are: who gets what is settled by the database alone.
 */
#include "batch.h"
#include "pghost.h"
#include "pgstore.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { SERVERS = 4, JOBS = 10000, JOBS_A_BATCH = 100 };

typedef struct server {
    taskq_store *store;
    pthread_t thread;
    test_batch batch;
    int number;
    uint32_t got, refused;
    taskq_status status;
} server;

static server servers[SERVERS];
static atomic_uint left;

static void setup(void)
{
    place_setup();
    for (int i = 0; i < SERVERS; i++) {
        servers[i] = (server){.store = place_open(), .number = i, .status = TASKQ_OK};
        batch_init(&servers[i].batch);
    }
}

static void teardown(void)
{
    for (int i = 0; i < SERVERS; i++) {
        taskq_store_close(servers[i].store);
        batch_clear(&servers[i].batch);
    }
    place_teardown();
}

static void make_jobs(uint32_t count)
{
    for (uint32_t i = 0; i < count; i += JOBS_A_BATCH) {
        batch_begin(&servers[0].batch);
        batch_enqueue(&servers[0].batch, JOBS_A_BATCH, NULL, NULL);
        ck_assert_int_eq(batch_run(&servers[0].batch, servers[0].store), TASKQ_OK);
    }
}

/* The line gives a batch again that was refused as busy. */
static taskq_status run_until_done(server *s)
{
    taskq_status status = TASKQ_EBUSY;
    for (int tries = 0; tries < 20 && status == TASKQ_EBUSY; tries++) {
        status = batch_run(&s->batch, s->store);
        s->refused += status == TASKQ_EBUSY;
    }
    return status;
}

static void on_all(void *(*work)(void *))
{
    for (int i = 0; i < SERVERS; i++) {
        ck_assert_int_eq(pthread_create(&servers[i].thread, NULL, work, &servers[i]), 0);
    }
    for (int i = 0; i < SERVERS; i++) {
        pthread_join(servers[i].thread, NULL);
        ck_assert_msg(servers[i].status == TASKQ_OK, "%s", servers[i].batch.err.text);
    }
}

static void *claim_all(void *user)
{
    server *s = user;
    while (s->status == TASKQ_OK && atomic_load(&left) > 0) {
        batch_begin(&s->batch);
        batch_claim(&s->batch, 20);
        s->status = run_until_done(s);
        s->got += s->batch.claim.job_count;
        atomic_fetch_sub(&left, s->status == TASKQ_OK ? s->batch.claim.job_count : 0);
    }
    return NULL;
}

START_TEST(each_of_10000_jobs_is_claimed_once_by_four_servers)
{
    make_jobs(JOBS);
    atomic_store(&left, JOBS);
    on_all(claim_all);
    uint32_t got = 0;
    for (int i = 0; i < SERVERS; i++) {
        got += servers[i].got;
    }
    ck_assert_uint_eq(got, JOBS);
    ck_assert_int_eq(place_number("SELECT count(*) FROM @jobs WHERE state = 4 AND version = 2 AND attempt = 1"), JOBS);
    ck_assert_int_eq(place_number("SELECT sum(n)::bigint FROM @counters WHERE state = 4"), JOBS);
}
END_TEST

static void *sweep_all(void *user)
{
    server *s = user;
    while (s->status == TASKQ_OK && atomic_load(&left) > 0) {
        batch_begin(&s->batch);
        batch_walk(&s->batch, TASKQ_WALK_EXPIRED, 100);
        s->status = run_until_done(s);
        s->got += s->batch.walk.moved;
        atomic_fetch_sub(&left, s->status == TASKQ_OK ? s->batch.walk.moved : 0);
    }
    return NULL;
}

START_TEST(each_of_10000_lost_leases_is_moved_once_by_four_sweeps)
{
    make_jobs(JOBS);
    atomic_store(&left, JOBS);
    on_all(claim_all);
    place_run("UPDATE @jobs SET lease_due = 1, expires_at = 1");
    atomic_store(&left, JOBS);
    for (int i = 0; i < SERVERS; i++) {
        servers[i].got = 0;
    }
    on_all(sweep_all);
    ck_assert_int_eq(place_number("SELECT count(*) FROM @attempts WHERE outcome = 4"), JOBS);
    ck_assert_int_eq(place_number("SELECT count(*) FROM @jobs WHERE state = 2 AND version = 3"), JOBS);
}
END_TEST

static void *enqueue_unique(void *user)
{
    server *s = user;
    for (int i = 0; i < 100 && s->status == TASKQ_OK; i++) {
        char key[32];
        snprintf(key, sizeof(key), "key %d", i);
        batch_begin(&s->batch);
        batch_enqueue(&s->batch, 1, key, NULL);
        s->status = run_until_done(s);
        s->got += s->batch.enqueue.made;
    }
    return NULL;
}

static void *enqueue_idempotent(void *user)
{
    server *s = user;
    for (int i = 0; i < 100 && s->status == TASKQ_OK; i++) {
        char key[32];
        snprintf(key, sizeof(key), "key %d", i);
        batch_begin(&s->batch);
        batch_enqueue(&s->batch, 1, NULL, key);
        s->status = run_until_done(s);
        s->got += s->batch.enqueue.replayed ? 0 : 1;
    }
    return NULL;
}

START_TEST(four_servers_that_take_the_same_unique_keys_make_one_job_each)
{
    on_all(enqueue_unique);
    ck_assert_uint_eq(servers[0].got + servers[1].got + servers[2].got + servers[3].got, 100);
    ck_assert_int_eq(place_number("SELECT count(*) FROM @jobs"), 100);
}
END_TEST

START_TEST(four_servers_that_are_given_the_same_request_make_one_job_each)
{
    on_all(enqueue_idempotent);
    ck_assert_uint_eq(servers[0].got + servers[1].got + servers[2].got + servers[3].got, 100);
    ck_assert_int_eq(place_number("SELECT count(*) FROM @jobs"), 100);
}
END_TEST

static int64_t storm_ids[JOBS_A_BATCH];

/* The same jobs in opposite orders: retried and canceled again and again. */
static void *storm(void *user)
{
    static const int64_t any[JOBS_A_BATCH];
    server *s = user;
    int64_t ids[JOBS_A_BATCH];
    for (int i = 0; i < JOBS_A_BATCH; i++) {
        ids[i] = storm_ids[s->number % 2 == 0 ? i : JOBS_A_BATCH - 1 - i];
    }
    for (int i = 0; i < 50 && s->status == TASKQ_OK; i++) {
        batch_begin(&s->batch);
        batch_settle(&s->batch, i % 2 == 0 ? TASKQ_EVENT_CANCEL : TASKQ_EVENT_RETRY, ids, any, JOBS_A_BATCH);
        s->status = run_until_done(s);
    }
    return NULL;
}

START_TEST(a_storm_of_opposite_orders_meets_no_deadlock)
{
    make_jobs(JOBS_A_BATCH);
    for (int i = 0; i < JOBS_A_BATCH; i++) {
        storm_ids[i] = servers[0].batch.enqueue.results[i]->id;
    }
    on_all(storm);
    for (int i = 0; i < SERVERS; i++) {
        ck_assert_uint_eq(servers[i].refused, 0);
    }
    ck_assert_int_eq(place_number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"), 0);
}
END_TEST

START_TEST(what_another_server_has_enqueued_is_found_without_being_told)
{
    for (int round = 1; round <= 20; round++) {
        for (int i = 1; i >= 0; i--) { /* by its own claim, and then one that stands before what that one took */
            batch_begin(&servers[i].batch);
            batch_enqueue(&servers[i].batch, 1, NULL, NULL);
            servers[i].batch.jobs[0].priority = i == 0 ? round : 0;
            ck_assert_int_eq(batch_run(&servers[i].batch, servers[i].store), TASKQ_OK);
            batch_begin(&servers[1].batch);
            batch_claim(&servers[1].batch, 1);
            ck_assert_int_eq(batch_run(&servers[1].batch, servers[1].store), TASKQ_OK);
            ck_assert_uint_eq(servers[1].batch.claim.job_count, 1);
        }
    }
}
END_TEST

/* As a worker asks: several queues, several types. How many of `limit` it got. */
static uint32_t claim_of_many(uint32_t limit, uint32_t queues, uint32_t types)
{
    static const taskq_text queue_names[] = {{"other", 5}, {"default", 7}}, type_names[] = {{"b", 1}, {"a", 1}};
    test_batch *batch = &servers[1].batch;
    batch_begin(batch);
    batch_claim(batch, limit);
    batch->claim.queues = queue_names + 2 - queues;
    batch->claim.queue_count = queues;
    batch->claim.types = type_names + 2 - types;
    batch->claim.type_count = types;
    ck_assert_int_eq(batch_run(batch, servers[1].store), TASKQ_OK);
    return batch->claim.job_count;
}

START_TEST(what_another_server_has_locked_at_the_head_is_passed_over)
{
    enum { LOCKED = 500, LIMIT = 10, TIMES = 3 };
    static const uint32_t shapes[][2] = {{2, 2}, {2, 0}, {1, 2}, {1, 1}, {1, 0}};
    enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };
    pghost other;
    make_jobs(LOCKED + SHAPES * TIMES * JOBS_A_BATCH);
    host_open(&other);
    host_run(&other, "BEGIN");
    host_run(&other, "SELECT FROM @jobs WHERE id <= 500 ORDER BY id FOR UPDATE");
    for (int i = 0; i < SHAPES * TIMES; i++) { /* from the beginning, and from where the last one ended */
        ck_assert_uint_eq(claim_of_many(LIMIT, shapes[i % SHAPES][0], shapes[i % SHAPES][1]), LIMIT);
        ck_assert_int_gt(servers[1].batch.claim.jobs[0]->id, LOCKED);
    }
    host_run(&other, "COMMIT");
    ck_assert_int_eq(place_number("SELECT count(*) FROM @jobs WHERE state = 4"), SHAPES * TIMES * LIMIT);
    host_close(&other);
}
END_TEST

START_TEST(what_is_left_behind_many_locked_ones_is_taken_and_no_more)
{
    enum { LOCKED = 500, LEFT = 3 };
    pghost other;
    make_jobs(LOCKED + JOBS_A_BATCH);
    place_run("DELETE FROM @jobs WHERE id > 503");
    host_open(&other);
    host_run(&other, "BEGIN");
    host_run(&other, "SELECT FROM @jobs WHERE id <= 500 ORDER BY id FOR UPDATE");
    ck_assert_uint_eq(claim_of_many(10, 2, 2), LEFT);
    ck_assert_uint_eq(claim_of_many(10, 2, 0), 0);
    host_run(&other, "ROLLBACK");
    host_close(&other);
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, each_of_10000_jobs_is_claimed_once_by_four_servers,
                 each_of_10000_lost_leases_is_moved_once_by_four_sweeps,
                 four_servers_that_take_the_same_unique_keys_make_one_job_each,
                 four_servers_that_are_given_the_same_request_make_one_job_each,
                 a_storm_of_opposite_orders_meets_no_deadlock,
                 what_another_server_has_enqueued_is_found_without_being_told,
                 what_another_server_has_locked_at_the_head_is_passed_over,
                 what_is_left_behind_many_locked_ones_is_taken_and_no_more)
