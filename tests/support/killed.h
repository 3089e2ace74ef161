/* SPDX-License-Identifier: MIT */
/* Processes that are killed: what a kill -9 leaves behind can only be seen from another one, so the one that dies is a child. */
#ifndef TASKQ_TESTS_SUPPORT_KILLED_H
#define TASKQ_TESTS_SUPPORT_KILLED_H

#include <stdint.h>

/* A child lives until its step of that number, and is killed there: between two things that it does. Returns when it is gone. */
void killed_after(int step, void (*live)(void *user), void *user);
/* In `live`: that step is done. */
void killed_step(int which);

/* A child writes a byte to `out` for each thing that is done; after one, and `more` reads, it is killed in the midst of whatever it does.
 * How many bytes it has written in all. */
int64_t killed_while(void (*live)(int out), int more);

#endif
