/* SPDX-License-Identifier: MIT */
/*
 * Who sits where. A connection holds a thread even while it says nothing, so the longest idle one is closed when a new one finds the
 * house full. When the server ends, an idle one gets a moment in which a request that is on its way arrives, is answered and told that
 * the connection ends: whoever is merely cut has sent a request into nothing. What is under way is cut only when the end has waited
 * for it long enough: a client that does not take its answer must not keep the server from ending.
 */
#include "server/front_pool.h"

#include "core/alloc.h"
#include "core/rng.h"

#include <sys/socket.h>
#include <time.h>

enum {
    DRAIN_STEP_MS = 10,
    DRAIN_USED_MS = 200,    /* at the end: for the next request on a connection that has had one */
    DRAIN_FRESH_MS = 500,   /* and for the first one: it would not have connected without a wish */
    AGREE_MS = 250,         /* so long a handshake that goes on is left alone, however many there are */
    EVICT_IDLE_MS = 1000,   /* younger ones are left: their next request may be on its way */
    KEPT_BYTES_MAX = 65536, /* buffers above that are given back after the request */
    ARENA_FACTOR = 48       /* the tape of a text made of the smallest values is so many times the text */
};

int64_t taskq__front_pool_now_ms(const taskq__pool *pool)
{
    return pool->clock.steady_ms(pool->clock.user);
}

taskq_status taskq__front_pool_init(taskq__pool *pool, const taskq__front_options *options)
{
    pool->allocator = options->allocator;
    pool->clock = options->clock;
    pool->body_bytes_max = options->body_bytes_max;
    pool->connections_max = options->connections_max;
    pool->trusted = options->trusted;
    pool->loopback_unbound = options->loopback_unbound;
    pool->trusted_count = options->trusted_count;
    pool->seats = NULL;
    atomic_init(&pool->connections, 0);
    atomic_init(&pool->handshakes, 0);
    atomic_init(&pool->refusing, 0);
    atomic_init(&pool->leaving, false);
    atomic_init(&pool->draining, false);
    pool->drained_at_ms = 0;
    if (pthread_mutex_init(&pool->lock, NULL) != 0) {
        return TASKQ_ENOMEM;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    int failed = pthread_cond_init(&pool->idle, &attributes);
    pthread_condattr_destroy(&attributes);
    if (failed != 0) {
        pthread_mutex_destroy(&pool->lock);
        return TASKQ_ENOMEM;
    }
    taskq__rng seed;
    taskq__rng_init(&seed, 0);
    taskq_status status = taskq__peers_init(&pool->peers, pool->allocator,
                                            pool->connections_max + TASKQ__SPARE_SEATS + TASKQ__REFUSING_SEATS,
                                            options->address_connections_max, taskq__rng_next(&seed));
    if (status != TASKQ_OK) {
        pthread_cond_destroy(&pool->idle);
        pthread_mutex_destroy(&pool->lock);
    }
    return status;
}

void taskq__front_pool_clear(taskq__pool *pool)
{
    taskq__peers_clear(&pool->peers);
    pthread_cond_destroy(&pool->idle);
    pthread_mutex_destroy(&pool->lock);
}

taskq__seat *taskq__seat_new(taskq__pool *pool)
{
    taskq__seat *seat = taskq__alloc(pool->allocator, sizeof(*seat));
    if (seat == NULL) {
        return NULL;
    }
    seat->pool = pool;
    seat->fd = -1;
    pthread_mutex_init(&seat->lock, NULL);
    taskq__buf_init(&seat->body, pool->allocator, pool->body_bytes_max);
    taskq__buf_init(&seat->head, pool->allocator, SIZE_MAX / 2);
    taskq__buf_init(&seat->reply.body, pool->allocator, SIZE_MAX / 2);
    pthread_mutex_lock(&pool->lock);
    seat->next = pool->seats;
    pool->seats = seat;
    pthread_mutex_unlock(&pool->lock);
    return seat;
}

void taskq__seat_free(taskq__seat *seat)
{
    taskq__pool *pool = seat->pool;
    pthread_mutex_lock(&pool->lock);
    for (taskq__seat **at = &pool->seats; *at != NULL; at = &(*at)->next) {
        if (*at == seat) {
            *at = seat->next;
            break;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    taskq__arena_free(seat->arena);
    taskq__buf_clear(&seat->body);
    taskq__buf_clear(&seat->head);
    taskq__buf_clear(&seat->reply.body);
    pthread_mutex_destroy(&seat->lock);
    taskq__free(pool->allocator, seat);
}

static bool is_idle(const taskq__seat *seat, int64_t since_ms)
{
    return seat->fd >= 0 && !seat->in_request && !seat->cut && seat->idle_since_ms <= since_ms;
}

static bool cut_if_idle(taskq__seat *seat, int64_t since_ms)
{
    pthread_mutex_lock(&seat->lock);
    bool cut = is_idle(seat, since_ms);
    if (cut) {
        seat->cut = true;
        shutdown(seat->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&seat->lock);
    return cut;
}

/* The connection that has been idle longest gives its thread to a new one. */
static bool evict_one(taskq__pool *pool)
{
    taskq__seat *oldest = NULL;
    int64_t limit_ms = taskq__front_pool_now_ms(pool) - EVICT_IDLE_MS;
    int64_t oldest_ms = limit_ms;
    pthread_mutex_lock(&pool->lock);
    for (taskq__seat *each = pool->seats; each != NULL; each = each->next) {
        pthread_mutex_lock(&each->lock);
        if (is_idle(each, oldest_ms)) {
            oldest = each;
            oldest_ms = each->idle_since_ms;
        }
        pthread_mutex_unlock(&each->lock);
    }
    bool cut = oldest != NULL && cut_if_idle(oldest, limit_ms);
    pthread_mutex_unlock(&pool->lock);
    return cut;
}

/* What is larger is let go. The arena has been emptied where it stays. */
static void give_back(taskq__seat *seat, size_t kept_max)
{
    if (seat->arena != NULL && (kept_max == 0 || taskq__arena_used(seat->arena) > kept_max)) {
        taskq__arena_free(seat->arena);
        seat->arena = NULL;
    } else if (seat->arena != NULL) {
        taskq__arena_reset(seat->arena);
    }
    taskq__buf *bufs[] = {&seat->body, &seat->reply.body, &seat->head};
    for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++) {
        if (bufs[i]->capacity > kept_max) {
            taskq__buf_clear(bufs[i]);
        }
    }
}

/* Proxies bring the connections of many: those whom they name are counted by request. */
static bool enter_peer(taskq__seat *seat, const char *peer)
{
    taskq__pool *pool = seat->pool;
    if (!taskq__address_parse(taskq_text_of(peer), &seat->peer) ||
        (pool->loopback_unbound && taskq__address_is_loopback(&seat->peer)) ||
        taskq__networks_have(pool->trusted, pool->trusted_count, &seat->peer)) {
        return true;
    }
    seat->peer = taskq__address_block(seat->peer);
    seat->peer_counted = taskq__peers_enter(&pool->peers, seat->peer);
    return seat->peer_counted;
}

taskq__entry taskq__seat_take(taskq__seat *seat, int fd, const char *peer)
{
    taskq__pool *pool = seat->pool;
    seat->counted = true;
    seat->told = seat->peer_counted = seat->spare = false;
    if (!enter_peer(seat, peer)) {
        atomic_fetch_add(&pool->connections, 1);
        return TASKQ__ENTRY_ADDRESS_FULL;
    }
    uint32_t before = atomic_fetch_add(&pool->connections, 1);
    seat->spare = before >= pool->connections_max && !evict_one(pool);
    if (pool->draining || (seat->spare && before >= pool->connections_max + TASKQ__SPARE_SEATS)) {
        return pool->draining ? TASKQ__ENTRY_DRAINING : TASKQ__ENTRY_FULL;
    }
    pthread_mutex_lock(&seat->lock);
    seat->fd = fd;
    seat->in_request = seat->cut = seat->agreeing = seat->served = false;
    seat->idle_since_ms = taskq__front_pool_now_ms(pool);
    pthread_mutex_unlock(&seat->lock);
    return TASKQ__ENTRY_TAKEN;
}

void taskq__seat_agree(taskq__seat *seat)
{
    pthread_mutex_lock(&seat->lock);
    seat->agreeing = seat->fd >= 0;
    pthread_mutex_unlock(&seat->lock);
}

bool taskq__seat_agreed(taskq__seat *seat)
{
    pthread_mutex_lock(&seat->lock);
    seat->agreeing = false;
    bool cut = seat->cut;
    pthread_mutex_unlock(&seat->lock);
    return cut;
}

bool taskq__front_pool_hurry(taskq__pool *pool)
{
    taskq__seat *oldest = NULL;
    int64_t limit_ms = taskq__front_pool_now_ms(pool) - AGREE_MS;
    int64_t oldest_ms = limit_ms;
    pthread_mutex_lock(&pool->lock);
    for (taskq__seat *each = pool->seats; each != NULL; each = each->next) {
        pthread_mutex_lock(&each->lock);
        if (each->agreeing && is_idle(each, oldest_ms)) {
            oldest = each;
            oldest_ms = each->idle_since_ms;
        }
        pthread_mutex_unlock(&each->lock);
    }
    bool cut = oldest != NULL && cut_if_idle(oldest, limit_ms);
    pthread_mutex_unlock(&pool->lock);
    return cut;
}

void taskq__seat_leave(taskq__seat *seat)
{
    pthread_mutex_lock(&seat->lock);
    seat->fd = -1;
    pthread_mutex_unlock(&seat->lock);
    if (seat->peer_counted) {
        seat->peer_counted = false;
        taskq__peers_leave(&seat->pool->peers, seat->peer);
    }
    give_back(seat, 0); /* the next connection may get any other of a thousand threads */
    if (seat->counted) {
        seat->counted = false;
        atomic_fetch_sub(&seat->pool->connections, 1);
    }
}

bool taskq__seat_prepare(taskq__seat *seat)
{
    taskq__reply *reply = &seat->reply;
    reply->status = 0;
    reply->content_type = NULL;
    reply->header_count = 0;
    reply->close = reply->head_only = false;
    reply->fault[0] = '\0';
    reply->bound = TASKQ__BOUND_NONE;
    taskq__buf_rewind(&seat->body);
    taskq__buf_rewind(&reply->body);
    if (seat->arena == NULL) {
        seat->arena = taskq__arena_new(seat->pool->allocator, seat->pool->body_bytes_max * ARENA_FACTOR + (4u << 20));
    }
    return seat->arena != NULL;
}

void taskq__seat_tidy(taskq__seat *seat)
{
    give_back(seat, KEPT_BYTES_MAX);
}

bool taskq__seat_begin(taskq__seat *seat)
{
    pthread_mutex_lock(&seat->lock);
    bool go_on = !seat->cut;
    seat->in_request = go_on;
    pthread_mutex_unlock(&seat->lock);
    return go_on;
}

void taskq__seat_end(taskq__seat *seat)
{
    taskq__pool *pool = seat->pool;
    pthread_mutex_lock(&seat->lock);
    seat->in_request = false;
    seat->served = true;
    seat->idle_since_ms = taskq__front_pool_now_ms(pool);
    pthread_mutex_unlock(&seat->lock);
    if (pool->draining) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->idle);
        pthread_mutex_unlock(&pool->lock);
    }
}

/* The next end of a request, or a little later: `but` grows without a word. */
static void wait_a_little(taskq__pool *pool)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += DRAIN_STEP_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&pool->idle, &pool->lock, &until);
}

/* With the pool's and the seat's lock held. Idle for long enough, and nothing has come meanwhile that its thread has not seen yet. */
static bool may_be_cut(const taskq__seat *seat, int64_t now_ms)
{
    char byte;
    int64_t began_ms = seat->pool->drained_at_ms;
    int64_t since_ms = seat->idle_since_ms > began_ms ? seat->idle_since_ms : began_ms;
    return is_idle(seat, INT64_MAX) && now_ms - since_ms >= (seat->served ? DRAIN_USED_MS : DRAIN_FRESH_MS) &&
           recv(seat->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

/* With the pool's lock held. How many are to be waited for, those beyond `held` that are in a request and those that may yet bring one. */
static uint32_t drain_once(taskq__pool *pool, uint32_t held, int64_t now_ms)
{
    uint32_t running = 0, idle = 0;
    for (taskq__seat *each = pool->seats; each != NULL; each = each->next) {
        pthread_mutex_lock(&each->lock);
        if (may_be_cut(each, now_ms)) {
            each->cut = true;
            shutdown(each->fd, SHUT_RDWR);
        }
        running += each->in_request ? 1 : 0;
        idle += is_idle(each, INT64_MAX) ? 1 : 0;
        pthread_mutex_unlock(&each->lock);
    }
    return idle + (running > held ? running - held : 0);
}

void taskq__front_pool_drain(taskq__pool *pool, const _Atomic uint32_t *but, int64_t wait_ms)
{
    int64_t now_ms = taskq__front_pool_now_ms(pool);
    int64_t until_ms = now_ms + wait_ms;
    pthread_mutex_lock(&pool->lock);
    pool->drained_at_ms = pool->draining ? pool->drained_at_ms : now_ms;
    pool->leaving = pool->draining = true;
    while (drain_once(pool, but != NULL ? atomic_load(but) : 0, now_ms) > 0 && now_ms < until_ms) {
        wait_a_little(pool);
        now_ms = taskq__front_pool_now_ms(pool);
    }
    pthread_mutex_unlock(&pool->lock);
}

void taskq__front_pool_cut(taskq__pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    for (taskq__seat *each = pool->seats; each != NULL; each = each->next) {
        pthread_mutex_lock(&each->lock);
        if (each->fd >= 0) {
            each->cut = true;
            shutdown(each->fd, SHUT_RDWR);
        }
        pthread_mutex_unlock(&each->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}
