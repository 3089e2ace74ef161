/* SPDX-License-Identifier: MIT */
/*
 * A connection of civetweb's, looked at from inside: its socket, its buffer, its TLS. Where we have civetweb's source we reach them;
 * the system's library keeps them to itself, and the second half of this header says what is then done without. Part of
 * front_civetweb.c, which includes it after civetweb.
 */
#ifndef TASKQ_SERVER_CIVETWEB_CONN_H
#define TASKQ_SERVER_CIVETWEB_CONN_H

#include "server/front_pool.h"
#include "server/problem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

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

static bool is_seated(const struct mg_connection *conn)
{
    (void)conn;
    return false;
}

static const char *peer_of(const struct mg_connection *conn)
{
    const struct mg_request_info *info = mg_get_request_info(conn);
    return info != NULL ? info->remote_addr : "";
}

static bool send_wrapped(const taskq__front *front, struct mg_connection *conn, taskq_text text, int64_t wait_ms)
{
    (void)front;
    (void)wait_ms;
    return mg_write(conn, text.data, text.size) == (int)text.size;
}

static void say_goodbye(const struct mg_connection *conn)
{
    (void)conn;
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

/* They stay: whoever comes is told 503. */
static void stop_listening(taskq__front *front)
{
    (void)front;
}

static bool wait_for_more(struct mg_connection *conn)
{
    return !((taskq__seat *)mg_get_thread_pointer(conn))->pool->draining; /* it cannot be cut later */
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

static bool is_seated(const struct mg_connection *conn)
{
    return conn->ssl != NULL;
}

static const char *peer_of(const struct mg_connection *conn)
{
    return conn->request_info.remote_addr;
}

/* ---- TLS -------------------------------------------------------------------------------------------------------------- */

/* Waits until the connection can go on after SSL_get_error said so; false: it cannot, or not within that time. */
static bool tls_wait(const struct mg_connection *conn, int error, int64_t left_ms)
{
    if (left_ms <= 0 || (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)) {
        return false;
    }
    struct pollfd one = {conn->client.sock, error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, 0};
    int found = poll(&one, 1, left_ms < INT_MAX ? (int)left_ms : INT_MAX);
    return found > 0 || (found < 0 && errno == EINTR);
}

static bool send_wrapped(const taskq__front *front, struct mg_connection *conn, taskq_text text, int64_t wait_ms)
{
    int64_t until_ms = taskq__front_pool_now_ms(&front->pool) + wait_ms;
    while (text.size > 0) {
        size_t sent = 0;
        ERR_clear_error();
        if (SSL_write_ex(conn->ssl, text.data, text.size, &sent) == 1) {
            text = (taskq_text){text.data + sent, text.size - sent};
        } else if (!tls_wait(conn, SSL_get_error(conn->ssl, 0), until_ms - taskq__front_pool_now_ms(&front->pool))) {
            ERR_clear_error();
            return false;
        }
    }
    return true;
}

/* Nothing more comes from us. */
static void say_goodbye(const struct mg_connection *conn)
{
    if (conn->ssl != NULL) {
        ERR_clear_error();
        SSL_shutdown(conn->ssl);
        ERR_clear_error();
    }
}

/* Who speaks HTTP to a port of TLS can be told. */
static void answer_plainly(const struct mg_connection *conn, const taskq_clock *clock)
{
    static const char text[] =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nConnection: close\r\n"
        "Content-Length: 114\r\n\r\n"
        "{\"type\":\"urn:taskq:problem:bad-request\",\"title\":\"Bad request\",\"status\":400,"
        "\"detail\":\"this port speaks TLS: https\"}";
    taskq__front_send(conn->client.sock, taskq_text_of(text), (taskq_text){NULL, 0}, clock, REFUSE_WAIT_MS);
    taskq__front_linger(conn->client.sock, clock, REFUSE_WAIT_MS);
}

static taskq__bound agree(const taskq__front *front, struct mg_connection *conn, SSL *ssl, int64_t wait_ms)
{
    int64_t until_ms = taskq__front_pool_now_ms(&front->pool) + wait_ms;
    for (;;) {
        ERR_clear_error();
        int done = SSL_accept(ssl);
        if (done == 1) {
            return TASKQ__BOUND_NONE;
        }
        int64_t left_ms = until_ms - taskq__front_pool_now_ms(&front->pool);
        int error = SSL_get_error(ssl, done);
        if (!tls_wait(conn, error, left_ms)) {
            if (error == SSL_ERROR_SSL && ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST) {
                answer_plainly(conn, &front->pool.clock);
            }
            return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? TASKQ__BOUND_HANDSHAKE_TIME
                                                                                 : TASKQ__BOUND_HANDSHAKE_FAILED;
        }
    }
}

static SSL *civetweb_unit_ssl_new(SSL_CTX *context)
{
    return taskq__tls_connection(SSL_CTX_get_app_data(context));
}

/* In place of SSL_accept: all of the handshake, within a time; whoever gets no seat has less of it, just enough to be told. */
static int civetweb_unit_ssl_accept(SSL *ssl)
{
    struct mg_connection *conn = SSL_get_app_data(ssl);
    taskq__seat *self = mg_get_thread_pointer(conn);
    taskq__bound bound = TASKQ__BOUND_HANDSHAKES;
    if (self != NULL) {
        taskq__front *front = front_of(self);
        self->entry = taskq__seat_take(self, conn->client.sock, conn->request_info.remote_addr);
        self->told = true; /* there is nobody yet who would understand */
        uint32_t others = atomic_fetch_add(&front->pool.handshakes, 1);
        if (front->options.handshakes_max == 0 || others < front->options.handshakes_max ||
            taskq__front_pool_hurry(&front->pool)) {
            taskq__seat_agree(self);
            int64_t wait_ms =
                front->options.handshake_timeout_ms > 0 ? front->options.handshake_timeout_ms : HANDSHAKE_MS;
            bound = agree(front, conn, ssl, self->entry == TASKQ__ENTRY_TAKEN ? wait_ms : REFUSE_WAIT_MS);
            if (taskq__seat_agreed(self) && bound != TASKQ__BOUND_NONE) {
                bound = TASKQ__BOUND_HANDSHAKES; /* it gave way to another */
            }
        }
        atomic_fetch_sub(&front->pool.handshakes, 1);
        if (bound == TASKQ__BOUND_NONE) {
            self->told = false;
            taskq__tls_client_name(ssl, self->certificate);
            return 1;
        }
        if (front->options.refused_counts != NULL && !front->pool.draining) {
            taskq__bounds_count(front->options.refused_counts, bound, 0);
        }
    }
    shutdown(conn->client.sock, SHUT_RDWR);
    ERR_clear_error();
    ERR_raise(ERR_LIB_USER, ERR_R_OPERATION_FAIL); /* civetweb asks again unless it finds an error */
    return -1;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

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
        *why = "the request line and the header fields are larger than the server takes (--max-header)";
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

/* While it is on no listener takes a SYN. It is dropped, not refused: the client sends it again a second later, to nobody then. */
static void drop_connects(const struct mg_context *context, bool on)
{
    enum { FLAGS_AT = 13, SYN = 2 };
    static const struct sock_filter lines[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS_AT),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_filter copy[sizeof(lines) / sizeof(lines[0])];
    memcpy(copy, lines, sizeof(lines));
    struct sock_fprog filter = {sizeof(lines) / sizeof(lines[0]), copy};
    for (unsigned i = 0; i < context->num_listening_sockets; i++) {
        setsockopt(context->listening_sockets[i].sock, SOL_SOCKET, on ? SO_ATTACH_FILTER : SO_DETACH_FILTER, &filter,
                   sizeof(filter));
    }
}

/* Is anybody connected whom nobody has accepted yet? */
static bool has_arrivals(const struct mg_context *context)
{
    for (unsigned i = 0; i < context->num_listening_sockets; i++) {
        struct pollfd one = {context->listening_sockets[i].sock, POLLIN, 0};
        if (poll(&one, 1, 0) > 0) {
            return true;
        }
    }
    return false;
}

static bool has_queue(struct mg_context *context)
{
    pthread_mutex_lock(&context->thread_mutex);
    bool found = context->sq_head != context->sq_tail;
    pthread_mutex_unlock(&context->thread_mutex);
    return found;
}

/* A listener that is closed resets whoever the kernel has connected already and nobody accepted yet, with the request that he may have sent. So
 * it is closed at a moment at which there is nobody: what comes later is refused, and goes to another server. Those who are not of this
 * machine may be between the two halves of a handshake, and get the time for the second. civetweb closes listeners only when all its
 * threads end, so something else is put in their places, which never has anybody. */
static void stop_listening(taskq__front *front)
{
    enum { HANDSHAKE_MS_MAX = 25, STEP_MS = 1, QUIET_STEPS = 10, WAIT_MS = 1000 };
    struct mg_context *context = front->context;
    int pair[2], handshake_ms = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return; /* no descriptor is left: whoever comes is told 503 */
    }
    for (uint32_t i = 0; i < front->options.listen_count; i++) {
        handshake_ms = front->options.listens[i].loopback ? handshake_ms : HANDSHAKE_MS_MAX;
    }
    int64_t until_ms = taskq__front_pool_now_ms(&front->pool) + WAIT_MS;
    for (drop_connects(context, true);; drop_connects(context, true)) {
        poll(NULL, 0, handshake_ms);
        if (!has_arrivals(context) || taskq__front_pool_now_ms(&front->pool) >= until_ms) {
            break;
        }
        drop_connects(context, false);
        poll(NULL, 0, STEP_MS);
    }
    /* The thread that waits for the listeners is woken by their end and finds this; else it would go on waiting, and not for the new one. */
    send(pair[1], "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    for (unsigned i = 0; i < context->num_listening_sockets; i++) {
        shutdown(context->listening_sockets[i].sock, SHUT_RDWR);
        dup3(pair[0], context->listening_sockets[i].sock, O_CLOEXEC);
    }
    close(pair[0]);
    front->deaf_fd = pair[1];
    for (int quiet = 0; quiet < QUIET_STEPS && taskq__front_pool_now_ms(&front->pool) < until_ms;) {
        quiet = has_queue(context) ? 0 : quiet + 1; /* until all of them have a thread */
        poll(NULL, 0, STEP_MS);
    }
}

/* The next request is waited for here, behind this one in civetweb's buffer, which it then finds as one that was sent ahead: its own
 * way asks poll() before every recv(). Where the next does not begin at the buffer's end that way is taken. False: none came. */
static bool wait_for_more(struct mg_connection *conn)
{
    bool at_end = !conn->is_chunked && conn->content_len >= 0 && conn->consumed_content == conn->content_len &&
                  conn->data_len == conn->request_len + conn->content_len;
    if (!is_plain(conn)) { /* what has been decrypted already, poll() does not know of */
        struct pollfd one = {conn->client.sock, POLLIN, 0};
        return !at_end || SSL_pending(conn->ssl) > 0 || poll(&one, 1, KEEP_ALIVE_MS) > 0;
    }
    if (!at_end || conn->buf_size - conn->data_len < MORE_BYTES_MIN) {
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
