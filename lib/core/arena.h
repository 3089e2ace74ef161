/* SPDX-License-Identifier: MIT */
/* The making and ending of arenas; allocation in them is <taskq/sys/arena.h>. */
#ifndef TASKQ_CORE_ARENA_H
#define TASKQ_CORE_ARENA_H

#include <taskq/sys/arena.h>

/* bytes_max 0: no bound of its own. The first block is small (1 KiB), further ones double up to 256 KiB; a large request gets a block
 * of its own. NULL: no memory. */
taskq_arena *taskq__arena_new(size_t bytes_max);
void taskq__arena_free(taskq_arena *arena);  /* NULL is fine */
void taskq__arena_reset(taskq_arena *arena); /* everything in it goes, its largest ordinary block is kept */
size_t taskq__arena_used(const taskq_arena *arena);

#endif
