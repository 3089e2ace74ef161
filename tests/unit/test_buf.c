/* SPDX-License-Identifier: MIT */
/*
 * The buffer that answers are written through: it grows, it keeps its bound, and one failure is remembered.
 */
#include "support/check_main.h"

#include "core/buf.h"
#include "core/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

START_TEST(appends_follow_each_other_with_a_nul_behind)
{
    taskq__buf buf;
    taskq__buf_init(&buf, NULL, SIZE_MAX);
    taskq__buf_add_string(&buf, "one ");
    taskq__buf_add_text(&buf, TASKQ_TEXT("two"));
    taskq__buf_add_char(&buf, ' ');
    taskq__buf_add(&buf, "3\0", 2);
    taskq__buf_add_format(&buf, "%s-%d", "x", 5);
    ck_assert_uint_eq(buf.size, 13);
    ck_assert_mem_eq(buf.data, "one two 3\0x-5", 14);
    taskq__buf_clear(&buf);
}
END_TEST

START_TEST(nothing_appended_is_an_absent_text)
{
    taskq__buf buf;
    taskq__buf_init(&buf, NULL, 10);
    taskq__buf_add_text(&buf, (taskq_text){NULL, 0});
    ck_assert_ptr_null(taskq__buf_text(&buf).data);
    ck_assert(!buf.failed);
    taskq__buf_clear(&buf);
}
END_TEST

START_TEST(a_buffer_takes_exactly_its_bound)
{
    taskq__buf buf;
    taskq__buf_init(&buf, NULL, 5);
    taskq__buf_add_string(&buf, "12345");
    ck_assert(!buf.failed);
    taskq__buf_add_char(&buf, '6');
    ck_assert(buf.failed);
    ck_assert(taskq__text_is(taskq__buf_text(&buf), "12345"));
    taskq__buf_clear(&buf);
}
END_TEST

START_TEST(after_a_failure_everything_is_ignored)
{
    taskq__buf buf;
    taskq__buf_init(&buf, NULL, 5);
    taskq__buf_add_string(&buf, "123");
    taskq__buf_add_string(&buf, "too long");
    taskq__buf_add_char(&buf, '4'); /* would fit */
    taskq__buf_add_format(&buf, "%d", 5);
    ck_assert(!taskq__buf_reserve(&buf, 0));
    ck_assert(buf.failed);
    ck_assert(taskq__text_is(taskq__buf_text(&buf), "123"));
    taskq__buf_clear(&buf);
}
END_TEST

START_TEST(rewinding_empties_keeps_the_memory_and_forgets_the_failure)
{
    taskq__buf buf;
    taskq__buf_init(&buf, NULL, 5);
    taskq__buf_add_string(&buf, "123");
    taskq__buf_add_string(&buf, "too long");
    const char *memory = buf.data;
    taskq__buf_rewind(&buf);
    ck_assert_uint_eq(buf.size, 0);
    taskq__buf_add_string(&buf, "ab");
    ck_assert(!buf.failed);
    ck_assert_ptr_eq(buf.data, memory);
    ck_assert_str_eq(buf.data, "ab");
    taskq__buf_clear(&buf);
}
END_TEST

START_TEST(clearing_leaves_a_buffer_of_the_same_bound)
{
    taskq__buf buf;
    taskq__buf_init(&buf, NULL, 5);
    taskq__buf_add_string(&buf, "too long");
    taskq__buf_clear(&buf);
    ck_assert_ptr_null(buf.data);
    ck_assert(!buf.failed);
    taskq__buf_add_string(&buf, "123456");
    ck_assert(buf.failed);
    taskq__buf_clear(&buf);
}
END_TEST

START_TEST(a_large_content_arrives_whole)
{
    taskq__buf buf;
    taskq__buf_init(&buf, NULL, SIZE_MAX);
    for (int i = 0; i < 100000; i++) {
        taskq__buf_add_format(&buf, "%05d", i % 100000);
    }
    ck_assert(!buf.failed);
    ck_assert_uint_eq(buf.size, 500000);
    ck_assert_mem_eq(buf.data + (size_t)5 * 54321, "54321", 5);
    taskq__buf_clear(&buf);
}
END_TEST

START_TEST(reserved_room_is_there_without_moving)
{
    taskq__buf buf;
    taskq__buf_init(&buf, NULL, 10000);
    ck_assert(taskq__buf_reserve(&buf, 10000));
    const char *memory = buf.data;
    for (int i = 0; i < 10000; i++) {
        taskq__buf_add_char(&buf, 'x');
    }
    ck_assert_ptr_eq(buf.data, memory);
    ck_assert(!buf.failed);
    ck_assert(!taskq__buf_reserve(&buf, 1));
    taskq__buf_clear(&buf);
}
END_TEST

START_TEST(a_request_beyond_all_memory_fails_and_keeps_the_content)
{
    taskq__buf buf;
    taskq__buf_init(&buf, NULL, SIZE_MAX);
    taskq__buf_add_string(&buf, "kept");
    ck_assert(!taskq__buf_reserve(&buf, SIZE_MAX - 4));
    ck_assert(buf.failed);
    ck_assert_str_eq(buf.data, "kept");
    taskq__buf_clear(&buf);
}
END_TEST

START_TEST(integers_are_written_as_printf_writes_them)
{
    static const int64_t numbers[] = {0,   1,           -1,     9,         10,        99,
                                      100, 12345678901, -98765, INT64_MAX, INT64_MIN, INT64_MIN + 1};
    taskq__buf buf;
    taskq__buf_init(&buf, NULL, 100);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char expected[32];
        (void)snprintf(expected, sizeof(expected), "%" PRId64, numbers[i]);
        taskq__buf_rewind(&buf);
        taskq__buf_add_int(&buf, numbers[i]);
        ck_assert_str_eq(buf.data, expected);
    }
    taskq__buf_clear(&buf);
}
END_TEST

START_TEST(a_formatted_text_that_does_not_fit_is_not_cut_but_refused)
{
    taskq__buf buf;
    taskq__buf_init(&buf, NULL, 8);
    taskq__buf_add_format(&buf, "%s", "12345678");
    ck_assert(!buf.failed);
    taskq__buf_rewind(&buf);
    taskq__buf_add_format(&buf, "%s", "123456789");
    ck_assert(buf.failed);
    ck_assert_uint_eq(buf.size, 0);
    taskq__buf_clear(&buf);
}
END_TEST

TASKQ_TESTS(appends_follow_each_other_with_a_nul_behind, nothing_appended_is_an_absent_text,
            a_buffer_takes_exactly_its_bound, after_a_failure_everything_is_ignored,
            rewinding_empties_keeps_the_memory_and_forgets_the_failure, clearing_leaves_a_buffer_of_the_same_bound,
            a_large_content_arrives_whole, reserved_room_is_there_without_moving,
            a_request_beyond_all_memory_fails_and_keeps_the_content, integers_are_written_as_printf_writes_them,
            a_formatted_text_that_does_not_fit_is_not_cut_but_refused)
