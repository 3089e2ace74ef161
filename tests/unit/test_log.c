/* SPDX-License-Identifier: MIT */
/*
 * Logging: nothing is made that nobody wants, one event is one line whatever is in it, and a JSON line can
 * always be read back.
 */
#include "support/check_main.h"

#include "core/log.h"
#include "core/rfc3339.h"
#include "core/scan.h"
#include "core/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 8192 };

typedef struct caught {
    int count;
    taskq_log_level level;
    char message[1024];
    uint32_t field_count;
} caught;

static void catch_event(void *user, const taskq_log_event *event)
{
    caught *at = user;
    at->count++;
    at->level = event->level;
    at->field_count = event->field_count;
    ck_assert_uint_lt(strlen(event->message), sizeof(at->message));
    memcpy(at->message, event->message, strlen(event->message) + 1);
}

static taskq_log log_to(caught *at, taskq_log_level level)
{
    return (taskq_log){sizeof(taskq_log), catch_event, at, level};
}

START_TEST(events_below_the_level_are_not_made)
{
    caught at = {0};
    taskq_log log = log_to(&at, TASKQ_LOG_WARN);
    taskq__log(&log, TASKQ_LOG_INFO, "server", "no", NULL, 0);
    taskq__log_format(&log, TASKQ_LOG_DEBUG, "server", "%s", "no");
    ck_assert_int_eq(at.count, 0);
    taskq__log(&log, TASKQ_LOG_WARN, "server", "yes", NULL, 0);
    taskq__log_format(&log, TASKQ_LOG_ERROR, "server", "%d of %d", 1, 2);
    ck_assert_int_eq(at.count, 2);
    ck_assert_str_eq(at.message, "1 of 2");
}
END_TEST

START_TEST(without_a_level_it_is_info_and_without_a_callback_nothing)
{
    caught at = {0};
    taskq_log log = log_to(&at, (taskq_log_level)0);
    ck_assert(taskq__log_wants(&log, TASKQ_LOG_INFO));
    ck_assert(!taskq__log_wants(&log, TASKQ_LOG_DEBUG));
    taskq_log nowhere = {0, NULL, NULL, (taskq_log_level)0};
    ck_assert(!taskq__log_wants(&nowhere, TASKQ_LOG_ERROR));
    ck_assert(!taskq__log_wants(NULL, TASKQ_LOG_ERROR));
    taskq__log(&nowhere, TASKQ_LOG_ERROR, "server", "x", NULL, 0);
}
END_TEST

START_TEST(a_long_message_is_cut_at_a_whole_character)
{
    caught at = {0};
    taskq_log log = log_to(&at, TASKQ_LOG_INFO);
    char longer[1000];
    memset(longer, 'x', sizeof(longer));
    memcpy(longer + 509, "\xe2\x82\xac", 3);
    longer[999] = '\0';
    taskq__log_format(&log, TASKQ_LOG_INFO, "server", "%s", longer);
    ck_assert_uint_eq(strlen(at.message), 509);
}
END_TEST

/* Gives the event to a sink and reads back what arrived, with a NUL behind it. */
static size_t sunk(taskq_log_format format, const taskq_log_event *event, char *out, size_t out_size)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    taskq_log_sink sink = {sizeof(sink), ends[1], format};
    taskq_log_sink_write(&sink, event); /* a pipe holds 64 KiB: this does not wait */
    ck_assert_int_eq(close(ends[1]), 0);
    size_t size = 0;
    ssize_t got;
    while ((got = read(ends[0], out + size, out_size - 1 - size)) > 0) {
        size += (size_t)got;
    }
    ck_assert_int_eq(close(ends[0]), 0);
    out[size] = '\0';
    return size;
}

static taskq_log_event event_with(const char *message, const taskq_log_field *fields, uint32_t count)
{
    return (taskq_log_event){sizeof(taskq_log_event), TASKQ_LOG_INFO, "server", message, fields, count};
}

static void check_is_one_line(const char *line, size_t size)
{
    ck_assert_uint_le(size, LINE_MAX_BYTES);
    ck_assert_uint_gt(size, 0);
    ck_assert_int_eq(line[size - 1], '\n');
    size_t at = 0;
    while (at + 1 < size && (unsigned char)line[at] >= 0x20 && line[at] != 0x7f) {
        at++;
    }
    ck_assert_uint_eq(at, size - 1); /* no control character before the end */
    ck_assert(taskq__text_is_utf8((taskq_text){line, size}));
}

static void check_is_json(const char *line, size_t size)
{
    check_is_one_line(line, size);
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_msg(taskq__json_check((taskq_text){line, size - 1}, &err) == TASKQ_OK, "%s: %s", err.text, line);
}

START_TEST(a_text_line_has_time_level_component_message_and_fields)
{
    taskq_log_field fields[] = {{"job_id", NULL, 42}, {"queue", "mail", 0}, {"why", "two words", 0}, {"none", "", 0}};
    taskq_log_event event = event_with("a job was lost", fields, 4);
    char line[LINE_MAX_BYTES + 1];
    size_t size = sunk(TASKQ_LOG_TEXT, &event, line, sizeof(line));
    check_is_one_line(line, size);
    int64_t ms;
    ck_assert_int_eq(taskq__rfc3339_parse((taskq_text){line, TASKQ__RFC3339_BYTES}, &ms), TASKQ_OK);
    ck_assert_str_eq(line + TASKQ__RFC3339_BYTES,
                     " info server: a job was lost job_id=42 queue=mail why=\"two words\" none=\"\"\n");
}
END_TEST

START_TEST(a_json_line_has_its_members_in_order)
{
    taskq_log_field fields[] = {{"job_id", NULL, INT64_MIN}, {"queue", "mail", 0}};
    taskq_log_event event = event_with("say \"hi\" \\ now", fields, 2);
    event.level = TASKQ_LOG_ERROR;
    char line[LINE_MAX_BYTES + 1];
    size_t size = sunk(TASKQ_LOG_JSON, &event, line, sizeof(line));
    check_is_json(line, size);
    ck_assert_mem_eq(line, "{\"ts\":\"2", 8);
    ck_assert_str_eq(line + 7 + TASKQ__RFC3339_BYTES,
                     "\",\"level\":\"error\",\"msg\":\"say \\\"hi\\\" \\\\ now\",\"component\":\"server\","
                     "\"job_id\":-9223372036854775808,\"queue\":\"mail\"}\n");
}
END_TEST

START_TEST(nobody_can_forge_a_line)
{
    taskq_log_field field = {"type", "x\n2026-01-01T00:00:00.000Z info server: forged\r\x1b[2J\xc2\x85\xe2\x80\xa8", 0};
    taskq_log_event event = event_with("msg\nforged\x7f\tend", &field, 1);
    char line[LINE_MAX_BYTES + 1];
    size_t size = sunk(TASKQ_LOG_TEXT, &event, line, sizeof(line));
    check_is_one_line(line, size);
    ck_assert_ptr_nonnull(strstr(line, "msg\\nforged\\u007f\\tend type=\"x\\n2026"));
    ck_assert_ptr_nonnull(strstr(line, "\\r\\u001b[2J\\u0085\\u2028\""));
    size = sunk(TASKQ_LOG_JSON, &event, line, sizeof(line));
    check_is_json(line, size);
}
END_TEST

START_TEST(a_value_cannot_pass_for_another_field)
{
    taskq_log_field fields[] = {{"a", "b c=d", 0}, {"e", "f=g", 0}, {"h", "\"", 0}, {"i", "\\", 0}};
    taskq_log_event event = event_with("m", fields, 4);
    char line[LINE_MAX_BYTES + 1];
    (void)sunk(TASKQ_LOG_TEXT, &event, line, sizeof(line));
    ck_assert_ptr_nonnull(strstr(line, ": m a=\"b c=d\" e=\"f=g\" h=\"\\\"\" i=\"\\\\\"\n"));
}
END_TEST

START_TEST(every_byte_gives_a_json_line_that_can_be_read)
{
    for (int first = 1; first < 256; first++) {
        for (int second = 1; second < 256; second += 13) {
            char text[] = {(char)first, (char)second, '\0'};
            taskq_log_field field = {"field", text, 0};
            taskq_log_event event = event_with(text, &field, 1);
            char line[LINE_MAX_BYTES + 1];
            size_t size = sunk(TASKQ_LOG_JSON, &event, line, sizeof(line));
            check_is_json(line, size);
        }
    }
}
END_TEST

/* A field whose value is so long that the line is cut, at every alignment of multi-byte and escaped
 * characters. */
START_TEST(an_event_of_more_than_8_kib_is_cut_and_stays_readable)
{
    static const char *const units[] = {"x", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\"", "\n", "\x01", "\xff"};
    for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
        for (size_t shift = 0; shift < 7; shift++) {
            char longer[20000] = "sssssss";
            size_t unit = strlen(units[u]), at = shift;
            for (; at + unit < sizeof(longer); at += unit) {
                memcpy(longer + at, units[u], unit);
            }
            longer[at] = '\0';
            taskq_log_field fields[] = {{"long", longer, 0}, {"after", NULL, 1}};
            taskq_log_event event = event_with("m", fields, 2);
            char line[2 * LINE_MAX_BYTES];
            size_t size = sunk(TASKQ_LOG_JSON, &event, line, sizeof(line));
            check_is_json(line, size);
            ck_assert_uint_gt(size, LINE_MAX_BYTES - 64);
            ck_assert_str_eq(line + size - 13, ",\"cut\":true}\n");
            size = sunk(TASKQ_LOG_TEXT, &event, line, sizeof(line));
            check_is_one_line(line, size);
            ck_assert_str_eq(line + size - 10, " cut=true\n");
        }
    }
}
END_TEST

START_TEST(many_fields_are_cut_between_two_of_them)
{
    enum { FIELDS = 1000 };
    static taskq_log_field fields[FIELDS];
    for (int i = 0; i < FIELDS; i++) {
        fields[i] = (taskq_log_field){"number", NULL, 1000000 + i};
    }
    taskq_log_event event = event_with("m", fields, FIELDS);
    char line[2 * LINE_MAX_BYTES];
    size_t size = sunk(TASKQ_LOG_TEXT, &event, line, sizeof(line));
    check_is_one_line(line, size);
    const char *last = strrchr(line, '=');
    ck_assert_str_eq(last, "=true\n");
    ck_assert_int_eq(last[-5 - 7], '='); /* seven digits of the last number before " cut" are all there */
}
END_TEST

START_TEST(a_sink_leaves_errno_alone_and_survives_a_closed_descriptor)
{
    taskq_log_sink sink = {sizeof(sink), -1, TASKQ_LOG_TEXT};
    taskq_log_event event = event_with("m", NULL, 0);
    errno = ENOSPC;
    taskq_log_sink_write(&sink, &event);
    ck_assert_int_eq(errno, ENOSPC);
}
END_TEST

START_TEST(levels_are_read_by_their_names_alone)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (int i = 0; i < 4; i++) {
        taskq_log_level level = (taskq_log_level)0;
        ck_assert_int_eq(taskq_log_level_parse(names[i], &level, NULL), TASKQ_OK);
        ck_assert_int_eq(level, 10 * (i + 1));
    }
    taskq_log_level kept = TASKQ_LOG_WARN;
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_int_eq(taskq_log_level_parse("INFO", &kept, &err), TASKQ_EINVAL);
    ck_assert_int_eq(taskq_log_level_parse("", &kept, &err), TASKQ_EINVAL);
    ck_assert_str_ne(err.text, "");
    ck_assert_int_eq(kept, TASKQ_LOG_WARN);
}
END_TEST

TASKQ_TESTS(events_below_the_level_are_not_made, without_a_level_it_is_info_and_without_a_callback_nothing,
            a_long_message_is_cut_at_a_whole_character, a_text_line_has_time_level_component_message_and_fields,
            a_json_line_has_its_members_in_order, nobody_can_forge_a_line, a_value_cannot_pass_for_another_field,
            every_byte_gives_a_json_line_that_can_be_read, an_event_of_more_than_8_kib_is_cut_and_stays_readable,
            many_fields_are_cut_between_two_of_them, a_sink_leaves_errno_alone_and_survives_a_closed_descriptor,
            levels_are_read_by_their_names_alone)
