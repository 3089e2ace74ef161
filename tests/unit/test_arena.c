/* SPDX-License-Identifier: MIT */
/*
 * Arenas: memory that is aligned, zeroed, bounded, and gone all at once.
 */
#include "support/check_main.h"

#include "core/arena.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

START_TEST(every_allocation_is_aligned_for_any_type)
{
    taskq_arena *arena = taskq__arena_new(NULL, 0);
    for (size_t size = 0; size < 3000; size += 7) {
        taskq_text copy;
        ck_assert(taskq_arena_copy(arena, "xyz", size % 3, &copy)); /* texts in between unalign what follows */
        void *memory = taskq_arena_alloc(arena, size);
        ck_assert_ptr_nonnull(memory);
        ck_assert_uint_eq((uintptr_t)memory % _Alignof(max_align_t), 0);
    }
    taskq__arena_free(arena);
}
END_TEST

static bool is_filled(const unsigned char *memory, size_t size, unsigned char value)
{
    size_t at = 0;
    while (at < size && memory[at] == value) {
        at++;
    }
    return at == size;
}

START_TEST(allocations_are_zeroed_and_do_not_overlap)
{
    taskq_arena *arena = taskq__arena_new(NULL, 0);
    unsigned char *parts[200];
    for (size_t i = 0; i < 200; i++) {
        parts[i] = taskq_arena_alloc(arena, i * 5 + 1);
        ck_assert(is_filled(parts[i], i * 5 + 1, 0));
        memset(parts[i], (int)i + 1, i * 5 + 1);
    }
    for (size_t i = 0; i < 200; i++) {
        ck_assert(is_filled(parts[i], i * 5 + 1, (unsigned char)(i + 1)));
    }
    taskq__arena_free(arena);
}
END_TEST

START_TEST(size_zero_gives_a_pointer_of_its_own)
{
    taskq_arena *arena = taskq__arena_new(NULL, 0);
    void *first = taskq_arena_alloc(arena, 0), *second = taskq_arena_alloc(arena, 0);
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_nonnull(second);
    ck_assert_ptr_ne(first, second);
    taskq__arena_free(arena);
}
END_TEST

START_TEST(a_copy_has_a_nul_behind_it)
{
    taskq_arena *arena = taskq__arena_new(NULL, 0);
    taskq_text copy = {NULL, 0};
    ck_assert(taskq_arena_copy(arena, "ab\0c", 4, &copy));
    ck_assert_uint_eq(copy.size, 4);
    ck_assert_mem_eq(copy.data, "ab\0c", 5);
    ck_assert(taskq_arena_copy(arena, NULL, 0, &copy));
    ck_assert_uint_eq(copy.size, 0);
    ck_assert_str_eq(copy.data, "");
    taskq__arena_free(arena);
}
END_TEST

START_TEST(the_bound_refuses_and_the_arena_stays_usable)
{
    taskq_arena *arena = taskq__arena_new(NULL, 1000);
    ck_assert_ptr_nonnull(taskq_arena_alloc(arena, 600));
    ck_assert_ptr_null(taskq_arena_alloc(arena, 401));
    taskq_text copy = {"untouched", 9};
    ck_assert(!taskq_arena_copy(arena, "x", 400, &copy)); /* one more for the NUL */
    ck_assert_str_eq(copy.data, "untouched");
    ck_assert_ptr_nonnull(taskq_arena_alloc(arena, 400));
    ck_assert_ptr_null(taskq_arena_alloc(arena, 1));
    ck_assert_uint_eq(taskq__arena_used(arena), 1000);
    taskq__arena_free(arena);
}
END_TEST

START_TEST(sizes_that_no_memory_has_are_refused)
{
    taskq_arena *arena = taskq__arena_new(NULL, 0);
    taskq_text copy;
    ck_assert_ptr_null(taskq_arena_alloc(arena, SIZE_MAX));
    ck_assert_ptr_null(taskq_arena_alloc(arena, SIZE_MAX - 20));
    ck_assert(!taskq_arena_copy(arena, "x", SIZE_MAX, &copy));
    ck_assert_ptr_nonnull(taskq_arena_alloc(arena, 16));
    taskq__arena_free(arena);
}
END_TEST

START_TEST(a_large_request_leaves_the_rest_of_the_block_in_use)
{
    taskq_arena *arena = taskq__arena_new(NULL, 0);
    char *before = taskq_arena_alloc(arena, 16);
    char *large = taskq_arena_alloc(arena, 4u << 20);
    ck_assert_ptr_nonnull(large);
    memset(large, 1, 4u << 20);
    char *after = taskq_arena_alloc(arena, 16);
    ck_assert_ptr_eq(after, before + 16);
    taskq__arena_free(arena);
}
END_TEST

START_TEST(after_a_reset_everything_can_be_allocated_again_zeroed)
{
    taskq_arena *arena = taskq__arena_new(NULL, 2u << 20);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++) {
            unsigned char *memory = taskq_arena_alloc(arena, 1000);
            ck_assert_ptr_nonnull(memory);
            ck_assert_uint_eq(memory[0] | memory[500] | memory[999], 0);
            memset(memory, 0xee, 1000);
        }
        ck_assert_ptr_nonnull(taskq_arena_alloc(arena, 600000));
        ck_assert_uint_eq(taskq__arena_used(arena), 1600000);
        taskq__arena_reset(arena);
        ck_assert_uint_eq(taskq__arena_used(arena), 0);
    }
    taskq__arena_free(arena);
}
END_TEST

START_TEST(an_unused_arena_and_no_arena_can_be_freed)
{
    taskq__arena_free(NULL);
    taskq_arena *arena = taskq__arena_new(NULL, 0);
    ck_assert_ptr_nonnull(arena);
    ck_assert_uint_eq(taskq__arena_used(arena), 0);
    taskq__arena_reset(arena);
    taskq__arena_free(arena);
}
END_TEST

TASKQ_TESTS(every_allocation_is_aligned_for_any_type, allocations_are_zeroed_and_do_not_overlap,
            size_zero_gives_a_pointer_of_its_own, a_copy_has_a_nul_behind_it,
            the_bound_refuses_and_the_arena_stays_usable, sizes_that_no_memory_has_are_refused,
            a_large_request_leaves_the_rest_of_the_block_in_use, after_a_reset_everything_can_be_allocated_again_zeroed,
            an_unused_arena_and_no_arena_can_be_freed)
