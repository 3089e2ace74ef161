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

/* An element that was not handed to the scheduler: why. */
typedef struct refusal {
    taskq_text detail, field; /* detail NULL: it was handed over */
} refusal;

/* What becomes of an element that cannot be read: kept, to be answered for itself, where it says which job it is about. */
static taskq_status keep_refusal(taskq_status status, const taskq_error *why, int64_t id, taskq_arena *arena,
                                 refusal *out, taskq_error *err)
{
    if (status != TASKQ_EINVAL || id <= 0) {
        *err = *why;
        return status;
    }
    taskq_text text = taskq_text_of(why->text);
    taskq_text field = taskq_text_of(why->field);
    bool kept = taskq_arena_copy(arena, text.data, text.size, &out->detail) &&
                taskq_arena_copy(arena, field.data, field.size, &out->field);
    return kept ? TASKQ_OK : taskq__fail_memory(err);
}

static void emit_result_head(taskq__buf *body, int64_t id, int status)
{
    taskq__emit_comma(body);
    taskq__emit_open(body, '{');
    taskq__emit_key(body, "id");
    taskq__emit_int(body, id);
    taskq__emit_key(body, "status");
    taskq__emit_int(body, status);
}

static void emit_refusal(taskq__buf *body, const refusal *why)
{
    taskq__emit_key(body, "detail");
    taskq__emit_string(body, why->detail);
    if (why->field.size > 0) {
        taskq__emit_key(body, "field");
        taskq__emit_string(body, why->field);
    }
}

/* ---- POST /jobs/complete ------------------------------------------------------------------------------------------------------ */

typedef struct reports {
    taskq_report *all;
    taskq_report **sent; /* those that go to the scheduler */
    refusal *refusals;   /* by index of `all` */
    uint32_t count, sent_count;
} reports;

static taskq_status read_reports(const taskq__json *json, uint32_t list, taskq_arena *arena, reports *out,
                                 taskq_error *err)
{
    out->count = json->nodes[list].count;
    out->sent_count = 0;
    out->all = taskq_arena_alloc(arena, out->count * sizeof(*out->all));
    out->sent = taskq_arena_alloc(arena, out->count * sizeof(*out->sent));
    out->refusals = taskq_arena_alloc(arena, out->count * sizeof(*out->refusals));
    if (out->all == NULL || out->sent == NULL || out->refusals == NULL) {
        return taskq__fail_memory(err);
    }
    uint32_t node = list + 1;
    for (uint32_t i = 0; i < out->count; i++, node = json->nodes[node].next) {
        char path[40];
        taskq_error why = TASKQ_ERROR_INIT;
        snprintf(path, sizeof(path), "/completions/%u", i);
        out->all[i] = (taskq_report)TASKQ_REPORT_INIT;
        taskq_status status = taskq__wire_read_report(json, node, path, true, arena, &out->all[i], &why);
        if (status == TASKQ_OK) {
            out->sent[out->sent_count++] = &out->all[i];
            continue;
        }
        status = keep_refusal(status, &why, out->all[i].id, arena, &out->refusals[i], err);
        if (status != TASKQ_OK) {
            return status;
        }
    }
    return TASKQ_OK;
}

static void reply_reports(taskq__reply *reply, const reports *from, const taskq_jobs *claimed)
{
    taskq__buf *body = taskq__reply_json(reply, 200);
    taskq__emit_open(body, '{');
    taskq__emit_key(body, "results");
    taskq__emit_open(body, '[');
    for (uint32_t i = 0; i < from->count; i++) {
        const taskq_report *report = &from->all[i];
        bool refused = from->refusals[i].detail.data != NULL;
        emit_result_head(body, report->id, refused ? 422 : taskq__http_status(report->status));
        if (refused) {
            emit_refusal(body, &from->refusals[i]);
        }
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

static bool read_complete(const taskq__request *request, taskq__reply *reply, reports *out, taskq__wire_claim *next,
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
        status = read_reports(&json, nodes[COMPLETIONS], request->arena, out, &err);
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

/* To a token that is bound to queues the jobs of others are not there. */
static taskq_status keep_reports_within_reach(taskq_server *server, const taskq__request *request, reports *list,
                                              taskq_error *err)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->sent_count; i++) {
        taskq_status status = taskq__scope_job(server, request, list->sent[i]->id, err);
        if (status != TASKQ_OK && status != TASKQ_ENOTFOUND) {
            return status;
        }
        list->sent[i]->status = status;
        if (status == TASKQ_OK) {
            list->sent[kept++] = list->sent[i];
        }
    }
    list->sent_count = kept;
    return TASKQ_OK;
}

void taskq__complete_many(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    reports list = {.count = 0};
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
    taskq_status status = keep_reports_within_reach(server, request, &list, &err);
    if (status == TASKQ_OK && (list.sent_count > 0 || has_next)) {
        status = taskq_scheduler_complete(server->scheduler, list.sent, list.sent_count, true, false,
                                          has_next ? &options : NULL, NULL, has_next ? &claimed : NULL, &err);
    }
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
        return;
    }
    reply_reports(reply, &list, claimed);
    taskq_jobs_free(claimed);
}

/* ---- POST /jobs/heartbeat ------------------------------------------------------------------------------------------------------- */

typedef struct beats {
    taskq_heartbeat *all;
    taskq_heartbeat **sent;
    refusal *refusals;
    uint32_t count, sent_count;
} beats;

static taskq_status read_beats(const taskq__json *json, uint32_t list, taskq_arena *arena, beats *out, taskq_error *err)
{
    out->count = json->nodes[list].count;
    out->all = taskq_arena_alloc(arena, out->count * sizeof(*out->all));
    out->sent = taskq_arena_alloc(arena, out->count * sizeof(*out->sent));
    out->refusals = taskq_arena_alloc(arena, out->count * sizeof(*out->refusals));
    if (out->all == NULL || out->sent == NULL || out->refusals == NULL) {
        return taskq__fail_memory(err);
    }
    uint32_t node = list + 1;
    for (uint32_t i = 0; i < out->count; i++, node = json->nodes[node].next) {
        char path[40];
        taskq_error why = TASKQ_ERROR_INIT;
        snprintf(path, sizeof(path), "/heartbeats/%u", i);
        out->all[i] = (taskq_heartbeat)TASKQ_HEARTBEAT_INIT;
        taskq_status status = taskq__wire_read_heartbeat(json, node, path, true, arena, &out->all[i], &why);
        if (status == TASKQ_OK) {
            out->sent[out->sent_count++] = &out->all[i];
            continue;
        }
        status = keep_refusal(status, &why, out->all[i].id, arena, &out->refusals[i], err);
        if (status != TASKQ_OK) {
            return status;
        }
    }
    return TASKQ_OK;
}

static taskq_status keep_beats_within_reach(taskq_server *server, const taskq__request *request, beats *list,
                                            taskq_error *err)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->sent_count; i++) {
        taskq_status status = taskq__scope_job(server, request, list->sent[i]->id, err);
        if (status != TASKQ_OK && status != TASKQ_ENOTFOUND) {
            return status;
        }
        list->sent[i]->status = status;
        if (status == TASKQ_OK) {
            list->sent[kept++] = list->sent[i];
        }
    }
    list->sent_count = kept;
    return TASKQ_OK;
}

static void reply_beats(taskq__reply *reply, const beats *from)
{
    taskq__buf *body = taskq__reply_json(reply, 200);
    taskq__emit_open(body, '{');
    taskq__emit_key(body, "results");
    taskq__emit_open(body, '[');
    for (uint32_t i = 0; i < from->count; i++) {
        const taskq_heartbeat *beat = &from->all[i];
        bool refused = from->refusals[i].detail.data != NULL;
        emit_result_head(body, beat->id, refused ? 422 : taskq__http_status(beat->status));
        if (refused) {
            emit_refusal(body, &from->refusals[i]);
        } else if (beat->status == TASKQ_OK) {
            taskq__beat_emit(body, beat);
        }
        taskq__emit_close(body, '}');
    }
    taskq__emit_close(body, ']');
    taskq__emit_close(body, '}');
}

void taskq__heartbeat_many(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    static const char *const keys[] = {"heartbeats", NULL};
    uint32_t list = 0;
    taskq__json json;
    beats all = {.count = 0};
    taskq_error err = TASKQ_ERROR_INIT;
    if (!taskq__body_object(request, reply, &json)) {
        return;
    }
    taskq_status status = taskq__body_members(&json, request->arena, keys, &list, &err);
    if (status == TASKQ_OK && !taskq__body_array(&json, list, "/heartbeats", TASKQ__API_HEARTBEAT_REQUEST_HEARTBEATS_MIN,
                                                 TASKQ__API_HEARTBEAT_REQUEST_HEARTBEATS_MAX, reply)) {
        return;
    }
    if (status == TASKQ_OK) {
        status = read_beats(&json, list, request->arena, &all, &err);
    }
    if (status == TASKQ_OK) {
        status = keep_beats_within_reach(server, request, &all, &err);
    }
    if (status == TASKQ_OK && all.sent_count > 0) {
        status = taskq_scheduler_heartbeat(server->scheduler, all.sent, all.sent_count, &err);
    }
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
        return;
    }
    reply_beats(reply, &all);
}
