/* SPDX-License-Identifier: MIT */
/* Filling a caller's taskq_error. All of these return `status`, so that a call may `return taskq__fail(...)`; err may be NULL. */
#ifndef TASKQ_CORE_FAIL_H
#define TASKQ_CORE_FAIL_H

#include <taskq/status.h>

#include <stdarg.h>

taskq_status taskq__fail(taskq_error *err, taskq_status status, const char *format, ...) TASKQ_PRINTF(3, 4);
/* `field` is a JSON pointer such as "/backoff/base_ms". */
taskq_status taskq__fail_field(taskq_error *err, taskq_status status, const char *field, const char *format, ...)
    TASKQ_PRINTF(4, 5);
taskq_status taskq__fail_memory(taskq_error *err); /* ENOMEM */
/* Put `prefix` before the field that err names ("/jobs/3" + "/priority"); nothing where it names none. */
void taskq__fail_prefix(taskq_error *err, const char *prefix);
/* "/3" before the field that err names; where it names none, the element alone. */
void taskq__fail_element(taskq_error *err, uint32_t index);

#endif
