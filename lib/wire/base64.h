/* SPDX-License-Identifier: MIT */
/* Base64 of RFC 4648, with padding, the standard alphabet. */
#ifndef TASKQ_WIRE_BASE64_H
#define TASKQ_WIRE_BASE64_H

#include "core/buf.h"

void taskq__base64_encode(taskq__buf *buf, taskq_text bytes);
/* ESYNTAX: a character outside the alphabet, wrong padding or bits left over; `buf` may hold a part then. No line breaks are accepted. */
taskq_status taskq__base64_decode(taskq__buf *buf, taskq_text text);

#endif
