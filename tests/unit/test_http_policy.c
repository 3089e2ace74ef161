/* SPDX-License-Identifier: MIT */
/* Which targets an http job may reach: the order of deny-list, allow-list and the address itself. */
#include "worker/handlers/http_policy.h"

#include "support/address.h"
#include "support/check_main.h"

#include <sys/un.h>

static taskq_http_options options;
static const char *allow[2], *deny[2];

static void begin(void)
{
    options = (taskq_http_options)TASKQ_HTTP_OPTIONS_INIT;
    options.allow = allow;
    options.deny = deny;
}

static bool allows(const char *host, const char *text)
{
    taskq__http_policy policy;
    any_address address;
    socklen_t size = address_of(text, &address);
    ck_assert_int_eq(taskq__http_policy_read(NULL, &options, &policy, NULL), TASKQ_OK);
    bool allowed = taskq__http_policy_allows(&policy, host, &address.any, size);
    taskq__http_policy_clear(&policy);
    return allowed;
}

START_TEST(public_addresses_alone_are_open_by_default)
{
    ck_assert(allows("a.example", "8.8.8.8") && allows(NULL, "2606:4700::1111"));
    ck_assert(!allows("a.example", "10.0.0.1") && !allows("a.example", "::1") &&
              !allows("a.example", "169.254.169.254"));
    options.allow_private = true;
    ck_assert(allows("a.example", "10.0.0.1") && allows("a.example", "::1"));
}
END_TEST

START_TEST(an_allowed_network_or_host_opens_what_is_private)
{
    allow[0] = "10.1.0.0/16";
    allow[1] = "app.example";
    options.allow_count = 2;
    ck_assert(allows("any.example", "10.1.2.3") && allows("app.example", "192.168.1.1") && allows("x", "8.8.8.8"));
    ck_assert(!allows("any.example", "10.2.0.1") && !allows("x.app.example", "192.168.1.1") &&
              !allows(NULL, "192.168.1.1"));
    ck_assert(!allows("any.example", "64:ff9b::10.1.2.3"));
}
END_TEST

START_TEST(what_is_denied_is_denied_whatever_else_is_said)
{
    options.allow_private = true;
    allow[0] = "0.0.0.0/0";
    allow[1] = "app.example";
    options.allow_count = 2;
    deny[0] = "10.0.0.0/8";
    deny[1] = "*.evil.example";
    options.deny_count = 2;
    ck_assert(!allows("app.example", "10.0.0.1") && !allows("app.example", "::ffff:10.0.0.1"));
    ck_assert(!allows("app.example", "64:ff9b::10.0.0.1") && !allows("app.example", "2002:a00:1::"));
    ck_assert(!allows("a.evil.example", "8.8.8.8") && allows("evil.example", "8.8.8.8"));
    ck_assert(!allows(NULL, "8.8.8.8")); /* it might be a denied one */
}
END_TEST

START_TEST(an_allow_list_may_be_all_that_is_open)
{
    allow[0] = "app.example";
    options.allow_count = 1;
    options.allow_only = true;
    options.allow_private = true;
    ck_assert(allows("app.example", "8.8.8.8") && allows("app.example", "10.0.0.1"));
    ck_assert(!allows("other.example", "8.8.8.8") && !allows(NULL, "8.8.8.8") && !allows("x", "10.0.0.1"));
}
END_TEST

START_TEST(a_family_that_is_no_internet_is_never_open)
{
    taskq__http_policy policy;
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    options.allow_private = true;
    ck_assert_int_eq(taskq__http_policy_read(NULL, &options, &policy, NULL), TASKQ_OK);
    ck_assert(!taskq__http_policy_allows(&policy, "x", (const struct sockaddr *)&path, sizeof(path)));
}
END_TEST

START_TEST(an_entry_that_is_none_is_refused)
{
    taskq__http_policy policy;
    allow[0] = "10.0.0.0/8";
    deny[0] = "10.0.0.1/8";
    options.allow_count = options.deny_count = 1;
    ck_assert_int_eq(taskq__http_policy_read(NULL, &options, &policy, NULL), TASKQ_EINVAL);
}
END_TEST

TASKQ_TESTS_WITH(begin, NULL, public_addresses_alone_are_open_by_default,
                 an_allowed_network_or_host_opens_what_is_private, what_is_denied_is_denied_whatever_else_is_said,
                 an_allow_list_may_be_all_that_is_open, a_family_that_is_no_internet_is_never_open,
                 an_entry_that_is_none_is_refused)
