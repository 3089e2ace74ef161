/* SPDX-License-Identifier: MIT */
/*
 * The server: options checked, front started, every request led through the same steps (identity, route, who may, what body) to its
 * handler, and all of it ended in an order in which nobody waits for somebody who waits for him.
 */
#include "core/alloc.h"
#include "core/fail.h"
#include "core/log.h"
#include "core/sized.h"
#include "core/text.h"
#include "server/api.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
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

/* Who asks, where a proxy that we trust says so in the last line that it wrote. */
static bool find_client(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    taskq__address address;
    taskq_text list = {NULL, 0};
    const taskq__config *config = &server->config;
    if (config->trusted_count == 0 || !taskq__address_parse(request->peer, &address) ||
        !taskq__networks_have(config->trusted, config->trusted_count, &address)) {
        return true;
    }
    for (uint32_t i = 0; i < request->header_count; i++) {
        const taskq__pair *header = &request->headers[i];
        if (header->name.size == 15 && strncasecmp(header->name.data, "X-Forwarded-For", 15) == 0) {
            list = header->value;
        }
    }
    taskq_text client = taskq__address_forwarded(list, config->trusted, config->trusted_count);
    if (client.size == 0 || !taskq__address_parse(client, &address)) {
        return true;
    }
    request->client = client;
    request->client_counted = taskq__peers_enter(&server->clients, taskq__address_block(address));
    if (!request->client_counted) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_TOO_MANY_REQUESTS, NULL,
                             "too many requests at once from this address");
        reply->bound = TASKQ__BOUND_ADDRESS;
    }
    return request->client_counted;
}

static void leave_client(taskq_server *server, const taskq__request *request)
{
    taskq__address address;
    if (request->client_counted && taskq__address_parse(request->client, &address)) {
        taskq__peers_leave(&server->clients, taskq__address_block(address));
    }
}

static bool admit(void *user, taskq__request *request, taskq__reply *reply)
{
    taskq_server *server = user;
    reply->head_only = taskq__text_is(request->method, "HEAD");
    request->json_depth_max = server->config.json_depth_max;
    identify(server, request);
    return find_client(server, request, reply) && taskq__auth_admit(server, request, reply) &&
           find_route(request, reply) && taskq__auth_allow(server, request, reply);
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
    taskq__audit(server, request, reply);
}

static void log_fault(const taskq_server *server, const taskq__request *request, const taskq__reply *reply)
{
    taskq_log_field fields[] = {
        {"request_id", request->request_id, 0}, {"status", NULL, reply->status}, {"error", reply->fault, 0}};
    taskq__log(&server->log, TASKQ_LOG_WARN, "server", "a request failed", fields, 3);
}

static void done(void *user, const taskq__request *request, const taskq__reply *reply)
{
    taskq_server *server = user;
    leave_client(server, request);
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

static taskq_status start_front(taskq_server *server, taskq_error *err)
{
    const taskq__config *config = &server->config;
    taskq__front_options front_options = {
        .allocator = &server->allocator,
        .listens = config->listens,
        .listen_count = config->listen_count,
        .connections_max = config->connections_max,
        .body_bytes_max = config->body_bytes_max,
        .request_timeout_ms = config->request_timeout_ms,
        .header_bytes_max = config->header_bytes_max,
        .url_bytes_max = config->url_bytes_max,
        .address_connections_max = config->address_connections_max,
        .loopback_unbound = config->loopback_unbound,
        .handshakes_max = config->handshakes_max,
        .handshake_timeout_ms = config->handshake_timeout_ms,
        .trusted = config->trusted,
        .trusted_count = config->trusted_count,
        .tls = server->tls,
        .refused_counts = &server->refused,
        .log = server->log,
        .clock = server->clock,
        .admit = admit,
        .answer = answer,
        .refused = refused,
        .done = done,
        .user = server,
    };
    taskq_status status = taskq__front_start(&front_options, &server->front, err);
    if (status != TASKQ_OK) {
        return status;
    }
    for (uint32_t i = 0; i < config->listen_count; i++) {
        taskq__listen listen = config->listens[i];
        snprintf(server->urls[i], sizeof(server->urls[i]), "http%s://%s:%u", server->tls != NULL ? "s" : "",
                 listen.address, taskq__front_port(server->front, i));
    }
    server->url_count = config->listen_count;
    return TASKQ_OK;
}

taskq_status taskq_server_check(const taskq_server_options *given, taskq_error *err)
{
    taskq__config config;
    taskq_server_options options;
    taskq_tokens *tokens = NULL;
    taskq__tls *tls = NULL;
    taskq_status status = TASKQ__SIZED_IN(given, &options, err);
    if (status == TASKQ_OK) {
        status = taskq__config_read(&options, &config, err);
    }
    if (status == TASKQ_OK && options.tokens_path != NULL) {
        status = taskq_tokens_read(options.tokens_path, &options.allocator, &tokens, err);
    }
    if (status == TASKQ_OK && config.tls.cert_path != NULL) {
        config.tls.allocator = &options.allocator;
        status = taskq__tls_open(&config.tls, &tls, err);
    }
    taskq_tokens_free(tokens);
    taskq__tls_close(tls);
    return status;
}

/* What is open to more people than its owner may think is said at the start, once. */
static void warn(const taskq_server *server)
{
    const taskq__config *config = &server->config;
    bool beyond = false;
    for (uint32_t i = 0; i < config->listen_count; i++) {
        beyond = beyond || !config->listens[i].loopback;
    }
    if (server->auth.path == NULL && beyond) {
        taskq__log(&server->log, TASKQ_LOG_WARN, "server",
                   "INSECURE: there are no tokens, so whoever reaches this address can do everything: set --tokens",
                   NULL, 0);
    }
    if (server->auth.path == NULL && !beyond) {
        taskq__log(&server->log, TASKQ_LOG_INFO, "server",
                   config->tls.client_ca_path != NULL
                       ? "there are no tokens: whoever has a client certificate can do everything"
                       : "there are no tokens: every user of this machine can do everything",
                   NULL, 0);
    }
    if (server->tls == NULL && beyond) {
        taskq__log(&server->log, TASKQ_LOG_WARN, "server",
                   "INSECURE: without TLS whoever is on the way reads tokens and jobs: set --tls-cert and --tls-key, or "
                   "listen on loopback behind a proxy that ends TLS",
                   NULL, 0);
    }
    if (server->auth.tokens != NULL && taskq_tokens_count(server->auth.tokens) == 0) {
        taskq__log(&server->log, TASKQ_LOG_WARN, "server", "the file of tokens is empty: nobody gets in", NULL, 0);
    }
}

static void free_server(taskq_server *server, bool has_auth)
{
    taskq__tls_close(server->tls);
    taskq__peers_clear(&server->clients);
    taskq__peers_clear(&server->pollers);
    if (has_auth) {
        taskq__auth_close(&server->auth);
    }
    pthread_mutex_destroy(&server->ready_lock);
    taskq__process_end(&server->process);
    taskq_allocator allocator = server->allocator;
    taskq__free(&allocator, server);
}

static bool init_tables(taskq_server *server, const taskq__config *config)
{
    uint32_t threads = config->connections_max + 64;
    if (pthread_mutex_init(&server->ready_lock, NULL) != 0) {
        return false;
    }
    if (taskq__peers_init(&server->clients, &server->allocator, threads, config->address_connections_max,
                          taskq__rng_next(&server->rng)) != TASKQ_OK) {
        pthread_mutex_destroy(&server->ready_lock);
        return false;
    }
    if (taskq__peers_init(&server->pollers, &server->allocator, threads, config->worker_polls_max,
                          taskq__rng_next(&server->rng)) != TASKQ_OK) {
        taskq__peers_clear(&server->clients);
        pthread_mutex_destroy(&server->ready_lock);
        return false;
    }
    return true;
}

static taskq_server *new_server(const taskq_server_options *options, const taskq__config *config)
{
    taskq_server *server = taskq__alloc(&options->allocator, sizeof(*server));
    if (server == NULL) {
        return NULL;
    }
    server->allocator = options->allocator;
    taskq__process_begin(&server->process);
    taskq__rng_init(&server->rng, 0);
    if (!init_tables(server, config)) {
        taskq__process_end(&server->process);
        taskq__free(&options->allocator, server);
        return NULL;
    }
    server->scheduler = options->scheduler;
    server->log = options->log;
    server->config = *config;
    server->config.tls.allocator = &server->allocator;
    server->body_bytes_max = config->body_bytes_max;
    server->held_max = config->held_max;
    taskq_clock_system(&server->clock);
    return server;
}

taskq_status taskq_server_start(const taskq_server_options *given, taskq_server **out, taskq_error *err)
{
    taskq__config config;
    taskq_server_options options;
    taskq_status status = TASKQ__SIZED_IN(given, &options, err);
    if (status == TASKQ_OK) {
        status = taskq__config_read(&options, &config, err);
    }
    if (status != TASKQ_OK) {
        return status;
    }
    if (options.scheduler == NULL || out == NULL) {
        return taskq__fail(err, TASKQ_EINVAL, "a scheduler is needed, and somewhere to put the server");
    }
    taskq_scheduler_stats stats = {.struct_size = sizeof(stats)};
    status = taskq_scheduler_read_stats(options.scheduler, &stats, err);
    if (status != TASKQ_OK) {
        return status; /* a forked child cannot serve what its parent has open */
    }
    taskq_server *server = new_server(&options, &config);
    if (server == NULL) {
        return taskq__fail_memory(err);
    }
    status =
        taskq__auth_open(&server->auth, &server->allocator, options.tokens_path, taskq__rng_next(&server->rng), err);
    bool has_auth = status == TASKQ_OK;
    server->auth.any_host = options.insecure;
    if (status == TASKQ_OK && config.tls.cert_path != NULL) {
        status = taskq__tls_open(&server->config.tls, &server->tls, err);
    }
    if (status == TASKQ_OK) {
        status = start_front(server, err);
    }
    if (status != TASKQ_OK) {
        free_server(server, has_auth);
        return status;
    }
    warn(server);
    *out = server;
    return TASKQ_OK;
}

taskq_status taskq_server_reload(taskq_server *server, taskq_error *err)
{
    taskq_error first = TASKQ_ERROR_INIT;
    taskq_error second = TASKQ_ERROR_INIT;
    taskq_status status = taskq__process_check(&server->process, "server", err);
    if (status != TASKQ_OK) {
        return status;
    }
    status = taskq__auth_reload(&server->auth, &first);
    taskq_status other = server->tls != NULL ? taskq__tls_reload(server->tls, &second) : TASKQ_OK;
    if (status == TASKQ_OK && other == TASKQ_OK) {
        return TASKQ_OK;
    }
    return taskq__fail(err, status != TASKQ_OK ? status : other, "%s%s%s", first.text,
                       status != TASKQ_OK && other != TASKQ_OK ? "; " : "", second.text);
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
    if (taskq__process_is_other(&server->process)) {
        taskq__front_forked(server->front);
        return;
    }
    server->stopping = true;
    taskq__front_leave(server->front, server->config.drain_ms);
    taskq__front_drain(server->front, &server->held,
                       FINISH_MS);           /* those that work, while the scheduler still takes work */
    taskq_scheduler_shut(server->scheduler); /* those that wait */
    taskq__front_drain(server->front, NULL, FINISH_MS);
    taskq__front_stop(server->front);
    free_server(server, true);
}
