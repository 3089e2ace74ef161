/* SPDX-License-Identifier: MIT */
/* Failed attempts by address: so many at once, so many a second, in memory of a fixed size. Any thread. */
#ifndef TASKQ_SERVER_THROTTLE_H
#define TASKQ_SERVER_THROTTLE_H

#include "server/address.h"

#include <pthread.h>

enum { TASKQ__THROTTLE_BURST = 10, TASKQ__THROTTLE_MS_EACH = 1000, TASKQ__THROTTLE_SLOTS = 1024 };

typedef struct taskq__throttle_slot {
    taskq__address who;
    int64_t full_at_ms; /* when all of the burst is there again; 0: never used */
} taskq__throttle_slot;

typedef struct taskq__throttle {
    pthread_mutex_t lock;
    uint64_t seed;
    taskq__throttle_slot slots[TASKQ__THROTTLE_SLOTS]; /* guarded by lock */
} taskq__throttle;

bool taskq__throttle_init(taskq__throttle *throttle, uint64_t seed);
void taskq__throttle_clear(taskq__throttle *throttle);

/* One more failure of this address, at that time of a steady clock: in how many milliseconds it may fail again; 0: at once. */
int64_t taskq__throttle_fail(taskq__throttle *throttle, taskq__address who, int64_t now_ms);

#endif
