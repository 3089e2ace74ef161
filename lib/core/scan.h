/* SPDX-License-Identifier: MIT */
/*
 * One strict pass over a JSON text (RFC 8259): grammar, UTF-8, depth. It leaves a tape of nodes with the spans of every value,
 * from which records are read without another parse. Values under keys that the caller names opaque (payload, result) are checked
 * but leave one node, whatever is in them: they travel as the text that came. Their depth counts on its own, so that what was
 * accepted alone is accepted inside any list as well.
 */
#ifndef TASKQ_CORE_SCAN_H
#define TASKQ_CORE_SCAN_H

#include "core/arena.h"

enum {
    TASKQ__JSON_DEPTH_MAX = 128,
    TASKQ__JSON_DEEP_MAX = 256 /* of taskq__json_scan_deep: room for an opaque value of full depth inside a document */
};

typedef enum taskq__json_kind {
    TASKQ__JSON_NULL = 1,
    TASKQ__JSON_FALSE,
    TASKQ__JSON_TRUE,
    TASKQ__JSON_NUMBER,
    TASKQ__JSON_STRING, /* the span has the quotes */
    TASKQ__JSON_ARRAY,
    TASKQ__JSON_OBJECT, /* children: key (a STRING), value, key, value, ... */
    TASKQ__JSON_OPAQUE  /* a value under an opaque key, of any kind */
} taskq__json_kind;

typedef struct taskq__json_node {
    taskq__json_kind kind;
    bool escaped;        /* STRING: has a backslash in it */
    uint32_t start, end; /* bytes [start, end) of the text */
    uint32_t next;       /* index of the node after this one and everything in it */
    uint32_t count;      /* ARRAY: elements; OBJECT: members */
} taskq__json_node;

typedef struct taskq__json {
    taskq_text text;
    taskq__json_node *nodes; /* nodes[0] is the document */
    uint32_t count;
} taskq__json;

/* `opaque`: NULL-ended list of keys, or NULL. Text and nodes (in the arena) must outlive `out`. ESYNTAX: malformed, with the byte
 * offset and what was expected in err; ELIMIT: deeper than the bound or above 4 GiB; ENOMEM. */
taskq_status taskq__json_scan(taskq_text text, const char *const *opaque, taskq_arena *arena, taskq__json *out,
                              taskq_error *err);

/* The same, no deeper than so much (0, or above the bound: the bound). */
taskq_status taskq__json_scan_within(taskq_text text, const char *const *opaque, uint32_t depth_max, taskq_arena *arena,
                                     taskq__json *out, taskq_error *err);

/* The same with nothing opaque and twice the depth, for those who look around in an answer that carries payloads. */
taskq_status taskq__json_scan_deep(taskq_text text, taskq_arena *arena, taskq__json *out, taskq_error *err);

/* Only the check, no tape, no memory. */
taskq_status taskq__json_check(taskq_text text, taskq_error *err);

/* The span of a node. */
taskq_text taskq__json_span(const taskq__json *json, uint32_t node);
/* A STRING's value: the span itself without quotes where nothing is escaped, else unescaped into the arena (a NUL may be in it; a lone
 * surrogate is EINVAL). */
taskq_status taskq__json_string(const taskq__json *json, uint32_t node, taskq_arena *arena, taskq_text *out,
                                taskq_error *err);
/* Is a STRING's value this text? Keys with escapes too; nothing is allocated. */
bool taskq__json_string_is(const taskq__json *json, uint32_t node, taskq_text text);
/* The value of a member of an OBJECT by key (compared exactly, keys with escapes too), the first of several; 0: it has none. */
uint32_t taskq__json_member(const taskq__json *json, uint32_t object, const char *key);

#endif
