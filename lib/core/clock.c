/* SPDX-License-Identifier: MIT */
/*
 * The only place that reads a clock. Everything else is given one, which is what lets a test or a simulation
 * move time. CLOCK_BOOTTIME and not CLOCK_MONOTONIC: a laptop that slept for an hour has let its leases run
 * out.
 */
#include <taskq/clock.h>

#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec at = {0, 0};
    (void)clock_gettime(id, &at); /* cannot fail for these two */
    return (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

static int64_t read_wall_ms(void *user)
{
    (void)user;
    return read_ms(CLOCK_REALTIME);
}

static int64_t read_steady_ms(void *user)
{
    (void)user;
    return read_ms(CLOCK_BOOTTIME);
}

void taskq_clock_system(taskq_clock *out)
{
    *out = (taskq_clock){sizeof(taskq_clock), read_wall_ms, read_steady_ms, NULL};
}
