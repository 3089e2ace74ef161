/* SPDX-License-Identifier: MIT */
/*
 * Where claims begin. While somebody holds a snapshot, dead entries stay in the indexes, and a claim that began at the beginning
 * would walk over all that were claimed since. A floor is only a shortcut: the beginning is looked at as often as the pace
 * allows, and until such a look has come to its end, and its batch holds, the old floor stands. Where there is no floor yet and
 * the look is given up for its length, the claim finds nothing until there is one: else every batch with a claim would fail.
 */
#include "store/postgres/floors.h"

#include "core/alloc.h"
#include "core/fail.h"
#include "core/rng.h"

#include <string.h>

enum {
    ROOM = 4096, /* a power of two */
    WAYS = 4, /* names that share so many places; one more, and the one that was looked at longest ago loses its floor */
    QUEUES_ROOM = 1024,
    CHEAP_MS = 10 /* so long may a look take once a second in any case, and where a claim would come out with nothing */
};

typedef struct place {
    uint64_t hash, queue; /* of both names, 0: none; of the queue's */
    taskq__pg_floor floor;
    int64_t looked_at_ms;            /* 0: never */
    int64_t took_ms, took_before_ms; /* the last two looks */
    uint64_t looks_in, found_in;     /* the batch that is to look at the beginning, and has found something there */
    bool has_floor, told;            /* news came */
} place;

struct taskq__pg_floors {
    taskq_allocator allocator;
    place places[ROOM];
    taskq__pg_pace pace;
    taskq__pg_sweeps sweeps;
    uint64_t batch;
    int64_t now_ms; /* its beginning */
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
    taskq__pg_sweeps_init(&floors->sweeps);
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

taskq__pg_pace *taskq__pg_floors_pace(taskq__pg_floors *floors)
{
    return &floors->pace;
}

taskq__pg_sweeps *taskq__pg_floors_sweeps(taskq__pg_floors *floors)
{
    return &floors->sweeps;
}

int64_t taskq__pg_sweep_floor_seen(const taskq__pg_floors *floors, taskq__pg_sweep sweep)
{
    return atomic_load(&floors->sweeps.at_ms[sweep]);
}

/* ---- places ---------------------------------------------------------------------------------------------------------- */

static uint64_t hash_text(uint64_t hash, taskq_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        hash = (hash ^ (unsigned char)text.data[i]) * UINT64_C(1099511628211);
    }
    return (hash ^ 0xff) * UINT64_C(1099511628211);
}

static uint64_t hash_queue(taskq_text queue)
{
    return hash_text(UINT64_C(14695981039346656037), queue);
}

/* 64 bits tell the names of one store apart. */
static uint64_t hash_names(taskq_text queue, taskq_text type)
{
    return taskq__mix64(hash_text(hash_queue(queue), type)) | 1;
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

static place *ways_of(taskq__pg_floors *floors, uint64_t hash)
{
    return &floors->places[hash >> 1 & (ROOM - WAYS)];
}

static place *find(taskq__pg_floors *floors, taskq_text queue, taskq_text type)
{
    uint64_t hash = hash_names(queue, type);
    place *ways = ways_of(floors, hash);
    for (int i = 0; i < WAYS; i++) {
        if (ways[i].hash == hash) {
            return &ways[i];
        }
    }
    return NULL;
}

static place *find_or_make(taskq__pg_floors *floors, taskq_text queue, taskq_text type)
{
    place *at = find(floors, queue, type);
    if (at == NULL) {
        uint64_t hash = hash_names(queue, type);
        place *ways = ways_of(floors, hash);
        at = ways;
        for (int i = 1; i < WAYS; i++) {
            at = ways[i].looked_at_ms < at->looked_at_ms ? &ways[i] : at;
        }
        *at = (place){.hash = hash, .queue = hash_queue(queue)};
    }
    return at;
}

/* ---- what is to be looked at ------------------------------------------------------------------------------------------- */

static taskq_text text_of(const taskq__pg_name *name)
{
    return (taskq_text){name->bytes, name->size};
}

static void tell(taskq__pg_floors *floors, taskq_text queue, taskq_text type)
{
    place *at = find(floors, queue, type);
    if (at != NULL) {
        at->told = true;
    }
}

static void tell_all(taskq__pg_floors *floors, const taskq_text *queue)
{
    uint64_t hash = queue == NULL ? 0 : hash_queue(*queue);
    for (int i = 0; i < ROOM; i++) {
        floors->places[i].told = floors->places[i].told || queue == NULL || floors->places[i].queue == hash;
    }
}

static void hear(taskq__pg_floors *floors, const taskq__pg_news_list *list)
{
    if (list->any) {
        tell_all(floors, NULL);
    }
    for (uint32_t i = 0; i < list->count && !list->any; i++) {
        taskq_text queue = text_of(&list->pairs[i].queue), type = text_of(&list->pairs[i].type);
        if (type.size == 0) {
            tell_all(floors, &queue);
        } else {
            tell(floors, queue, type);
            tell(floors, queue, (taskq_text){NULL, 0});
        }
    }
}

void taskq__pg_floors_begin(taskq__pg_floors *floors, taskq__pg_news *news, int64_t now_ms)
{
    taskq__pg_news_list list;
    floors->batch++;
    floors->now_ms = now_ms;
    if (taskq__pg_news_take(news, &list)) {
        hear(floors, &list);
    }
}

void taskq__pg_floors_doubt(taskq__pg_floors *floors)
{
    tell_all(floors, NULL);
    taskq__pg_sweeps_doubt(&floors->sweeps);
}

static bool is_cheap(const place *at)
{
    /* The shorter of the last two: one may have waited for a processor. */
    return (at->took_ms < at->took_before_ms ? at->took_ms : at->took_before_ms) <= CHEAP_MS;
}

bool taskq__pg_floor_look(taskq__pg_floors *floors, taskq_text queue, taskq_text type, bool anew)
{
    place *at = find_or_make(floors, queue, type);
    if (at->looks_in == floors->batch) {
        return false;
    }
    int64_t now_ms = floors->now_ms;
    bool cheap = is_cheap(at), empty = anew || !at->has_floor; /* it would come out with nothing */
    bool due = taskq__pg_pace_is_due(&floors->pace, now_ms, at->looked_at_ms, at->told || empty);
    /* What another range costs is not this one's fault. */
    due = due || (cheap && (empty || now_ms - at->looked_at_ms >= TASKQ__PG_PACE_EVERY_MS));
    if (at->looked_at_ms != 0 && !due) {
        return false;
    }
    at->looks_in = floors->batch;
    return true;
}

bool taskq__pg_floor_of(taskq__pg_floors *floors, taskq_text queue, taskq_text type, taskq__pg_floor *out)
{
    const place *at = find(floors, queue, type);
    bool begins = at == NULL || at->looks_in == floors->batch;
    *out = begins ? beginning : at->floor;
    return begins || at->has_floor;
}

bool taskq__pg_floor_is_beginning(const taskq__pg_floor *floor)
{
    return compare(floor, &beginning) == 0;
}

/* ---- what came of it --------------------------------------------------------------------------------------------------- */

void taskq__pg_floor_raise(taskq__pg_floors *floors, taskq_text queue, taskq_text type, taskq__pg_floor floor, bool all)
{
    place *at = find(floors, queue, type);
    if (at == NULL) {
        return;
    }
    /* Between what was found and the old floor there may be more: it comes down to the first that was found. */
    bool lowers = at->looks_in == floors->batch && at->found_in != floors->batch && !all;
    if (lowers || !at->has_floor || compare(&floor, &at->floor) > 0) {
        at->floor = floor;
        at->has_floor = true;
    }
    at->found_in = floors->batch;
}

void taskq__pg_floor_looked(taskq__pg_floors *floors, taskq_text queue, taskq_text type, bool all)
{
    place *at = find(floors, queue, type);
    if (at == NULL || at->looks_in != floors->batch || (!all && at->found_in != floors->batch)) {
        return;
    }
    at->looks_in = 0;
    at->looked_at_ms = floors->now_ms;
    at->told = false;
    at->took_before_ms = at->took_ms;
    at->took_ms = floors->pace.took_ms;
}

void taskq__pg_floor_failed(taskq__pg_floors *floors, taskq_text queue, taskq_text type)
{
    place *at = find(floors, queue, type);
    if (at != NULL && at->looks_in == floors->batch) {
        at->looks_in = 0;
        at->looked_at_ms = floors->now_ms;
        at->took_ms = at->took_before_ms = floors->pace.took_ms > CHEAP_MS ? floors->pace.took_ms : CHEAP_MS + 1;
    }
}

/* A range in which there was nothing, or which was not looked through, gets its first floor so. */
void taskq__pg_floor_lower(taskq__pg_floors *floors, taskq_text queue, taskq_text type, taskq__pg_floor floor)
{
    place *at = find(floors, queue, type);
    if (at != NULL && at->looked_at_ms != 0 && (!at->has_floor || compare(&floor, &at->floor) < 0)) {
        at->floor = floor;
        at->has_floor = true;
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
