/* SPDX-License-Identifier: MIT */
/*
 * A job that becomes ready must find the oldest claim that waits for its queue and type without looking at the others, be
 * they ten thousand, and must wake that one alone. So every pair of queue and type that somebody waits for has a queue of
 * its own; the first in it stands in a hash table. Nothing is allocated here after the start: the nodes are the callers'.
 */
#include "scheduler/waiters.h"

#include "core/alloc.h"
#include "core/fail.h"

taskq_status taskq__waiters_init(taskq__waiters *waiters, const taskq_allocator *a, taskq_error *err)
{
    *waiters = (taskq__waiters){.allocator = a};
    waiters->buckets = taskq__alloc_array(a, TASKQ__WAITERS_BUCKETS, sizeof(*waiters->buckets));
    waiters->polls = taskq__alloc_array(a, TASKQ__WAITERS_BUCKETS, sizeof(*waiters->polls));
    if (!waiters->buckets || !waiters->polls) {
        taskq__waiters_clear(waiters);
        return taskq__fail_memory(err);
    }
    return TASKQ_OK;
}

void taskq__waiters_clear(taskq__waiters *waiters)
{
    taskq__free(waiters->allocator, waiters->buckets);
    taskq__free(waiters->allocator, waiters->polls);
    *waiters = (taskq__waiters){0};
}

static uint32_t bucket_of(taskq__pair pair)
{
    return (uint32_t)((pair.queue ^ (pair.type * UINT64_C(0x9e3779b97f4a7c15))) >> 20) % TASKQ__WAITERS_BUCKETS;
}

static uint32_t poll_bucket_of(uint64_t hash)
{
    return (uint32_t)(hash >> 20) % TASKQ__WAITERS_BUCKETS;
}

static bool same_pair(taskq__pair a, taskq__pair b)
{
    return a.queue == b.queue && a.type == b.type;
}

/* Where the pointer to the first node of a pair stands; *result is NULL where nobody waits for it. */
static taskq__park_node **place_of(const taskq__waiters *waiters, taskq__pair pair)
{
    taskq__park_node **at = &waiters->buckets[bucket_of(pair)];
    while (*at && !same_pair((*at)->pair, pair)) {
        at = &(*at)->chain;
    }
    return at;
}

static void make_first(taskq__park_node **at, taskq__park_node *node, taskq__park_node *youngest,
                       taskq__park_node *chain)
{
    node->youngest = youngest;
    node->chain = chain;
    *at = node;
}

static void node_add(taskq__waiters *waiters, taskq__park_node *node)
{
    uint64_t arrival = node->call->arrival;
    taskq__park_node **at = place_of(waiters, node->pair);
    taskq__park_node *first = *at;
    node->older = node->younger = NULL;
    if (!first) {
        make_first(at, node, node, NULL);
        return;
    }
    if (arrival < first->call->arrival) {
        node->younger = first;
        first->older = node;
        make_first(at, node, first->youngest, first->chain);
        return;
    }
    taskq__park_node *before = first->youngest;
    while (before->call->arrival > arrival) {
        before = before->older;
    }
    node->older = before;
    node->younger = before->younger;
    before->younger = node;
    if (node->younger) {
        node->younger->older = node;
    } else {
        first->youngest = node;
    }
}

static void node_remove(taskq__waiters *waiters, taskq__park_node *node)
{
    taskq__park_node **at = place_of(waiters, node->pair);
    taskq__park_node *first = *at;
    if (node->younger) {
        node->younger->older = node->older;
    } else {
        first->youngest = node->older;
    }
    if (node->older) {
        node->older->younger = node->younger;
    } else if (node->younger) {
        make_first(at, node->younger, first->youngest, first->chain);
    } else {
        *at = node->chain;
    }
}

static void list_add(taskq__waiters *waiters, taskq__call *call)
{
    taskq__call *before = waiters->newest;
    if (waiters->oldest && call->arrival < waiters->oldest->arrival) {
        before = NULL;
    }
    while (before && before->arrival > call->arrival) {
        before = before->prev;
    }
    call->prev = before;
    call->next = before ? before->next : waiters->oldest;
    *(call->prev ? &call->prev->next : &waiters->oldest) = call;
    *(call->next ? &call->next->prev : &waiters->newest) = call;
}

void taskq__waiters_add(taskq__waiters *waiters, taskq__call *call)
{
    list_add(waiters, call);
    for (uint32_t i = 0; i < call->node_count; i++) {
        node_add(waiters, &call->nodes[i]);
    }
    if (call->poll_hash) {
        taskq__call **chain = &waiters->polls[poll_bucket_of(call->poll_hash)];
        call->poll_chain = *chain;
        *chain = call;
    }
    waiters->count++;
}

void taskq__waiters_remove(taskq__waiters *waiters, taskq__call *call)
{
    *(call->prev ? &call->prev->next : &waiters->oldest) = call->next;
    *(call->next ? &call->next->prev : &waiters->newest) = call->prev;
    for (uint32_t i = 0; i < call->node_count; i++) {
        node_remove(waiters, &call->nodes[i]);
    }
    if (call->poll_hash) {
        taskq__call **at = &waiters->polls[poll_bucket_of(call->poll_hash)];
        while (*at != call) {
            at = &(*at)->poll_chain;
        }
        *at = call->poll_chain;
    }
    waiters->count--;
}

bool taskq__call_fits(const taskq__call *call, taskq__pair pair)
{
    for (uint32_t i = 0; i < call->node_count; i++) {
        taskq__pair asked = call->nodes[i].pair;
        if ((!pair.queue || asked.queue == pair.queue) && (!pair.type || !asked.type || asked.type == pair.type)) {
            return true;
        }
    }
    return false;
}

taskq__call *taskq__waiters_oldest(const taskq__waiters *waiters, taskq__pair pair, uint64_t after)
{
    if (pair.queue && pair.type) {
        const taskq__park_node *typed = *place_of(waiters, pair);
        const taskq__park_node *any = *place_of(waiters, (taskq__pair){pair.queue, 0});
        if (typed && any) {
            return typed->call->arrival < any->call->arrival ? typed->call : any->call;
        }
        return typed ? typed->call : any ? any->call : NULL;
    }
    taskq__call *call = waiters->oldest;
    while (call && (call->arrival <= after || !taskq__call_fits(call, pair))) {
        call = call->next;
    }
    return call;
}

taskq__call *taskq__waiters_next(const taskq__call *call, taskq__pair pair)
{
    taskq__call *next = call->next;
    while (next && (pair.queue == 0 || pair.type == 0) && !taskq__call_fits(next, pair)) {
        next = next->next;
    }
    return next;
}

void taskq__waiters_mark_oldest(taskq__waiters *waiters)
{
    for (uint32_t i = 0; i < TASKQ__WAITERS_BUCKETS; i++) {
        for (taskq__park_node *first = waiters->buckets[i]; first; first = first->chain) {
            first->call->looks = true;
        }
    }
}

taskq__call *taskq__waiters_of_poll(const taskq__waiters *waiters, uint64_t poll_hash)
{
    taskq__call *call = waiters->polls[poll_bucket_of(poll_hash)];
    while (call && call->poll_hash != poll_hash) {
        call = call->poll_chain;
    }
    return call;
}
