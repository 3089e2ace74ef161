/* SPDX-License-Identifier: MIT */
/*
 * Where claims and sweeps begin. While somebody holds a snapshot, dead entries stay in the indexes, and a claim that began at
 * the beginning would walk over all that were claimed since. A floor is only a shortcut: it is dropped about once a second, so
 * what it may have passed over (a job that another server made ready before it) waits no longer than that.
 */
#include "store/postgres/floors.h"

#include "core/alloc.h"
#include "core/fail.h"
#include "core/rng.h"

#include <stdatomic.h>
#include <string.h>

enum {
    ROOM = 4096, /* a power of two; two names that share a place lose their floor, and nothing else */
    QUEUES_ROOM = 1024,
    DROP_MS = 1000,
    DROP_SHARE = 20, /* a look from the beginning takes at most that part of the time */
    CHEAP_MS = 10,   /* such a look is not counted */
    SWEEP_DROP_MS = 60000
};

typedef struct place {
    uint64_t hash; /* of the names; 0: none */
    taskq__pg_floor floor;
} place;

struct taskq__pg_floors {
    taskq_allocator allocator;
    place places[ROOM];
    int64_t dropped_at_ms, took_ms, last_took_ms;
    bool woken;                                    /* by others' news, since they were dropped */
    _Atomic int64_t sweeps[TASKQ__PG_SWEEP_COUNT]; /* written by the leader, read by whoever asks what is due next */
    int64_t swept_at_ms;
    uint64_t queues[QUEUES_ROOM], generation;
};

static const taskq__pg_floor beginning = {INT64_MIN, INT64_MIN, INT64_MIN};

taskq_status taskq__pg_floors_make(const taskq_allocator *allocator, taskq__pg_floors **out, taskq_error *err)
{
    taskq__pg_floors *floors = taskq__alloc(allocator, sizeof(*floors));
    if (floors == NULL) {
        return taskq__fail_memory(err);
    }
    if (allocator != NULL) {
        floors->allocator = *allocator;
    }
    taskq__pg_floors_drop(floors);
    *out = floors;
    return TASKQ_OK;
}

void taskq__pg_floors_free(taskq__pg_floors *floors)
{
    if (floors != NULL) {
        taskq_allocator allocator = floors->allocator;
        taskq__free(&allocator, floors);
    }
}

static uint64_t hash_text(uint64_t hash, taskq_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        hash = (hash ^ (unsigned char)text.data[i]) * UINT64_C(1099511628211);
    }
    return (hash ^ 0xff) * UINT64_C(1099511628211);
}

/* 64 bits tell the names of one store apart. */
static uint64_t hash_names(taskq_text queue, taskq_text type)
{
    uint64_t hash = hash_text(UINT64_C(14695981039346656037), queue);
    return taskq__mix64(hash_text(hash, type)) | 1;
}

static int compare(const taskq__pg_floor *a, const taskq__pg_floor *b)
{
    if (a->rank != b->rank) {
        return a->rank < b->rank ? -1 : 1;
    }
    if (a->run_at_ms != b->run_at_ms) {
        return a->run_at_ms < b->run_at_ms ? -1 : 1;
    }
    return (a->id > b->id) - (a->id < b->id);
}

taskq__pg_floor taskq__pg_floor_of(taskq__pg_floors *floors, taskq_text queue, taskq_text type)
{
    uint64_t hash = hash_names(queue, type);
    const place *at = &floors->places[hash >> 1 & (ROOM - 1)];
    return at->hash == hash ? at->floor : beginning;
}

void taskq__pg_floor_raise(taskq__pg_floors *floors, taskq_text queue, taskq_text type, taskq__pg_floor floor)
{
    uint64_t hash = hash_names(queue, type);
    place *at = &floors->places[hash >> 1 & (ROOM - 1)];
    if (at->hash != hash) {
        *at = (place){hash, floor};
    } else if (compare(&floor, &at->floor) > 0) {
        at->floor = floor;
    }
}

void taskq__pg_floor_lower(taskq__pg_floors *floors, taskq_text queue, taskq_text type, taskq__pg_floor floor)
{
    uint64_t hash = hash_names(queue, type);
    place *at = &floors->places[hash >> 1 & (ROOM - 1)];
    if (at->hash == hash && compare(&floor, &at->floor) < 0) {
        at->floor = floor;
    }
}

void taskq__pg_floors_drop(taskq__pg_floors *floors)
{
    memset(floors->places, 0, sizeof(floors->places));
    floors->dropped_at_ms = taskq__pg_now_ms();
    for (int i = 0; i < TASKQ__PG_SWEEP_COUNT; i++) {
        atomic_store(&floors->sweeps[i], INT64_MIN);
    }
    floors->swept_at_ms = floors->dropped_at_ms;
}

void taskq__pg_floors_took(taskq__pg_floors *floors, int64_t ms)
{
    /* The shorter of the last two: one may have waited for a lock, or for a processor. */
    floors->took_ms = ms < floors->last_took_ms ? ms : floors->last_took_ms;
    floors->last_took_ms = ms;
}

static void drop_claims(taskq__pg_floors *floors)
{
    floors->woken = false;
    memset(floors->places, 0, sizeof(floors->places));
    floors->dropped_at_ms = taskq__pg_now_ms();
}

bool taskq__pg_floors_again(taskq__pg_floors *floors)
{
    int64_t since_ms = taskq__pg_now_ms() - floors->dropped_at_ms;
    if (floors->took_ms > CHEAP_MS && since_ms < floors->took_ms * DROP_SHARE) {
        return false;
    }
    drop_claims(floors);
    return true;
}

bool taskq__pg_floor_is_beginning(const taskq__pg_floor *floor)
{
    return compare(floor, &beginning) == 0;
}

bool taskq__pg_floors_due(taskq__pg_floors *floors)
{
    int64_t since_ms = taskq__pg_now_ms() - floors->dropped_at_ms;
    int64_t least_ms = floors->took_ms * DROP_SHARE;
    if (since_ms < least_ms || (since_ms < DROP_MS && !floors->woken)) {
        return false;
    }
    drop_claims(floors);
    return true;
}

/* Not at once, where a look from the beginning is dear: taskq__pg_floors_due says when. */
void taskq__pg_floors_hear(taskq__pg_floors *floors, taskq__pg_news *news)
{
    taskq__pg_news_list list;
    if (!taskq__pg_news_take(news, &list)) {
        return;
    }
    floors->woken = true;
}

/* ---- sweeps ---------------------------------------------------------------------------------------------------------- */

int64_t taskq__pg_sweep_floor(taskq__pg_floors *floors, taskq__pg_sweep sweep)
{
    int64_t now_ms = taskq__pg_now_ms();
    if (now_ms - floors->swept_at_ms >= SWEEP_DROP_MS) {
        floors->swept_at_ms = now_ms;
        for (int i = 0; i < TASKQ__PG_SWEEP_COUNT; i++) {
            atomic_store(&floors->sweeps[i], INT64_MIN);
        }
    }
    return atomic_load(&floors->sweeps[sweep]);
}

int64_t taskq__pg_sweep_floor_seen(const taskq__pg_floors *floors, taskq__pg_sweep sweep)
{
    return atomic_load(&floors->sweeps[sweep]);
}

void taskq__pg_sweep_raise(taskq__pg_floors *floors, taskq__pg_sweep sweep, int64_t at_ms)
{
    if (at_ms > atomic_load(&floors->sweeps[sweep])) {
        atomic_store(&floors->sweeps[sweep], at_ms);
    }
}

/* ---- queues ---------------------------------------------------------------------------------------------------------- */

static uint64_t *queue_slot(taskq__pg_floors *floors, uint64_t generation, taskq_text name, uint64_t *hash)
{
    if (floors->generation != generation) {
        memset(floors->queues, 0, sizeof(floors->queues));
        floors->generation = generation;
    }
    *hash = hash_names(name, (taskq_text){NULL, 0});
    return &floors->queues[*hash >> 1 & (QUEUES_ROOM - 1)];
}

bool taskq__pg_queue_known(taskq__pg_floors *floors, uint64_t generation, taskq_text name)
{
    uint64_t hash;
    return floors != NULL && *queue_slot(floors, generation, name, &hash) == hash;
}

void taskq__pg_queue_learn(taskq__pg_floors *floors, uint64_t generation, taskq_text name)
{
    uint64_t hash;
    uint64_t *slot = queue_slot(floors, generation, name, &hash);
    *slot = hash;
}
