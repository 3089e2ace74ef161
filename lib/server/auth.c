/* SPDX-License-Identifier: MIT */
/*
 * Who may come in. Without tokens the API is open to whoever reaches it, and a web page that somebody looks at on this machine does
 * reach it: by a request across origins, or by a name that it points at 127.0.0.1. So the Host must be a name of this machine and the
 * request must not come from another site's page.
 */
#include "core/fail.h"
#include "core/text.h"
#include "server/api.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Takes ":port" off; false: what follows the name is no port. */
static bool split_port(taskq_text *host, taskq_text *port)
{
    const char *bracket = host->size > 0 && host->data[0] == '[' ? memchr(host->data, ']', host->size) : NULL;
    size_t from = bracket != NULL ? (size_t)(bracket - host->data) + 1 : 0;
    const char *colon = from < host->size ? memchr(host->data + from, ':', host->size - from) : NULL;
    *port = (taskq_text){NULL, 0};
    if (colon == NULL) {
        return bracket == NULL || from == host->size;
    }
    size_t at = (size_t)(colon - host->data);
    *port = (taskq_text){colon + 1, host->size - at - 1};
    host->size = at;
    int64_t number;
    return (bracket == NULL || at == from) && taskq__parse_int64(*port, 0, 65535, &number) == TASKQ_OK;
}

static bool is_loopback_v4(const char *address)
{
    struct in_addr parsed;
    return inet_pton(AF_INET, address, &parsed) == 1 && (ntohl(parsed.s_addr) >> 24) == 127;
}

static bool is_local_name(taskq_text host)
{
    char name[64];
    if (host.size == 0 || host.size >= sizeof(name)) {
        return false;
    }
    memcpy(name, host.data, host.size);
    name[host.size] = '\0';
    return strcasecmp(name, "localhost") == 0 || strcmp(name, "[::1]") == 0 || is_loopback_v4(name);
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

bool taskq__auth_admit(const taskq_server *server, const taskq__request *request, taskq__reply *reply)
{
    taskq_text authority = taskq__request_header(request, "Host");
    taskq_text host = authority;
    taskq_text port;
    if (!server->insecure && (!split_port(&host, &port) || !is_local_name(host))) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_MISDIRECTED, NULL,
                             "without tokens only localhost, 127.0.0.0/8 and [::1] are answered for");
        return false;
    }
    taskq_text origin = taskq__request_header(request, "Origin");
    if (origin.data != NULL && !is_own_origin(origin, authority)) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_FORBIDDEN, NULL, "requests from another site's page are refused");
        return false;
    }
    taskq_text site = taskq__request_header(request, "Sec-Fetch-Site");
    if (site.data != NULL && !taskq__text_is(site, "same-origin") && !taskq__text_is(site, "none")) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_FORBIDDEN, NULL, "requests from another site's page are refused");
        return false;
    }
    return true;
}

taskq_status taskq__listen_parse(const char *text, taskq__listen *out, taskq_error *err)
{
    taskq_text host = taskq_text_of(text);
    taskq_text port;
    int64_t number = 0;
    if (!split_port(&host, &port) || port.size == 0 || taskq__parse_int64(port, 0, 65535, &number) != TASKQ_OK) {
        return taskq__fail(err, TASKQ_EINVAL, "%.80s is no address to listen on: 127.0.0.1:7070 or [::1]:7070 is", text);
    }
    char address[64];
    if (host.size == 0 || host.size >= sizeof(address)) {
        return taskq__fail(err, TASKQ_EINVAL, "%.80s does not say which address to listen on", text);
    }
    memcpy(address, host.data, host.size);
    address[host.size] = '\0';
    taskq__listen listen = {.port = (uint16_t)number};
    struct in_addr v4;
    struct in6_addr v6;
    if (strcasecmp(address, "localhost") == 0) {
        snprintf(address, sizeof(address), "127.0.0.1");
    }
    if (inet_pton(AF_INET, address, &v4) == 1) {
        listen.loopback = is_loopback_v4(address);
        snprintf(listen.address, sizeof(listen.address), "%s", address);
    } else {
        size_t size = strlen(address);
        bool bracketed = size > 2 && address[0] == '[' && address[size - 1] == ']';
        address[size - 1] = bracketed ? '\0' : address[size - 1];
        if (!bracketed || inet_pton(AF_INET6, address + 1, &v6) != 1) {
            return taskq__fail(err, TASKQ_EINVAL, "%.80s: the address must be numeric, such as 127.0.0.1 or [::1]",
                               text);
        }
        listen.loopback = IN6_IS_ADDR_LOOPBACK(&v6);
        snprintf(listen.address, sizeof(listen.address), "%.61s]", address);
    }
    *out = listen;
    return TASKQ_OK;
}

void taskq__listens_join(const taskq__listen *listens, uint32_t count, char *out, size_t size)
{
    size_t used = 0;
    for (uint32_t i = 0; i < count && used < size; i++) {
        int more = snprintf(out + used, size - used, "%s%s:%u", i == 0 ? "" : ",", listens[i].address, listens[i].port);
        used += more > 0 ? (size_t)more : 0;
    }
}
