/* SPDX-License-Identifier: MIT */
/* All memory of the library comes through here: from the host's allocator, or from the C library where the host has none.
 * `a` NULL: the C library. */
#ifndef TASKQ_CORE_ALLOC_H
#define TASKQ_CORE_ALLOC_H

#include <taskq/alloc.h>

/* NULL: no memory. Size 0 gives a valid pointer. The first two give zeroed memory; the product may overflow: NULL. A failed resize leaves
 * `old` as it was. */
void *taskq__alloc(const taskq_allocator *a, size_t size);
void *taskq__alloc_array(const taskq_allocator *a, size_t count, size_t size);
void *taskq__resize(const taskq_allocator *a, void *old, size_t size);
char *taskq__strdup(const taskq_allocator *a, const char *text);
char *taskq__strndup(const taskq_allocator *a, const char *text, size_t size_max);
void taskq__free(const taskq_allocator *a, void *memory); /* NULL is fine */

#endif
