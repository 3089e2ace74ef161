/* SPDX-License-Identifier: MIT */
/*
 * UTF-8 by the book (no overlong forms, no surrogates, nothing above U+10FFFF), and cutting texts to the
 * bounds of the API without leaving half a character. It is checked at every border, since a store and every
 * later reader take for granted that what is stored is valid.
 */
#include "core/text.h"

#include <string.h>

static bool is_continuation(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* The second byte is what overlong forms, surrogates and too high characters are told by. */
static bool second_fits(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xe0: return second >= 0xa0 && second <= 0xbf;
    case 0xed: return second >= 0x80 && second <= 0x9f;
    case 0xf0: return second >= 0x90 && second <= 0xbf;
    case 0xf4: return second >= 0x80 && second <= 0x8f;
    default: return is_continuation(second);
    }
}

/* How many bytes a character has that starts so; 0: none does. */
static size_t length_by_first(unsigned char first)
{
    if (first < 0x80) {
        return 1;
    }
    if (first < 0xc2) {
        return 0;
    }
    if (first < 0xe0) {
        return 2;
    }
    if (first < 0xf0) {
        return 3;
    }
    return first < 0xf5 ? 4 : 0;
}

size_t taskq__utf8_step(taskq_text text, size_t at)
{
    if (at >= text.size) {
        return 0;
    }
    const unsigned char *c = (const unsigned char *)text.data + at;
    size_t length = length_by_first(c[0]);
    if (length <= 1) {
        return length;
    }
    if (length > text.size - at || !second_fits(c[0], c[1])) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if (!is_continuation(c[i])) {
            return 0;
        }
    }
    return length;
}

/* Where the ASCII that starts at `at` ends, eight bytes at a time: nearly all of nearly every text. */
static size_t skip_ascii(taskq_text text, size_t at)
{
    while (text.size - at >= 8) {
        uint64_t word;
        memcpy(&word, text.data + at, sizeof(word));
        if ((word & UINT64_C(0x8080808080808080)) != 0) {
            break;
        }
        at += 8;
    }
    while (at < text.size && (unsigned char)text.data[at] < 0x80) {
        at++;
    }
    return at;
}

bool taskq__text_is_utf8(taskq_text text)
{
    size_t at = skip_ascii(text, 0);
    while (at < text.size) {
        size_t step = taskq__utf8_step(text, at);
        if (step == 0) {
            return false;
        }
        at = skip_ascii(text, at + step);
    }
    return true;
}

size_t taskq__utf8_count(taskq_text text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++) {
        count += is_continuation((unsigned char)text.data[i]) ? 0 : 1;
    }
    return count;
}

size_t taskq__utf8_whole(taskq_text text)
{
    size_t start = text.size;
    for (size_t back = 0; back < 4 && start > 0; back++) {
        start--;
        unsigned char c = (unsigned char)text.data[start];
        if (!is_continuation(c)) {
            return length_by_first(c) > text.size - start ? start : text.size;
        }
    }
    return text.size; /* no character of ours: nothing to keep whole */
}

taskq_text taskq__text_cut_chars(taskq_text text, size_t chars_max)
{
    size_t at = 0;
    for (size_t chars = 0; chars < chars_max; chars++) {
        size_t step = taskq__utf8_step(text, at);
        if (step == 0) {
            break;
        }
        at += step;
    }
    return (taskq_text){text.data, at};
}

taskq_text taskq__text_cut_tail(taskq_text text, size_t bytes_max)
{
    if (text.size <= bytes_max) {
        return text;
    }
    size_t start = text.size - bytes_max;
    while (start < text.size && is_continuation((unsigned char)text.data[start])) {
        start++;
    }
    return (taskq_text){text.data + start, text.size - start};
}

/* A line break at the very end closes the last line; it does not begin another. */
taskq_text taskq__text_cut_lines(taskq_text text, size_t lines_max)
{
    if (lines_max == 0) {
        return (taskq_text){text.data, 0};
    }
    size_t at = 0;
    for (size_t lines = 0; at < text.size; lines++) {
        const char *end = memchr(text.data + at, '\n', text.size - at);
        if (end == NULL) {
            break;
        }
        size_t line_end = (size_t)(end - text.data);
        if (lines + 1 == lines_max && line_end + 1 < text.size) {
            return (taskq_text){text.data, line_end};
        }
        at = line_end + 1;
    }
    return text;
}
