/* SPDX-License-Identifier: MIT */
/* Where a page of a list goes on, as text that a client hands back and does not look into. */
#ifndef TASKQ_SERVER_CURSOR_H
#define TASKQ_SERVER_CURSOR_H

#include <taskq/job.h>

enum { TASKQ__CURSOR_BYTES = 16 };

void taskq__cursor_write(int64_t before_id, char out[TASKQ__CURSOR_BYTES]);
bool taskq__cursor_read(taskq_text text, int64_t *before_id); /* false: we never wrote that */

#endif
