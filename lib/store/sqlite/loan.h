/* SPDX-License-Identifier: MIT */
/* The one writing connection lent to the host, for a transaction in which its own tables and the jobs are written together. */
#ifndef TASKQ_STORE_SQLITE_LOAN_H
#define TASKQ_STORE_SQLITE_LOAN_H

#include <pthread.h>

#include "store/store.h"

/* Whose statements run on the writing connection: what it is told to refuse depends on it. */
enum {
    TASKQ__HAND_OURS, /* nothing is refused */
    TASKQ__HAND_HOST, /* what would end the transaction, touch the log or change our tables */
    TASKQ__HAND_NONE  /* everything: the transaction has failed and only waits to be rolled back */
};

typedef struct taskq__loan {
    bool active;      /* guarded by write_lock */
    pthread_t holder; /* guarded by write_lock, where active */

    /* the holder's alone */
    const taskq__owner *owner;
    taskq_batch batch; /* what became ready and due so far; its arena lives as long as the loan */
    taskq__tally tally;
    int64_t *reported;
    uint32_t reported_room;
    taskq_error failed; /* status OK: it has not */
} taskq__loan;

#endif
