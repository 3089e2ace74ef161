/* SPDX-License-Identifier: MIT */
/*
 * A connection of civetweb's from the inside: its socket and its buffer, where we have its source, and what is left without them where
 * we have not. The second half of the file that includes it after civetweb_unit.h, front_civetweb.c, which alone may.
 */
#ifndef TASKQ_SERVER_CIVETWEB_CONN_H
#define TASKQ_SERVER_CIVETWEB_CONN_H

#include "server/front_pool.h"
#include "server/problem.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum {
    TIMED_OUT = -1,        /* what civetweb's pull_inner returns then */
    KEEP_ALIVE_MS = 60000, /* less, where somebody needs the thread */
    MORE_BYTES_MIN = 4096  /* less room in its buffer is not waited for to be filled */
};

static int socket_of(const struct mg_connection *conn);

static bool hung_up(void *user)
{
    struct pollfd one = {socket_of(user), POLLRDHUP, 0};
    return one.fd >= 0 && poll(&one, 1, 0) > 0 && (one.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

typedef struct reading {
    struct mg_connection *conn;
    const taskq__pool *pool;
    int64_t deadline_ms;
} reading;

#if defined(TASKQ_CIVETWEB_SYSTEM)

static int socket_of(const struct mg_connection *conn)
{
    (void)conn;
    return -1;
}

static bool is_plain(const struct mg_connection *conn)
{
    (void)conn;
    return false;
}

/* civetweb's own reading waits for all that was asked for, so little is asked for at a time. */
static int read_some(void *user, char *into, size_t size)
{
    reading *self = user;
    if (taskq__front_pool_now_ms(self->pool) >= self->deadline_ms) {
        return 0;
    }
    int got = mg_read(self->conn, into, size < 1024 ? size : 1024);
    return got > 0 ? got : -1;
}

static bool body_is_here(const struct mg_connection *conn)
{
    (void)conn;
    return false;
}

static taskq_status read_chunked(reading *from, taskq__buf *body)
{
    for (;;) {
        if (!taskq__buf_reserve(body, 1024)) {
            return TASKQ_ELIMIT;
        }
        if (taskq__front_pool_now_ms(from->pool) >= from->deadline_ms) {
            return TASKQ_ETIMEDOUT;
        }
        int got = mg_read(from->conn, body->data + body->size, 1024);
        if (got <= 0) {
            return got == 0 ? TASKQ_OK : TASKQ_ESYNTAX;
        }
        body->size += (size_t)got;
    }
}

static taskq__problem head_problem(const struct mg_connection *conn, const struct mg_request_info *info,
                                   const char **why)
{
    (void)conn;
    *why = info->num_headers >= TASKQ__HEADERS_MAX ? "at most 63 header fields" : NULL;
    return TASKQ__PROBLEM_HEADERS_TOO_LARGE;
}

static taskq__problem refusal(const struct mg_connection *conn, int status, const char **why)
{
    (void)conn;
    *why = "the request cannot be read";
    return status == 413 ? TASKQ__PROBLEM_HEADERS_TOO_LARGE : TASKQ__PROBLEM_BAD_REQUEST;
}

static bool left_without_answer(const struct mg_connection *conn)
{
    (void)conn;
    return false;
}

static void wake_acceptor(struct mg_context *context)
{
    (void)context;
}

static bool wait_for_more(struct mg_connection *conn)
{
    (void)conn;
    return true;
}

static void set_keep_alive(const struct mg_connection *conn)
{
    (void)conn;
}

#else

static int socket_of(const struct mg_connection *conn)
{
    return conn->client.sock;
}

static bool is_plain(const struct mg_connection *conn)
{
    return conn->ssl == NULL;
}

static int read_some(void *user, char *into, size_t size)
{
    reading *self = user;
    struct mg_connection *conn = self->conn;
    int64_t buffered = conn->data_len - conn->request_len - conn->consumed_content;
    if (buffered > 0) {
        size_t taken = size < (size_t)buffered ? size : (size_t)buffered;
        memcpy(into, conn->buf + conn->request_len + conn->consumed_content, taken);
        conn->consumed_content += (int64_t)taken;
        return (int)taken;
    }
    for (;;) {
        int64_t left_ms = self->deadline_ms - taskq__front_pool_now_ms(self->pool);
        if (left_ms <= 0) {
            return 0;
        }
        int got = pull_inner(NULL, conn, into, size < INT_MAX ? (int)size : INT_MAX, (double)left_ms / 1000.0);
        if (got > 0) {
            conn->consumed_content += got;
            return got;
        }
        if (got != 0 && got != TIMED_OUT) {
            return -1;
        }
    }
}

static bool body_is_here(const struct mg_connection *conn)
{
    return conn->data_len > conn->request_len;
}

static taskq_status read_chunked(reading *from, taskq__buf *body)
{
    taskq__body_source source = {read_some, from};
    taskq_status status = taskq__body_read_chunked(&source, body);
    if (status == TASKQ_OK) { /* civetweb then finds the next request where this one ends */
        from->conn->content_len = from->conn->consumed_content;
        from->conn->is_chunked = 4;
    }
    return status;
}

/* civetweb cuts lines by putting NULs into its buffer. Where these do not stand exactly where one CR LF a line puts them, it was lenient
 * with something: a bare LF, a folded line, a space before a colon, a header after the last one that it has room for. */
static taskq__problem head_problem(const struct mg_connection *conn, const struct mg_request_info *info,
                                   const char **why)
{
    *why = "the request line is malformed";
    if (info->request_uri != info->request_method + strlen(info->request_method) + 1) {
        return TASKQ__PROBLEM_BAD_REQUEST;
    }
    *why = "a header line is malformed";
    const char *line = info->http_version + strlen(info->http_version) + 2;
    for (int i = 0; i < info->num_headers; i++) {
        const struct mg_header *header = &info->http_headers[i];
        const char *after_colon = header->name + strlen(header->name) + 1;
        size_t blanks = (size_t)(header->value - after_colon);
        if (header->name != line || strspn(after_colon, " \t") < blanks) {
            return TASKQ__PROBLEM_BAD_REQUEST;
        }
        line = header->value + strlen(header->value) + 2;
    }
    const char *end = conn->buf + conn->request_len - 2;
    if (line < end && info->num_headers == TASKQ__HEADERS_MAX) {
        *why = "at most 64 header fields";
        return TASKQ__PROBLEM_HEADERS_TOO_LARGE;
    }
    *why = line == end ? NULL : *why;
    return TASKQ__PROBLEM_BAD_REQUEST;
}

/* What civetweb calls malformed may also not have come in time, or not have had room. */
static taskq__problem refusal(const struct mg_connection *conn, int status, const char **why)
{
    bool unfinished =
        conn->request_len <= 0 && conn->data_len > 0 && get_http_header_len(conn->buf, conn->data_len) == 0;
    if (unfinished && conn->data_len >= conn->buf_size) {
        *why = "the request line and the header fields may have 16 KiB";
        return TASKQ__PROBLEM_HEADERS_TOO_LARGE;
    }
    if (unfinished && hung_up((void *)(uintptr_t)conn)) {
        *why = "the header fields end early";
        return TASKQ__PROBLEM_BAD_REQUEST;
    }
    if (unfinished) {
        *why = "the header fields did not arrive in time";
        return TASKQ__PROBLEM_REQUEST_TIMEOUT;
    }
    *why = status == 505 ? "only HTTP/1.0 and HTTP/1.1 are spoken here"
                         : "the request line or a header field is malformed";
    return TASKQ__PROBLEM_BAD_REQUEST;
}

/* civetweb ends a connection in silence where the target is another server or "*". */
static bool left_without_answer(const struct mg_connection *conn)
{
    return conn->request_info.request_method != NULL && conn->request_info.local_uri_raw == NULL &&
           conn->request_len > 0;
}

/* The thread that accepts looks up every two seconds only; a listener that is shut wakes it. */
static void wake_acceptor(struct mg_context *context)
{
    for (unsigned i = 0; i < context->num_listening_sockets; i++) {
        shutdown(context->listening_sockets[i].sock, SHUT_RDWR);
    }
}

/* The next request is waited for here, behind this one in civetweb's buffer, which it then finds as one that was sent ahead: its own
 * way asks poll() before every recv(). Where the next does not begin at the buffer's end that way is taken. False: none came. */
static bool wait_for_more(struct mg_connection *conn)
{
    bool at_end = !conn->is_chunked && conn->content_len >= 0 && conn->consumed_content == conn->content_len &&
                  conn->data_len == conn->request_len + conn->content_len;
    if (!is_plain(conn) || !at_end || conn->buf_size - conn->data_len < MORE_BYTES_MIN) {
        return true;
    }
    ssize_t got;
    do {
        got = recv(conn->client.sock, conn->buf + conn->data_len, (size_t)(conn->buf_size - conn->data_len), 0);
    } while (got < 0 && errno == EINTR);
    conn->data_len += got > 0 ? (int)got : 0;
    return got > 0;
}

/* For the recv() above. Before civetweb's own poll() has waited, and what we send says itself that it does not wait. */
static void set_keep_alive(const struct mg_connection *conn)
{
    struct timeval wait = {KEEP_ALIVE_MS / 1000, 0};
    if (is_plain(conn)) {
        setsockopt(conn->client.sock, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
        set_blocking_mode(conn->client.sock);
    }
}

#endif

#endif
