/* SPDX-License-Identifier: MIT */
/* A seeded random source, injected. Lock-free and usable from many threads (each draw is one atomic addition and a mix);
 * not cryptographic. */
#ifndef TASKQ_CORE_RNG_H
#define TASKQ_CORE_RNG_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct taskq__rng {
    _Atomic uint64_t state;
} taskq__rng;

void taskq__rng_init(taskq__rng *rng, uint64_t seed); /* seed 0: from the system */
uint64_t taskq__rng_next(taskq__rng *rng);
uint64_t taskq__rng_below(taskq__rng *rng, uint64_t bound); /* 0 to bound - 1; 0 for bound 0 */
uint64_t taskq__mix64(uint64_t value);      /* one value to another, evenly: a random of its own for every id */
double taskq__unit_double(uint64_t random); /* [0, 1) */

#endif
