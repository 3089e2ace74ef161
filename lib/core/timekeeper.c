/* SPDX-License-Identifier: MIT */
/*
 * Leases follow elapsed time, and stored leases must mean something after a restart, when elapsed time has
 * another origin. So elapsed time is counted on from the wall time at which the keeper was made: within a
 * run it never jumps, and the next run's instants lie where the wall clock says.
 */
#include "core/timekeeper.h"

#include <stddef.h>

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
}

taskq_now taskq__timekeeper_now(const taskq__timekeeper *keeper)
{
    return (taskq_now){
        .wall_ms = keeper->clock.wall_ms(keeper->clock.user),
        .steady_ms = add_bounded(keeper->clock.steady_ms(keeper->clock.user), keeper->steady_offset_ms),
    };
}

int64_t taskq__steady_to_wall(int64_t steady_ms, taskq_now now)
{
    return steady_ms == 0 ? 0 : add_bounded(now.wall_ms, difference_bounded(steady_ms, now.steady_ms));
}
