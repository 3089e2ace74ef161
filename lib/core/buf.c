/* SPDX-License-Identifier: MIT */
/*
 * A growing buffer with a bound and one place to look for failure. Answers of the API are written through
 * it, a thousand jobs at a time, so the common append is a comparison and a copy, and numbers do not go
 * through printf.
 */
#include "core/buf.h"

#include "core/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_CAPACITY = 256, INT64_CHARS_MAX = 20 };

void taskq__buf_init(taskq__buf *buf, const taskq_allocator *a, size_t max)
{
    *buf = (taskq__buf){NULL, 0, 0, max, false, false, a};
}

void taskq__buf_clear(taskq__buf *buf)
{
    taskq__free(buf->allocator, buf->data);
    taskq__buf_init(buf, buf->allocator, buf->max);
}

void taskq__buf_rewind(taskq__buf *buf)
{
    buf->size = 0;
    buf->failed = buf->no_memory = false;
    if (buf->data != NULL) {
        buf->data[0] = '\0';
    }
}

/* The slow half of reserve: `needed` bytes with the closing NUL, which are known not to overflow. */
static bool grow(taskq__buf *buf, size_t needed)
{
    size_t capacity = buf->capacity == 0 ? FIRST_CAPACITY : buf->capacity;
    while (capacity < needed) {
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    }
    if (buf->max < SIZE_MAX && capacity > buf->max + 1) {
        capacity = buf->max + 1; /* at least `needed`, which is within the bound */
    }
    char *data = taskq__resize(buf->allocator, buf->data, capacity);
    if (data == NULL) {
        buf->failed = buf->no_memory = true;
        return false;
    }
    if (buf->data == NULL) {
        data[0] = '\0';
    }
    buf->data = data;
    buf->capacity = capacity;
    return true;
}

bool taskq__buf_reserve(taskq__buf *buf, size_t more)
{
    if (buf->failed) {
        return false;
    }
    if (more < buf->capacity - buf->size) {
        return true; /* the bound holds: capacity is never above max + 1 */
    }
    if (more > buf->max - buf->size || more >= SIZE_MAX - buf->size) {
        buf->failed = true;
        return false;
    }
    return grow(buf, buf->size + more + 1);
}

void taskq__buf_add(taskq__buf *buf, const void *data, size_t size)
{
    if (size == 0 || !taskq__buf_reserve(buf, size)) {
        return;
    }
    memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
}

void taskq__buf_add_text(taskq__buf *buf, taskq_text text)
{
    taskq__buf_add(buf, text.data, text.size);
}

void taskq__buf_add_string(taskq__buf *buf, const char *string)
{
    taskq__buf_add(buf, string, strlen(string));
}

void taskq__buf_add_char(taskq__buf *buf, char c)
{
    taskq__buf_add(buf, &c, 1);
}

void taskq__buf_add_int(taskq__buf *buf, int64_t number)
{
    char digits[INT64_CHARS_MAX];
    size_t at = sizeof(digits);
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (number < 0) {
        digits[--at] = '-';
    }
    taskq__buf_add(buf, digits + at, sizeof(digits) - at);
}

void taskq__buf_add_format(taskq__buf *buf, const char *format, ...)
{
    if (buf->failed) {
        return;
    }
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    if (length < 0) {
        buf->failed = true;
    } else if (taskq__buf_reserve(buf, (size_t)length)) {
        (void)vsnprintf(buf->data + buf->size, (size_t)length + 1, format, again);
        buf->size += (size_t)length;
    }
    va_end(again);
    va_end(arguments);
}

taskq_text taskq__buf_text(const taskq__buf *buf)
{
    return (taskq_text){buf->data, buf->size};
}
