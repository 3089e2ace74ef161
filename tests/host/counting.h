/* SPDX-License-Identifier: MIT */
/* An allocator that counts what is out, and fails where a test says so; and a watch on memory that goes round it. */
#ifndef TASKQ_TESTS_HOST_COUNTING_H
#define TASKQ_TESTS_HOST_COUNTING_H

#include <taskq/alloc.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct counting {
    _Atomic long blocks, bytes; /* that are out */
    _Atomic long calls;         /* allocations and resizings that were asked for */
    _Atomic long fail_at;       /* this one fails, counted from 1; 0: none */
    _Atomic bool fail_on;       /* and all after it */
    _Atomic long failed;
} counting;

taskq_allocator counting_face(counting *counter);
/* From now on: the n-th allocation fails, and, with `on`, every later one. 0: none. */
void counting_fail(counting *counter, long nth, bool on);

/* Allocations that the library made without the host's allocator, since the last call. The library's own two ways to memory are
 * wrapped by the linker for it. */
long counting_bypassed(void);

#endif
