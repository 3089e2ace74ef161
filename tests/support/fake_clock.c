/* SPDX-License-Identifier: MIT */
/*
 * Leases of a minute, backoffs of an hour and retention of a week in a test of a millisecond. The elapsed time starts
 * somewhere else than the wall clock, as it does on a machine: whoever confuses the two is found out.
 */
#include "support/fake_clock.h"

#define STEADY_START_MS INT64_C(1000000)

static int64_t read_wall(void *user)
{
    return atomic_load(&((fake_clock *)user)->wall_ms);
}

static int64_t read_steady(void *user)
{
    return atomic_load(&((fake_clock *)user)->steady_ms);
}

void fake_clock_init(fake_clock *clock)
{
    atomic_init(&clock->wall_ms, FAKE_CLOCK_WALL_MS);
    atomic_init(&clock->steady_ms, STEADY_START_MS);
}

taskq_clock fake_clock_face(fake_clock *clock)
{
    return (taskq_clock){sizeof(taskq_clock), read_wall, read_steady, clock};
}

void fake_clock_advance(fake_clock *clock, int64_t ms)
{
    atomic_fetch_add(&clock->wall_ms, ms);
    atomic_fetch_add(&clock->steady_ms, ms);
}

void fake_clock_jump_wall(fake_clock *clock, int64_t ms)
{
    atomic_fetch_add(&clock->wall_ms, ms);
}
