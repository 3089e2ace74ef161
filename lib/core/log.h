/* SPDX-License-Identifier: MIT */
/* Logging from inside the library. The level is looked at before anything is made. */
#ifndef TASKQ_CORE_LOG_H
#define TASKQ_CORE_LOG_H

#include <taskq/log.h>

bool taskq__log_wants(const taskq_log *log, taskq_log_level level);
/* `fields` may be NULL where count is 0. */
void taskq__log(const taskq_log *log, taskq_log_level level, const char *component, const char *message,
                const taskq_log_field *fields, uint32_t count);
/* A message without fields, made by printf; cut at 512 bytes. */
void taskq__log_format(const taskq_log *log, taskq_log_level level, const char *component, const char *format, ...)
    TASKQ_PRINTF(4, 5);

#endif
