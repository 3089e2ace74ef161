/* SPDX-License-Identifier: MIT */
/* How many connections (or requests) each address has now. Memory for as many addresses as there can be connections; any thread. */
#ifndef TASKQ_SERVER_PEERS_H
#define TASKQ_SERVER_PEERS_H

#include "server/address.h"

#include <taskq/alloc.h>

#include <pthread.h>

typedef struct taskq__peer {
    taskq__address who;
    uint32_t count; /* 0: free */
} taskq__peer;

typedef struct taskq__peers {
    pthread_mutex_t lock;
    taskq__peer *slots; /* guarded by lock */
    const taskq_allocator *allocator;
    uint32_t mask, each_max;
    uint64_t seed;
} taskq__peers;

/* `all_max`: how many there are in all at most; `each_max` 0: no bound for one address. ENOMEM. */
taskq_status taskq__peers_init(taskq__peers *peers, const taskq_allocator *a, uint32_t all_max, uint32_t each_max,
                               uint64_t seed);
void taskq__peers_clear(taskq__peers *peers);

/* Of IPv6 the caller gives the block. One more of this address; false: it has its share, and is not counted. Who enters leaves. */
bool taskq__peers_enter(taskq__peers *peers, taskq__address who);
void taskq__peers_leave(taskq__peers *peers, taskq__address who);

#endif
