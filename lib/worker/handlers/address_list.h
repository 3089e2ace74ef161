/* SPDX-License-Identifier: MIT */
/*
 * A list of networks and hosts, as an operator writes it: "10.0.0.0/8", "fd00::/8", "192.0.2.7", "app.example", "*.app.example".
 * IPv4 is kept in its IPv6 form, so that an address and its mapped spelling are one. Threads: read by any, once it is made.
 */
#ifndef TASKQ_WORKER_HANDLERS_ADDRESS_LIST_H
#define TASKQ_WORKER_HANDLERS_ADDRESS_LIST_H

#include <taskq/alloc.h>
#include <taskq/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { TASKQ__ADDRESS_LIST_ENTRIES_MAX = 1000, TASKQ__ADDRESS_LIST_HOST_BYTES_MAX = 253 };

typedef struct taskq__network {
    uint8_t bytes[16];
    int bits;
} taskq__network;

typedef struct taskq__address_list {
    const taskq_allocator *allocator; /* borrowed until it is cleared */
    taskq__network *networks;
    size_t network_count;
    char **hosts; /* "app.example", or ".app.example" for what is below it */
    size_t host_count;
} taskq__address_list;

/* EINVAL names the entry that is none and why; ENOMEM. `out` is empty where it fails. */
taskq_status taskq__address_list_read(const taskq_allocator *a, const char *const *entries, uint32_t count,
                                      taskq__address_list *out, taskq_error *err);
void taskq__address_list_clear(taskq__address_list *list);

/* Is the address in one of the networks? `embedded`: also where an IPv4 address that it leads to (NAT64, 6to4) is. */
bool taskq__address_list_has_address(const taskq__address_list *list, const struct sockaddr *address, socklen_t size,
                                     bool embedded);
/* The name in any case, with or without the dot that ends it. */
bool taskq__address_list_has_host(const taskq__address_list *list, const char *host);

#endif
