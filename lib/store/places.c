/* SPDX-License-Identifier: MIT */
/*
 * A batch of 64 jobs into one queue changes one counter 64 times and makes one (queue, type) ready: such things are
 * gathered here and written, or handed out, once. Everything lives in the batch's arena and goes with it.
 */
#include "store/places.h"

#include "core/rng.h"
#include "core/text.h"

#include <string.h>

enum { FIRST_ROOM = 64 }; /* a power of two */

void taskq__places_init(taskq__places *places, taskq_arena *arena)
{
    memset(places, 0, sizeof(*places));
    places->arena = arena;
}

static uint64_t hash_bytes(uint64_t hash, taskq_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        hash = (hash ^ (unsigned char)text.data[i]) * UINT64_C(1099511628211);
    }
    return hash;
}

static uint64_t hash_names(taskq_text queue, taskq_text second)
{
    uint64_t hash = hash_bytes(UINT64_C(14695981039346656037), queue);
    return taskq__mix64(hash_bytes((hash ^ 0xff) * UINT64_C(1099511628211), second));
}

static taskq__named **find_slot(taskq__named **slots, uint32_t room, uint64_t hash, taskq_text queue, taskq_text second)
{
    for (uint32_t i = (uint32_t)hash & (room - 1);; i = (i + 1) & (room - 1)) {
        taskq__named *at = slots[i];
        if (at == NULL ||
            (at->hash == hash && taskq__text_equal(at->queue, queue) && taskq__text_equal(at->second, second))) {
            return &slots[i];
        }
    }
}

static bool make_room(taskq__places *places)
{
    if (places->count * 2 < places->room) {
        return true;
    }
    uint32_t room = places->room == 0 ? FIRST_ROOM : places->room * 2;
    taskq__named **slots = taskq_arena_alloc(places->arena, room * sizeof(taskq__named *));
    if (slots == NULL) {
        return false;
    }
    for (taskq__named *at = places->first; at != NULL; at = at->next) {
        *find_slot(slots, room, at->hash, at->queue, at->second) = at;
    }
    places->slots = slots;
    places->room = room;
    return true;
}

taskq__named *taskq__places_look(const taskq__places *places, taskq_text queue, taskq_text second)
{
    return places->room == 0 ? NULL : *find_slot(places->slots, places->room, hash_names(queue, second), queue, second);
}

taskq__named *taskq__places_find(taskq__places *places, taskq_text queue, taskq_text second)
{
    if (!make_room(places)) {
        return NULL;
    }
    uint64_t hash = hash_names(queue, second);
    taskq__named **slot = find_slot(places->slots, places->room, hash, queue, second);
    if (*slot != NULL) {
        return *slot;
    }
    taskq__named *place = taskq_arena_alloc(places->arena, sizeof(*place));
    if (place == NULL || !taskq_arena_copy(places->arena, queue.data, queue.size, &place->queue) ||
        !taskq_arena_copy(places->arena, second.data, second.size, &place->second)) {
        return NULL;
    }
    place->hash = hash;
    *slot = place;
    places->count++;
    if (places->last == NULL) {
        places->first = place;
    } else {
        places->last->next = place;
    }
    places->last = place;
    return place;
}

/* ---- what became ready ------------------------------------------------------------------------------------------- */

bool taskq__batch_add_ready(taskq_batch *batch, taskq_text queue, taskq_text type, int64_t count)
{
    for (uint32_t i = 0; i < batch->ready_count; i++) {
        taskq_ready *ready = &batch->ready[i];
        if (taskq__text_equal(ready->queue, queue) && taskq__text_equal(ready->type, type)) {
            ready->count += (uint32_t)count;
            return true;
        }
    }
    if (batch->ready_count == batch->ready_max) {
        return false;
    }
    batch->ready[batch->ready_count++] = (taskq_ready){queue, type, (uint32_t)count};
    return true;
}

enum grain { BY_TYPE, BY_QUEUE, ALL };

static bool hand_out(const taskq__places *places, taskq_batch *batch, enum grain grain)
{
    const taskq_text any = {NULL, 0};
    batch->ready_count = 0;
    for (const taskq__named *place = places->first; place != NULL; place = place->next) {
        taskq_text queue = grain == ALL ? any : place->queue;
        taskq_text type = grain == BY_TYPE ? place->second : any;
        if (place->ready > 0 && !taskq__batch_add_ready(batch, queue, type, place->ready)) {
            return false;
        }
    }
    return true;
}

void taskq__places_hand_out(const taskq__places *places, taskq_batch *batch)
{
    if (!hand_out(places, batch, BY_TYPE) && !hand_out(places, batch, BY_QUEUE)) {
        (void)hand_out(places, batch, ALL);
    }
}

/* ---- enqueueing ---------------------------------------------------------------------------------------------------- */

bool taskq__enqueue_room(taskq_op *op)
{
    taskq_enqueue *in = op->in.enqueue;
    in->replayed = false;
    in->made = 0;
    in->results = taskq_arena_alloc(op->arena, in->count * sizeof(taskq_job *));
    taskq_job *jobs = taskq_arena_alloc(op->arena, in->count * sizeof(taskq_job));
    if (in->results == NULL || jobs == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < in->count; i++) {
        in->results[i] = &jobs[i];
    }
    return true;
}

/* ---- due ---------------------------------------------------------------------------------------------------------- */

void taskq__batch_due_steady(taskq_batch *batch, int64_t steady_ms)
{
    taskq_now *due = &batch->next_due;
    due->steady_ms = steady_ms < due->steady_ms ? steady_ms : due->steady_ms;
}

void taskq__batch_due(taskq_batch *batch, const taskq_job *after)
{
    taskq_now *due = &batch->next_due;
    if (after->state == TASKQ_STATE_SCHEDULED && after->backoff_due_ms != 0) {
        taskq__batch_due_steady(batch, after->backoff_due_ms);
    } else if (after->state == TASKQ_STATE_SCHEDULED && after->run_at_ms < due->wall_ms) {
        due->wall_ms = after->run_at_ms;
    }
}
