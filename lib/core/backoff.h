/* SPDX-License-Identifier: MIT */
/* How long to wait before the next try. Pure. */
#ifndef TASKQ_CORE_BACKOFF_H
#define TASKQ_CORE_BACKOFF_H

#include <taskq/job.h>

/* Delay before attempt `attempt` + 1 (attempt: how many have been made, at least 1). Never negative, never above max_ms * (1 + jitter). */
int64_t taskq__backoff_delay_ms(const taskq_backoff *backoff, int32_t attempt, uint64_t random);

/* Full jitter, for clients whose server is gone: evenly within 0 and min(max_ms, base_ms * 2^failures). */
int64_t taskq__backoff_full_jitter_ms(int64_t base_ms, int64_t max_ms, uint32_t failures, uint64_t random);

#endif
