/* SPDX-License-Identifier: MIT */
/*
 * Every endpoint there is, one line each: method, path, handler, who may call it. The path is compared as it came over the wire;
 * nothing is decoded, normalised or folded first, so %2f, //, .. and upper case reach nothing.
 */
#include "core/text.h"
#include "server/api.h"

#include <string.h>

static const taskq__route routes[] = {
    {"POST", "/jobs", taskq__jobs_post, TASKQ__ROLE_PRODUCER, TASKQ__ROUTE_BODY},
    {"GET", "/next-job", taskq__next_job_get, TASKQ__ROLE_WORKER, TASKQ__ROUTE_NO_HEAD | TASKQ__ROUTE_QUERY},
    {"POST", "/next-job", taskq__next_job_post, TASKQ__ROLE_WORKER, TASKQ__ROUTE_BODY},
    {"POST", "/jobs/complete", taskq__complete_many, TASKQ__ROLE_WORKER, TASKQ__ROUTE_BODY},
    {"POST", "/jobs/heartbeat", taskq__heartbeat_many, TASKQ__ROLE_WORKER, TASKQ__ROUTE_BODY},
    {"POST", "/jobs/bulk", taskq__jobs_bulk, TASKQ__ROLE_ADMIN, TASKQ__ROUTE_BODY},
    {"POST", "/jobs/{id}/complete", taskq__complete_one, TASKQ__ROLE_WORKER, TASKQ__ROUTE_BODY},
    {"POST", "/jobs/{id}/heartbeat", taskq__heartbeat_one, TASKQ__ROLE_WORKER, TASKQ__ROUTE_BODY},
    {"POST", "/jobs/{id}/release", taskq__release_one, TASKQ__ROLE_WORKER, TASKQ__ROUTE_BODY},
    {"POST", "/jobs/{id}/cancel", taskq__jobs_cancel, TASKQ__ROLE_PRODUCER, TASKQ__ROUTE_BODY},
    {"POST", "/jobs/{id}/retry", taskq__jobs_retry, TASKQ__ROLE_PRODUCER, TASKQ__ROUTE_BODY},
    {"GET", "/jobs", taskq__jobs_list, TASKQ__ROLE_VIEWER, TASKQ__ROUTE_QUERY},
    {"GET", "/jobs/{id}", taskq__jobs_get, TASKQ__ROLE_VIEWER, 0},
    {"DELETE", "/jobs/{id}", taskq__jobs_delete, TASKQ__ROLE_ADMIN, 0},
    {"GET", "/queues", taskq__queues_list, TASKQ__ROLE_VIEWER, 0},
    {"GET", "/queues/{name}", taskq__queues_get, TASKQ__ROLE_VIEWER, 0},
    {"PATCH", "/queues/{name}", taskq__queues_patch, TASKQ__ROLE_ADMIN, TASKQ__ROUTE_BODY},
    {"GET", "/stats", taskq__stats, TASKQ__ROLE_VIEWER, 0},
    {"GET", "/livez", taskq__livez, TASKQ__ROLE_OPEN, TASKQ__ROUTE_UNLOGGED},
    {"GET", "/readyz", taskq__readyz, TASKQ__ROLE_OPEN, TASKQ__ROUTE_UNLOGGED},
};

enum { ROUTE_COUNT = sizeof(routes) / sizeof(routes[0]) };

static bool is_number(taskq_text text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
    }
    return true;
}

/* The pattern's {id} stands for a segment of digits, {name} for one that is no dot segment; neither is empty. */
static bool matches(const char *pattern, taskq_text path, taskq_text *captured)
{
    const char *at = path.data;
    const char *end = path.data + path.size;
    *captured = (taskq_text){NULL, 0};
    for (; *pattern != '\0'; pattern++) {
        if (*pattern == '{') {
            const char *slash = at < end ? memchr(at, '/', (size_t)(end - at)) : NULL;
            const char *stop = slash != NULL ? slash : end;
            *captured = (taskq_text){at, (size_t)(stop - at)};
            if (captured->size == 0 || (pattern[1] == 'i' && !is_number(*captured)) || taskq__text_is(*captured, ".") ||
                taskq__text_is(*captured, "..")) {
                return false;
            }
            at = stop;
            pattern = strchr(pattern, '}');
        } else if (at == end || *at++ != *pattern) {
            return false;
        }
    }
    return at == end;
}

static void allow_method(char allow[TASKQ__ALLOW_BYTES], const char *method)
{
    size_t used = strlen(allow);
    size_t more = strlen(method);
    if (used + more + 3 <= TASKQ__ALLOW_BYTES) {
        if (used > 0) {
            memcpy(allow + used, ", ", 2);
            used += 2;
        }
        memcpy(allow + used, method, more + 1);
    }
}

static bool takes(const taskq__route *route, taskq_text method)
{
    return taskq__text_is(method, route->method) ||
           (taskq__text_is(method, "HEAD") && strcmp(route->method, "GET") == 0 &&
            (route->flags & TASKQ__ROUTE_NO_HEAD) == 0);
}

int taskq__route_find(taskq_text method, taskq_text path, const taskq__route **route, taskq_text *captured,
                      char allow[TASKQ__ALLOW_BYTES])
{
    /* A path that is written out wins over one with a captured part: /jobs/bulk is no job. */
    bool literal_found = false;
    allow[0] = '\0';
    for (int capturing = 0; capturing < 2 && !literal_found; capturing++) {
        for (int i = 0; i < ROUTE_COUNT; i++) {
            if ((strchr(routes[i].pattern, '{') != NULL) != (capturing == 1) ||
                !matches(routes[i].pattern, path, captured)) {
                continue;
            }
            if (takes(&routes[i], method)) {
                *route = &routes[i];
                return 200;
            }
            literal_found = capturing == 0;
            allow_method(allow, routes[i].method);
            if (strcmp(routes[i].method, "GET") == 0 && (routes[i].flags & TASKQ__ROUTE_NO_HEAD) == 0) {
                allow_method(allow, "HEAD");
            }
        }
    }
    return allow[0] != '\0' ? 405 : 404;
}
