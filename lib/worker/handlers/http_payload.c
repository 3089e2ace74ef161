/* SPDX-License-Identifier: MIT */
/*
 * Reading the payload of an `http` job. A payload comes from outside: a header must not be able to smuggle a second request, and the
 * headers that frame a message are not the payload's to set.
 */
#include "worker/handlers/http_payload.h"

#include "core/fail.h"
#include "core/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define RESPONSE_BYTES_DEFAULT 65536
#define RESPONSE_BYTES_MAX (512 << 10) /* more would not fit into a report once it is base64 */
#define HEADER_BYTES_MAX 8192
#define TIMEOUT_MS_DEFAULT 30000

static bool is_token(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        bool letter_or_digit = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        if (!letter_or_digit && strchr("!#$%&'*+-.^_`|~", *c) == NULL) {
            return false;
        }
    }
    return text[0] != '\0' && strlen(text) <= TASKQ_NAME_BYTES_MAX;
}

static bool is_header_value(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f) {
            return false;
        }
    }
    return strlen(text) <= HEADER_BYTES_MAX;
}

static bool is_framing(const char *name)
{
    static const char *const names[] = {
        "content-length", "transfer-encoding", "connection", "keep-alive",       "te",
        "trailer",        "upgrade",           "expect",     "proxy-connection", "host",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcasecmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static taskq_status add_header(taskq__http_payload *out, const char *name, const char *value, taskq_error *err)
{
    size_t size = strlen(name) + strlen(value) + 3;
    char *line = taskq_arena_alloc(out->arena, size);
    if (line == NULL) {
        return taskq__fail_memory(err);
    }
    snprintf(line, size, "%s: %s", name, value);
    out->headers[out->header_count++] = line;
    return TASKQ_OK;
}

/* "http:///x": libcurl would take the path's first segment for the host. */
static bool has_empty_host(const char *url)
{
    const char *colon = strchr(url, ':');
    if (colon == NULL || strspn(colon + 1, "/") < 2) {
        return false; /* not of this form: the transport says what it is */
    }
    return strspn(colon + 1, "/") > 2 || colon[3] == '\0' || strchr("?#", colon[3]) != NULL;
}

static bool has_header(const taskq__value *headers, const char *name)
{
    for (const taskq__value *h = headers == NULL ? NULL : taskq__value_first(headers); h != NULL;
         h = taskq__value_next(h)) {
        if (strcasecmp(taskq__value_key(h), name) == 0) {
            return true;
        }
    }
    return false;
}

static taskq_status read_headers(const taskq__value *headers, taskq__http_payload *out, taskq_error *err)
{
    if (taskq__value_kind_of(headers) != TASKQ__VALUE_OBJECT) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/headers", "must be an object of strings");
    }
    if (taskq__value_count(headers) > TASKQ__HTTP_HEADERS_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/headers", "holds more than %d headers", TASKQ__HTTP_HEADERS_MAX);
    }
    for (const taskq__value *h = taskq__value_first(headers); h != NULL; h = taskq__value_next(h)) {
        const char *name = taskq__value_key(h), *value = taskq__value_as_string(h);
        if (!is_token(name) || value == NULL || !is_header_value(value)) {
            return taskq__fail_field(err, TASKQ_EINVAL, "/headers",
                                     "\"%.100s\" is no header: a name of letters, digits and '-', and a "
                                     "string without control characters",
                                     name);
        }
        if (is_framing(name)) {
            return taskq__fail_field(err, TASKQ_EINVAL, "/headers", "\"%.100s\" is set by the worker itself", name);
        }
        taskq_status status = add_header(out, name, value, err);
        if (status != TASKQ_OK) {
            return status;
        }
    }
    return TASKQ_OK;
}

static taskq_status read_expected(const taskq__value *list, taskq__http_payload *out, taskq_error *err)
{
    bool is_list = taskq__value_kind_of(list) == TASKQ__VALUE_ARRAY;
    size_t count = is_list ? taskq__value_count(list) : 0;
    if (count == 0 || count > TASKQ__HTTP_EXPECT_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/expect_status", "must be a list of 1 to %d numbers",
                                 TASKQ__HTTP_EXPECT_MAX);
    }
    for (const taskq__value *v = taskq__value_first(list); v != NULL; v = taskq__value_next(v)) {
        int64_t number = 0;
        if (!taskq__value_as_int(v, 100, 599, &number)) {
            return taskq__fail_field(err, TASKQ_EINVAL, "/expect_status", "must hold numbers from 100 to 599");
        }
        out->expect[out->expect_count++] = (int32_t)number;
    }
    return TASKQ_OK;
}

static taskq_status read_body(const taskq__value *payload, taskq__http_payload *out, bool *is_json, taskq_error *err)
{
    const taskq__value *body = taskq__value_member(payload, "body");
    *is_json = false;
    if (body == NULL || taskq__value_kind_of(body) == TASKQ__VALUE_NULL) {
        return TASKQ_OK;
    }
    if (taskq__value_kind_of(body) != TASKQ__VALUE_STRING) { /* as such: the very text, not what a parser makes of it */
        out->body = taskq__doc_span(out->doc, "body");
        *is_json = true;
        return TASKQ_OK;
    }
    const char *text = NULL;
    taskq_status status = taskq__value_string(payload, "body", true, NULL, &text, err);
    out->body = taskq_text_of(text);
    return status;
}

/* What every call carries, unless the payload names its own. */
static taskq_status add_own_headers(const taskq_job *job, const taskq__value *given, bool json_body,
                                    taskq__http_payload *out, taskq_error *err)
{
    char text[80];
    taskq_status status = TASKQ_OK;
    if (out->body.data != NULL && !has_header(given, "Content-Type")) {
        status = add_header(out, "Content-Type", json_body ? "application/json" : "text/plain; charset=utf-8", err);
    }
    if (status == TASKQ_OK && !has_header(given, "Idempotency-Key")) {
        snprintf(text, sizeof(text), "taskq-%" PRId64 "-%" PRId64, job->id, job->created_at_ms);
        status = add_header(out, "Idempotency-Key", text, err);
    }
    if (status == TASKQ_OK && !has_header(given, "Taskq-Attempt")) {
        snprintf(text, sizeof(text), "%" PRId32, job->attempt);
        status = add_header(out, "Taskq-Attempt", text, err);
    }
    if (status == TASKQ_OK && job->traceparent.size > 0 && job->traceparent.size < sizeof(text) &&
        !has_header(given, "traceparent")) {
        snprintf(text, sizeof(text), "%.*s", (int)job->traceparent.size, job->traceparent.data);
        status = add_header(out, "traceparent", text, err);
    }
    return status;
}

static taskq_status read_numbers(const taskq__value *payload, taskq__http_payload *out, taskq_error *err)
{
    int64_t bytes = 0;
    taskq_status status = taskq__value_int(payload, "timeout_ms", false, TIMEOUT_MS_DEFAULT, 1, TASKQ_TIMEOUT_MS_MAX,
                                           &out->timeout_ms, err);
    if (status == TASKQ_OK) {
        status =
            taskq__value_int(payload, "max_response_bytes", false, RESPONSE_BYTES_DEFAULT, 0, INT32_MAX, &bytes, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__value_bool(payload, "follow_redirects", true, &out->follow_redirects, err);
    }
    out->response_bytes_max = (size_t)(bytes < RESPONSE_BYTES_MAX ? bytes : RESPONSE_BYTES_MAX);
    return status;
}

taskq_status taskq__http_payload_read(const taskq_allocator *a, const taskq_job *job, taskq__http_payload *out,
                                      taskq_error *err)
{
    static const char *const fields[] = {
        "method", "url", "headers", "body", "timeout_ms", "expect_status", "follow_redirects", "max_response_bytes",
        NULL,
    };
    memset(out, 0, sizeof(*out));
    out->arena = taskq__arena_new(a, 0);
    if (out->arena == NULL) {
        return taskq__fail_memory(err);
    }
    taskq_status status = taskq__doc_parse(a, job->payload, &out->doc, err);
    if (status != TASKQ_OK) {
        return status;
    }
    const taskq__value *payload = taskq__doc_root(out->doc);
    bool json_body = false;
    if ((status = taskq__value_only(payload, fields, err)) != TASKQ_OK ||
        (status = taskq__value_string(payload, "method", false, "GET", &out->method, err)) != TASKQ_OK ||
        (status = taskq__value_string(payload, "url", true, NULL, &out->url, err)) != TASKQ_OK ||
        (status = read_numbers(payload, out, err)) != TASKQ_OK ||
        (status = read_body(payload, out, &json_body, err)) != TASKQ_OK) {
        return status;
    }
    if (has_empty_host(out->url)) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/url", "names no host");
    }
    if (!is_token(out->method)) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/method", "is no HTTP method");
    }
    const taskq__value *headers = taskq__value_member(payload, "headers");
    const taskq__value *expected = taskq__value_member(payload, "expect_status");
    if (headers != NULL) {
        status = read_headers(headers, out, err);
    }
    if (status == TASKQ_OK && expected != NULL) {
        status = read_expected(expected, out, err);
    }
    return status == TASKQ_OK ? add_own_headers(job, headers, json_body, out, err) : status;
}

void taskq__http_payload_clear(taskq__http_payload *payload)
{
    taskq__doc_free(payload->doc);
    taskq__arena_free(payload->arena);
    memset(payload, 0, sizeof(*payload));
}

bool taskq__http_payload_expects(const taskq__http_payload *payload, int32_t status)
{
    for (uint32_t i = 0; i < payload->expect_count; i++) {
        if (payload->expect[i] == status) {
            return true;
        }
    }
    return payload->expect_count == 0 && status >= 200 && status <= 299;
}
