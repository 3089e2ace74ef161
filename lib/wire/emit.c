/* SPDX-License-Identifier: MIT */
/*
 * Every answer that leaves is written here, a few dozen values a job, so each value is composed on the stack and appended once.
 * Numbers are written without the C library's locale: a host that sets one must not get a comma into its JSON.
 */
#include "wire/emit.h"

#include "core/rfc3339.h"
#include "core/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES_MAX = 64 };

void taskq__emit_open(taskq__buf *buf, char bracket)
{
    taskq__buf_add_char(buf, bracket);
}

void taskq__emit_close(taskq__buf *buf, char bracket)
{
    taskq__buf_add_char(buf, bracket);
}

/* No value ends in an opening bracket, so the last byte tells whether something stands before. */
static bool is_first(const taskq__buf *buf)
{
    return buf->size == 0 || buf->data[buf->size - 1] == '{' || buf->data[buf->size - 1] == '[';
}

void taskq__emit_comma(taskq__buf *buf)
{
    if (!is_first(buf)) {
        taskq__buf_add_char(buf, ',');
    }
}

void taskq__emit_key(taskq__buf *buf, const char *key)
{
    char piece[KEY_BYTES_MAX + 4];
    size_t length = strlen(key), size = 0;
    if (length > KEY_BYTES_MAX) {
        length = KEY_BYTES_MAX; /* keys are literals of ours */
    }
    if (!is_first(buf)) {
        piece[size++] = ',';
    }
    piece[size++] = '"';
    memcpy(piece + size, key, length);
    size += length;
    piece[size++] = '"';
    piece[size++] = ':';
    taskq__buf_add(buf, piece, size);
}

/* How many bytes at the front need no escape; `ascii`: stop at the first byte above 0x7f too. */
static size_t plain_bytes(taskq_text text, bool ascii)
{
    size_t size = 0;
    while (size < text.size) {
        unsigned char c = (unsigned char)text.data[size];
        if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f || (ascii && c >= 0x80)) {
            break;
        }
        size++;
    }
    return size;
}

static void emit_escaped(taskq__buf *buf, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    char piece[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    switch (c) {
    case '"':
    case '\\': piece[1] = (char)c; break;
    case '\b': piece[1] = 'b'; break;
    case '\f': piece[1] = 'f'; break;
    case '\n': piece[1] = 'n'; break;
    case '\r': piece[1] = 'r'; break;
    case '\t': piece[1] = 't'; break;
    default: taskq__buf_add(buf, piece, 6); return;
    }
    taskq__buf_add(buf, piece, 2);
}

static taskq_text behind(taskq_text text, size_t size)
{
    if (size == 0) { /* the data of an empty text may be NULL */
        return text;
    }
    return (taskq_text){text.data + size, text.size - size};
}

/* Text that may hold anything: from a foreign log, or cut in the middle of a character. */
static void emit_hostile(taskq__buf *buf, taskq_text text)
{
    while (text.size > 0) {
        unsigned char c = (unsigned char)text.data[0];
        size_t size = plain_bytes(text, true);
        if (size > 0) {
            taskq__buf_add(buf, text.data, size);
        } else if (c < 0x80) {
            emit_escaped(buf, c);
            size = 1;
        } else {
            taskq_text front = {text.data, text.size < 4 ? text.size : 4};
            size = taskq__text_cut_chars(front, 1).size;
            taskq__buf_add(buf, size > 0 ? text.data : "\xef\xbf\xbd", size > 0 ? size : 3);
            size = size > 0 ? size : 1;
        }
        text = behind(text, size);
    }
}

void taskq__emit_string(taskq__buf *buf, taskq_text text)
{
    taskq__buf_add_char(buf, '"');
    size_t ascii = plain_bytes(text, true);
    taskq__buf_add(buf, text.data, ascii);
    text = behind(text, ascii);
    if (text.size > 0 && !taskq__text_is_utf8(text)) {
        emit_hostile(buf, text);
        text.size = 0;
    }
    while (text.size > 0) {
        size_t size = plain_bytes(text, false);
        taskq__buf_add(buf, text.data, size);
        text = behind(text, size);
        if (text.size > 0) {
            emit_escaped(buf, (unsigned char)text.data[0]);
            text = behind(text, 1);
        }
    }
    taskq__buf_add_char(buf, '"');
}

void taskq__emit_strings(taskq__buf *buf, const taskq_text *texts, uint32_t count)
{
    taskq__emit_open(buf, '[');
    for (uint32_t i = 0; i < count; i++) {
        taskq__emit_comma(buf);
        taskq__emit_string(buf, texts[i]);
    }
    taskq__emit_close(buf, ']');
}

void taskq__emit_int(taskq__buf *buf, int64_t number)
{
    taskq__buf_add_int(buf, number);
}

/* Numbers of three decimals at most, as good as all there are: factors, jitters, percents. */
static bool emit_thousandths(taskq__buf *buf, double number)
{
    char piece[32];
    if (!(fabs(number) < 1e12)) {
        return false;
    }
    int64_t thousandths = (int64_t)(number * 1000 + (number < 0 ? -0.5 : 0.5));
    if ((double)thousandths / 1000 != number) {
        return false;
    }
    bool negative = thousandths < 0;
    uint64_t whole = (uint64_t)(negative ? -thousandths : thousandths);
    uint32_t part = (uint32_t)(whole % 1000);
    size_t at = sizeof piece;
    for (int digits = 3; digits > 0; digits--, part /= 10) {
        if (part % 10 != 0 || at < sizeof piece || digits == 1) {
            piece[--at] = (char)('0' + part % 10);
        }
    }
    piece[--at] = '.';
    whole /= 1000;
    do {
        piece[--at] = (char)('0' + whole % 10);
        whole /= 10;
    } while (whole > 0);
    if (negative) {
        piece[--at] = '-';
    }
    taskq__buf_add(buf, piece + at, sizeof piece - at);
    return true;
}

void taskq__emit_double(taskq__buf *buf, double number)
{
    char piece[40];
    int size = 0;
    if (!isfinite(number)) {
        taskq__buf_add(buf, "null", 4);
        return;
    }
    if (emit_thousandths(buf, number)) {
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        size = snprintf(piece, sizeof piece, "%.*g", digits, number);
        if (strtod(piece, NULL) == number) {
            break;
        }
    }
    bool fraction = false;
    for (int i = 0; i < size; i++) {
        if (strchr("0123456789+-e", piece[i]) == NULL) { /* whatever the locale has for a point */
            piece[i] = '.';
        }
        fraction = fraction || piece[i] == '.' || piece[i] == 'e';
    }
    taskq__buf_add(buf, piece, (size_t)size);
    if (!fraction) {
        taskq__buf_add(buf, ".0", 2);
    }
}

void taskq__emit_bool(taskq__buf *buf, bool value)
{
    taskq__buf_add(buf, value ? "true" : "false", value ? 4 : 5);
}

void taskq__emit_time(taskq__buf *buf, int64_t unix_ms)
{
    char piece[TASKQ__RFC3339_BYTES + 3];
    taskq__rfc3339_write(unix_ms, piece + 1);
    piece[0] = piece[TASKQ__RFC3339_BYTES + 1] = '"';
    taskq__buf_add(buf, piece, TASKQ__RFC3339_BYTES + 2);
}

void taskq__emit_raw(taskq__buf *buf, taskq_text json)
{
    taskq__buf_add_text(buf, json);
}
