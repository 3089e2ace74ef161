/* SPDX-License-Identifier: MIT */
/*
 * Sleeping on a futex, and not on a semaphore: sem_timedwait follows the wall clock, which may jump, the call that follows
 * the monotonic one is unknown to the ThreadSanitizer of the compilers that we support, and a condition variable a call
 * would bring a mutex with it. The word is an atomic, so what was written before a post is seen after the wait.
 */
#include "scheduler/wake.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { WORD_EMPTY = 0, WORD_SLEEPS = 1 };

static void futex_wait(_Atomic uint32_t *word, uint32_t value, const struct timespec *until)
{
    /* A wake-up, another value, a signal and the end of the time all mean the same here: the caller looks again. */
    (void)syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value, until, NULL, FUTEX_BITSET_MATCH_ANY);
}

static void futex_wake(_Atomic uint32_t *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

int64_t taskq__wake_clock_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void taskq__wake_post(taskq__wake *wake, uint32_t what)
{
    _Atomic uint32_t *word = &wake->word;
    if (atomic_exchange_explicit(word, what, memory_order_acq_rel) == WORD_SLEEPS) {
        futex_wake(word);
    }
}

uint32_t taskq__wake_wait(taskq__wake *wake, int64_t until_ms)
{
    struct timespec until = {(time_t)(until_ms / 1000), (long)(until_ms % 1000) * 1000000};
    for (;;) {
        uint32_t seen = WORD_EMPTY;
        if (!atomic_compare_exchange_strong(&wake->word, &seen, WORD_SLEEPS) && seen != WORD_SLEEPS) {
            atomic_store_explicit(&wake->word, WORD_EMPTY, memory_order_relaxed);
            return seen;
        }
        if (until_ms != INT64_MAX && taskq__wake_clock_ms() >= until_ms) {
            /* Leave no mark of a sleeper behind, but take a post that came just now. */
            seen = WORD_SLEEPS;
            if (atomic_compare_exchange_strong(&wake->word, &seen, WORD_EMPTY)) {
                return 0;
            }
            continue;
        }
        futex_wait(&wake->word, WORD_SLEEPS, until_ms == INT64_MAX ? NULL : &until);
    }
}

void taskq__word_wait(_Atomic uint32_t *word, uint32_t value)
{
    futex_wait(word, value, NULL);
}

void taskq__word_wake(_Atomic uint32_t *word)
{
    futex_wake(word);
}
