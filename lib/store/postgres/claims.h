/* SPDX-License-Identifier: MIT */
/* Claims in the midst of it: those that ask for the same share what is found. */
#ifndef TASKQ_STORE_POSTGRES_CLAIMS_H
#define TASKQ_STORE_POSTGRES_CLAIMS_H

#include "store/postgres/unit.h"

/* A job that may be claimed, and where its queue stands in the order of preference. */
typedef struct taskq__pg_candidate {
    uint32_t place;
    taskq__pg_touch *touch;
} taskq__pg_candidate;

typedef struct taskq__pg_shape {
    const taskq_claim *like;            /* the first of those that ask for these queues and types */
    uint32_t limit;                     /* of all of them */
    uint32_t claims;                    /* how many they are */
    bool floored;                       /* some range was not read from its beginning */
    bool looks;                         /* some range is read from its beginning, since it was time to */
    bool again;                         /* it is asked once more */
    bool cut, wide;                     /* some range may go on behind what was looked at; and that was many */
    taskq__pg_candidate *found, *local; /* in the database, ready before this batch; made ready by it */
    uint32_t found_count, found_at, local_count, local_at;
} taskq__pg_shape;

typedef struct taskq__pg_claiming {
    taskq_op *op;
    taskq_claim *claim;
    taskq__pg_shape *shape;
    taskq_text worker; /* in the caller's arena */
    taskq__pg_touch **picks;
    uint32_t pick_count;
    bool held;  /* the picks are leases that this poll has already */
    bool again; /* there was more, but no room for it */
} taskq__pg_claiming;

bool taskq__pg_claim_shapes(taskq__pg_unit *unit); /* claims into shapes; false: no memory */
/* true: some range of it is read from its beginning. `anew`: see taskq__pg_floor_look. */
bool taskq__pg_shape_looks(taskq__pg_unit *unit, taskq__pg_shape *shape, bool anew);
taskq_status taskq__pg_shape_ask(taskq__pg_unit *unit, taskq__pg_shape *shape, taskq_error *err);

#endif
