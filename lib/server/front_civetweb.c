/* SPDX-License-Identifier: MIT */
/*
 * The front on civetweb: it accepts, speaks TLS, parses heads and has a thread for every connection. This is the only file that knows
 * it. What civetweb leaves open is closed here: a body and an answer have a deadline, a head is checked byte by byte against what
 * civetweb made of it, idle connections give way to new ones, and every answer, civetweb's own errors too, is one of ours.
 */
#include "core/alloc.h"
#include "core/fail.h"
#include "core/log.h"
#include "server/front_pool.h"
#include "server/problem.h"

#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <taskq/server.h>

#include "server/civetweb_unit.h"

enum {
    REFUSE_WAIT_MS = 200, /* for the request of a connection that is refused: unread bytes would reset our answer */
    REFUSE_PATIENTLY_MAX = 32,
    LEAVE_STEP_MS = 50,
    LINGER_MS = 2000,      /* the same for a body that is not wanted */
    HANDSHAKE_MS = 5000,   /* where the options say nothing */
    SEND_MS_MIN = 60000,   /* for an answer to be taken, in all */
    SKIP_BYTES_MAX = 65536 /* a refused request's body up to that is read, to keep the connection */
};

struct taskq__front {
    taskq__front_options options;
    taskq__pool pool;
    struct mg_context *context;
    char said[256]; /* what civetweb said first while it started */
    _Atomic bool started;
    int deaf_fd; /* the other end of what stands in for the listeners at the end; -1: nothing does */
    uint16_t ports[TASKQ__LISTENS_MAX];
};

static taskq__front *front_of(const taskq__seat *seat)
{
    return (taskq__front *)((char *)seat->pool - offsetof(taskq__front, pool));
}

#include "server/civetweb_conn.h"

/* ---- writing ---------------------------------------------------------------------------------------------------------- */

static bool send_both(const taskq__front *front, struct mg_connection *conn, taskq__buf *head, taskq_text body)
{
    int64_t send_ms = front->options.request_timeout_ms > SEND_MS_MIN ? front->options.request_timeout_ms : SEND_MS_MIN;
    if (is_plain(conn)) {
        return taskq__front_send(socket_of(conn), taskq__buf_text(head), body, &front->pool.clock, send_ms);
    }
    taskq__buf_add_text(head, body);
    return !head->failed && send_wrapped(front, conn, taskq__buf_text(head), send_ms);
}

static void write_reply(taskq__seat *self, struct mg_connection *conn)
{
    taskq__front *front = front_of(self);
    taskq__reply *reply = &self->reply;
    if (reply->body.failed) {
        taskq__buf_rewind(&reply->body);
        reply->header_count = 0;
        taskq__reply_problem(reply, TASKQ__PROBLEM_UNAVAILABLE, NULL, "the answer needs more memory than there is");
    }
    if (front->options.refused_counts != NULL) { /* whoever has the answer finds it counted */
        taskq__bounds_count(front->options.refused_counts, reply->bound, reply->status);
    }
    if (front->options.tls != NULL) { /* browsers come back by TLS alone from now on */
        taskq__reply_header(reply, "Strict-Transport-Security", TASKQ_TEXT("max-age=31536000"));
    }
    bool keep = !reply->close && !self->spare && taskq__head_keeps_alive(&self->request) && !front->pool.leaving;
    reply->close = !keep;
    taskq__buf_rewind(&self->head);
    taskq__head_write(&self->head, reply, self->request.request_id, keep,
                      front->options.clock.wall_ms(front->options.clock.user));
    taskq_text body =
        reply->head_only || reply->content_type == NULL ? (taskq_text){NULL, 0} : taskq__buf_text(&reply->body);
    if (!send_both(front, conn, &self->head, body)) {
        reply->close = true;
    }
    if (reply->close) {
        mg_disable_connection_keep_alive(conn);
    }
    front->options.done(front->options.user, &self->request, reply);
}

static void linger(taskq__seat *self, const struct mg_connection *conn, int64_t wait_ms)
{
    if (socket_of(conn) >= 0) {
        say_goodbye(conn);
        taskq__front_linger(socket_of(conn), &self->pool->clock, self->pool->draining ? 0 : wait_ms);
    }
}

/* ---- a request ---------------------------------------------------------------------------------------------------------- */

/* `info` NULL: there is none that could be trusted. Of a request that civetweb cannot parse it keeps what the one before had on this
 * connection, and that points into the bytes of the new one: they would stand in the log, a token among them. */
static void fill_request(taskq__seat *self, const struct mg_connection *conn, const struct mg_request_info *info)
{
    static const struct mg_request_info nothing;
    info = info != NULL ? info : &nothing;
    taskq__request *request = &self->request;
    *request = (taskq__request){
        .method = taskq_text_of(info->request_method != NULL ? info->request_method : "-"),
        .path = taskq_text_of(info->local_uri_raw != NULL ? info->local_uri_raw : "-"),
        .query = taskq_text_of(info->query_string != NULL ? info->query_string : ""),
        .peer = taskq_text_of(peer_of(conn)),
        .client = taskq_text_of(peer_of(conn)),
        .certificate = taskq_text_of(self->certificate),
        .headers = self->headers,
        .http_1_0 = info->http_version != NULL && strcmp(info->http_version, "1.0") == 0,
        .arena = self->arena,
        .gone = socket_of(conn) >= 0 ? hung_up : NULL,
        .gone_user = (void *)(uintptr_t)conn,
        .may_wait = !self->spare,
        .began_ms = taskq__front_pool_now_ms(self->pool),
    };
    int count = info->num_headers > 0 && info->num_headers <= TASKQ__HEADERS_MAX ? info->num_headers : 0;
    for (int i = 0; i < count; i++) {
        self->headers[i] = (taskq__pair){taskq_text_of(info->http_headers[i].name),
                                         taskq__trimmed(taskq_text_of(info->http_headers[i].value))};
    }
    request->header_count = (uint32_t)count;
}

static bool send_continue(taskq__seat *self, struct mg_connection *conn)
{
    bool asked = taskq__request_header(&self->request, "Expect").size > 0 && !self->request.http_1_0;
    if (!asked || body_is_here(conn)) {
        return true;
    }
    taskq__buf_rewind(&self->head);
    taskq__buf_add_string(&self->head, "HTTP/1.1 100 Continue\r\n\r\n");
    return send_both(front_of(self), conn, &self->head, (taskq_text){NULL, 0});
}

static taskq_status read_body(taskq__seat *self, struct mg_connection *conn, const taskq__framing *framing,
                              int64_t wait_ms)
{
    reading from = {conn, self->pool, taskq__front_pool_now_ms(self->pool) + wait_ms};
    taskq__body_source source = {read_some, &from};
    return framing->chunked ? read_chunked(&from, &self->body)
                            : taskq__body_read_length(&source, framing->length, &self->body);
}

/* Makes the reply. True: bytes of the body are still to come, which nobody will read. */
static bool make_reply(taskq__seat *self, struct mg_connection *conn)
{
    const taskq__front_options *options = &front_of(self)->options;
    taskq__framing framing = {false, 0};
    const char *why = NULL;
    taskq__problem problem = head_problem(conn, mg_get_request_info(conn), &why);
    if (why != NULL) {
        taskq__reply_problem(&self->reply, problem, NULL, "%s", why);
    }
    size_t url = self->request.path.size + self->request.query.size + (self->request.query.size > 0 ? 1 : 0);
    if (why == NULL && options->url_bytes_max > 0 && url > options->url_bytes_max) {
        why = "the target is too long";
        taskq__reply_problem(&self->reply, TASKQ__PROBLEM_HEADERS_TOO_LARGE, NULL, "path and query may have %u bytes",
                             options->url_bytes_max);
        self->reply.bound = TASKQ__BOUND_URL_LENGTH;
    }
    if (why != NULL || !taskq__head_check(&self->request, options->body_bytes_max, &framing, &self->reply)) {
        self->reply.close = true;
        options->refused(options->user, &self->request, &self->reply);
        return true;
    }
    bool has_body = framing.chunked || framing.length > 0;
    if (!options->admit(options->user, &self->request, &self->reply)) {
        bool skip = has_body && !framing.chunked && framing.length <= SKIP_BYTES_MAX &&
                    taskq__request_header(&self->request, "Expect").size == 0;
        bool left = has_body && !(skip && read_body(self, conn, &framing, LINGER_MS) == TASKQ_OK);
        self->reply.close = self->reply.close || left;
        return left;
    }
    if (has_body) {
        taskq_status status =
            send_continue(self, conn) ? read_body(self, conn, &framing, options->request_timeout_ms) : TASKQ_ESYNTAX;
        if (status != TASKQ_OK) {
            taskq__body_refuse(&self->reply, status, options->body_bytes_max);
            return true;
        }
        self->request.body = taskq__buf_text(&self->body);
    }
    options->answer(options->user, &self->request, &self->reply);
    return false;
}

/* civetweb's: a request's head is there. The status that is returned says that it was answered. */
static int on_request(struct mg_connection *conn)
{
    taskq__seat *self = mg_get_thread_pointer(conn);
    if (self == NULL || !taskq__seat_prepare(self) || !taskq__seat_begin(self)) {
        mg_disable_connection_keep_alive(conn);
        return 503;
    }
    fill_request(self, conn, mg_get_request_info(conn));
    bool left = make_reply(self, conn);
    int status = self->reply.status;
    write_reply(self, conn);
    if (left) {
        linger(self, conn, LINGER_MS);
    }
    bool keep = !self->reply.close;
    taskq__seat_tidy(self);
    taskq__seat_end(self);
    /* It was told that the connection stays: a drain that has begun meanwhile waits a moment for the next request, then cuts this seat. */
    if (keep && !wait_for_more(conn)) {
        mg_disable_connection_keep_alive(conn);
    }
    return status;
}

static void answer_refusal(taskq__seat *self, struct mg_connection *conn, taskq__problem problem, taskq__bound bound,
                           const char *why)
{
    if (!taskq__seat_prepare(self)) {
        return;
    }
    fill_request(self, conn, NULL);
    taskq__reply_problem(&self->reply, problem, NULL, "%s", why);
    self->reply.bound = bound;
    self->reply.close = self->told = true;
    front_of(self)->options.refused(front_of(self)->options.user, &self->request, &self->reply);
    write_reply(self, conn);
    taskq__seat_tidy(self);
}

/* civetweb's: it wants to send an error page. */
static int on_error(struct mg_connection *conn, int status, const char *message)
{
    (void)message;
    taskq__seat *self = mg_get_thread_pointer(conn);
    mg_disable_connection_keep_alive(conn);
    if (self != NULL) {
        const char *why;
        taskq__problem problem = refusal(conn, status, &why);
        answer_refusal(self, conn, problem, TASKQ__BOUND_NONE, why);
        linger(self, conn, LINGER_MS);
    }
    return 0;
}

/* ---- connections ---------------------------------------------------------------------------------------------------------- */

static void say_refusal(taskq__seat *self, struct mg_connection *conn)
{
    switch (self->entry) {
    case TASKQ__ENTRY_ADDRESS_FULL:
        answer_refusal(self, conn, TASKQ__PROBLEM_TOO_MANY_REQUESTS, TASKQ__BOUND_ADDRESS,
                       "too many connections from this address");
        break;
    case TASKQ__ENTRY_DRAINING:
        answer_refusal(self, conn, TASKQ__PROBLEM_UNAVAILABLE, TASKQ__BOUND_NONE, "the server is shutting down");
        break;
    default: answer_refusal(self, conn, TASKQ__PROBLEM_UNAVAILABLE, TASKQ__BOUND_CONNECTIONS, "too many connections");
    }
}

/* A few are waited for, so that they surely read why; where many come at once, that would take the threads from others. */
static void refuse_connection(taskq__seat *self, struct mg_connection *conn)
{
    struct pollfd one = {socket_of(conn), POLLIN, 0};
    if (one.fd < 0) {
        return;
    }
    char scratch[4096];
    bool patient = atomic_fetch_add(&self->pool->refusing, 1) < REFUSE_PATIENTLY_MAX;
    if (poll(&one, 1, patient ? REFUSE_WAIT_MS : 0) > 0) {
        recv(one.fd, scratch, sizeof(scratch), MSG_DONTWAIT);
    }
    say_refusal(self, conn);
    linger(self, conn, patient ? REFUSE_WAIT_MS : 0);
    shutdown(one.fd, SHUT_RDWR);
    atomic_fetch_sub(&self->pool->refusing, 1);
}

/* civetweb's: a connection is there, its thread is ours from now on. */
static int on_connection(const struct mg_connection *const_conn, void **data)
{
    (void)data;
    struct mg_connection *conn = (struct mg_connection *)(uintptr_t)const_conn;
    taskq__seat *self = mg_get_thread_pointer(conn);
    if (self == NULL) {
        return 0;
    }
    if (!is_seated(conn)) { /* with TLS it is since before the handshake */
        self->certificate[0] = '\0';
        self->entry = taskq__seat_take(self, socket_of(conn), peer_of(conn));
    }
    if (self->entry != TASKQ__ENTRY_TAKEN) {
        refuse_connection(self, conn);
    } else {
        set_keep_alive(conn);
    }
    return 0;
}

/* civetweb's: the connection ends, its socket is still open. */
static void on_close(const struct mg_connection *const_conn)
{
    struct mg_connection *conn = (struct mg_connection *)(uintptr_t)const_conn;
    taskq__seat *self = mg_get_thread_pointer(conn);
    if (self == NULL) {
        return;
    }
    if (!self->told && left_without_answer(conn)) {
        answer_refusal(self, conn, TASKQ__PROBLEM_BAD_REQUEST, TASKQ__BOUND_NONE,
                       "the target must be a path on this server");
    }
    taskq__seat_leave(self);
}

static void *on_thread(const struct mg_context *context, int type)
{
    taskq__front *front = mg_get_user_data(context);
    return type == 1 ? taskq__seat_new(&front->pool) : NULL;
}

static void on_thread_end(const struct mg_context *context, int type, void *pointer)
{
    (void)context;
    if (type == 1 && pointer != NULL) {
        taskq__seat_free(pointer);
    }
}

/* civetweb's: it has something to say. While it starts that is why it does not; later it is about clients and their networks. */
static int on_message(const struct mg_connection *conn, const char *message)
{
    taskq__front *front = mg_get_user_data(mg_get_context(conn));
    if (!front->started) {
        if (front->said[0] == '\0') { /* the first is the cause, the others follow from it */
            snprintf(front->said, sizeof(front->said), "%s", message);
        }
    } else {
        taskq__log_format(&front->options.log, TASKQ_LOG_DEBUG, "server", "%s", message);
    }
    return 1;
}

/* civetweb's: whose is the TLS? Ours; 1: it need not set up, nor free, anything. */
static int on_tls(void **context, void *user)
{
    taskq__front *front = user;
    if (front->options.tls == NULL) {
        return -1;
    }
    *context = taskq__tls_context(front->options.tls);
    return 1;
}

/* ---- start and end -------------------------------------------------------------------------------------------------------- */

static struct mg_context *start_context(taskq__front *front)
{
    const taskq__front_options *options = &front->options;
    char listens[TASKQ__LISTENS_MAX * (sizeof(options->listens->address) + 9)] = "";
    char threads[16], timeout[24], head[16];
    taskq__listens_join(options->listens, options->listen_count, options->tls != NULL ? "s" : "", listens,
                        sizeof(listens));
    snprintf(threads, sizeof(threads), "%u", options->connections_max + TASKQ__SPARE_SEATS + TASKQ__REFUSING_SEATS);
    snprintf(timeout, sizeof(timeout), "%lld", (long long)options->request_timeout_ms);
    snprintf(head, sizeof(head), "%u",
             options->header_bytes_max > 0 ? options->header_bytes_max : TASKQ__HEAD_BYTES_MAX);
    const char *settings[][2] = {
        {"listening_ports", listens},
        {"num_threads", threads},
        {"connection_queue", "64"},
        {"listen_backlog", "1024"},
        {"tcp_nodelay", "1"},
        {"enable_keep_alive", "yes"},
        {"keep_alive_timeout_ms", timeout}, /* for a further head to arrive; before its first byte it waits elsewhere */
        {"request_timeout_ms", timeout},
        {"max_request_size", head},
        {"decode_url", "no"},
        {"decode_query_string", "no"},
        {"enable_directory_listing", "no"},
        {"enable_auth_domain_check", "no"},
        {"authentication_domain", "taskq.invalid"},
        {"access_control_allow_origin", ""},
        {"access_control_allow_methods", ""},
        {"access_control_allow_headers", ""},
        {"index_files", ""},
        {"ssi_pattern", ""},
        {NULL, NULL},
    };
    struct mg_callbacks callbacks = {
        .begin_request = on_request,
        .log_message = on_message,
        .connection_close = on_close,
        .http_error = on_error,
        .init_thread = on_thread,
        .exit_thread = on_thread_end,
        .init_connection = on_connection,
        .external_ssl_ctx = on_tls,
    };
    return mg_start(&callbacks, front, &settings[0][0]);
}

taskq_status taskq__front_start(const taskq__front_options *options, taskq__front **out, taskq_error *err)
{
    taskq__front *front = taskq__alloc(options->allocator, sizeof(*front));
    if (front == NULL || taskq__front_pool_init(&front->pool, options) != TASKQ_OK) {
        taskq__free(options->allocator, front);
        return taskq__fail_memory(err);
    }
    front->options = *options;
    front->deaf_fd = -1;
    mg_init_library(0);
    front->context = start_context(front);
    if (front->context == NULL) {
        taskq_status status = taskq__fail(err, TASKQ_EUNAVAIL, "cannot listen: %s",
                                          front->said[0] != '\0' ? front->said : "civetweb does not start");
        mg_exit_library();
        taskq__front_pool_clear(&front->pool);
        taskq__free(options->allocator, front);
        return status;
    }
    front->started = true;
    struct mg_server_port ports[TASKQ__LISTENS_MAX];
    int count = mg_get_server_ports(front->context, TASKQ__LISTENS_MAX, ports);
    for (int i = 0; i < count; i++) {
        front->ports[i] = (uint16_t)ports[i].port;
    }
    *out = front;
    return TASKQ_OK;
}

uint16_t taskq__front_port(const taskq__front *front, uint32_t listen)
{
    return front->ports[listen];
}

void taskq__front_leave(taskq__front *front, int64_t wait_ms)
{
    taskq__pool *pool = &front->pool;
    int64_t until_ms = taskq__front_pool_now_ms(pool) + wait_ms;
    pool->leaving = true;
    while (wait_ms > 0 && taskq__front_pool_now_ms(pool) < until_ms) {
        poll(NULL, 0, (int)(wait_ms < LEAVE_STEP_MS ? wait_ms : LEAVE_STEP_MS));
    }
    stop_listening(front);
}

void taskq__front_drain(taskq__front *front, const _Atomic uint32_t *but, int64_t wait_ms)
{
    taskq__front_pool_drain(&front->pool, but, wait_ms);
}

void taskq__front_forked(taskq__front *front)
{
#if !defined(TASKQ_CIVETWEB_SYSTEM)
    for (unsigned i = 0; i < front->context->num_listening_sockets; i++) {
        (void)close(front->context->listening_sockets[i].sock);
    }
#else
    (void)front; /* the system's library does not show them */
#endif
}

void taskq__front_stop(taskq__front *front)
{
    wake_acceptor(front->context);
    taskq__front_pool_cut(&front->pool);
    mg_stop(front->context);
    mg_exit_library();
    if (front->deaf_fd >= 0) {
        close(front->deaf_fd);
    }
    taskq__front_pool_clear(&front->pool);
    taskq__free(front->options.allocator, front);
}

const char *taskq_server_built_with(void)
{
#if defined(TASKQ_CIVETWEB_SYSTEM)
    return "civetweb " CIVETWEB_VERSION ", no TLS, no IPv6";
#else
    return "civetweb " CIVETWEB_VERSION ", TLS by OpenSSL " OPENSSL_VERSION_STR ", IPv6";
#endif
}
