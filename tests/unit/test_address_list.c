/* SPDX-License-Identifier: MIT */
/* Lists of networks and hosts: what is one, what is none, and what is in one. */
#include "worker/handlers/address_list.h"

#include "support/address.h"
#include "support/check_main.h"

#include <string.h>

static taskq__address_list list;
static taskq_error err;

static void forget(void)
{
    taskq__address_list_clear(&list);
}

static taskq_status read_one(const char *entry)
{
    taskq__address_list_clear(&list);
    return taskq__address_list_read(NULL, &entry, 1, &list, &err);
}

static bool has(const char *text)
{
    any_address address;
    socklen_t size = address_of(text, &address);
    return taskq__address_list_has_address(&list, &address.any, size, false);
}

static bool leads_to(const char *text)
{
    any_address address;
    socklen_t size = address_of(text, &address);
    return taskq__address_list_has_address(&list, &address.any, size, true);
}

START_TEST(a_network_ends_where_its_mask_says)
{
    ck_assert_int_eq(read_one("10.16.0.0/12"), TASKQ_OK);
    ck_assert(has("10.16.0.0") && has("10.31.255.255") && !has("10.15.255.255") && !has("10.32.0.0"));
    ck_assert_int_eq(read_one("fd00:1200::/23"), TASKQ_OK);
    ck_assert(has("fd00:1200::1") && has("fd00:13ff::1") && !has("fd00:11ff::1") && !has("fd00:1400::1"));
    ck_assert_int_eq(read_one("0.0.0.0/0"), TASKQ_OK);
    ck_assert(has("255.255.255.255") && has("::ffff:1.2.3.4") && !has("::1"));
    ck_assert_int_eq(read_one("::/0"), TASKQ_OK);
    ck_assert(has("ffff::1") && has("1.2.3.4"));
}
END_TEST

START_TEST(an_address_alone_is_itself)
{
    ck_assert_int_eq(read_one("192.0.2.7"), TASKQ_OK);
    ck_assert(has("192.0.2.7") && has("::ffff:192.0.2.7") && !has("192.0.2.6") && !has("::192.0.2.7"));
    ck_assert_int_eq(read_one("::1"), TASKQ_OK);
    ck_assert(has("::1") && !has("::2") && !has("127.0.0.1"));
}
END_TEST

START_TEST(an_ipv4_address_inside_an_ipv6_one_counts_where_that_is_asked)
{
    ck_assert_int_eq(read_one("10.0.0.0/8"), TASKQ_OK);
    ck_assert(leads_to("64:ff9b::10.1.1.1") && leads_to("2002:a01:101::") && leads_to("::ffff:10.1.1.1"));
    ck_assert(!leads_to("64:ff9b::11.1.1.1") && !leads_to("2002:b01:101::") && !leads_to("2001:a01:101::"));
    ck_assert(!has("64:ff9b::10.1.1.1") && !has("2002:a01:101::") && has("::ffff:10.1.1.1"));
}
END_TEST

START_TEST(a_host_is_its_name_in_any_case)
{
    ck_assert_int_eq(read_one("App.example"), TASKQ_OK);
    ck_assert(taskq__address_list_has_host(&list, "app.EXAMPLE") && taskq__address_list_has_host(&list, "app.example."));
    ck_assert(!taskq__address_list_has_host(&list, "x.app.example") &&
              !taskq__address_list_has_host(&list, "pp.example"));
    ck_assert(!taskq__address_list_has_host(&list, "xapp.example") && !taskq__address_list_has_host(&list, ""));
}
END_TEST

START_TEST(a_star_is_what_is_below_and_not_the_name_itself)
{
    ck_assert_int_eq(read_one("*.app.example."), TASKQ_OK);
    ck_assert(taskq__address_list_has_host(&list, "a.app.example") &&
              taskq__address_list_has_host(&list, "a.b.app.example."));
    ck_assert(!taskq__address_list_has_host(&list, "app.example") &&
              !taskq__address_list_has_host(&list, ".app.example"));
    ck_assert(!taskq__address_list_has_host(&list, "xapp.example"));
}
END_TEST

START_TEST(what_could_be_meant_in_two_ways_is_refused_by_name)
{
    static const char *const entries[] = {
        "",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.0/08",
        "10.0.0.0/-1",
        "fd00::/129",
        "fd00::1/64",
        "10.0.0.0/8/8",
        "127.1",
        "0x7f000001",
        "2130706433",
        "1.2.3.4.5",
        "017700000001",
        "app.0x7f",
        "a..b",
        ".app",
        "*",
        "*.",
        "*.1",
        "a.*.b",
        "app/8",
        "http://app",
        "app:80",
        "[::1]",
        "app example",
        "\xc3\xbc.example",
        "1.2.3.4%lo",
        "fe80::1%lo",
        "10.0.0.0 /8",
        "10.0.0.0/+8",
    };
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        ck_assert_msg(read_one(entries[i]) == TASKQ_EINVAL, "\"%s\" is taken", entries[i]);
        ck_assert_msg(strstr(err.text, entries[i]) != NULL, "\"%s\" is not in \"%s\"", entries[i], err.text);
        ck_assert(list.networks == NULL && list.hosts == NULL);
    }
    ck_assert_int_eq(read_one("app\n"), TASKQ_EINVAL);
}
END_TEST

START_TEST(a_list_holds_both_and_has_an_end)
{
    const char *entries[TASKQ__ADDRESS_LIST_ENTRIES_MAX + 1] = {"10.0.0.0/8", "app.example", "fd00::/8"};
    ck_assert_int_eq(taskq__address_list_read(NULL, entries, 3, &list, &err), TASKQ_OK);
    ck_assert(has("10.1.1.1") && has("fdff::1") && taskq__address_list_has_host(&list, "app.example"));
    forget();
    ck_assert_int_eq(taskq__address_list_read(NULL, entries, TASKQ__ADDRESS_LIST_ENTRIES_MAX + 1, &list, &err),
                     TASKQ_EINVAL);
    ck_assert_int_eq(taskq__address_list_read(NULL, NULL, 0, &list, &err), TASKQ_OK);
    ck_assert(!has("10.1.1.1") && !taskq__address_list_has_host(&list, "app.example"));
}
END_TEST

TASKQ_TESTS_WITH(NULL, forget, a_network_ends_where_its_mask_says, an_address_alone_is_itself,
                 an_ipv4_address_inside_an_ipv6_one_counts_where_that_is_asked, a_host_is_its_name_in_any_case,
                 a_star_is_what_is_below_and_not_the_name_itself, what_could_be_meant_in_two_ways_is_refused_by_name,
                 a_list_holds_both_and_has_an_end)
