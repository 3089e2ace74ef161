/* SPDX-License-Identifier: MIT */
/* The names that the ops of one batch mention: jobs by id, unique keys, idempotency keys. */
#ifndef TASKQ_SCHEDULER_NAMES_H
#define TASKQ_SCHEDULER_NAMES_H

#include "scheduler/call.h"

enum { TASKQ__NAMES_SLOTS = 8192, TASKQ__NAMES_MAX = 6000 };

typedef struct taskq__names {
    uint64_t seed;
    uint32_t round; /* slots of another round are empty: nothing is wiped between two batches */
    uint32_t count;
    struct {
        uint64_t hash;
        uint32_t round;
    } slots[TASKQ__NAMES_SLOTS];
} taskq__names;

/* 64 bits, never 0. With a seed that others do not know nobody can choose texts that collide. */
uint64_t taskq__text_hash(uint64_t seed, taskq_text text);

void taskq__names_begin(taskq__names *names);
/* Takes in what the call names, or nothing and false where one of it is there already. */
bool taskq__names_take(taskq__names *names, const taskq__call *call);

#endif
