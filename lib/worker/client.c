/* SPDX-License-Identifier: MIT */
/*
 * The public client: one request, answered or explained. What it adds to HTTP is what every producer would have to write for itself: the
 * next server when one is out of reach, a repetition only where it cannot do a thing twice, and the server's own words in the error.
 */
#include "core/alloc.h"
#include "core/arena.h"
#include "core/fail.h"
#include "core/process.h"
#include "core/scan.h"
#include "core/sized.h"
#include "core/text.h"
#include "worker/breaker.h"
#include "worker/client.h"
#include "worker/retry_after.h"
#include "worker/transport.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <taskq/clock.h>

enum {
    TIMEOUT_MS_DEFAULT = 30000,
    TIMEOUT_MS_MIN = 100,
    TIMEOUT_MS_MAX = 600000,
    CONNECT_TIMEOUT_MS = 3000,
    REPLY_BYTES_MAX_DEFAULT = 16 << 20,
    URL_BYTES_MAX = 16384,
    KEY_BYTES_MAX = 256,
    TRY_MS_MIN = 1000, /* a server that is asked gets so long, if the call has it */
    HOME_BASE_MS = 1000,
    HOME_MAX_MS = 60000 /* so often the first server is tried again while another one is asked */
};

struct taskq_client {
    taskq__process process;
    taskq_allocator allocator;
    taskq__servers servers;
    taskq_log log; /* nowhere */
    taskq__rng rng;
    taskq__http *http;
    int64_t home_at_ms, home_pause_ms; /* when the first server is tried again */
    int64_t timeout_ms;
    size_t reply_bytes_max;
};

int64_t taskq__client_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void taskq__client_sleep(int64_t ms)
{
    struct timespec span = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &span, NULL); /* cut short by a signal: it is asked a little earlier */
}

/* ---- opening -------------------------------------------------------------------------------------------------------------------- */

taskq_status taskq_client_open(const taskq_client_options *from, taskq_client **out, taskq_error *err)
{
    taskq_client_options options = TASKQ_CLIENT_OPTIONS_INIT;
    if (out == NULL) {
        return taskq__fail(err, TASKQ_EINVAL, "a place for the client is required");
    }
    taskq_status status = from == NULL ? TASKQ_OK : TASKQ__SIZED_IN(from, &options, err);
    if (status != TASKQ_OK) {
        return status;
    }
    int64_t timeout_ms = options.timeout_ms == 0 ? TIMEOUT_MS_DEFAULT : options.timeout_ms;
    if (timeout_ms < TIMEOUT_MS_MIN || timeout_ms > TIMEOUT_MS_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/timeout_ms", "the time-out is %d to %d ms", TIMEOUT_MS_MIN,
                                 TIMEOUT_MS_MAX);
    }
    taskq_client *client = taskq__alloc(&options.allocator, sizeof(*client));
    if (client == NULL) {
        return taskq__fail_memory(err);
    }
    taskq__http_identity identity = {options.token, options.ca_file, options.cert_file, options.key_file};
    client->allocator = options.allocator;
    taskq__process_begin(&client->process);
    client->timeout_ms = timeout_ms;
    client->home_pause_ms = HOME_BASE_MS / 2;
    client->reply_bytes_max = options.reply_bytes_max == 0 ? REPLY_BYTES_MAX_DEFAULT : options.reply_bytes_max;
    taskq__rng_init(&client->rng, 0);
    status = taskq__servers_init(&client->servers, &client->allocator, options.servers, options.server_count,
                                 &client->log, &client->rng, err);
    if (status == TASKQ_OK) {
        status = taskq__http_open(&client->allocator, &identity, &client->http, err);
    }
    if (status != TASKQ_OK) {
        taskq_client_close(client);
        return status;
    }
    *out = client;
    return TASKQ_OK;
}

taskq_status taskq__client_check(const taskq_client *client, taskq_error *err)
{
    return taskq__process_check(&client->process, "client", err);
}

const taskq_allocator *taskq__client_allocator(const taskq_client *client)
{
    return &client->allocator;
}

void taskq__client_draw_key(taskq_client *client, char out[TASKQ__DRAWN_KEY_BYTES])
{
    snprintf(out, TASKQ__DRAWN_KEY_BYTES, "%016llx%016llx", (unsigned long long)taskq__rng_next(&client->rng),
             (unsigned long long)taskq__rng_next(&client->rng));
}

void taskq_client_close(taskq_client *client)
{
    if (client != NULL && !taskq__process_is_other(&client->process)) {
        taskq__process_end(&client->process);
        taskq__http_close(client->http);
        taskq__servers_clear(&client->servers);
        taskq_allocator allocator = client->allocator;
        taskq__free(&allocator, client);
    }
}

void taskq_reply_clear(taskq_reply *reply)
{
    if (reply != NULL) {
        taskq__free(&reply->allocator, reply->memory);
        *reply = (taskq_reply)TASKQ_REPLY_INIT;
    }
}

/* ---- what an answer means ---------------------------------------------------------------------------------------------------------- */

typedef struct problem {
    char slug[64], detail[TASKQ_ERROR_TEXT_MAX], field[TASKQ_ERROR_FIELD_MAX];
} problem;

static void copy_member(const taskq__json *json, taskq_arena *arena, const char *key, char *out, size_t bytes)
{
    taskq_text text;
    uint32_t node = taskq__json_member(json, 0, key);
    if (node != 0 && json->nodes[node].kind == TASKQ__JSON_STRING &&
        taskq__json_string(json, node, arena, &text, NULL) == TASKQ_OK) {
        snprintf(out, bytes, "%.*s", (int)(text.size < bytes ? text.size : bytes - 1),
                 text.data == NULL ? "" : text.data);
    }
}

static void read_problem(const taskq_allocator *a, taskq_text body, problem *out)
{
    static const char prefix[] = "urn:taskq:problem:";
    char type[sizeof(prefix) + sizeof(out->slug)] = "";
    taskq__json json;
    *out = (problem){.slug = ""};
    taskq_arena *arena = taskq__arena_new(a, 0);
    if (arena != NULL && taskq__json_scan(body, NULL, arena, &json, NULL) == TASKQ_OK &&
        json.nodes[0].kind == TASKQ__JSON_OBJECT) {
        copy_member(&json, arena, "type", type, sizeof(type));
        copy_member(&json, arena, "title", out->detail, sizeof(out->detail));
        copy_member(&json, arena, "detail", out->detail, sizeof(out->detail));
        copy_member(&json, arena, "field", out->field, sizeof(out->field));
    }
    if (strncmp(type, prefix, sizeof(prefix) - 1) == 0) {
        snprintf(out->slug, sizeof(out->slug), "%.63s", type + sizeof(prefix) - 1);
    }
    taskq__arena_free(arena);
}

static taskq_status status_of(int32_t http, const char *slug)
{
    switch (http) {
    case 401:
    case 403: return TASKQ_EDENIED;
    case 404: return TASKQ_ENOTFOUND;
    case 408: return TASKQ_EUNAVAIL;
    case 409: return strcmp(slug, "stale-version") == 0 ? TASKQ_ESTALE : TASKQ_ECONFLICT;
    case 413:
    case 429:
    case 431: return TASKQ_ELIMIT;
    case 422: return TASKQ_EINVAL;
    default: break;
    }
    if (http >= 200 && http < 300) {
        return TASKQ_OK;
    }
    return http >= 500 ? TASKQ_EUNAVAIL : http >= 400 ? TASKQ_ESYNTAX : TASKQ_EPROTO;
}

static taskq_status explain(const taskq__http_reply *got, taskq_error *err)
{
    problem what;
    if (got->status >= 200 && got->status < 300) {
        return TASKQ_OK;
    }
    read_problem(got->body.allocator, taskq__buf_text(&got->body), &what);
    taskq_status status = status_of(got->status, what.slug);
    if (what.detail[0] == '\0') {
        return taskq__fail(err, status, "the server answered HTTP %d", (int)got->status);
    }
    return taskq__fail_field(err, status, what.field, "%s", what.detail);
}

/* ---- one request ----------------------------------------------------------------------------------------------------------------------- */

static taskq_status ask(taskq_client *client, const taskq__question *q, uint32_t server, int64_t left_ms,
                        taskq__http_reply *got, taskq_error *err)
{
    const char *base = client->servers.list[server].url;
    size_t size = strlen(base);
    char key[KEY_BYTES_MAX + 32], trace[TASKQ_TRACEPARENT_BYTES_MAX + 16];
    const char *headers[4];
    taskq__http_request request = TASKQ__HTTP_REQUEST_INIT;
    taskq__buf url;
    while (size > 0 && base[size - 1] == '/') {
        size--;
    }
    taskq__buf_init(&url, &client->allocator, URL_BYTES_MAX);
    taskq__buf_add(&url, base, size);
    taskq__buf_add_string(&url, q->path);
    headers[request.header_count++] = "Accept: application/json";
    if (q->body.size > 0) {
        headers[request.header_count++] = "Content-Type: application/json";
        request.body = q->body;
    }
    if (q->key != NULL) {
        snprintf(key, sizeof(key), "Idempotency-Key: %s", q->key);
        headers[request.header_count++] = key;
    }
    if (taskq__text_is_traceparent(q->traceparent)) {
        snprintf(trace, sizeof(trace), "traceparent: %.*s", (int)q->traceparent.size, q->traceparent.data);
        headers[request.header_count++] = trace;
    }
    request.method = q->method;
    request.url = url.data;
    request.headers = headers;
    request.timeout_ms = left_ms;
    request.connect_timeout_ms = left_ms < CONNECT_TIMEOUT_MS ? left_ms : CONNECT_TIMEOUT_MS;
    request.body_bytes_max = client->reply_bytes_max;
    taskq_status status = !url.failed     ? taskq__http_call(client->http, &request, got, err)
                          : url.no_memory ? taskq__fail_memory(err)
                                          : taskq__fail(err, TASKQ_EINVAL, "the path is too long");
    taskq__buf_clear(&url);
    return status;
}

/* Would doing it twice be the same as doing it once? A claim that does not name its poll would lease twice; a report names its version. */
static bool is_repeatable(const taskq__question *q)
{
    size_t size = strcspn(q->path, "?");
    if (size == 9 && strncmp(q->path, "/next-job", size) == 0) {
        return strstr(q->path + size, "poll=") != NULL;
    }
    bool reports = size > 15 && strncmp(q->path, "/jobs/", 6) == 0 && strncmp(q->path + size - 9, "/complete", 9) == 0;
    return q->key != NULL || reports || strcmp(q->method, "GET") == 0 || strcmp(q->method, "HEAD") == 0 ||
           strcmp(q->method, "PUT") == 0 || strcmp(q->method, "PATCH") == 0;
}

/* Whether another server, or the same once more, is to be asked after this. */
static bool should_go_on(const taskq__question *q, const taskq__http_reply *got)
{
    switch (got->class) {
    case TASKQ__HTTP_OK: return got->status == 503 || ((got->status == 502 || got->status == 504) && is_repeatable(q));
    case TASKQ__HTTP_NO_CONNECT: return true;
    case TASKQ__HTTP_TIMED_OUT:
    case TASKQ__HTTP_BROKEN: return !got->sent || is_repeatable(q);
    default: return false;
    }
}

/* Of a server that has no time now; 0: it did not say. */
static int64_t retry_after_ms(const taskq__http_reply *got)
{
    taskq_clock clock;
    int64_t ms = 0;
    const taskq__http_header *header = taskq__http_reply_header(got, "Retry-After");
    taskq_clock_system(&clock);
    if (got->class != TASKQ__HTTP_OK || got->status != 503 || header == NULL ||
        !taskq__retry_after_read(header->value, clock.wall_ms(clock.user), &ms)) {
        return 0;
    }
    return ms;
}

/* `reads`: the request changes nothing, so whether it was sent does not matter. */
static taskq_status no_answer(const taskq__http_reply *got, bool reads, taskq_error *err)
{
    switch (got->class) {
    case TASKQ__HTTP_BAD_URL:
    case TASKQ__HTTP_BAD_SCHEME: return taskq__fail(err, TASKQ_EINVAL, "%s", got->text);
    case TASKQ__HTTP_NO_MEMORY:
        if (!got->sent || reads) {
            return taskq__fail_memory(err);
        }
        break;
    default: break;
    }
    if (got->sent) {
        return taskq__fail(err, TASKQ_EUNKNOWN, "it was sent, but no answer came: %s", got->text);
    }
    return taskq__fail(err, TASKQ_EUNAVAIL, "no server could be asked: %s", got->text);
}

/* The one that answered last, or the first again where it is time. */
static uint32_t begin_with(const taskq_client *client)
{
    bool home = client->servers.current != 0 && taskq__client_now_ms() >= client->home_at_ms;
    return home ? 0 : client->servers.current;
}

static void note(taskq_client *client, uint32_t server, bool answered)
{
    if (answered) {
        client->servers.current = server;
    }
    if (server == 0) {
        int64_t pause_ms = client->home_pause_ms * 2 < HOME_MAX_MS ? client->home_pause_ms * 2 : HOME_MAX_MS;
        client->home_pause_ms = answered ? HOME_BASE_MS / 2 : pause_ms;
        client->home_at_ms = taskq__client_now_ms() + client->home_pause_ms;
    }
}

/* What this server gets of the time that is left: one that accepts and says nothing must leave some for the others, where they may be asked. */
static int64_t share(const taskq__question *q, int64_t left_ms, uint32_t servers_left)
{
    int64_t ms = is_repeatable(q) ? left_ms / servers_left : left_ms;
    ms = ms < TRY_MS_MIN ? TRY_MS_MIN : ms;
    return left_ms < 1 ? 1 : left_ms < ms ? left_ms : ms;
}

typedef struct round_end {
    bool over;           /* there is an answer, or nobody else may be asked */
    bool sent;           /* it went out and no answer came */
    int64_t again_in_ms; /* the soonest that one of them named; 0: none did */
} round_end;

/* Each server once, and the first once more: a connection that broke says nothing about the server. */
static taskq_status ask_all(taskq_client *client, const taskq__question *q, int64_t until_ms, taskq__http_reply *got,
                            round_end *end, taskq_error *err)
{
    uint32_t count = client->servers.count, first = begin_with(client);
    for (uint32_t i = 0; i <= count; i++) {
        uint32_t server = (first + i) % count;
        int64_t left_ms = until_ms - taskq__client_now_ms();
        if ((i > 0 && left_ms <= 0) ||
            (i == count && (got->class == TASKQ__HTTP_OK || got->class == TASKQ__HTTP_NO_CONNECT))) {
            break;
        }
        taskq_status status = ask(client, q, server, share(q, left_ms, i < count ? count - i : 1), got, err);
        if (status != TASKQ_OK) {
            return status;
        }
        end->sent = end->sent || (got->class != TASKQ__HTTP_OK && got->sent);
        bool go_on = should_go_on(q, got);
        note(client, server, !go_on && got->class == TASKQ__HTTP_OK);
        if (!go_on) {
            end->over = true;
            break;
        }
        int64_t ms = retry_after_ms(got);
        end->again_in_ms = ms > 0 && (end->again_in_ms == 0 || ms < end->again_in_ms) ? ms : end->again_in_ms;
    }
    return TASKQ_OK;
}

static taskq_status exchange(taskq_client *client, const taskq__question *q, taskq__http_reply *got, taskq_error *err)
{
    int64_t until_ms = taskq__client_now_ms() + client->timeout_ms;
    round_end end = {false, false, 0};
    for (;;) {
        end.again_in_ms = 0;
        taskq_status status = ask_all(client, q, until_ms, got, &end, err);
        if (status != TASKQ_OK) {
            return status;
        }
        /* Every server that is there said when to come again: within the call's time they are taken at their word. */
        if (end.over || end.again_in_ms == 0 || taskq__client_now_ms() + end.again_in_ms >= until_ms) {
            break;
        }
        taskq__client_sleep(end.again_in_ms);
    }
    got->sent = end.sent || got->sent;
    if (got->class != TASKQ__HTTP_OK) {
        return no_answer(got, strcmp(q->method, "GET") == 0 || strcmp(q->method, "HEAD") == 0, err);
    }
    return got->truncated
               ? taskq__fail(err, TASKQ_EPROTO, "the answer is longer than %zu bytes", client->reply_bytes_max)
               : explain(got, err);
}

static void hand_over(const taskq_client *client, taskq__http_reply *got, taskq_reply *reply)
{
    if (reply == NULL || got->class != TASKQ__HTTP_OK || got->truncated) {
        return;
    }
    taskq_reply_clear(reply);
    reply->http_status = got->status;
    reply->body = taskq__buf_text(&got->body);
    reply->memory = got->body.data;
    reply->allocator = client->allocator;
    taskq__buf_init(&got->body, &client->allocator, 0); /* the memory is the reply's now */
}

static bool is_idempotency_key(const char *key)
{
    size_t size = strlen(key);
    for (const char *c = key; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~') {
            return false;
        }
    }
    return size >= 1 && size <= KEY_BYTES_MAX;
}

taskq_status taskq__client_send(taskq_client *client, const taskq__question *q, taskq_reply *reply, taskq_error *err)
{
    taskq__http_reply got;
    taskq_status status = taskq__client_check(client, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (q->key != NULL && !is_idempotency_key(q->key)) {
        return taskq__fail(err, TASKQ_EINVAL, "an idempotency key is 1 to %d visible ASCII characters", KEY_BYTES_MAX);
    }
    taskq__http_reply_init(&got);
    status = exchange(client, q, &got, err);
    hand_over(client, &got, reply);
    taskq__http_reply_clear(&got);
    return status;
}

taskq_status taskq_client_request(taskq_client *client, const char *method, const char *path, taskq_text body,
                                  const char *idempotency_key, taskq_reply *reply, taskq_error *err)
{
    if (client == NULL || method == NULL || path == NULL || path[0] != '/') {
        return taskq__fail(err, TASKQ_EINVAL, "a client, a method and a path that begins with '/' are required");
    }
    taskq__question q = {.method = method, .path = path, .body = body, .key = idempotency_key};
    return taskq__client_send(client, &q, reply, err);
}
