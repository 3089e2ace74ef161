/* SPDX-License-Identifier: MIT */
/* What the tests of records share: a scanned text, an arena for what is read from it, a buffer for what is written, and tables of texts
 * with the field that is at fault in each. */
#ifndef TASKQ_TESTS_UNIT_RECORD_FIXTURE_H
#define TASKQ_TESTS_UNIT_RECORD_FIXTURE_H

#include "support/check_main.h"

#include "core/text.h"
#include "wire/record.h"

#include <stdio.h>
#include <string.h>

static taskq_arena *arena;
static taskq__buf buf;
static taskq__json json;

static inline void setup(void)
{
    arena = taskq__arena_new(NULL, 0);
    taskq__buf_init(&buf, NULL, 4u << 20);
}

static inline void teardown(void)
{
    taskq__arena_free(arena);
    taskq__buf_clear(&buf);
}

static inline void scan(const char *text)
{
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_msg(taskq__json_scan(taskq_text_of(text), taskq__wire_opaque, arena, &json, &err) == TASKQ_OK, "%s: %s",
                  text, err.text);
}

/* `piece` so many times, between a front and a back, in the arena. */
static inline const char *repeated(const char *front, const char *piece, size_t times, const char *back)
{
    size_t size = strlen(front) + strlen(piece) * times + strlen(back) + 1;
    char *text = taskq_arena_alloc(arena, size), *at = text;
    ck_assert_ptr_nonnull(text);
    at = stpcpy(at, front);
    for (size_t i = 0; i < times; i++) {
        at = stpcpy(at, piece);
    }
    (void)stpcpy(at, back);
    return text;
}

typedef struct verdict {
    const char *json;
    const char *field; /* NULL: good */
} verdict;

typedef taskq_status (*read_fn)(taskq_error *err);

static inline void judge(const verdict *rows, size_t count, read_fn read)
{
    for (size_t i = 0; i < count; i++) {
        taskq_error err = TASKQ_ERROR_INIT;
        scan(rows[i].json);
        taskq_status status = read(&err);
        ck_assert_msg(status == (rows[i].field != NULL ? TASKQ_EINVAL : TASKQ_OK), "%s: %s %s", rows[i].json, err.field,
                      err.text);
        ck_assert_msg(strcmp(err.field, rows[i].field != NULL ? rows[i].field : "") == 0, "%s: %s", rows[i].json,
                      err.field);
        ck_assert_int_eq(err.text[0] != '\0', rows[i].field != NULL);
    }
}
#define JUDGE(rows, read) judge((rows), sizeof(rows) / sizeof((rows)[0]), (read))

static inline size_t count_of(taskq_text text, const char *piece)
{
    size_t count = 0, size = strlen(piece);
    for (size_t i = 0; i + size <= text.size; i++) {
        count += memcmp(text.data + i, piece, size) == 0;
    }
    return count;
}

#endif
