/* SPDX-License-Identifier: MIT */
/* Addresses of clients, and networks of them; and who a client is that speaks through a proxy. */
#ifndef TASKQ_SERVER_ADDRESS_H
#define TASKQ_SERVER_ADDRESS_H

#include <taskq/job.h>

/* IPv6; an IPv4 address is written as ::ffff:a.b.c.d, however it came. */
typedef struct taskq__address {
    unsigned char bytes[16];
} taskq__address;

typedef struct taskq__network {
    taskq__address address;
    unsigned bits; /* of 128 */
} taskq__network;

/* "10.0.0.1", "::1", "[::1]", "::ffff:10.0.0.1". */
bool taskq__address_parse(taskq_text text, taskq__address *out);
/* What is counted as one client: an IPv4 address, the /64 of an IPv6 one. */
taskq__address taskq__address_block(taskq__address address);
bool taskq__address_is_loopback(const taskq__address *address);
uint64_t taskq__address_hash(const taskq__address *address, uint64_t seed);

/* "10.0.0.0/8", "::1/128", or an address alone. EINVAL. */
taskq_status taskq__network_parse(const char *text, taskq__network *out, taskq_error *err);
bool taskq__networks_have(const taskq__network *networks, uint32_t count, const taskq__address *address);

/* The client behind trusted proxies: the last address of the list (X-Forwarded-For) that is not one of theirs. What stands before it was
 * written by whoever sent it. Size 0: the list has none that can be read. */
taskq_text taskq__address_forwarded(taskq_text list, const taskq__network *trusted, uint32_t count);

#endif
