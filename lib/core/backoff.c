/* SPDX-License-Identifier: MIT */
/*
 * Delays before another try. In floating point, because the factor is one, but with the growth stopped at
 * the bound before it can become infinite, so that no combination of base, factor and attempt gives a delay
 * that is negative or for ever.
 */
#include "core/backoff.h"

#include "core/rng.h"

static double bounded(double value, double min, double max)
{
    if (!(value > min)) { /* a NaN too */
        return min;
    }
    return value < max ? value : max;
}

/* min(max, base * factor^(attempt - 1)) */
static double grown(double base, double factor, double max, int32_t attempt)
{
    double delay = bounded(base, 0.0, max);
    int32_t steps = attempt > TASKQ_ATTEMPTS_MAX ? TASKQ_ATTEMPTS_MAX : attempt;
    for (int32_t i = 1; i < steps && delay < max; i++) {
        delay = bounded(delay * factor, 0.0, max);
    }
    return delay;
}

int64_t taskq__backoff_delay_ms(const taskq_backoff *backoff, int32_t attempt, uint64_t random)
{
    double max = bounded((double)backoff->max_ms, 0.0, (double)TASKQ_BACKOFF_MAX_MS_MAX);
    double factor = bounded(backoff->factor, 1.0, TASKQ_BACKOFF_FACTOR_MAX);
    double jitter = bounded(backoff->jitter, 0.0, 1.0);
    double delay = grown((double)backoff->base_ms, factor, max, attempt);
    double drawn = delay * (1.0 + jitter * (2.0 * taskq__unit_double(random) - 1.0));
    /* To the nearest millisecond, but not by that over the top. */
    return (int64_t)bounded(drawn + 0.5, 0.0, max * (1.0 + jitter));
}

int64_t taskq__backoff_full_jitter_ms(int64_t base_ms, int64_t max_ms, uint32_t failures, uint64_t random)
{
    int64_t top = base_ms < max_ms ? base_ms : max_ms;
    for (uint32_t i = 0; i < failures && top > 0 && top < max_ms; i++) {
        top = top > max_ms / 2 ? max_ms : top * 2;
    }
    if (top <= 0) {
        return 0;
    }
    double drawn = taskq__unit_double(random) * ((double)top + 1.0);
    return (int64_t)bounded(drawn, 0.0, (double)top);
}
