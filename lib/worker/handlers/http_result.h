/* SPDX-License-Identifier: MIT */
/* What an `http` job's answer becomes: the job's result, or the time to wait before another try. */
#ifndef TASKQ_WORKER_HANDLERS_HTTP_RESULT_H
#define TASKQ_WORKER_HANDLERS_HTTP_RESULT_H

#include "worker/transport.h"

#include <taskq/worker.h>

/* status, headers, body, truncated, duration_ms, as the run's result. */
taskq_status taskq__http_result_set(taskq_run *run, const taskq__http_reply *reply);

/* The Retry-After of an answer, in seconds or as an HTTP date; false: none that can be read. */
bool taskq__http_retry_after(const taskq__http_reply *reply, int64_t *out_ms);

#endif
