/* SPDX-License-Identifier: MIT */
/*
 * The connections of the load programs. Plain sockets and epoll: a general HTTP client would take the core from the server that it is
 * meant to measure.
 */
#include "load/net.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IN_BYTES = 65536, IN_BYTES_MAX = 64 << 20, EVENTS = 64, STALLED_MS = 30000 };

int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool fails(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    return false;
}

static bool open_channel(net *self, channel *one, uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int on = 1;
    one->in_capacity = IN_BYTES;
    one->in = malloc(IN_BYTES);
    one->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (one->in == NULL || one->fd < 0 || connect(one->fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        return fails("connect");
    }
    setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = one}};
    return epoll_ctl(self->epoll, EPOLL_CTL_ADD, one->fd, &event) == 0 || fails("epoll_ctl");
}

bool ports_parse(const char *text, ports *out)
{
    *out = (ports){.count = 0};
    for (char *end = NULL; out->count < PORTS_MAX; text = end + 1) {
        unsigned long port = strtoul(text, &end, 10);
        if (end == text || port == 0 || port > UINT16_MAX || (*end != ',' && *end != '\0')) {
            return false;
        }
        out->each[out->count++] = (uint16_t)port;
        if (*end == '\0') {
            return true;
        }
    }
    return false;
}

bool net_open(net *self, const ports *at, uint32_t connections, reply_fn *on_reply, void *user)
{
    *self = (net){.epoll = epoll_create1(EPOLL_CLOEXEC), .on_reply = on_reply, .user = user};
    self->channels = calloc(connections, sizeof(channel));
    if (self->epoll < 0 || self->channels == NULL) {
        return fails("epoll");
    }
    for (uint32_t i = 0; i < connections; i++) {
        self->channels[i].index = i;
        self->channels[i].fd = -1;
        self->count++;
        if (!open_channel(self, &self->channels[i], at->each[i % at->count])) {
            net_close(self);
            return false;
        }
    }
    return true;
}

void net_close(net *self)
{
    for (uint32_t i = 0; i < self->count; i++) {
        free(self->channels[i].in);
        if (self->channels[i].fd >= 0) {
            close(self->channels[i].fd);
        }
    }
    free(self->channels);
    if (self->epoll >= 0) {
        close(self->epoll);
    }
    *self = (net){.epoll = -1};
}

static bool push(net *self, channel *on)
{
    while (on->out_left > 0) {
        ssize_t sent = send(on->fd, on->out, on->out_left, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0 && errno == EAGAIN) {
            struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data = {.ptr = on}};
            return epoll_ctl(self->epoll, EPOLL_CTL_MOD, on->fd, &event) == 0 || fails("epoll_ctl");
        }
        if (sent < 0) {
            return fails("send");
        }
        on->out += sent;
        on->out_left -= (size_t)sent;
    }
    return true;
}

bool net_send(net *self, channel *on, const char *data, size_t size)
{
    on->busy = true;
    self->busy++;
    on->out = data;
    on->out_left = size;
    on->in_size = on->head_bytes = on->body_bytes = 0;
    return push(self, on);
}

channel *net_idle(net *self)
{
    for (uint32_t i = 0; i < self->count; i++) {
        if (!self->channels[i].busy) {
            return &self->channels[i];
        }
    }
    return NULL;
}

/* The head is whole: its status and how long the body will be. */
static bool read_head(channel *on)
{
    char *end = memmem(on->in, on->in_size, "\r\n\r\n", 4);
    if (end == NULL) {
        return true;
    }
    *end = '\0';
    if (on->in_size < 12 || memcmp(on->in, "HTTP/1.", 7) != 0) {
        errno = EPROTO;
        return fails("reply");
    }
    on->status = (int)strtol(on->in + 9, NULL, 10);
    on->head_bytes = (size_t)(end - on->in) + 4;
    const char *length = strcasestr(on->in, "\r\nContent-Length:");
    on->body_bytes = length != NULL ? (size_t)strtoul(length + 17, NULL, 10) : 0;
    size_t whole = on->head_bytes + on->body_bytes;
    if (whole > IN_BYTES_MAX) {
        errno = EMSGSIZE;
        return fails("reply");
    }
    if (whole > on->in_capacity) {
        char *larger = realloc(on->in, whole);
        if (larger == NULL) {
            return fails("reply");
        }
        on->in = larger;
        on->in_capacity = whole;
    }
    return true;
}

static bool pull(net *self, channel *on)
{
    ssize_t got = recv(on->fd, on->in + on->in_size, on->in_capacity - on->in_size, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (got <= 0) {
        errno = got == 0 ? ECONNRESET : errno;
        return fails("the server ended the connection");
    }
    on->in_size += (size_t)got;
    if (on->head_bytes == 0 && !read_head(on)) {
        return false;
    }
    if (on->head_bytes == 0 || on->in_size < on->head_bytes + on->body_bytes) {
        return true;
    }
    on->busy = false;
    self->busy--;
    reply whole = {on->status, {on->in + on->head_bytes, on->body_bytes}};
    return self->on_reply(self->user, self, on, &whole);
}

bool net_step(net *self, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(self->epoll, events, EVENTS, timeout_ms);
    if (count < 0 && errno != EINTR) {
        return fails("epoll_wait");
    }
    if (count == 0 && timeout_ms >= STALLED_MS) {
        errno = ETIMEDOUT;
        return fails("no answer");
    }
    for (int i = 0; i < count; i++) {
        channel *on = events[i].data.ptr;
        if ((events[i].events & EPOLLOUT) != 0) {
            struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = on}};
            if (epoll_ctl(self->epoll, EPOLL_CTL_MOD, on->fd, &event) != 0 || !push(self, on)) {
                return false;
            }
        }
        if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0 && !pull(self, on)) {
            return false;
        }
    }
    return true;
}

bool net_run(net *self)
{
    while (self->busy > 0) {
        if (!net_step(self, STALLED_MS)) {
            return false;
        }
    }
    return true;
}

void request_build(taskq__buf *out, const char *method_and_path, const char *extra_headers, taskq_text body)
{
    taskq__buf_rewind(out);
    taskq__buf_add_format(out, "%s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s", method_and_path, extra_headers);
    if (body.size > 0) {
        taskq__buf_add_string(out, "Content-Type: application/json\r\nContent-Length: ");
        taskq__buf_add_int(out, (int64_t)body.size);
        taskq__buf_add_string(out, "\r\n");
    }
    taskq__buf_add_string(out, "\r\n");
    taskq__buf_add_text(out, body);
}
