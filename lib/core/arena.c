/* SPDX-License-Identifier: MIT */
/*
 * Memory that goes all at once. A request, a page of jobs or a batch makes hundreds of small allocations
 * with one lifetime; here each is an addition, and forgetting to free one is impossible. The first block
 * lies in the arena itself, so a small request costs one allocation in all. Under AddressSanitizer what was not
 * handed out is poisoned, so that an overflow inside an arena is found as one behind a malloc would be.
 */
#include "core/arena.h"

#include "core/alloc.h"

#include <stddef.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#endif
#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#define POISON(data, size) ASAN_POISON_MEMORY_REGION(data, size)
#define UNPOISON(data, size) ASAN_UNPOISON_MEMORY_REGION(data, size)
#else
#define POISON(data, size) ((void)(data), (void)(size))
#define UNPOISON(data, size) ((void)(data), (void)(size))
#endif

enum {
    ALIGNMENT = _Alignof(max_align_t),
    FIRST_BYTES = 1024,
    BLOCK_BYTES_MAX = 256 * 1024,
};

typedef struct block {
    struct block *next;
    size_t capacity, used;
    bool ordinary; /* not made for one large request */
    _Alignas(max_align_t) char data[];
} block;

struct taskq_arena {
    block *current; /* where small requests go; the rest of the list hangs behind it */
    size_t used, bytes_max;
    size_t next_bytes; /* capacity of the next ordinary block */
    block *first;      /* lies behind this struct, in the same allocation */
    taskq_allocator allocator;
};

/* The arena's struct rounded up, so that the block behind it is aligned. */
static size_t head_bytes(void)
{
    return (sizeof(taskq_arena) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void block_init(block *made, size_t capacity, bool ordinary)
{
    made->next = NULL;
    made->capacity = capacity;
    made->used = 0;
    made->ordinary = ordinary;
    POISON(made->data, capacity);
}

static void block_free(taskq_arena *arena, block *gone)
{
    UNPOISON(gone->data, gone->capacity);
    taskq__free(&arena->allocator, gone);
}

taskq_arena *taskq__arena_new(const taskq_allocator *a, size_t bytes_max)
{
    char *memory = taskq__resize(a, NULL, head_bytes() + sizeof(block) + FIRST_BYTES);
    if (memory == NULL) {
        return NULL;
    }
    taskq_arena *arena = (taskq_arena *)(void *)memory;
    arena->allocator = a == NULL ? (taskq_allocator)TASKQ_ALLOCATOR_INIT : *a;
    arena->first = (block *)(void *)(memory + head_bytes());
    block_init(arena->first, FIRST_BYTES, true);
    arena->current = arena->first;
    arena->used = 0;
    arena->bytes_max = bytes_max == 0 ? SIZE_MAX : bytes_max;
    arena->next_bytes = 2 * FIRST_BYTES;
    return arena;
}

void taskq__arena_free(taskq_arena *arena)
{
    if (arena == NULL) {
        return;
    }
    for (block *at = arena->current, *next; at != NULL; at = next) {
        next = at->next;
        if (at != arena->first) {
            block_free(arena, at);
        }
    }
    UNPOISON(arena->first->data, arena->first->capacity);
    taskq_allocator allocator = arena->allocator;
    taskq__free(&allocator, arena);
}

void taskq__arena_reset(taskq_arena *arena)
{
    block *kept = arena->first;
    for (block *at = arena->current, *next; at != NULL; at = next) {
        next = at->next;
        if (at == arena->first || at == kept) {
            continue;
        }
        if (at->ordinary && at->capacity > kept->capacity) {
            if (kept != arena->first) {
                block_free(arena, kept);
            }
            kept = at;
        } else {
            block_free(arena, at);
        }
    }
    block_init(arena->first, FIRST_BYTES, true);
    if (kept != arena->first) {
        block_init(kept, kept->capacity, true);
        kept->next = arena->first;
    }
    arena->current = kept;
    arena->used = 0;
}

const taskq_allocator *taskq__arena_allocator(const taskq_arena *arena)
{
    return &arena->allocator;
}

size_t taskq__arena_used(const taskq_arena *arena)
{
    return arena->used;
}

static block *block_new(taskq_arena *arena, size_t capacity, bool ordinary)
{
    block *made = taskq__resize(&arena->allocator, NULL, sizeof(block) + capacity);
    if (made != NULL) {
        block_init(made, capacity, ordinary);
    }
    return made;
}

/* A block with room for `size` bytes: a new current one, or, for a large request, one behind the current
 * block, whose rest stays in use. */
static block *add_block(taskq_arena *arena, size_t size)
{
    bool ordinary = size <= arena->next_bytes;
    block *made = block_new(arena, ordinary ? arena->next_bytes : size, ordinary);
    if (made == NULL) {
        return NULL;
    }
    if (ordinary) {
        made->next = arena->current;
        arena->current = made;
        if (arena->next_bytes < BLOCK_BYTES_MAX) {
            arena->next_bytes *= 2;
        }
    } else {
        made->next = arena->current->next;
        arena->current->next = made;
    }
    return made;
}

/* Bytes of no particular content; `alignment` is a power of two. */
static void *take(taskq_arena *arena, size_t size, size_t alignment)
{
    block *from = arena->current;
    size_t start = (from->used + alignment - 1) & ~(alignment - 1);
    if (size > arena->bytes_max - arena->used || size > SIZE_MAX / 2) {
        return NULL;
    }
    if (start > from->capacity || size > from->capacity - start) {
        from = add_block(arena, size);
        if (from == NULL) {
            return NULL;
        }
        start = 0;
    }
    from->used = start + size;
    arena->used += size;
    UNPOISON(from->data + start, size);
    return from->data + start;
}

void *taskq_arena_alloc(taskq_arena *arena, size_t size)
{
    size_t wanted = size == 0 ? 1 : size;
    void *memory = take(arena, wanted, ALIGNMENT);
    if (memory != NULL) {
        memset(memory, 0, wanted);
    }
    return memory;
}

bool taskq_arena_copy(taskq_arena *arena, const void *data, size_t size, taskq_text *out)
{
    char *memory = size == SIZE_MAX ? NULL : take(arena, size + 1, 1);
    if (memory == NULL) {
        return false;
    }
    if (size > 0) {
        memcpy(memory, data, size);
    }
    memory[size] = '\0';
    *out = (taskq_text){memory, size};
    return true;
}
