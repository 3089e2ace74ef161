/* SPDX-License-Identifier: MIT */
/*
 * The engine that reads a record by its table of fields. A table says name, kind, range and place; whatever does not fit is EINVAL
 * that names the field. null for a field is the same as its absence, except for JSON fields, where null is a value.
 */
#ifndef TASKQ_WIRE_FIELDS_H
#define TASKQ_WIRE_FIELDS_H

#include "core/scan.h"

typedef enum taskq__field_kind {
    TASKQ__FIELD_INT64, /* a number that is exactly an integer, min to max */
    TASKQ__FIELD_INT32,
    TASKQ__FIELD_UINT32,
    TASKQ__FIELD_DOUBLE, /* min to max */
    TASKQ__FIELD_BOOL,
    TASKQ__FIELD_NAME,   /* taskq_text: 1 to 128 of the names' alphabet */
    TASKQ__FIELD_LABEL,  /* taskq_text: 1 to max characters, none of them NUL */
    TASKQ__FIELD_STRING, /* taskq_text: any */
    TASKQ__FIELD_TIME,   /* int64_t Unix milliseconds */
    TASKQ__FIELD_JSON,   /* taskq_text: the span of any value */
    TASKQ__FIELD_OBJECT, /* a record of its own, by the table in `fields` */
    TASKQ__FIELD_CUSTOM  /* by `read` */
} taskq__field_kind;

typedef struct taskq__reader {
    const taskq__json *json;
    taskq_arena *arena;
    taskq_error *err;
    bool lenient; /* unknown fields are skipped: what a newer server sends */
} taskq__reader;

typedef struct taskq__field taskq__field;
/* A failure names fields below its own ("/percent") or none; the engine puts the path before it. */
typedef taskq_status (*taskq__field_read_fn)(const taskq__reader *reader, uint32_t node, const taskq__field *field,
                                             void *place);

struct taskq__field {
    const char *name;
    uint32_t name_size;
    taskq__field_kind kind;
    size_t offset;
    bool required;
    int64_t min, max;
    const taskq__field *fields; /* OBJECT */
    uint32_t field_count;
    taskq__field_read_fn read; /* CUSTOM */
};

/* Makes the front of a table's row: name and place. */
#define TASKQ__FIELD(text, record, member, field_kind) \
    .name = (text), .name_size = sizeof(text) - 1, .kind = (field_kind), .offset = offsetof(record, member)
/* The same where name, range and whether it must be there come from the API's description: a macro of wire/api_fields.h. A field that
 * is not described does not compile; that none is left out is for TASKQ__ALL_OF, behind the table. */
#define TASKQ__ROW(api, record, member, field_kind) api, .kind = (field_kind), .offset = offsetof(record, member)
#define TASKQ__ALL_OF(table, api)                                     \
    _Static_assert(sizeof(table) / sizeof((table)[0]) == api##_COUNT, \
                   "the API's description has other fields than the table")
#define TASKQ__COUNT(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

/* Reads the object `node` into `record`, which holds the defaults. `given` (may be NULL): bit i for the i-th field of the table. A table
 * has 32 fields at most. On failure `record` is half filled: read into a copy. err.field is relative to the record. */
taskq_status taskq__fields_read(const taskq__reader *reader, uint32_t node, const taskq__field *fields, uint32_t count,
                                void *record, uint32_t *given);

/* One value into its place, from the tape, or from a text such as a query's. Of the kinds only integers, DOUBLE, NAME, LABEL and STRING
 * come as text. err.field is relative to the value. */
taskq_status taskq__field_from_node(const taskq__reader *reader, uint32_t node, const taskq__field *field, void *record);
taskq_status taskq__field_from_text(taskq_text text, const taskq__field *field, void *record, taskq_error *err);

/* A failure that names `field` below what the caller stands at; `name` is a raw key that is escaped for the pointer. */
taskq_status taskq__field_fail(taskq_error *err, taskq_text name, const char *text);
/* Put something before the field that err, an EINVAL, names, or names none: a whole path, "/" and a number, "/" and a name. */
void taskq__field_prefix_path(taskq_error *err, const char *path);
void taskq__field_prefix_index(taskq_error *err, uint32_t index);
void taskq__field_prefix_name(taskq_error *err, const char *name);

/* A JSON number (checked by the scan) as an integer. ESYNTAX: it is none; EINVAL: not within int64. "1.0" and "1e3" are integers. */
taskq_status taskq__number_as_int(taskq_text number, int64_t *out);

/* An array of names, each at most once in it: `room` places, one field "/3" at fault. */
taskq_status taskq__read_names(const taskq__reader *reader, uint32_t node, taskq_text *names, uint32_t room,
                               uint32_t *count);

#endif
