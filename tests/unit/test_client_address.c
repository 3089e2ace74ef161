/* SPDX-License-Identifier: MIT */
/* Addresses of clients in all their spellings, networks of proxies, who stands behind them, and how many of each there are. */
#include "server/address.h"
#include "server/peers.h"
#include "server/throttle.h"
#include "support/check_main.h"

#include <stdio.h>
#include <string.h>

static taskq__address address(const char *text)
{
    taskq__address found;
    ck_assert_msg(taskq__address_parse(taskq_text_of(text), &found), "%s", text);
    return found;
}

static bool same(const char *a, const char *b)
{
    taskq__address one = address(a), other = address(b);
    return memcmp(&one, &other, sizeof(one)) == 0;
}

START_TEST(one_address_in_two_spellings_is_one)
{
    ck_assert(same("10.0.0.1", "::ffff:10.0.0.1"));
    ck_assert(same("10.0.0.1", "::ffff:a00:1"));
    ck_assert(same("[::1]", "0:0::1"));
    ck_assert(!same("10.0.0.1", "10.0.0.2"));
    static const char *const bad[] = {
        "", "10.0.0", "10.0.0.256", "010.0.0.1", "::1::", "localhost", "10.0.0.1:80", "1", " ::1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        taskq__address found;
        ck_assert_msg(!taskq__address_parse(taskq_text_of(bad[i]), &found), "%s", bad[i]);
    }
}
END_TEST

START_TEST(a_client_of_ipv6_is_its_block)
{
    taskq__address a = taskq__address_block(address("2001:db8:0:1::5")),
                   b = taskq__address_block(address("2001:db8:0:1:ffff::1"));
    taskq__address c = taskq__address_block(address("2001:db8:0:2::5"));
    ck_assert_mem_eq(&a, &b, sizeof(a));
    ck_assert_mem_ne(&a, &c, sizeof(a));
    a = taskq__address_block(address("10.0.0.1"));
    b = taskq__address_block(address("10.0.0.2"));
    ck_assert_mem_ne(&a, &b, sizeof(a));
}
END_TEST

static bool has(const char *network, const char *who)
{
    taskq__network parsed;
    taskq__address one = address(who);
    ck_assert_msg(taskq__network_parse(network, &parsed, NULL) == TASKQ_OK, "%s", network);
    return taskq__networks_have(&parsed, 1, &one);
}

START_TEST(a_network_has_what_its_first_bits_say)
{
    ck_assert(has("10.0.0.0/8", "10.255.0.1") && !has("10.0.0.0/8", "11.0.0.1"));
    ck_assert(has("192.168.1.128/25", "192.168.1.200") && !has("192.168.1.128/25", "192.168.1.127"));
    ck_assert(has("127.0.0.1", "127.0.0.1") && !has("127.0.0.1", "127.0.0.2"));
    ck_assert(has("10.0.0.0/8", "::ffff:10.1.2.3"));
    ck_assert(has("fd00::/9", "fd00::1") && !has("fd00::/9", "fd80::1"));
    ck_assert(has("0.0.0.0/0", "8.8.8.8") && !has("0.0.0.0/0", "2001:db8::1"));
    ck_assert(has("::/0", "2001:db8::1"));
    static const char *const bad[] = {"",        "/8",          "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8x",
                                      "::1/129", "10.0.0.0/-1", "all"};
    taskq__network parsed;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(taskq__network_parse(bad[i], &parsed, NULL) == TASKQ_EINVAL, "%s", bad[i]);
    }
}
END_TEST

START_TEST(the_client_is_the_last_whom_we_do_not_trust)
{
    taskq__network trusted[2];
    taskq__network_parse("10.0.0.0/8", &trusted[0], NULL);
    taskq__network_parse("127.0.0.1", &trusted[1], NULL);
    static const char *const cases[][2] = {
        {"1.2.3.4", "1.2.3.4"},
        {"6.6.6.6, 1.2.3.4", "1.2.3.4"}, /* what the client wrote itself counts for nothing */
        {"6.6.6.6, 1.2.3.4, 10.0.0.7", "1.2.3.4"},
        {"1.2.3.4,10.0.0.7 , 127.0.0.1", "1.2.3.4"},
        {"10.0.0.9, 10.0.0.7", "10.0.0.9"},
        {"nonsense, 10.0.0.7", "10.0.0.7"},
        {"1.2.3.4, nonsense", ""},
        {"2001:db8::1", "2001:db8::1"},
        {"", ""},
        {",", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        taskq_text found = taskq__address_forwarded(taskq_text_of(cases[i][0]), trusted, 2);
        ck_assert_msg(found.size == strlen(cases[i][1]) &&
                          memcmp(found.data != NULL ? found.data : "", cases[i][1], found.size) == 0,
                      "%s: %.*s", cases[i][0], (int)found.size, found.data);
    }
}
END_TEST

START_TEST(an_address_has_its_share_and_no_more_whoever_comes_and_goes)
{
    taskq__peers peers;
    uint32_t count[64] = {0};
    uint32_t random = 7;
    ck_assert_int_eq(taskq__peers_init(&peers, NULL, 256, 5, 3), TASKQ_OK);
    for (int i = 0; i < 200000; i++) {
        random = random * 1664525 + 1013904223;
        uint32_t which = (random >> 10) % 64;
        char text[32];
        snprintf(text, sizeof(text), "10.0.%u.%u", which / 8, which);
        if ((random >> 20) % 2 == 0) {
            bool entered = taskq__peers_enter(&peers, address(text));
            ck_assert_msg(entered == (count[which] < 5), "round %d", i);
            count[which] += entered;
        } else if (count[which] > 0) {
            taskq__peers_leave(&peers, address(text));
            count[which]--;
        }
    }
    taskq__peers_clear(&peers);
}
END_TEST

START_TEST(failures_are_slowed_down_by_address)
{
    static taskq__throttle throttle;
    ck_assert(taskq__throttle_init(&throttle, 5));
    for (int i = 0; i < TASKQ__THROTTLE_BURST; i++) {
        ck_assert_int_eq(taskq__throttle_fail(&throttle, address("10.0.0.1"), 1000), 0);
    }
    ck_assert_int_gt(taskq__throttle_fail(&throttle, address("10.0.0.1"), 1000), 0);
    ck_assert_int_eq(taskq__throttle_fail(&throttle, address("10.0.0.2"), 1000), 0);
    int64_t wait_ms = taskq__throttle_fail(&throttle, address("10.0.0.1"), 1000);
    ck_assert_int_eq(taskq__throttle_fail(&throttle, address("10.0.0.1"), 1000 + wait_ms), 0);
    ck_assert_int_gt(taskq__throttle_fail(&throttle, address("10.0.0.1"), 1000 + wait_ms), 0);
    taskq__throttle_clear(&throttle);
}
END_TEST

START_TEST(a_million_addresses_take_no_more_memory_and_get_no_more_failures)
{
    static taskq__throttle throttle;
    ck_assert(taskq__throttle_init(&throttle, 5));
    for (uint32_t i = 0; i < 1000000; i++) {
        taskq__address who = {{1, 2, 3, 4, (unsigned char)(i >> 16), (unsigned char)(i >> 8), (unsigned char)i}};
        ck_assert_int_eq(taskq__throttle_fail(&throttle, who, 1000 + i / 1000), 0);
    }
    taskq__throttle_clear(&throttle);
}
END_TEST

TASKQ_TESTS(one_address_in_two_spellings_is_one, a_client_of_ipv6_is_its_block, a_network_has_what_its_first_bits_say,
            the_client_is_the_last_whom_we_do_not_trust, an_address_has_its_share_and_no_more_whoever_comes_and_goes,
            failures_are_slowed_down_by_address, a_million_addresses_take_no_more_memory_and_get_no_more_failures)
