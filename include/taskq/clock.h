/* SPDX-License-Identifier: MIT */
/*
 * Time as an object. A scheduler reads time only through the clock that it was given, so a host or a test can move it.
 *
 * wall_ms is Unix time in milliseconds: what people mean by 8 o'clock; it may jump. steady_ms is elapsed time in
 * milliseconds from any origin; it never goes back and counts while the machine sleeps. Leases, time-outs and backoffs
 * follow steady_ms, run_at and cron follow wall_ms.
 * Threads: both functions are called from any thread and must be fast; the struct is copied when it is handed over, `user`
 * must live as long as the object that it was handed to.
 */
#ifndef TASKQ_CLOCK_H
#define TASKQ_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include <taskq/export.h>

TASKQ_BEGIN_DECLS

/** Where an object gets its time. */
typedef struct taskq_clock {
    size_t struct_size;               /**< sizeof(taskq_clock) */
    int64_t (*wall_ms)(void *user);   /**< Unix time in milliseconds */
    int64_t (*steady_ms)(void *user); /**< elapsed milliseconds since whenever; never back */
    void *user;                       /**< handed to both */
} taskq_clock;

/** The system's clocks: CLOCK_REALTIME and CLOCK_BOOTTIME. Cannot fail. */
TASKQ_API void taskq_clock_system(taskq_clock *out);

TASKQ_END_DECLS

#endif
