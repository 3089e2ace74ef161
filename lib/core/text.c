/* SPDX-License-Identifier: MIT */
/*
 * Comparing and checking texts of pointer and length. Names, keys and trace contexts have their alphabets
 * here and nowhere else, so that what the API takes, what a host hands in and what the command line sends is
 * the same.
 */
#include "core/text.h"

#include <string.h>

enum { NAME_CHAR = 1, HEX_CHAR = 2 };

/* What a byte may be part of; bytes that are not listed are part of nothing. */
static const unsigned char char_class[256] = {
    ['-'] = NAME_CHAR,
    ['.'] = NAME_CHAR,
    ['/'] = NAME_CHAR,
    [':'] = NAME_CHAR,
    ['_'] = NAME_CHAR,
    ['0'] = NAME_CHAR | HEX_CHAR,
    ['1'] = NAME_CHAR | HEX_CHAR,
    ['2'] = NAME_CHAR | HEX_CHAR,
    ['3'] = NAME_CHAR | HEX_CHAR,
    ['4'] = NAME_CHAR | HEX_CHAR,
    ['5'] = NAME_CHAR | HEX_CHAR,
    ['6'] = NAME_CHAR | HEX_CHAR,
    ['7'] = NAME_CHAR | HEX_CHAR,
    ['8'] = NAME_CHAR | HEX_CHAR,
    ['9'] = NAME_CHAR | HEX_CHAR,
    ['A'] = NAME_CHAR,
    ['B'] = NAME_CHAR,
    ['C'] = NAME_CHAR,
    ['D'] = NAME_CHAR,
    ['E'] = NAME_CHAR,
    ['F'] = NAME_CHAR,
    ['G'] = NAME_CHAR,
    ['H'] = NAME_CHAR,
    ['I'] = NAME_CHAR,
    ['J'] = NAME_CHAR,
    ['K'] = NAME_CHAR,
    ['L'] = NAME_CHAR,
    ['M'] = NAME_CHAR,
    ['N'] = NAME_CHAR,
    ['O'] = NAME_CHAR,
    ['P'] = NAME_CHAR,
    ['Q'] = NAME_CHAR,
    ['R'] = NAME_CHAR,
    ['S'] = NAME_CHAR,
    ['T'] = NAME_CHAR,
    ['U'] = NAME_CHAR,
    ['V'] = NAME_CHAR,
    ['W'] = NAME_CHAR,
    ['X'] = NAME_CHAR,
    ['Y'] = NAME_CHAR,
    ['Z'] = NAME_CHAR,
    ['a'] = NAME_CHAR | HEX_CHAR,
    ['b'] = NAME_CHAR | HEX_CHAR,
    ['c'] = NAME_CHAR | HEX_CHAR,
    ['d'] = NAME_CHAR | HEX_CHAR,
    ['e'] = NAME_CHAR | HEX_CHAR,
    ['f'] = NAME_CHAR | HEX_CHAR,
    ['g'] = NAME_CHAR,
    ['h'] = NAME_CHAR,
    ['i'] = NAME_CHAR,
    ['j'] = NAME_CHAR,
    ['k'] = NAME_CHAR,
    ['l'] = NAME_CHAR,
    ['m'] = NAME_CHAR,
    ['n'] = NAME_CHAR,
    ['o'] = NAME_CHAR,
    ['p'] = NAME_CHAR,
    ['q'] = NAME_CHAR,
    ['r'] = NAME_CHAR,
    ['s'] = NAME_CHAR,
    ['t'] = NAME_CHAR,
    ['u'] = NAME_CHAR,
    ['v'] = NAME_CHAR,
    ['w'] = NAME_CHAR,
    ['x'] = NAME_CHAR,
    ['y'] = NAME_CHAR,
    ['z'] = NAME_CHAR,
};

taskq_text taskq_text_of(const char *string)
{
    taskq_text text = {NULL, 0};
    if (string != NULL) {
        text.data = string;
        text.size = strlen(string);
    }
    return text;
}

bool taskq__text_equal(taskq_text a, taskq_text b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool taskq__text_is(taskq_text a, const char *string)
{
    return taskq__text_equal(a, taskq_text_of(string));
}

bool taskq__text_contains(taskq_text hay, taskq_text needle)
{
    if (needle.size == 0) {
        return true;
    }
    return hay.size >= needle.size && memmem(hay.data, hay.size, needle.data, needle.size) != NULL;
}

static bool all_of_class(const char *data, size_t size, unsigned char wanted)
{
    for (size_t i = 0; i < size; i++) {
        if ((char_class[(unsigned char)data[i]] & wanted) == 0) {
            return false;
        }
    }
    return true;
}

bool taskq__text_is_name(taskq_text text)
{
    return text.size >= 1 && text.size <= TASKQ_NAME_BYTES_MAX && all_of_class(text.data, text.size, NAME_CHAR);
}

bool taskq__text_is_key(taskq_text text)
{
    /* The cheap bound comes first: a hostile key of a megabyte is refused without being read. */
    return text.size >= 1 && text.size <= 4 * (size_t)TASKQ_KEY_CHARS_MAX && taskq__text_is_utf8(text) &&
           memchr(text.data, '\0', text.size) == NULL && taskq__utf8_count(text) <= TASKQ_KEY_CHARS_MAX;
}

static bool is_all_zeros(const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] != '0') {
            return false;
        }
    }
    return true;
}

/* 00-(32 hex)-(16 hex)-(2 hex), lower case, neither id all zeros. */
bool taskq__text_is_traceparent(taskq_text text)
{
    if (text.size != TASKQ_TRACEPARENT_BYTES_MAX || !all_of_class(text.data, 2, HEX_CHAR) || text.data[2] != '-' ||
        memcmp(text.data, "ff", 2) == 0) {
        return false;
    }
    const char *trace = text.data + 3, *parent = text.data + 36, *flags = text.data + 53;
    return text.data[35] == '-' && text.data[52] == '-' && all_of_class(trace, 32, HEX_CHAR) &&
           all_of_class(parent, 16, HEX_CHAR) && all_of_class(flags, 2, HEX_CHAR) && !is_all_zeros(trace, 32) &&
           !is_all_zeros(parent, 16);
}

/* The end is told by a NULL pointer, not by a size of 0: behind "a," there is one more element, an empty
 * one. */
bool taskq__text_next_of_list(taskq_text *rest, taskq_text *out)
{
    if (rest->data == NULL) {
        return false;
    }
    const char *comma = rest->size == 0 ? NULL : memchr(rest->data, ',', rest->size);
    if (comma == NULL) {
        *out = *rest;
        *rest = (taskq_text){NULL, 0};
        return true;
    }
    size_t size = (size_t)(comma - rest->data);
    *out = (taskq_text){rest->data, size};
    *rest = (taskq_text){comma + 1, rest->size - size - 1};
    return true;
}
