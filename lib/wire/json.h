/* SPDX-License-Identifier: MIT */
/*
 * A parsed JSON document for those who look around in one: job handlers reading their payload. The strict pass of
 * core/scan.h comes first, so what is here is valid and ends where the text ends. A key that is given twice is an error for whoever
 * asks for it. Getters name the field at fault. They are exact in case and refuse integers that are none or not within 2^53 - 1.
 * A string with an escaped NUL in it is no string for the getters (a C string would be cut there): EINVAL, NULL from as_string; a key
 * with one is never found. Half a surrogate pair reads as U+FFFD. Whoever needs a value as it came, to the digit,
 * takes taskq__doc_span.
 */
#ifndef TASKQ_WIRE_JSON_H
#define TASKQ_WIRE_JSON_H

#include <taskq/alloc.h>
#include <taskq/job.h>

typedef struct taskq__doc taskq__doc;     /* a document, owned */
typedef struct taskq__value taskq__value; /* a value in one, borrowed */

/* ESYNTAX, ELIMIT, ENOMEM as taskq__json_scan. The text is copied; `a` is borrowed as long as the document lives, what cJSON allocates comes from
 * cJSON's own hooks. */
taskq_status taskq__doc_parse(const taskq_allocator *a, taskq_text text, taskq__doc **out, taskq_error *err);
void taskq__doc_free(taskq__doc *doc);
const taskq__value *taskq__doc_root(const taskq__doc *doc);
/* The value of a top-level member as the text that came; size 0: there is none. Lives as long as the document. */
taskq_text taskq__doc_span(const taskq__doc *doc, const char *key);

typedef enum taskq__value_kind {
    TASKQ__VALUE_NULL,
    TASKQ__VALUE_BOOL,
    TASKQ__VALUE_NUMBER,
    TASKQ__VALUE_STRING,
    TASKQ__VALUE_ARRAY,
    TASKQ__VALUE_OBJECT
} taskq__value_kind;
taskq__value_kind taskq__value_kind_of(const taskq__value *value);

/* Members of an object (the first of that name), and elements of an array. NULL: it has none such. */
const taskq__value *taskq__value_member(const taskq__value *object, const char *key);
const taskq__value *taskq__value_first(const taskq__value *parent);
const taskq__value *taskq__value_next(const taskq__value *sibling);
const char *taskq__value_key(const taskq__value *member);
size_t taskq__value_count(const taskq__value *parent);

/* It is an object that has only the keys of this NULL-ended list, each once: EINVAL names the first that does not fit. */
taskq_status taskq__value_only(const taskq__value *object, const char *const *keys, taskq_error *err);

/* Typed members. Missing or null: `fallback` where `required` is false, else EINVAL "is required". The strings are borrowed from the
 * document. */
taskq_status taskq__value_string(const taskq__value *object, const char *key, bool required, const char *fallback,
                                 const char **out, taskq_error *err);
taskq_status taskq__value_int(const taskq__value *object, const char *key, bool required, int64_t fallback, int64_t min,
                              int64_t max, int64_t *out, taskq_error *err);
taskq_status taskq__value_bool(const taskq__value *object, const char *key, bool fallback, bool *out, taskq_error *err);
/* The value itself: of a string (NULL where it is none), of a number (false where it is no integer within min and max). */
const char *taskq__value_as_string(const taskq__value *value);
bool taskq__value_as_int(const taskq__value *value, int64_t min, int64_t max, int64_t *out);

#endif
