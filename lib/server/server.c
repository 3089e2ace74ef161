/* SPDX-License-Identifier: MIT */
/*
 * The server: options checked, front started, every request led through the same steps (identity, route, who may, what body) to its
 * handler, and all of it ended in an order in which nobody waits for somebody who waits for him.
 */
#include "core/fail.h"
#include "core/log.h"
#include "core/text.h"
#include "server/api.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    BODY_BYTES_MIN = 1024,
    BODY_BYTES_MAX = 64 << 20,
    BODY_BYTES_DEFAULT = 1 << 20,
    CONNECTIONS_MIN = 8,
    CONNECTIONS_MAX = 20000,
    CONNECTIONS_DEFAULT = 1024,
    RESERVED_SHARE = 8, /* one connection in so many is never a held poll's */
    REQUEST_TIMEOUT_MS_MIN = 1000,
    REQUEST_TIMEOUT_MS_MAX = 600000,
    REQUEST_TIMEOUT_MS_DEFAULT = 15000,
    FINISH_MS = 5000 /* what is under way gets so long before the scheduler refuses work, and again after it */
};

/* ---- a request on its way --------------------------------------------------------------------------------------------------- */

static bool is_request_id(taskq_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '_' ||
              c == '-')) {
            return false;
        }
    }
    return text.size >= 1 && text.size <= TASKQ__REQUEST_ID_MAX;
}

static void identify(taskq_server *server, taskq__request *request)
{
    taskq_text given = taskq__request_header(request, "X-Request-Id");
    if (is_request_id(given)) {
        memcpy(request->request_id, given.data, given.size);
        request->request_id[given.size] = '\0';
        return;
    }
    uint64_t random = taskq__rng_next(&server->rng);
    for (int i = 15; i >= 0; i--, random >>= 4) {
        request->request_id[i] = "0123456789abcdef"[random & 15];
    }
    request->request_id[16] = '\0';
}

static void refused(void *user, taskq__request *request, taskq__reply *reply)
{
    taskq_server *server = user;
    reply->head_only = taskq__text_is(request->method, "HEAD");
    identify(server, request);
}

static bool find_route(taskq__request *request, taskq__reply *reply)
{
    char allow[TASKQ__ALLOW_BYTES];
    int status = taskq__route_find(request->method, request->path, &request->route, &request->captured, allow);
    if (status == 200) {
        return true;
    }
    if (status == 405) {
        taskq_text value;
        if (taskq_arena_copy(request->arena, allow, strlen(allow), &value)) {
            taskq__reply_header(reply, "Allow", value);
        }
        taskq__reply_problem(reply, TASKQ__PROBLEM_METHOD_NOT_ALLOWED, NULL, "this path takes %s", allow);
    } else {
        taskq__reply_problem(reply, TASKQ__PROBLEM_NOT_FOUND, NULL, "there is nothing at this path");
    }
    return false;
}

static bool admit(void *user, taskq__request *request, taskq__reply *reply)
{
    taskq_server *server = user;
    reply->head_only = taskq__text_is(request->method, "HEAD");
    identify(server, request);
    return taskq__auth_admit(server, request, reply) && find_route(request, reply);
}

static bool is_json(taskq_text content_type)
{
    static const char json[] = "application/json";
    size_t size = sizeof(json) - 1;
    if (content_type.size < size || strncasecmp(content_type.data, json, size) != 0) {
        return false;
    }
    char next = content_type.size > size ? content_type.data[size] : ';';
    return next == ';' || next == ' ' || next == '\t';
}

static void answer(void *user, taskq__request *request, taskq__reply *reply)
{
    static const char *const no_names[] = {NULL};
    taskq_server *server = user;
    const taskq__route *route = request->route;
    if (request->body.size > 0 && (route->flags & TASKQ__ROUTE_BODY) == 0) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_BAD_REQUEST, NULL, "this request takes no body");
        return;
    }
    if (request->body.size > 0 && !is_json(taskq__request_header(request, "Content-Type"))) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_UNSUPPORTED_MEDIA_TYPE, NULL,
                             "the body must come as application/json");
        return;
    }
    if ((route->flags & TASKQ__ROUTE_QUERY) == 0 && !taskq__query_read(request, reply, no_names, NULL)) {
        return;
    }
    route->handler(server, request, reply);
}

static void log_fault(const taskq_server *server, const taskq__request *request, const taskq__reply *reply)
{
    taskq_log_field fields[] = {
        {"request_id", request->request_id, 0}, {"status", NULL, reply->status}, {"error", reply->fault, 0}};
    taskq__log(&server->log, TASKQ_LOG_WARN, "server", "a request failed", fields, 3);
}

static void done(void *user, const taskq__request *request, const taskq__reply *reply)
{
    const taskq_server *server = user;
    if (reply->fault[0] != '\0') {
        log_fault(server, request, reply);
    }
    if (!taskq__log_wants(&server->log, TASKQ_LOG_INFO) ||
        (request->route != NULL && (request->route->flags & TASKQ__ROUTE_UNLOGGED) != 0)) {
        return;
    }
    char method[16];
    char path[256];
    snprintf(method, sizeof(method), "%.*s", request->method.size < 15 ? (int)request->method.size : 15,
             request->method.data);
    snprintf(path, sizeof(path), "%.*s", request->path.size < 255 ? (int)request->path.size : 255, request->path.data);
    taskq_log_field fields[] = {
        {"method", method, 0},
        {"path", path, 0},
        {"status", NULL, reply->status},
        {"duration_ms", NULL, server->clock.steady_ms(server->clock.user) - request->began_ms},
        {"request_id", request->request_id, 0},
        {"peer", request->peer.data, 0},
    };
    taskq__log(&server->log, TASKQ_LOG_INFO, "server", "request", fields, sizeof(fields) / sizeof(fields[0]));
}

/* ---- start -------------------------------------------------------------------------------------------------------------------- */

static taskq_status check_range(const char *name, uint64_t value, uint64_t min, uint64_t max, taskq_error *err)
{
    if (value == 0 || (value >= min && value <= max)) {
        return TASKQ_OK;
    }
    return taskq__fail(err, TASKQ_EINVAL, "%s must be from %" PRIu64 " to %" PRIu64, name, min, max);
}

static taskq_status check_numbers(const taskq_server_options *options, taskq_error *err)
{
    if (options == NULL || options->struct_size < sizeof(*options)) {
        return taskq__fail(err, TASKQ_EINVAL, "options are needed, set up with TASKQ_SERVER_OPTIONS_INIT");
    }
    uint32_t connections = options->connections_max > 0 ? options->connections_max : CONNECTIONS_DEFAULT;
    taskq_status status = check_range("listen_count", options->listen_count, 1, TASKQ__LISTENS_MAX, err);
    if (status == TASKQ_OK) {
        status = check_range("body_bytes_max", options->body_bytes_max, BODY_BYTES_MIN, BODY_BYTES_MAX, err);
    }
    if (status == TASKQ_OK) {
        status = check_range("connections_max", options->connections_max, CONNECTIONS_MIN, CONNECTIONS_MAX, err);
    }
    if (status == TASKQ_OK) {
        status = check_range("held_max", options->held_max, 1, connections - connections / RESERVED_SHARE, err);
    }
    if (status == TASKQ_OK && options->request_timeout_ms < 0) {
        return taskq__fail(err, TASKQ_EINVAL, "request_timeout_ms must not be negative");
    }
    if (status == TASKQ_OK) {
        status = check_range("request_timeout_ms", (uint64_t)options->request_timeout_ms, REQUEST_TIMEOUT_MS_MIN,
                             REQUEST_TIMEOUT_MS_MAX, err);
    }
    return status;
}

static taskq_status read_listens(const taskq_server_options *options, taskq__listen *listens, uint32_t *count,
                                 taskq_error *err)
{
    static const char *const fallback[] = {"127.0.0.1:7070"};
    const char *const *texts = options->listen_count > 0 ? options->listens : fallback;
    *count = options->listen_count > 0 ? options->listen_count : 1;
    for (uint32_t i = 0; i < *count; i++) {
        taskq_status status = taskq__listen_parse(texts[i], &listens[i], err);
        if (status != TASKQ_OK) {
            return status;
        }
        if (!listens[i].loopback && !options->insecure) {
            return taskq__fail(err, TASKQ_EINVAL,
                               "%s is not a loopback address and the API is open to whoever reaches it: "
                               "listen on 127.0.0.1 or [::1], or set insecure (--insecure)",
                               texts[i]);
        }
    }
    return TASKQ_OK;
}

static void set_options(taskq_server *server, const taskq_server_options *options)
{
    uint32_t connections = options->connections_max > 0 ? options->connections_max : CONNECTIONS_DEFAULT;
    server->scheduler = options->scheduler;
    server->log = options->log;
    server->insecure = options->insecure;
    server->body_bytes_max = options->body_bytes_max > 0 ? options->body_bytes_max : BODY_BYTES_DEFAULT;
    server->held_max = options->held_max > 0 ? options->held_max : connections / 2;
    atomic_init(&server->held, 0);
    atomic_init(&server->stopping, false);
    taskq_clock_system(&server->clock);
    taskq__rng_init(&server->rng, 0);
}

static taskq_status start_front(taskq_server *server, const taskq_server_options *options, taskq_error *err)
{
    taskq__listen listens[TASKQ__LISTENS_MAX];
    uint32_t count = 0;
    taskq_status status = read_listens(options, listens, &count, err);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq__front_options front_options = {
        .listens = listens,
        .listen_count = count,
        .connections_max = options->connections_max > 0 ? options->connections_max : CONNECTIONS_DEFAULT,
        .body_bytes_max = server->body_bytes_max,
        .request_timeout_ms = options->request_timeout_ms > 0 ? options->request_timeout_ms : REQUEST_TIMEOUT_MS_DEFAULT,
        .log = server->log,
        .clock = server->clock,
        .admit = admit,
        .answer = answer,
        .refused = refused,
        .done = done,
        .user = server,
    };
    status = taskq__front_start(&front_options, &server->front, err);
    if (status != TASKQ_OK) {
        return status;
    }
    for (uint32_t i = 0; i < count; i++) {
        snprintf(server->urls[i], sizeof(server->urls[i]), "http://%.63s:%u", listens[i].address,
                 taskq__front_port(server->front, i));
    }
    server->url_count = count;
    return TASKQ_OK;
}

taskq_status taskq_server_check(const taskq_server_options *options, taskq_error *err)
{
    taskq__listen listens[TASKQ__LISTENS_MAX];
    uint32_t count;
    taskq_status status = check_numbers(options, err);
    return status == TASKQ_OK ? read_listens(options, listens, &count, err) : status;
}

taskq_status taskq_server_start(const taskq_server_options *options, taskq_server **out, taskq_error *err)
{
    taskq_status status = taskq_server_check(options, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (options->scheduler == NULL || out == NULL) {
        return taskq__fail(err, TASKQ_EINVAL, "a scheduler is needed, and somewhere to put the server");
    }
    taskq_server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        return taskq__fail_memory(err);
    }
    if (pthread_mutex_init(&server->ready_lock, NULL) != 0) {
        free(server);
        return taskq__fail_memory(err);
    }
    set_options(server, options);
    status = start_front(server, options, err);
    if (status != TASKQ_OK) {
        pthread_mutex_destroy(&server->ready_lock);
        free(server);
        return status;
    }
    *out = server;
    return TASKQ_OK;
}

const char *taskq_server_url(const taskq_server *server, uint32_t index)
{
    return index < server->url_count ? server->urls[index] : NULL;
}

void taskq_server_stop(taskq_server *server)
{
    if (server == NULL) {
        return;
    }
    server->stopping = true;
    taskq__front_drain(server->front, &server->held,
                       FINISH_MS);           /* those that work, while the scheduler still takes work */
    taskq_scheduler_shut(server->scheduler); /* those that wait */
    taskq__front_drain(server->front, NULL, FINISH_MS);
    taskq__front_stop(server->front);
    pthread_mutex_destroy(&server->ready_lock);
    free(server);
}
