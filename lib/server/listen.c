/* SPDX-License-Identifier: MIT */
/*
 * Where to listen, as people write it, and the authority of a request, which has the same form: a host and a port.
 */
#include "core/fail.h"
#include "core/text.h"
#include "server/api.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool taskq__authority_split(taskq_text *host, taskq_text *port)
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

bool taskq__is_loopback_v4(const char *address)
{
    struct in_addr parsed;
    return inet_pton(AF_INET, address, &parsed) == 1 && (ntohl(parsed.s_addr) >> 24) == 127;
}

taskq_status taskq__listen_parse(const char *text, taskq__listen *out, taskq_error *err)
{
    taskq_text host = taskq_text_of(text);
    taskq_text port;
    int64_t number = 0;
    if (!taskq__authority_split(&host, &port) || port.size == 0 ||
        taskq__parse_int64(port, 0, 65535, &number) != TASKQ_OK) {
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
        listen.loopback = taskq__is_loopback_v4(address);
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

void taskq__listens_join(const taskq__listen *listens, uint32_t count, const char *suffix, char *out, size_t size)
{
    size_t used = 0;
    for (uint32_t i = 0; i < count && used < size; i++) {
        int more = snprintf(out + used, size - used, "%s%s:%u%s", i == 0 ? "" : ",", listens[i].address,
                            listens[i].port, suffix);
        used += more > 0 ? (size_t)more : 0;
    }
}
