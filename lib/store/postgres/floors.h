/* SPDX-License-Identifier: MIT */
/* Where each ready range begins: the key last claimed at, for each queue and each type of one. Dead index entries before it, which a
 * snapshot that somebody holds keeps there, are not walked again. The leader's alone. */
#ifndef TASKQ_STORE_POSTGRES_FLOORS_H
#define TASKQ_STORE_POSTGRES_FLOORS_H

#include "store/postgres/pg.h"

/* The order of the ready indexes: rank is the priority, negated. */
typedef struct taskq__pg_floor {
    int64_t rank, run_at_ms, id;
} taskq__pg_floor;

taskq_status taskq__pg_floors_make(const taskq_allocator *allocator, taskq__pg_floors **out, taskq_error *err);
void taskq__pg_floors_free(taskq__pg_floors *floors); /* NULL is fine */

/* Where the next claim of that queue and type ("": any) begins. */
taskq__pg_floor taskq__pg_floor_of(taskq__pg_floors *floors, taskq_text queue, taskq_text type);
/* A claim went up to that key; nothing ready that we know of is left before it. */
void taskq__pg_floor_raise(taskq__pg_floors *floors, taskq_text queue, taskq_text type, taskq__pg_floor at);
/* A job is, or may be, ready at that key. */
void taskq__pg_floor_lower(taskq__pg_floors *floors, taskq_text queue, taskq_text type, taskq__pg_floor at);
bool taskq__pg_floor_is_beginning(const taskq__pg_floor *floor);
void taskq__pg_floors_drop(taskq__pg_floors *floors); /* begin at the beginning everywhere */
/* A claim that began at the beginning took so long: they are dropped again not before many times that, and about once a second. */
void taskq__pg_floors_took(taskq__pg_floors *floors, int64_t ms);
bool taskq__pg_floors_due(taskq__pg_floors *floors); /* true: they were just dropped */
/* A claim that began at a floor came out with nothing: true: they were just dropped, let it look from the beginning. What another server has
 * acknowledged is then found, though its notification is still under way. False where such a look is dear: once in a while, then. */
bool taskq__pg_floors_again(taskq__pg_floors *floors);
/* Others made something ready: floors of it are dropped, all of them where too much came. */
void taskq__pg_floors_hear(taskq__pg_floors *floors, taskq__pg_news *news);

/* The sweeps' floors: instants before which nothing is left. */
typedef enum taskq__pg_sweep {
    TASKQ__PG_SWEEP_EXPIRES,
    TASKQ__PG_SWEEP_RUN,
    TASKQ__PG_SWEEP_BACKOFF,
    TASKQ__PG_SWEEP_COUNT
} taskq__pg_sweep;
int64_t taskq__pg_sweep_floor(taskq__pg_floors *floors, taskq__pg_sweep sweep);
int64_t taskq__pg_sweep_floor_seen(const taskq__pg_floors *floors, taskq__pg_sweep sweep); /* from any thread */
void taskq__pg_sweep_raise(taskq__pg_floors *floors, taskq__pg_sweep sweep, int64_t at_ms);

/* Queues that are known to be there, by a hash of their names; forgotten with the connection. */
bool taskq__pg_queue_known(taskq__pg_floors *floors, /* NULL: none is */
                           uint64_t generation, taskq_text name);
void taskq__pg_queue_learn(taskq__pg_floors *floors, uint64_t generation, taskq_text name);

#endif
