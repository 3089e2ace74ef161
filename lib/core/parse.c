/* SPDX-License-Identifier: MIT */
/*
 * Numbers from texts that are not NUL-terminated and come from outside. The grammar is JSON's, for query
 * parameters, path ids and options too: no spaces, no '+', no leading zeros ("010" is eight to some and ten
 * to others), and no dependence on the locale that a host has set.
 */
#include "core/text.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_BYTES_MAX = 1024 }; /* longer numbers are no numbers: a double has 17 digits that matter */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Where the digits that start at `at` end. */
static size_t skip_digits(taskq_text text, size_t at)
{
    while (at < text.size && is_digit(text.data[at])) {
        at++;
    }
    return at;
}

/* Where a JSON integer (-?(0|[1-9][0-9]*)) at the start of the text ends; 0: there is none. */
static size_t skip_integer(taskq_text text)
{
    size_t first = text.size > 0 && text.data[0] == '-' ? 1 : 0;
    size_t end = skip_digits(text, first);
    bool leading_zero = end - first > 1 && text.data[first] == '0';
    return end == first || leading_zero ? 0 : end;
}

taskq_status taskq__parse_int64(taskq_text text, int64_t min, int64_t max, int64_t *out)
{
    if (text.size == 0 || skip_integer(text) != text.size) {
        return TASKQ_ESYNTAX;
    }
    bool negative = text.data[0] == '-';
    int64_t value = 0; /* counted downwards: INT64_MIN has no positive twin */
    for (size_t i = negative ? 1 : 0; i < text.size; i++) {
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, text.data[i] - '0', &value)) {
            return TASKQ_EINVAL;
        }
    }
    if (!negative && __builtin_sub_overflow(0, value, &value)) {
        return TASKQ_EINVAL;
    }
    if (value < min || value > max) {
        return TASKQ_EINVAL;
    }
    *out = value;
    return TASKQ_OK;
}

static bool is_json_number(taskq_text text)
{
    size_t at = skip_integer(text);
    if (at == 0) {
        return false;
    }
    if (at < text.size && text.data[at] == '.') {
        size_t digits = at + 1;
        at = skip_digits(text, digits);
        if (at == digits) {
            return false;
        }
    }
    if (at < text.size && (text.data[at] == 'e' || text.data[at] == 'E')) {
        size_t digits = at + 1;
        if (digits < text.size && (text.data[digits] == '+' || text.data[digits] == '-')) {
            digits++;
        }
        at = skip_digits(text, digits);
        if (at == digits) {
            return false;
        }
    }
    return at == text.size;
}

bool taskq__parse_double(taskq_text text, double *out)
{
    if (text.size > NUMBER_BYTES_MAX || !is_json_number(text)) {
        return false;
    }
    /* For "C" this hands out a constant of the C library: nothing is allocated, and nothing can fail. */
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c_locale == (locale_t)0) {
        return false;
    }
    char digits[NUMBER_BYTES_MAX + 1];
    memcpy(digits, text.data, text.size);
    digits[text.size] = '\0';
    double value = strtod_l(digits, NULL, c_locale);
    freelocale(c_locale);
    if (!isfinite(value)) {
        return false;
    }
    *out = value;
    return true;
}
