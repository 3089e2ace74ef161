/* SPDX-License-Identifier: MIT */
/*
 * Times as the API reads and writes them, checked against the C library's calendar and at every edge of the
 * form.
 */
#include "support/check_main.h"

#include "core/rfc3339.h"

#include <string.h>
#include <time.h>

static int64_t parsed(const char *text)
{
    int64_t ms = -1;
    ck_assert_msg(taskq__rfc3339_parse(taskq_text_of(text), &ms) == TASKQ_OK, "'%s' was refused", text);
    return ms;
}

static void check_refused(taskq_status status, const char *const *texts, size_t count)
{
    int64_t ms = 42;
    for (size_t i = 0; i < count; i++) {
        taskq_status got = taskq__rfc3339_parse(taskq_text_of(texts[i]), &ms);
        ck_assert_msg(got == status, "'%s' gave %s", texts[i], taskq_status_name(got));
    }
    ck_assert_int_eq(ms, 42);
}

START_TEST(known_instants_are_written)
{
    char out[TASKQ__RFC3339_BYTES + 1];
    taskq__rfc3339_write(0, out);
    ck_assert_str_eq(out, "1970-01-01T00:00:00.000Z");
    taskq__rfc3339_write(1769846400000, out);
    ck_assert_str_eq(out, "2026-01-31T08:00:00.000Z");
    taskq__rfc3339_write(951827696789, out);
    ck_assert_str_eq(out, "2000-02-29T12:34:56.789Z");
}
END_TEST

START_TEST(what_is_out_of_range_is_written_clamped)
{
    char out[TASKQ__RFC3339_BYTES + 1];
    taskq__rfc3339_write(-1, out);
    ck_assert_str_eq(out, "1970-01-01T00:00:00.000Z");
    taskq__rfc3339_write(INT64_MIN, out);
    ck_assert_str_eq(out, "1970-01-01T00:00:00.000Z");
    taskq__rfc3339_write(INT64_MAX, out);
    ck_assert_str_eq(out, "9999-12-31T23:59:59.999Z");
}
END_TEST

START_TEST(every_day_of_131_years_agrees_with_the_c_library)
{
    for (int64_t day = 0; day < 47847; day++) {
        int64_t ms = day * 86400000 + (day * 7919) % 86400000;
        time_t seconds = (time_t)(ms / 1000);
        struct tm parts;
        (void)gmtime_r(&seconds, &parts);
        char expected[64], out[TASKQ__RFC3339_BYTES + 1];
        (void)strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S", &parts);
        taskq__rfc3339_write(ms, out);
        int64_t back_ms = -1;
        if (memcmp(out, expected, 19) != 0 || taskq__rfc3339_parse(taskq_text_of(out), &back_ms) != TASKQ_OK ||
            back_ms != ms) {
            ck_abort_msg("%s is written %s", expected, out);
        }
    }
}
END_TEST

START_TEST(letters_may_be_small_and_offsets_count)
{
    ck_assert_int_eq(parsed("2026-01-31t08:00:00z"), 1769846400000);
    ck_assert_int_eq(parsed("2026-01-31 08:00:00Z"), 1769846400000); /* section 5.6's note */
    ck_assert_int_eq(parsed("2026-01-31T09:00:00+01:00"), 1769846400000);
    ck_assert_int_eq(parsed("2026-01-31T00:30:00-07:30"), 1769846400000);
    ck_assert_int_eq(parsed("2026-01-31T08:00:00-00:00"), 1769846400000);
    ck_assert_int_eq(parsed("2026-02-01T07:59:00+23:59"), 1769846400000);
}
END_TEST

START_TEST(fractions_are_read_to_milliseconds_and_cut)
{
    ck_assert_int_eq(parsed("1970-01-01T00:00:00.5Z"), 500);
    ck_assert_int_eq(parsed("1970-01-01T00:00:00.05Z"), 50);
    ck_assert_int_eq(parsed("1970-01-01T00:00:00.001Z"), 1);
    ck_assert_int_eq(parsed("1970-01-01T00:00:00.9999999999999999Z"), 999);
    ck_assert_int_eq(parsed("1970-01-01T00:00:00.0009Z"), 0);
}
END_TEST

START_TEST(leap_days_are_there_in_leap_years_only)
{
    ck_assert_int_eq(parsed("2000-02-29T00:00:00Z"), 951782400000);
    ck_assert_int_eq(parsed("2024-02-29T00:00:00Z"), 1709164800000);
    static const char *const wrong[] = {"2023-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2024-02-30T00:00:00Z"};
    check_refused(TASKQ_EINVAL, wrong, 3);
}
END_TEST

START_TEST(a_leap_second_is_the_next_minute_and_only_at_midnight_utc)
{
    ck_assert_int_eq(parsed("2016-12-31T23:59:60Z"), parsed("2017-01-01T00:00:00Z"));
    ck_assert_int_eq(parsed("2016-12-31T15:59:60.75-08:00"), parsed("2017-01-01T00:00:00Z"));
    static const char *const wrong[] = {"2016-12-31T23:58:60Z", "2016-12-31T23:59:60+01:00", "2016-12-31T23:59:61Z"};
    check_refused(TASKQ_EINVAL, wrong, 3);
}
END_TEST

START_TEST(no_such_day_or_time_is_invalid)
{
    static const char *const wrong[] = {"2026-00-10T00:00:00Z", "2026-13-10T00:00:00Z",     "2026-04-31T00:00:00Z",
                                        "2026-01-00T00:00:00Z", "2026-01-32T00:00:00Z",     "2026-01-01T24:00:00Z",
                                        "2026-01-01T00:60:00Z", "2026-01-01T00:00:99Z",     "2026-01-01T00:00:00+24:00",
                                        "2026-99-99T99:99:99Z", "2026-01-01T00:00:00-00:60"};
    check_refused(TASKQ_EINVAL, wrong, sizeof(wrong) / sizeof(wrong[0]));
}
END_TEST

START_TEST(the_years_1970_to_2100_are_taken_as_instants)
{
    ck_assert_int_eq(parsed("1970-01-01T00:00:00Z"), 0);
    ck_assert_int_eq(parsed("1969-12-31T23:00:00-01:00"), 0);
    ck_assert_int_eq(parsed("2100-12-31T23:59:59.999Z"), TASKQ__WALL_MS_MAX);
    static const char *const wrong[] = {"1969-12-31T23:59:59.999Z", "1970-01-01T00:59:59+01:00",
                                        "2101-01-01T00:00:00Z",     "0000-01-01T00:00:00Z",
                                        "9999-12-31T23:59:59Z",     "2100-12-31T23:59:59-00:01"};
    check_refused(TASKQ_EINVAL, wrong, sizeof(wrong) / sizeof(wrong[0]));
}
END_TEST

START_TEST(what_is_not_of_the_form_is_a_syntax_error)
{
    static const char *const wrong[] = {
        "",
        "now",
        "2026-01-31",
        "2026-01-31T08:00Z",
        "2026-01-31_08:00:00Z",
        "2026-01-31T08:00:00",
        "2026-01-31T08:00:00.Z",
        "2026-01-31T08:00:00,5Z",
        "2026-01-31T08:00:00+0100",
        "2026-01-31T08:00:00+01",
        "2026-01-31T08:00:00Zx",
        " 2026-01-31T08:00:00Z",
        "26-01-31T08:00:00Z",
        "12026-01-31T08:00:00Z",
        "-2026-01-31T08:00:00Z",
        "2026-1-31T08:00:00Z",
        "2026-01-31T+8:00:00Z",
        "1769846400",
    };
    check_refused(TASKQ_ESYNTAX, wrong, sizeof(wrong) / sizeof(wrong[0]));
    int64_t ms;
    ck_assert_int_eq(taskq__rfc3339_parse((taskq_text){NULL, 0}, &ms), TASKQ_ESYNTAX);
    ck_assert_int_eq(taskq__rfc3339_parse((taskq_text){"2026-01-31T08:00:00\0", 20}, &ms), TASKQ_ESYNTAX);
}
END_TEST

START_TEST(every_beginning_of_a_time_is_refused_without_reading_past_it)
{
    static const char whole[] = "2026-01-31T08:00:00.123+01:30";
    for (size_t size = 0; size < sizeof(whole) - 1; size++) {
        char *part = malloc(size == 0 ? 1 : size); /* of its own, so that a sanitizer sees a step too far */
        ck_assert_ptr_nonnull(part);
        memcpy(part, whole, size);
        int64_t ms;
        ck_assert_int_eq(taskq__rfc3339_parse((taskq_text){part, size}, &ms), TASKQ_ESYNTAX);
        free(part);
    }
}
END_TEST

TASKQ_TESTS(known_instants_are_written, what_is_out_of_range_is_written_clamped,
            every_day_of_131_years_agrees_with_the_c_library, letters_may_be_small_and_offsets_count,
            fractions_are_read_to_milliseconds_and_cut, leap_days_are_there_in_leap_years_only,
            a_leap_second_is_the_next_minute_and_only_at_midnight_utc, no_such_day_or_time_is_invalid,
            the_years_1970_to_2100_are_taken_as_instants, what_is_not_of_the_form_is_a_syntax_error,
            every_beginning_of_a_time_is_refused_without_reading_past_it)
