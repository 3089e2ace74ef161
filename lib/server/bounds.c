/* SPDX-License-Identifier: MIT */
/* The names under which operators see what was refused, in one table. */
#include "server/bounds.h"

#include <stddef.h>

static const char *const names[TASKQ__BOUND_COUNT] = {
    [TASKQ__BOUND_UNAUTHORIZED] = "unauthorized",
    [TASKQ__BOUND_THROTTLED] = "throttled",
    [TASKQ__BOUND_FORBIDDEN] = "forbidden",
    [TASKQ__BOUND_HEADER_SIZE] = "header_size",
    [TASKQ__BOUND_URL_LENGTH] = "url_length",
    [TASKQ__BOUND_BODY_SIZE] = "body_size",
    [TASKQ__BOUND_REQUEST_TIME] = "request_time",
    [TASKQ__BOUND_JSON_DEPTH] = "json_depth",
    [TASKQ__BOUND_CONNECTIONS] = "connections",
    [TASKQ__BOUND_ADDRESS] = "connections_per_address",
    [TASKQ__BOUND_HELD_POLLS] = "held_polls",
    [TASKQ__BOUND_WORKER_POLLS] = "polls_per_worker",
    [TASKQ__BOUND_HANDSHAKES] = "handshakes",
    [TASKQ__BOUND_HANDSHAKE_TIME] = "handshake_time",
    [TASKQ__BOUND_HANDSHAKE_FAILED] = "handshake_failed",
};

const char *taskq__bound_name(taskq__bound bound)
{
    return bound < TASKQ__BOUND_COUNT ? names[bound] : NULL;
}

void taskq__bounds_count(taskq__bound_counts *counts, taskq__bound bound, int status)
{
    if (bound == TASKQ__BOUND_NONE) {
        switch (status) {
        case 408: bound = TASKQ__BOUND_REQUEST_TIME; break;
        case 413: bound = TASKQ__BOUND_BODY_SIZE; break;
        case 431: bound = TASKQ__BOUND_HEADER_SIZE; break;
        default: return;
        }
    }
    atomic_fetch_add(&counts->of[bound], 1);
}
