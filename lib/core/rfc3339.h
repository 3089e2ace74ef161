/* SPDX-License-Identifier: MIT */
/* RFC 3339 times: out always UTC with milliseconds; in any of them, years 1970 to 2100. */
#ifndef TASKQ_CORE_RFC3339_H
#define TASKQ_CORE_RFC3339_H

#include <taskq/job.h>

enum { TASKQ__RFC3339_BYTES = 24 }; /* 2026-01-31T08:00:00.000Z */

#define TASKQ__WALL_MS_MAX INT64_C(4133980799999) /* 2100-12-31T23:59:59.999Z; 0 is the first instant that is taken */

void taskq__rfc3339_write(int64_t unix_ms, char out[TASKQ__RFC3339_BYTES + 1]); /* clamped to 1970..9999 */
/* ESYNTAX: not of the form; EINVAL: no such day or time, or a year out of range. Fractions beyond milliseconds are cut; a leap second :60 is
 * taken as the next minute's first instant. */
taskq_status taskq__rfc3339_parse(taskq_text text, int64_t *out_ms);

#endif
