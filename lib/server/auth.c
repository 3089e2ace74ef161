/* SPDX-License-Identifier: MIT */
/*
 * Who may come in. Without tokens the API is open to whoever reaches it, and a web page that somebody looks at on this machine does
 * reach it: by a request across origins, or by a name that it points at 127.0.0.1. So the Host must be a name of this machine and the
 * request must not come from another site's page. With tokens a page has none to send; only a client certificate, which a browser shows
 * by itself, needs the second rule again.
 */
#include "server/auth.h"

#include "core/alloc.h"
#include "core/fail.h"
#include "core/log.h"
#include "core/text.h"
#include "server/api.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- the tokens ---------------------------------------------------------------------------------------------------------------- */

taskq_status taskq__auth_open(taskq__auth *auth, const taskq_allocator *a, const char *path, uint64_t seed,
                              taskq_error *err)
{
    auth->allocator = a;
    auth->path = NULL;
    auth->tokens = NULL;
    atomic_init(&auth->reloads, 0);
    if (pthread_rwlock_init(&auth->lock, NULL) != 0) {
        return taskq__fail_memory(err);
    }
    if (!taskq__throttle_init(&auth->throttle, seed)) {
        pthread_rwlock_destroy(&auth->lock);
        return taskq__fail_memory(err);
    }
    if (path == NULL) {
        return TASKQ_OK;
    }
    auth->path = taskq__strdup(a, path);
    taskq_status status = auth->path != NULL ? taskq_tokens_read(auth->path, auth->allocator, &auth->tokens, err)
                                             : taskq__fail_memory(err);
    if (status != TASKQ_OK) {
        taskq__auth_close(auth);
    }
    return status;
}

void taskq__auth_close(taskq__auth *auth)
{
    taskq_tokens_free(auth->tokens);
    taskq__free(auth->allocator, (char *)(uintptr_t)auth->path);
    taskq__throttle_clear(&auth->throttle);
    pthread_rwlock_destroy(&auth->lock);
}

taskq_status taskq__auth_reload(taskq__auth *auth, taskq_error *err)
{
    taskq_tokens *fresh = NULL;
    taskq_status status = auth->path != NULL ? taskq_tokens_read(auth->path, auth->allocator, &fresh, err) : TASKQ_OK;
    if (status != TASKQ_OK || auth->path == NULL) {
        return status;
    }
    pthread_rwlock_wrlock(&auth->lock);
    taskq_tokens *old = auth->tokens;
    auth->tokens = fresh;
    atomic_fetch_add(&auth->reloads, 1);
    pthread_rwlock_unlock(&auth->lock);
    taskq_tokens_free(old);
    return TASKQ_OK;
}

/* ---- web pages ------------------------------------------------------------------------------------------------------------------ */

static bool is_local_name(taskq_text host)
{
    char name[64];
    if (host.size == 0 || host.size >= sizeof(name)) {
        return false;
    }
    memcpy(name, host.data, host.size);
    name[host.size] = '\0';
    return strcasecmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0 || taskq__is_loopback_v4(name);
}

/* "http://localhost:7070" is the same origin as a Host of "localhost:7070". Behind a proxy that ends TLS the scheme may differ. */
static bool is_own_origin(taskq_text origin, taskq_text host)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2; i++) {
        size_t size = strlen(schemes[i]);
        if (origin.size == size + host.size && strncasecmp(origin.data, schemes[i], size) == 0) {
            return strncasecmp(origin.data + size, host.data, host.size) == 0;
        }
    }
    return false;
}

static bool refuse(taskq__reply *reply, taskq__problem problem, const char *why)
{
    taskq__reply_problem(reply, problem, NULL, "%s", why);
    reply->bound = TASKQ__BOUND_FORBIDDEN;
    return false;
}

static bool is_of_no_other_site(const taskq__request *request, taskq__reply *reply)
{
    static const char why[] = "requests from another site's page are refused";
    taskq_text origin = taskq__request_header(request, "Origin");
    taskq_text site = taskq__request_header(request, "Sec-Fetch-Site");
    if (origin.data != NULL && !is_own_origin(origin, taskq__request_header(request, "Host"))) {
        return refuse(reply, TASKQ__PROBLEM_FORBIDDEN, why);
    }
    if (site.data != NULL && !taskq__text_is(site, "same-origin") && !taskq__text_is(site, "none")) {
        return refuse(reply, TASKQ__PROBLEM_FORBIDDEN, why);
    }
    return true;
}

bool taskq__auth_admit(const taskq_server *server, const taskq__request *request, taskq__reply *reply)
{
    if (server->auth.path != NULL) {
        return true;
    }
    taskq_text host = taskq__request_header(request, "Host");
    taskq_text port;
    if (!server->auth.any_host && (!taskq__authority_split(&host, &port) || !is_local_name(host))) {
        return refuse(reply, TASKQ__PROBLEM_MISDIRECTED,
                      "without tokens only localhost, 127.0.0.0/8 and [::1] are answered for");
    }
    return is_of_no_other_site(request, reply);
}

/* ---- who it is ------------------------------------------------------------------------------------------------------------------ */

/* The token outlives its file's next reading only in the request that asked with it. */
static taskq__identity *keep(const taskq_token *token, taskq_arena *arena)
{
    taskq__identity *who = taskq_arena_alloc(arena, sizeof(*who));
    taskq_text *queues = taskq_arena_alloc(arena, (token->queue_count + 1) * sizeof(*queues));
    if (who == NULL || queues == NULL || !taskq_arena_copy(arena, token->name, strlen(token->name), &who->name)) {
        return NULL;
    }
    for (uint32_t i = 0; i < token->queue_count; i++) {
        if (!taskq_arena_copy(arena, token->queues[i], strlen(token->queues[i]), &queues[i])) {
            return NULL;
        }
    }
    who->role = token->role;
    who->queues = queues;
    who->queue_count = token->queue_count;
    return who;
}

typedef enum finding { FOUND, NO_TOKEN, NO_SUCH_TOKEN, NO_MEMORY } finding;

/* "Bearer TOKEN"; size 0: it is something else. */
static taskq_text bearer(taskq_text header)
{
    static const char scheme[] = "Bearer ";
    size_t size = sizeof(scheme) - 1;
    if (header.size <= size || strncasecmp(header.data, scheme, size) != 0) {
        return (taskq_text){NULL, 0};
    }
    return taskq__trimmed((taskq_text){header.data + size, header.size - size});
}

/* Under the lock. */
static const taskq_token *look_up(const taskq_server *server, const taskq__request *request,
                                  const taskq__secret_hash *hash)
{
    int64_t now_ms = server->clock.wall_ms(server->clock.user);
    return hash != NULL ? taskq__tokens_by_hash(server->auth.tokens, hash, now_ms)
                        : taskq__tokens_by_name(server->auth.tokens, request->certificate, now_ms);
}

/* The hash of the secret that was sent, or of none: then the certificate counts. */
static finding read_secret(const taskq__request *request, taskq__secret_hash *room, const taskq__secret_hash **out)
{
    taskq_text header = taskq__request_header(request, "Authorization");
    taskq_text secret = bearer(header);
    *out = NULL;
    if (header.data == NULL) {
        return request->certificate.size > 0 ? FOUND : NO_TOKEN;
    }
    *out = room;
    return taskq__secret_is_whole(secret) && taskq__secret_hash_of(secret, room) ? FOUND : NO_SUCH_TOKEN;
}

static finding find_identity(taskq_server *server, taskq__request *request)
{
    taskq__secret_hash room;
    const taskq__secret_hash *hash;
    finding found = read_secret(request, &room, &hash);
    if (found != FOUND) {
        return found;
    }
    pthread_rwlock_rdlock(&server->auth.lock);
    const taskq_token *token = look_up(server, request, hash);
    request->who = token != NULL ? keep(token, request->arena) : NULL;
    request->reloads = atomic_load(&server->auth.reloads);
    pthread_rwlock_unlock(&server->auth.lock);
    return request->who != NULL ? FOUND : token != NULL ? NO_MEMORY : NO_SUCH_TOKEN;
}

static taskq_text seconds_text(const taskq__request *request, int64_t wait_ms)
{
    char text[24];
    taskq_text value = TASKQ_TEXT("1");
    int size = snprintf(text, sizeof(text), "%lld", (long long)((wait_ms + 999) / 1000));
    taskq_arena_copy(request->arena, text, (size_t)size, &value);
    return value;
}

static void log_refusal(const taskq_server *server, const taskq__request *request, const char *why)
{
    char client[64];
    snprintf(client, sizeof(client), "%.*s", (int)(request->client.size < 63 ? request->client.size : 63),
             request->client.data);
    taskq_log_field fields[] = {
        {"client", client, 0}, {"peer", request->peer.data, 0}, {"request_id", request->request_id, 0}};
    taskq__log(&server->log, TASKQ_LOG_WARN, "auth", why, fields, 3);
}

/* Asking without any is how one learns that one is needed; a token that is none is counted against the address. */
static bool turn_away(taskq_server *server, const taskq__request *request, taskq__reply *reply, finding found)
{
    taskq__address who = {{0}};
    int64_t now_ms = server->clock.steady_ms(server->clock.user);
    taskq__address_parse(request->client, &who);
    int64_t wait_ms = found == NO_SUCH_TOKEN ? taskq__throttle_fail(&server->auth.throttle, who, now_ms) : 0;
    if (wait_ms > 0) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_TOO_MANY_REQUESTS, NULL,
                             "too many tokens that are none came from this address");
        for (uint32_t i = 0; i < reply->header_count; i++) {
            if (strcmp(reply->headers[i].name.data, "Retry-After") == 0) {
                reply->headers[i].value = seconds_text(request, wait_ms);
            }
        }
        reply->bound = TASKQ__BOUND_THROTTLED;
        reply->close = true;
        return false;
    }
    taskq__reply_problem(reply, TASKQ__PROBLEM_UNAUTHORIZED, NULL,
                         found == NO_TOKEN ? "a token is needed: Authorization: Bearer TOKEN"
                                           : "the token is mistyped, not known, or not valid any more");
    taskq__reply_header(reply, "WWW-Authenticate",
                        found == NO_TOKEN ? TASKQ_TEXT("Bearer realm=\"taskq\"")
                                          : TASKQ_TEXT("Bearer realm=\"taskq\", error=\"invalid_token\""));
    reply->bound = TASKQ__BOUND_UNAUTHORIZED;
    if (found == NO_SUCH_TOKEN) {
        log_refusal(server, request, "a token was refused");
    }
    return false;
}

static bool role_covers(taskq_role has, taskq__role needs)
{
    if (needs == TASKQ__ROLE_WORKER) {
        return has == TASKQ_ROLE_WORKER || has == TASKQ_ROLE_ADMIN;
    }
    return has != TASKQ_ROLE_WORKER && (int)has >= (int)needs;
}

static const char *role_word(taskq__role role)
{
    return taskq_role_name((taskq_role)role);
}

static const taskq__identity *open_identity(const taskq__request *request)
{
    static const taskq__identity open = {{"open", 4}, TASKQ_ROLE_ADMIN, NULL, 0};
    taskq__identity *who;
    if (request->certificate.size == 0 || (who = taskq_arena_alloc(request->arena, sizeof(*who))) == NULL) {
        return &open;
    }
    *who = (taskq__identity){request->certificate, TASKQ_ROLE_ADMIN, NULL, 0};
    return who;
}

bool taskq__auth_allow(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    if (server->auth.path == NULL) {
        request->who = open_identity(request);
        return true;
    }
    if (request->route->role == TASKQ__ROLE_OPEN) {
        return true;
    }
    finding found = find_identity(server, request);
    if (found == NO_MEMORY) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_UNAVAILABLE, NULL, "the server is short of memory");
        return false;
    }
    if (found != FOUND) {
        return turn_away(server, request, reply, found);
    }
    bool by_certificate = taskq__request_header(request, "Authorization").data == NULL;
    if (by_certificate && !is_of_no_other_site(request, reply)) {
        return false;
    }
    if (!role_covers(request->who->role, request->route->role)) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_FORBIDDEN, NULL,
                             "this needs the role %s; the token \"%.*s\" is a %s", role_word(request->route->role),
                             (int)request->who->name.size, request->who->name.data, taskq_role_name(request->who->role));
        reply->bound = TASKQ__BOUND_FORBIDDEN;
        return false;
    }
    return taskq__scope_admit(request, reply);
}

bool taskq__auth_still(taskq_server *server, const taskq__request *request)
{
    taskq__secret_hash room;
    const taskq__secret_hash *hash;
    if (server->auth.path == NULL || atomic_load(&server->auth.reloads) == request->reloads) {
        return true;
    }
    if (read_secret(request, &room, &hash) != FOUND) {
        return false;
    }
    pthread_rwlock_rdlock(&server->auth.lock);
    const taskq_token *token = look_up(server, request, hash);
    bool still = token != NULL && token->role == request->who->role;
    pthread_rwlock_unlock(&server->auth.lock);
    return still;
}
