/* SPDX-License-Identifier: MIT */
/*
 * A sign of life in a file, for a process that listens nowhere: the running one renews it from its loop, and another one of the same program
 * looks how old it is. It is meant for containers, whose engine runs a command to learn how a process is.
 */
#ifndef TASKQ_APPS_HEALTH_H
#define TASKQ_APPS_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

typedef struct health_sign {
    const char *path; /* NULL: nobody asks */
    int64_t due_ms;
} health_sign;

/* Renews it where that is due; the caller's loop has just turned. What fails is errno, once: it is not tried again before it is due. */
bool health_renew(health_sign *sign);
/* The longest that the loop may wait, `most_ms` or less. */
int64_t health_wait_ms(const health_sign *sign, int64_t most_ms);
/* An orderly end leaves no sign. */
void health_remove(const health_sign *sign);

/* Says how the process that renews it is; an exit status. */
int health_tell(const char *program, const char *path);

#endif
