/* SPDX-License-Identifier: MIT */
/*
 * Reading from the tape that a scan left: spans, strings, members. The scan has checked the grammar, so that nothing here has to
 * look for the end of anything; only what the grammar allows and a string cannot be, a lone surrogate, is refused here.
 */
#include "core/scan.h"

#include "core/fail.h"
#include "core/text.h"

#include <string.h>

taskq_text taskq__json_span(const taskq__json *json, uint32_t node)
{
    const taskq__json_node *one = &json->nodes[node];
    return (taskq_text){json->text.data + one->start, one->end - one->start};
}

/* What stands between the quotes. */
static taskq_text inside(const taskq__json *json, uint32_t node)
{
    taskq_text span = taskq__json_span(json, node);
    return (taskq_text){span.data + 1, span.size - 2};
}

static uint32_t hex4(const char *at)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t c = (unsigned char)at[i];
        value = value << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

static size_t put_utf8(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* The character of \uXXXX, or of a pair of them; takes it off `rest`. 0: a lone surrogate. */
static size_t take_unicode(taskq_text *rest, char out[4])
{
    uint32_t code = hex4(rest->data + 2);
    size_t taken = 6;
    if (code >= 0xd800 && code < 0xe000) {
        if (code >= 0xdc00 || rest->size < 12 || rest->data[6] != '\\' || rest->data[7] != 'u') {
            return 0;
        }
        uint32_t low = hex4(rest->data + 8);
        if (low < 0xdc00 || low >= 0xe000) {
            return 0;
        }
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        taken = 12;
    }
    *rest = (taskq_text){rest->data + taken, rest->size - taken};
    return put_utf8(code, out);
}

/* The next piece of a string: a run without escapes, or one escaped character. False: a lone surrogate. */
static bool take_piece(taskq_text *rest, char room[4], taskq_text *out)
{
    if (rest->data[0] != '\\') {
        const char *stop = memchr(rest->data, '\\', rest->size);
        size_t size = stop != NULL ? (size_t)(stop - rest->data) : rest->size;
        *out = (taskq_text){rest->data, size};
        *rest = (taskq_text){rest->data + size, rest->size - size};
        return true;
    }
    if (rest->data[1] == 'u') {
        *out = (taskq_text){room, take_unicode(rest, room)};
        return out->size != 0;
    }
    switch (rest->data[1]) {
    case 'b': room[0] = '\b'; break;
    case 'f': room[0] = '\f'; break;
    case 'n': room[0] = '\n'; break;
    case 'r': room[0] = '\r'; break;
    case 't': room[0] = '\t'; break;
    default: room[0] = rest->data[1]; break; /* quote, backslash, slash stand for themselves */
    }
    *out = (taskq_text){room, 1};
    *rest = (taskq_text){rest->data + 2, rest->size - 2};
    return true;
}

taskq_status taskq__json_string(const taskq__json *json, uint32_t node, taskq_arena *arena, taskq_text *out,
                                taskq_error *err)
{
    taskq_text rest = inside(json, node), piece;
    if (!json->nodes[node].escaped) {
        *out = rest;
        return TASKQ_OK;
    }
    char room[4];
    char *data = taskq_arena_alloc(arena, rest.size + 1); /* unescaped it is never longer */
    size_t size = 0;
    if (data == NULL) {
        return taskq__fail_memory(err);
    }
    while (rest.size > 0) {
        if (!take_piece(&rest, room, &piece)) {
            return taskq__fail(err, TASKQ_EINVAL, "has half of a surrogate pair");
        }
        memcpy(data + size, piece.data, piece.size);
        size += piece.size;
    }
    *out = (taskq_text){data, size};
    return TASKQ_OK;
}

bool taskq__json_string_is(const taskq__json *json, uint32_t node, taskq_text text)
{
    taskq_text rest = inside(json, node), piece;
    if (!json->nodes[node].escaped) {
        return taskq__text_equal(rest, text);
    }
    char room[4];
    while (rest.size > 0) {
        if (!take_piece(&rest, room, &piece) || piece.size > text.size ||
            memcmp(piece.data, text.data, piece.size) != 0) {
            return false;
        }
        text = (taskq_text){text.data + piece.size, text.size - piece.size};
    }
    return text.size == 0;
}

uint32_t taskq__json_member(const taskq__json *json, uint32_t object, const char *key)
{
    taskq_text wanted = {key, strlen(key)};
    uint32_t end = json->nodes[object].next;
    for (uint32_t at = object + 1; at < end; at = json->nodes[at + 1].next) {
        if (taskq__json_string_is(json, at, wanted)) {
            return at + 1;
        }
    }
    return 0;
}
