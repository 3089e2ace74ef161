/* SPDX-License-Identifier: MIT */
/* Which hosts and addresses HTTP jobs may reach: what a deny-list, an allow-list and the address itself say, in this order. */
#ifndef TASKQ_WORKER_HANDLERS_HTTP_POLICY_H
#define TASKQ_WORKER_HANDLERS_HTTP_POLICY_H

#include "worker/handlers/address_list.h"

#include <taskq/worker.h>

typedef struct taskq__http_policy {
    bool allow_private, allow_only;
    taskq__address_list allow, deny;
} taskq__http_policy;

/* EINVAL: an entry of a list is none; ENOMEM. To be cleared where it succeeded. */
taskq_status taskq__http_policy_read(const taskq_allocator *a, const taskq_http_options *options,
                                     taskq__http_policy *out, taskq_error *err);
void taskq__http_policy_clear(taskq__http_policy *policy);

/* May a connection to this address be made for a URL with this host? NULL: the host's name cannot be told. */
bool taskq__http_policy_allows(const taskq__http_policy *policy, const char *host, const struct sockaddr *address,
                               socklen_t size);

#endif
