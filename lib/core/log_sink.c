/* SPDX-License-Identifier: MIT */
/*
 * The ready-made sink: one event, one line, one write. What stands in an event comes in part from outside,
 * so nothing in it can end the line, move the cursor of a terminal, or make a JSON line unreadable; and a
 * line has a bound, within which it is still whole: what does not fit is left out, and the line says so.
 */
#include <taskq/clock.h>
#include <taskq/log.h>

#include "core/fail.h"
#include "core/rfc3339.h"
#include "core/text.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    LINE_BYTES_MAX = 8192,
    TAIL_BYTES = 32, /* kept for what closes a line that was cut */
    INT_CHARS_MAX = 20,
};

typedef struct line {
    char data[LINE_BYTES_MAX];
    size_t size;
    bool cut; /* something did not fit: from then on nothing is added but the end */
} line;

/* Room for `size` more bytes before the tail? If not, the line is cut here. */
static bool fits(line *at, size_t size)
{
    if (!at->cut && size > LINE_BYTES_MAX - TAIL_BYTES - at->size) {
        at->cut = true;
    }
    return !at->cut;
}

/* Into the tail too: for what closes a line. */
static void put_always(line *at, const char *string)
{
    size_t size = strlen(string);
    memcpy(at->data + at->size, string, size);
    at->size += size;
}

static void put(line *at, const char *data, size_t size)
{
    if (fits(at, size)) {
        memcpy(at->data + at->size, data, size);
        at->size += size;
    }
}

static void put_string(line *at, const char *string)
{
    put(at, string, strlen(string));
}

static void put_int(line *at, int64_t number)
{
    char digits[INT_CHARS_MAX];
    size_t first = sizeof(digits);
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        digits[--first] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (number < 0) {
        digits[--first] = '-';
    }
    put(at, digits + first, sizeof(digits) - first);
}

static void put_unicode_escape(line *at, unsigned code)
{
    static const char hex[] = "0123456789abcdef";
    char escape[6] = {'\\', 'u', hex[code >> 12 & 15], hex[code >> 8 & 15], hex[code >> 4 & 15], hex[code & 15]};
    put(at, escape, sizeof(escape));
}

/* The code of a character that must not stand as it is in a line, else 0: controls of both sets, and the
 * two line separators that some viewers obey. A NUL cannot come up in a C string. */
static unsigned unsafe_code(const unsigned char *c, size_t step)
{
    if (step == 1) {
        return c[0] < 0x20 || c[0] == 0x7f ? c[0] : 0;
    }
    if (step == 2 && c[0] == 0xc2 && c[1] < 0xa0) {
        return c[1];
    }
    if (step == 3 && c[0] == 0xe2 && c[1] == 0x80 && (c[2] == 0xa8 || c[2] == 0xa9)) {
        return 0x2000u | (c[2] & 0x3fu);
    }
    return 0;
}

/* One character with what makes it harmless; `quoted`: between quotes, where quotes and backslashes are
 * escaped too. */
static void put_escaped_char(line *at, const char *c, size_t step, bool quoted)
{
    unsigned code = unsafe_code((const unsigned char *)c, step);
    if (step == 0) {
        put_unicode_escape(at, 0xfffd); /* a byte that is no UTF-8 */
    } else if (code == '\n') {
        put_string(at, "\\n");
    } else if (code == '\r') {
        put_string(at, "\\r");
    } else if (code == '\t') {
        put_string(at, "\\t");
    } else if (code != 0) {
        put_unicode_escape(at, code);
    } else if (quoted && (*c == '"' || *c == '\\')) {
        char pair[2] = {'\\', *c};
        put(at, pair, sizeof(pair));
    } else {
        put(at, c, step);
    }
}

static void put_escaped(line *at, const char *string, bool quoted)
{
    taskq_text text = taskq_text_of(string);
    for (size_t i = 0; i < text.size && !at->cut;) {
        size_t step = taskq__utf8_step(text, i);
        put_escaped_char(at, text.data + i, step, quoted);
        i += step == 0 ? 1 : step;
    }
}

static void put_quoted(line *at, const char *string)
{
    if (!fits(at, 1)) {
        return;
    }
    put_string(at, "\"");
    put_escaped(at, string, true);
    put_always(at, "\""); /* in the tail where the text was cut */
}

static const char *level_name(taskq_log_level level)
{
    if (level >= TASKQ_LOG_ERROR) {
        return "error";
    }
    if (level >= TASKQ_LOG_WARN) {
        return "warn";
    }
    return level >= TASKQ_LOG_INFO ? "info" : "debug";
}

static void put_json_key(line *at, const char *name)
{
    put_string(at, ",\"");
    put_escaped(at, name, true);
    put_string(at, "\":");
}

/* A member that is not there whole, but for a text that is only shortened, is taken back. */
static void put_json_field(line *at, const char *name, const char *text, int64_t number)
{
    size_t start = at->size;
    put_json_key(at, name);
    if (text == NULL) {
        put_int(at, number);
    } else if (fits(at, 1)) {
        put_quoted(at, text);
        return;
    }
    if (at->cut) {
        at->size = start;
    }
}

static void write_json(line *at, const char *now, const taskq_log_event *event)
{
    put_string(at, "{\"ts\":\"");
    put_string(at, now);
    put_string(at, "\"");
    put_json_field(at, "level", level_name(event->level), 0);
    put_json_field(at, "msg", event->message == NULL ? "" : event->message, 0);
    put_json_field(at, "component", event->component == NULL ? "taskq" : event->component, 0);
    for (uint32_t i = 0; i < event->field_count && !at->cut; i++) {
        const taskq_log_field *field = &event->fields[i];
        put_json_field(at, field->name, field->text, field->number);
    }
    put_always(at, at->cut ? ",\"cut\":true}\n" : "}\n");
}

/* Bare words may stand without quotes; what could be read as two words, or as another field, may not. */
static bool needs_quotes(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte <= ' ' || byte >= 0x7f || byte == '"' || byte == '=' || byte == '\\') {
            return true;
        }
    }
    return *text == '\0';
}

static void put_text_field(line *at, const taskq_log_field *field)
{
    size_t start = at->size;
    put_string(at, " ");
    put_escaped(at, field->name, true);
    put_string(at, "=");
    if (field->text == NULL) {
        put_int(at, field->number);
    } else if (needs_quotes(field->text)) {
        if (fits(at, 1)) {
            put_quoted(at, field->text);
            return;
        }
    } else {
        put_escaped(at, field->text, false);
        return;
    }
    if (at->cut) {
        at->size = start;
    }
}

static void write_text(line *at, const char *now, const taskq_log_event *event)
{
    put_string(at, now);
    put_string(at, " ");
    put_string(at, level_name(event->level));
    put_string(at, " ");
    put_escaped(at, event->component == NULL ? "taskq" : event->component, false);
    put_string(at, ": ");
    put_escaped(at, event->message == NULL ? "" : event->message, false);
    for (uint32_t i = 0; i < event->field_count && !at->cut; i++) {
        put_text_field(at, &event->fields[i]);
    }
    put_always(at, at->cut ? " cut=true\n" : "\n");
}

/* Nearly always one write; a pipe that took a part gets the rest, so that the next line begins at its own. */
static void write_line(int fd, const line *at)
{
    size_t done = 0;
    while (done < at->size) {
        ssize_t written = write(fd, at->data + done, at->size - done);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return;
        }
        done += (size_t)written;
    }
}

void taskq_log_sink_write(void *user, const taskq_log_event *event)
{
    const taskq_log_sink *sink = user;
    int saved_errno = errno; /* logging must not change what the caller is about to look at */
    taskq_clock clock;
    taskq_clock_system(&clock);
    char now[TASKQ__RFC3339_BYTES + 1];
    taskq__rfc3339_write(clock.wall_ms(clock.user), now);

    line at;
    at.size = 0;
    at.cut = false;
    if (sink->format == TASKQ_LOG_JSON) {
        write_json(&at, now, event);
    } else {
        write_text(&at, now, event);
    }
    write_line(sink->fd, &at);
    errno = saved_errno;
}

taskq_status taskq_log_level_parse(const char *word, taskq_log_level *out, taskq_error *err)
{
    static const struct {
        const char *name;
        taskq_log_level level;
    } levels[] = {
        {"debug", TASKQ_LOG_DEBUG}, {"info", TASKQ_LOG_INFO}, {"warn", TASKQ_LOG_WARN}, {"error", TASKQ_LOG_ERROR}};
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(word, levels[i].name) == 0) {
            *out = levels[i].level;
            return TASKQ_OK;
        }
    }
    return taskq__fail(err, TASKQ_EINVAL, "%.32s is no log level: debug, info, warn or error", word);
}
