/* SPDX-License-Identifier: MIT */
/* Socket addresses from the text of an address, IPv4 or IPv6. */
#ifndef TASKQ_TESTS_SUPPORT_ADDRESS_H
#define TASKQ_TESTS_SUPPORT_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>

typedef union any_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} any_address;

/* The address's size; a text that is no address ends the test. */
socklen_t address_of(const char *text, any_address *out);

#endif
