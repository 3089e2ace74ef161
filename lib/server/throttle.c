/* SPDX-License-Identifier: MIT */
/*
 * Guessing a token of 256 bits is hopeless, but guessing fast fills logs and takes time from others. Each address has a bucket of failures.
 * An address falls into one of a few slots; where all are taken the one that has been good longest is given away, so a million addresses
 * take no more memory than ten.
 */
#include "server/throttle.h"

#include <string.h>

enum { WAYS = 4, BURST_MS = TASKQ__THROTTLE_BURST * TASKQ__THROTTLE_MS_EACH };

bool taskq__throttle_init(taskq__throttle *throttle, uint64_t seed)
{
    memset(throttle->slots, 0, sizeof(throttle->slots));
    throttle->seed = seed;
    return pthread_mutex_init(&throttle->lock, NULL) == 0;
}

void taskq__throttle_clear(taskq__throttle *throttle)
{
    pthread_mutex_destroy(&throttle->lock);
}

static taskq__throttle_slot *slot_of(taskq__throttle *throttle, const taskq__address *who)
{
    uint64_t first = taskq__address_hash(who, throttle->seed) % (TASKQ__THROTTLE_SLOTS / WAYS) * WAYS;
    taskq__throttle_slot *oldest = &throttle->slots[first];
    for (uint64_t i = first; i < first + WAYS; i++) {
        taskq__throttle_slot *slot = &throttle->slots[i];
        if (slot->full_at_ms != 0 && memcmp(&slot->who, who, sizeof(*who)) == 0) {
            return slot;
        }
        oldest = slot->full_at_ms < oldest->full_at_ms ? slot : oldest;
    }
    *oldest = (taskq__throttle_slot){*who, 0};
    return oldest;
}

int64_t taskq__throttle_fail(taskq__throttle *throttle, taskq__address who, int64_t now_ms)
{
    who = taskq__address_block(who);
    pthread_mutex_lock(&throttle->lock);
    taskq__throttle_slot *slot = slot_of(throttle, &who);
    int64_t from_ms = slot->full_at_ms > now_ms ? slot->full_at_ms : now_ms;
    int64_t wait_ms = from_ms + TASKQ__THROTTLE_MS_EACH - now_ms - BURST_MS;
    slot->full_at_ms = wait_ms > 0 ? from_ms : from_ms + TASKQ__THROTTLE_MS_EACH;
    pthread_mutex_unlock(&throttle->lock);
    return wait_ms > 0 ? wait_ms : 0;
}
