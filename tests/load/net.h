/* SPDX-License-Identifier: MIT */
/*
 * Many keep-alive HTTP connections in one thread, made to cost as little as can be beside the server that is measured: requests are
 * ready-made bytes, of a reply only the status and the length are read, and each exchange is one send and one recv.
 *
 * Threads: one. A request's bytes are borrowed until its reply is there. What goes wrong is said on standard error by net_run.
 */
#ifndef TASKQ_TESTS_LOAD_NET_H
#define TASKQ_TESTS_LOAD_NET_H

#include "core/buf.h"

typedef struct channel {
    int fd;
    uint32_t index;
    bool busy;
    const char *out; /* what is still to be sent */
    size_t out_left;
    char *in;
    size_t in_size, in_capacity, head_bytes, body_bytes;
    int status;
} channel;

typedef struct reply {
    int status;
    taskq_text body; /* until the callback returns */
} reply;

/* The servers' ports on loopback; the connections are dealt out over them. */
enum { PORTS_MAX = 16 };
typedef struct ports {
    uint16_t each[PORTS_MAX];
    uint32_t count;
} ports;
/* "7070" or "7070,7071"; false: it is neither. */
bool ports_parse(const char *text, ports *out);

typedef struct net net;
/* A reply has come and the channel is idle: send the next request or leave it so. False ends the run as a failure. */
typedef bool reply_fn(void *user, net *self, channel *on, const reply *got);

struct net {
    int epoll;
    channel *channels;
    uint32_t count, busy;
    reply_fn *on_reply;
    void *user;
};

/* False: it was said why. */
bool net_open(net *self, const ports *at, uint32_t connections, reply_fn *on_reply, void *user);
void net_close(net *self);

bool net_send(net *self, channel *on, const char *data, size_t size);
channel *net_idle(net *self); /* one without a request under way; NULL: there is none */

bool net_step(net *self, int timeout_ms); /* handle what has come in, waiting so long for the first */
bool net_run(net *self);                  /* until no request is under way */

int64_t now_ns(void);

/* "METHOD path" with the headers that every request has, extra ones ("" or "Name: value\r\n") and a body; replaces what is in `out`. */
void request_build(taskq__buf *out, const char *method_and_path, const char *extra_headers, taskq_text body);

#endif
