/* SPDX-License-Identifier: MIT */
/*
 * The head of a request, held to stricter rules than civetweb has: what two HTTP programs in a row could read in two ways (which
 * length counts, which Host) is refused, so that nothing can be smuggled past a proxy. Pure: it sees only the parsed head.
 */
#include "core/text.h"
#include "server/front.h"
#include "server/problem.h"

#include <string.h>
#include <strings.h>

taskq_text taskq__request_header(const taskq__request *request, const char *name)
{
    size_t size = strlen(name);
    for (uint32_t i = 0; i < request->header_count; i++) {
        const taskq__pair *header = &request->headers[i];
        if (header->name.size == size && strncasecmp(header->name.data, name, size) == 0) {
            return header->value;
        }
    }
    return (taskq_text){NULL, 0};
}

uint32_t taskq__request_header_count(const taskq__request *request, const char *name)
{
    size_t size = strlen(name);
    uint32_t count = 0;
    for (uint32_t i = 0; i < request->header_count; i++) {
        const taskq__pair *header = &request->headers[i];
        count += header->name.size == size && strncasecmp(header->name.data, name, size) == 0;
    }
    return count;
}

taskq_text taskq__trimmed(taskq_text text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = (taskq_text){text.data + 1, text.size - 1};
    }
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t')) {
        text.size--;
    }
    return text;
}

static bool equal_ignoring_case(taskq_text text, const char *word)
{
    return text.size == strlen(word) && strncasecmp(text.data, word, text.size) == 0;
}

static bool is_token(taskq_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool letter_or_digit = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!letter_or_digit && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL)) {
            return false;
        }
    }
    return text.size > 0;
}

/* Those of which the first would count for one reader and the last for another. */
static const char *const single_headers[] = {
    "Host",   "Content-Length", "Transfer-Encoding", "Content-Type", "Authorization", "Expect", "Idempotency-Key",
    "Origin", "Traceparent",    "X-Request-Id",
};

static bool check_headers(const taskq__request *request, taskq__reply *reply)
{
    for (size_t i = 0; i < sizeof(single_headers) / sizeof(single_headers[0]); i++) {
        if (taskq__request_header_count(request, single_headers[i]) > 1) {
            taskq__reply_problem(reply, TASKQ__PROBLEM_BAD_REQUEST, NULL, "more than one %s header", single_headers[i]);
            return false;
        }
    }
    for (uint32_t i = 0; i < request->header_count; i++) {
        if (!is_token(request->headers[i].name)) {
            taskq__reply_problem(reply, TASKQ__PROBLEM_BAD_REQUEST, NULL,
                                 "a header's name has a character that none may have");
            return false;
        }
    }
    if (taskq__request_header(request, "Host").size == 0) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_BAD_REQUEST, NULL, "the Host header is missing");
        return false;
    }
    taskq_text expect = taskq__request_header(request, "Expect");
    if (expect.data != NULL && !equal_ignoring_case(expect, "100-continue")) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_BAD_REQUEST, NULL, "the only Expect that is known is 100-continue");
        return false;
    }
    return true;
}

bool taskq__head_check(const taskq__request *request, size_t body_bytes_max, taskq__framing *out, taskq__reply *reply)
{
    if (!check_headers(request, reply)) {
        return false;
    }
    taskq_text length = taskq__request_header(request, "Content-Length");
    taskq_text encoding = taskq__request_header(request, "Transfer-Encoding");
    *out = (taskq__framing){false, 0};
    if (encoding.data != NULL) {
        if (length.data != NULL || request->http_1_0 || !equal_ignoring_case(encoding, "chunked")) {
            taskq__reply_problem(reply, TASKQ__PROBLEM_BAD_REQUEST, NULL,
                                 "Transfer-Encoding must be chunked, alone, and without a Content-Length");
            return false;
        }
        out->chunked = true;
        return true;
    }
    if (length.data == NULL) {
        return true;
    }
    bool digits = length.size > 0;
    for (size_t i = 0; i < length.size; i++) {
        digits = digits && length.data[i] >= '0' && length.data[i] <= '9';
    }
    if (!digits) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_BAD_REQUEST, NULL, "Content-Length must be a number");
        return false;
    }
    int64_t number;
    if (taskq__parse_int64(length, 0, (int64_t)body_bytes_max, &number) != TASKQ_OK) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_TOO_LARGE, NULL, "a body may have %zu bytes", body_bytes_max);
        return false;
    }
    out->length = (size_t)number;
    return true;
}

bool taskq__head_keeps_alive(const taskq__request *request)
{
    taskq_text rest = taskq__request_header(request, "Connection");
    taskq_text word;
    bool keep = false;
    bool given = rest.data != NULL;
    while (given && taskq__text_next_of_list(&rest, &word)) {
        word = taskq__trimmed(word);
        if (equal_ignoring_case(word, "close")) {
            return false;
        }
        keep = keep || equal_ignoring_case(word, "keep-alive");
    }
    return given ? keep : !request->http_1_0; /* civetweb, too, reads any other option as a no */
}
