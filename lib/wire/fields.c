/* SPDX-License-Identifier: MIT */
/*
 * One engine for every record that comes in. A typing mistake in a request must never be dropped silently, and the answer has to name
 * the one field at fault: done by hand for each record, one of them would forget. The tables say what, this says how.
 */
#include "wire/fields.h"

#include "core/fail.h"
#include "core/rfc3339.h"
#include "core/text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- naming the field at fault ------------------------------------------------------------------------------- */

/* A key as a token of a JSON pointer: ~ and / escaped, what has no place in a line of text replaced, cut to the room. */
static void pointer_token(taskq_text name, char *out, size_t room)
{
    size_t at = 0;
    out[at++] = '/';
    for (size_t i = 0; i < name.size && at + 3 < room; i++) {
        char c = name.data[i];
        if (c == '~' || c == '/') {
            out[at++] = '~';
            out[at++] = c == '~' ? '0' : '1';
        } else {
            out[at++] = (unsigned char)c < 0x20 || c == 0x7f ? '?' : c;
        }
    }
    out[taskq__utf8_whole((taskq_text){out, at})] = '\0'; /* the cut may have gone through a character */
}

taskq_status taskq__field_fail(taskq_error *err, taskq_text name, const char *text)
{
    char field[TASKQ_ERROR_FIELD_MAX];
    pointer_token(name, field, sizeof field);
    return taskq__fail_field(err, TASKQ_EINVAL, field, "%s", text);
}

/* The errors of values name no field, or one below it; either way the path goes before it. */
void taskq__field_prefix_path(taskq_error *err, const char *path)
{
    if (err == NULL || err->status != TASKQ_EINVAL) {
        return;
    }
    size_t room = sizeof err->field - 1, head = strnlen(path, room), tail = strlen(err->field);
    tail = tail > room - head ? room - head : tail;
    memmove(err->field + head, err->field, tail);
    memcpy(err->field, path, head);
    err->field[taskq__utf8_whole((taskq_text){err->field, head + tail})] = '\0';
}

void taskq__field_prefix_index(taskq_error *err, uint32_t index)
{
    char token[16];
    (void)snprintf(token, sizeof token, "/%" PRIu32, index);
    taskq__field_prefix_path(err, token);
}

void taskq__field_prefix_name(taskq_error *err, const char *name)
{
    char token[TASKQ_ERROR_FIELD_MAX];
    pointer_token((taskq_text){name, strlen(name)}, token, sizeof token);
    taskq__field_prefix_path(err, token);
}

/* ---- values -------------------------------------------------------------------------------------------------- */

static taskq_status refuse(taskq_error *err, const char *text)
{
    return taskq__fail_field(err, TASKQ_EINVAL, "", "%s", text);
}

static taskq_status put_int(int64_t value, const taskq__field *field, void *place, taskq_error *err)
{
    if (value < field->min || value > field->max) {
        return taskq__fail_field(err, TASKQ_EINVAL, "", "must be %" PRId64 " to %" PRId64, field->min, field->max);
    }
    if (field->kind == TASKQ__FIELD_INT64) {
        *(int64_t *)place = value;
    } else if (field->kind == TASKQ__FIELD_INT32) {
        *(int32_t *)place = (int32_t)value;
    } else {
        *(uint32_t *)place = (uint32_t)value;
    }
    return TASKQ_OK;
}

static taskq_status put_double(taskq_text number, const taskq__field *field, void *place, taskq_error *err)
{
    double value = 0;
    if (!taskq__parse_double(number, &value) || value < (double)field->min || value > (double)field->max) {
        return taskq__fail_field(err, TASKQ_EINVAL, "", "must be a number, %" PRId64 " to %" PRId64, field->min,
                                 field->max);
    }
    *(double *)place = value;
    return TASKQ_OK;
}

static taskq_status put_text(taskq_text text, const taskq__field *field, void *place, taskq_error *err)
{
    if (field->kind == TASKQ__FIELD_NAME && !taskq__text_is_name(text)) {
        return refuse(err, "must be 1 to 128 of A-Z a-z 0-9 . _ : / -");
    }
    if (field->kind == TASKQ__FIELD_LABEL &&
        (!taskq__text_is_key(text) || taskq__utf8_count(text) > (size_t)field->max)) {
        return taskq__fail_field(err, TASKQ_EINVAL, "", "must be 1 to %" PRId64 " characters, none of them NUL",
                                 field->max);
    }
    *(taskq_text *)place = text;
    return TASKQ_OK;
}

static taskq_status put_time(taskq_text text, void *place, taskq_error *err)
{
    if (taskq__rfc3339_parse(text, place) != TASKQ_OK) {
        return refuse(err, "must be an RFC 3339 time of the years 1970 to 2100, such as 2026-01-31T08:00:00Z");
    }
    return TASKQ_OK;
}

taskq_status taskq__number_as_int(taskq_text number, int64_t *out)
{
    size_t at = number.data[0] == '-', point = 0, first = 0, last = 0;
    bool negative = at != 0, seen_point = false, seen = false;
    int64_t scale = 0, exponent = 0; /* powers of ten behind the last digit that counts */
    uint64_t value = 0;
    /* Where the digits that count begin and end, and how many places behind the last of them the point is. */
    for (; at < number.size && (number.data[at] | 0x20) != 'e'; at++) {
        if (number.data[at] == '.') {
            seen_point = true;
            point = at;
        } else if (number.data[at] != '0') {
            first = seen ? first : at;
            last = at;
            seen = true;
        }
    }
    if (!seen) {
        *out = 0;
        return TASKQ_OK;
    }
    point = seen_point ? point : at;
    scale = point > last ? (int64_t)(point - last - 1) : -(int64_t)(last - point);
    if (at < number.size) {
        bool below = number.data[at + 1] == '-';
        at += number.data[at + 1] == '-' || number.data[at + 1] == '+' ? 2 : 1;
        for (; at < number.size && exponent < INT64_C(100000000000); at++) {
            exponent = exponent * 10 + (number.data[at] - '0');
        }
        scale += below ? -exponent : exponent;
    }
    if (scale < 0) {
        return TASKQ_ESYNTAX;
    }
    for (at = first; at <= last; at++) {
        if (number.data[at] != '.' && (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
                                       __builtin_add_overflow(value, (uint64_t)(number.data[at] - '0'), &value))) {
            return TASKQ_EINVAL;
        }
    }
    for (; scale > 0; scale--) {
        if (__builtin_mul_overflow(value, UINT64_C(10), &value)) {
            return TASKQ_EINVAL;
        }
    }
    if (value > (uint64_t)INT64_MAX + negative) {
        return TASKQ_EINVAL;
    }
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return TASKQ_OK;
}

static taskq_status int_from_node(const taskq__reader *reader, uint32_t node, const taskq__field *field, void *place)
{
    int64_t value = 0;
    taskq_status status = TASKQ_ESYNTAX;
    if (reader->json->nodes[node].kind == TASKQ__JSON_NUMBER) {
        status = taskq__number_as_int(taskq__json_span(reader->json, node), &value);
    }
    if (status == TASKQ_ESYNTAX) {
        return refuse(reader->err, "must be an integer");
    }
    if (status == TASKQ_EINVAL) { /* beyond int64 is beyond every range */
        return taskq__fail_field(reader->err, TASKQ_EINVAL, "", "must be %" PRId64 " to %" PRId64, field->min,
                                 field->max);
    }
    return put_int(value, field, place, reader->err);
}

static taskq_status text_from_node(const taskq__reader *reader, uint32_t node, const taskq__field *field, void *place)
{
    taskq_text text;
    if (reader->json->nodes[node].kind != TASKQ__JSON_STRING) {
        return refuse(reader->err, "must be a string");
    }
    taskq_status status = taskq__json_string(reader->json, node, reader->arena, &text, reader->err);
    if (status != TASKQ_OK) {
        return status;
    }
    return field->kind == TASKQ__FIELD_TIME ? put_time(text, place, reader->err)
                                            : put_text(text, field, place, reader->err);
}

taskq_status taskq__field_from_node(const taskq__reader *reader, uint32_t node, const taskq__field *field, void *record)
{
    void *place = (char *)record + field->offset;
    taskq__json_kind kind = reader->json->nodes[node].kind;
    switch (field->kind) {
    case TASKQ__FIELD_INT64:
    case TASKQ__FIELD_INT32:
    case TASKQ__FIELD_UINT32: return int_from_node(reader, node, field, place);
    case TASKQ__FIELD_DOUBLE:
        if (kind != TASKQ__JSON_NUMBER) {
            return refuse(reader->err, "must be a number");
        }
        return put_double(taskq__json_span(reader->json, node), field, place, reader->err);
    case TASKQ__FIELD_BOOL:
        if (kind != TASKQ__JSON_TRUE && kind != TASKQ__JSON_FALSE) {
            return refuse(reader->err, "must be true or false");
        }
        *(bool *)place = kind == TASKQ__JSON_TRUE;
        return TASKQ_OK;
    case TASKQ__FIELD_NAME:
    case TASKQ__FIELD_LABEL:
    case TASKQ__FIELD_STRING:
    case TASKQ__FIELD_TIME: return text_from_node(reader, node, field, place);
    case TASKQ__FIELD_JSON: *(taskq_text *)place = taskq__json_span(reader->json, node); return TASKQ_OK;
    case TASKQ__FIELD_OBJECT: return taskq__fields_read(reader, node, field->fields, field->field_count, place, NULL);
    case TASKQ__FIELD_CUSTOM: return field->read(reader, node, field, place);
    }
    return TASKQ_EINVAL;
}

taskq_status taskq__field_from_text(taskq_text text, const taskq__field *field, void *record, taskq_error *err)
{
    void *place = (char *)record + field->offset;
    int64_t value = 0;
    switch (field->kind) {
    case TASKQ__FIELD_INT64:
    case TASKQ__FIELD_INT32:
    case TASKQ__FIELD_UINT32:
        if (taskq__parse_int64(text, field->min, field->max, &value) != TASKQ_OK) {
            return taskq__fail_field(err, TASKQ_EINVAL, "", "must be an integer, %" PRId64 " to %" PRId64, field->min,
                                     field->max);
        }
        return put_int(value, field, place, err);
    case TASKQ__FIELD_DOUBLE: return put_double(text, field, place, err);
    case TASKQ__FIELD_NAME:
    case TASKQ__FIELD_LABEL:
    case TASKQ__FIELD_STRING: return put_text(text, field, place, err);
    default: return refuse(err, "does not come as text");
    }
}

/* ---- records ------------------------------------------------------------------------------------------------- */

/* The field of a key; `count` where the table has none. */
static uint32_t find(const taskq__json *json, uint32_t key, const taskq__field *fields, uint32_t count)
{
    const taskq__json_node *node = &json->nodes[key];
    const char *text = json->text.data + node->start + 1;
    uint32_t size = node->end - node->start - 2, i = 0;
    if (node->escaped) {
        for (; i < count && !taskq__json_string_is(json, key, (taskq_text){fields[i].name, fields[i].name_size}); i++) {
        }
        return i;
    }
    for (; i < count && (fields[i].name_size != size || memcmp(fields[i].name, text, size) != 0); i++) {}
    return i;
}

static taskq_status unknown(const taskq__reader *reader, uint32_t key)
{
    taskq_text name;
    taskq_status status = taskq__json_string(reader->json, key, reader->arena, &name, reader->err);
    return status == TASKQ_OK ? taskq__field_fail(reader->err, name, "unknown field") : status;
}

static taskq_status check_required(const taskq__reader *reader, const taskq__field *fields, uint32_t count,
                                   uint32_t given)
{
    for (uint32_t i = 0; i < count; i++) {
        if (fields[i].required && (given & UINT32_C(1) << i) == 0) {
            taskq_text name = {fields[i].name, fields[i].name_size};
            return taskq__field_fail(reader->err, name, "is required");
        }
    }
    return TASKQ_OK;
}

taskq_status taskq__fields_read(const taskq__reader *reader, uint32_t node, const taskq__field *fields, uint32_t count,
                                void *record, uint32_t *given)
{
    const taskq__json_node *nodes = reader->json->nodes;
    uint32_t seen = 0, set = 0;
    assert(count <= 32);
    if (nodes[node].kind != TASKQ__JSON_OBJECT) {
        return refuse(reader->err, "must be an object");
    }
    for (uint32_t key = node + 1; key < nodes[node].next; key = nodes[key + 1].next) {
        uint32_t i = find(reader->json, key, fields, count);
        if (i == count) {
            if (!reader->lenient) {
                return unknown(reader, key);
            }
            continue;
        }
        uint32_t bit = UINT32_C(1) << i;
        if ((seen & bit) != 0) {
            return taskq__field_fail(reader->err, (taskq_text){fields[i].name, fields[i].name_size}, "is given twice");
        }
        seen |= bit;
        if (fields[i].kind != TASKQ__FIELD_JSON && nodes[key + 1].kind == TASKQ__JSON_NULL) {
            continue;
        }
        taskq_status status = taskq__field_from_node(reader, key + 1, &fields[i], record);
        if (status != TASKQ_OK) {
            taskq__field_prefix_name(reader->err, fields[i].name);
            return status;
        }
        set |= bit;
    }
    if (given != NULL) {
        *given = set;
    }
    return check_required(reader, fields, count, set);
}

taskq_status taskq__read_names(const taskq__reader *reader, uint32_t node, taskq_text *names, uint32_t room,
                               uint32_t *count)
{
    static const taskq__field name = {.kind = TASKQ__FIELD_NAME};
    const taskq__json_node *nodes = reader->json->nodes;
    uint32_t index = 0;
    if (nodes[node].kind != TASKQ__JSON_ARRAY) {
        return refuse(reader->err, "must be an array of names");
    }
    if (nodes[node].count > room) {
        return taskq__fail_field(reader->err, TASKQ_EINVAL, "", "must have %" PRIu32 " elements at most", room);
    }
    for (uint32_t at = node + 1; at < nodes[node].next; at = nodes[at].next, index++) {
        taskq_status status = taskq__field_from_node(reader, at, &name, &names[index]);
        if (status != TASKQ_OK) {
            taskq__field_prefix_index(reader->err, index);
            return status;
        }
    }
    *count = index;
    return TASKQ_OK;
}
