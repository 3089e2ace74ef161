/* SPDX-License-Identifier: MIT */
/*
 * Texts of pointer and length: what is equal, what is a name, what is UTF-8, what is a number. Hostile input
 * meets these first.
 */
#include "support/check_main.h"

#include "core/text.h"

#include <string.h>

static taskq_text bytes(const char *data, size_t size)
{
    return (taskq_text){data, size};
}
#define BYTES(literal) bytes(literal, sizeof(literal) - 1)

START_TEST(texts_are_equal_by_all_their_bytes)
{
    ck_assert(taskq__text_equal(TASKQ_TEXT("abc"), TASKQ_TEXT("abc")));
    ck_assert(!taskq__text_equal(TASKQ_TEXT("abc"), TASKQ_TEXT("abd")));
    ck_assert(!taskq__text_equal(TASKQ_TEXT("abc"), TASKQ_TEXT("abcd")));
    ck_assert(taskq__text_equal(bytes(NULL, 0), TASKQ_TEXT("")));
    ck_assert(!taskq__text_equal(BYTES("a\0b"), BYTES("a\0c")));
}
END_TEST

START_TEST(a_text_is_a_string_only_if_it_is_all_of_it)
{
    ck_assert(taskq__text_is(TASKQ_TEXT("queue"), "queue"));
    ck_assert(!taskq__text_is(TASKQ_TEXT("queu"), "queue"));
    ck_assert(!taskq__text_is(BYTES("queue\0"), "queue"));
    ck_assert(taskq__text_is(bytes(NULL, 0), ""));
    ck_assert_ptr_null(taskq_text_of(NULL).data);
}
END_TEST

START_TEST(a_needle_is_found_anywhere_and_an_empty_one_always)
{
    ck_assert(taskq__text_contains(TASKQ_TEXT("haystack"), TASKQ_TEXT("stack")));
    ck_assert(taskq__text_contains(BYTES("a\0b"), TASKQ_TEXT("b")));
    ck_assert(!taskq__text_contains(TASKQ_TEXT("hay"), TASKQ_TEXT("stack")));
    ck_assert(taskq__text_contains(bytes(NULL, 0), bytes(NULL, 0)));
    ck_assert(!taskq__text_contains(bytes(NULL, 0), TASKQ_TEXT("a")));
}
END_TEST

START_TEST(a_name_has_its_alphabet_and_1_to_128_characters)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/-";
    for (int c = 0; c < 256; c++) {
        char one = (char)c;
        ck_assert_int_eq(taskq__text_is_name(bytes(&one, 1)), c != 0 && strchr(alphabet, c) != NULL);
    }
    char longest[129];
    memset(longest, 'a', sizeof(longest));
    ck_assert(taskq__text_is_name(bytes(longest, 128)));
    ck_assert(!taskq__text_is_name(bytes(longest, 129)));
    ck_assert(!taskq__text_is_name(bytes(NULL, 0)));
}
END_TEST

START_TEST(a_key_is_counted_in_characters)
{
    char key[257 * 4];
    for (size_t i = 0; i < 257; i++) {
        memcpy(key + 4 * i, "\xf0\x9f\x98\x80", 4);
    }
    ck_assert(taskq__text_is_key(bytes(key, 256 * 4)));
    ck_assert(!taskq__text_is_key(bytes(key, 257 * 4)));
    memset(key, ' ', 257);
    ck_assert(taskq__text_is_key(bytes(key, 256)));
    ck_assert(!taskq__text_is_key(bytes(key, 257)));
    ck_assert(!taskq__text_is_key(bytes(NULL, 0)));
}
END_TEST

START_TEST(a_key_is_any_text_without_nul)
{
    ck_assert(taskq__text_is_key(TASKQ_TEXT("user 1, \xc3\xa9t\xc3\xa9 \xc2\xa0")));
    ck_assert(taskq__text_is_key(TASKQ_TEXT("a\nb\x7f\xc2\x85")));
    ck_assert(!taskq__text_is_key(BYTES("a\0b")));
    ck_assert(!taskq__text_is_key(TASKQ_TEXT("\xff")));
}
END_TEST

START_TEST(valid_utf8_is_taken_up_to_the_last_character)
{
    static const char *const valid[] = {"",
                                        "plain",
                                        "\xc2\x80",
                                        "\xdf\xbf",
                                        "\xe0\xa0\x80",
                                        "\xed\x9f\xbf",
                                        "\xee\x80\x80",
                                        "\xef\xbf\xbf",
                                        "\xf0\x90\x80\x80",
                                        "\xf4\x8f\xbf\xbf",
                                        "eight bytes and \xe2\x82\xac then more than eight"};
    for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
        ck_assert_msg(taskq__text_is_utf8(taskq_text_of(valid[i])), "valid text %zu was refused", i);
    }
    ck_assert(taskq__text_is_utf8(BYTES("a\0b")));
    ck_assert(taskq__text_is_utf8(bytes(NULL, 0)));
}
END_TEST

START_TEST(overlong_surrogate_high_and_truncated_utf8_is_refused)
{
    static const char *const invalid[] = {"\x80",
                                          "\xbf",
                                          "\xc0\x80",
                                          "\xc1\xbf",
                                          "\xe0\x80\x80",
                                          "\xe0\x9f\xbf",
                                          "\xf0\x80\x80\x80",
                                          "\xf0\x8f\xbf\xbf",
                                          "\xed\xa0\x80",
                                          "\xed\xbf\xbf",
                                          "\xf4\x90\x80\x80",
                                          "\xf5\x80\x80\x80",
                                          "\xff",
                                          "\xfe",
                                          "\xc2",
                                          "\xe2\x82",
                                          "\xf0\x9f\x98",
                                          "\xe2\x82 ",
                                          "\xc2\xc2\x80",
                                          "12345678\xe2\x82",
                                          "12345678\x80rest",
                                          "\xf0\x9f\x98\xc0",
                                          "\xe2\x28\xa1",
                                          "\xf8\x88\x80\x80",
                                          "\xed\xa0\xbd\xed\xb8\x80"};
    for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
        ck_assert_msg(!taskq__text_is_utf8(taskq_text_of(invalid[i])), "invalid text %zu was taken", i);
    }
}
END_TEST

START_TEST(a_step_is_the_bytes_of_one_character)
{
    taskq_text text = TASKQ_TEXT("a\xc2\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xff");
    ck_assert_uint_eq(taskq__utf8_step(text, 0), 1);
    ck_assert_uint_eq(taskq__utf8_step(text, 1), 2);
    ck_assert_uint_eq(taskq__utf8_step(text, 3), 3);
    ck_assert_uint_eq(taskq__utf8_step(text, 6), 4);
    ck_assert_uint_eq(taskq__utf8_step(text, 10), 0);
    ck_assert_uint_eq(taskq__utf8_step(text, 2), 0);
    ck_assert_uint_eq(taskq__utf8_step(text, 11), 0);
    ck_assert_uint_eq(taskq__utf8_count(bytes(text.data, 10)), 4);
}
END_TEST

START_TEST(a_half_character_at_the_end_is_left_out_of_what_is_whole)
{
    ck_assert_uint_eq(taskq__utf8_whole(TASKQ_TEXT("ab\xe2\x82")), 2);
    ck_assert_uint_eq(taskq__utf8_whole(TASKQ_TEXT("ab\xe2\x82\xac")), 5);
    ck_assert_uint_eq(taskq__utf8_whole(TASKQ_TEXT("ab\xf0")), 2);
    ck_assert_uint_eq(taskq__utf8_whole(TASKQ_TEXT("ab")), 2);
    ck_assert_uint_eq(taskq__utf8_whole(bytes(NULL, 0)), 0);
}
END_TEST

START_TEST(cutting_keeps_whole_characters)
{
    taskq_text text = TASKQ_TEXT("a\xe2\x82\xac\xe2\x82\xac");
    ck_assert_uint_eq(taskq__text_cut_chars(text, 2).size, 4);
    ck_assert_uint_eq(taskq__text_cut_chars(text, 99).size, 7);
    ck_assert_uint_eq(taskq__text_cut_chars(text, 0).size, 0);
    ck_assert_uint_eq(taskq__text_cut_chars(TASKQ_TEXT("ab\xff"
                                                       "cd"),
                                            99)
                          .size,
                      2);
    ck_assert_uint_eq(taskq__text_cut_tail(text, 7).size, 7);
    ck_assert_uint_eq(taskq__text_cut_tail(text, 5).size, 3);
    ck_assert_uint_eq(taskq__text_cut_tail(text, 3).size, 3);
    ck_assert_uint_eq(taskq__text_cut_tail(text, 2).size, 0);
    ck_assert_uint_eq(taskq__text_cut_tail(text, 0).size, 0);
}
END_TEST

START_TEST(lines_are_cut_before_the_break_that_ends_the_last)
{
    ck_assert(taskq__text_is(taskq__text_cut_lines(TASKQ_TEXT("a\nb\nc"), 2), "a\nb"));
    ck_assert(taskq__text_is(taskq__text_cut_lines(TASKQ_TEXT("a\nb\n"), 2), "a\nb\n"));
    ck_assert(taskq__text_is(taskq__text_cut_lines(TASKQ_TEXT("a\nb\n\n"), 2), "a\nb"));
    ck_assert(taskq__text_is(taskq__text_cut_lines(TASKQ_TEXT("\n\n\n"), 1), ""));
    ck_assert(taskq__text_is(taskq__text_cut_lines(TASKQ_TEXT("one"), 1), "one"));
    ck_assert(taskq__text_is(taskq__text_cut_lines(TASKQ_TEXT("one"), 0), ""));
    ck_assert_uint_eq(taskq__text_cut_lines(bytes(NULL, 0), 3).size, 0);
}
END_TEST

START_TEST(integers_are_read_to_both_ends_of_their_range)
{
    int64_t out = 0;
    ck_assert_int_eq(taskq__parse_int64(TASKQ_TEXT("9223372036854775807"), INT64_MIN, INT64_MAX, &out), TASKQ_OK);
    ck_assert_int_eq(out, INT64_MAX);
    ck_assert_int_eq(taskq__parse_int64(TASKQ_TEXT("-9223372036854775808"), INT64_MIN, INT64_MAX, &out), TASKQ_OK);
    ck_assert_int_eq(out, INT64_MIN);
    ck_assert_int_eq(taskq__parse_int64(TASKQ_TEXT("0"), INT64_MIN, INT64_MAX, &out), TASKQ_OK);
    ck_assert_int_eq(out, 0);
    ck_assert_int_eq(taskq__parse_int64(BYTES("12345"), 1, 12345, &out), TASKQ_OK);
    ck_assert_int_eq(out, 12345);
}
END_TEST

START_TEST(an_integer_out_of_range_is_invalid_and_leaves_the_output)
{
    static const char *const outside[] = {"9223372036854775808", "-9223372036854775809", "99999999999999999999999",
                                          "101", "-1"};
    int64_t out = 42;
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
        ck_assert_int_eq(taskq__parse_int64(taskq_text_of(outside[i]), 0, 100, &out), TASKQ_EINVAL);
    }
    ck_assert_int_eq(taskq__parse_int64(TASKQ_TEXT("9223372036854775808"), INT64_MIN, INT64_MAX, &out), TASKQ_EINVAL);
    ck_assert_int_eq(out, 42);
}
END_TEST

START_TEST(what_is_no_plain_integer_is_a_syntax_error)
{
    static const char *const wrong[] = {"",   "-",   "+1",  " 1",  "1 ",  "1\n", "01", "-01",
                                        "00", "1.0", "1e3", "0x1", "--1", "1-1", "a",  "1_000"};
    int64_t out = 42;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ck_assert_msg(taskq__parse_int64(taskq_text_of(wrong[i]), INT64_MIN, INT64_MAX, &out) == TASKQ_ESYNTAX,
                      "'%s' was taken", wrong[i]);
    }
    ck_assert_int_eq(taskq__parse_int64(BYTES("1\0"), INT64_MIN, INT64_MAX, &out), TASKQ_ESYNTAX);
    ck_assert_int_eq(out, 42);
}
END_TEST

START_TEST(doubles_are_read_as_json_writes_them)
{
    double out = 0;
    ck_assert(taskq__parse_double(TASKQ_TEXT("0.2"), &out) && out == 0.2);
    ck_assert(taskq__parse_double(TASKQ_TEXT("-1.5e+3"), &out) && out == -1500.0);
    ck_assert(taskq__parse_double(TASKQ_TEXT("2E-2"), &out) && out == 0.02);
    ck_assert(taskq__parse_double(TASKQ_TEXT("9007199254740993"), &out) && out == 9007199254740992.0);
    ck_assert(taskq__parse_double(TASKQ_TEXT("1e-999"), &out) && out == 0.0);
}
END_TEST

START_TEST(what_json_does_not_write_is_no_double)
{
    static const char *const wrong[] = {"",   "1e999", "-1e999", "nan", "inf", "Infinity", "0x10", ".5", "5.",
                                        "1e", "1e+",   "+1",     " 1",  "1 ",  "01.5",     "1,5",  "-"};
    double out = 7.0;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ck_assert_msg(!taskq__parse_double(taskq_text_of(wrong[i]), &out), "'%s' was taken", wrong[i]);
    }
    char longer[5000];
    memset(longer, '1', sizeof(longer));
    ck_assert(!taskq__parse_double(bytes(longer, sizeof(longer)), &out));
    ck_assert(out == 7.0);
}
END_TEST

START_TEST(a_traceparent_has_the_form_of_version_00)
{
    ck_assert(taskq__text_is_traceparent(TASKQ_TEXT("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")));
    ck_assert(taskq__text_is_traceparent(TASKQ_TEXT("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")));
    static const char *const wrong[] = {"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                                        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                                        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
                                        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
                                        "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
                                        "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
                                        ""};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ck_assert_msg(!taskq__text_is_traceparent(taskq_text_of(wrong[i])), "'%s' was taken", wrong[i]);
    }
}
END_TEST

static void check_list(const char *list, const char *const *expected, size_t count)
{
    taskq_text rest = taskq_text_of(list), element;
    for (size_t i = 0; i < count; i++) {
        ck_assert(taskq__text_next_of_list(&rest, &element));
        ck_assert(taskq__text_is(element, expected[i]));
    }
    ck_assert(!taskq__text_next_of_list(&rest, &element));
}

START_TEST(a_list_gives_its_empty_elements_too)
{
    check_list("a", (const char *const[]){"a"}, 1);
    check_list("a,b", (const char *const[]){"a", "b"}, 2);
    check_list("a,,b", (const char *const[]){"a", "", "b"}, 3);
    check_list("a,", (const char *const[]){"a", ""}, 2);
    check_list(",a", (const char *const[]){"", "a"}, 2);
    check_list(NULL, NULL, 0);
}
END_TEST

TASKQ_TESTS(texts_are_equal_by_all_their_bytes, a_text_is_a_string_only_if_it_is_all_of_it,
            a_needle_is_found_anywhere_and_an_empty_one_always, a_name_has_its_alphabet_and_1_to_128_characters,
            a_key_is_counted_in_characters, a_key_is_any_text_without_nul, valid_utf8_is_taken_up_to_the_last_character,
            overlong_surrogate_high_and_truncated_utf8_is_refused, a_step_is_the_bytes_of_one_character,
            a_half_character_at_the_end_is_left_out_of_what_is_whole, cutting_keeps_whole_characters,
            lines_are_cut_before_the_break_that_ends_the_last, integers_are_read_to_both_ends_of_their_range,
            an_integer_out_of_range_is_invalid_and_leaves_the_output, what_is_no_plain_integer_is_a_syntax_error,
            doubles_are_read_as_json_writes_them, what_json_does_not_write_is_no_double,
            a_traceparent_has_the_form_of_version_00, a_list_gives_its_empty_elements_too)
