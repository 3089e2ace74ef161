/* SPDX-License-Identifier: MIT */
/* Where the sweeps' walks begin: an instant for each index that they go by. The leader's alone, but for what is said otherwise. */
#ifndef TASKQ_STORE_POSTGRES_SWEEPS_H
#define TASKQ_STORE_POSTGRES_SWEEPS_H

#include "store/postgres/pace.h"

#include <stdatomic.h>

/* The indexes. */
typedef enum taskq__pg_sweep {
    TASKQ__PG_SWEEP_EXPIRES,
    TASKQ__PG_SWEEP_RUN,
    TASKQ__PG_SWEEP_BACKOFF,
    TASKQ__PG_SWEEP_DONE,
    TASKQ__PG_SWEEP_FAILED,
    TASKQ__PG_SWEEP_KEYS,
    TASKQ__PG_SWEEP_COUNT
} taskq__pg_sweep;

/* One kind of walks: steps, until one finds the end. */
typedef struct taskq__pg_steps {
    taskq__pg_pace pace;
    int64_t looked_at_ms; /* at the beginning; 0: never */
    int64_t began_ms;     /* the first of these steps, by the database's clock */
    bool going;           /* the last one has not found the end */
    bool told;            /* something was left behind, since others have it locked */
} taskq__pg_steps;

typedef struct taskq__pg_sweeps {
    taskq__pg_steps kinds[TASKQ_WALK_KEYS + 1];
    _Atomic int64_t at_ms[TASKQ__PG_SWEEP_COUNT]; /* INT64_MIN: none; read by whoever asks what is due next */
} taskq__pg_sweeps;

void taskq__pg_sweeps_init(taskq__pg_sweeps *sweeps);
void taskq__pg_sweeps_doubt(taskq__pg_sweeps *sweeps);
/* Is the next step to look at the beginning? */
bool taskq__pg_steps_look(const taskq__pg_steps *steps, int64_t now_ms);
/* A step that began at that time of the database's holds. */
void taskq__pg_steps_went(taskq__pg_steps *steps, bool looked, bool more, bool left, int64_t began_ms, int64_t now_ms);
/* Where the end is, for one that ends at `until_ms`: what is about to be committed before that is not older than the distance. */
int64_t taskq__pg_steps_end(const taskq__pg_steps *steps, int64_t until_ms);

#endif
