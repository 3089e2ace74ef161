/* SPDX-License-Identifier: MIT */
/*
 * Memory that is freed all at once: what a store hands back is allocated in the arena of the caller that asked.
 *
 * Threads: one thread at a time; the leader of a batch fills the arenas of callers who sleep meanwhile.
 * Failures: NULL where there is no memory or where the arena's own bound is reached; the arena stays usable.
 */
#ifndef TASKQ_SYS_ARENA_H
#define TASKQ_SYS_ARENA_H

#include <taskq/job.h>

TASKQ_BEGIN_DECLS

/** Memory that goes all at once. */
typedef struct taskq_arena taskq_arena;

/** `size` bytes, zeroed, aligned for any type; they live until the arena goes. Size 0 gives a valid pointer. */
TASKQ_API void *taskq_arena_alloc(taskq_arena *arena, size_t size);

/** A copy of the bytes, with a NUL behind it that does not count. On failure: false, `out` untouched. */
TASKQ_API bool taskq_arena_copy(taskq_arena *arena, const void *data, size_t size, taskq_text *out);

TASKQ_END_DECLS

#endif
