/* SPDX-License-Identifier: MIT */
/* A Retry-After comes from a stranger: seconds, a date in one of three forms, or anything at all. */
#include "support/check_main.h"
#include "worker/retry_after.h"

#include <stdint.h>
#include <string.h>

/* Sun, 06 Nov 1994 08:49:37 GMT */
#define THE_DATE_MS INT64_C(784111777000)

static int64_t read_at(const char *value, int64_t now_ms)
{
    int64_t ms = -1;
    bool read = taskq__retry_after_read((taskq_text){value, strlen(value)}, now_ms, &ms);
    ck_assert_msg(read == (ms >= 0), "%s", value);
    return ms;
}

START_TEST(seconds_are_seconds)
{
    ck_assert_int_eq(read_at("0", 5), 0);
    ck_assert_int_eq(read_at("120", 5), 120000);
    ck_assert_int_eq(read_at("9223372036854775", 5), INT64_C(9223372036854775000));
}
END_TEST

START_TEST(a_date_in_each_form_is_the_time_until_then)
{
    static const char *const dates[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994"};
    for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
        ck_assert_int_eq(read_at(dates[i], THE_DATE_MS - 1500), 1500);
        ck_assert_int_eq(read_at(dates[i], THE_DATE_MS), 0);
        ck_assert_int_eq(read_at(dates[i], THE_DATE_MS + 1), 0);
    }
}
END_TEST

START_TEST(a_year_of_two_digits_is_at_most_fifty_years_ahead)
{
    int64_t in_2026_ms = INT64_C(1767225600000);
    ck_assert_int_eq(read_at("Thursday, 01-Jan-26 00:00:05 GMT", in_2026_ms), 5000);
    ck_assert_int_gt(read_at("Wednesday, 01-Jan-75 00:00:00 GMT", in_2026_ms), 0);
    ck_assert_int_eq(read_at("Saturday, 01-Jan-77 00:00:00 GMT", in_2026_ms), 0);
}
END_TEST

START_TEST(a_date_far_away_does_not_overflow)
{
    ck_assert_int_gt(read_at("Fri, 31 Dec 9999 23:59:60 GMT", THE_DATE_MS), INT64_C(250000000000000));
    ck_assert_int_eq(read_at("Sat, 01 Jan 0000 00:00:00 GMT", THE_DATE_MS), 0);
}
END_TEST

START_TEST(what_is_neither_is_not_read)
{
    static const char *const bad[] = {
        "",
        " ",
        "-1",
        "+1",
        "1.5",
        "5 ",
        "soon",
        "9223372036854776",
        "99999999999999999999",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        ", 06 Nov 1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "06 Nov 1994 08:49:37 GMT",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(read_at(bad[i], THE_DATE_MS) == -1, "\"%s\" was read", bad[i]);
    }
}
END_TEST

START_TEST(every_beginning_of_a_date_is_refused_without_a_look_beyond_it)
{
    static const char date[] = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (size_t size = 0; size < sizeof(date) - 1; size++) {
        char *exact = malloc(size + 1); /* the sanitizers see what is read beyond `size` */
        ck_assert_ptr_nonnull(exact);
        memcpy(exact + 1, date, size);
        int64_t ms = -1;
        ck_assert(!taskq__retry_after_read((taskq_text){exact + 1, size}, THE_DATE_MS, &ms));
        ck_assert_int_eq(ms, -1);
        free(exact);
    }
}
END_TEST

TASKQ_TESTS(seconds_are_seconds, a_date_in_each_form_is_the_time_until_then,
            a_year_of_two_digits_is_at_most_fifty_years_ahead, a_date_far_away_does_not_overflow,
            what_is_neither_is_not_read, every_beginning_of_a_date_is_refused_without_a_look_beyond_it)
