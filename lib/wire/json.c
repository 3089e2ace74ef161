/* SPDX-License-Identifier: MIT */
/*
 * The only file that knows cJSON. cJSON is lenient where we must not be: it takes text behind the document, looks keys up without
 * regard to case, rounds integers above 2^53 and cuts strings at an escaped NUL. So the strict scan comes before it, its tape marks the
 * strings that would be cut, and every getter checks what cJSON does not.
 */
#include "wire/json.h"

#include "core/alloc.h"
#include "core/fail.h"
#include "core/scan.h"
#include "core/text.h"

#include <cjson/cJSON.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAFE_INT_MAX INT64_C(9007199254740991) /* 2^53 - 1: the last integer that no other is rounded to */

enum { CJSON_NUMBER_BYTES = 64 }; /* its buffer for one, the closing NUL among them */
enum { CUT = 1 };                 /* in valueint of a string, which cJSON leaves 0: it has an escaped NUL */

struct taskq__doc {
    const taskq_allocator *allocator;
    taskq_arena *arena; /* the text's copy and the tape */
    taskq__json json;
    cJSON *root;
};

static const cJSON *item_of(const taskq__value *value)
{
    return (const cJSON *)(const void *)value;
}

static const taskq__value *value_of(const cJSON *item)
{
    return (const taskq__value *)(const void *)item;
}

/* ---- parsing --------------------------------------------------------------------------------------------------- */

static bool has_nul(const taskq__json *json, uint32_t node)
{
    if (json->nodes[node].kind != TASKQ__JSON_STRING || !json->nodes[node].escaped) {
        return false;
    }
    taskq_text span = taskq__json_span(json, node);
    for (size_t at = 1; at + 6 < span.size; at++) {
        if (span.data[at] != '\\') {
            continue;
        }
        if (memcmp(span.data + at, "\\u0000", 6) == 0) {
            return true;
        }
        at++; /* the escaped character is none itself */
    }
    return false;
}

/* Walks tape and tree side by side: they hold the same values in the same order. */
static void mark_cut_strings(const taskq__json *json, cJSON *root)
{
    cJSON *parents[TASKQ__JSON_DEEP_MAX + 1], *item = root;
    uint32_t ends[TASKQ__JSON_DEEP_MAX + 1], depth = 0;
    for (uint32_t at = 0; at < json->count && item != NULL; at++) {
        if (depth > 0 && cJSON_IsObject(parents[depth - 1])) {
            if (has_nul(json, at)) { /* no key of ours begins with a control character, so that it is never found */
                memcpy(item->string, "\x01", 2);
            }
            at++;
        }
        if (has_nul(json, at)) {
            item->valueint = CUT;
        }
        if (json->nodes[at].count > 0) {
            parents[depth] = item;
            ends[depth++] = json->nodes[at].next;
            item = item->child;
            continue;
        }
        item = item->next;
        while (depth > 0 && ends[depth - 1] == at + 1) {
            item = parents[--depth]->next;
        }
    }
}

/* Half a surrogate pair becomes U+FFFD, which is as long. */
static void mend_surrogates(char *data, size_t size)
{
    for (size_t at = 0; at + 1 < size; at += 2) {
        const char *backslash = memchr(data + at, '\\', size - at - 1);
        if (backslash == NULL) {
            return;
        }
        at = (size_t)(backslash - data);
        unsigned long unit =
            data[at + 1] == 'u' ? strtoul((char[]){data[at + 2], data[at + 3], data[at + 4], data[at + 5], 0}, NULL, 16)
                                : 0;
        if (unit < 0xd800 || unit > 0xdfff) {
            continue;
        }
        if (unit < 0xdc00 && at + 12 <= size && memcmp(data + at + 6, "\\u", 2) == 0 &&
            strchr("dD", data[at + 8]) != NULL && strchr("cCdDeEfF", data[at + 9]) != NULL) {
            at += 10; /* with the 2 of the loop: behind the pair */
            continue;
        }
        memcpy(data + at, "\\ufffd", 6);
    }
}

/* cJSON fails on what the grammar allows: half surrogate pairs, and numbers of more than 63 bytes. In a copy, of the same length, they
 * become what it can read. */
static void mend(const taskq__json *json, char *data)
{
    for (uint32_t at = 0; at < json->count; at++) {
        const taskq__json_node *node = &json->nodes[at];
        size_t size = node->end - node->start;
        if (node->kind == TASKQ__JSON_STRING && node->escaped) {
            mend_surrogates(data + node->start, size);
        } else if (node->kind == TASKQ__JSON_NUMBER && size >= CJSON_NUMBER_BYTES) {
            char number[40];
            double value = 0;
            bool finite = taskq__parse_double(taskq__json_span(json, at), &value);
            int length = snprintf(number, sizeof number, "%.17g", finite ? value : HUGE_VAL);
            const char *text = finite ? number : data[node->start] == '-' ? "-1e999" : "1e999";
            size_t used = finite ? (size_t)length : strlen(text);
            memcpy(data + node->start, text, used);
            memset(data + node->start + used, ' ', size - used);
        }
    }
}

static taskq_status parse(taskq_text text, taskq__doc *doc, taskq_error *err)
{
    taskq_text copy, mended;
    taskq_status status = taskq__json_scan_deep(text, doc->arena, &doc->json, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (!taskq_arena_copy(doc->arena, text.data, text.size, &copy)) {
        return taskq__fail_memory(err);
    }
    doc->json.text = copy;
    doc->root = cJSON_ParseWithLengthOpts(copy.data, copy.size + 1, NULL, true);
    if (doc->root == NULL && taskq_arena_copy(doc->arena, text.data, text.size, &mended)) {
        mend(&doc->json, (char *)(uintptr_t)mended.data);
        doc->root = cJSON_ParseWithLengthOpts(mended.data, mended.size + 1, NULL, true);
    }
    if (doc->root == NULL) {
        return taskq__fail_memory(err);
    }
    if (memmem(copy.data, copy.size, "\\u0000", 6) != NULL) {
        mark_cut_strings(&doc->json, doc->root);
    }
    return TASKQ_OK;
}

taskq_status taskq__doc_parse(const taskq_allocator *a, taskq_text text, taskq__doc **out, taskq_error *err)
{
    taskq__doc *doc = taskq__alloc(a, sizeof *doc);
    if (doc == NULL || (doc->arena = taskq__arena_new(a, 0)) == NULL) {
        taskq__free(a, doc);
        return taskq__fail_memory(err);
    }
    doc->allocator = a;
    taskq_status status = parse(text, doc, err);
    if (status != TASKQ_OK) {
        taskq__doc_free(doc);
        return status;
    }
    *out = doc;
    return TASKQ_OK;
}

void taskq__doc_free(taskq__doc *doc)
{
    if (doc != NULL) {
        cJSON_Delete(doc->root);
        taskq__arena_free(doc->arena);
        taskq__free(doc->allocator, doc);
    }
}

const taskq__value *taskq__doc_root(const taskq__doc *doc)
{
    return value_of(doc->root);
}

taskq_text taskq__doc_span(const taskq__doc *doc, const char *key)
{
    uint32_t node = doc->json.nodes[0].kind == TASKQ__JSON_OBJECT ? taskq__json_member(&doc->json, 0, key) : 0;
    return node != 0 ? taskq__json_span(&doc->json, node) : (taskq_text){NULL, 0};
}

/* ---- looking around -------------------------------------------------------------------------------------------- */

taskq__value_kind taskq__value_kind_of(const taskq__value *value)
{
    const cJSON *item = item_of(value);
    return cJSON_IsObject(item)   ? TASKQ__VALUE_OBJECT
           : cJSON_IsArray(item)  ? TASKQ__VALUE_ARRAY
           : cJSON_IsString(item) ? TASKQ__VALUE_STRING
           : cJSON_IsNumber(item) ? TASKQ__VALUE_NUMBER
           : cJSON_IsBool(item)   ? TASKQ__VALUE_BOOL
                                  : TASKQ__VALUE_NULL;
}

const taskq__value *taskq__value_first(const taskq__value *parent)
{
    return parent != NULL ? value_of(item_of(parent)->child) : NULL;
}

const taskq__value *taskq__value_next(const taskq__value *sibling)
{
    return value_of(item_of(sibling)->next);
}

const char *taskq__value_key(const taskq__value *member)
{
    return item_of(member)->string;
}

size_t taskq__value_count(const taskq__value *parent)
{
    size_t count = 0;
    for (const taskq__value *at = taskq__value_first(parent); at != NULL; at = taskq__value_next(at)) {
        count++;
    }
    return count;
}

const taskq__value *taskq__value_member(const taskq__value *object, const char *key)
{
    return object != NULL && cJSON_IsObject(item_of(object))
               ? value_of(cJSON_GetObjectItemCaseSensitive(item_of(object), key))
               : NULL;
}

/* ---- getters --------------------------------------------------------------------------------------------------- */

/* The key as a JSON pointer. Ours have nothing to escape; a foreign one is for people to read. */
static taskq_status refuse(taskq_error *err, const char *key, const char *text)
{
    char field[TASKQ_ERROR_FIELD_MAX];
    size_t size = 0;
    field[size++] = '/';
    for (; *key != '\0' && size + 3 < sizeof field; key++) {
        if (*key == '~' || *key == '/') {
            field[size++] = '~';
            field[size++] = *key == '~' ? '0' : '1';
        } else {
            field[size++] = (unsigned char)*key < 0x20 ? '?' : *key;
        }
    }
    field[size] = '\0';
    return taskq__fail_field(err, TASKQ_EINVAL, field, "%s", text);
}

/* A member, or NULL where it is missing or null; given twice it is an error. */
static taskq_status get(const taskq__value *object, const char *key, bool required, const taskq__value **out,
                        taskq_error *err)
{
    const taskq__value *member = taskq__value_member(object, key);
    for (const taskq__value *at = member != NULL ? taskq__value_next(member) : NULL; at != NULL;
         at = taskq__value_next(at)) {
        if (strcmp(taskq__value_key(at), key) == 0) {
            return refuse(err, key, "is given twice");
        }
    }
    if (member != NULL && taskq__value_kind_of(member) == TASKQ__VALUE_NULL) {
        member = NULL;
    }
    if (member == NULL && required) {
        return refuse(err, key, "is required");
    }
    *out = member;
    return TASKQ_OK;
}

taskq_status taskq__value_only(const taskq__value *object, const char *const *keys, taskq_error *err)
{
    if (taskq__value_kind_of(object) != TASKQ__VALUE_OBJECT) {
        return taskq__fail(err, TASKQ_EINVAL, "must be an object");
    }
    for (const taskq__value *at = taskq__value_first(object); at != NULL; at = taskq__value_next(at)) {
        const char *const *key = keys;
        for (; *key != NULL && strcmp(*key, taskq__value_key(at)) != 0; key++) {}
        if (*key == NULL) {
            return refuse(err, taskq__value_key(at), "unknown field");
        }
        if (taskq__value_member(object, *key) != at) {
            return refuse(err, *key, "is given twice");
        }
    }
    return TASKQ_OK;
}

const char *taskq__value_as_string(const taskq__value *value)
{
    const cJSON *item = item_of(value);
    return cJSON_IsString(item) && item->valueint != CUT ? item->valuestring : NULL;
}

bool taskq__value_as_int(const taskq__value *value, int64_t min, int64_t max, int64_t *out)
{
    const cJSON *item = item_of(value);
    if (!cJSON_IsNumber(item) || !(fabs(item->valuedouble) <= (double)SAFE_INT_MAX)) {
        return false;
    }
    int64_t number = (int64_t)item->valuedouble;
    if ((double)number < item->valuedouble || (double)number > item->valuedouble || number < min || number > max) {
        return false;
    }
    *out = number;
    return true;
}

taskq_status taskq__value_string(const taskq__value *object, const char *key, bool required, const char *fallback,
                                 const char **out, taskq_error *err)
{
    const taskq__value *member = NULL;
    taskq_status status = get(object, key, required, &member, err);
    if (status != TASKQ_OK) {
        return status;
    }
    const char *string = member != NULL ? taskq__value_as_string(member) : fallback;
    if (member != NULL && string == NULL) {
        return refuse(err, key,
                      taskq__value_kind_of(member) == TASKQ__VALUE_STRING ? "must not hold a NUL" : "must be a string");
    }
    *out = string;
    return TASKQ_OK;
}

taskq_status taskq__value_int(const taskq__value *object, const char *key, bool required, int64_t fallback, int64_t min,
                              int64_t max, int64_t *out, taskq_error *err)
{
    const taskq__value *member = NULL;
    taskq_status status = get(object, key, required, &member, err);
    if (status != TASKQ_OK) {
        return status;
    }
    int64_t number = fallback;
    if (member != NULL && !taskq__value_as_int(member, min, max, &number)) {
        char text[96];
        (void)snprintf(text, sizeof text, "must be an integer, %" PRId64 " to %" PRId64, min, max);
        return refuse(err, key, text);
    }
    *out = number;
    return TASKQ_OK;
}

taskq_status taskq__value_bool(const taskq__value *object, const char *key, bool fallback, bool *out, taskq_error *err)
{
    const taskq__value *member = NULL;
    taskq_status status = get(object, key, false, &member, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (member != NULL && taskq__value_kind_of(member) != TASKQ__VALUE_BOOL) {
        return refuse(err, key, "must be true or false");
    }
    *out = member != NULL ? cJSON_IsTrue(item_of(member)) != 0 : fallback;
    return TASKQ_OK;
}
