/* SPDX-License-Identifier: MIT */
/*
 * A worker whose server is gone must neither hammer it nor sleep through its return: each failure doubles the span that the next try is
 * drawn from, evenly from nothing to the whole of it, so that a thousand workers come back spread out. With several servers each
 * worker has a home, drawn at the start; it goes on to the next server at once when one fails, and back home when that answers again:
 * else the last server of a rolling restart would have all the workers.
 */
#include "worker/breaker.h"

#include "core/backoff.h"
#include "core/alloc.h"
#include "core/fail.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { RETRY_AFTER_MS_MAX = 120000 };

static const char default_url[] = "http://127.0.0.1:7070";

static bool is_http_url(const char *url)
{
    bool fine = strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0;
    for (const char *c = url; fine && *c != '\0'; c++) {
        fine = *c > ' ' && *c <= '~' && *c != '?' && *c != '#';
    }
    return fine && strlen(url) <= 2048 && strstr(url, "://")[3] != '\0';
}

taskq_status taskq__servers_init(taskq__servers *servers, const taskq_allocator *a, const char *const *urls,
                                 uint32_t count, const taskq_log *log, taskq__rng *rng, taskq_error *err)
{
    const char *fallback = default_url;
    *servers = (taskq__servers){.allocator = a, .log = log, .rng = rng};
    if (count > TASKQ__SERVERS_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/servers", "%u servers are more than %d", count,
                                 TASKQ__SERVERS_MAX);
    }
    if (count == 0) {
        urls = &fallback;
        count = 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (urls[i] == NULL || !is_http_url(urls[i])) {
            return taskq__fail_field(err, TASKQ_EINVAL, "/servers", "\"%.200s\" is no URL of a server, such as %s",
                                     urls[i] == NULL ? "" : urls[i], default_url);
        }
        servers->list[i].url = taskq__strdup(a, urls[i]);
        if (servers->list[i].url == NULL) {
            return taskq__fail_memory(err);
        }
        servers->count++;
    }
    return TASKQ_OK;
}

void taskq__servers_settle(taskq__servers *servers)
{
    servers->home = servers->current = (uint32_t)taskq__rng_below(servers->rng, servers->count);
}

void taskq__servers_clear(taskq__servers *servers)
{
    for (uint32_t i = 0; i < servers->count; i++) {
        taskq__free(servers->allocator, servers->list[i].url);
    }
    servers->count = 0;
}

static void log_server(const taskq__servers *servers, taskq_log_level level, const taskq__server *server,
                       const char *message, const char *why, int64_t retry_in_ms)
{
    taskq_log_field fields[3] = {{"server", server->url, 0}, {"error", why, 0}, {"retry_in_ms", NULL, retry_in_ms}};
    taskq__log(servers->log, level, "worker", message, fields, why == NULL ? 1 : 3);
}

bool taskq__servers_pick(taskq__servers *servers, int64_t now_ms, uint32_t *index, int64_t *in_ms)
{
    for (uint32_t i = 0; i < servers->count; i++) {
        uint32_t at = (servers->current + i) % servers->count;
        if (servers->list[at].state == TASKQ__BREAKER_CLOSED) {
            servers->current = *index = at;
            return true;
        }
    }
    *in_ms = -1;
    for (uint32_t i = 0; i < servers->count; i++) {
        uint32_t at = (servers->current + i) % servers->count;
        taskq__server *server = &servers->list[at];
        if (server->state == TASKQ__BREAKER_OPEN && server->open_until_ms <= now_ms) {
            server->state = TASKQ__BREAKER_HALF_OPEN;
            log_server(servers, TASKQ_LOG_DEBUG, server, "breaker half open: the server is tried again", NULL, 0);
            *index = at;
            return true;
        }
        if (server->state == TASKQ__BREAKER_OPEN && (*in_ms < 0 || server->open_until_ms - now_ms < *in_ms)) {
            *in_ms = server->open_until_ms - now_ms;
        }
    }
    return false;
}

bool taskq__servers_try_home(taskq__servers *servers, int64_t now_ms, uint32_t *index, int64_t *in_ms)
{
    taskq__server *home = &servers->list[servers->home];
    *in_ms = -1;
    /* Where all are out of reach the requests that wait try each in turn, the home too. */
    if (home->state != TASKQ__BREAKER_OPEN || servers->list[servers->current].state != TASKQ__BREAKER_CLOSED) {
        return false;
    }
    if (home->open_until_ms > now_ms) {
        *in_ms = home->open_until_ms - now_ms;
        return false;
    }
    home->state = TASKQ__BREAKER_HALF_OPEN;
    log_server(servers, TASKQ_LOG_DEBUG, home, "breaker half open: the server is tried again", NULL, 0);
    *index = servers->home;
    return true;
}

void taskq__servers_answered(taskq__servers *servers, uint32_t index)
{
    taskq__server *server = &servers->list[index];
    if (server->state != TASKQ__BREAKER_CLOSED) {
        server->state = TASKQ__BREAKER_CLOSED;
        servers->current = index;
        log_server(servers, TASKQ_LOG_INFO, server, "breaker closed: the server answers again", NULL, 0);
    }
    server->failures = 0;
}

void taskq__servers_failed(taskq__servers *servers, uint32_t index, int64_t now_ms, int64_t at_least_ms, bool denied,
                           const char *why)
{
    taskq__server *server = &servers->list[index];
    if (server->state == TASKQ__BREAKER_OPEN) {
        return; /* another request of the same moment opened it: one outage is one failure */
    }
    int64_t floor_ms = at_least_ms < RETRY_AFTER_MS_MAX ? at_least_ms : RETRY_AFTER_MS_MAX;
    int64_t delay_ms = floor_ms + taskq__backoff_full_jitter_ms(TASKQ__BREAKER_BASE_MS, TASKQ__BREAKER_MAX_MS,
                                                                server->failures, taskq__rng_next(servers->rng));
    bool was_closed = server->state == TASKQ__BREAKER_CLOSED;
    server->state = TASKQ__BREAKER_OPEN;
    server->open_until_ms = now_ms + delay_ms;
    server->failures += server->failures < 32 ? 1 : 0;
    if (denied) {
        log_server(
            servers, was_closed ? TASKQ_LOG_ERROR : TASKQ_LOG_DEBUG, server,
            "the server does not let this worker in: give it the token of a worker; breaker open, it is tried again",
            why, delay_ms);
    } else {
        log_server(servers, was_closed ? TASKQ_LOG_WARN : TASKQ_LOG_DEBUG, server,
                   "breaker open: the server cannot be asked; results are kept until it can", why, delay_ms);
    }
}

void taskq__servers_abandoned(taskq__servers *servers, uint32_t index, int64_t now_ms)
{
    taskq__server *server = &servers->list[index];
    if (server->state == TASKQ__BREAKER_HALF_OPEN) {
        server->state = TASKQ__BREAKER_OPEN;
        server->open_until_ms = now_ms;
    }
}
