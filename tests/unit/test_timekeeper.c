/* SPDX-License-Identifier: MIT */
/*
 * Two times from one clock: elapsed time goes on evenly while the wall clock jumps, and stored instants mean
 * about the same to the next keeper.
 */
#include "support/check_main.h"

#include "core/timekeeper.h"

typedef struct fake {
    int64_t wall_ms, steady_ms;
} fake;

static int64_t fake_wall(void *user)
{
    return ((fake *)user)->wall_ms;
}

static int64_t fake_steady(void *user)
{
    return ((fake *)user)->steady_ms;
}

static taskq_clock fake_clock(fake *at)
{
    return (taskq_clock){sizeof(taskq_clock), fake_wall, fake_steady, at};
}

START_TEST(elapsed_time_starts_at_the_wall_time)
{
    fake at = {1700000000000, 5000};
    taskq_clock clock = fake_clock(&at);
    taskq__timekeeper keeper;
    taskq__timekeeper_init(&keeper, &clock);
    taskq_now now = taskq__timekeeper_now(&keeper);
    ck_assert_int_eq(now.wall_ms, 1700000000000);
    ck_assert_int_eq(now.steady_ms, 1700000000000);
}
END_TEST

START_TEST(a_jump_of_the_wall_clock_does_not_move_elapsed_time)
{
    fake at = {1700000000000, 5000};
    taskq_clock clock = fake_clock(&at);
    taskq__timekeeper keeper;
    taskq__timekeeper_init(&keeper, &clock);
    at.wall_ms -= 3600000;
    at.steady_ms += 250;
    taskq_now now = taskq__timekeeper_now(&keeper);
    ck_assert_int_eq(now.wall_ms, 1699996400000);
    ck_assert_int_eq(now.steady_ms, 1700000000250);
}
END_TEST

START_TEST(a_lease_is_shown_with_one_end_however_the_clocks_tick)
{
    fake at = {1700000000000, 5000};
    taskq_clock clock = fake_clock(&at);
    taskq__timekeeper keeper;
    taskq__timekeeper_init(&keeper, &clock);
    int64_t due_ms = taskq__timekeeper_now(&keeper).steady_ms + 60000;
    at = (fake){at.wall_ms + 701, at.steady_ms + 700}; /* one of them ticked, the other did not yet */
    ck_assert_int_eq(taskq__steady_to_wall(due_ms, taskq__timekeeper_now(&keeper)), 1700000060000);
    at = (fake){at.wall_ms + 99, at.steady_ms + 101}; /* now the other one */
    ck_assert_int_eq(taskq__steady_to_wall(due_ms, taskq__timekeeper_now(&keeper)), 1700000060000);
}
END_TEST

START_TEST(after_a_restart_a_stored_instant_lies_where_the_wall_clock_says)
{
    fake at = {1700000000000, 90000};
    taskq_clock clock = fake_clock(&at);
    taskq__timekeeper first, second;
    taskq__timekeeper_init(&first, &clock);
    int64_t due_ms = taskq__timekeeper_now(&first).steady_ms + 60000;
    at = (fake){1700000020000, 3}; /* 20 s later, after a boot */
    taskq__timekeeper_init(&second, &clock);
    ck_assert_int_eq(due_ms - taskq__timekeeper_now(&second).steady_ms, 40000);
}
END_TEST

START_TEST(an_instant_of_elapsed_time_is_shown_as_wall_time)
{
    taskq_now now = {.wall_ms = 5000, .steady_ms = 1000};
    ck_assert_int_eq(taskq__steady_to_wall(1500, now), 5500);
    ck_assert_int_eq(taskq__steady_to_wall(400, now), 4400);
    ck_assert_int_eq(taskq__steady_to_wall(0, now), 0);
    ck_assert_int_eq(taskq__steady_to_wall(INT64_MAX, now), INT64_MAX);
}
END_TEST

START_TEST(without_a_clock_the_systems_is_taken)
{
    taskq_clock zeroed = {0, NULL, NULL, NULL};
    taskq__timekeeper keeper;
    taskq__timekeeper_init(&keeper, &zeroed);
    taskq_now first = taskq__timekeeper_now(&keeper);
    taskq__timekeeper_init(&keeper, NULL);
    taskq_now second = taskq__timekeeper_now(&keeper);
    ck_assert_int_gt(first.wall_ms, 1600000000000);
    ck_assert_int_gt(second.steady_ms, 1600000000000);
}
END_TEST

START_TEST(the_systems_elapsed_time_never_goes_back)
{
    taskq_clock clock;
    taskq_clock_system(&clock);
    ck_assert_uint_eq(clock.struct_size, sizeof(clock));
    int64_t last = clock.steady_ms(clock.user);
    for (int i = 0; i < 10000; i++) {
        int64_t now = clock.steady_ms(clock.user);
        ck_assert_int_ge(now, last);
        last = now;
    }
}
END_TEST

TASKQ_TESTS(elapsed_time_starts_at_the_wall_time, a_lease_is_shown_with_one_end_however_the_clocks_tick,
            a_jump_of_the_wall_clock_does_not_move_elapsed_time,
            after_a_restart_a_stored_instant_lies_where_the_wall_clock_says,
            an_instant_of_elapsed_time_is_shown_as_wall_time, without_a_clock_the_systems_is_taken,
            the_systems_elapsed_time_never_goes_back)
