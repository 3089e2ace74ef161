/* SPDX-License-Identifier: MIT */
/* What an http job's payload may say, what it may not, and what is sent although it does not say it. */
#include "worker/handlers/http_payload.h"

#include "core/text.h"

#include "support/check_main.h"

#include <string.h>

static taskq__http_payload payload;
static taskq_error err;

static taskq_status read_payload(const char *json)
{
    taskq_job job = {.id = 42, .attempt = 3, .created_at_ms = 1700000000123, .payload = taskq_text_of(json)};
    job.traceparent = taskq_text_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    memset(&err, 0, sizeof(err));
    taskq__http_payload_clear(&payload);
    return taskq__http_payload_read(NULL, &job, &payload, &err);
}

static void forget(void)
{
    taskq__http_payload_clear(&payload);
}

static bool sends(const char *line)
{
    for (uint32_t i = 0; i < payload.header_count; i++) {
        if (strcmp(payload.headers[i], line) == 0) {
            return true;
        }
    }
    return false;
}

START_TEST(defaults_are_a_get_with_the_jobs_own_headers)
{
    ck_assert_int_eq(read_payload("{\"url\": \"http://example.com/\"}"), TASKQ_OK);
    ck_assert_str_eq(payload.method, "GET");
    ck_assert_int_eq(payload.timeout_ms, 30000);
    ck_assert_uint_eq(payload.response_bytes_max, 65536);
    ck_assert(payload.follow_redirects);
    ck_assert_ptr_null(payload.body.data);
    ck_assert(sends("Idempotency-Key: taskq-42-1700000000123"));
    ck_assert(sends("Taskq-Attempt: 3"));
    ck_assert(sends("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
}
END_TEST

START_TEST(the_payload_may_name_another_idempotency_key)
{
    ck_assert_int_eq(read_payload("{\"url\": \"http://e/\", \"headers\": {\"idempotency-key\": \"mine\"}}"), TASKQ_OK);
    ck_assert(sends("idempotency-key: mine"));
    ck_assert(!sends("Idempotency-Key: taskq-42-1700000000123"));
}
END_TEST

START_TEST(a_json_body_is_sent_as_the_very_text)
{
    ck_assert_int_eq(read_payload("{\"url\": \"http://e/\", \"body\": {\"n\":9007199254740993,  \"a\": 1e400}}"),
                     TASKQ_OK);
    ck_assert(taskq__text_is(payload.body, "{\"n\":9007199254740993,  \"a\": 1e400}"));
    ck_assert(sends("Content-Type: application/json"));
}
END_TEST

START_TEST(a_string_body_is_sent_as_its_characters)
{
    ck_assert_int_eq(
        read_payload("{\"url\": \"http://e/\", \"body\": \"a\\nb\", \"headers\": {\"Content-Type\": \"text/csv\"}}"),
        TASKQ_OK);
    ck_assert(taskq__text_is(payload.body, "a\nb"));
    ck_assert(sends("Content-Type: text/csv"));
    ck_assert(!sends("Content-Type: text/plain; charset=utf-8"));
}
END_TEST

START_TEST(expected_statuses_are_two_hundreds_unless_listed)
{
    ck_assert_int_eq(read_payload("{\"url\": \"http://e/\"}"), TASKQ_OK);
    ck_assert(taskq__http_payload_expects(&payload, 200) && taskq__http_payload_expects(&payload, 299));
    ck_assert(!taskq__http_payload_expects(&payload, 199) && !taskq__http_payload_expects(&payload, 300));
    ck_assert_int_eq(read_payload("{\"url\": \"http://e/\", \"expect_status\": [404, 200]}"), TASKQ_OK);
    ck_assert(taskq__http_payload_expects(&payload, 404) && !taskq__http_payload_expects(&payload, 201));
}
END_TEST

START_TEST(what_is_wrong_is_named)
{
    static const char *const cases[][2] = {
        {"{}", "/url"},
        {"{\"url\": 1}", "/url"},
        {"{\"url\": \"http:///x\"}", "/url"},
        {"{\"url\": \"https://\"}", "/url"},
        {"{\"url\": \"http://?q\"}", "/url"},
        {"{\"url\": \"http://e/\", \"urll\": 1}", "/urll"},
        {"{\"url\": \"http://e/\", \"method\": \"GE T\"}", "/method"},
        {"{\"url\": \"http://e/\", \"method\": \"\"}", "/method"},
        {"{\"url\": \"http://e/\", \"timeout_ms\": 0}", "/timeout_ms"},
        {"{\"url\": \"http://e/\", \"timeout_ms\": 1.5}", "/timeout_ms"},
        {"{\"url\": \"http://e/\", \"expect_status\": []}", "/expect_status"},
        {"{\"url\": \"http://e/\", \"expect_status\": [99]}", "/expect_status"},
        {"{\"url\": \"http://e/\", \"follow_redirects\": 1}", "/follow_redirects"},
        {"{\"url\": \"http://e/\", \"max_response_bytes\": -1}", "/max_response_bytes"},
        {"{\"url\": \"http://e/\", \"headers\": []}", "/headers"},
        {"{\"url\": \"http://e/\", \"headers\": {\"a b\": \"x\"}}", "/headers"},
        {"{\"url\": \"http://e/\", \"headers\": {\"A\": \"x\\r\\nB: y\"}}", "/headers"},
        {"{\"url\": \"http://e/\", \"headers\": {\"A\": 1}}", "/headers"},
        {"{\"url\": \"http://e/\", \"headers\": {\"Content-Length\": \"5\"}}", "/headers"},
        {"{\"url\": \"http://e/\", \"headers\": {\"hOst\": \"other\"}}", "/headers"},
        {"{\"url\": \"http://e/\", \"headers\": {\"transfer-encoding\": \"chunked\"}}", "/headers"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_msg(read_payload(cases[i][0]) == TASKQ_EINVAL, "%s is taken", cases[i][0]);
        ck_assert_msg(strcmp(err.field, cases[i][1]) == 0, "%s names %s", cases[i][0], err.field);
    }
}
END_TEST

TASKQ_TESTS_WITH(NULL, forget, defaults_are_a_get_with_the_jobs_own_headers,
                 the_payload_may_name_another_idempotency_key, a_json_body_is_sent_as_the_very_text,
                 a_string_body_is_sent_as_its_characters, expected_statuses_are_two_hundreds_unless_listed,
                 what_is_wrong_is_named)
