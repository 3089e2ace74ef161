/* SPDX-License-Identifier: MIT */
/* What a handler is told and what becomes of what it says, without a worker or a server. */
#include "support/check_main.h"
#include "worker/run.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>

static taskq_run *run;

static void begin(void)
{
    ck_assert_int_eq(
        taskq__run_open(
            NULL, NULL,
            taskq_text_of("{\"id\":7,\"version\":2,\"type\":\"t\",\"queue\":\"default\",\"payload\":{\"a\": 1},"
                          "\"timeout_ms\":500,\"lease_ms\":3000,\"attempt\":1}"),
            &run, NULL),
        TASKQ_OK);
}

static void end(void)
{
    taskq__run_close(run);
}

static const char *news(void)
{
    static char text[200000];
    taskq__buf buf;
    taskq__buf_init(&buf, NULL, sizeof(text) - 1);
    taskq__run_write_news(run, &buf);
    memcpy(text, buf.data == NULL ? "" : buf.data, buf.size + 1);
    taskq__buf_clear(&buf);
    return text;
}

static bool is(taskq_text text, const char *expected)
{
    return text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0;
}

START_TEST(the_job_is_there_byte_for_byte)
{
    ck_assert_int_eq(taskq_run_job(run)->id, 7);
    ck_assert(is(taskq_run_job(run)->payload, "{\"a\": 1}"));
    ck_assert_int_eq(taskq_run_should_stop(run), TASKQ_RUN_GOES_ON);
}
END_TEST

START_TEST(what_a_server_left_out_gets_its_usual_value)
{
    taskq_run *bare = NULL;
    ck_assert_int_eq(taskq__run_open(NULL, NULL, taskq_text_of("{\"id\":1,\"version\":2,\"type\":\"t\"}"), &bare, NULL),
                     TASKQ_OK);
    ck_assert_int_eq(taskq_run_job(bare)->lease_ms, 60000);
    ck_assert_int_eq(taskq_run_job(bare)->timeout_ms, 900000);
    ck_assert(is(taskq_run_job(bare)->payload, "{}"));
    taskq__run_close(bare);
}
END_TEST

START_TEST(a_job_without_a_version_is_none)
{
    taskq_run *bad = NULL;
    ck_assert_int_eq(taskq__run_open(NULL, NULL, taskq_text_of("{\"id\":1,\"type\":\"t\"}"), &bad, NULL), TASKQ_EINVAL);
    ck_assert_ptr_null(bad);
}
END_TEST

static void *stop_it(void *user)
{
    taskq__run_stop(user, TASKQ_RUN_CANCELED);
    return NULL;
}

START_TEST(a_stop_ends_a_sleep_that_would_take_a_year)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, stop_it, run), 0);
    ck_assert_int_eq(taskq_run_sleep(run, INT64_MAX), TASKQ_RUN_CANCELED);
    pthread_join(thread, NULL);
}
END_TEST

START_TEST(a_stop_makes_the_descriptor_readable)
{
    struct pollfd fd = {.fd = taskq_run_fd(run), .events = POLLIN};
    ck_assert_int_eq(poll(&fd, 1, 0), 0);
    taskq__run_stop(run, TASKQ_RUN_TIMED_OUT);
    ck_assert_int_eq(poll(&fd, 1, 0), 1);
}
END_TEST

START_TEST(a_descriptor_that_is_asked_for_late_is_readable_at_once)
{
    taskq__run_stop(run, TASKQ_RUN_TIMED_OUT);
    struct pollfd fd = {.fd = taskq_run_fd(run), .events = POLLIN};
    ck_assert_int_eq(poll(&fd, 1, 0), 1);
}
END_TEST

START_TEST(the_first_reason_stays_but_a_lost_lease_says_more)
{
    taskq__run_stop(run, TASKQ_RUN_CANCELED);
    taskq__run_stop(run, TASKQ_RUN_STOPPING);
    ck_assert_int_eq(taskq_run_should_stop(run), TASKQ_RUN_CANCELED);
    taskq__run_stop(run, TASKQ_RUN_LOST);
    ck_assert_int_eq(taskq_run_should_stop(run), TASKQ_RUN_LOST);
}
END_TEST

START_TEST(progress_and_log_are_written_once)
{
    taskq_run_progress(run, 250, "half \"way\"");
    taskq_run_log(run, "line %d", 1);
    ck_assert(taskq__run_has_news(run));
    const char *text = news();
    ck_assert_ptr_nonnull(strstr(text, ",\"progress\":{\"percent\":100"));
    ck_assert_ptr_nonnull(strstr(text, "half \\\"way\\\""));
    ck_assert_ptr_nonnull(strstr(text, ",\"log\":\"line 1\\n\""));
    taskq__run_news_sent(run, true);
    ck_assert(!taskq__run_has_news(run));
    ck_assert_str_eq(news(), "");
}
END_TEST

START_TEST(what_did_not_arrive_is_written_again_before_what_came_later)
{
    taskq_run_log(run, "one");
    news();
    taskq_run_log(run, "two");
    taskq__run_news_sent(run, false);
    ck_assert_ptr_nonnull(strstr(news(), "\"one\\ntwo\\n\""));
}
END_TEST

START_TEST(what_was_said_while_a_heartbeat_was_under_way_is_kept)
{
    taskq_run_log(run, "one");
    news();
    taskq_run_log(run, "two");
    taskq__run_news_sent(run, true);
    ck_assert_ptr_nonnull(strstr(news(), ":\"two\\n\""));
}
END_TEST

START_TEST(of_a_log_that_is_too_long_the_last_part_is_kept)
{
    for (int i = 0; i < 9000; i++) {
        taskq_run_log(run, "%09d", i);
    }
    const char *text = news();
    ck_assert_ptr_nonnull(strstr(text, "000008999"));
    ck_assert_ptr_null(strstr(text, "000000001"));
    ck_assert_uint_le(strlen(text), TASKQ_LOG_BYTES_MAX + 8000); /* every line break takes two bytes in JSON */
    taskq__run_news_sent(run, true);
    ck_assert(!taskq__run_has_news(run));
}
END_TEST

START_TEST(a_result_that_is_no_json_is_refused_and_the_last_good_one_stays)
{
    taskq__run_end how;
    ck_assert_int_eq(taskq_run_result(run, TASKQ_TEXT("{\"n\": 12345678901234567890}")), TASKQ_OK);
    ck_assert_int_eq(taskq_run_result(run, TASKQ_TEXT("{")), TASKQ_EINVAL);
    ck_assert_int_eq(taskq_run_result(run, TASKQ_TEXT("")), TASKQ_EINVAL);
    taskq__run_read_end(run, TASKQ_OK, &how);
    ck_assert(how.succeeded);
    ck_assert(is(how.result, "{\"n\": 12345678901234567890}"));
}
END_TEST

START_TEST(a_failure_says_what_the_handler_said)
{
    taskq__run_end how;
    taskq_run_retry_in(run, 5000);
    taskq_status returned = taskq_run_fail(run, "no-luck", "the %s is off", "light");
    taskq__run_read_end(run, returned, &how);
    ck_assert(!how.succeeded && is(how.code, "no-luck") && is(how.message, "the light is off"));
    ck_assert_int_eq(how.retry_in_ms, 5000);
    taskq_run_no_retry(run);
    taskq__run_read_end(run, returned, &how);
    ck_assert(how.no_retry);
}
END_TEST

START_TEST(a_failure_without_words_is_named_after_the_status)
{
    taskq__run_end how;
    taskq__run_read_end(run, TASKQ_ELIMIT, &how);
    ck_assert(is(how.code, taskq_status_name(TASKQ_ELIMIT)));
    ck_assert_int_eq(how.retry_in_ms, -1);
}
END_TEST

START_TEST(a_handler_that_gave_up_for_the_timeout_failed_with_timeout)
{
    taskq__run_end how;
    taskq__run_stop(run, TASKQ_RUN_TIMED_OUT);
    taskq__run_read_end(run, taskq_run_fail(run, "stopped", "told to stop"), &how);
    ck_assert(is(how.code, "timeout"));
    taskq__run_read_end(run, TASKQ_OK, &how);
    ck_assert(how.succeeded); /* it was done all the same */
}
END_TEST

TASKQ_TESTS_WITH(begin, end, the_job_is_there_byte_for_byte, what_a_server_left_out_gets_its_usual_value,
                 a_job_without_a_version_is_none, a_stop_ends_a_sleep_that_would_take_a_year,
                 a_stop_makes_the_descriptor_readable, a_descriptor_that_is_asked_for_late_is_readable_at_once,
                 the_first_reason_stays_but_a_lost_lease_says_more, progress_and_log_are_written_once,
                 what_did_not_arrive_is_written_again_before_what_came_later,
                 what_was_said_while_a_heartbeat_was_under_way_is_kept, of_a_log_that_is_too_long_the_last_part_is_kept,
                 a_result_that_is_no_json_is_refused_and_the_last_good_one_stays, a_failure_says_what_the_handler_said,
                 a_failure_without_words_is_named_after_the_status,
                 a_handler_that_gave_up_for_the_timeout_failed_with_timeout)
