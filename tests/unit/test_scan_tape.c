/* SPDX-License-Identifier: MIT */
/* The tape that a scan leaves: spans and links of its nodes, opaque values, strings and members. */
#include "support/check_main.h"

#include "core/scan.h"
#include "core/text.h"

#include <stdio.h>
#include <string.h>

#define ROW(literal)                   \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }
typedef struct row {
    const char *data;
    size_t size;
} row;

static taskq_arena *arena;
static taskq__json tape;

static void scan(const char *text, const char *const *opaque)
{
    ck_assert_int_eq(taskq__json_scan(taskq_text_of(text), opaque, arena, &tape, NULL), TASKQ_OK);
}

static void setup(void)
{
    arena = taskq__arena_new(NULL, 0);
}

static void teardown(void)
{
    taskq__arena_free(arena);
}

static void assert_span(uint32_t node, const char *wanted)
{
    taskq_text span = taskq__json_span(&tape, node);
    ck_assert_msg(taskq__text_is(span, wanted), "%.*s, wanted %s", (int)span.size, span.data, wanted);
}

START_TEST(the_tape_has_a_node_for_every_key_and_value)
{
    scan(" {\"a\": [1, {\"b\":null}], \"c\":\"d\" , \"e\":false} ", NULL);
    static const taskq__json_kind kinds[] = {TASKQ__JSON_OBJECT, TASKQ__JSON_STRING, TASKQ__JSON_ARRAY,
                                             TASKQ__JSON_NUMBER, TASKQ__JSON_OBJECT, TASKQ__JSON_STRING,
                                             TASKQ__JSON_NULL,   TASKQ__JSON_STRING, TASKQ__JSON_STRING,
                                             TASKQ__JSON_STRING, TASKQ__JSON_FALSE};
    static const char *const spans[] = {"{\"a\": [1, {\"b\":null}], \"c\":\"d\" , \"e\":false}",
                                        "\"a\"",
                                        "[1, {\"b\":null}]",
                                        "1",
                                        "{\"b\":null}",
                                        "\"b\"",
                                        "null",
                                        "\"c\"",
                                        "\"d\"",
                                        "\"e\"",
                                        "false"};
    ck_assert_uint_eq(tape.count, 11);
    for (uint32_t i = 0; i < tape.count; i++) {
        ck_assert_int_eq(tape.nodes[i].kind, kinds[i]);
        assert_span(i, spans[i]);
    }
    ck_assert_uint_eq(tape.nodes[0].count, 3);
    ck_assert_uint_eq(tape.nodes[2].count, 2);
    ck_assert_uint_eq(tape.nodes[0].next, 11);
    ck_assert_uint_eq(tape.nodes[2].next, 7);
    ck_assert_uint_eq(tape.nodes[4].next, 7);
}
END_TEST

START_TEST(an_opaque_value_is_one_node_with_the_text_that_came)
{
    static const char *const opaque[] = {"payload", "result", NULL};
    scan("{\"x\":1,\"payload\": {\"n\" : 18446744073709551617, \"z\":[1,\"\\u0000\"]} ,\"result\":\"s\",\"y\":{\"payload\":[ ]}}",
         opaque);
    ck_assert_uint_eq(tape.count, 11);
    ck_assert_uint_eq(tape.nodes[0].count, 4);
    uint32_t payload = taskq__json_member(&tape, 0, "payload");
    ck_assert_int_eq(tape.nodes[payload].kind, TASKQ__JSON_OPAQUE);
    ck_assert_uint_eq(tape.nodes[payload].next, payload + 1);
    assert_span(payload, "{\"n\" : 18446744073709551617, \"z\":[1,\"\\u0000\"]}");
    assert_span(taskq__json_member(&tape, 0, "result"), "\"s\"");
    assert_span(taskq__json_member(&tape, taskq__json_member(&tape, 0, "y"), "payload"), "[ ]");
}
END_TEST

START_TEST(a_key_that_only_begins_like_an_opaque_one_is_not)
{
    static const char *const opaque[] = {"payload", NULL};
    scan("{\"payloa\":[],\"payloads\":[],\"Payload\":[],\"a\":\"payload\",\"b\":[\"payload\",[1]]}", opaque);
    for (uint32_t i = 0; i < tape.count; i++) {
        ck_assert_int_ne(tape.nodes[i].kind, TASKQ__JSON_OPAQUE);
    }
}
END_TEST

START_TEST(a_large_tape_grows_and_keeps_its_links)
{
    size_t size = 0;
    char *text = malloc(200000);
    ck_assert_ptr_nonnull(text);
    text[size++] = '[';
    for (int i = 0; i < 20000; i++) {
        size += (size_t)snprintf(text + size, 200000 - size, "%s[%d]", i > 0 ? "," : "", i % 10);
    }
    text[size++] = ']';
    ck_assert_int_eq(taskq__json_scan((taskq_text){text, size}, NULL, arena, &tape, NULL), TASKQ_OK);
    ck_assert_uint_eq(tape.count, 40001);
    ck_assert_uint_eq(tape.nodes[0].count, 20000);
    uint32_t seen = 0;
    for (uint32_t at = 1; at < tape.nodes[0].next; at = tape.nodes[at].next) {
        seen++;
    }
    ck_assert_uint_eq(seen, 20000);
    free(text);
}
END_TEST

START_TEST(an_arena_that_is_full_is_out_of_memory)
{
    char text[4001];
    memset(text, ',', sizeof text);
    for (size_t i = 1; i < 4000; i += 2) {
        text[i] = '1';
    }
    text[0] = '[';
    text[4000] = ']';
    taskq_arena *small = taskq__arena_new(NULL, 4096);
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_int_eq(taskq__json_scan((taskq_text){text, sizeof text}, NULL, small, &tape, &err), TASKQ_ENOMEM);
    ck_assert_int_eq(err.status, TASKQ_ENOMEM);
    taskq__arena_free(small);
}
END_TEST

/* ---- strings ----------------------------------------------------------------------------------------------------- */

START_TEST(escapes_are_resolved)
{
    static const struct {
        const char *json;
        row wanted;
    } rows[] = {
        {"\"plain\"", ROW("plain")},
        {"\"\"", ROW("")},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", ROW("\"\\/\b\f\n\r\t")},
        {"\"a\\u0000b\"", ROW("a\0b")},
        {"\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"", ROW("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf")},
        {"\"\\ud83d\\ude00\\uD800\\uDC00\\udbff\\udfff\"", ROW("\xf0\x9f\x98\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")},
        {"\"\\u00E9\xc3\xa9\"", ROW("\xc3\xa9\xc3\xa9")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        taskq_text text;
        scan(rows[i].json, NULL);
        ck_assert_int_eq(taskq__json_string(&tape, 0, arena, &text, NULL), TASKQ_OK);
        ck_assert(taskq__text_equal(text, (taskq_text){rows[i].wanted.data, rows[i].wanted.size}));
        ck_assert(taskq__json_string_is(&tape, 0, text));
    }
}
END_TEST

START_TEST(half_of_a_surrogate_pair_is_no_string)
{
    static const char *const rows[] = {"\"\\ud800\"",         "\"\\udc00\"",        "\"\\udfff\\ud800\"",
                                       "\"\\ud800x\"",        "\"\\ud800\\u0041\"", "\"\\ud800\\ud800\"",
                                       "\"\\ud800\\n12345\"", "\"x\\udbff\""};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        taskq_text text = {"untouched", 9};
        taskq_error err = TASKQ_ERROR_INIT;
        scan(rows[i], NULL);
        ck_assert_int_eq(taskq__json_string(&tape, 0, arena, &text, &err), TASKQ_EINVAL);
        ck_assert_str_eq(err.text, "has half of a surrogate pair");
        ck_assert(taskq__text_is(text, "untouched"));
        ck_assert(!taskq__json_string_is(&tape, 0, (taskq_text){"x", 1}));
    }
}
END_TEST

START_TEST(a_member_is_found_by_its_exact_key)
{
    scan("{\"a\":1,\"B\":2,\"c\\u0064\":3,\"\":4,\"x\\u0000y\":5,\"n\":{\"deep\":6}}", NULL);
    assert_span(taskq__json_member(&tape, 0, "a"), "1");
    assert_span(taskq__json_member(&tape, 0, "cd"), "3");
    assert_span(taskq__json_member(&tape, 0, ""), "4");
    static const char *const missing[] = {"A", "b", "c", "x", "deep", "cde", "aa"};
    for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++) {
        ck_assert_uint_eq(taskq__json_member(&tape, 0, missing[i]), 0);
    }
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, the_tape_has_a_node_for_every_key_and_value,
                 an_opaque_value_is_one_node_with_the_text_that_came, a_key_that_only_begins_like_an_opaque_one_is_not,
                 a_large_tape_grows_and_keeps_its_links, an_arena_that_is_full_is_out_of_memory, escapes_are_resolved,
                 half_of_a_surrogate_pair_is_no_string, a_member_is_found_by_its_exact_key)
