/* SPDX-License-Identifier: MIT */
/*
 * Parameters: what is unknown, given twice or unreadable is refused; and a cursor is only ever one that we wrote.
 */
#include "core/arena.h"
#include "core/text.h"
#include "server/api.h"
#include "server/cursor.h"
#include "support/check_main.h"

#include <string.h>

static taskq__request request;
static taskq__reply reply;
static taskq_text values[3];

static void setup(void)
{
    memset(&request, 0, sizeof(request));
    memset(&reply, 0, sizeof(reply));
    request.arena = taskq__arena_new(NULL, 0);
    taskq__buf_init(&reply.body, NULL, 4096);
}

static void teardown(void)
{
    taskq__arena_free(request.arena);
    taskq__buf_clear(&reply.body);
}

static bool read_query(const char *query)
{
    static const char *const names[] = {"state", "q", NULL};
    request.query = taskq_text_of(query);
    return taskq__query_read(&request, &reply, names, values);
}

START_TEST(values_are_decoded_and_absent_ones_are_nothing)
{
    ck_assert(read_query("q=a%20b+c%2B%C3%A9"));
    ck_assert(taskq__text_is(values[1], "a b c+\xc3\xa9"));
    ck_assert_ptr_null(values[0].data);
}
END_TEST

START_TEST(an_empty_value_is_there)
{
    ck_assert(read_query("q=&state"));
    ck_assert(values[0].data != NULL && values[0].size == 0);
    ck_assert(values[1].data != NULL && values[1].size == 0);
}
END_TEST

START_TEST(an_unknown_name_is_422_and_named)
{
    ck_assert(!read_query("colour=1"));
    ck_assert_int_eq(reply.status, 422);
    ck_assert_ptr_nonnull(strstr(reply.body.data, "\"field\":\"/colour\""));
}
END_TEST

START_TEST(a_name_given_twice_is_422)
{
    ck_assert(!read_query("q=1&q=1"));
    ck_assert_int_eq(reply.status, 422);
    ck_assert(!read_query("q=&%71=1"));
    ck_assert_int_eq(reply.status, 422);
}
END_TEST

START_TEST(what_cannot_be_decoded_is_400)
{
    static const char *const bad[] = {"q=%", "q=%2", "q=%zz", "q=%00", "q=%ff", "q=%C3", "%=1", "q=%ED%A0%80"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!read_query(bad[i]), "%s", bad[i]);
        ck_assert_int_eq(reply.status, 400);
    }
}
END_TEST

START_TEST(an_id_is_a_number_without_sign_or_zeroes_before_it)
{
    int64_t id = 0;
    request.captured = taskq_text_of("9223372036854775807");
    ck_assert(taskq__path_id(&request, &reply, &id));
    ck_assert_int_eq(id, INT64_MAX);
    static const char *const bad[] = {"", "0", "-1", "+1", "01", "1.0", "1e3", "x", "9223372036854775808", "1 "};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        request.captured = taskq_text_of(bad[i]);
        ck_assert_msg(!taskq__path_id(&request, &reply, &id), "%s", bad[i]);
        ck_assert_int_eq(reply.status, 404);
    }
}
END_TEST

START_TEST(a_cursor_comes_back_as_the_place_it_was_made_of)
{
    static const int64_t ids[] = {1, 2, 255, 1000000, INT64_MAX};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        char cursor[TASKQ__CURSOR_BYTES];
        int64_t found = 0;
        taskq__cursor_write(ids[i], cursor);
        ck_assert(taskq__cursor_read(taskq_text_of(cursor), &found));
        ck_assert_int_eq(found, ids[i]);
    }
}
END_TEST

START_TEST(a_cursor_that_was_changed_is_none)
{
    char cursor[TASKQ__CURSOR_BYTES];
    int64_t found = 7;
    taskq__cursor_write(123456, cursor);
    for (size_t i = 0; cursor[i] != '\0'; i++) {
        char other[TASKQ__CURSOR_BYTES];
        memcpy(other, cursor, sizeof(other));
        other[i] = other[i] == '_' ? '-' : '_';
        ck_assert_msg(!taskq__cursor_read(taskq_text_of(other), &found), "%s", other);
    }
    ck_assert(!taskq__cursor_read(taskq_text_of(""), &found));
    ck_assert(!taskq__cursor_read(taskq_text_of("AAAAAAAAAAAA"), &found));
    ck_assert_int_eq(found, 7);
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, values_are_decoded_and_absent_ones_are_nothing, an_empty_value_is_there,
                 an_unknown_name_is_422_and_named, a_name_given_twice_is_422, what_cannot_be_decoded_is_400,
                 an_id_is_a_number_without_sign_or_zeroes_before_it, a_cursor_comes_back_as_the_place_it_was_made_of,
                 a_cursor_that_was_changed_is_none)
