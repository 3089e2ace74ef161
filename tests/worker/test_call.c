/* SPDX-License-Identifier: MIT */
/* The blocking call that clients and the http handler stand on: how each way of failing is told from the others. */
#include "support/check_main.h"
#include "support/fake_server.h"
#include "worker/transport.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static fake_server *server;
static taskq__http *http;
static taskq__http_request request;
static taskq__http_reply reply;
static char url[256], location[300];

static void answer(void *user, const fake_request *asked, fake_answer *out)
{
    (void)user;
    if (strcmp(asked->path, "/long") == 0) {
        out->body = strdup("0123456789");
    } else if (strcmp(asked->path, "/cut") == 0) {
        out->cut = true;
    } else if (strcmp(asked->path, "/half") == 0) {
        out->body = strdup("0123456789");
        out->cut_body_at = 3;
    } else if (strcmp(asked->path, "/hold") == 0) {
        out->hold = true;
    } else if (strcmp(asked->path, "/there") == 0 || strcmp(asked->path, "/file") == 0 ||
               strcmp(asked->path, "/circle") == 0) {
        out->status = 302;
        snprintf(location, sizeof(location), "Location: %s\r\n",
                 asked->path[1] == 't'   ? "/long"
                 : asked->path[1] == 'f' ? "file:///etc/passwd"
                                         : "/circle");
        out->headers = location;
    } else {
        out->headers = "X-One: 1\r\nX-Two: 2\r\n";
        out->body = strdup("ok");
    }
}

static const char *at(const char *path)
{
    snprintf(url, sizeof(url), "%s%s", fake_server_url(server), path);
    return url;
}

static void begin(void)
{
    server = fake_server_start(answer, NULL);
    ck_assert_int_eq(taskq__http_open(NULL, NULL, &http, NULL), TASKQ_OK);
    taskq__http_reply_init(&reply);
    request = (taskq__http_request)TASKQ__HTTP_REQUEST_INIT;
}

static void end(void)
{
    taskq__http_reply_clear(&reply);
    taskq__http_close(http);
    fake_server_stop(server);
}

static taskq__http_class call(const char *to)
{
    request.url = to;
    ck_assert_int_eq(taskq__http_call(http, &request, &reply, NULL), TASKQ_OK);
    return reply.class;
}

START_TEST(an_answer_has_status_headers_and_body)
{
    ck_assert_int_eq(call(at("/")), TASKQ__HTTP_OK);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_str_eq(reply.body.data, "ok");
    ck_assert_str_eq(taskq__http_reply_header(&reply, "x-two")->value.data, "2");
    ck_assert_ptr_null(taskq__http_reply_header(&reply, "X-Three"));
    ck_assert(reply.sent && !reply.https && !reply.truncated);
}
END_TEST

START_TEST(a_long_body_is_cut_and_is_no_failure)
{
    request.body_bytes_max = 4;
    ck_assert_int_eq(call(at("/long")), TASKQ__HTTP_OK);
    ck_assert_str_eq(reply.body.data, "0123");
    ck_assert(reply.truncated);
    request.body_bytes_max = 10;
    ck_assert_int_eq(call(at("/long")), TASKQ__HTTP_OK);
    ck_assert(!reply.truncated);
}
END_TEST

START_TEST(a_redirect_is_followed_only_where_it_was_asked_for)
{
    ck_assert_int_eq(call(at("/there")), TASKQ__HTTP_OK);
    ck_assert_int_eq(reply.status, 302);
    request.redirects_max = 5;
    ck_assert_int_eq(call(at("/there")), TASKQ__HTTP_OK);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_str_eq(reply.body.data, "0123456789");
    ck_assert_int_eq(call(at("/circle")), TASKQ__HTTP_REDIRECTS);
}
END_TEST

START_TEST(a_redirect_to_another_scheme_is_not_followed)
{
    request.redirects_max = 5;
    ck_assert_int_eq(call(at("/file")), TASKQ__HTTP_BAD_SCHEME);
}
END_TEST

START_TEST(a_url_is_absolute_and_of_http)
{
    ck_assert_int_eq(call("ftp://127.0.0.1/"), TASKQ__HTTP_BAD_SCHEME);
    ck_assert_int_eq(call("file:///etc/passwd"), TASKQ__HTTP_BAD_SCHEME);
    ck_assert_int_eq(call("127.0.0.1/x"), TASKQ__HTTP_BAD_URL);
    ck_assert_int_eq(call("http://a b/"), TASKQ__HTTP_BAD_URL);
    ck_assert_int_eq(call(""), TASKQ__HTTP_BAD_URL);
    ck_assert_int_eq(call("http://127.0.0.1:99999/"), TASKQ__HTTP_BAD_URL);
}
END_TEST

static bool refuse(void *user, const char *host, const struct sockaddr *address, socklen_t size)
{
    (void)size;
    (*(unsigned *)user)++;
    return address->sa_family != AF_INET || strcmp(host, "127.0.0.1") != 0;
}

START_TEST(an_address_that_the_policy_refuses_is_not_connected_to)
{
    unsigned asked = 0;
    request.allow = refuse;
    request.user = &asked;
    ck_assert_int_eq(call(at("/")), TASKQ__HTTP_REFUSED);
    ck_assert_uint_eq(asked, 1);
    ck_assert(!reply.sent);
    ck_assert_uint_eq(fake_server_count(server, NULL), 0);
}
END_TEST

START_TEST(nobody_listening_is_no_connection_and_nothing_was_sent)
{
    char nobody[64];
    fake_nobody(nobody);
    ck_assert_int_eq(call(nobody), TASKQ__HTTP_NO_CONNECT);
    ck_assert(!reply.sent);
    ck_assert_uint_gt(strlen(reply.text), 0);
}
END_TEST

START_TEST(a_connection_that_ends_before_the_answer_is_broken)
{
    ck_assert_int_eq(call(at("/cut")), TASKQ__HTTP_BROKEN);
    ck_assert(reply.sent);
    ck_assert_int_eq(call(at("/half")), TASKQ__HTTP_BROKEN);
}
END_TEST

START_TEST(an_answer_that_does_not_come_times_out)
{
    request.timeout_ms = 30;
    ck_assert_int_eq(call(at("/hold")), TASKQ__HTTP_TIMED_OUT);
    ck_assert_int_ge(reply.duration_ms, 29);
}
END_TEST

static bool once_it_is_held(void *user)
{
    (void)user;
    return fake_server_held(server) == 1;
}

START_TEST(an_abort_ends_a_call_that_waits)
{
    request.aborted = once_it_is_held;
    ck_assert_int_eq(call(at("/hold")), TASKQ__HTTP_ABORTED);
}
END_TEST

START_TEST(a_wake_descriptor_that_stays_readable_harms_nothing)
{
    request.wake_fd = eventfd(1, EFD_CLOEXEC);
    request.aborted = once_it_is_held;
    ck_assert_int_eq(call(at("/hold")), TASKQ__HTTP_ABORTED);
    close(request.wake_fd);
}
END_TEST

START_TEST(a_header_that_could_forge_another_is_refused)
{
    static const char *const bad[] = {"X: 1\r\nY: 2", "nothing", ": empty", "Content-Length: 5",
                                      "Transfer-Encoding: chunked"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        request.headers = &bad[i];
        request.header_count = 1;
        request.url = at("/");
        ck_assert_int_eq(taskq__http_call(http, &request, &reply, NULL), TASKQ_EINVAL);
    }
    ck_assert_uint_eq(fake_server_count(server, NULL), 0);
}
END_TEST

START_TEST(a_method_and_a_body_are_sent_as_they_are)
{
    static const char *const headers[] = {"X-Empty:", "Content-Type: text/plain"};
    request.method = "PATCH";
    request.headers = headers;
    request.header_count = 2;
    request.body = TASKQ_TEXT("hello");
    ck_assert_int_eq(call(at("/")), TASKQ__HTTP_OK);
    char *body = fake_server_body(server, "/", 0), *sent = fake_server_headers(server, "/", 0);
    ck_assert_str_eq(body, "hello");
    ck_assert_ptr_nonnull(strstr(sent, "X-Empty:"));
    ck_assert_ptr_nonnull(strstr(sent, "Content-Length: 5"));
    ck_assert_ptr_null(strstr(sent, "Expect:"));
    free(body);
    free(sent);
}
END_TEST

START_TEST(a_proxy_of_the_environment_is_not_asked)
{
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    ck_assert_int_eq(call(at("/")), TASKQ__HTTP_OK);
    unsetenv("http_proxy");
}
END_TEST

TASKQ_TESTS_WITH(begin, end, an_answer_has_status_headers_and_body, a_long_body_is_cut_and_is_no_failure,
                 a_redirect_is_followed_only_where_it_was_asked_for, a_redirect_to_another_scheme_is_not_followed,
                 a_url_is_absolute_and_of_http, an_address_that_the_policy_refuses_is_not_connected_to,
                 nobody_listening_is_no_connection_and_nothing_was_sent,
                 a_connection_that_ends_before_the_answer_is_broken, an_answer_that_does_not_come_times_out,
                 an_abort_ends_a_call_that_waits, a_wake_descriptor_that_stays_readable_harms_nothing,
                 a_header_that_could_forge_another_is_refused, a_method_and_a_body_are_sent_as_they_are,
                 a_proxy_of_the_environment_is_not_asked)
