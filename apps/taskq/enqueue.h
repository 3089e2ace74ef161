/* SPDX-License-Identifier: MIT */
/* The two ways of `taskq enqueue`, and what they share. */
#ifndef TASKQ_APPS_TASKQ_ENQUEUE_H
#define TASKQ_APPS_TASKQ_ENQUEUE_H

#include "output.h"

/* Jobs from a file of JSON lines ("-": standard input); returns the exit code. */
int enqueue_lines(cli_call *cli, const char *path);

/* Wait until the job has ended: EXIT_DONE if it succeeded, EXIT_FAILED if it did not; the reply is the job then. */
int wait_for(cli_call *cli, int64_t id, int64_t timeout_ms, taskq_reply *reply);

#endif
