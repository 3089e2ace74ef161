/* SPDX-License-Identifier: MIT */
/* Which addresses an HTTP job may reach: pure, and asked with the address that is really connected to. */
#ifndef TASKQ_WORKER_HANDLERS_ADDRESS_H
#define TASKQ_WORKER_HANDLERS_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* False for loopback, private, link-local, shared, reserved, multicast and unspecified addresses, for IPv6 forms that carry such an IPv4
 * address (mapped, NAT64, 6to4), and for every family but IPv4 and IPv6. */
bool taskq__address_is_public(const struct sockaddr *address, socklen_t size);

#endif
