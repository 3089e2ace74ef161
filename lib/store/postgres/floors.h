/* SPDX-License-Identifier: MIT */
/* Where each ready range begins: the key last claimed at, for each queue and each type of one. Dead index entries before it, which a
 * snapshot that somebody holds keeps there, are not walked again. The leader's alone. */
#ifndef TASKQ_STORE_POSTGRES_FLOORS_H
#define TASKQ_STORE_POSTGRES_FLOORS_H

#include "store/postgres/pace.h"
#include "store/postgres/pg.h"
#include "store/postgres/sweeps.h"

/* The order of the ready indexes: rank is the priority, negated. */
typedef struct taskq__pg_floor {
    int64_t rank, run_at_ms, id;
} taskq__pg_floor;

taskq_status taskq__pg_floors_make(const taskq_allocator *allocator, taskq__pg_floors **out, taskq_error *err);
void taskq__pg_floors_free(taskq__pg_floors *floors); /* NULL is fine */

/* A batch begins: what others made ready since the last one is to be looked for. */
void taskq__pg_floors_begin(taskq__pg_floors *floors, taskq__pg_news *news, int64_t now_ms);
/* It is not known what the last batch did: anything may be ready, due or over anywhere. */
void taskq__pg_floors_doubt(taskq__pg_floors *floors);

/* Is this batch to look at that range's beginning ("": any type)? false too where it was to already. `anew`: a claim came out with less than
 * it is: where such looks are cheap there is one now, and what another server has acknowledged is found, though its notification
 * is still under way. */
bool taskq__pg_floor_look(taskq__pg_floors *floors, taskq_text queue, taskq_text type, bool anew);
/* Where a claim begins. false: nowhere; there was nothing, or no looking to the end, and it is too early to look again. */
bool taskq__pg_floor_of(taskq__pg_floors *floors, taskq_text queue, taskq_text type, taskq__pg_floor *out);
bool taskq__pg_floor_is_beginning(const taskq__pg_floor *floor);

/* The batch holds, and a claim in it went up to that key. `all`: there was no more behind it. */
void taskq__pg_floor_raise(taskq__pg_floors *floors, taskq_text queue, taskq_text type, taskq__pg_floor at, bool all);
/* After that, where it has looked at the beginning: what it found stands, unless it was cut short before this range. */
void taskq__pg_floor_looked(taskq__pg_floors *floors, taskq_text queue, taskq_text type, bool all);
/* The look came to no end. */
void taskq__pg_floor_failed(taskq__pg_floors *floors, taskq_text queue, taskq_text type);
/* A job is, or may be, ready at that key. */
void taskq__pg_floor_lower(taskq__pg_floors *floors, taskq_text queue, taskq_text type, taskq__pg_floor at);

taskq__pg_pace *taskq__pg_floors_pace(taskq__pg_floors *floors);
taskq__pg_sweeps *taskq__pg_floors_sweeps(taskq__pg_floors *floors);
/* An instant before which a sweep has left nothing that is due; from any thread. */
int64_t taskq__pg_sweep_floor_seen(const taskq__pg_floors *floors, taskq__pg_sweep sweep);

/* Queues that are known to be there, by a hash of their names; forgotten with the connection. */
bool taskq__pg_queue_known(taskq__pg_floors *floors, /* NULL: none is */
                           uint64_t generation, taskq_text name);
void taskq__pg_queue_learn(taskq__pg_floors *floors, uint64_t generation, taskq_text name);

#endif
