/* SPDX-License-Identifier: MIT */
/* Why requests and connections were turned away, counted. */
#ifndef TASKQ_SERVER_BOUNDS_H
#define TASKQ_SERVER_BOUNDS_H

#include <stdatomic.h>
#include <stdint.h>

typedef enum taskq__bound {
    TASKQ__BOUND_NONE,
    TASKQ__BOUND_UNAUTHORIZED, /* no valid token */
    TASKQ__BOUND_THROTTLED,    /* the same, too often from one address */
    TASKQ__BOUND_FORBIDDEN,    /* a valid one, of another role or queue; another site's page */
    TASKQ__BOUND_HEADER_SIZE,
    TASKQ__BOUND_URL_LENGTH,
    TASKQ__BOUND_BODY_SIZE,
    TASKQ__BOUND_REQUEST_TIME,
    TASKQ__BOUND_JSON_DEPTH,
    TASKQ__BOUND_CONNECTIONS,
    TASKQ__BOUND_ADDRESS, /* connections of one address */
    TASKQ__BOUND_HELD_POLLS,
    TASKQ__BOUND_WORKER_POLLS,     /* held polls of one worker */
    TASKQ__BOUND_HANDSHAKES,       /* too many at once */
    TASKQ__BOUND_HANDSHAKE_TIME,   /* a TLS socket that says nothing, or too little */
    TASKQ__BOUND_HANDSHAKE_FAILED, /* no TLS, no common version, no certificate that is taken */
    TASKQ__BOUND_COUNT
} taskq__bound;

typedef struct taskq__bound_counts {
    _Atomic uint64_t of[TASKQ__BOUND_COUNT];
} taskq__bound_counts;

/* One more answer that turned somebody away; where no bound was named its status says which it was. */
void taskq__bounds_count(taskq__bound_counts *counts, taskq__bound bound, int status);

/* As /stats and the metrics call it; NULL for NONE. */
const char *taskq__bound_name(taskq__bound bound);

#endif
