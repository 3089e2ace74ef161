/* SPDX-License-Identifier: MIT */
/* Counters that were appended are folded together: all of them in the end, exactly, and at no cost where there is nothing to do. */
#include "pgstore.h"

#include <pthread.h>

/* What all that was appended comes to, a pair at a time. */
static int64_t counted(void)
{
    return place_number(
        "SELECT hashtextextended(string_agg(queue || ' ' || state || ' ' || n, ',' ORDER BY queue, state), 0) "
        "FROM (SELECT queue, state, sum(n) AS n FROM @counters GROUP BY queue, state HAVING sum(n) <> 0) c");
}

/* Every row with who wrote and who locked it. */
static int64_t touched(void)
{
    return place_number(
        "SELECT hashtextextended(string_agg(ctid::text || ' ' || xmin || ' ' || xmax, ',' ORDER BY ctid), 0) "
        "FROM @counters");
}

/* 12,000 pairs of three rows: more than one look sees, and a pair lies across the end of each. */
static void append_counters(void)
{
    place_run("INSERT INTO @counters SELECT 'queue ' || q, s, q + r + s FROM generate_series(1, 4000) q, "
              "generate_series(1, 3) s, generate_series(1, 3) r");
    place_run("INSERT INTO @counters SELECT 'queue 17', 1, 1 FROM generate_series(1, 25000)");
    place_run("INSERT INTO @counters VALUES ('queue 18', 4, 1), ('queue 18', 4, -1), ('queue 19', 4, 0)");
}

START_TEST(counters_of_thousands_of_queues_are_all_folded_in_the_end)
{
    enum { PAIRS = 12000, ROUNDS = 30 };
    taskq_store *store = place_open();
    append_counters();
    int64_t all = counted();
    for (int i = 0; i < ROUNDS; i++) {
        ck_ok(taskq__store_upkeep(store, true, &place.err));
    }
    ck_assert_int_eq((int)place_number("SELECT count(*) FROM @counters"), PAIRS);
    ck_assert_int_eq(counted(), all);
    taskq_store_close(store);
}
END_TEST

START_TEST(where_nothing_is_to_be_folded_nothing_is_locked_or_written)
{
    enum { ROUNDS = 8 };
    taskq_store *store = place_open();
    place_run("INSERT INTO @counters SELECT 'queue ' || q, 1, q FROM generate_series(1, 15000) q");
    int64_t before = touched();
    for (int i = 0; i < ROUNDS; i++) {
        ck_ok(taskq__store_upkeep(store, true, &place.err));
    }
    ck_assert_int_eq(touched(), before);
    taskq_store_close(store);
}
END_TEST

static void *fold_much(void *user)
{
    enum { ROUNDS = 10 };
    taskq_error err = TASKQ_ERROR_INIT;
    for (int i = 0; i < ROUNDS; i++) {
        if (taskq__store_upkeep(user, true, &err) != TASKQ_OK) {
            return user;
        }
    }
    return NULL;
}

START_TEST(servers_that_fold_side_by_side_count_nothing_twice_and_lose_nothing)
{
    enum { STORES = 3 };
    pthread_t threads[STORES];
    taskq_store *stores[STORES];
    for (int i = 0; i < STORES; i++) {
        stores[i] = place_open();
    }
    append_counters();
    int64_t all = counted();
    for (int i = 0; i < STORES; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, fold_much, stores[i]), 0);
    }
    for (int i = 0; i < STORES; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        ck_assert_ptr_null(failed);
        taskq_store_close(stores[i]);
    }
    ck_assert_int_eq(counted(), all);
}
END_TEST

TASKQ_TESTS_WITH(place_setup, place_teardown, counters_of_thousands_of_queues_are_all_folded_in_the_end,
                 where_nothing_is_to_be_folded_nothing_is_locked_or_written,
                 servers_that_fold_side_by_side_count_nothing_twice_and_lose_nothing)
