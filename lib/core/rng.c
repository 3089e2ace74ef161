/* SPDX-License-Identifier: MIT */
/*
 * Randomness as an object: jitters, poll ids and keys are drawn from a source that was handed in, so that a
 * seeded run can be repeated. SplitMix64: the state only ever grows by a constant, which one atomic addition
 * does, and the mix makes numbers of it. Here alone a seed is asked of the system.
 */
#include "core/rng.h"

#include <taskq/clock.h>

#include <errno.h>
#include <sys/random.h>

#define GOLDEN_GAMMA UINT64_C(0x9e3779b97f4a7c15)

static uint64_t finalize(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t taskq__mix64(uint64_t value)
{
    return finalize(value + GOLDEN_GAMMA);
}

static uint64_t seed_from_system(void)
{
    uint64_t seed = 0;
    ssize_t got;
    do {
        got = getrandom(&seed, sizeof(seed), 0);
    } while (got < 0 && errno == EINTR);
    if (got == (ssize_t)sizeof(seed)) {
        return seed;
    }
    /* A kernel that refuses (a sandbox, say): what is drawn here only has to differ between processes. */
    taskq_clock clock;
    taskq_clock_system(&clock);
    return taskq__mix64((uint64_t)clock.wall_ms(clock.user)) ^ taskq__mix64((uint64_t)(uintptr_t)&seed);
}

void taskq__rng_init(taskq__rng *rng, uint64_t seed)
{
    atomic_init(&rng->state, seed != 0 ? seed : seed_from_system());
}

uint64_t taskq__rng_next(taskq__rng *rng)
{
    return taskq__mix64(atomic_fetch_add_explicit(&rng->state, GOLDEN_GAMMA, memory_order_relaxed));
}

uint64_t taskq__rng_below(taskq__rng *rng, uint64_t bound)
{
    if (bound == 0) {
        return 0;
    }
    /* 2^64 mod bound numbers at the bottom would come once more often than the others: they are drawn
     * again. */
    uint64_t unfair = (0 - bound) % bound;
    uint64_t drawn;
    do {
        drawn = taskq__rng_next(rng);
    } while (drawn < unfair);
    return drawn % bound;
}

double taskq__unit_double(uint64_t random)
{
    return (double)(random >> 11) * 0x1.0p-53;
}
