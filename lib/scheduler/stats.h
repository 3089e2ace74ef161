/* SPDX-License-Identifier: MIT */
/* Counters of what happened, and a ring of the last minute's seconds. All of it atomics: counting takes no lock. */
#ifndef TASKQ_SCHEDULER_STATS_H
#define TASKQ_SCHEDULER_STATS_H

#include <stdatomic.h>

#include <taskq/scheduler.h>
#include <taskq/sys/store.h>

enum {
    TASKQ__STATS_SECONDS = 60,
    TASKQ__STATS_SLOTS = 64,    /* a power of two above it, the one that is being written among them */
    TASKQ__STATS_BUCKETS = 128, /* four an octave: a percentile is at most a quarter too high */
    TASKQ__STATS_STARTS = 16384
};

typedef enum taskq__counter {
    TASKQ__COUNT_ENQUEUED,
    TASKQ__COUNT_CLAIMED,
    TASKQ__COUNT_SUCCEEDED,
    TASKQ__COUNT_FAILED_ATTEMPTS,
    TASKQ__COUNT_RELEASED,
    TASKQ__COUNT_LOST,
    TASKQ__COUNT_TIMED_OUT,
    TASKQ__COUNT_CANCELED,
    TASKQ__COUNT_RETRIED,
    TASKQ__COUNT_DELETED,
    TASKQ__COUNT_STALE,
    TASKQ__COUNTERS
} taskq__counter;

typedef struct taskq__second {
    _Atomic int64_t second; /* which one it holds */
    _Atomic uint32_t enqueued, claimed, finished;
    _Atomic uint32_t waits[TASKQ__STATS_BUCKETS], runs[TASKQ__STATS_BUCKETS];
} taskq__second;

typedef struct taskq__stats {
    _Atomic uint64_t counters[TASKQ__COUNTERS];
    taskq__second seconds[TASKQ__STATS_SLOTS];
    /* When jobs were claimed, for the time they ran: a report names its job by id alone, and reading the row for a figure would
     * cost more than the figure is worth. A slot is 24 bits of the id's hash and 40 bits of milliseconds; the newer job wins. */
    _Atomic uint64_t starts[TASKQ__STATS_STARTS];
    int64_t origin_ms; /* of elapsed time */
} taskq__stats;

void taskq__stats_init(taskq__stats *stats, int64_t steady_ms);
void taskq__stats_add(taskq__stats *stats, taskq__counter counter, uint64_t count);
void taskq__stats_enqueued(taskq__stats *stats, taskq_now now, uint32_t count);
/* A job came out of a claim just now: how long it had waited, and when it was claimed. */
void taskq__stats_claimed(taskq__stats *stats, taskq_now now, const taskq_job *job);
void taskq__stats_reported(taskq__stats *stats, taskq_now now, int64_t id);
void taskq__stats_read(taskq__stats *stats, taskq_now now, taskq_scheduler_stats *out);

#endif
