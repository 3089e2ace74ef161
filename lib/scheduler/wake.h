/* SPDX-License-Identifier: MIT */
/* One sleeper, woken once: a word that the caller of the line sleeps on. No object to make or destroy, and the one who posts
 * touches nothing but the word's address after the sleeper may be gone. */
#ifndef TASKQ_SCHEDULER_WAKE_H
#define TASKQ_SCHEDULER_WAKE_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct taskq__wake {
    _Atomic uint32_t word; /* 0: nothing posted, 1: nothing posted and somebody sleeps, else what was posted */
} taskq__wake;

/* What may be posted: 2 and up. The post is taken away by the wait that returns it. */
void taskq__wake_post(taskq__wake *wake, uint32_t what);

/* Sleep until something is posted, or until the monotonic instant; INT64_MAX: for ever. 0: the instant came first. */
uint32_t taskq__wake_wait(taskq__wake *wake, int64_t until_ms);

/* The monotonic clock of the two functions above. It is not the scheduler's: nothing that is stored follows it. */
int64_t taskq__wake_clock_ms(void);

/* Sleep until *word is no longer `value`; may return early. And wake who sleeps so. */
void taskq__word_wait(_Atomic uint32_t *word, uint32_t value);
void taskq__word_wake(_Atomic uint32_t *word);

#endif
