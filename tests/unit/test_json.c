/* SPDX-License-Identifier: MIT */
/* Documents that handlers and the command line look around in: exact keys, exact integers, no text that is cut. */
#include "support/check_main.h"

#include "core/text.h"
#include "wire/json.h"

#include <stdio.h>
#include <string.h>

static taskq__doc *doc;
static const taskq__value *root;

static void parse(const char *text)
{
    taskq__doc_free(doc);
    doc = NULL;
    ck_assert_int_eq(taskq__doc_parse(NULL, taskq_text_of(text), &doc, NULL), TASKQ_OK);
    root = taskq__doc_root(doc);
}

static void setup(void)
{
    doc = NULL;
}

static void teardown(void)
{
    taskq__doc_free(doc);
}

START_TEST(what_the_scan_refuses_is_refused)
{
    static const char *const rows[] = {"", "{", "{} x", "[1,]", "\"\xff\"", "{\"a\":01}", "\xef\xbb\xbf{}", "nul"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        taskq_error err = TASKQ_ERROR_INIT;
        ck_assert_int_eq(taskq__doc_parse(NULL, taskq_text_of(rows[i]), &doc, &err), TASKQ_ESYNTAX);
        ck_assert_ptr_null(doc);
        ck_assert_int_eq(strncmp(err.text, "at byte ", 8), 0);
    }
}
END_TEST

START_TEST(a_text_that_is_not_nul_terminated_is_enough)
{
    char *text = malloc(9);
    ck_assert_ptr_nonnull(text);
    memcpy(text, "{\"a\": 12}", 9);
    ck_assert_int_eq(taskq__doc_parse(NULL, (taskq_text){text, 9}, &doc, NULL), TASKQ_OK);
    free(text);
    int64_t number = 0;
    ck_assert(taskq__value_as_int(taskq__value_member(taskq__doc_root(doc), "a"), 0, 100, &number));
    ck_assert_int_eq(number, 12);
}
END_TEST

START_TEST(kinds_members_and_elements_are_found)
{
    parse("{\"s\":\"x\",\"n\":1,\"t\":true,\"f\":false,\"z\":null,\"a\":[1,2,3],\"o\":{\"S\":1}}");
    static const taskq__value_kind kinds[] = {TASKQ__VALUE_STRING, TASKQ__VALUE_NUMBER, TASKQ__VALUE_BOOL,
                                              TASKQ__VALUE_BOOL,   TASKQ__VALUE_NULL,   TASKQ__VALUE_ARRAY,
                                              TASKQ__VALUE_OBJECT};
    size_t i = 0;
    for (const taskq__value *at = taskq__value_first(root); at != NULL; at = taskq__value_next(at)) {
        ck_assert_int_eq(taskq__value_kind_of(at), kinds[i++]);
    }
    ck_assert_uint_eq(i, 7);
    ck_assert_uint_eq(taskq__value_count(taskq__value_member(root, "a")), 3);
    ck_assert_str_eq(taskq__value_key(taskq__value_first(taskq__value_member(root, "o"))), "S");
    ck_assert_ptr_null(taskq__value_member(root, "S"));
    ck_assert_ptr_null(taskq__value_member(taskq__value_member(root, "a"), "s"));
    ck_assert_uint_eq(taskq__value_count(NULL), 0);
}
END_TEST

START_TEST(a_string_getter_names_what_is_wrong)
{
    static const struct {
        const char *json, *text;
    } rows[] = {{"{}", "is required"},
                {"{\"k\":null}", "is required"},
                {"{\"K\":\"x\"}", "is required"},
                {"{\"k\":1}", "must be a string"},
                {"{\"k\":[]}", "must be a string"},
                {"{\"k\":\"a\\u0000b\"}", "must not hold a NUL"},
                {"{\"k\":\"a\",\"k\":\"b\"}", "is given twice"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *string = "untouched";
        taskq_error err = TASKQ_ERROR_INIT;
        parse(rows[i].json);
        ck_assert_int_eq(taskq__value_string(root, "k", true, NULL, &string, &err), TASKQ_EINVAL);
        ck_assert_str_eq(err.text, rows[i].text);
        ck_assert_str_eq(err.field, "/k");
        ck_assert_str_eq(string, "untouched");
    }
}
END_TEST

START_TEST(a_missing_member_is_its_fallback)
{
    const char *string = NULL;
    int64_t number = 0;
    bool value = false;
    parse("{\"z\":null}");
    ck_assert_int_eq(taskq__value_string(root, "s", false, "usual", &string, NULL), TASKQ_OK);
    ck_assert_str_eq(string, "usual");
    ck_assert_int_eq(taskq__value_int(root, "z", false, 7, 0, 1, &number, NULL), TASKQ_OK);
    ck_assert_int_eq(number, 7);
    ck_assert_int_eq(taskq__value_bool(root, "b", true, &value, NULL), TASKQ_OK);
    ck_assert(value);
}
END_TEST

START_TEST(integers_are_exact_or_refused)
{
    static const struct {
        const char *json;
        bool good;
        int64_t number;
    } rows[] = {{"0", true, 0},
                {"-0", true, 0},
                {"1.0", true, 1},
                {"1e3", true, 1000},
                {"9007199254740991", true, INT64_C(9007199254740991)},
                {"-9007199254740991", true, -INT64_C(9007199254740991)},
                {"9007199254740992", false, 0},
                {"9007199254740993", false, 0},
                {"-9007199254740992", false, 0},
                {"1.5", false, 0},
                {"1e400", false, 0},
                {"\"1\"", false, 0},
                {"true", false, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t number = 0;
        parse(rows[i].json);
        ck_assert_msg(taskq__value_as_int(root, INT64_MIN, INT64_MAX, &number) == rows[i].good, "%s", rows[i].json);
        ck_assert_int_eq(number, rows[i].number);
    }
}
END_TEST

START_TEST(integers_keep_to_their_range)
{
    int64_t number = 5;
    taskq_error err = TASKQ_ERROR_INIT;
    parse("{\"n\":10}");
    ck_assert_int_eq(taskq__value_int(root, "n", true, 0, 10, 10, &number, NULL), TASKQ_OK);
    ck_assert_int_eq(number, 10);
    ck_assert_int_eq(taskq__value_int(root, "n", true, 0, 11, 20, &number, &err), TASKQ_EINVAL);
    ck_assert_int_eq(taskq__value_int(root, "n", true, 0, 0, 9, &number, &err), TASKQ_EINVAL);
    ck_assert_str_eq(err.text, "must be an integer, 0 to 9");
    ck_assert_str_eq(err.field, "/n");
}
END_TEST

START_TEST(only_true_and_false_are_booleans)
{
    bool value = false;
    parse("{\"a\":true,\"b\":1,\"c\":\"true\"}");
    ck_assert_int_eq(taskq__value_bool(root, "a", false, &value, NULL), TASKQ_OK);
    ck_assert(value);
    ck_assert_int_eq(taskq__value_bool(root, "b", false, &value, NULL), TASKQ_EINVAL);
    ck_assert_int_eq(taskq__value_bool(root, "c", false, &value, NULL), TASKQ_EINVAL);
}
END_TEST

START_TEST(only_the_listed_keys_are_allowed_each_once)
{
    static const char *const keys[] = {"a", "b", NULL};
    static const struct {
        const char *json, *field;
        taskq_status status;
    } rows[] = {{"{}", "", TASKQ_OK},
                {"{\"b\":1,\"a\":2}", "", TASKQ_OK},
                {"{\"a\":1,\"c\":2}", "/c", TASKQ_EINVAL},
                {"{\"A\":1}", "/A", TASKQ_EINVAL},
                {"{\"a\":1,\"a\":1}", "/a", TASKQ_EINVAL},
                {"{\"x/y~z\":1}", "/x~1y~0z", TASKQ_EINVAL},
                {"{\"a\\u0000\":1}", "/?", TASKQ_EINVAL},
                {"[]", "", TASKQ_EINVAL},
                {"1", "", TASKQ_EINVAL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        taskq_error err = TASKQ_ERROR_INIT;
        parse(rows[i].json);
        ck_assert_int_eq(taskq__value_only(root, keys, &err), rows[i].status);
        ck_assert_str_eq(err.field, rows[i].field);
    }
}
END_TEST

START_TEST(a_string_with_an_escaped_nul_is_found_wherever_it_stands)
{
    parse(
        "{\"a\":[{},\"ok\",[],[\"x\\u0000y\"],\"\\\\u0000\"],\"b\":{\"c\":{\"k\\u0000\":\"fine\",\"d\":\"\\u0000\"}},\"e\":\"fine\"}");
    const taskq__value *ok = taskq__value_next(taskq__value_first(taskq__value_member(root, "a")));
    const taskq__value *cut = taskq__value_next(taskq__value_next(ok));
    const taskq__value *c = taskq__value_member(taskq__value_member(root, "b"), "c");
    ck_assert_str_eq(taskq__value_as_string(ok), "ok");
    ck_assert_ptr_null(taskq__value_as_string(taskq__value_first(cut)));
    ck_assert_str_eq(taskq__value_as_string(taskq__value_next(cut)), "\\u0000");
    ck_assert_ptr_null(taskq__value_member(c, "k"));
    ck_assert_str_eq(taskq__value_as_string(taskq__value_first(c)), "fine");
    ck_assert_ptr_null(taskq__value_as_string(taskq__value_member(c, "d")));
    ck_assert_str_eq(taskq__value_as_string(taskq__value_member(root, "e")), "fine");
}
END_TEST

START_TEST(half_of_a_surrogate_pair_reads_as_a_replacement_character)
{
    static const struct {
        const char *json, *wanted;
    } rows[] = {{"\"a\\ud800b\"", "a\xef\xbf\xbd"
                                  "b"},
                {"\"\\udc00\"", "\xef\xbf\xbd"},
                {"\"\\ud800\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80"},
                {"\"\\\\ud800\\udfff\"", "\\ud800\xef\xbf\xbd"},
                {"\"\\ud800\\u0041\\uDBFF\"", "\xef\xbf\xbd"
                                              "A\xef\xbf\xbd"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        parse(rows[i].json);
        ck_assert_str_eq(taskq__value_as_string(root), rows[i].wanted);
    }
}
END_TEST

START_TEST(numbers_of_any_length_are_read)
{
    char text[4000];
    static const size_t sizes[] = {62, 63, 64, 65, 300, 1000, 3000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t at = (size_t)snprintf(text, sizeof text, "{\"n\":1.");
        memset(text + at, '0', sizes[i]);
        (void)snprintf(text + at + sizes[i], sizeof text - at - sizes[i], "1,\"after\":[-1]}");
        parse(text);
        ck_assert_uint_eq(taskq__doc_span(doc, "n").size, sizes[i] + 3);
        int64_t after = 0;
        ck_assert(taskq__value_as_int(taskq__value_first(taskq__value_member(root, "after")), -1, 0, &after));
        ck_assert_int_eq(after, -1);
        ck_assert_int_eq(taskq__value_kind_of(taskq__value_member(root, "n")), TASKQ__VALUE_NUMBER);
    }
}
END_TEST

START_TEST(a_span_is_the_text_that_came)
{
    parse("{\"n\":12345678901234567890,\"o\": {\"b\" : [1.50, \"\\u0000\\ud800\"]} ,\"body\":null}");
    ck_assert(taskq__text_is(taskq__doc_span(doc, "n"), "12345678901234567890"));
    ck_assert(taskq__text_is(taskq__doc_span(doc, "o"), "{\"b\" : [1.50, \"\\u0000\\ud800\"]}"));
    ck_assert(taskq__text_is(taskq__doc_span(doc, "body"), "null"));
    ck_assert_uint_eq(taskq__doc_span(doc, "b").size, 0);
    parse("[1]");
    ck_assert_uint_eq(taskq__doc_span(doc, "n").size, 0);
}
END_TEST

START_TEST(a_list_with_a_payload_of_full_depth_is_read)
{
    char text[600] = "{\"jobs\":[{\"payload\":";
    for (int i = 0; i < 128; i++) {
        strncat(text, "[", 2);
    }
    strncat(text, "\"\\u0000\"", 9);
    for (int i = 0; i < 128; i++) {
        strncat(text, "]", 2);
    }
    strncat(text, "}]}", 4);
    parse(text);
    ck_assert_uint_eq(taskq__value_count(taskq__value_member(root, "jobs")), 1);
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, what_the_scan_refuses_is_refused, a_text_that_is_not_nul_terminated_is_enough,
                 kinds_members_and_elements_are_found, a_string_getter_names_what_is_wrong,
                 a_missing_member_is_its_fallback, integers_are_exact_or_refused, integers_keep_to_their_range,
                 only_true_and_false_are_booleans, only_the_listed_keys_are_allowed_each_once,
                 a_string_with_an_escaped_nul_is_found_wherever_it_stands,
                 half_of_a_surrogate_pair_reads_as_a_replacement_character, numbers_of_any_length_are_read,
                 a_span_is_the_text_that_came, a_list_with_a_payload_of_full_depth_is_read)
