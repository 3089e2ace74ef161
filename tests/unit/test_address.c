/* SPDX-License-Identifier: MIT */
/* Which addresses an http job may reach: the edges of every range, and the spellings that hide an IPv4 address. */
#include "worker/handlers/address.h"

#include "support/check_main.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static bool is_public(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        return taskq__address_is_public((const struct sockaddr *)&v4, sizeof(v4));
    }
    ck_assert_msg(inet_pton(AF_INET6, text, &v6.sin6_addr) == 1, "%s is no address", text);
    return taskq__address_is_public((const struct sockaddr *)&v6, sizeof(v6));
}

START_TEST(special_ipv4_addresses_are_refused_to_their_last)
{
    static const char *const refused[] = {
        "0.0.0.0",        "0.255.255.255",   "10.0.0.0",    "10.255.255.255",  "100.64.0.0",      "100.127.255.255",
        "127.0.0.1",      "127.255.255.255", "169.254.0.0", "169.254.169.254", "172.16.0.0",      "172.31.255.255",
        "192.0.0.1",      "192.0.2.255",     "192.88.99.1", "192.168.0.0",     "192.168.255.255", "198.18.0.0",
        "198.19.255.255", "198.51.100.7",    "203.0.113.7", "224.0.0.1",       "240.0.0.1",       "255.255.255.255",
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        ck_assert_msg(!is_public(refused[i]), "%s is let through", refused[i]);
    }
}
END_TEST

START_TEST(their_neighbours_are_not)
{
    static const char *const fine[] = {
        "1.0.0.0",         "9.255.255.255",   "11.0.0.0",       "100.63.255.255", "100.128.0.0",     "126.255.255.255",
        "128.0.0.0",       "169.253.255.255", "169.255.0.0",    "172.15.255.255", "172.32.0.0",      "192.0.1.0",
        "192.167.255.255", "192.169.0.0",     "198.17.255.255", "198.20.0.0",     "223.255.255.255", "8.8.8.8",
    };
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        ck_assert_msg(is_public(fine[i]), "%s is refused", fine[i]);
    }
}
END_TEST

START_TEST(special_ipv6_addresses_are_refused)
{
    static const char *const refused[] = {
        "::",      "::1",         "fe80::1", "febf::1",     "fc00::1", "fdff::1", "fd00:ec2::254",
        "ff02::1", "2001:db8::1", "2001::1", "2001:1ff::1", "3fff::1", "100::1",  "5f00::1",
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        ck_assert_msg(!is_public(refused[i]), "%s is let through", refused[i]);
    }
    ck_assert(is_public("2606:4700::1111"));
    ck_assert(is_public("2a00:1450:4001::1"));
}
END_TEST

START_TEST(an_ipv4_address_inside_an_ipv6_one_is_judged_as_such)
{
    ck_assert(!is_public("::ffff:127.0.0.1"));
    ck_assert(!is_public("::ffff:169.254.169.254"));
    ck_assert(!is_public("64:ff9b::10.0.0.1"));
    ck_assert(!is_public("2002:7f00:1::"));
    ck_assert(!is_public("2002:c0a8:1::"));
    ck_assert(!is_public("::127.0.0.1"));
    ck_assert(is_public("::ffff:8.8.8.8"));
    ck_assert(is_public("64:ff9b::8.8.8.8"));
}
END_TEST

START_TEST(what_is_neither_ipv4_nor_ipv6_is_refused)
{
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(0x08080808)}};
    ck_assert(!taskq__address_is_public((const struct sockaddr *)&path, sizeof(path)));
    ck_assert(!taskq__address_is_public((const struct sockaddr *)&v4, 4)); /* cut short */
}
END_TEST

TASKQ_TESTS(special_ipv4_addresses_are_refused_to_their_last, their_neighbours_are_not,
            special_ipv6_addresses_are_refused, an_ipv4_address_inside_an_ipv6_one_is_judged_as_such,
            what_is_neither_ipv4_nor_ipv6_is_refused)
