/* SPDX-License-Identifier: MIT */
/*
 * Parameters of a request: the query, the id in the path. What is unknown or given twice is refused: a typing mistake that is
 * silently dropped makes a filter that does not filter.
 */
#include "core/scan.h"
#include "core/text.h"
#include "server/api.h"

#include <stdio.h>
#include <string.h>

enum { QUERY_NAMES_MAX = 32 };

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

taskq_status taskq__percent_decode(taskq_text text, bool plus, taskq_arena *arena, taskq_text *out)
{
    char *decoded = taskq_arena_alloc(arena, text.size + 1);
    size_t size = 0;
    if (decoded == NULL) {
        return TASKQ_ENOMEM;
    }
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '%') {
            int high = text.size - i > 2 ? hex_value(text.data[i + 1]) : -1;
            int low = text.size - i > 2 ? hex_value(text.data[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return TASKQ_EINVAL;
            }
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == '\0') {
            return TASKQ_EINVAL;
        }
        decoded[size++] = c;
    }
    taskq_text result = {decoded, size};
    if (!taskq__text_is_utf8(result)) {
        return TASKQ_EINVAL;
    }
    *out = result;
    return TASKQ_OK;
}

bool taskq__query_next(taskq_text *rest, taskq_arena *arena, taskq_text *name, taskq_text *value, taskq_status *status)
{
    *status = TASKQ_OK;
    while (rest->size > 0) {
        const char *stop = memchr(rest->data, '&', rest->size);
        taskq_text pair = {rest->data, stop != NULL ? (size_t)(stop - rest->data) : rest->size};
        size_t taken = pair.size + (stop != NULL ? 1 : 0);
        *rest = (taskq_text){rest->data + taken, rest->size - taken};
        if (pair.size == 0) {
            continue;
        }
        const char *equals = memchr(pair.data, '=', pair.size);
        size_t name_size = equals != NULL ? (size_t)(equals - pair.data) : pair.size;
        taskq_text raw_value = {pair.data + name_size + (equals != NULL), pair.size - name_size - (equals != NULL)};
        *status = taskq__percent_decode((taskq_text){pair.data, name_size}, true, arena, name);
        if (*status == TASKQ_OK) {
            *status = taskq__percent_decode(raw_value, true, arena, value);
        }
        return true;
    }
    return false;
}

static void refuse_parameter(taskq__reply *reply, taskq_text name, const char *why)
{
    char field[TASKQ_ERROR_FIELD_MAX];
    snprintf(field, sizeof(field), "/%.*s", name.size < 100 ? (int)name.size : 100, name.data);
    taskq__reply_problem(reply, TASKQ__PROBLEM_INVALID, field, "%s", why);
}

bool taskq__query_read(const taskq__request *request, taskq__reply *reply, const char *const *names, taskq_text *values)
{
    taskq_text rest = request->query;
    taskq_text name;
    taskq_text value;
    taskq_status status;
    for (size_t i = 0; names[i] != NULL; i++) {
        values[i] = (taskq_text){NULL, 0};
    }
    while (taskq__query_next(&rest, request->arena, &name, &value, &status)) {
        if (status != TASKQ_OK) {
            taskq__reply_problem(reply, status == TASKQ_ENOMEM ? TASKQ__PROBLEM_UNAVAILABLE : TASKQ__PROBLEM_BAD_REQUEST,
                                 NULL, "the query has a broken escape or text that is not UTF-8");
            return false;
        }
        size_t i = 0;
        while (names[i] != NULL && i < QUERY_NAMES_MAX && !taskq__text_is(name, names[i])) {
            i++;
        }
        if (names[i] == NULL || values[i].data != NULL) {
            refuse_parameter(reply, name,
                             names[i] == NULL ? "there is no such parameter" : "the parameter is given twice");
            return false;
        }
        values[i] = value;
    }
    return true;
}

bool taskq__path_id(const taskq__request *request, taskq__reply *reply, int64_t *out)
{
    taskq_text text = request->captured;
    if (text.size == 0 || text.data[0] < '1' || text.data[0] > '9' ||
        taskq__parse_int64(text, 1, INT64_MAX, out) != TASKQ_OK) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_NOT_FOUND, NULL, "there is no such job: an id is a number");
        return false;
    }
    return true;
}
