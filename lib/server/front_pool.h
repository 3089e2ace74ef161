/* SPDX-License-Identifier: MIT */
/*
 * The seats of a front: one a thread, each with the buffers of the request that it serves, and what others may know of it: which
 * socket, whether it idles. A thread sits on a connection for as long as that lives; this is where idle ones are made to get up.
 */
#ifndef TASKQ_SERVER_FRONT_POOL_H
#define TASKQ_SERVER_FRONT_POOL_H

#include "server/front.h"
#include "server/peers.h"
#include "server/tls.h"

#include <pthread.h>

/* Threads beyond connections_max: so many more connections are served a single request each, so that reports and health checks are
 * answered while all others wait or idle; and the last few are there to say no. */
enum { TASKQ__SPARE_SEATS = 16, TASKQ__REFUSING_SEATS = 8 };

typedef struct taskq__pool taskq__pool;

/* Whether a connection gets a seat. */
typedef enum taskq__entry {
    TASKQ__ENTRY_TAKEN,
    TASKQ__ENTRY_FULL,         /* no room, not even a spare seat */
    TASKQ__ENTRY_ADDRESS_FULL, /* its address has its share */
    TASKQ__ENTRY_DRAINING
} taskq__entry;

typedef struct taskq__seat {
    struct taskq__seat *next;
    taskq__pool *pool;
    pthread_mutex_t lock;
    int fd;                /* guarded by lock; -1: no connection, or out of reach */
    bool in_request, cut;  /* guarded by lock; cut: its connection was taken away */
    bool served;           /* guarded by lock: its connection has had an answer */
    int64_t idle_since_ms; /* guarded by lock */
    bool agreeing;         /* guarded by lock: its TLS is not agreed yet, since idle_since_ms */
    /* The rest belongs to the seat's thread. */
    bool counted, told; /* told: it was said why the connection ends */
    bool peer_counted;
    taskq__address peer;
    taskq__entry entry;
    char certificate[TASKQ__TLS_NAME_BYTES]; /* the name that the client proved; "": none */
    bool spare; /* the house is full: one request that does not wait, then the connection ends */
    taskq_arena *arena;
    taskq__buf body, head;
    taskq__request request;
    taskq__reply reply;
    taskq__pair headers[TASKQ__HEADERS_MAX];
} taskq__seat;

struct taskq__pool {
    const taskq_allocator *allocator;
    taskq_clock clock;
    size_t body_bytes_max;
    uint32_t connections_max;
    const taskq__network *trusted;
    bool loopback_unbound;
    uint32_t trusted_count;
    taskq__peers peers;
    pthread_mutex_t lock; /* guards seats; taken before a seat's */
    pthread_cond_t idle;
    taskq__seat *seats;
    _Atomic uint32_t connections, handshakes, refusing;
    _Atomic bool leaving;  /* every answer says that the connection ends */
    _Atomic bool draining; /* new connections are refused */
    int64_t drained_at_ms; /* guarded by lock: when that began */
};

taskq_status taskq__front_pool_init(taskq__pool *pool, const taskq__front_options *options);
void taskq__front_pool_clear(taskq__pool *pool);
int64_t taskq__front_pool_now_ms(const taskq__pool *pool); /* steady */

taskq__seat *taskq__seat_new(taskq__pool *pool); /* NULL: no memory */
void taskq__seat_free(taskq__seat *seat);

/* A connection comes. It is counted in all even where it gets no seat, until it goes. `peer`: its address as text. */
taskq__entry taskq__seat_take(taskq__seat *seat, int fd, const char *peer);
void taskq__seat_leave(taskq__seat *seat);

/* Its TLS is to be agreed, and was or was not: then true if it was cut meanwhile. */
void taskq__seat_agree(taskq__seat *seat);
bool taskq__seat_agreed(taskq__seat *seat);
/* Too many are not agreed: the one that takes longest is cut, unless all have only begun; then false. */
bool taskq__front_pool_hurry(taskq__pool *pool);

/* Empty buffers for the next request; false: no memory. And after it: an idle seat keeps little. */
bool taskq__seat_prepare(taskq__seat *seat);
void taskq__seat_tidy(taskq__seat *seat);

/* A request is under way. False: the connection was taken away while it was idle; nothing may happen for a client that cannot be told. */
bool taskq__seat_begin(taskq__seat *seat);
void taskq__seat_end(taskq__seat *seat);

void taskq__front_pool_drain(taskq__pool *pool, const _Atomic uint32_t *but, int64_t wait_ms);
/* After it: whoever is still there has had his time. What he is sent or asked for ends, and with it his thread. */
void taskq__front_pool_cut(taskq__pool *pool);

#endif
