/* SPDX-License-Identifier: MIT */
/* An enqueue in the midst of it: what its keys turned out to be. */
#ifndef TASKQ_STORE_POSTGRES_OPS_ENQUEUE_H
#define TASKQ_STORE_POSTGRES_OPS_ENQUEUE_H

#include "store/postgres/unit.h"

typedef struct taskq__pg_enqueuing {
    taskq_op *op;
    taskq_enqueue *in;
    size_t existing_bytes;     /* of jobs in the answer that this op does not make */
    int64_t *holders;          /* for each job: the live one in the database that has its unique_key; 0: none */
    int64_t *holder_bytes;     /* and what that one holds */
    bool key_there, key_valid; /* the idempotency key has a row; one that is not over its time */
    uint64_t key_digest;
    taskq_text key_jobs; /* eight bytes a job: id * 2 + made */
    bool key_write;
    taskq_text key_bytes; /* the same, to be written */
} taskq__pg_enqueuing;

/* The key was used with the same request. */
bool taskq__pg_key_replays(const taskq__pg_enqueuing *e);
int64_t taskq__pg_key_job(const taskq__pg_enqueuing *e, uint32_t i);
bool taskq__pg_key_made(const taskq__pg_enqueuing *e, uint32_t i);
bool taskq__pg_key_fill(taskq__pg_unit *unit,
                        taskq__pg_enqueuing *e); /* key_bytes, from the results; false: no memory */

/* As the database orders names: by their bytes. */
int taskq__pg_text_order(taskq_text a, taskq_text b);

#endif
