/* SPDX-License-Identifier: MIT */
/* What a Retry-After says, for whoever calls a server: the worker's core and the http handler. */
#ifndef TASKQ_WORKER_RETRY_AFTER_H
#define TASKQ_WORKER_RETRY_AFTER_H

#include <taskq/job.h>

/* `value`: seconds or an HTTP date (RFC 9110); `now_ms`: the wall clock. A time that has passed is 0. False: it is neither. */
bool taskq__retry_after_read(taskq_text value, int64_t now_ms, int64_t *out_ms);

#endif
