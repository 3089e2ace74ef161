/* SPDX-License-Identifier: MIT */
/*
 * Every block carries its size and a mark in front of it, so a pointer that did not come from here, or goes back twice, is found. The
 * linker sends the calls of taskq__alloc and its kin through the functions below (--wrap), which see when the library takes memory from
 * the C library although every object was given an allocator.
 */
#include "counting.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MARK = 0x7a5c };

typedef struct head {
    _Alignas(max_align_t) size_t size;
    size_t mark;
} head;

static bool may_have(counting *counter)
{
    long at = atomic_fetch_add(&counter->calls, 1) + 1;
    long fails = atomic_load(&counter->fail_at);
    bool refused = fails > 0 && (at == fails || (at > fails && atomic_load(&counter->fail_on)));
    if (refused) {
        atomic_fetch_add(&counter->failed, 1);
    }
    return !refused;
}

static void *resize(void *user, void *old, size_t size)
{
    counting *counter = user;
    head *before = old == NULL ? NULL : (head *)old - 1;
    ck_assert_msg(before != NULL || size > 0, "NULL was given back");
    ck_assert_msg(before == NULL || before->mark == MARK, "a pointer came back that was not handed out");
    if (size == 0) {
        atomic_fetch_sub(&counter->blocks, 1);
        atomic_fetch_sub(&counter->bytes, (long)before->size);
        before->mark = 0;
        free(before);
        return NULL;
    }
    if (!may_have(counter)) {
        return NULL;
    }
    size_t kept = before == NULL ? 0 : before->size < size ? before->size : size;
    head *made = malloc(sizeof(head) + size); /* always another place: who keeps the old pointer is found by ASan */
    ck_assert_ptr_nonnull(made);
    *made = (head){size, MARK};
    memset(made + 1, 0xa5, size);
    atomic_fetch_add(&counter->blocks, 1);
    atomic_fetch_add(&counter->bytes, (long)size);
    if (before != NULL) {
        memcpy(made + 1, old, kept);
        atomic_fetch_sub(&counter->blocks, 1);
        atomic_fetch_sub(&counter->bytes, (long)before->size);
        before->mark = 0;
        free(before);
    }
    return made + 1;
}

taskq_allocator counting_face(counting *counter)
{
    return (taskq_allocator){resize, counter};
}

void counting_fail(counting *counter, long nth, bool on)
{
    atomic_store(&counter->failed, 0);
    atomic_store(&counter->fail_on, on);
    atomic_store(&counter->fail_at, nth == 0 ? 0 : atomic_load(&counter->calls) + nth);
}

/* ---- the watch --------------------------------------------------------------------------------------------------- */

static _Atomic long bypassed;

long counting_bypassed(void)
{
    return atomic_exchange(&bypassed, 0);
}

static const taskq_allocator *seen(const taskq_allocator *a)
{
    if (a == NULL || a->resize == NULL) {
        atomic_fetch_add(&bypassed, 1);
    }
    return a;
}

void *__real_taskq__alloc(const taskq_allocator *a, size_t size);
void *__real_taskq__alloc_array(const taskq_allocator *a, size_t count, size_t size);
void *__real_taskq__resize(const taskq_allocator *a, void *old, size_t size);
char *__real_taskq__strdup(const taskq_allocator *a, const char *text);
char *__real_taskq__strndup(const taskq_allocator *a, const char *text, size_t size_max);
void *__wrap_taskq__alloc(const taskq_allocator *a, size_t size);
void *__wrap_taskq__alloc_array(const taskq_allocator *a, size_t count, size_t size);
void *__wrap_taskq__resize(const taskq_allocator *a, void *old, size_t size);
char *__wrap_taskq__strdup(const taskq_allocator *a, const char *text);
char *__wrap_taskq__strndup(const taskq_allocator *a, const char *text, size_t size_max);

void *__wrap_taskq__alloc(const taskq_allocator *a, size_t size)
{
    return __real_taskq__alloc(seen(a), size);
}

void *__wrap_taskq__alloc_array(const taskq_allocator *a, size_t count, size_t size)
{
    return __real_taskq__alloc_array(seen(a), count, size);
}

void *__wrap_taskq__resize(const taskq_allocator *a, void *old, size_t size)
{
    return __real_taskq__resize(seen(a), old, size);
}

char *__wrap_taskq__strdup(const taskq_allocator *a, const char *text)
{
    return __real_taskq__strdup(seen(a), text);
}

char *__wrap_taskq__strndup(const taskq_allocator *a, const char *text, size_t size_max)
{
    return __real_taskq__strndup(seen(a), text, size_max);
}
