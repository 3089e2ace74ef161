/* SPDX-License-Identifier: MIT */
/*
 * The one way to fill a taskq_error. The text ends up in logs, terminals and HTTP answers, and parts of it
 * come from outside: so it is always one line, always ends at a whole character, and never carries a control
 * character, whatever was formatted into it.
 */
#include "core/fail.h"

#include "core/text.h"

#include <stdio.h>
#include <string.h>

static void keep_one_line(char *text)
{
    for (char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            *at = ' ';
        }
    }
}

/* The text is made beside the error and then copied: err's own text may be among the arguments. */
static void fill(taskq_error *err, taskq_status status, const char *field, const char *format, va_list arguments)
    TASKQ_PRINTF(4, 0);
static void fill(taskq_error *err, taskq_status status, const char *field, const char *format, va_list arguments)
{
    char text[TASKQ_ERROR_TEXT_MAX];
    int length = vsnprintf(text, sizeof(text), format, arguments);
    if (length < 0) {
        text[0] = '\0';
    } else if ((size_t)length >= sizeof(text)) {
        text[taskq__utf8_whole((taskq_text){text, sizeof(text) - 1})] = '\0';
    }
    keep_one_line(text);
    char name[TASKQ_ERROR_FIELD_MAX] = "";
    size_t name_length = strnlen(field, sizeof(name));
    if (name_length == sizeof(name)) {
        name_length = taskq__utf8_whole((taskq_text){field, sizeof(name) - 1});
    }
    memcpy(name, field, name_length);
    name[name_length] = '\0';

    err->status = status;
    memcpy(err->text, text, strlen(text) + 1);
    memcpy(err->field, name, name_length + 1);
}

taskq_status taskq__fail(taskq_error *err, taskq_status status, const char *format, ...)
{
    if (err != NULL) {
        va_list arguments;
        va_start(arguments, format);
        fill(err, status, "", format, arguments);
        va_end(arguments);
    }
    return status;
}

taskq_status taskq__fail_field(taskq_error *err, taskq_status status, const char *field, const char *format, ...)
{
    if (err != NULL) {
        va_list arguments;
        va_start(arguments, format);
        fill(err, status, field, format, arguments);
        va_end(arguments);
    }
    return status;
}

taskq_status taskq__fail_memory(taskq_error *err)
{
    return taskq__fail(err, TASKQ_ENOMEM, "out of memory");
}

void taskq__fail_prefix(taskq_error *err, const char *prefix)
{
    if (err == NULL || err->field[0] == '\0') {
        return;
    }
    char joined[2 * TASKQ_ERROR_FIELD_MAX];
    int length = snprintf(joined, sizeof(joined), "%s%s", prefix, err->field);
    if (length < 0) {
        return;
    }
    size_t size = strnlen(joined, TASKQ_ERROR_FIELD_MAX);
    if (size == TASKQ_ERROR_FIELD_MAX) {
        size = taskq__utf8_whole((taskq_text){joined, TASKQ_ERROR_FIELD_MAX - 1});
    }
    memcpy(err->field, joined, size);
    err->field[size] = '\0';
}

void taskq__fail_element(taskq_error *err, uint32_t index)
{
    char prefix[16];
    if (!err) {
        return;
    }
    (void)snprintf(prefix, sizeof(prefix), "/%u", index);
    if (err->field[0] != '\0') {
        taskq__fail_prefix(err, prefix);
    } else {
        (void)snprintf(err->field, sizeof(err->field), "%s", prefix);
    }
}
