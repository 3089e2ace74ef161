/* SPDX-License-Identifier: MIT */
/* The two times of one instant, from an injected clock: the wall clock, and elapsed time counted on from the wall time at which the
 * keeper was made, so that stored instants of both mean the same after a restart. Threads: any, after init. */
#ifndef TASKQ_CORE_TIMEKEEPER_H
#define TASKQ_CORE_TIMEKEEPER_H

#include <stdatomic.h>

#include <taskq/clock.h>
#include <taskq/sys/store.h>

typedef struct taskq__timekeeper {
    taskq_clock clock;
    int64_t steady_offset_ms; /* added to the clock's steady_ms */
    _Atomic int64_t ahead_ms; /* how far the wall clock is before elapsed time: 0 until it is set */
} taskq__timekeeper;

void taskq__timekeeper_init(taskq__timekeeper *keeper,
                            const taskq_clock *clock); /* zeroed or NULL clock: the system's */
taskq_now taskq__timekeeper_now(taskq__timekeeper *keeper);
/* An instant of elapsed time as wall time, as things stand now; 0 stays 0. */
int64_t taskq__steady_to_wall(int64_t steady_ms, taskq_now now);

#endif
