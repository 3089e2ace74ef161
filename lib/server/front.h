/* SPDX-License-Identifier: MIT */
/*
 * The border between HTTP and the API: a request that was read whole, a reply that is written whole. Nobody on this side of it sees a
 * connection, so another front, or a test, can stand in for civetweb.
 *
 * A request is offered twice: `admit` sees the head alone and may refuse it before a byte of the body is read; `answer` sees all of it.
 * Threads: both are called from any of the front's threads, each request by one of them. Texts of the request, and what is in its
 * arena, live until the reply was written.
 */
#ifndef TASKQ_SERVER_FRONT_H
#define TASKQ_SERVER_FRONT_H

#include "core/arena.h"
#include "core/buf.h"
#include "server/bounds.h"

#include <stdatomic.h>
#include <taskq/clock.h>
#include <taskq/log.h>

enum {
    TASKQ__HEADERS_MAX = 64,
    TASKQ__REPLY_HEADERS_MAX = 8,
    TASKQ__REQUEST_ID_MAX = 64,
    TASKQ__HEAD_BYTES_MAX = 16384,
    TASKQ__LISTENS_MAX = 16,
    TASKQ__FAULT_BYTES = 512
};

typedef struct taskq__pair {
    taskq_text name, value;
} taskq__pair;

struct taskq__identity;
struct taskq__route;

typedef struct taskq__request {
    taskq_text method, path, query, peer; /* path and query as they came, nothing decoded */
    const taskq__pair *headers;
    uint32_t header_count;
    bool http_1_0;
    taskq_text body; /* size 0: none */
    taskq_arena *arena;
    char request_id[TASKQ__REQUEST_ID_MAX + 1];
    bool (*gone)(void *user); /* has the client hung up? never blocks; NULL: cannot be told */
    void *gone_user;
    bool may_wait;    /* there are threads enough for one that waits */
    int64_t began_ms; /* steady */
    const struct taskq__route *route;
    taskq_text captured;    /* what stands for the route's {id} or {name}, as it came */
    taskq_text certificate; /* the name in the client's certificate; size 0: it showed none */
    taskq_text client;      /* who asks: the peer, or whom a trusted proxy names */
    const struct taskq__identity *who;
    bool client_counted;
    uint32_t json_depth_max; /* 0: as deep as the scanner goes */
    struct {
        taskq_text jobs, queue, action;
        uint32_t count;
    } changed;        /* for the audit */
    uint64_t reloads; /* of the tokens, when `who` was found */
} taskq__request;

typedef struct taskq__reply {
    int status;
    const char *content_type; /* NULL: no body */
    taskq__buf body;
    taskq__pair headers[TASKQ__REPLY_HEADERS_MAX];
    uint32_t header_count;
    bool close;                     /* the connection ends with it */
    bool head_only;                 /* the answer to HEAD */
    taskq__bound bound;             /* which bound it is the answer to */
    char fault[TASKQ__FAULT_BYTES]; /* for the log alone: why it is a 5xx */
} taskq__reply;

/* The value of a header, by name without regard to case; size 0 and data NULL: it has none. */
taskq_text taskq__request_header(const taskq__request *request, const char *name);
uint32_t taskq__request_header_count(const taskq__request *request, const char *name);

/* Without the blanks at both ends. */
taskq_text taskq__trimmed(taskq_text text);

/* How the body is told apart from the next request. */
typedef struct taskq__framing {
    bool chunked;
    size_t length; /* where not chunked */
} taskq__framing;

/* The rules that keep two readers of one byte stream from disagreeing: exactly one Host, at most one of each header that decides
 * something, an unmistakable length. False: `reply` says what is wrong. */
bool taskq__head_check(const taskq__request *request, size_t body_bytes_max, taskq__framing *out, taskq__reply *reply);
/* May the client use the connection again after this request? */
bool taskq__head_keeps_alive(const taskq__request *request);

/* Bytes of a body: > 0 that many; 0: the time is over; -1: the client is gone. Never more than `size`. */
typedef struct taskq__body_source {
    int (*read)(void *user, char *into, size_t size);
    void *user;
} taskq__body_source;
/* OK; ETIMEDOUT; ELIMIT: above the buffer's max; ESYNTAX: broken chunks, or it ended early; ENOMEM. */
taskq_status taskq__body_read_length(const taskq__body_source *source, size_t length, taskq__buf *out);
taskq_status taskq__body_read_chunked(const taskq__body_source *source, taskq__buf *out);
/* The answer to a body that was not to be had. */
void taskq__body_refuse(taskq__reply *reply, taskq_status status, size_t bytes_max);

/* Status line and header fields up to the empty line. */
void taskq__head_write(taskq__buf *head, const taskq__reply *reply, const char *request_id, bool keep_alive,
                       int64_t wall_ms);

/* Both texts in one call to the kernel, within so long in all; false: the client did not take them. */
bool taskq__front_send(int fd, taskq_text first, taskq_text second, const taskq_clock *clock, int64_t wait_ms);

/* Closing while bytes lie unread resets the connection, and the client may never see the answer: say that nothing more comes and take
 * what it still sends, so long at most. */
void taskq__front_linger(int fd, const taskq_clock *clock, int64_t wait_ms);

typedef struct taskq__listen {
    char address[64]; /* "127.0.0.1", "[::1]" */
    uint16_t port;
    bool loopback;
} taskq__listen;
/* "127.0.0.1:7070", "[::1]:0", "localhost:7070". EINVAL. */
taskq_status taskq__listen_parse(const char *text, taskq__listen *out, taskq_error *err);

/* "127.0.0.1:7070,[::1]:0"; each with `suffix` behind it. */
void taskq__listens_join(const taskq__listen *listens, uint32_t count, const char *suffix, char *out, size_t size);

typedef struct taskq__front taskq__front;

typedef struct taskq__front_options {
    const taskq_allocator *allocator; /* borrowed until the front is stopped */
    const taskq__listen *listens;
    uint32_t listen_count;
    uint32_t connections_max;
    size_t body_bytes_max;
    int64_t request_timeout_ms;
    /* Of these 0 is the default, or no bound. */
    uint32_t header_bytes_max, url_bytes_max, address_connections_max, handshakes_max;
    bool loopback_unbound; /* address_connections_max is not for this machine */
    int64_t handshake_timeout_ms;
    const struct taskq__network *trusted; /* proxies: their connections are not counted by address */
    uint32_t trusted_count;
    struct taskq__tls *tls;              /* NULL: plain; outlives the front */
    taskq__bound_counts *refused_counts; /* of what is refused; may be NULL */
    taskq_log log;
    taskq_clock clock;
    bool (*admit)(void *user, taskq__request *request, taskq__reply *reply); /* false: the reply is made */
    void (*answer)(void *user, taskq__request *request, taskq__reply *reply);
    /* The front itself refused (or the connection broke): the request may be hardly filled in. Gives it an id. */
    void (*refused)(void *user, taskq__request *request, taskq__reply *reply);
    /* The reply was written, or could not be. */
    void (*done)(void *user, const taskq__request *request, const taskq__reply *reply);
    void *user;
} taskq__front_options;

/* EUNAVAIL: a port cannot be had; ENOMEM. */
taskq_status taskq__front_start(const taskq__front_options *options, taskq__front **out, taskq_error *err);
uint16_t taskq__front_port(const taskq__front *front, uint32_t listen);
/* From now on every answer says that its connection ends. After so long nobody new connects: what has arrived till then is served. */
void taskq__front_leave(taskq__front *front, int64_t wait_ms);
/* Idle connections are closed, each after a moment in which a request may still come; waits until no more requests are under way than `but` counts, so
 * long at most. */
void taskq__front_drain(taskq__front *front, const _Atomic uint32_t *but, int64_t wait_ms);
void taskq__front_stop(taskq__front *front);
/* In a forked child: its copies of the listening sockets go, so that it does not keep the ports; nothing else is touched. */
void taskq__front_forked(taskq__front *front);

#endif
