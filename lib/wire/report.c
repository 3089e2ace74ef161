/* SPDX-License-Identifier: MIT */
/*
 * What a worker says of an attempt: reports, heartbeats, releases. An error's texts come from wherever the handler got them, so they
 * are cut, never refused: a report must not fail because what it reports is long.
 */
#include "wire/api_fields.h"
#include "wire/emit.h"
#include "wire/fields.h"
#include "wire/record.h"

#include "core/arena.h"
#include "core/fail.h"
#include "core/text.h"

#include <string.h>

/* JSON text made here, into the arena; the buffer goes. */
static taskq_status keep(taskq__buf *buf, taskq_arena *arena, taskq_text *out, taskq_error *err)
{
    bool kept = !buf->failed && taskq_arena_copy(arena, buf->data, buf->size, out);
    taskq__buf_clear(buf);
    return kept ? TASKQ_OK : taskq__fail_memory(err);
}

/* ---- errors ---------------------------------------------------------------------------------------------------- */

typedef struct error_texts {
    taskq_text code, message, trace;
} error_texts;

static const taskq__field error_fields[] = {
    {TASKQ__ROW(TASKQ__API_JOB_ERROR_CODE, error_texts, code, TASKQ__FIELD_STRING)},
    {TASKQ__ROW(TASKQ__API_JOB_ERROR_MESSAGE, error_texts, message, TASKQ__FIELD_STRING)},
    {TASKQ__ROW(TASKQ__API_JOB_ERROR_TRACE, error_texts, trace, TASKQ__FIELD_STRING)},
};
TASKQ__ALL_OF(error_fields, TASKQ__API_JOB_ERROR);

static void write_cut(taskq__buf *buf, const char *key, taskq_text text)
{
    if (text.size > 0) {
        taskq__emit_key(buf, key);
        taskq__emit_string(buf, text);
    }
}

void taskq__wire_write_error(taskq__buf *buf, taskq_text code, taskq_text message, taskq_text trace)
{
    taskq__emit_open(buf, '{');
    write_cut(buf, "code", taskq__text_cut_chars(code, TASKQ_ERROR_CODE_CHARS_MAX));
    write_cut(buf, "message", taskq__text_cut_chars(message, TASKQ_ERROR_MESSAGE_CHARS_MAX));
    write_cut(buf, "trace", taskq__text_cut_lines(trace, TASKQ_ERROR_TRACE_LINES_MAX));
    taskq__emit_close(buf, '}');
}

static taskq_status read_error(const taskq__reader *reader, uint32_t node, const taskq__field *field, void *place)
{
    error_texts texts = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    taskq__buf buf;
    (void)field;
    taskq_status status = taskq__fields_read(reader, node, error_fields, TASKQ__COUNT(error_fields), &texts, NULL);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq__buf_init(&buf, taskq__arena_allocator(reader->arena), SIZE_MAX);
    taskq__wire_write_error(&buf, texts.code, texts.message, texts.trace);
    return keep(&buf, reader->arena, place, reader->err);
}

/* ---- reports --------------------------------------------------------------------------------------------------- */

typedef struct report_fields {
    int64_t id, version, retry_in_ms;
    taskq_text status, result, error;
    bool retry;
} report_fields;

enum { REPORT_ID, REPORT_VERSION, REPORT_STATUS, REPORT_RESULT, REPORT_ERROR, REPORT_RETRY, REPORT_RETRY_IN };

static const taskq__field report_table[] = {
    [REPORT_ID] = {TASKQ__ROW(TASKQ__API_COMPLETION_ID, report_fields, id, TASKQ__FIELD_INT64)},
    [REPORT_VERSION] = {TASKQ__ROW(TASKQ__API_COMPLETION_VERSION, report_fields, version, TASKQ__FIELD_INT64)},
    [REPORT_STATUS] = {TASKQ__ROW(TASKQ__API_COMPLETION_STATUS, report_fields, status, TASKQ__FIELD_STRING)},
    [REPORT_RESULT] = {TASKQ__ROW(TASKQ__API_COMPLETION_RESULT, report_fields, result, TASKQ__FIELD_JSON)},
    [REPORT_ERROR] = {TASKQ__ROW(TASKQ__API_COMPLETION_ERROR, report_fields, error, TASKQ__FIELD_CUSTOM),
                      .read = read_error},
    [REPORT_RETRY] = {TASKQ__ROW(TASKQ__API_COMPLETION_RETRY, report_fields, retry, TASKQ__FIELD_BOOL)},
    [REPORT_RETRY_IN] = {TASKQ__ROW(TASKQ__API_COMPLETION_RETRY_IN_MS, report_fields, retry_in_ms, TASKQ__FIELD_INT64)},
};
TASKQ__ALL_OF(report_table, TASKQ__API_COMPLETION);

/* The tables of reports and heartbeats begin with the id: the first row is left out where there is none. */
static const taskq__field *table_of(const taskq__field *table, uint32_t count, bool with_id, uint32_t *rows)
{
    *rows = with_id ? count : count - 1;
    return with_id ? table : table + 1;
}

/* The id of a record in a list, whatever else is wrong with it, so that its answer can name it; 0 where it has not just one good one. */
static int64_t peek_id(const taskq__json *json, uint32_t node)
{
    const taskq__json_node *nodes = json->nodes;
    int64_t id = 0, value = 0;
    if (nodes[node].kind != TASKQ__JSON_OBJECT) {
        return 0;
    }
    for (uint32_t key = node + 1; key < nodes[node].next; key = nodes[key + 1].next) {
        if (!taskq__json_string_is(json, key, (taskq_text){"id", 2})) {
            continue;
        }
        if (id != 0 || nodes[key + 1].kind != TASKQ__JSON_NUMBER ||
            taskq__number_as_int(taskq__json_span(json, key + 1), &value) != TASKQ_OK || value < 1) {
            return 0;
        }
        id = value;
    }
    return id;
}

/* Which field has no business beside this status; NULL: all is well. */
static const char *out_of_place(bool succeeded, const report_fields *fields, uint32_t given)
{
    if (!succeeded) {
        bool has_result = (given & 1u << REPORT_RESULT) != 0 && !taskq__text_is(fields->result, "null");
        return has_result ? "/result" : NULL;
    }
    return (given & 1u << REPORT_ERROR) != 0      ? "/error"
           : (given & 1u << REPORT_RETRY) != 0    ? "/retry"
           : (given & 1u << REPORT_RETRY_IN) != 0 ? "/retry_in_ms"
                                                  : NULL;
}

static taskq_status check_report(const report_fields *fields, uint32_t given, taskq_error *err)
{
    bool succeeded = taskq__text_is(fields->status, "succeeded");
    if (!succeeded && !taskq__text_is(fields->status, "failed")) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/status", "must be \"succeeded\" or \"failed\"");
    }
    const char *field = out_of_place(succeeded, fields, given);
    if (field != NULL) {
        return taskq__fail_field(err, TASKQ_EINVAL, field, "cannot stand beside status \"%s\"",
                                 succeeded ? "succeeded" : "failed");
    }
    return TASKQ_OK;
}

taskq_status taskq__wire_read_report(const taskq__json *json, uint32_t node, const char *path, bool with_id,
                                     taskq_arena *arena, taskq_report *out, taskq_error *err)
{
    const taskq__reader reader = {json, arena, err, false};
    report_fields fields = {.retry = TASKQ__API_REPORT_RETRY_DEFAULT, .retry_in_ms = -1};
    uint32_t given = 0, rows = 0;
    const taskq__field *table = table_of(report_table, TASKQ__COUNT(report_table), with_id, &rows);
    *out = (taskq_report)TASKQ_REPORT_INIT;
    out->id = with_id ? peek_id(json, node) : 0;
    taskq_status status = taskq__fields_read(&reader, node, table, rows, &fields, &given);
    if (status == TASKQ_OK) {
        status = check_report(&fields, with_id ? given : given << 1, err);
    }
    if (status != TASKQ_OK) {
        taskq__field_prefix_path(err, path);
        return status;
    }
    out->version = fields.version;
    out->succeeded = taskq__text_is(fields.status, "succeeded");
    out->result = out->succeeded ? fields.result : (taskq_text){NULL, 0};
    out->error = fields.error;
    out->no_retry = !fields.retry;
    out->retry_in_ms = fields.retry_in_ms;
    return TASKQ_OK;
}

/* ---- heartbeats -------------------------------------------------------------------------------------------------- */

typedef struct progress_fields {
    double percent;
    taskq_text message;
} progress_fields;

enum { PROGRESS_PERCENT, PROGRESS_MESSAGE };

static const taskq__field progress_table[] = {
    [PROGRESS_PERCENT] = {TASKQ__ROW(TASKQ__API_PROGRESS_PERCENT, progress_fields, percent, TASKQ__FIELD_DOUBLE)},
    [PROGRESS_MESSAGE] = {TASKQ__ROW(TASKQ__API_PROGRESS_MESSAGE, progress_fields, message, TASKQ__FIELD_STRING)},
};
TASKQ__ALL_OF(progress_table, TASKQ__API_PROGRESS);

static taskq_status read_progress(const taskq__reader *reader, uint32_t node, const taskq__field *field, void *place)
{
    progress_fields fields = {0, {NULL, 0}};
    uint32_t given = 0;
    taskq__buf buf;
    (void)field;
    taskq_status status =
        taskq__fields_read(reader, node, progress_table, TASKQ__COUNT(progress_table), &fields, &given);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq__buf_init(&buf, taskq__arena_allocator(reader->arena), SIZE_MAX);
    taskq__emit_open(&buf, '{');
    if ((given & 1u << PROGRESS_PERCENT) != 0) {
        int whole = (int)fields.percent; /* 50 came as 50, as a rule, and goes on so */
        taskq__emit_key(&buf, "percent");
        if (fields.percent > whole) {
            taskq__emit_double(&buf, fields.percent);
        } else {
            taskq__emit_int(&buf, whole);
        }
    }
    if ((given & 1u << PROGRESS_MESSAGE) != 0) {
        taskq__emit_key(&buf, "message");
        taskq__emit_string(&buf, taskq__text_cut_chars(fields.message, TASKQ_ERROR_MESSAGE_CHARS_MAX));
    }
    taskq__emit_close(&buf, '}');
    return keep(&buf, reader->arena, place, reader->err);
}

static const taskq__field heartbeat_table[] = {
    {TASKQ__ROW(TASKQ__API_HEARTBEAT_ITEM_ID, taskq_heartbeat, id, TASKQ__FIELD_INT64)},
    {TASKQ__ROW(TASKQ__API_HEARTBEAT_ITEM_VERSION, taskq_heartbeat, version, TASKQ__FIELD_INT64)},
    {TASKQ__ROW(TASKQ__API_HEARTBEAT_ITEM_PROGRESS, taskq_heartbeat, progress, TASKQ__FIELD_CUSTOM),
     .read = read_progress},
    {TASKQ__ROW(TASKQ__API_HEARTBEAT_ITEM_LOG, taskq_heartbeat, log, TASKQ__FIELD_STRING)},
};
TASKQ__ALL_OF(heartbeat_table, TASKQ__API_HEARTBEAT_ITEM);

taskq_status taskq__wire_read_heartbeat(const taskq__json *json, uint32_t node, const char *path, bool with_id,
                                        taskq_arena *arena, taskq_heartbeat *out, taskq_error *err)
{
    const taskq__reader reader = {json, arena, err, false};
    taskq_heartbeat beat = TASKQ_HEARTBEAT_INIT;
    uint32_t rows = 0;
    const taskq__field *table = table_of(heartbeat_table, TASKQ__COUNT(heartbeat_table), with_id, &rows);
    *out = beat;
    out->id = with_id ? peek_id(json, node) : 0;
    taskq_status status = taskq__fields_read(&reader, node, table, rows, &beat, NULL);
    if (status != TASKQ_OK) {
        taskq__field_prefix_path(err, path);
        return status;
    }
    *out = beat;
    return TASKQ_OK;
}

/* ---- releases ---------------------------------------------------------------------------------------------------- */

static const taskq__field release_table[] = {
    {TASKQ__ROW(TASKQ__API_RELEASE_VERSION, taskq__wire_release, version, TASKQ__FIELD_INT64)},
    {TASKQ__ROW(TASKQ__API_RELEASE_DELAY_MS, taskq__wire_release, delay_ms, TASKQ__FIELD_INT64)},
};
TASKQ__ALL_OF(release_table, TASKQ__API_RELEASE);

taskq_status taskq__wire_read_release(const taskq__json *json, uint32_t node, taskq_arena *arena,
                                      taskq__wire_release *out, taskq_error *err)
{
    const taskq__reader reader = {json, arena, err, false};
    taskq__wire_release release = {0, TASKQ__API_RELEASE_DELAY_MS_DEFAULT};
    taskq_status status = taskq__fields_read(&reader, node, release_table, TASKQ__COUNT(release_table), &release, NULL);
    if (status == TASKQ_OK) {
        *out = release;
    }
    return status;
}
