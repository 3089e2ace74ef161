/* SPDX-License-Identifier: MIT */
/*
 * The servers that a worker may ask, each with a circuit breaker: closed (asked at will), open (not asked until a drawn time is over),
 * half open (one request tries it). A breaker opens at the first failure: every request of a worker may be repeated, and the next
 * server is there at once. Pure but for its random source: time is an argument.
 */
#ifndef TASKQ_WORKER_BREAKER_H
#define TASKQ_WORKER_BREAKER_H

#include "core/log.h"
#include "core/rng.h"

#include <taskq/alloc.h>

enum { TASKQ__SERVERS_MAX = 16, TASKQ__BREAKER_BASE_MS = 500, TASKQ__BREAKER_MAX_MS = 30000 };

typedef enum taskq__breaker_state {
    TASKQ__BREAKER_CLOSED = 0,
    TASKQ__BREAKER_OPEN,
    TASKQ__BREAKER_HALF_OPEN
} taskq__breaker_state;

typedef struct taskq__server {
    char *url;
    taskq__breaker_state state;
    uint32_t failures; /* in a row */
    int64_t open_until_ms;
} taskq__server;

typedef struct taskq__servers {
    taskq__server list[TASKQ__SERVERS_MAX];
    uint32_t count, current;
    uint32_t home; /* where it began, and to which it returns */
    const taskq_allocator *allocator;
    const taskq_log *log;
    taskq__rng *rng;
} taskq__servers;

/* EINVAL: too many, or one that is no http(s) URL. `log` and `rng` are borrowed. Clear it in any case. */
taskq_status taskq__servers_init(taskq__servers *servers, const taskq_allocator *a, const char *const *urls,
                                 uint32_t count, const taskq_log *log, taskq__rng *rng, taskq_error *err);
void taskq__servers_clear(taskq__servers *servers);
/* One that is drawn becomes the home, so that many workers are spread over the servers. Else it is the first. */
void taskq__servers_settle(taskq__servers *servers);

/* The server to ask now; false: none may be asked yet, `in_ms` says when one may (-1: when the answer of the one that is being tried is there).
 * A server whose time is over becomes half open by being picked. */
bool taskq__servers_pick(taskq__servers *servers, int64_t now_ms, uint32_t *index, int64_t *in_ms);

/* True: another server is asked meanwhile, and it is time to try the home with a request that nothing depends on; the home is then half
 * open. False: `in_ms` says when it may be (-1: there is no need). */
bool taskq__servers_try_home(taskq__servers *servers, int64_t now_ms, uint32_t *index, int64_t *in_ms);

/* What came of asking it. `at_least_ms`: it said Retry-After. `why`: for the log. `denied`: it does not accept our token. */
void taskq__servers_answered(taskq__servers *servers, uint32_t index);
void taskq__servers_failed(taskq__servers *servers, uint32_t index, int64_t now_ms, int64_t at_least_ms, bool denied,
                           const char *why);
/* The request was taken back before its end: nothing is known. */
void taskq__servers_abandoned(taskq__servers *servers, uint32_t index, int64_t now_ms);

#endif
