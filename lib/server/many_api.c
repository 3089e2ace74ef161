/* SPDX-License-Identifier: MIT */
/*
 * Reports and heartbeats by the list, and the next jobs in the same round trip. Each element stands alone: one that is wrong or late
 * is answered for itself, the others count. Only an element that does not say which job it is about spoils the request, since its
 * answer would have no name.
 */
#include "core/fail.h"
#include "server/claim.h"
#include "wire/api_fields.h"
#include "wire/emit.h"

#include <stdio.h>

/* What is answered for one element by its name. */
typedef struct element {
    int64_t id;
    taskq_status status;      /* not OK: it is not handed to the scheduler */
    taskq_text detail, field; /* why it could not be read; detail NULL: it could */
} element;

typedef struct elements {
    element *all;
    void *records; /* what was read of each: reports, or heartbeats */
    uint32_t count;
} elements;

/* *record is set up and read; *id as soon as it is known. */
typedef taskq_status read_element_fn(const taskq__json *json, uint32_t node, const char *path, taskq_arena *arena,
                                     void *record, int64_t *id, taskq_error *err);

typedef struct element_kind {
    const char *path;
    size_t record_size;
    read_element_fn *read;
} element_kind;

/* What becomes of an element that cannot be read: kept, to be answered for itself, where it says which job it is about. */
static taskq_status keep_refusal(taskq_status status, const taskq_error *why, taskq_arena *arena, element *out,
                                 taskq_error *err)
{
    if (status != TASKQ_EINVAL || out->id <= 0) {
        *err = *why;
        return status;
    }
    taskq_text text = taskq_text_of(why->text);
    taskq_text field = taskq_text_of(why->field);
    out->status = status;
    bool kept = taskq_arena_copy(arena, text.data, text.size, &out->detail) &&
                taskq_arena_copy(arena, field.data, field.size, &out->field);
    return kept ? TASKQ_OK : taskq__fail_memory(err);
}

static taskq_status read_elements(const taskq__json *json, uint32_t list, const element_kind *kind, taskq_arena *arena,
                                  elements *out, taskq_error *err)
{
    out->count = json->nodes[list].count;
    out->all = taskq_arena_alloc(arena, out->count * sizeof(*out->all));
    out->records = taskq_arena_alloc(arena, out->count * kind->record_size);
    if (out->all == NULL || out->records == NULL) {
        return taskq__fail_memory(err);
    }
    uint32_t node = list + 1;
    for (uint32_t i = 0; i < out->count; i++, node = json->nodes[node].next) {
        char path[40];
        taskq_error why = TASKQ_ERROR_INIT;
        element *one = &out->all[i];
        void *record = (char *)out->records + i * kind->record_size;
        snprintf(path, sizeof(path), "%s/%u", kind->path, i);
        *one = (element){.status = TASKQ_OK};
        taskq_status status = kind->read(json, node, path, arena, record, &one->id, &why);
        if (status != TASKQ_OK && (status = keep_refusal(status, &why, arena, one, err)) != TASKQ_OK) {
            return status;
        }
    }
    return TASKQ_OK;
}

/* To a token that is bound to queues the jobs of others are not there. */
static taskq_status keep_within_reach(taskq_server *server, const taskq__request *request, elements *list,
                                      taskq_error *err)
{
    for (uint32_t i = 0; i < list->count; i++) {
        element *one = &list->all[i];
        if (one->status != TASKQ_OK) {
            continue; /* it is refused already */
        }
        one->status = taskq__scope_job(server, request, one->id, err);
        if (one->status != TASKQ_OK && one->status != TASKQ_ENOTFOUND) {
            return one->status;
        }
    }
    return TASKQ_OK;
}

/* `status` is the scheduler's answer, where it was asked. The caller adds what is its own, and closes. */
static void emit_element(taskq__buf *body, const element *one, taskq_status status)
{
    taskq__emit_comma(body);
    taskq__emit_open(body, '{');
    taskq__emit_key(body, "id");
    taskq__emit_int(body, one->id);
    taskq__emit_key(body, "status");
    taskq__emit_int(body, taskq__http_status(one->status != TASKQ_OK ? one->status : status));
    if (one->detail.data != NULL) {
        taskq__emit_key(body, "detail");
        taskq__emit_string(body, one->detail);
    }
    if (one->field.size > 0) {
        taskq__emit_key(body, "field");
        taskq__emit_string(body, one->field);
    }
}

/* ---- POST /jobs/complete ------------------------------------------------------------------------------------------------------ */

static taskq_status read_report(const taskq__json *json, uint32_t node, const char *path, taskq_arena *arena,
                                void *record, int64_t *id, taskq_error *err)
{
    taskq_report *report = record;
    *report = (taskq_report)TASKQ_REPORT_INIT;
    taskq_status status = taskq__wire_read_report(json, node, path, true, arena, report, err);
    *id = report->id;
    return status;
}

static const element_kind reports = {"/completions", sizeof(taskq_report), read_report};

static void reply_reports(taskq__reply *reply, const elements *from, const taskq_jobs *claimed)
{
    const taskq_report *records = from->records;
    taskq__buf *body = taskq__reply_json(reply, 200);
    taskq__emit_open(body, '{');
    taskq__emit_key(body, "results");
    taskq__emit_open(body, '[');
    for (uint32_t i = 0; i < from->count; i++) {
        emit_element(body, &from->all[i], records[i].status);
        taskq__emit_close(body, '}');
    }
    taskq__emit_close(body, ']');
    taskq__emit_key(body, "jobs");
    taskq__emit_open(body, '[');
    for (uint32_t i = 0; i < taskq_jobs_count(claimed); i++) {
        taskq__emit_comma(body);
        taskq__wire_write_job(body, taskq_jobs_at(claimed, i), 0);
    }
    taskq__emit_close(body, ']');
    taskq__emit_close(body, '}');
}

enum { COMPLETIONS, NEXT };

static bool read_complete(const taskq__request *request, taskq__reply *reply, elements *out, taskq__wire_claim *next,
                          bool *has_next)
{
    static const char *const keys[] = {"completions", "next", NULL};
    uint32_t nodes[2];
    taskq__json json;
    taskq_error err = TASKQ_ERROR_INIT;
    if (!taskq__body_object(request, reply, &json)) {
        return false;
    }
    taskq_status status = taskq__body_members(&json, request->arena, keys, nodes, &err);
    if (status == TASKQ_OK &&
        !taskq__body_array(&json, nodes[COMPLETIONS], "/completions", TASKQ__API_COMPLETE_REQUEST_COMPLETIONS_MIN,
                           TASKQ__API_COMPLETE_REQUEST_COMPLETIONS_MAX, reply)) {
        return false;
    }
    if (status == TASKQ_OK) {
        status = read_elements(&json, nodes[COMPLETIONS], &reports, request->arena, out, &err);
    }
    *has_next = nodes[NEXT] != 0;
    if (status == TASKQ_OK && *has_next) {
        status = taskq__wire_read_claim(&json, nodes[NEXT], "/next", true, request->arena, next, &err);
    }
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
    }
    return status == TASKQ_OK;
}

/* The scheduler's part of it. NULL: there was no memory. */
static taskq_report **reports_to_send(const elements *list, taskq_arena *arena, uint32_t *count)
{
    taskq_report *records = list->records, **sent = taskq_arena_alloc(arena, list->count * sizeof(*sent));
    for (uint32_t i = 0; sent != NULL && i < list->count; i++) {
        if (list->all[i].status == TASKQ_OK) {
            sent[(*count)++] = &records[i];
        }
    }
    return sent;
}

void taskq__complete_many(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    elements list = {.count = 0};
    uint32_t count = 0;
    taskq__wire_claim next = {.limit = 0};
    bool has_next = false;
    if (!read_complete(request, reply, &list, &next, &has_next)) {
        return;
    }
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_jobs *claimed = NULL;
    taskq_claim_options options = taskq__claim_options(&next, request);
    if (has_next && !taskq__claim_admit(request, reply, &next)) {
        return;
    }
    taskq_status status = keep_within_reach(server, request, &list, &err);
    taskq_report **sent = status == TASKQ_OK ? reports_to_send(&list, request->arena, &count) : NULL;
    if (status == TASKQ_OK && sent == NULL) {
        status = taskq__fail_memory(&err);
    }
    if (status == TASKQ_OK && (count > 0 || has_next)) {
        status = taskq_scheduler_complete(server->scheduler, sent, count, true, false, has_next ? &options : NULL, NULL,
                                          has_next ? &claimed : NULL, &err);
    }
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
        return;
    }
    reply_reports(reply, &list, claimed);
    taskq_jobs_free(claimed);
}

/* ---- POST /jobs/heartbeat ------------------------------------------------------------------------------------------------------- */

static taskq_status read_beat(const taskq__json *json, uint32_t node, const char *path, taskq_arena *arena,
                              void *record, int64_t *id, taskq_error *err)
{
    taskq_heartbeat *beat = record;
    *beat = (taskq_heartbeat)TASKQ_HEARTBEAT_INIT;
    taskq_status status = taskq__wire_read_heartbeat(json, node, path, true, arena, beat, err);
    *id = beat->id;
    return status;
}

static const element_kind beats = {"/heartbeats", sizeof(taskq_heartbeat), read_beat};

static taskq_heartbeat **beats_to_send(const elements *list, taskq_arena *arena, uint32_t *count)
{
    taskq_heartbeat *records = list->records, **sent = taskq_arena_alloc(arena, list->count * sizeof(*sent));
    for (uint32_t i = 0; sent != NULL && i < list->count; i++) {
        if (list->all[i].status == TASKQ_OK) {
            sent[(*count)++] = &records[i];
        }
    }
    return sent;
}

static void reply_beats(taskq__reply *reply, const elements *from)
{
    const taskq_heartbeat *records = from->records;
    taskq__buf *body = taskq__reply_json(reply, 200);
    taskq__emit_open(body, '{');
    taskq__emit_key(body, "results");
    taskq__emit_open(body, '[');
    for (uint32_t i = 0; i < from->count; i++) {
        emit_element(body, &from->all[i], records[i].status);
        if (from->all[i].status == TASKQ_OK && records[i].status == TASKQ_OK) {
            taskq__beat_emit(body, &records[i]);
        }
        taskq__emit_close(body, '}');
    }
    taskq__emit_close(body, ']');
    taskq__emit_close(body, '}');
}

void taskq__heartbeat_many(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    static const char *const keys[] = {"heartbeats", NULL};
    uint32_t array = 0, count = 0;
    taskq__json json;
    elements list = {.count = 0};
    taskq_error err = TASKQ_ERROR_INIT;
    if (!taskq__body_object(request, reply, &json)) {
        return;
    }
    taskq_status status = taskq__body_members(&json, request->arena, keys, &array, &err);
    if (status == TASKQ_OK &&
        !taskq__body_array(&json, array, "/heartbeats", TASKQ__API_HEARTBEAT_REQUEST_HEARTBEATS_MIN,
                           TASKQ__API_HEARTBEAT_REQUEST_HEARTBEATS_MAX, reply)) {
        return;
    }
    if (status == TASKQ_OK) {
        status = read_elements(&json, array, &beats, request->arena, &list, &err);
    }
    if (status == TASKQ_OK) {
        status = keep_within_reach(server, request, &list, &err);
    }
    taskq_heartbeat **sent = status == TASKQ_OK ? beats_to_send(&list, request->arena, &count) : NULL;
    if (status == TASKQ_OK && sent == NULL) {
        status = taskq__fail_memory(&err);
    }
    if (status == TASKQ_OK && count > 0) {
        status = taskq_scheduler_heartbeat(server->scheduler, sent, count, &err);
    }
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
        return;
    }
    reply_beats(reply, &list);
}
