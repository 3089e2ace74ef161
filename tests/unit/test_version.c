/* SPDX-License-Identifier: MIT */
/*
 * Headers and library come from one tree here, so they must agree; the text is what scripts parse.
 */
#include "support/check_main.h"

#include <stdio.h>
#include <taskq/version.h>

START_TEST(the_text_is_the_three_numbers)
{
    char text[64];
    snprintf(text, sizeof(text), "%d.%d.%d", TASKQ_VERSION_MAJOR, TASKQ_VERSION_MINOR, TASKQ_VERSION_PATCH);
    ck_assert_str_eq(TASKQ_VERSION, text);
}
END_TEST

START_TEST(the_library_tells_the_version_of_its_headers)
{
    ck_assert_str_eq(taskq_version_string(), TASKQ_VERSION);
    ck_assert_int_eq(taskq_version_number(), TASKQ_VERSION_NUMBER);
}
END_TEST

TASKQ_TESTS(the_text_is_the_three_numbers, the_library_tells_the_version_of_its_headers)
