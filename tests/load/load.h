/* SPDX-License-Identifier: MIT */
/* What the modes of the load program share: the job that all of them enqueue, and reading leases out of replies. */
#ifndef TASKQ_TESTS_LOAD_LOAD_H
#define TASKQ_TESTS_LOAD_LOAD_H

#include "load/net.h"

#define LOAD_QUEUE "bench"
#define LOAD_TYPE "work"

enum { PAYLOAD_BYTES = 200, LEASES_MAX = 1000, REQUEST_BYTES_MAX = 8 << 20 };

typedef struct lease {
    int64_t id, version;
} lease;

/* What a mode found out; printed by main as a line of JSON. */
typedef struct measure {
    uint64_t jobs;
    int64_t elapsed_ns;
    size_t reply_bytes; /* of the last reply */
} measure;

/* One new job, its payload PAYLOAD_BYTES long; and a list of them. */
void job_write(taskq__buf *out);
void jobs_write(taskq__buf *out, uint32_t count);

/* The jobs of a reply, as far as they are needed to report them. -1: it was said what is wrong. */
int64_t leases_read(const reply *got, lease *out, uint32_t max);
/* How many elements of "results" say 200. */
uint32_t results_good(const reply *got);
/* {"completions": [...], "next": {...}}; `next` 0: no claim. */
void complete_write(taskq__buf *out, const lease *leases, uint32_t count, uint32_t next);

/* False, and says so, where a reply has not the status that belongs there. */
bool reply_is(const reply *got, int status);

/* Each false where it failed, which has been said. */
bool mode_enqueue(const ports *at, uint32_t connections, double seconds, measure *out);
bool mode_fill(const ports *at, uint32_t connections, uint64_t jobs, measure *out);
bool mode_drain_single(const ports *at, uint32_t connections, measure *out);
bool mode_drain(const ports *at, uint32_t connections, uint32_t batch, measure *out);
bool mode_lifecycles(const ports *at, uint32_t connections, uint32_t batch, double seconds, measure *out);

#endif
