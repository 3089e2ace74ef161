/* SPDX-License-Identifier: MIT */
/*
 * A table with open addressing that never grows: whoever is counted holds a thread, so there are never more addresses than threads, and
 * twice as many slots keep every search short, whatever addresses an attacker has.
 */
#include "server/peers.h"

#include "core/alloc.h"

#include <string.h>

taskq_status taskq__peers_init(taskq__peers *peers, const taskq_allocator *a, uint32_t all_max, uint32_t each_max,
                               uint64_t seed)
{
    uint32_t size = 16;
    while (size < 2 * all_max) {
        size *= 2;
    }
    peers->allocator = a;
    peers->mask = size - 1;
    peers->each_max = each_max > 0 ? each_max : UINT32_MAX;
    peers->seed = seed;
    peers->slots = taskq__alloc_array(a, size, sizeof(*peers->slots));
    if (peers->slots == NULL || pthread_mutex_init(&peers->lock, NULL) != 0) {
        taskq__free(a, peers->slots);
        return TASKQ_ENOMEM;
    }
    return TASKQ_OK;
}

void taskq__peers_clear(taskq__peers *peers)
{
    pthread_mutex_destroy(&peers->lock);
    taskq__free(peers->allocator, peers->slots);
}

static uint32_t home_of(const taskq__peers *peers, const taskq__address *who)
{
    return (uint32_t)taskq__address_hash(who, peers->seed) & peers->mask;
}

/* Where it stands, or the free slot where it would. */
static uint32_t find(const taskq__peers *peers, const taskq__address *who)
{
    uint32_t at = home_of(peers, who);
    while (peers->slots[at].count > 0 && memcmp(&peers->slots[at].who, who, sizeof(*who)) != 0) {
        at = (at + 1) & peers->mask;
    }
    return at;
}

bool taskq__peers_enter(taskq__peers *peers, taskq__address who)
{
    pthread_mutex_lock(&peers->lock);
    taskq__peer *peer = &peers->slots[find(peers, &who)];
    bool enters = peer->count < peers->each_max;
    if (enters) {
        peer->who = who;
        peer->count++;
    }
    pthread_mutex_unlock(&peers->lock);
    return enters;
}

/* Those behind a freed slot move up, so that no search ends too early. */
static void close_gap(taskq__peers *peers, uint32_t gap)
{
    for (uint32_t at = (gap + 1) & peers->mask; peers->slots[at].count > 0; at = (at + 1) & peers->mask) {
        uint32_t home = home_of(peers, &peers->slots[at].who);
        if (((at - home) & peers->mask) >= ((at - gap) & peers->mask)) {
            peers->slots[gap] = peers->slots[at];
            peers->slots[at].count = 0;
            gap = at;
        }
    }
}

void taskq__peers_leave(taskq__peers *peers, taskq__address who)
{
    pthread_mutex_lock(&peers->lock);
    uint32_t at = find(peers, &who);
    if (peers->slots[at].count > 0 && --peers->slots[at].count == 0) {
        close_gap(peers, at);
    }
    pthread_mutex_unlock(&peers->lock);
}
