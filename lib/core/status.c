/* SPDX-License-Identifier: MIT */
/*
 * The statuses as words, and which of them are worth another try. One place, so that a worker's reporter, a
 * client and a host agree on when to repeat a call.
 */
#include <taskq/status.h>

const char *taskq_status_name(taskq_status status)
{
    switch (status) {
    case TASKQ_OK: return "ok";
    case TASKQ_EINVAL: return "invalid";
    case TASKQ_ENOMEM: return "no-memory";
    case TASKQ_ENOTFOUND: return "not-found";
    case TASKQ_ECONFLICT: return "conflict";
    case TASKQ_ESTALE: return "stale";
    case TASKQ_EEXISTS: return "exists";
    case TASKQ_ELIMIT: return "limit";
    case TASKQ_EBUSY: return "busy";
    case TASKQ_EUNAVAIL: return "unavailable";
    case TASKQ_EUNKNOWN: return "in-doubt";
    case TASKQ_ESTORE: return "store-failed";
    case TASKQ_EDENIED: return "denied";
    case TASKQ_ETIMEDOUT: return "timed-out";
    case TASKQ_ECANCELED: return "canceled";
    case TASKQ_EPROTO: return "protocol";
    case TASKQ_ESYNTAX: return "syntax";
    }
    return "unknown";
}

bool taskq_status_is_retryable(taskq_status status)
{
    return status == TASKQ_EBUSY || status == TASKQ_EUNAVAIL || status == TASKQ_EUNKNOWN || status == TASKQ_ETIMEDOUT;
}
