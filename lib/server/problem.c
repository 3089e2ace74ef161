/* SPDX-License-Identifier: MIT */
/*
 * What went wrong, in the one form that every client can rely on. The table below is the only place that knows which
 * status of the library is which of HTTP, so an endpoint never picks a number of its own.
 */
#include "server/problem.h"

#include "core/text.h"
#include "wire/emit.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct problem_kind {
    const char *slug, *title;
    int status;
} problem_kind;

static const problem_kind problem_kinds[] = {
    [TASKQ__PROBLEM_MALFORMED_JSON] = {"malformed-json", "The body cannot be read", 400},
    [TASKQ__PROBLEM_BAD_REQUEST] = {"bad-request", "The request cannot be understood", 400},
    [TASKQ__PROBLEM_UNAUTHORIZED] = {"unauthorized", "A valid token is needed", 401},
    [TASKQ__PROBLEM_FORBIDDEN] = {"forbidden", "This is not allowed", 403},
    [TASKQ__PROBLEM_NOT_FOUND] = {"not-found", "There is no such thing", 404},
    [TASKQ__PROBLEM_METHOD_NOT_ALLOWED] = {"method-not-allowed", "This method does not apply here", 405},
    [TASKQ__PROBLEM_REQUEST_TIMEOUT] = {"request-timeout", "The request took too long to arrive", 408},
    [TASKQ__PROBLEM_CONFLICT] = {"conflict", "The state of the job forbids it", 409},
    [TASKQ__PROBLEM_STALE_VERSION] = {"stale-version", "The lease is lost", 409},
    [TASKQ__PROBLEM_TOO_LARGE] = {"too-large", "The body is too large", 413},
    [TASKQ__PROBLEM_UNSUPPORTED_MEDIA_TYPE] = {"unsupported-media-type", "The body must be application/json", 415},
    [TASKQ__PROBLEM_MISDIRECTED] = {"misdirected", "This server does not answer for that host", 421},
    [TASKQ__PROBLEM_INVALID] = {"invalid", "The request is not valid", 422},
    [TASKQ__PROBLEM_TOO_MANY_REQUESTS] = {"too-many-requests", "Too many requests", 429},
    [TASKQ__PROBLEM_HEADERS_TOO_LARGE] = {"headers-too-large", "The header fields are too large", 431},
    [TASKQ__PROBLEM_INTERNAL] = {"internal", "Something went wrong in the server", 500},
    [TASKQ__PROBLEM_UNAVAILABLE] = {"unavailable", "Not possible right now, try again", 503},
};

static taskq__problem problem_of(taskq_status status)
{
    switch (status) {
    case TASKQ_OK: break;
    case TASKQ_EINVAL:
    case TASKQ_EEXISTS: return TASKQ__PROBLEM_INVALID;
    case TASKQ_ESYNTAX: return TASKQ__PROBLEM_MALFORMED_JSON;
    case TASKQ_ENOTFOUND: return TASKQ__PROBLEM_NOT_FOUND;
    case TASKQ_ECONFLICT: return TASKQ__PROBLEM_CONFLICT;
    case TASKQ_ESTALE: return TASKQ__PROBLEM_STALE_VERSION;
    case TASKQ_EDENIED: return TASKQ__PROBLEM_FORBIDDEN;
    case TASKQ_ENOMEM:
    case TASKQ_ELIMIT:
    case TASKQ_EBUSY:
    case TASKQ_EUNAVAIL:
    case TASKQ_EUNKNOWN:
    case TASKQ_ESTORE:
    case TASKQ_ETIMEDOUT:
    case TASKQ_ECANCELED: return TASKQ__PROBLEM_UNAVAILABLE;
    case TASKQ_EPROTO: break;
    }
    return TASKQ__PROBLEM_INTERNAL;
}

int taskq__http_status(taskq_status status)
{
    return status == TASKQ_OK ? 200 : problem_kinds[problem_of(status)].status;
}

void taskq__reply_header(taskq__reply *reply, const char *name, taskq_text value)
{
    if (reply->header_count < TASKQ__REPLY_HEADERS_MAX) {
        reply->headers[reply->header_count++] = (taskq__pair){taskq_text_of(name), value};
    }
}

taskq__buf *taskq__reply_json(taskq__reply *reply, int status)
{
    reply->status = status;
    reply->content_type = "application/json";
    taskq__buf_rewind(&reply->body);
    return &reply->body;
}

void taskq__reply_empty(taskq__reply *reply, int status)
{
    reply->status = status;
    reply->content_type = NULL;
    taskq__buf_rewind(&reply->body);
}

static void write_problem(taskq__reply *reply, taskq__problem problem, const char *field, taskq_text detail)
{
    const problem_kind *kind = &problem_kinds[problem];
    taskq__buf *body = taskq__reply_json(reply, kind->status);
    reply->content_type = "application/problem+json";
    taskq__emit_open(body, '{');
    taskq__emit_key(body, "type");
    taskq__buf_add_string(body, "\"urn:taskq:problem:");
    taskq__buf_add_string(body, kind->slug);
    taskq__buf_add_char(body, '"');
    taskq__emit_key(body, "title");
    taskq__emit_string(body, taskq_text_of(kind->title));
    taskq__emit_key(body, "status");
    taskq__emit_int(body, kind->status);
    taskq__emit_key(body, "detail");
    taskq__emit_string(body, detail);
    if (field != NULL && field[0] != '\0') {
        taskq__emit_key(body, "field");
        taskq__emit_string(body, taskq_text_of(field));
    }
    taskq__emit_close(body, '}');
    if (kind->status == 429 || kind->status == 503) {
        taskq__reply_header(reply, "Retry-After", TASKQ_TEXT("1"));
    }
}

void taskq__reply_problem(taskq__reply *reply, taskq__problem problem, const char *field, const char *format, ...)
{
    char detail[TASKQ_ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof(detail), format, arguments);
    va_end(arguments);
    write_problem(reply, problem, field, taskq_text_of(detail));
}

/* What a client may know of a failure that it cannot help. */
static const char *general_detail(taskq_status status)
{
    switch (status) {
    case TASKQ_ECANCELED: return "the server is shutting down";
    case TASKQ_EUNKNOWN: return "it may have happened: repeat the request with the same Idempotency-Key or version";
    case TASKQ_ELIMIT: return "too many requests wait already";
    case TASKQ_ENOMEM: return "the server is short of memory";
    case TASKQ_EBUSY:
    case TASKQ_ETIMEDOUT: return "the store is busy";
    case TASKQ_EUNAVAIL:
    case TASKQ_ESTORE: return "the store does not take anything right now";
    default: return "the server's log says more under this request's id";
    }
}

void taskq__reply_failure(taskq__reply *reply, taskq_status status, const taskq_error *err)
{
    taskq__problem problem = problem_of(status);
    if (problem_kinds[problem].status >= 500) {
        snprintf(reply->fault, sizeof(reply->fault), "%s: %.400s", taskq_status_name(status), err->text);
        write_problem(reply, problem, NULL, taskq_text_of(general_detail(status)));
        return;
    }
    const char *text = err->text[0] != '\0' ? err->text : problem_kinds[problem].title;
    write_problem(reply, problem, err->field, taskq_text_of(text));
}
