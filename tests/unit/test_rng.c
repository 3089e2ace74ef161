/* SPDX-License-Identifier: MIT */
/*
 * The random source: the same seed gives the same numbers, all of them come about equally often, and many
 * threads may draw from one source without getting the same number twice.
 */
#include "support/check_main.h"

#include "core/rng.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <taskq/job.h>

START_TEST(the_same_seed_gives_the_same_numbers)
{
    taskq__rng a, b;
    taskq__rng_init(&a, 7);
    taskq__rng_init(&b, 7);
    for (int i = 0; i < 100; i++) {
        ck_assert_uint_eq(taskq__rng_next(&a), taskq__rng_next(&b));
    }
}
END_TEST

START_TEST(seed_0_differs_from_source_to_source)
{
    taskq__rng a, b;
    taskq__rng_init(&a, 0);
    taskq__rng_init(&b, 0);
    ck_assert_uint_ne(taskq__rng_next(&a), taskq__rng_next(&b)); /* equal once in 2^64 runs */
}
END_TEST

/* Of the published SplitMix64, seed 1234567. */
START_TEST(the_numbers_are_those_of_the_known_generator)
{
    taskq__rng rng;
    taskq__rng_init(&rng, 1234567);
    ck_assert_uint_eq(taskq__rng_next(&rng), UINT64_C(6457827717110365317));
    ck_assert_uint_eq(taskq__rng_next(&rng), UINT64_C(3203168211198807973));
    ck_assert_uint_eq(taskq__rng_next(&rng), UINT64_C(9817491932198370423));
}
END_TEST

START_TEST(numbers_below_a_bound_come_about_equally_often)
{
    enum { BOUND = 7, DRAWS = 70000 };
    uint32_t counts[BOUND] = {0};
    taskq__rng rng;
    taskq__rng_init(&rng, 11);
    for (int i = 0; i < DRAWS; i++) {
        uint64_t drawn = taskq__rng_below(&rng, BOUND);
        if (drawn >= BOUND) {
            ck_abort_msg("drew a number that is not below the bound");
        }
        counts[drawn]++;
    }
    for (int i = 0; i < BOUND; i++) {
        ck_assert_uint_ge(counts[i], DRAWS / BOUND * 9 / 10);
        ck_assert_uint_le(counts[i], DRAWS / BOUND * 11 / 10);
    }
}
END_TEST

START_TEST(bounds_at_the_ends_hold)
{
    taskq__rng rng;
    taskq__rng_init(&rng, 3);
    for (int i = 0; i < 100; i++) {
        ck_assert_uint_eq(taskq__rng_below(&rng, 0), 0);
        ck_assert_uint_eq(taskq__rng_below(&rng, 1), 0);
        ck_assert_uint_lt(taskq__rng_below(&rng, UINT64_MAX), UINT64_MAX);
        ck_assert_uint_le(taskq__rng_below(&rng, (UINT64_C(1) << 63) + 1), UINT64_C(1) << 63);
    }
}
END_TEST

START_TEST(unit_doubles_are_at_least_0_and_below_1)
{
    ck_assert(taskq__unit_double(0) == 0.0);
    ck_assert(taskq__unit_double(UINT64_MAX) < 1.0);
    ck_assert(taskq__unit_double(UINT64_MAX) > 0.9999999);
    ck_assert(taskq__unit_double(UINT64_C(1) << 63) == 0.5);
}
END_TEST

START_TEST(mixing_spreads_neighbours_over_all_bits)
{
    uint64_t seen_set = 0, seen_clear = 0;
    for (uint64_t id = 0; id < 64; id++) {
        uint64_t changed = taskq__mix64(id) ^ taskq__mix64(id + 1);
        int bits = __builtin_popcountll(changed);
        ck_assert_int_ge(bits, 12); /* 32 of 64 on average */
        seen_set |= changed;
        seen_clear |= ~changed;
    }
    ck_assert_uint_eq(seen_set, UINT64_MAX);
    ck_assert_uint_eq(seen_clear, UINT64_MAX);
}
END_TEST

enum { THREADS = 4, DRAWS_EACH = 20000 };

typedef struct drawer {
    taskq__rng *rng;
    uint64_t drawn[DRAWS_EACH];
} drawer;

static void *draw(void *argument)
{
    drawer *self = argument;
    for (int i = 0; i < DRAWS_EACH; i++) {
        self->drawn[i] = taskq__rng_next(self->rng);
    }
    return NULL;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t left, right;
    memcpy(&left, a, sizeof(left));
    memcpy(&right, b, sizeof(right));
    return (left > right) - (left < right);
}

START_TEST(threads_never_draw_the_same_number)
{
    static drawer drawers[THREADS];
    static uint64_t all[THREADS * DRAWS_EACH];
    taskq__rng rng;
    taskq__rng_init(&rng, 5);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        drawers[i].rng = &rng;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, draw, &drawers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        memcpy(all + (size_t)i * DRAWS_EACH, drawers[i].drawn, sizeof(drawers[i].drawn));
    }
    qsort(all, THREADS * DRAWS_EACH, sizeof(all[0]), compare_numbers);
    size_t twins = 0;
    for (size_t i = 1; i < THREADS * DRAWS_EACH; i++) {
        twins += all[i] == all[i - 1];
    }
    ck_assert_uint_eq(twins, 0);
}
END_TEST

START_TEST(a_digest_tells_contents_and_lengths_apart)
{
    static const char zeros[64] = {0};
    uint64_t digests[64];
    for (size_t size = 0; size < 64; size++) {
        digests[size] = taskq_digest(zeros, size);
        for (size_t other = 0; other < size; other++) {
            ck_assert_uint_ne(digests[size], digests[other]);
        }
    }
    ck_assert_uint_eq(taskq_digest(NULL, 0), digests[0]);
    ck_assert_uint_ne(taskq_digest("{\"a\":1}", 7), taskq_digest("{\"a\":2}", 7));
}
END_TEST

START_TEST(one_bit_changes_about_half_of_a_digest)
{
    unsigned char data[40] = "a payload that is longer than one step";
    uint64_t digest = taskq_digest(data, sizeof(data));
    for (size_t bit = 0; bit < sizeof(data) * 8; bit++) {
        data[bit / 8] = (unsigned char)(data[bit / 8] ^ (1u << bit % 8));
        int changed = __builtin_popcountll(digest ^ taskq_digest(data, sizeof(data)));
        ck_assert_int_ge(changed, 10);
        ck_assert_int_le(changed, 54);
        data[bit / 8] = (unsigned char)(data[bit / 8] ^ (1u << bit % 8));
    }
}
END_TEST

/* Stored digests must be found again by every later version: these numbers never change. */
START_TEST(a_digest_is_the_same_in_every_version)
{
    ck_assert_uint_eq(taskq_digest("", 0), UINT64_C(0x2d677522266c633f));
    ck_assert_uint_eq(taskq_digest("abc", 3), UINT64_C(0xb3a5f8a05443c2ac));
    ck_assert_uint_eq(taskq_digest("{\"type\":\"sleep\"}", 16), UINT64_C(0x21d9862c6614a2ad));
}
END_TEST

TASKQ_TESTS(the_same_seed_gives_the_same_numbers, seed_0_differs_from_source_to_source,
            the_numbers_are_those_of_the_known_generator, numbers_below_a_bound_come_about_equally_often,
            bounds_at_the_ends_hold, unit_doubles_are_at_least_0_and_below_1, mixing_spreads_neighbours_over_all_bits,
            threads_never_draw_the_same_number, a_digest_tells_contents_and_lengths_apart,
            one_bit_changes_about_half_of_a_digest, a_digest_is_the_same_in_every_version)
