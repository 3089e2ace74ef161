/* SPDX-License-Identifier: MIT */
/*
 * Finds the endpoint of a request. Which there are, and who may call them, stands in openapi.json. The path is compared as it came
 * over the wire; nothing is decoded, normalised or folded first, so %2f, //, .. and upper case reach nothing.
 */
#include "core/text.h"
#include "server/api.h"

#include <string.h>

#include "server/api_routes.h" /* routes[]: made from openapi.json */

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
