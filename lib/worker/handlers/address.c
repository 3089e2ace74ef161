/* SPDX-License-Identifier: MIT */
/*
 * The address policy of HTTP jobs. A job's URL comes from outside, and the worker often stands where outside does not reach: without
 * this, a job could read a cloud's metadata service or the database next door. Lists: IANA's special-purpose address registries
 * for IPv4 and IPv6.
 */
#include "worker/handlers/address.h"

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

static const struct {
    uint32_t network;
    int bits;
} special_v4[] = {
    {0x00000000, 8},  /* 0.0.0.0/8: this host */
    {0x0a000000, 8},  /* 10.0.0.0/8: private */
    {0x64400000, 10}, /* 100.64.0.0/10: shared */
    {0x7f000000, 8},  /* 127.0.0.0/8: loopback */
    {0xa9fe0000, 16}, /* 169.254.0.0/16: link-local, metadata services */
    {0xac100000, 12}, /* 172.16.0.0/12: private */
    {0xc0000000, 24}, /* 192.0.0.0/24: protocol assignments */
    {0xc0000200, 24}, /* 192.0.2.0/24: documentation */
    {0xc0586300, 24}, /* 192.88.99.0/24: 6to4 relays */
    {0xc0a80000, 16}, /* 192.168.0.0/16: private */
    {0xc6120000, 15}, /* 198.18.0.0/15: benchmarks */
    {0xc6336400, 24}, /* 198.51.100.0/24: documentation */
    {0xcb007100, 24}, /* 203.0.113.0/24: documentation */
    {0xe0000000, 3},  /* 224.0.0.0/3: multicast, reserved, broadcast */
};

static bool v4_is_public(uint32_t address)
{
    for (size_t i = 0; i < sizeof(special_v4) / sizeof(special_v4[0]); i++) {
        uint32_t mask = UINT32_MAX << (32 - special_v4[i].bits);
        if ((address & mask) == special_v4[i].network) {
            return false;
        }
    }
    return true;
}

static uint32_t v4_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool v6_is_public(const uint8_t bytes[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const uint8_t nat64[12] = {0, 0x64, 0xff, 0x9b};
    if (memcmp(bytes, mapped, sizeof(mapped)) == 0 || memcmp(bytes, nat64, sizeof(nat64)) == 0) {
        return v4_is_public(v4_at(bytes + 12));
    }
    if (bytes[0] == 0x20 && bytes[1] == 0x02) { /* 2002::/16, 6to4: the IPv4 address follows */
        return v4_is_public(v4_at(bytes + 2));
    }
    if ((bytes[0] & 0xe0) !=
        0x20) { /* only 2000::/3 is global unicast: this leaves out ::, ::1, fc00::/7, fe80::/10, ff00::/8, ... */
        return false;
    }
    bool teredo_or_assigned = bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] < 0x02; /* 2001::/23 */
    bool documentation = bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] == 0x0d && bytes[3] == 0xb8;
    bool documentation2 = bytes[0] == 0x3f && bytes[1] == 0xff && bytes[2] < 0x10; /* 3fff::/20 */
    return !teredo_or_assigned && !documentation && !documentation2;
}

bool taskq__address_is_public(const struct sockaddr *address, socklen_t size)
{
    if (address->sa_family == AF_INET && size >= (socklen_t)sizeof(struct sockaddr_in)) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof(v4));
        return v4_is_public(ntohl(v4.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6 && size >= (socklen_t)sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof(v6));
        return v6_is_public(v6.sin6_addr.s6_addr);
    }
    return false;
}
