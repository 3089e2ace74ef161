/* SPDX-License-Identifier: MIT */
/*
 * Heads that two readers could take for different requests are refused; and who may come in where there are no tokens.
 */
#include "core/arena.h"
#include "core/text.h"
#include "server/api.h"
#include "support/check_main.h"

#include <string.h>

static taskq__pair headers[8];
static taskq__request request;
static taskq__reply reply;
static taskq__framing framing;
static taskq_server server;

static void setup(void)
{
    memset(&request, 0, sizeof(request));
    memset(&reply, 0, sizeof(reply));
    memset(&server, 0, sizeof(server));
    request.headers = headers;
    taskq__buf_init(&reply.body, NULL, 4096);
}

static void teardown(void)
{
    taskq__buf_clear(&reply.body);
}

static void say(const char *name, const char *value)
{
    headers[request.header_count++] = (taskq__pair){taskq_text_of(name), taskq_text_of(value)};
}

/* The status that a head with these two headers beside Host is refused with; 0: it is taken. */
static int check(const char *name, const char *value, const char *other_name, const char *other_value)
{
    request.header_count = 0;
    say("Host", "localhost");
    say(name, value);
    if (other_name != NULL) {
        say(other_name, other_value);
    }
    return taskq__head_check(&request, 1000, &framing, &reply) ? 0 : reply.status;
}

START_TEST(a_length_is_a_number_within_the_bound)
{
    ck_assert_int_eq(check("Content-Length", "1000", NULL, NULL), 0);
    ck_assert_uint_eq(framing.length, 1000);
    ck_assert_int_eq(check("content-length", "0", NULL, NULL), 0);
    ck_assert_int_eq(check("Content-Length", "1001", NULL, NULL), 413);
    ck_assert_int_eq(check("Content-Length", "99999999999999999999", NULL, NULL), 413);
    static const char *const bad[] = {"", "5abc", "+5", "-1", "0x5", "5 5", "5,5", "1e2"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(check("Content-Length", bad[i], NULL, NULL) == 400, "%s", bad[i]);
    }
}
END_TEST

START_TEST(there_is_one_way_only_to_tell_where_the_body_ends)
{
    ck_assert_int_eq(check("Transfer-Encoding", "chunked", NULL, NULL), 0);
    ck_assert(framing.chunked);
    ck_assert_int_eq(check("Content-Length", "5", "Content-Length", "5"), 400);
    ck_assert_int_eq(check("Content-Length", "5", "Transfer-Encoding", "chunked"), 400);
    ck_assert_int_eq(check("Transfer-Encoding", "identity", "Transfer-Encoding", "chunked"), 400);
    ck_assert_int_eq(check("Transfer-Encoding", "identity", NULL, NULL), 400);
    ck_assert_int_eq(check("Transfer-Encoding", "gzip, chunked", NULL, NULL), 400);
}
END_TEST

START_TEST(what_decides_something_is_said_once)
{
    ck_assert_int_eq(check("Authorization", "a", "authorization", "a"), 400);
    ck_assert_int_eq(check("Host", "localhost", NULL, NULL), 400);
    ck_assert_int_eq(check("Idempotency-Key", "a", "Idempotency-Key", "a"), 400);
    ck_assert_int_eq(check("Accept", "a", "Accept", "b"), 0);
    request.header_count = 0;
    ck_assert(!taskq__head_check(&request, 1000, &framing, &reply));
    ck_assert_int_eq(reply.status, 400);
}
END_TEST

START_TEST(a_name_is_a_token_and_an_expectation_is_known)
{
    ck_assert_int_eq(check("X-A", "1", NULL, NULL), 0);
    ck_assert_int_eq(check("X A", "1", NULL, NULL), 400);
    ck_assert_int_eq(check("X(A)", "1", NULL, NULL), 400);
    ck_assert_int_eq(check("Expect", "100-Continue", NULL, NULL), 0);
    ck_assert_int_eq(check("Expect", "miracles", NULL, NULL), 400);
}
END_TEST

START_TEST(the_connection_is_kept_as_http_says)
{
    static const struct {
        const char *connection;
        bool old, keeps;
    } cases[] = {{NULL, false, true},
                 {NULL, true, false},
                 {"close", false, false},
                 {"Keep-Alive", true, true},
                 {"keep-alive, close", false, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        request.header_count = 0;
        request.http_1_0 = cases[i].old;
        if (cases[i].connection != NULL) {
            say("Connection", cases[i].connection);
        }
        ck_assert_msg(taskq__head_keeps_alive(&request) == cases[i].keeps, "case %zu", i);
    }
}
END_TEST

static int admit(const char *host, const char *name, const char *value)
{
    request.header_count = 0;
    say("Host", host);
    if (name != NULL) {
        say(name, value);
    }
    return taskq__auth_admit(&server, &request, &reply) ? 0 : reply.status;
}

START_TEST(only_names_of_this_machine_are_answered_for)
{
    static const char *const own[] = {"localhost",     "LocalHost:7070", "127.0.0.1",
                                      "127.255.0.9:1", "[::1]",          "[::1]:7070"};
    static const char *const foreign[] = {"evil.example",
                                          "localhost.evil.example",
                                          "127.0.0.1.evil.example",
                                          "10.0.0.1",
                                          "[::2]",
                                          "::1",
                                          "localhost:x",
                                          "localhost:99999",
                                          "[::1]x",
                                          "127.1",
                                          ""};
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        ck_assert_msg(admit(own[i], NULL, NULL) == 0, "%s", own[i]);
    }
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        ck_assert_msg(admit(foreign[i], NULL, NULL) == 421, "%s", foreign[i]);
    }
    server.auth.any_host = true;
    ck_assert_int_eq(admit("evil.example", NULL, NULL), 0);
}
END_TEST

START_TEST(another_sites_page_is_kept_out_also_where_any_host_is_taken)
{
    for (int insecure = 0; insecure < 2; insecure++) {
        server.auth.any_host = insecure == 1;
        ck_assert_int_eq(admit("localhost:7070", "Origin", "http://localhost:7070"), 0);
        ck_assert_int_eq(admit("localhost:7070", "Origin", "http://localhost:8080"), 403);
        ck_assert_int_eq(admit("localhost:7070", "Origin", "null"), 403);
        ck_assert_int_eq(admit("localhost:7070", "Sec-Fetch-Site", "same-origin"), 0);
        ck_assert_int_eq(admit("localhost:7070", "Sec-Fetch-Site", "none"), 0);
        ck_assert_int_eq(admit("localhost:7070", "Sec-Fetch-Site", "same-site"), 403);
        ck_assert_int_eq(admit("localhost:7070", "Sec-Fetch-Site", "cross-site"), 403);
    }
}
END_TEST

START_TEST(an_address_to_listen_on_is_numeric_and_known_to_be_loopback_or_not)
{
    taskq__listen listen;
    ck_assert_int_eq(taskq__listen_parse("127.0.0.1:7070", &listen, NULL), TASKQ_OK);
    ck_assert(listen.loopback && listen.port == 7070);
    ck_assert_int_eq(taskq__listen_parse("[::1]:0", &listen, NULL), TASKQ_OK);
    ck_assert_str_eq(listen.address, "[::1]");
    ck_assert(listen.loopback && listen.port == 0);
    ck_assert_int_eq(taskq__listen_parse("0.0.0.0:80", &listen, NULL), TASKQ_OK);
    ck_assert(!listen.loopback);
    ck_assert_int_eq(taskq__listen_parse("[::]:80", &listen, NULL), TASKQ_OK);
    ck_assert(!listen.loopback);
    static const char *const bad[] = {
        "",           "7070",   ":7070", "127.0.0.1", "127.0.0.1:",    "127.0.0.1:65536",         "127.0.0.1:x",
        "example:80", "::1:80", "[::1]", "[::1:80",   "127.0.0.1:80s", "127.0.0.1:80,0.0.0.0:80", "[127.0.0.1]:80"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(taskq__listen_parse(bad[i], &listen, NULL) == TASKQ_EINVAL, "%s", bad[i]);
    }
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, a_length_is_a_number_within_the_bound,
                 there_is_one_way_only_to_tell_where_the_body_ends, what_decides_something_is_said_once,
                 a_name_is_a_token_and_an_expectation_is_known, the_connection_is_kept_as_http_says,
                 only_names_of_this_machine_are_answered_for,
                 another_sites_page_is_kept_out_also_where_any_host_is_taken,
                 an_address_to_listen_on_is_numeric_and_known_to_be_loopback_or_not)
