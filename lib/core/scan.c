/* SPDX-License-Identifier: MIT */
/*
 * The one place where JSON that came from outside is judged. The common parsers are lenient somewhere (text behind the document,
 * lone bytes in strings, depth of the stack), and a payload has to come back byte for byte, so that a tree of values is of no use:
 * what is wanted is a yes or no, and where each value stands. It keeps its own stack and never recurses; every byte is looked at once.
 */
#include "core/scan.h"

#include "core/fail.h"
#include "core/text.h"

#include <string.h>

typedef enum scan_state {
    WANT_VALUE,
    WANT_VALUE_OR_END, /* behind '[' */
    WANT_KEY,
    WANT_KEY_OR_END, /* behind '{' */
    WANT_COMMA_OR_END,
    WANT_NOTHING
} scan_state;

typedef struct scanner {
    const unsigned char *start, *at, *end;
    taskq_error *err;
    taskq_arena *arena; /* NULL: no tape */
    const char *const *opaque;
    taskq__json_node *nodes;
    uint32_t count, capacity;
    uint32_t depth, depth_max;
    uint32_t base;        /* muted: the depth at which the opaque value stands */
    uint32_t opaque_node; /* muted: its node */
    uint32_t key_node;    /* the key whose value comes next */
    bool muted;           /* inside an opaque value: no nodes */
    scan_state state;
    struct {
        uint32_t node;
        bool object;
    } open[TASKQ__JSON_DEEP_MAX];
} scanner;

static taskq_status expected(const scanner *s, const unsigned char *at, const char *what)
{
    size_t offset = (size_t)(at - s->start);
    if (at >= s->end) {
        return taskq__fail(s->err, TASKQ_ESYNTAX, "at byte %zu: the text ends, expected %s", offset, what);
    }
    return taskq__fail(s->err, TASKQ_ESYNTAX, "at byte %zu: expected %s", offset, what);
}

/* ---- the tape ------------------------------------------------------------------------------------------------ */

static bool tape_grow(scanner *s)
{
    size_t capacity = (size_t)s->capacity * 2;
    if (s->capacity == 0) {
        size_t guess = (size_t)(s->end - s->start) / 16;
        capacity = guess < 16 ? 16 : guess > 128 ? 128 : guess;
    }
    taskq__json_node *nodes = taskq_arena_alloc(s->arena, capacity * sizeof(*nodes));
    if (nodes == NULL || capacity > UINT32_MAX) {
        return false;
    }
    if (s->count > 0) {
        memcpy(nodes, s->nodes, s->count * sizeof(*nodes));
    }
    s->nodes = nodes;
    s->capacity = (uint32_t)capacity;
    return true;
}

/* A node that begins at `start` and ends where the scanner stands. */
static taskq_status tape_add(scanner *s, taskq__json_kind kind, const unsigned char *start, bool escaped)
{
    if (s->arena == NULL || s->muted) {
        return TASKQ_OK;
    }
    if (s->count == s->capacity && !tape_grow(s)) {
        return taskq__fail_memory(s->err);
    }
    taskq__json_node *node = &s->nodes[s->count++];
    node->kind = kind;
    node->escaped = escaped;
    node->start = (uint32_t)(start - s->start);
    node->end = (uint32_t)(s->at - s->start);
    node->next = s->count;
    node->count = 0;
    return TASKQ_OK;
}

static void tape_close(scanner *s, uint32_t index)
{
    s->nodes[index].end = (uint32_t)(s->at - s->start);
    s->nodes[index].next = s->count;
}

/* ---- strings and numbers ------------------------------------------------------------------------------------- */

/* Eight bytes none of which ends a run of plain ones: no control character, quote, backslash or byte above 0x7f. Borrows between
 * bytes can only invent a find where another byte is one. */
static bool word_is_plain(const unsigned char *at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word = 0;
    memcpy(&word, at, sizeof word);
    uint64_t found = word | (word - ones * 0x20) | ((word ^ (ones * '"')) - ones) | ((word ^ (ones * '\\')) - ones);
    return (found & (ones * 0x80)) == 0;
}

static const unsigned char *skip_plain(const unsigned char *at, const unsigned char *end)
{
    while (end - at >= 8 && word_is_plain(at)) {
        at += 8;
    }
    while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\') {
        at++;
    }
    return at;
}

/* Behind one character of two to four bytes; NULL where it is none. Table 3-7 of the Unicode standard. */
static const unsigned char *skip_utf8(const unsigned char *at, const unsigned char *end)
{
    unsigned char lead = at[0], low = 0x80, high = 0xbf;
    int more = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
    if (lead < 0xc2 || lead > 0xf4 || end - at <= more) {
        return NULL;
    }
    switch (lead) {
    case 0xe0: low = 0xa0; break;
    case 0xed: high = 0x9f; break;
    case 0xf0: low = 0x90; break;
    case 0xf4: high = 0x8f; break;
    default: break;
    }
    if (at[1] < low || at[1] > high) {
        return NULL;
    }
    for (int i = 2; i <= more; i++) {
        if (at[i] < 0x80 || at[i] > 0xbf) {
            return NULL;
        }
    }
    return at + more + 1;
}

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static taskq_status skip_escape(scanner *s, const unsigned char *at, const unsigned char **out)
{
    static const char letters[] = "\"\\/bfnrtu";
    if (at + 1 >= s->end || at[1] == 0 || strchr(letters, at[1]) == NULL) {
        return expected(s, at + 1, "one of \"\\/bfnrtu after a backslash");
    }
    if (at[1] != 'u') {
        *out = at + 2;
        return TASKQ_OK;
    }
    for (int i = 2; i < 6; i++) {
        if (at + i >= s->end || hex_digit(at[i]) < 0) {
            return expected(s, s->end - at > i ? at + i : s->end, "four hexadecimal digits after \\u");
        }
    }
    *out = at + 6;
    return TASKQ_OK;
}

/* A string from its quote on; leaves the scanner behind it. */
static taskq_status scan_string(scanner *s, bool *escaped)
{
    const unsigned char *at = s->at + 1;
    for (;;) {
        at = skip_plain(at, s->end);
        if (at >= s->end) {
            return expected(s, at, "'\"'");
        }
        if (*at == '"') {
            s->at = at + 1;
            return TASKQ_OK;
        }
        if (*at == '\\') {
            *escaped = true;
            taskq_status status = skip_escape(s, at, &at);
            if (status != TASKQ_OK) {
                return status;
            }
        } else if (*at < 0x20) {
            return expected(s, at, "no bare control character in a string");
        } else {
            const unsigned char *behind = skip_utf8(at, s->end);
            if (behind == NULL) {
                return expected(s, at, "valid UTF-8");
            }
            at = behind;
        }
    }
}

static const unsigned char *skip_digits(const unsigned char *at, const unsigned char *end)
{
    while (at < end && *at >= '0' && *at <= '9') {
        at++;
    }
    return at;
}

static taskq_status scan_number(scanner *s)
{
    const unsigned char *at = s->at, *end = s->end;
    at += *at == '-';
    const unsigned char *digits = at;
    at = at < end && *at == '0' ? at + 1 : skip_digits(at, end);
    if (at == digits) {
        return expected(s, at, "a digit");
    }
    if (at < end && *at == '.') {
        digits = at + 1;
        at = skip_digits(digits, end);
        if (at == digits) {
            return expected(s, at, "a digit after the point");
        }
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < end && (*at == '+' || *at == '-');
        digits = at;
        at = skip_digits(digits, end);
        if (at == digits) {
            return expected(s, at, "a digit in the exponent");
        }
    }
    s->at = at;
    return TASKQ_OK;
}

static taskq_status scan_word(scanner *s, const char *word, size_t size)
{
    if ((size_t)(s->end - s->at) < size || memcmp(s->at, word, size) != 0) {
        return expected(s, s->at, "a value");
    }
    s->at += size;
    return TASKQ_OK;
}

/* ---- the machine --------------------------------------------------------------------------------------------- */

static bool key_is_opaque(const scanner *s)
{
    const taskq__json_node *key = &s->nodes[s->key_node];
    size_t size = key->end - key->start - 2;
    for (const char *const *name = s->opaque; *name != NULL; name++) {
        if (strlen(*name) == size && memcmp(*name, s->start + key->start + 1, size) == 0) {
            return true;
        }
    }
    return false;
}

static taskq_status mute(scanner *s)
{
    uint32_t node = s->count;
    taskq_status status = tape_add(s, TASKQ__JSON_OPAQUE, s->at, false);
    if (status == TASKQ_OK) {
        s->opaque_node = node;
        s->base = s->depth;
        s->muted = true;
    }
    return status;
}

/* A value has ended: what may follow it? */
static void value_ended(scanner *s)
{
    if (s->muted && s->depth == s->base) {
        s->muted = false;
        s->base = 0;
        tape_close(s, s->opaque_node);
    }
    if (s->depth == 0) {
        s->state = WANT_NOTHING;
        return;
    }
    if (s->arena != NULL && !s->muted) {
        s->nodes[s->open[s->depth - 1].node].count++;
    }
    s->state = WANT_COMMA_OR_END;
}

static taskq_status container_open(scanner *s, bool object)
{
    if (s->depth - s->base >= s->depth_max) {
        return taskq__fail(s->err, TASKQ_ELIMIT, "at byte %zu: nested deeper than %u levels",
                           (size_t)(s->at - s->start), (unsigned)s->depth_max);
    }
    s->open[s->depth].node = s->count;
    s->open[s->depth].object = object;
    s->depth++;
    s->state = object ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
    taskq_status status = tape_add(s, object ? TASKQ__JSON_OBJECT : TASKQ__JSON_ARRAY, s->at, false);
    s->at++;
    return status;
}

static void container_close(scanner *s)
{
    s->at++;
    s->depth--;
    if (s->arena != NULL && !s->muted) {
        tape_close(s, s->open[s->depth].node);
    }
    value_ended(s);
}

static taskq_status scan_scalar(scanner *s)
{
    const unsigned char *start = s->at;
    taskq__json_kind kind = TASKQ__JSON_NUMBER;
    bool escaped = false;
    taskq_status status = TASKQ_OK;
    switch (*start) {
    case '"':
        kind = TASKQ__JSON_STRING;
        status = scan_string(s, &escaped);
        break;
    case 't':
        kind = TASKQ__JSON_TRUE;
        status = scan_word(s, "true", 4);
        break;
    case 'f':
        kind = TASKQ__JSON_FALSE;
        status = scan_word(s, "false", 5);
        break;
    case 'n':
        kind = TASKQ__JSON_NULL;
        status = scan_word(s, "null", 4);
        break;
    default:
        if (*start != '-' && (*start < '0' || *start > '9')) {
            return expected(s, start, s->state == WANT_VALUE_OR_END ? "a value or ']'" : "a value");
        }
        status = scan_number(s);
    }
    if (status == TASKQ_OK) {
        status = tape_add(s, kind, start, escaped);
    }
    if (status == TASKQ_OK) {
        value_ended(s);
    }
    return status;
}

static taskq_status scan_value(scanner *s)
{
    if (s->at >= s->end) {
        return expected(s, s->at, s->state == WANT_VALUE_OR_END ? "a value or ']'" : "a value");
    }
    if (*s->at == ']' && s->state == WANT_VALUE_OR_END) {
        container_close(s);
        return TASKQ_OK;
    }
    if (s->opaque != NULL && !s->muted && s->depth > 0 && s->open[s->depth - 1].object && key_is_opaque(s)) {
        taskq_status status = mute(s);
        if (status != TASKQ_OK) {
            return status;
        }
    }
    if (*s->at == '{' || *s->at == '[') {
        return container_open(s, *s->at == '{');
    }
    return scan_scalar(s);
}

static void skip_space(scanner *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t')) {
        s->at++;
    }
}

/* A key and its colon. */
static taskq_status scan_key(scanner *s)
{
    if (s->at < s->end && *s->at == '}' && s->state == WANT_KEY_OR_END) {
        container_close(s);
        return TASKQ_OK;
    }
    if (s->at >= s->end || *s->at != '"') {
        return expected(s, s->at, s->state == WANT_KEY_OR_END ? "a key or '}'" : "a key");
    }
    const unsigned char *start = s->at;
    bool escaped = false;
    taskq_status status = scan_string(s, &escaped);
    if (status == TASKQ_OK) {
        s->key_node = s->count;
        status = tape_add(s, TASKQ__JSON_STRING, start, escaped);
    }
    if (status != TASKQ_OK) {
        return status;
    }
    skip_space(s);
    if (s->at >= s->end || *s->at != ':') {
        return expected(s, s->at, "':'");
    }
    s->at++;
    s->state = WANT_VALUE;
    return TASKQ_OK;
}

static taskq_status scan_comma(scanner *s)
{
    bool object = s->open[s->depth - 1].object;
    if (s->at < s->end && *s->at == (object ? '}' : ']')) {
        container_close(s);
        return TASKQ_OK;
    }
    if (s->at >= s->end || *s->at != ',') {
        return expected(s, s->at, object ? "',' or '}'" : "',' or ']'");
    }
    s->at++;
    s->state = object ? WANT_KEY : WANT_VALUE;
    return TASKQ_OK;
}

static taskq_status scan_document(scanner *s)
{
    if (s->end - s->start >= 3 && memcmp(s->start, "\xef\xbb\xbf", 3) == 0) {
        return expected(s, s->at, "a value, not a byte order mark");
    }
    taskq_status status = TASKQ_OK;
    while (status == TASKQ_OK) {
        skip_space(s);
        switch (s->state) {
        case WANT_VALUE:
        case WANT_VALUE_OR_END: status = scan_value(s); break;
        case WANT_KEY:
        case WANT_KEY_OR_END: status = scan_key(s); break;
        case WANT_COMMA_OR_END: status = scan_comma(s); break;
        case WANT_NOTHING: return s->at == s->end ? TASKQ_OK : expected(s, s->at, "nothing after the document");
        }
    }
    return status;
}

static taskq_status scan(taskq_text text, const char *const *opaque, uint32_t depth_max, taskq_arena *arena,
                         taskq__json *out, taskq_error *err)
{
    scanner s; /* not cleared whole: the stack in it is large and written before it is read */
    s.start = s.at = (const unsigned char *)(text.data != NULL ? text.data : "");
    s.end = s.start + text.size;
    s.err = err;
    s.arena = arena;
    s.opaque = arena != NULL ? opaque : NULL;
    s.nodes = NULL;
    s.count = s.capacity = 0;
    s.depth = s.base = s.opaque_node = s.key_node = 0;
    s.depth_max = depth_max;
    s.muted = false;
    s.state = WANT_VALUE;
    if (text.size >= UINT32_MAX) {
        return taskq__fail(err, TASKQ_ELIMIT, "the text is larger than 4 GiB");
    }
    taskq_status status = scan_document(&s);
    if (status == TASKQ_OK && out != NULL) {
        *out = (taskq__json){text, s.nodes, s.count};
    }
    return status;
}

taskq_status taskq__json_scan(taskq_text text, const char *const *opaque, taskq_arena *arena, taskq__json *out,
                              taskq_error *err)
{
    return scan(text, opaque, TASKQ__JSON_DEPTH_MAX, arena, out, err);
}

taskq_status taskq__json_scan_within(taskq_text text, const char *const *opaque, uint32_t depth_max, taskq_arena *arena,
                                     taskq__json *out, taskq_error *err)
{
    uint32_t depth = depth_max > 0 && depth_max < TASKQ__JSON_DEPTH_MAX ? depth_max : TASKQ__JSON_DEPTH_MAX;
    return scan(text, opaque, depth, arena, out, err);
}

taskq_status taskq__json_scan_deep(taskq_text text, taskq_arena *arena, taskq__json *out, taskq_error *err)
{
    return scan(text, NULL, TASKQ__JSON_DEEP_MAX, arena, out, err);
}

taskq_status taskq__json_check(taskq_text text, taskq_error *err)
{
    return scan(text, NULL, TASKQ__JSON_DEPTH_MAX, NULL, NULL, err);
}
