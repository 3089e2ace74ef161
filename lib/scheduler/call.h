/* SPDX-License-Identifier: MIT */
/* What stands in the line: one caller's ops, in the caller's memory until it is posted. */
#ifndef TASKQ_SCHEDULER_CALL_H
#define TASKQ_SCHEDULER_CALL_H

#include <taskq/sys/store.h>

#include "scheduler/wake.h"

/* A queue and a type by their hashes. 0: any, or not known. */
typedef struct taskq__pair {
    uint64_t queue, type;
} taskq__pair;

/* One node a pair that a parked claim asks for. The first of all that wait for a pair stands in the bucket's chain. */
typedef struct taskq__park_node {
    taskq__pair pair;
    struct taskq__call *call;
    struct taskq__park_node *older, *younger; /* of the same pair */
    struct taskq__park_node *youngest;        /* of the first of a pair only */
    struct taskq__park_node *chain;           /* of the first of a pair only */
} taskq__park_node;

typedef enum taskq__place {
    TASKQ__CALL_WAITING = 1, /* in the line */
    TASKQ__CALL_TAKEN,       /* in the leader's batch */
    TASKQ__CALL_PARKED,      /* a claim that found nothing and has time left */
    TASKQ__CALL_DONE
} taskq__place;

enum { TASKQ__POST_LEAD = 2, TASKQ__POST_DONE = 3 };

typedef struct taskq__call {
    taskq_op ops[2]; /* a report and the claim after it travel together, in one batch */
    uint32_t count;
    bool (*gone)(void *user); /* has the client of the claim hung up? asked under the lock */
    void *user;
    taskq__park_node *nodes; /* of a claim that may wait: one a pair it asks for */
    uint32_t node_count;
    uint64_t poll_hash; /* of worker and poll; 0: none */
    int64_t until_ms;   /* of taskq__wake_clock_ms: how long a claim may wait; 0: not at all */

    /* guarded by lock */
    struct taskq__call *prev, *next; /* in the line, or among the parked, both by arrival */
    struct taskq__call *poll_chain;
    uint64_t arrival;
    taskq__place place;
    bool leads;             /* it was named the next leader */
    bool holds;             /* no ops: its caller wants the line for itself, see taskq__line_hold */
    bool looked;            /* its claim has been tried at least once */
    bool expired;           /* its time is over: it is not parked any more */
    bool served;            /* taken out of the parked for a job of this very batch */
    bool looks;             /* taken out of the parked only to look: nobody has told of a job for it */
    bool owed;              /* parked again by a failure although a job may be there for it */
    taskq__pair woken_pair; /* for which it was taken out of the parked, and for how many jobs of it */
    uint32_t woken_count;

    /* the outcome, final when it is posted */
    taskq_status status; /* of the transaction; the ops carry their own */
    taskq_error error;
    taskq__wake wake;
} taskq__call;

/* The claim of a call, or NULL. It is always the last op. */
static inline taskq_claim *taskq__call_claim(taskq__call *call)
{
    taskq_op *last = &call->ops[call->count - 1];
    return last->kind == TASKQ_OP_CLAIM ? last->in.claim : NULL;
}

#endif
