/* SPDX-License-Identifier: MIT */
/* The strict JSON scan: what it takes, what it refuses and how it says so, and what its tape holds. */
#include "support/check_main.h"

#include "core/scan.h"
#include "core/text.h"

#include <stdio.h>
#include <string.h>

/* A text with its exact size on the heap, so that a sanitizer sees one byte read too far. */
static taskq_text exact(const char *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, data, size);
    return (taskq_text){copy, size};
}

static void drop(taskq_text text)
{
    free((void *)(uintptr_t)text.data);
}

/* Both faces of the scan must be of one mind. */
static taskq_status verdict(const char *data, size_t size, taskq_error *err)
{
    static const char *const opaque[] = {"payload", NULL};
    taskq_text text = exact(data, size);
    taskq_arena *arena = taskq__arena_new(NULL, 0);
    taskq__json json;
    taskq_error other = TASKQ_ERROR_INIT;
    taskq_status status = taskq__json_check(text, err);
    ck_assert_int_eq(taskq__json_scan(text, NULL, arena, &json, &other), status);
    ck_assert_str_eq(other.text, err != NULL ? err->text : other.text);
    ck_assert_int_eq(taskq__json_scan(text, opaque, arena, &json, NULL), status);
    taskq__arena_free(arena);
    drop(text);
    return status;
}

#define ROW(literal)                   \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }
typedef struct row {
    const char *data;
    size_t size;
} row;

static void expect_all(const row *rows, size_t count, taskq_status wanted)
{
    for (size_t i = 0; i < count; i++) {
        taskq_error err = TASKQ_ERROR_INIT;
        taskq_status status = verdict(rows[i].data, rows[i].size, &err);
        ck_assert_msg(status == wanted, "row %zu: %.*s: %s %s", i, (int)rows[i].size, rows[i].data,
                      taskq_status_name(status), err.text);
    }
}
#define EXPECT(rows, wanted) expect_all((rows), sizeof(rows) / sizeof((rows)[0]), (wanted))

START_TEST(every_value_of_the_grammar_is_taken)
{
    static const row rows[] = {
        ROW("null"),
        ROW("true"),
        ROW("false"),
        ROW("0"),
        ROW("-0"),
        ROW("\"\""),
        ROW("[]"),
        ROW("{}"),
        ROW(" [ ] "),
        ROW("\t{\r\n}\n"),
        ROW("[1]"),
        ROW("[1 , 2,3]"),
        ROW("{\"a\":1}"),
        ROW("{\"a\" : 1 , \"b\":[]}"),
        ROW("[[[[]]],{}]"),
        ROW("{\"\":0}"),
        ROW("{\"a\":{\"b\":{}}}"),
        ROW("[[]   ]"),
        ROW("[null,1,\"1\",{}]"),
        ROW("{\"payload\":{\"payload\":[1,{}]}}"),
        ROW("{\"payload\":null}"),
        ROW("[{\"payload\":1},{\"payload\":\"x\"}]"),
        ROW("{\"a\":1,\"a\":1}"), /* a key twice is grammar; records refuse it */
    };
    EXPECT(rows, TASKQ_OK);
}
END_TEST

START_TEST(every_number_of_the_grammar_is_taken)
{
    static const row rows[] = {
        ROW("1"),
        ROW("-1"),
        ROW("10"),
        ROW("0.5"),
        ROW("-0.5"),
        ROW("1e1"),
        ROW("1E1"),
        ROW("1e+1"),
        ROW("1e-1"),
        ROW("0e0"),
        ROW("0e+1"),
        ROW("123.456e78"),
        ROW("1e400"),
        ROW("-1e-400"),
        ROW("1e999999999999"),
        ROW("20e1"),
        ROW("100000000000000000000000000000000000000000000000000000000000000000000000000000000000000"),
        ROW("-0.000000000000000000000000000000000000000000000000000000000000000000000000000000000001"),
        ROW("[123e65]"),
        ROW("[-0]"),
        ROW("[1.0]"),
        ROW("9223372036854775808"),
    };
    EXPECT(rows, TASKQ_OK);
}
END_TEST

START_TEST(what_only_looks_like_a_number_is_refused)
{
    static const row rows[] = {
        ROW("-"),     ROW("+1"),       ROW("01"),        ROW("-01"),    ROW("00"),
        ROW("1."),    ROW(".5"),       ROW("-.5"),       ROW("1.e1"),   ROW("1e"),
        ROW("1e+"),   ROW("1e-"),      ROW("1eE2"),      ROW("0x10"),   ROW("0x"),
        ROW("NaN"),   ROW("Infinity"), ROW("-Infinity"), ROW("inf"),    ROW("1 000"),
        ROW("1_0"),   ROW("--1"),      ROW("1.2.3"),     ROW("[1+2]"),  ROW("[-a]"),
        ROW("[1a]"),  ROW("[0.e1]"),   ROW("[2.e3]"),    ROW("[9.e+]"), ROW("[0e]"),
        ROW("[0e+]"), ROW("[0E+]"),    ROW("[-2.]"),     ROW("[1ea]"),  ROW("[\xef\xbc\x91]"),
        ROW("1f"),    ROW("-\x00"),    ROW("[1,\x00]"),
    };
    EXPECT(rows, TASKQ_ESYNTAX);
}
END_TEST

START_TEST(broken_structure_is_refused)
{
    static const row rows[] = {
        ROW(""),
        ROW(" "),
        ROW("["),
        ROW("]"),
        ROW("{"),
        ROW("}"),
        ROW("[1"),
        ROW("[1,"),
        ROW("[1,]"),
        ROW("[,]"),
        ROW("[,1]"),
        ROW("[1,,2]"),
        ROW("[1 2]"),
        ROW("[1}"),
        ROW("{]"),
        ROW("{\"a\"}"),
        ROW("{\"a\":}"),
        ROW("{\"a\":1,}"),
        ROW("{\"a\":1,,}"),
        ROW("{,}"),
        ROW("{a:1}"),
        ROW("{'a':1}"),
        ROW("{1:1}"),
        ROW("{null:1}"),
        ROW("{\"a\" 1}"),
        ROW("{\"a\"::1}"),
        ROW("{\"a\":1 \"b\":2}"),
        ROW("{\"a\":1]"),
        ROW("{\"a\":1"),
        ROW("{\"a\":"),
        ROW("{\"a\""),
        ROW("{\"a"),
        ROW("{\""),
        ROW("[\"a\":1]"),
        ROW("[\"a\",\n4\n,1,"),
        ROW("[[1]"),
        ROW("{\"a\":[}"),
        ROW("[{]}"),
        ROW("*"),
        ROW("[*]"),
        ROW("<>"),
        ROW("[1,\n1\n,1"),
        ROW("[{}"),
        ROW("{\"payload\":[}"),
        ROW("{\"payload\":}"),
        ROW("{\"payload\":1"),
        ROW("{\"payload\""),
    };
    EXPECT(rows, TASKQ_ESYNTAX);
}
END_TEST

START_TEST(a_word_that_is_not_quite_one_is_refused)
{
    static const row rows[] = {
        ROW("nul"),       ROW("nulll"), ROW("Null"),   ROW("TRUE"),  ROW("tru"),
        ROW("truth"),     ROW("fals"),  ROW("falsey"), ROW("[tru]"), ROW("[nu]"),
        ROW("undefined"), ROW("a"),     ROW("[True]"), ROW("t"),     ROW("[f"),
    };
    EXPECT(rows, TASKQ_ESYNTAX);
}
END_TEST

START_TEST(nothing_may_follow_the_document)
{
    static const row rows[] = {
        ROW("1 1"),
        ROW("{}{}"),
        ROW("[]]"),
        ROW("{}}"),
        ROW("null,"),
        ROW("{}//"),
        ROW("{}#"),
        ROW("/**/{}"),
        ROW("{}\x00"),
        ROW("[]\x00"),
        ROW("1\x00"),
        ROW("\"a\"\"b\""),
        ROW("{}\xc2\xa0"),
        ROW("\x0c[]"),
        ROW("[]\x0b"),
        ROW("\xe2\x81\xa0[]"),
        ROW("{\"a\":\"b\"}#{}"),
        ROW("[][]"),
        ROW("2]"),
    };
    EXPECT(rows, TASKQ_ESYNTAX);
}
END_TEST

START_TEST(a_byte_order_mark_and_other_encodings_are_refused)
{
    static const row rows[] = {
        ROW("\xef\xbb\xbf{}"),
        ROW("\xef\xbb\xbf"),
        ROW("\xff\xfe[\x00]\x00"),
        ROW("\xfe\xff\x00[\x00]"),
        ROW("[\x00]\x00"),
        ROW("\xef\xbb{}"),
        ROW("\xe5"),
        ROW("[\xe5]"),
        ROW("[\xff]"),
    };
    EXPECT(rows, TASKQ_ESYNTAX);
}
END_TEST

START_TEST(strings_of_every_kind_are_taken)
{
    static const row rows[] = {
        ROW("\"a\""),
        ROW("\" \""),
        ROW("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
        ROW("\"\\u0000\""),
        ROW("\"\\u00e9\\uABCD\\uabcd\""),
        ROW("\"\\ud83d\\ude00\""),
        ROW("\"\x7f\""),
        ROW("\"\xc2\x80\""),
        ROW("\"\xdf\xbf\""),
        ROW("\"\xe0\xa0\x80\""),
        ROW("\"\xed\x9f\xbf\""),
        ROW("\"\xee\x80\x80\""),
        ROW("\"\xef\xbf\xbf\""),
        ROW("\"\xf0\x90\x80\x80\""),
        ROW("\"\xf4\x8f\xbf\xbf\""),
        ROW("\"\xe2\x80\xa8\""),
        ROW("\"eight by\xc3\xa9 and on\""),
        ROW("{\"k\\u0000\":1}"),
        ROW("\"\xef\xbb\xbf\""), /* a byte order mark inside of a string is a character */
    };
    EXPECT(rows, TASKQ_OK);
}
END_TEST

START_TEST(half_of_a_surrogate_pair_is_grammar)
{
    static const row rows[] = {ROW("\"\\ud800\""), ROW("\"\\udc00\""), ROW("\"\\ud800\\n\""), ROW("\"\\udc00\\ud800\"")};
    EXPECT(rows, TASKQ_OK);
}
END_TEST

START_TEST(a_bad_string_is_refused)
{
    static const row rows[] = {
        ROW("\""),
        ROW("\"a"),
        ROW("\"\\"),
        ROW("\"\\\""),
        ROW("\"\\u\""),
        ROW("\"\\u1\""),
        ROW("\"\\u12\""),
        ROW("\"\\u123\""),
        ROW("\"\\u123g\""),
        ROW("\"\\u00"),
        ROW("\"\\x41\""),
        ROW("\"\\a\""),
        ROW("\"\\'\""),
        ROW("\"\\U0041\""),
        ROW("\"\\\x00\""),
        ROW("\"\x00\""),
        ROW("\"\x1f\""),
        ROW("\"\n\""),
        ROW("\"\t\""),
        ROW("\"plain until\x01here\""),
        ROW("'a'"),
        ROW("\"\\\xc3\xa9\""),
        ROW("\"\\ud83d\\u\""),
        ROW("\"\\u+123\""),
        ROW("\"1234567\x1f\""),
        ROW("\"12345678\x1f\""),
        ROW("[\"a\x00\"]"),
        ROW("\"\\ \""),
    };
    EXPECT(rows, TASKQ_ESYNTAX);
}
END_TEST

START_TEST(bytes_that_are_not_utf8_are_refused)
{
    static const row rows[] = {
        ROW("\"\x80\""),
        ROW("\"\xbf\""),
        ROW("\"\xc0\x80\""),
        ROW("\"\xc1\xbf\""),
        ROW("\"\xc2\""),
        ROW("\"\xc2 \""),
        ROW("\"\xc2\xc0\""),
        ROW("\"\xe0\x80\x80\""),
        ROW("\"\xe0\x9f\xbf\""),
        ROW("\"\xe2\x82\""),
        ROW("\"\xed\xa0\x80\""),
        ROW("\"\xed\xbf\xbf\""),
        ROW("\"\xf0\x80\x80\x80\""),
        ROW("\"\xf0\x8f\xbf\xbf\""),
        ROW("\"\xf4\x90\x80\x80\""),
        ROW("\"\xf5\x80\x80\x80\""),
        ROW("\"\xf8\x88\x80\x80\x80\""),
        ROW("\"\xfe\""),
        ROW("\"\xff\""),
        ROW("\"\xf0\x9f\x98\""),
        ROW("\"\xf0\x9f\x98"),
        ROW("\"\xf0\x9f\x98\xff\""),
        ROW("\"\xe2\x82"),
        ROW("\"\xe9\""),
        ROW("{\"\xff\":1}"),
        ROW("{\"payload\":\"\xff\"}"),
        ROW("\"1234567\x80\""),
        ROW("\"12345678\xc0\xaf\""),
        ROW("\"\xf4\xbf\xbf\xbf\""),
    };
    EXPECT(rows, TASKQ_ESYNTAX);
}
END_TEST

START_TEST(each_byte_of_a_string_is_looked_at_wherever_it_stands)
{
    for (size_t at = 1; at < 40; at++) {
        for (int c = 0; c < 256; c++) {
            char text[41];
            memset(text, 'x', sizeof text);
            text[0] = text[40] = '"';
            text[at] = (char)c;
            bool good = c >= 0x20 && c < 0x80 && c != '\\' && c != '"';
            /* a backslash before an 'x' is none of the escapes, before the closing quote it swallows that */
            ck_assert_msg((verdict(text, sizeof text, NULL) == TASKQ_OK) == good, "byte %d at %zu", c, at);
        }
    }
}
END_TEST

START_TEST(every_two_byte_sequence_is_judged_as_unicode_has_it)
{
    for (int a = 0x80; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            char text[4] = {'"', (char)a, (char)b, '"'};
            bool good = a >= 0xc2 && a <= 0xdf && b >= 0x80 && b <= 0xbf;
            ck_assert_int_eq(verdict(text, sizeof text, NULL) == TASKQ_OK, good);
        }
    }
}
END_TEST

START_TEST(an_error_says_where_and_what)
{
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"{\"a\" 1}", "at byte 5: expected ':'"},
        {"", "at byte 0: the text ends, expected a value"},
        {"[1,", "at byte 3: the text ends, expected a value"},
        {"[", "at byte 1: the text ends, expected a value or ']'"},
        {"[1 2]", "at byte 3: expected ',' or ']'"},
        {"{\"a\":1 2}", "at byte 7: expected ',' or '}'"},
        {"{x}", "at byte 1: expected a key or '}'"},
        {"{\"a\":1,}", "at byte 7: expected a key"},
        {"{} x", "at byte 3: expected nothing after the document"},
        {"\"a\xff\"", "at byte 2: expected valid UTF-8"},
        {"\"ab\\u12x4\"", "at byte 7: expected four hexadecimal digits after \\u"},
        {"\"\\q\"", "at byte 2: expected one of \"\\/bfnrtu after a backslash"},
        {"\"a\nb\"", "at byte 2: expected no bare control character in a string"},
        {"\"abc", "at byte 4: the text ends, expected '\"'"},
        {"[-x]", "at byte 2: expected a digit"},
        {"1.", "at byte 2: the text ends, expected a digit after the point"},
        {"\xef\xbb\xbf{}", "at byte 0: expected a value, not a byte order mark"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        taskq_error err = TASKQ_ERROR_INIT;
        ck_assert_int_eq(verdict(rows[i].text, strlen(rows[i].text), &err), TASKQ_ESYNTAX);
        ck_assert_str_eq(err.text, rows[i].error);
    }
}
END_TEST

/* `depth` arrays, or objects with the key "k", within each other, behind a front and before a back. */
static char *nested(const char *front, size_t depth, bool objects, const char *back)
{
    size_t open = objects ? 5 : 1;
    char *text = malloc(strlen(front) + depth * (open + 1) + 2 + strlen(back)), *at = text;
    ck_assert_ptr_nonnull(text);
    at = stpcpy(at, front);
    for (size_t i = 0; i < depth; i++) {
        at = stpcpy(at, objects ? "{\"k\":" : "[");
    }
    *at++ = '1';
    for (size_t i = 0; i < depth; i++) {
        *at++ = objects ? '}' : ']';
    }
    (void)stpcpy(at, back);
    return text;
}

START_TEST(depth_128_is_taken_and_129_is_a_limit)
{
    for (int objects = 0; objects < 2; objects++) {
        taskq_error err = TASKQ_ERROR_INIT;
        char *fits = nested("", 128, objects != 0, ""), *deep = nested("", 129, objects != 0, "");
        ck_assert_int_eq(verdict(fits, strlen(fits), &err), TASKQ_OK);
        ck_assert_int_eq(verdict(deep, strlen(deep), &err), TASKQ_ELIMIT);
        ck_assert_ptr_nonnull(strstr(err.text, "nested deeper than 128 levels"));
        free(fits);
        free(deep);
    }
}
END_TEST

START_TEST(a_hundred_thousand_brackets_cost_no_stack)
{
    char *text = malloc(100000);
    ck_assert_ptr_nonnull(text);
    memset(text, '[', 100000);
    ck_assert_int_eq(verdict(text, 100000, NULL), TASKQ_ELIMIT);
    free(text);
}
END_TEST

START_TEST(an_opaque_value_has_a_depth_of_its_own)
{
    static const char *const opaque[] = {"payload", "result", NULL};
    taskq_arena *arena = taskq__arena_new(NULL, 0);
    taskq__json json;
    char *fits = nested("{\"jobs\":[{\"payload\":", 128, false, "}]}");
    char *deep = nested("{\"jobs\":[{\"payload\":", 129, false, "}]}");
    ck_assert_int_eq(taskq__json_scan(taskq_text_of(fits), opaque, arena, &json, NULL), TASKQ_OK);
    ck_assert_int_eq(taskq__json_scan(taskq_text_of(fits), NULL, arena, &json, NULL), TASKQ_ELIMIT);
    ck_assert_int_eq(taskq__json_scan(taskq_text_of(deep), opaque, arena, &json, NULL), TASKQ_ELIMIT);
    ck_assert_int_eq(taskq__json_scan_deep(taskq_text_of(fits), arena, &json, NULL), TASKQ_OK);
    free(fits);
    free(deep);
    taskq__arena_free(arena);
}
END_TEST

START_TEST(the_deepest_opaque_value_in_the_deepest_place_fits)
{
    static const char *const opaque[] = {"payload", NULL};
    char front[800] = "", back[200] = "";
    for (int i = 0; i < 127; i++) {
        strncat(front, "{\"k\":", 6);
        strncat(back, "}", 2);
    }
    strncat(front, "{\"payload\":", 12);
    strncat(back, "}", 2);
    taskq_arena *arena = taskq__arena_new(NULL, 0);
    taskq__json json;
    char *text = nested(front, 128, true, back), *deep = nested(front, 129, true, back);
    ck_assert_int_eq(taskq__json_scan(taskq_text_of(text), opaque, arena, &json, NULL), TASKQ_OK);
    ck_assert_uint_eq(json.nodes[json.count - 1].kind, TASKQ__JSON_OPAQUE);
    ck_assert_int_eq(taskq__json_scan(taskq_text_of(deep), opaque, arena, &json, NULL), TASKQ_ELIMIT);
    free(text);
    free(deep);
    taskq__arena_free(arena);
}
END_TEST

TASKQ_TESTS(every_value_of_the_grammar_is_taken, every_number_of_the_grammar_is_taken,
            what_only_looks_like_a_number_is_refused, broken_structure_is_refused,
            a_word_that_is_not_quite_one_is_refused, nothing_may_follow_the_document,
            a_byte_order_mark_and_other_encodings_are_refused, strings_of_every_kind_are_taken,
            half_of_a_surrogate_pair_is_grammar, a_bad_string_is_refused, bytes_that_are_not_utf8_are_refused,
            each_byte_of_a_string_is_looked_at_wherever_it_stands, every_two_byte_sequence_is_judged_as_unicode_has_it,
            an_error_says_where_and_what, depth_128_is_taken_and_129_is_a_limit,
            a_hundred_thousand_brackets_cost_no_stack, an_opaque_value_has_a_depth_of_its_own,
            the_deepest_opaque_value_in_the_deepest_place_fits)
