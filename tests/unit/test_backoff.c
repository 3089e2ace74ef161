/* SPDX-License-Identifier: MIT */
/*
 * Delays before another try: the formula, its bound, and that no combination of its parts makes nonsense.
 */
#include "support/check_main.h"

#include "core/backoff.h"
#include "core/rng.h"

#include <math.h>

static const uint64_t middle = UINT64_C(1) << 63; /* the draw that a jitter does not move */

START_TEST(delays_grow_by_the_factor_from_the_base)
{
    taskq_backoff backoff = {2000, 2.0, 3600000, 0.0};
    ck_assert_int_eq(taskq__backoff_delay_ms(&backoff, 1, 99), 2000);
    ck_assert_int_eq(taskq__backoff_delay_ms(&backoff, 2, 99), 4000);
    ck_assert_int_eq(taskq__backoff_delay_ms(&backoff, 5, 99), 32000);
    backoff.factor = 1.1;
    ck_assert_int_eq(taskq__backoff_delay_ms(&backoff, 4, 99), 2662);
    backoff.factor = 1.0;
    ck_assert_int_eq(taskq__backoff_delay_ms(&backoff, 100, 99), 2000);
}
END_TEST

START_TEST(delays_stop_at_the_bound)
{
    taskq_backoff backoff = {2000, 2.0, 3600000, 0.0};
    ck_assert_int_eq(taskq__backoff_delay_ms(&backoff, 11, 99), 2048000);
    ck_assert_int_eq(taskq__backoff_delay_ms(&backoff, 12, 99), 3600000);
    ck_assert_int_eq(taskq__backoff_delay_ms(&backoff, 100, 99), 3600000);
    backoff.max_ms = 500;
    ck_assert_int_eq(taskq__backoff_delay_ms(&backoff, 1, 99), 500);
}
END_TEST

START_TEST(the_largest_base_and_factor_neither_overflow_nor_turn_negative)
{
    taskq_backoff backoff = {TASKQ_BACKOFF_BASE_MS_MAX, 10.0, TASKQ_BACKOFF_MAX_MS_MAX, 1.0};
    for (int32_t attempt = 1; attempt <= 100; attempt++) {
        int64_t low = taskq__backoff_delay_ms(&backoff, attempt, 0);
        int64_t high = taskq__backoff_delay_ms(&backoff, attempt, UINT64_MAX);
        ck_assert_int_ge(low, 0);
        ck_assert_int_ge(high, low);
        ck_assert_int_le(high, 2 * TASKQ_BACKOFF_MAX_MS_MAX);
    }
}
END_TEST

START_TEST(nonsense_is_bounded_too)
{
    static const taskq_backoff wrong[] = {{INT64_MAX, INFINITY, INT64_MAX, INFINITY},
                                          {INT64_MIN, -INFINITY, INT64_MIN, -1.0},
                                          {1000, NAN, 1000, NAN},
                                          {-5, 0.0, 1000, 0.5}};
    static const int32_t attempts[] = {INT32_MIN, -1, 0, 1, INT32_MAX};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        for (size_t a = 0; a < sizeof(attempts) / sizeof(attempts[0]); a++) {
            int64_t delay = taskq__backoff_delay_ms(&wrong[i], attempts[a], UINT64_MAX);
            ck_assert_int_ge(delay, 0);
            ck_assert_int_le(delay, 2 * TASKQ_BACKOFF_MAX_MS_MAX);
        }
    }
}
END_TEST

START_TEST(no_base_or_no_bound_is_no_delay)
{
    taskq_backoff no_base = {0, 10.0, 3600000, 1.0}, no_bound = {2000, 2.0, 0, 1.0};
    ck_assert_int_eq(taskq__backoff_delay_ms(&no_base, 50, UINT64_MAX), 0);
    ck_assert_int_eq(taskq__backoff_delay_ms(&no_bound, 50, UINT64_MAX), 0);
}
END_TEST

START_TEST(jitter_reaches_both_ends_and_no_further)
{
    taskq_backoff backoff = {10000, 1.0, 10000, 0.2};
    ck_assert_int_eq(taskq__backoff_delay_ms(&backoff, 1, 0), 8000);
    ck_assert_int_eq(taskq__backoff_delay_ms(&backoff, 1, middle), 10000);
    ck_assert_int_eq(taskq__backoff_delay_ms(&backoff, 1, UINT64_MAX), 12000);
    backoff = (taskq_backoff){1, 1.0, 1, 0.6};
    ck_assert_int_eq(taskq__backoff_delay_ms(&backoff, 1, UINT64_MAX), 1); /* 1.6 at most: never 2 */
}
END_TEST

START_TEST(jitter_spreads_evenly)
{
    enum { PARTS = 8, DRAWS = 80000 };
    taskq_backoff backoff = {100000, 1.0, 100000, 0.5};
    uint32_t counts[PARTS] = {0};
    taskq__rng rng;
    taskq__rng_init(&rng, 17);
    for (int i = 0; i < DRAWS; i++) {
        int64_t delay = taskq__backoff_delay_ms(&backoff, 1, taskq__rng_next(&rng));
        if (delay < 50000 || delay > 150000) {
            ck_abort_msg("a delay is beyond the jitter");
        }
        int64_t part = (delay - 50000) * PARTS / 100001;
        counts[part]++;
    }
    for (int i = 0; i < PARTS; i++) {
        ck_assert_uint_ge(counts[i], DRAWS / PARTS * 9 / 10);
        ck_assert_uint_le(counts[i], DRAWS / PARTS * 11 / 10);
    }
}
END_TEST

START_TEST(full_jitter_lies_between_0_and_a_doubling_top)
{
    ck_assert_int_eq(taskq__backoff_full_jitter_ms(500, 30000, 0, UINT64_MAX), 500);
    ck_assert_int_eq(taskq__backoff_full_jitter_ms(500, 30000, 3, UINT64_MAX), 4000);
    ck_assert_int_eq(taskq__backoff_full_jitter_ms(500, 30000, 6, UINT64_MAX), 30000);
    ck_assert_int_eq(taskq__backoff_full_jitter_ms(500, 30000, UINT32_MAX, UINT64_MAX), 30000);
    ck_assert_int_eq(taskq__backoff_full_jitter_ms(500, 30000, 6, 0), 0);
    ck_assert_int_eq(taskq__backoff_full_jitter_ms(500, 30000, 6, middle), 15000);
}
END_TEST

START_TEST(full_jitter_of_nothing_is_nothing)
{
    ck_assert_int_eq(taskq__backoff_full_jitter_ms(0, 30000, 5, UINT64_MAX), 0);
    ck_assert_int_eq(taskq__backoff_full_jitter_ms(500, 0, 5, UINT64_MAX), 0);
    ck_assert_int_eq(taskq__backoff_full_jitter_ms(-1, -1, 5, UINT64_MAX), 0);
    int64_t most = taskq__backoff_full_jitter_ms(INT64_MAX - 1, INT64_MAX, UINT32_MAX, UINT64_MAX);
    ck_assert_int_ge(most, 0);
}
END_TEST

TASKQ_TESTS(delays_grow_by_the_factor_from_the_base, delays_stop_at_the_bound,
            the_largest_base_and_factor_neither_overflow_nor_turn_negative, nonsense_is_bounded_too,
            no_base_or_no_bound_is_no_delay, jitter_reaches_both_ends_and_no_further, jitter_spreads_evenly,
            full_jitter_lies_between_0_and_a_doubling_top, full_jitter_of_nothing_is_nothing)
