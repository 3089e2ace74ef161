/* SPDX-License-Identifier: MIT */
/*
 * When a server that failed is asked again, and which one is asked meanwhile. Time is an argument here, so the bounds are exact.
 */
#include "support/check_main.h"
#include "worker/breaker.h"

#include <string.h>

static const char *const urls[] = {"http://a:1", "http://b:2"};
static char last_message[256];
static taskq_log_level last_level;

static void remember(void *user, const taskq_log_event *event)
{
    (void)user;
    strncpy(last_message, event->message, sizeof(last_message) - 1);
    last_level = event->level;
}

static const taskq_log log_to_us = {sizeof(taskq_log), remember, NULL, TASKQ_LOG_DEBUG};
static taskq__rng rng;
static taskq__servers servers;

static void begin(uint32_t count)
{
    taskq__rng_init(&rng, 42);
    ck_assert_int_eq(taskq__servers_init(&servers, NULL, urls, count, &log_to_us, &rng, NULL), TASKQ_OK);
}

static bool pick(int64_t now_ms, uint32_t *index, int64_t *in_ms)
{
    return taskq__servers_pick(&servers, now_ms, index, in_ms);
}

START_TEST(one_failure_opens_the_breaker)
{
    uint32_t index = 9;
    int64_t in_ms = 0;
    begin(1);
    ck_assert(pick(1000, &index, &in_ms) && index == 0);
    taskq__servers_failed(&servers, 0, 1000, 0, false, "gone");
    ck_assert_int_eq(servers.list[0].state, TASKQ__BREAKER_OPEN);
    ck_assert_int_eq(last_level, TASKQ_LOG_WARN);
    if (servers.list[0].open_until_ms > 1000) {
        ck_assert(!pick(1000, &index, &in_ms));
        ck_assert_int_eq(in_ms, servers.list[0].open_until_ms - 1000);
    }
    taskq__servers_clear(&servers);
}
END_TEST

START_TEST(the_span_doubles_from_half_a_second_to_thirty_seconds)
{
    int64_t most_ms = 0;
    begin(1);
    for (int64_t round = 0, span_ms = 500; round < 200; round++, span_ms = span_ms * 2 < 30000 ? span_ms * 2 : 30000) {
        uint32_t index;
        int64_t in_ms, now_ms = servers.list[0].open_until_ms;
        ck_assert(pick(now_ms, &index, &in_ms));
        taskq__servers_failed(&servers, 0, now_ms, 0, false, "gone");
        int64_t delay_ms = servers.list[0].open_until_ms - now_ms;
        ck_assert_msg(delay_ms >= 0 && delay_ms <= span_ms, "%lld of %lld", (long long)delay_ms, (long long)span_ms);
        most_ms = delay_ms > most_ms ? delay_ms : most_ms;
    }
    ck_assert_int_gt(most_ms, 25000); /* the whole span is drawn from */
    taskq__servers_clear(&servers);
}
END_TEST

START_TEST(a_breaker_that_is_half_open_lets_one_request_through)
{
    uint32_t index;
    int64_t in_ms;
    begin(1);
    taskq__servers_failed(&servers, 0, 0, 0, false, "gone");
    ck_assert(pick(1000, &index, &in_ms));
    ck_assert_int_eq(servers.list[0].state, TASKQ__BREAKER_HALF_OPEN);
    ck_assert(!pick(1000, &index, &in_ms));
    ck_assert_int_eq(in_ms, -1);
    taskq__servers_clear(&servers);
}
END_TEST

START_TEST(an_answer_closes_it_and_the_next_outage_begins_small_again)
{
    uint32_t index;
    int64_t in_ms;
    begin(1);
    for (int i = 0; i < 8; i++) {
        taskq__servers_failed(&servers, 0, servers.list[0].open_until_ms, 0, false, "gone");
        ck_assert(pick(servers.list[0].open_until_ms, &index, &in_ms));
    }
    taskq__servers_answered(&servers, 0);
    ck_assert_int_eq(servers.list[0].state, TASKQ__BREAKER_CLOSED);
    ck_assert_int_eq(last_level, TASKQ_LOG_INFO);
    taskq__servers_failed(&servers, 0, 0, 0, false, "gone");
    ck_assert_int_le(servers.list[0].open_until_ms, 500);
    taskq__servers_clear(&servers);
}
END_TEST

START_TEST(failures_of_one_moment_count_once)
{
    begin(1);
    taskq__servers_failed(&servers, 0, 0, 0, false, "gone");
    int64_t until_ms = servers.list[0].open_until_ms;
    taskq__servers_failed(&servers, 0, 0, 0, false, "gone");
    ck_assert_int_eq(servers.list[0].failures, 1);
    ck_assert_int_eq(servers.list[0].open_until_ms, until_ms);
    taskq__servers_clear(&servers);
}
END_TEST

START_TEST(a_request_that_was_taken_back_leaves_the_trial_to_another)
{
    uint32_t index;
    int64_t in_ms;
    begin(1);
    taskq__servers_failed(&servers, 0, 0, 0, false, "gone");
    ck_assert(pick(1000, &index, &in_ms));
    taskq__servers_abandoned(&servers, 0, 1000);
    ck_assert(pick(1000, &index, &in_ms));
    taskq__servers_clear(&servers);
}
END_TEST

START_TEST(the_next_server_is_asked_and_stayed_with)
{
    uint32_t index;
    int64_t in_ms;
    begin(2);
    taskq__servers_failed(&servers, 0, 0, 0, false, "gone");
    ck_assert(pick(0, &index, &in_ms) && index == 1);
    taskq__servers_answered(&servers, 1);
    ck_assert(pick(60000, &index, &in_ms) && index == 1);
    taskq__servers_failed(&servers, 1, 60000, 0, false, "gone");
    ck_assert(pick(60000, &index, &in_ms) && index == 0);
    taskq__servers_clear(&servers);
}
END_TEST

START_TEST(a_server_that_names_a_time_is_not_asked_before_it)
{
    begin(1);
    taskq__servers_failed(&servers, 0, 1000, 7000, false, "HTTP 503");
    ck_assert_int_ge(servers.list[0].open_until_ms, 8000);
    ck_assert_int_le(servers.list[0].open_until_ms, 8500);
    taskq__servers_clear(&servers);
}
END_TEST

START_TEST(a_server_that_does_not_let_us_in_is_an_error_that_says_what_to_do)
{
    begin(1);
    taskq__servers_failed(&servers, 0, 0, 0, true, "HTTP 401");
    ck_assert_int_eq(last_level, TASKQ_LOG_ERROR);
    ck_assert_ptr_nonnull(strstr(last_message, "token"));
    taskq__servers_clear(&servers);
}
END_TEST

START_TEST(what_is_no_http_url_is_refused)
{
    static const char *const bad[] = {"",           "ftp://a",    "http://",   "127.0.0.1:7070",
                                      "http://a b", "http://a?x", "http://a\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        taskq_error err = TASKQ_ERROR_INIT;
        ck_assert_int_eq(taskq__servers_init(&servers, NULL, &bad[i], 1, &log_to_us, &rng, &err), TASKQ_EINVAL);
        ck_assert_str_eq(err.field, "/servers");
        taskq__servers_clear(&servers);
    }
}
END_TEST

START_TEST(the_home_is_tried_by_itself_when_its_time_is_over_and_is_returned_to)
{
    uint32_t index = 9;
    int64_t in_ms;
    begin(2);
    ck_assert(!taskq__servers_try_home(&servers, 0, &index, &in_ms) && in_ms == -1); /* it is there */
    taskq__servers_failed(&servers, 0, 0, 7000, false, "gone");
    ck_assert(pick(0, &index, &in_ms) && index == 1);
    ck_assert(!taskq__servers_try_home(&servers, 0, &index, &in_ms));
    ck_assert_int_eq(in_ms, servers.list[0].open_until_ms);
    ck_assert(taskq__servers_try_home(&servers, servers.list[0].open_until_ms, &index, &in_ms) && index == 0);
    ck_assert(pick(60000, &index, &in_ms) && index == 1); /* meanwhile the other one is asked */
    taskq__servers_answered(&servers, 0);
    ck_assert(pick(60000, &index, &in_ms) && index == 0);
    taskq__servers_clear(&servers);
}
END_TEST

START_TEST(where_all_are_out_of_reach_the_home_is_tried_by_what_waits)
{
    uint32_t index;
    int64_t in_ms;
    begin(2);
    taskq__servers_failed(&servers, 0, 0, 0, false, "gone");
    ck_assert(pick(0, &index, &in_ms) && index == 1);
    taskq__servers_failed(&servers, 1, 0, 60000, false, "gone");
    ck_assert(!taskq__servers_try_home(&servers, 30000, &index, &in_ms) && in_ms == -1);
    ck_assert(pick(30000, &index, &in_ms) && index == 0);
    taskq__servers_clear(&servers);
}
END_TEST

START_TEST(homes_are_spread_over_the_servers)
{
    unsigned homes[2] = {0, 0};
    begin(2);
    for (int i = 0; i < 200; i++) {
        taskq__servers_settle(&servers);
        ck_assert_uint_eq(servers.home, servers.current);
        homes[servers.home]++;
    }
    ck_assert_uint_gt(homes[0], 50);
    ck_assert_uint_gt(homes[1], 50);
    taskq__servers_clear(&servers);
}
END_TEST

TASKQ_TESTS(one_failure_opens_the_breaker, the_span_doubles_from_half_a_second_to_thirty_seconds,
            a_breaker_that_is_half_open_lets_one_request_through,
            an_answer_closes_it_and_the_next_outage_begins_small_again, failures_of_one_moment_count_once,
            a_request_that_was_taken_back_leaves_the_trial_to_another, the_next_server_is_asked_and_stayed_with,
            a_server_that_names_a_time_is_not_asked_before_it,
            a_server_that_does_not_let_us_in_is_an_error_that_says_what_to_do, what_is_no_http_url_is_refused,
            the_home_is_tried_by_itself_when_its_time_is_over_and_is_returned_to,
            where_all_are_out_of_reach_the_home_is_tried_by_what_waits, homes_are_spread_over_the_servers)
