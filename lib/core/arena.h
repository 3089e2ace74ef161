/* SPDX-License-Identifier: MIT */
/* The making and ending of arenas; allocation in them is <taskq/sys/arena.h>. */
#ifndef TASKQ_CORE_ARENA_H
#define TASKQ_CORE_ARENA_H

#include <taskq/alloc.h>
#include <taskq/sys/arena.h>

/* `a` is copied (NULL: the C library): an arena may outlive the object it was made for. bytes_max 0: no bound of its own. The first block is small (1 KiB), further ones double up to 256 KiB; a large request gets a block
 * of its own. NULL: no memory. */
taskq_arena *taskq__arena_new(const taskq_allocator *a, size_t bytes_max);
void taskq__arena_free(taskq_arena *arena);  /* NULL is fine */
void taskq__arena_reset(taskq_arena *arena); /* everything in it goes, its largest ordinary block is kept */
const taskq_allocator *taskq__arena_allocator(const taskq_arena *arena); /* lives as long as the arena */
size_t taskq__arena_used(const taskq_arena *arena);

#endif
