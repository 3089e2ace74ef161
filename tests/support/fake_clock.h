/* SPDX-License-Identifier: MIT */
/* A clock that moves when the test says so. Both times may be moved and read from any thread. */
#ifndef TASKQ_TESTS_FAKE_CLOCK_H
#define TASKQ_TESTS_FAKE_CLOCK_H

#include <stdatomic.h>

#include <taskq/clock.h>

typedef struct fake_clock {
    _Atomic int64_t wall_ms, steady_ms;
} fake_clock;

#define FAKE_CLOCK_WALL_MS INT64_C(1769846400000) /* 2026-01-31T08:00:00Z */

void fake_clock_init(fake_clock *clock);
taskq_clock fake_clock_face(fake_clock *clock);           /* for the options of a scheduler */
void fake_clock_advance(fake_clock *clock, int64_t ms);   /* time passes: both go on */
void fake_clock_jump_wall(fake_clock *clock, int64_t ms); /* somebody set the wall clock, back where ms is negative */

#endif
