/* SPDX-License-Identifier: MIT */
/*
 * Lists of jobs are printed element by element as the very text that came, so that a payload is never altered on its way to a
 * terminal or a pipe. That needs no more than finding where a value ends.
 */
#include "json_text.h"

#include <string.h>

static void skip_space(taskq_text *rest)
{
    while (rest->size > 0 && strchr(" \t\r\n", rest->data[0]) != NULL) {
        rest->data++;
        rest->size--;
    }
}

/* How long the value at the beginning of `text` is. */
static size_t value_size(taskq_text text)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (in_string) {
            i += c == '\\' ? 1 : 0;
            in_string = c != '"';
            if (!in_string && depth == 0) {
                return i + 1;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth == 0) {
                return i; /* the end of a number or word, and of what holds it */
            }
            if (--depth == 0) {
                return i + 1;
            }
        } else if (depth == 0 && strchr(",: \t\r\n", c) != NULL) {
            return i;
        }
    }
    return text.size;
}

static taskq_text take(taskq_text *rest, size_t size)
{
    taskq_text taken = {rest->data, size};
    rest->data += size;
    rest->size -= size;
    return taken;
}

bool json_text_next(taskq_text *rest, taskq_text *key, taskq_text *value)
{
    *key = (taskq_text){NULL, 0};
    skip_space(rest);
    if (rest->size == 0 || strchr("{[,", rest->data[0]) == NULL) {
        return false;
    }
    take(rest, 1);
    skip_space(rest);
    if (rest->size == 0 || rest->data[0] == '}' || rest->data[0] == ']') {
        return false;
    }
    *value = take(rest, value_size(*rest));
    skip_space(rest);
    if (rest->size > 0 && rest->data[0] == ':') {
        *key = (taskq_text){value->data + 1, value->size - 2};
        take(rest, 1);
        skip_space(rest);
        *value = take(rest, value_size(*rest));
    }
    return true;
}
