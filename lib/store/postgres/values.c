/* SPDX-License-Identifier: MIT */
/*
 * PostgreSQL's binary forms, both ways: big-endian numbers, texts as they are, arrays with a short header. A batch is a few
 * statements over long columns, so what one element costs is what counts: no printing, no escaping, one copy.
 */
#include "store/postgres/values.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

enum {
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_TEXT = 25,
    OID_FLOAT8 = 701,
    ARRAY_HEADER_BYTES = 20, /* dimensions, whether NULLs are in it, the elements' type, count, first index */
    ARRAY_NULLS_AT = 4,
    ARRAY_COUNT_AT = 12,
    COLUMN_BYTES_FIRST = 256
};

/* Of one message PostgreSQL takes 1 GiB less a little; what comes near is refused here. */
#define COLUMN_BYTES_MAX ((size_t)512 << 20)

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static void put_int32(char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (char)(unsigned char)(value >> (24 - 8 * i));
    }
}

static void put_int64(char *at, uint64_t value)
{
    put_int32(at, (uint32_t)(value >> 32));
    put_int32(at + 4, (uint32_t)value);
}

static uint64_t get_int(const char *at, int size)
{
    uint64_t value = 0;
    for (int i = 0; i < size; i++) {
        value = value << 8 | (unsigned char)at[i];
    }
    return value;
}

/* ---- single values ------------------------------------------------------------------------------------------------- */

void taskq__pg_params_init(taskq__pg_params *params, taskq_arena *arena)
{
    memset(params, 0, sizeof(*params));
    params->arena = arena;
}

static int next_param(taskq__pg_params *params)
{
    assert(params->count < TASKQ__PG_PARAMS_MAX);
    return params->count++;
}

void taskq__pg_param_int(taskq__pg_params *params, int64_t value)
{
    int at = next_param(params);
    char *bytes = taskq_arena_alloc(params->arena, 8);
    if (bytes == NULL) {
        params->failed = true;
        return;
    }
    put_int64(bytes, (uint64_t)value);
    params->values[at] = bytes;
    params->lengths[at] = 8;
}

static void param_borrow(taskq__pg_params *params, taskq_text value)
{
    int at = next_param(params);
    if (value.size > INT_MAX) {
        params->failed = true;
        return;
    }
    params->values[at] = value.data == NULL ? "" : value.data; /* NULL would be NULL */
    params->lengths[at] = (int)value.size;
}

void taskq__pg_param_text(taskq__pg_params *params, taskq_text value)
{
    param_borrow(params, value);
}

void taskq__pg_param_bytes(taskq__pg_params *params, taskq_text value)
{
    param_borrow(params, value);
}

void taskq__pg_param_null(taskq__pg_params *params)
{
    (void)next_param(params); /* all zero as it is */
}

/* ---- columns --------------------------------------------------------------------------------------------------------- */

static uint32_t oid_of(taskq__pg_value_type type)
{
    switch (type) {
    case TASKQ__PG_VALUE_INT8: return OID_INT8;
    case TASKQ__PG_VALUE_FLOAT8: return OID_FLOAT8;
    case TASKQ__PG_VALUE_TEXT: return OID_TEXT;
    default: return OID_BYTEA;
    }
}

/* Room for `size` more bytes at the column's end; NULL: there is none. */
static char *grow(taskq__pg_params *params, taskq__pg_column *column, size_t size)
{
    if (size > COLUMN_BYTES_MAX - column->size) {
        params->failed = true;
        return NULL;
    }
    size_t needed = column->size + size;
    if (needed > column->room) {
        size_t room = column->room == 0 ? COLUMN_BYTES_FIRST : column->room * 2;
        room = room < needed ? needed : room;
        char *bytes = taskq_arena_alloc(params->arena, room);
        if (bytes == NULL) {
            params->failed = true;
            return NULL;
        }
        if (column->size > 0) {
            memcpy(bytes, column->bytes, column->size);
        }
        column->bytes = bytes;
        column->room = room;
    }
    char *at = column->bytes + column->size;
    column->size = needed;
    return at;
}

void taskq__pg_params_column(taskq__pg_params *params, taskq__pg_value_type type)
{
    taskq__pg_column *column = &params->columns[next_param(params)];
    column->type = type;
    char *header = grow(params, column, ARRAY_HEADER_BYTES);
    if (header != NULL) {
        memset(header, 0, ARRAY_HEADER_BYTES);
        put_int32(header, 1);
        put_int32(header + 8, oid_of(type));
        put_int32(header + 16, 1);
    }
}

void taskq__pg_params_columns(taskq__pg_params *params, taskq_arena *arena, const char *types)
{
    taskq__pg_params_init(params, arena);
    for (; *types != '\0'; types++) {
        taskq__pg_params_column(params, *types == 't'   ? TASKQ__PG_VALUE_TEXT
                                        : *types == 'b' ? TASKQ__PG_VALUE_BYTEA
                                        : *types == 'd' ? TASKQ__PG_VALUE_FLOAT8
                                                        : TASKQ__PG_VALUE_INT8);
    }
}

/* The place of the next value of the row, its size written before it; NULL: no memory (then or before). */
static char *next_value(taskq__pg_params *params, bool is_null, size_t size)
{
    while (params->next < params->count && params->columns[params->next].bytes == NULL && !params->failed) {
        params->next++; /* single values stand between columns */
    }
    if (params->failed || params->next >= params->count) {
        assert(params->failed);
        return NULL;
    }
    taskq__pg_column *column = &params->columns[params->next];
    char *at = grow(params, column, 4 + size);
    if (at == NULL) {
        return NULL;
    }
    put_int32(at, is_null ? UINT32_MAX : (uint32_t)size);
    column->count++;
    put_int32(column->bytes + ARRAY_COUNT_AT, (uint32_t)column->count);
    if (is_null) {
        put_int32(column->bytes + ARRAY_NULLS_AT, 1);
    }
    do {
        params->next++;
    } while (params->next < params->count && params->columns[params->next].bytes == NULL);
    params->next = params->next == params->count ? 0 : params->next;
    return at + 4;
}

void taskq__pg_row_int(taskq__pg_params *params, int64_t value)
{
    char *at = next_value(params, false, 8);
    if (at != NULL) {
        put_int64(at, (uint64_t)value);
    }
}

void taskq__pg_row_int_or_null(taskq__pg_params *params, int64_t value)
{
    if (value == 0) {
        (void)next_value(params, true, 0);
    } else {
        taskq__pg_row_int(params, value);
    }
}

void taskq__pg_row_double(taskq__pg_params *params, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    char *at = next_value(params, false, 8);
    if (at != NULL) {
        put_int64(at, bits);
    }
}

void taskq__pg_row_text(taskq__pg_params *params, taskq_text value)
{
    char *at = next_value(params, false, value.size);
    if (at != NULL && value.size > 0) {
        memcpy(at, value.data, value.size);
    }
}

void taskq__pg_row_text_or_null(taskq__pg_params *params, taskq_text value)
{
    if (value.size == 0) {
        (void)next_value(params, true, 0);
    } else {
        taskq__pg_row_text(params, value);
    }
}

int32_t taskq__pg_params_rows(const taskq__pg_params *params)
{
    int32_t rows = INT32_MAX;
    for (int i = 0; i < params->count; i++) {
        if (params->columns[i].bytes != NULL && params->columns[i].count < rows) {
            rows = params->columns[i].count;
        }
    }
    return rows == INT32_MAX ? 0 : rows;
}

/* ---- results ----------------------------------------------------------------------------------------------------------- */

int64_t taskq__pg_result_int(const PGresult *result, int row, int column)
{
    int size = PQgetlength(result, row, column);
    const char *at = PQgetvalue(result, row, column);
    switch (PQgetisnull(result, row, column) ? 0 : size) {
    case 1: return at[0] != 0;
    case 2: return (int16_t)get_int(at, 2);
    case 4: return (int32_t)get_int(at, 4);
    case 8: return (int64_t)get_int(at, 8);
    default: return 0;
    }
}

double taskq__pg_result_double(const PGresult *result, int row, int column)
{
    double value = 0;
    if (PQgetlength(result, row, column) == 8) {
        uint64_t bits = get_int(PQgetvalue(result, row, column), 8);
        memcpy(&value, &bits, sizeof(value));
    }
    return value;
}

taskq_text taskq__pg_result_text(const PGresult *result, int row, int column)
{
    int size = PQgetlength(result, row, column);
    return size > 0 ? (taskq_text){PQgetvalue(result, row, column), (size_t)size} : (taskq_text){NULL, 0};
}

bool taskq__pg_result_null(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) != 0;
}

bool taskq__pg_result_copy(const PGresult *result, int row, int column, taskq_arena *arena, taskq_text *out)
{
    taskq_text text = taskq__pg_result_text(result, row, column);
    if (text.size == 0) {
        *out = text;
        return true;
    }
    return taskq_arena_copy(arena, text.data, text.size, out);
}
