/* SPDX-License-Identifier: MIT */
/*
 * Leases follow elapsed time, and stored leases must mean something after a restart, when elapsed time has
 * another origin. So elapsed time is counted on from the wall time at which the keeper was made: within a
 * run it never jumps, and the next run's instants lie where the wall clock says.
 */
#include "core/timekeeper.h"

#include <stddef.h>

enum { FLICKER_MS = 1 };

static int64_t add_bounded(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum)) {
        return b > 0 ? INT64_MAX : INT64_MIN;
    }
    return sum;
}

static int64_t difference_bounded(int64_t a, int64_t b)
{
    int64_t difference;
    if (__builtin_sub_overflow(a, b, &difference)) {
        return a > b ? INT64_MAX : INT64_MIN;
    }
    return difference;
}

void taskq__timekeeper_init(taskq__timekeeper *keeper, const taskq_clock *clock)
{
    if (clock == NULL || clock->wall_ms == NULL || clock->steady_ms == NULL) {
        taskq_clock_system(&keeper->clock);
    } else {
        keeper->clock = *clock;
    }
    keeper->steady_offset_ms =
        difference_bounded(keeper->clock.wall_ms(keeper->clock.user), keeper->clock.steady_ms(keeper->clock.user));
    atomic_init(&keeper->ahead_ms, 0);
}

/* Both clocks are read in milliseconds, so their distance flickers by one; without this, so would every lease's end that is shown. */
static int64_t steady_distance(taskq__timekeeper *keeper, int64_t ahead_ms)
{
    int64_t kept_ms = atomic_load_explicit(&keeper->ahead_ms, memory_order_relaxed);
    if (ahead_ms >= kept_ms - FLICKER_MS && ahead_ms <= kept_ms + FLICKER_MS) {
        return kept_ms;
    }
    atomic_store_explicit(&keeper->ahead_ms, ahead_ms, memory_order_relaxed);
    return ahead_ms;
}

taskq_now taskq__timekeeper_now(taskq__timekeeper *keeper)
{
    int64_t steady_ms = add_bounded(keeper->clock.steady_ms(keeper->clock.user), keeper->steady_offset_ms);
    int64_t ahead_ms = difference_bounded(keeper->clock.wall_ms(keeper->clock.user), steady_ms);
    return (taskq_now){
        .wall_ms = add_bounded(steady_ms, steady_distance(keeper, ahead_ms)),
        .steady_ms = steady_ms,
    };
}

int64_t taskq__steady_to_wall(int64_t steady_ms, taskq_now now)
{
    return steady_ms == 0 ? 0 : add_bounded(now.wall_ms, difference_bounded(steady_ms, now.steady_ms));
}
