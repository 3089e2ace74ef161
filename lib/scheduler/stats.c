/* SPDX-License-Identifier: MIT */
/*
 * Figures for operators, cheap enough for the hot path: an atomic addition or two a job. A slot of the ring is emptied by
 * the first who writes in its second; a count that falls into that very moment may be missing from a rate, never from a
 * counter.
 */
#include "scheduler/stats.h"

#include <string.h>

#include "core/rng.h"

void taskq__stats_init(taskq__stats *stats, int64_t steady_ms)
{
    stats->origin_ms = steady_ms;
    for (int i = 0; i < TASKQ__STATS_SLOTS; i++) {
        atomic_store_explicit(&stats->seconds[i].second, -1, memory_order_relaxed);
    }
}

void taskq__stats_add(taskq__stats *stats, taskq__counter counter, uint64_t count)
{
    if (count > 0) {
        atomic_fetch_add_explicit(&stats->counters[counter], count, memory_order_relaxed);
    }
}

static int64_t second_of(const taskq__stats *stats, taskq_now now)
{
    int64_t since = now.steady_ms - stats->origin_ms;
    return since > 0 ? since / 1000 : 0;
}

static taskq__second *slot_now(taskq__stats *stats, taskq_now now)
{
    int64_t second = second_of(stats, now);
    taskq__second *slot = &stats->seconds[second % TASKQ__STATS_SLOTS];
    int64_t held = atomic_load_explicit(&slot->second, memory_order_acquire);
    if (held < second && atomic_compare_exchange_strong(&slot->second, &held, second)) {
        atomic_store_explicit(&slot->enqueued, 0, memory_order_relaxed);
        atomic_store_explicit(&slot->claimed, 0, memory_order_relaxed);
        atomic_store_explicit(&slot->finished, 0, memory_order_relaxed);
        for (int i = 0; i < TASKQ__STATS_BUCKETS; i++) {
            atomic_store_explicit(&slot->waits[i], 0, memory_order_relaxed);
            atomic_store_explicit(&slot->runs[i], 0, memory_order_relaxed);
        }
    }
    return slot;
}

/* 0 to 3 have a bucket each; above, an octave has four. */
static uint32_t bucket_of(int64_t ms)
{
    if (ms < 4) {
        return ms < 0 ? 0 : (uint32_t)ms;
    }
    uint32_t top = 63u - (uint32_t)__builtin_clzll((unsigned long long)ms);
    uint32_t bucket = (top - 1) * 4 + (uint32_t)((ms >> (top - 2)) & 3);
    return bucket < TASKQ__STATS_BUCKETS ? bucket : TASKQ__STATS_BUCKETS - 1;
}

/* The highest value that falls into the bucket. */
static int64_t bucket_top(uint32_t bucket)
{
    if (bucket < 4) {
        return bucket;
    }
    uint32_t top = bucket / 4 + 1;
    return ((INT64_C(4) + (bucket & 3) + 1) << (top - 2)) - 1;
}

static void add_one(_Atomic uint32_t *count)
{
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

void taskq__stats_enqueued(taskq__stats *stats, taskq_now now, uint32_t count)
{
    if (count > 0) {
        taskq__stats_add(stats, TASKQ__COUNT_ENQUEUED, count);
        atomic_fetch_add_explicit(&slot_now(stats, now)->enqueued, count, memory_order_relaxed);
    }
}

#define START_MASK ((UINT64_C(1) << 40) - 1)

static _Atomic uint64_t *start_of(taskq__stats *stats, int64_t id, uint64_t *tag)
{
    uint64_t hash = taskq__mix64((uint64_t)id);
    *tag = hash >> 40 << 40;
    return &stats->starts[hash % TASKQ__STATS_STARTS];
}

void taskq__stats_claimed(taskq__stats *stats, taskq_now now, const taskq_job *job)
{
    taskq__stats_add(stats, TASKQ__COUNT_CLAIMED, 1);
    taskq__second *slot = slot_now(stats, now);
    add_one(&slot->claimed);
    add_one(&slot->waits[bucket_of(job->started_at_ms - job->run_at_ms)]);
    uint64_t tag;
    _Atomic uint64_t *start = start_of(stats, job->id, &tag);
    uint64_t since = (uint64_t)(now.steady_ms - stats->origin_ms) + 1; /* 0: nothing */
    atomic_store_explicit(start, tag | (since & START_MASK), memory_order_relaxed);
}

void taskq__stats_reported(taskq__stats *stats, taskq_now now, int64_t id)
{
    taskq__second *slot = slot_now(stats, now);
    add_one(&slot->finished);
    uint64_t tag;
    _Atomic uint64_t *start = start_of(stats, id, &tag);
    uint64_t held = atomic_exchange_explicit(start, 0, memory_order_relaxed);
    if (held != 0 && (held & ~START_MASK) == tag) {
        int64_t since = (int64_t)(held & START_MASK) - 1;
        add_one(&slot->runs[bucket_of(now.steady_ms - stats->origin_ms - since)]);
    }
}

static int64_t percentile(const uint64_t *counts, uint32_t percent)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < TASKQ__STATS_BUCKETS; i++) {
        total += counts[i];
    }
    uint64_t rank = (total * percent + 99) / 100, seen = 0;
    for (uint32_t i = 0; i < TASKQ__STATS_BUCKETS && rank > 0; i++) {
        seen += counts[i];
        if (seen >= rank) {
            return bucket_top(i);
        }
    }
    return 0;
}

static void read_minute(taskq__stats *stats, taskq_now now, taskq_scheduler_stats *out)
{
    uint64_t waits[TASKQ__STATS_BUCKETS] = {0}, runs[TASKQ__STATS_BUCKETS] = {0};
    uint64_t enqueued = 0, claimed = 0, finished = 0;
    int64_t last = second_of(stats, now);
    for (int i = 0; i < TASKQ__STATS_SLOTS; i++) {
        taskq__second *slot = &stats->seconds[i];
        int64_t second = atomic_load_explicit(&slot->second, memory_order_acquire);
        if (second < 0 || second > last || second <= last - TASKQ__STATS_SECONDS) {
            continue;
        }
        enqueued += atomic_load_explicit(&slot->enqueued, memory_order_relaxed);
        claimed += atomic_load_explicit(&slot->claimed, memory_order_relaxed);
        finished += atomic_load_explicit(&slot->finished, memory_order_relaxed);
        for (int k = 0; k < TASKQ__STATS_BUCKETS; k++) {
            waits[k] += atomic_load_explicit(&slot->waits[k], memory_order_relaxed);
            runs[k] += atomic_load_explicit(&slot->runs[k], memory_order_relaxed);
        }
    }
    /* A scheduler that is younger than a minute tells the rate of its life. */
    double seconds = last + 1 < TASKQ__STATS_SECONDS ? (double)(last + 1) : (double)TASKQ__STATS_SECONDS;
    out->enqueued_per_s = (double)enqueued / seconds;
    out->claimed_per_s = (double)claimed / seconds;
    out->finished_per_s = (double)finished / seconds;
    out->wait_p50_ms = percentile(waits, 50);
    out->wait_p95_ms = percentile(waits, 95);
    out->wait_p99_ms = percentile(waits, 99);
    out->run_p50_ms = percentile(runs, 50);
    out->run_p95_ms = percentile(runs, 95);
    out->run_p99_ms = percentile(runs, 99);
}

void taskq__stats_read(taskq__stats *stats, taskq_now now, taskq_scheduler_stats *out)
{
    uint64_t counters[TASKQ__COUNTERS];
    for (int i = 0; i < TASKQ__COUNTERS; i++) {
        counters[i] = atomic_load_explicit(&stats->counters[i], memory_order_relaxed);
    }
    out->enqueued = counters[TASKQ__COUNT_ENQUEUED];
    out->claimed = counters[TASKQ__COUNT_CLAIMED];
    out->succeeded = counters[TASKQ__COUNT_SUCCEEDED];
    out->failed_attempts = counters[TASKQ__COUNT_FAILED_ATTEMPTS];
    out->released = counters[TASKQ__COUNT_RELEASED];
    out->lost = counters[TASKQ__COUNT_LOST];
    out->timed_out = counters[TASKQ__COUNT_TIMED_OUT];
    out->canceled = counters[TASKQ__COUNT_CANCELED];
    out->retried = counters[TASKQ__COUNT_RETRIED];
    out->deleted = counters[TASKQ__COUNT_DELETED];
    out->stale_reports = counters[TASKQ__COUNT_STALE];
    read_minute(stats, now, out);
}
