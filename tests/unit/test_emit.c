/* SPDX-License-Identifier: MIT */
/* Writing JSON: commas, escapes, numbers that read back the same, in any locale. */
#include "support/check_main.h"

#include "core/arena.h"
#include "core/scan.h"
#include "core/text.h"
#include "wire/emit.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <string.h>

static taskq__buf buf;

static void setup(void)
{
    taskq__buf_init(&buf, NULL, 1u << 20);
}

static void teardown(void)
{
    taskq__buf_clear(&buf);
}

static void assert_written(const char *wanted)
{
    ck_assert_str_eq(buf.data, wanted);
    ck_assert_uint_eq(buf.size, strlen(wanted));
    taskq__buf_rewind(&buf);
}

START_TEST(commas_stand_between_and_nowhere_else)
{
    taskq__emit_open(&buf, '{');
    taskq__emit_key(&buf, "a");
    taskq__emit_open(&buf, '[');
    for (int i = 0; i < 3; i++) {
        taskq__emit_comma(&buf);
        taskq__emit_int(&buf, i);
    }
    taskq__emit_comma(&buf);
    taskq__emit_open(&buf, '{');
    taskq__emit_close(&buf, '}');
    taskq__emit_close(&buf, ']');
    taskq__emit_key(&buf, "b");
    taskq__emit_bool(&buf, true);
    taskq__emit_key(&buf, "c");
    taskq__emit_raw(&buf, (taskq_text){"[ 1 ]", 5});
    taskq__emit_key(&buf, "d");
    taskq__emit_bool(&buf, false);
    taskq__emit_close(&buf, '}');
    assert_written("{\"a\":[0,1,2,{}],\"b\":true,\"c\":[ 1 ],\"d\":false}");
}
END_TEST

START_TEST(what_must_be_escaped_is)
{
    static const struct {
        const char *data;
        size_t size;
        const char *wanted;
    } rows[] = {
        {"", 0, "\"\""},
        {"plain", 5, "\"plain\""},
        {"a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\""},
        {"\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\""},
        {"\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\\u007f\""},
        {"\xc3\xa9\n\xf0\x9f\x98\x80", 7, "\"\xc3\xa9\\n\xf0\x9f\x98\x80\""},
        {NULL, 0, "\"\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        taskq__emit_string(&buf, (taskq_text){rows[i].data, rows[i].size});
        assert_written(rows[i].wanted);
    }
}
END_TEST

START_TEST(bytes_that_are_not_utf8_become_replacement_characters)
{
    static const struct {
        const char *data, *wanted;
    } rows[] = {
        {"a\xff", "\"a\xef\xbf\xbd\""},
        {"\xff\n\xc3\xa9\"", "\"\xef\xbf\xbd\\n\xc3\xa9\\\"\""},
        {"\xc3", "\"\xef\xbf\xbd\""},
        {"\xed\xa0\x80z", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\""},
        {"\xe2\x82\xac\xe2\x82", "\"\xe2\x82\xac\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        taskq__emit_string(&buf, taskq_text_of(rows[i].data));
        ck_assert_int_eq(taskq__json_check(taskq__buf_text(&buf), NULL), TASKQ_OK);
        assert_written(rows[i].wanted);
    }
}
END_TEST

START_TEST(every_byte_written_reads_back_the_same)
{
    char data[128];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (char)i;
    }
    taskq_arena *arena = taskq__arena_new(NULL, 0);
    taskq__json json;
    taskq_text back, text = {data, sizeof data};
    taskq__emit_string(&buf, text);
    ck_assert_int_eq(taskq__json_scan(taskq__buf_text(&buf), NULL, arena, &json, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq__json_string(&json, 0, arena, &back, NULL), TASKQ_OK);
    ck_assert(taskq__text_equal(back, text));
    taskq__arena_free(arena);
}
END_TEST

START_TEST(integers_are_written_to_the_last_digit)
{
    static const struct {
        int64_t number;
        const char *wanted;
    } rows[] = {{0, "0"}, {-1, "-1"}, {INT64_MAX, "9223372036854775807"}, {INT64_MIN, "-9223372036854775808"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        taskq__emit_int(&buf, rows[i].number);
        assert_written(rows[i].wanted);
    }
}
END_TEST

typedef struct double_row {
    double number;
    const char *wanted;
} double_row;

static const double_row doubles[] = {
    {0, "0.0"},
    {2, "2.0"},
    {0.2, "0.2"},
    {-1.5, "-1.5"},
    {0.001, "0.001"},
    {0.01, "0.01"},
    {10, "10.0"},
    {99.95, "99.95"},
    {1.125, "1.125"},
    {-0.25, "-0.25"},
    {1000.01, "1000.01"},
    {33.3333, "33.3333"},
    {1e300, "1e+300"},
    {1e12, "1000000000000.0"},
    {0.0005, "0.0005"},
    {1.0 / 3, "0.3333333333333333"},
    {DBL_MIN, "2.2250738585072014e-308"},
    {123456.789, "123456.789"},
};

START_TEST(doubles_are_short_and_always_look_like_doubles)
{
    for (size_t i = 0; i < sizeof doubles / sizeof doubles[0]; i++) {
        taskq__emit_double(&buf, doubles[i].number);
        assert_written(doubles[i].wanted);
    }
}
END_TEST

START_TEST(doubles_read_back_the_same)
{
    double number = 0.1, back = 0;
    for (int i = 0; i < 2000; i++) {
        number = fmod(number * 1.7 + 0.013, 100);
        taskq__emit_double(&buf, i % 2 == 0 ? number : number * 1e-9);
        ck_assert(taskq__parse_double(taskq__buf_text(&buf), &back));
        ck_assert(!(back < (i % 2 == 0 ? number : number * 1e-9)) && !(back > (i % 2 == 0 ? number : number * 1e-9)));
        taskq__buf_rewind(&buf);
    }
}
END_TEST

START_TEST(what_is_no_number_is_null)
{
    const double rows[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        taskq__emit_double(&buf, rows[i]);
        assert_written("null");
    }
}
END_TEST

START_TEST(a_locale_with_a_comma_changes_nothing)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "nl_NL.UTF-8"};
    for (size_t i = 0; i < sizeof names / sizeof names[0] && setlocale(LC_ALL, names[i]) == NULL; i++) {}
    for (size_t i = 0; i < sizeof doubles / sizeof doubles[0]; i++) {
        taskq__emit_double(&buf, doubles[i].number);
        assert_written(doubles[i].wanted);
    }
    setlocale(LC_ALL, "C");
}
END_TEST

START_TEST(a_time_is_a_quoted_rfc3339_time)
{
    taskq__emit_time(&buf, INT64_C(1769846400123));
    assert_written("\"2026-01-31T08:00:00.123Z\"");
}
END_TEST

START_TEST(a_buffer_that_is_full_fails_and_stays_failed)
{
    taskq__buf small;
    taskq__buf_init(&small, NULL, 8);
    taskq__emit_string(&small, TASKQ_TEXT("longer than that"));
    taskq__emit_key(&small, "k");
    ck_assert(small.failed);
    taskq__buf_clear(&small);
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, commas_stand_between_and_nowhere_else, what_must_be_escaped_is,
                 bytes_that_are_not_utf8_become_replacement_characters, every_byte_written_reads_back_the_same,
                 integers_are_written_to_the_last_digit, doubles_are_short_and_always_look_like_doubles,
                 doubles_read_back_the_same, what_is_no_number_is_null, a_locale_with_a_comma_changes_nothing,
                 a_time_is_a_quoted_rfc3339_time, a_buffer_that_is_full_fails_and_stays_failed)
