/* SPDX-License-Identifier: MIT */
/* Writing JSON into a buffer. The caller keeps the order; `comma` handling is by taskq__emit_key, which puts one before every member
 * but the first of an object. */
#ifndef TASKQ_WIRE_EMIT_H
#define TASKQ_WIRE_EMIT_H

#include "core/buf.h"

void taskq__emit_open(taskq__buf *buf, char bracket);   /* '{' or '[' */
void taskq__emit_close(taskq__buf *buf, char bracket);  /* '}' or ']' */
void taskq__emit_key(taskq__buf *buf, const char *key); /* "key": with the comma that is due; key needs no escaping */
void taskq__emit_comma(taskq__buf *buf);                /* before an element of an array, where one is due */
void taskq__emit_string(taskq__buf *buf, taskq_text text); /* quoted and escaped; invalid UTF-8 becomes U+FFFD */
void taskq__emit_strings(taskq__buf *buf, const taskq_text *texts, uint32_t count); /* an array of them */
void taskq__emit_int(taskq__buf *buf, int64_t number);
void taskq__emit_double(taskq__buf *buf,
                        double number); /* shortest that reads back the same; 2 is written 2.0 where it is a double field */
void taskq__emit_bool(taskq__buf *buf, bool value);
void taskq__emit_time(taskq__buf *buf, int64_t unix_ms);
void taskq__emit_raw(taskq__buf *buf, taskq_text json);

#endif
