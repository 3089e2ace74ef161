/* SPDX-License-Identifier: MIT */
/*
 * The decision about an HTTP job's target, apart from where it is asked: it is asked with the address that is about to be connected to, so
 * nothing can change in between. What is denied stays denied whatever else is said; an allow-list opens what the address alone would close,
 * or, with allow_only, is all that is open.
 */
#include "worker/handlers/http_policy.h"

#include "worker/handlers/address.h"

taskq_status taskq__http_policy_read(const taskq_allocator *a, const taskq_http_options *options,
                                     taskq__http_policy *out, taskq_error *err)
{
    *out = (taskq__http_policy){.allow_private = options->allow_private, .allow_only = options->allow_only};
    taskq_status status = taskq__address_list_read(a, options->allow, options->allow_count, &out->allow, err);
    if (status == TASKQ_OK) {
        status = taskq__address_list_read(a, options->deny, options->deny_count, &out->deny, err);
    }
    if (status != TASKQ_OK) {
        taskq__http_policy_clear(out);
    }
    return status;
}

void taskq__http_policy_clear(taskq__http_policy *policy)
{
    taskq__address_list_clear(&policy->allow);
    taskq__address_list_clear(&policy->deny);
}

bool taskq__http_policy_allows(const taskq__http_policy *policy, const char *host, const struct sockaddr *address,
                               socklen_t size)
{
    if (address->sa_family != AF_INET && address->sa_family != AF_INET6) {
        return false;
    }
    bool denied = taskq__address_list_has_address(&policy->deny, address, size, true) ||
                  (policy->deny.host_count > 0 && (host == NULL || taskq__address_list_has_host(&policy->deny, host)));
    if (denied) {
        return false;
    }
    bool named = taskq__address_list_has_address(&policy->allow, address, size, false) ||
                 (host != NULL && taskq__address_list_has_host(&policy->allow, host));
    return named || (!policy->allow_only && (policy->allow_private || taskq__address_is_public(address, size)));
}
