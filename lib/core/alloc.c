/* SPDX-License-Identifier: MIT */
/*
 * The one file that knows malloc. A host that counts, bounds or pools its memory gives an allocator with the
 * options of an object, and everything that the object needs comes from there; whoever allocates elsewhere in
 * the library would take that from it, so nobody does.
 */
#include "core/alloc.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool is_libc(const taskq_allocator *a)
{
    return a == NULL || a->resize == NULL;
}

void *taskq__alloc(const taskq_allocator *a, size_t size)
{
    size_t wanted = size == 0 ? 1 : size;
    if (is_libc(a)) {
        return calloc(1, wanted);
    }
    void *memory = a->resize(a->user, NULL, wanted);
    if (memory != NULL) {
        memset(memory, 0, wanted);
    }
    return memory;
}

void *taskq__alloc_array(const taskq_allocator *a, size_t count, size_t size)
{
    return size != 0 && count > SIZE_MAX / size ? NULL : taskq__alloc(a, count * size);
}

void *taskq__resize(const taskq_allocator *a, void *old, size_t size)
{
    size_t wanted = size == 0 ? 1 : size;
    return is_libc(a) ? realloc(old, wanted) : a->resize(a->user, old, wanted);
}

char *taskq__strndup(const taskq_allocator *a, const char *text, size_t size_max)
{
    size_t size = strnlen(text, size_max);
    char *copy = taskq__resize(a, NULL, size + 1);
    if (copy != NULL) {
        memcpy(copy, text, size);
        copy[size] = '\0';
    }
    return copy;
}

char *taskq__strdup(const taskq_allocator *a, const char *text)
{
    return taskq__strndup(a, text, strlen(text));
}

void taskq__free(const taskq_allocator *a, void *memory)
{
    if (memory == NULL) {
        return;
    }
    if (is_libc(a)) {
        free(memory);
    } else {
        (void)a->resize(a->user, memory, 0);
    }
}
