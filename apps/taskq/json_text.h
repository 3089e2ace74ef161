/* SPDX-License-Identifier: MIT */
/* Walking over a JSON text that is known to be valid (a server sent it and the library has read it), without a parser. */
#ifndef TASKQ_APPS_TASKQ_JSON_TEXT_H
#define TASKQ_APPS_TASKQ_JSON_TEXT_H

#include <taskq/job.h>

/* Takes the next element of an array, or the next member of an object, off `rest`, which is the whole text at first. `key` is the member's
 * name without quotes, empty in an array. False: there are no more. */
bool json_text_next(taskq_text *rest, taskq_text *key, taskq_text *value);

#endif
