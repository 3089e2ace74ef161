/* SPDX-License-Identifier: MIT */
/*
 * HTTP for the worker half, in two forms over one set of rules: http and https only, certificates verified, no proxy from the
 * environment, no signals. The asynchronous form (taskq__transport) never waits and shows one descriptor, for the worker's core; the
 * blocking form (taskq__http) is for the public client and for handlers.
 */
#ifndef TASKQ_WORKER_TRANSPORT_H
#define TASKQ_WORKER_TRANSPORT_H

#include "core/arena.h"
#include "core/buf.h"

#include <sys/socket.h>

/* What became of a request. Only TASKQ__HTTP_OK means that there is an HTTP status. */
typedef enum taskq__http_class {
    TASKQ__HTTP_OK = 0,
    TASKQ__HTTP_BAD_URL,    /* malformed */
    TASKQ__HTTP_BAD_SCHEME, /* neither http nor https, after a redirect too */
    TASKQ__HTTP_REFUSED,    /* the address policy said no */
    TASKQ__HTTP_REDIRECTS,  /* more of them than were allowed */
    TASKQ__HTTP_NO_CONNECT, /* no such host, no connection, no TLS: nothing was sent */
    TASKQ__HTTP_TIMED_OUT,
    TASKQ__HTTP_ABORTED,   /* the caller's `aborted` said so */
    TASKQ__HTTP_BROKEN,    /* the connection ended, or what came was no HTTP */
    TASKQ__HTTP_TOO_LARGE, /* the asynchronous form: the answer is above its bound */
    TASKQ__HTTP_NO_MEMORY
} taskq__http_class;

const char *taskq__http_class_name(taskq__http_class class); /* a short phrase for messages */

/* Who we are, for every request of a transport or of a blocking handle. Everything is copied. */
typedef struct taskq__http_identity {
    const char *token;     /* bearer token; NULL: none */
    const char *ca_file;   /* PEM; NULL: the system's authorities */
    const char *cert_file; /* PEM; NULL: none */
    const char *key_file;
} taskq__http_identity;

/* ---- the blocking form --------------------------------------------------------------------------------------------------
 * A handle keeps its connections for the next call. Threads: one at a time. */

typedef struct taskq__http taskq__http;

/* `a` is borrowed until the handle is closed and its replies are cleared; `identity` may be NULL. EUNAVAIL: the HTTP library cannot be set up; ENOMEM. */
taskq_status taskq__http_open(const taskq_allocator *a, const taskq__http_identity *identity, taskq__http **out,
                              taskq_error *err);
void taskq__http_close(taskq__http *http); /* NULL is fine */

typedef struct taskq__http_request {
    const char *method; /* "GET"; a token: letters and '-' */
    const char *url;
    const char *const *headers; /* "Name: value"; EINVAL: a line break in one, Content-Length, Transfer-Encoding */
    uint32_t header_count;
    taskq_text body;            /* sent where data is not NULL, size 0 included */
    int64_t timeout_ms;         /* of the whole call, redirects included; at least 1 */
    int64_t connect_timeout_ms; /* 0: none but timeout_ms */
    uint32_t redirects_max;     /* 0: a redirect is an answer like any other */
    size_t body_bytes_max;      /* what is longer is cut and the transfer ended there: `truncated` */
    /* Asked with the address that is about to be connected to, on every hop, and with the host in that hop's URL, as ASCII (NULL where
     * it cannot be told). NULL: every address is fine. */
    bool (*allow)(void *user, const char *host, const struct sockaddr *address, socklen_t size);
    /* Asked at least every 100 ms, and as soon as wake_fd is readable. NULL: nobody aborts. */
    bool (*aborted)(void *user);
    int wake_fd; /* -1: none */
    void *user;
} taskq__http_request;
#define TASKQ__HTTP_REQUEST_INIT                                                  \
    {                                                                             \
        "GET", NULL, NULL, 0, {NULL, 0}, 30000, 0, 0, 65536, NULL, NULL, -1, NULL \
    }

typedef struct taskq__http_header {
    taskq_text name, value;
} taskq__http_header;

typedef struct taskq__http_reply {
    taskq__http_class class;
    int32_t status; /* 100 to 999 where class is OK */
    bool https;     /* the scheme that was used last */
    bool truncated;
    bool sent; /* bytes of the request may have reached the server */
    int64_t duration_ms;
    taskq__buf body;             /* a NUL stands behind it */
    taskq__http_header *headers; /* of the last answer, in order; in the reply's arena */
    uint32_t header_count;
    taskq_arena *arena;
    char text[256]; /* where class is not OK: the reason, for people */
} taskq__http_reply;

void taskq__http_reply_init(taskq__http_reply *reply);
void taskq__http_reply_clear(taskq__http_reply *reply);
/* The first header of that name, in any case; NULL: none. */
const taskq__http_header *taskq__http_reply_header(const taskq__http_reply *reply, const char *name);

/* OK: reply->class says what became of it. EINVAL: method, header or time-out; ENOMEM. `reply` was set up with init, and may be used
 * for several calls one after the other. */
taskq_status taskq__http_call(taskq__http *http, const taskq__http_request *request, taskq__http_reply *reply,
                              taskq_error *err);

/* ---- the asynchronous form --------------------------------------------------------------------------------------------- */

typedef struct taskq__transport taskq__transport;
typedef struct taskq__exchange taskq__exchange; /* one request and its answer; gone when its callback returns */

typedef struct taskq__answer {
    taskq__http_class class;
    int32_t status;         /* 0 where class is not OK */
    int64_t retry_after_ms; /* of a Retry-After; 0: there was none that can be read */
    taskq_text body;        /* borrowed until the callback returns */
    const char *text;       /* the reason where class is not OK */
} taskq__answer;

/* Called from taskq__transport_step only. May send and cancel other exchanges. */
typedef void taskq__answer_fn(void *user, const taskq__answer *answer);

typedef struct taskq__send {
    const char *method;
    const char *base; /* "http://host:7070", with or without a '/' at its end */
    const char *path; /* "/jobs/complete", already escaped */
    taskq_text body;  /* JSON, copied; data NULL: none */
    int64_t timeout_ms, connect_timeout_ms;
    size_t reply_bytes_max;
    taskq__answer_fn *done;
    void *user;
} taskq__send;

/* `a` is borrowed until it is closed. */
taskq_status taskq__transport_open(const taskq_allocator *a, const taskq__http_identity *identity,
                                   taskq__transport **out, taskq_error *err);
/* Unfinished exchanges end without a callback. NULL is fine. */
void taskq__transport_close(taskq__transport *transport);
/* In a forked child: its copies of descriptors go, nothing else is touched. */
void taskq__transport_forked(taskq__transport *transport);
int taskq__transport_fd(const taskq__transport *transport); /* readable: step has something to do */

/* Begins an exchange; nothing waits. `out` may be NULL. */
taskq_status taskq__transport_send(taskq__transport *transport, const taskq__send *send, taskq__exchange **out,
                                   taskq_error *err);
/* Hang up: no callback, the connection is closed. */
void taskq__transport_cancel(taskq__transport *transport, taskq__exchange *exchange);
/* Has any byte of an answer arrived? */
bool taskq__exchange_is_answering(const taskq__exchange *exchange);

/* Sends and reads what can be without waiting, and calls back for what has ended. `next_in_ms`: call again after so long at the latest;
 * -1: only when the descriptor is readable. */
taskq_status taskq__transport_step(taskq__transport *transport, int64_t *next_in_ms, taskq_error *err);

#endif
