/* SPDX-License-Identifier: MIT */
/*
 * No two ops of a batch name the same job or key: a store may then work on them in any order, or all at once. The set is of
 * hashes, since a collision does no harm but to leave an op for the next batch.
 */
#include "scheduler/names.h"

#include <string.h>

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t taskq__text_hash(uint64_t seed, taskq_text text)
{
    uint64_t hash = mix(seed + text.size);
    for (size_t at = 0; at < text.size; at += 8) {
        uint64_t word = 0;
        size_t left = text.size - at;
        memcpy(&word, text.data + at, left < 8 ? left : 8);
        hash = mix((hash ^ word) + UINT64_C(0x9e3779b97f4a7c15));
    }
    return hash ? hash : 1;
}

void taskq__names_begin(taskq__names *names)
{
    names->round++;
    names->count = 0;
    if (names->round == 0) { /* once in four thousand million batches */
        memset(names->slots, 0, sizeof(names->slots));
        names->round = 1;
    }
}

/* The slot where the hash is, or the empty one where it would be. */
static uint32_t slot_of(const taskq__names *names, uint64_t hash)
{
    uint32_t at = (uint32_t)hash % TASKQ__NAMES_SLOTS;
    while (names->slots[at].round == names->round && names->slots[at].hash != hash) {
        at = (at + 1) % TASKQ__NAMES_SLOTS;
    }
    return at;
}

static bool name_is_there(taskq__names *names, uint64_t hash)
{
    return names->slots[slot_of(names, hash)].round == names->round;
}

/* Always false, as one of the two things that are done with a name. */
static bool name_add(taskq__names *names, uint64_t hash)
{
    uint32_t at = slot_of(names, hash);
    if (names->slots[at].round != names->round) {
        names->slots[at].hash = hash;
        names->slots[at].round = names->round;
        names->count++;
    }
    return false;
}

typedef bool name_fn(taskq__names *names, uint64_t hash);

static bool for_each_id(taskq__names *names, const taskq_op *op, name_fn *fn)
{
    for (uint32_t i = 0; i < op->count; i++) {
        int64_t id = op->kind == TASKQ_OP_BEAT ? op->in.beats[i].id : op->in.events[i].id;
        if (fn(names, mix((uint64_t)id ^ names->seed))) {
            return true;
        }
    }
    return false;
}

static bool for_each_key(taskq__names *names, const taskq_enqueue *enqueue, name_fn *fn)
{
    for (uint32_t i = 0; i < enqueue->count; i++) {
        const taskq_new_job *job = enqueue->jobs[i];
        if (job->unique_key.size > 0) {
            uint64_t queue = taskq__text_hash(names->seed + 1, job->queue);
            if (fn(names, taskq__text_hash(queue, job->unique_key))) {
                return true;
            }
        }
    }
    return enqueue->idempotency_key.size > 0 && fn(names, taskq__text_hash(names->seed + 2, enqueue->idempotency_key));
}

/* True as soon as fn says so of one of the names. */
static bool for_each_name(taskq__names *names, const taskq__call *call, name_fn *fn)
{
    for (uint32_t i = 0; i < call->count; i++) {
        const taskq_op *op = &call->ops[i];
        if ((op->kind == TASKQ_OP_BEAT || op->kind == TASKQ_OP_SETTLE) && for_each_id(names, op, fn)) {
            return true;
        }
        if (op->kind == TASKQ_OP_ENQUEUE && for_each_key(names, op->in.enqueue, fn)) {
            return true;
        }
    }
    return false;
}

bool taskq__names_take(taskq__names *names, const taskq__call *call)
{
    if (names->count > 0 && for_each_name(names, call, name_is_there)) {
        return false;
    }
    (void)for_each_name(names, call, name_add);
    return true;
}
