/* SPDX-License-Identifier: MIT */
/*
 * Statuses as words, and errors as text for an operator: what is in them may come from outside and must stay
 * one line of whole characters within its bound.
 */
#include "support/check_main.h"

#include "core/fail.h"
#include "core/text.h"

#include <string.h>

START_TEST(every_status_has_a_name_of_its_own)
{
    for (int a = 0; a >= -16; a--) {
        const char *name = taskq_status_name((taskq_status)a);
        ck_assert_str_ne(name, "unknown");
        for (int b = 0; b > a; b--) {
            ck_assert_str_ne(name, taskq_status_name((taskq_status)b));
        }
    }
    ck_assert_str_eq(taskq_status_name(TASKQ_ESTALE), "stale");
}
END_TEST

START_TEST(a_number_that_is_no_status_is_unknown)
{
    ck_assert_str_eq(taskq_status_name((taskq_status)1), "unknown");
    ck_assert_str_eq(taskq_status_name((taskq_status)-17), "unknown");
}
END_TEST

START_TEST(only_what_may_pass_by_itself_is_retryable)
{
    for (int status = 0; status >= -16; status--) {
        bool expected =
            status == TASKQ_EBUSY || status == TASKQ_EUNAVAIL || status == TASKQ_EUNKNOWN || status == TASKQ_ETIMEDOUT;
        ck_assert_int_eq(taskq_status_is_retryable((taskq_status)status), expected);
    }
}
END_TEST

START_TEST(a_failure_fills_status_text_and_field)
{
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_int_eq(taskq__fail_field(&err, TASKQ_EINVAL, "/priority", "is %d", 7), TASKQ_EINVAL);
    ck_assert_int_eq(err.status, TASKQ_EINVAL);
    ck_assert_str_eq(err.text, "is 7");
    ck_assert_str_eq(err.field, "/priority");
}
END_TEST

START_TEST(a_failure_without_a_field_forgets_the_last_one)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq__fail_field(&err, TASKQ_EINVAL, "/priority", "x");
    ck_assert_int_eq(taskq__fail_memory(&err), TASKQ_ENOMEM);
    ck_assert_str_eq(err.field, "");
    ck_assert_str_ne(err.text, "");
}
END_TEST

START_TEST(a_failure_without_an_error_to_fill_still_has_its_status)
{
    ck_assert_int_eq(taskq__fail(NULL, TASKQ_EBUSY, "%s", "x"), TASKQ_EBUSY);
    ck_assert_int_eq(taskq__fail_field(NULL, TASKQ_EINVAL, "/a", "%s", "x"), TASKQ_EINVAL);
    ck_assert_int_eq(taskq__fail_memory(NULL), TASKQ_ENOMEM);
    taskq__fail_prefix(NULL, "/jobs");
}
END_TEST

START_TEST(an_error_may_be_wrapped_in_words_of_its_own)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq__fail(&err, TASKQ_EUNAVAIL, "disk full");
    taskq__fail(&err, TASKQ_EUNAVAIL, "the store cannot write: %s", err.text);
    ck_assert_str_eq(err.text, "the store cannot write: disk full");
}
END_TEST

START_TEST(a_text_from_outside_cannot_break_the_line)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq__fail(&err, TASKQ_EINVAL, "bad: %s", "a\r\nb\tc\x1b[2J\x7f");
    ck_assert_str_eq(err.text, "bad: a  b c [2J ");
}
END_TEST

START_TEST(a_long_text_is_cut_at_a_whole_character)
{
    char longer[2 * TASKQ_ERROR_TEXT_MAX];
    memset(longer, 'x', sizeof(longer));
    memcpy(longer + TASKQ_ERROR_TEXT_MAX - 3, "\xe2\x82\xac", 3); /* its last byte no longer fits */
    longer[sizeof(longer) - 1] = '\0';
    taskq_error err = TASKQ_ERROR_INIT;
    taskq__fail(&err, TASKQ_EINVAL, "%s", longer);
    ck_assert_uint_eq(strlen(err.text), TASKQ_ERROR_TEXT_MAX - 3);
    ck_assert(taskq__text_is_utf8(taskq_text_of(err.text)));
}
END_TEST

START_TEST(a_long_field_is_cut_too)
{
    char longer[400];
    memset(longer, 'f', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    taskq_error err = TASKQ_ERROR_INIT;
    taskq__fail_field(&err, TASKQ_EINVAL, longer, "x");
    ck_assert_uint_eq(strlen(err.field), TASKQ_ERROR_FIELD_MAX - 1);
    taskq__fail_prefix(&err, longer);
    ck_assert_uint_eq(strlen(err.field), TASKQ_ERROR_FIELD_MAX - 1);
}
END_TEST

START_TEST(a_prefix_stands_before_a_field_and_only_there)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq__fail(&err, TASKQ_EINVAL, "x");
    taskq__fail_prefix(&err, "/jobs/3");
    ck_assert_str_eq(err.field, "");
    taskq__fail_field(&err, TASKQ_EINVAL, "/priority", "x");
    taskq__fail_prefix(&err, "/jobs/3");
    ck_assert_str_eq(err.field, "/jobs/3/priority");
}
END_TEST

TASKQ_TESTS(every_status_has_a_name_of_its_own, a_number_that_is_no_status_is_unknown,
            only_what_may_pass_by_itself_is_retryable, a_failure_fills_status_text_and_field,
            a_failure_without_a_field_forgets_the_last_one, a_failure_without_an_error_to_fill_still_has_its_status,
            an_error_may_be_wrapped_in_words_of_its_own, a_text_from_outside_cannot_break_the_line,
            a_long_text_is_cut_at_a_whole_character, a_long_field_is_cut_too,
            a_prefix_stands_before_a_field_and_only_there)
