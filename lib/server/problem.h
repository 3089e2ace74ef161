/* SPDX-License-Identifier: MIT */
/* Answers of application/problem+json (RFC 9457). The one place where a status of the library becomes one of HTTP. */
#ifndef TASKQ_SERVER_PROBLEM_H
#define TASKQ_SERVER_PROBLEM_H

#include "server/front.h"

typedef enum taskq__problem {
    TASKQ__PROBLEM_MALFORMED_JSON,
    TASKQ__PROBLEM_BAD_REQUEST,
    TASKQ__PROBLEM_UNAUTHORIZED,
    TASKQ__PROBLEM_FORBIDDEN,
    TASKQ__PROBLEM_NOT_FOUND,
    TASKQ__PROBLEM_METHOD_NOT_ALLOWED,
    TASKQ__PROBLEM_REQUEST_TIMEOUT,
    TASKQ__PROBLEM_CONFLICT,
    TASKQ__PROBLEM_STALE_VERSION,
    TASKQ__PROBLEM_TOO_LARGE,
    TASKQ__PROBLEM_UNSUPPORTED_MEDIA_TYPE,
    TASKQ__PROBLEM_MISDIRECTED,
    TASKQ__PROBLEM_INVALID,
    TASKQ__PROBLEM_TOO_MANY_REQUESTS,
    TASKQ__PROBLEM_HEADERS_TOO_LARGE,
    TASKQ__PROBLEM_INTERNAL,
    TASKQ__PROBLEM_UNAVAILABLE
} taskq__problem;

/* The reply becomes this problem, whatever it was before. `field`: a JSON pointer, NULL or "": none. */
void taskq__reply_problem(taskq__reply *reply, taskq__problem problem, const char *field, const char *format, ...)
    TASKQ_PRINTF(4, 5);

/* The same of what the library returned. What a client cannot help stays in reply->fault, for the log. */
void taskq__reply_failure(taskq__reply *reply, taskq_status status, const taskq_error *err);

/* The HTTP status of a status, for the elements of a list; OK is 200. */
int taskq__http_status(taskq_status status);

/* A header of the reply; texts are borrowed until it was written. */
void taskq__reply_header(taskq__reply *reply, const char *name, taskq_text value);

/* An empty JSON reply with this status: the caller writes its body. */
taskq__buf *taskq__reply_json(taskq__reply *reply, int status);
/* A reply without a body. */
void taskq__reply_empty(taskq__reply *reply, int status);

#endif
