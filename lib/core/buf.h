/* SPDX-License-Identifier: MIT */
/* A buffer that grows up to a bound. A failed append (bound or memory) marks it failed and all further appends are ignored, so a
 * writer checks once, at the end. */
#ifndef TASKQ_CORE_BUF_H
#define TASKQ_CORE_BUF_H

#include <taskq/alloc.h>
#include <taskq/job.h>

typedef struct taskq__buf {
    char *data; /* NUL behind size once something was appended */
    size_t size, capacity, max;
    bool failed, no_memory;           /* no_memory: that was why it failed, not the bound */
    const taskq_allocator *allocator; /* borrowed until it is cleared */
} taskq__buf;

void taskq__buf_init(taskq__buf *buf, const taskq_allocator *a, size_t max); /* `a` NULL: the C library */
void taskq__buf_clear(taskq__buf *buf);  /* frees; leaves it as init with the same allocator and max */
void taskq__buf_rewind(taskq__buf *buf); /* empties, keeps the memory, forgets a failure */
void taskq__buf_add(taskq__buf *buf, const void *data, size_t size);
void taskq__buf_add_text(taskq__buf *buf, taskq_text text);
void taskq__buf_add_string(taskq__buf *buf, const char *string);
void taskq__buf_add_char(taskq__buf *buf, char c);
void taskq__buf_add_int(taskq__buf *buf, int64_t number);
void taskq__buf_add_format(taskq__buf *buf, const char *format, ...) TASKQ_PRINTF(2, 3);
taskq_text taskq__buf_text(const taskq__buf *buf);
bool taskq__buf_reserve(taskq__buf *buf, size_t more); /* room for so many more bytes; false marks it failed */

#endif
