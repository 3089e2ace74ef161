/* SPDX-License-Identifier: MIT */
/*
 * Events on their way from the library to the host's callback. The level is looked at before anything is
 * made, so that a debug event costs a comparison where nobody wants it.
 */
#include "core/log.h"

#include "core/text.h"

#include <stdarg.h>
#include <stdio.h>

enum { MESSAGE_BYTES_MAX = 512 };

bool taskq__log_wants(const taskq_log *log, taskq_log_level level)
{
    if (log == NULL || log->fn == NULL) {
        return false;
    }
    return level >= (log->level == 0 ? TASKQ_LOG_INFO : log->level);
}

void taskq__log(const taskq_log *log, taskq_log_level level, const char *component, const char *message,
                const taskq_log_field *fields, uint32_t count)
{
    if (!taskq__log_wants(log, level)) {
        return;
    }
    taskq_log_event event = {
        .struct_size = sizeof(event),
        .level = level,
        .component = component,
        .message = message,
        .fields = fields,
        .field_count = count,
    };
    log->fn(log->user, &event);
}

void taskq__log_format(const taskq_log *log, taskq_log_level level, const char *component, const char *format, ...)
{
    if (!taskq__log_wants(log, level)) {
        return;
    }
    char message[MESSAGE_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    if (length < 0) {
        message[0] = '\0';
    } else if ((size_t)length >= sizeof(message)) {
        message[taskq__utf8_whole((taskq_text){message, sizeof(message) - 1})] = '\0';
    }
    taskq__log(log, level, component, message, NULL, 0);
}
