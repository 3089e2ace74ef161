/* SPDX-License-Identifier: MIT */
/*
 * The producers' and the operators' endpoints of jobs: enqueue, look, cancel, retry, delete, in bulk.
 */
#include "core/fail.h"
#include "core/job.h"
#include "core/text.h"
#include "server/api.h"
#include "server/cursor.h"
#include "wire/api_fields.h"
#include "wire/emit.h"
#include "wire/record.h"

#include <stdio.h>

enum { IDEMPOTENCY_KEY_BYTES_MAX = TASKQ__API_ENQUEUE_JOBS_IDEMPOTENCY_KEY_MAX };

/* ---- POST /jobs ------------------------------------------------------------------------------------------------------------ */

static bool read_idempotency_key(const taskq_server *server, const taskq__request *request, taskq__reply *reply,
                                 taskq_enqueue_options *options)
{
    taskq_text key = taskq__request_header(request, "Idempotency-Key");
    if (key.data == NULL) {
        return true;
    }
    bool visible = key.size >= 1 && key.size <= IDEMPOTENCY_KEY_BYTES_MAX;
    for (size_t i = 0; i < key.size && visible; i++) {
        visible = key.data[i] > 0x20 && key.data[i] < 0x7f;
    }
    if (!visible) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_INVALID, NULL,
                             "Idempotency-Key must be 1 to 256 visible ASCII characters");
        return false;
    }
    options->idempotency_key = key;
    options->idempotency_scope = server->auth.path != NULL ? request->who->name : (taskq_text){NULL, 0};
    options->digest = taskq_digest(request->body.data, request->body.size);
    return true;
}

static bool are_within_reach(const taskq__request *request, taskq__reply *reply, const taskq_new_job *jobs,
                             uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!taskq__scope_queue(request, reply, jobs[i].queue.size > 0 ? jobs[i].queue : TASKQ_TEXT("default"))) {
            return false;
        }
    }
    return true;
}

typedef struct wanted_jobs {
    taskq_new_job *jobs;
    const taskq_new_job **pointers;
    uint32_t count;
    bool many; /* {"jobs": [...]}, also of one */
} wanted_jobs;

static taskq_status read_new_jobs(const taskq__request *request, const taskq__json *json, uint32_t list,
                                  wanted_jobs *out, taskq_error *err)
{
    taskq_text trace = taskq__request_header(request, "traceparent");
    out->many = list != 0;
    out->count = out->many ? json->nodes[list].count : 1;
    out->jobs = taskq_arena_alloc(request->arena, out->count * sizeof(*out->jobs));
    out->pointers = taskq_arena_alloc(request->arena, out->count * sizeof(const taskq_new_job *));
    if (out->jobs == NULL || out->pointers == NULL) {
        return taskq__fail_memory(err);
    }
    uint32_t node = out->many ? list + 1 : 0;
    for (uint32_t i = 0; i < out->count; i++) {
        char path[32] = "";
        if (out->many) {
            snprintf(path, sizeof(path), "/jobs/%u", i);
        }
        out->jobs[i] = (taskq_new_job)TASKQ_NEW_JOB_INIT;
        taskq_status status = taskq__wire_read_new_job(json, node, path, request->arena, &out->jobs[i], err);
        if (status != TASKQ_OK) {
            return status;
        }
        if (taskq__text_is_traceparent(trace)) {
            out->jobs[i].traceparent = trace;
        }
        out->pointers[i] = &out->jobs[i];
        node = json->nodes[node].next;
    }
    return TASKQ_OK;
}

static void reply_enqueued(taskq__reply *reply, const taskq__request *request, const wanted_jobs *wanted,
                           const taskq_jobs *jobs, uint32_t made)
{
    int status = made > 0 ? 201 : 200;
    if (wanted->many) {
        taskq__reply_jobs(reply, status, jobs);
        return;
    }
    const taskq_job *job = taskq_jobs_at(jobs, 0);
    taskq__reply_job(reply, status, job);
    char location[40];
    int size = snprintf(location, sizeof(location), "/jobs/%lld", (long long)job->id);
    taskq_text value;
    if (status == 201 && taskq_arena_copy(request->arena, location, (size_t)size, &value)) {
        taskq__reply_header(reply, "Location", value);
    }
}

void taskq__jobs_post(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    static const char *const keys[] = {"jobs", NULL};
    taskq_enqueue_options options = TASKQ_ENQUEUE_OPTIONS_INIT;
    taskq_error err = TASKQ_ERROR_INIT;
    taskq__json json;
    wanted_jobs wanted;
    uint32_t list = 0;
    if (!read_idempotency_key(server, request, reply, &options) || !taskq__body_object(request, reply, &json)) {
        return;
    }
    taskq_status status = TASKQ_OK;
    if (taskq__json_member(&json, 0, "jobs") != 0) {
        status = taskq__body_members(&json, request->arena, keys, &list, &err);
        if (status == TASKQ_OK && !taskq__body_array(&json, list, "/jobs", TASKQ__API_ENQUEUE_REQUEST_JOBS_MIN,
                                                     TASKQ__API_ENQUEUE_REQUEST_JOBS_MAX, reply)) {
            return;
        }
    }
    if (status == TASKQ_OK) {
        status = read_new_jobs(request, &json, list, &wanted, &err);
    }
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
        return;
    }
    if (!are_within_reach(request, reply, wanted.jobs, wanted.count)) {
        return;
    }
    options.json_checked = true;
    taskq_jobs *jobs = NULL;
    uint32_t made = 0;
    status = taskq_scheduler_enqueue(server->scheduler, wanted.pointers, wanted.count, &options, &jobs, &made, &err);
    if (status != TASKQ_OK) {
        if (wanted.many && wanted.count > 1) {
            taskq__fail_prefix(&err, "/jobs");
        } else if (wanted.many) {
            taskq__fail_prefix(&err, "/jobs/0");
        }
        taskq__reply_failure(reply, status, &err);
        return;
    }
    taskq__audit_jobs(request, jobs);
    reply_enqueued(reply, request, &wanted, jobs, made);
    taskq_jobs_free(jobs);
}

/* ---- GET /jobs --------------------------------------------------------------------------------------------------------------- */

static bool check_name(taskq__reply *reply, const char *field, taskq_text value)
{
    if (value.data != NULL && !taskq__text_is_name(value)) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_INVALID, field, "must be 1 to 128 of A-Z a-z 0-9 . _ : / -");
        return false;
    }
    return true;
}

/* Where each parameter stands among those that the description has. */
enum {
    LIST_STATE = TASKQ__API_LIST_JOBS_AT_STATE,
    LIST_QUEUE = TASKQ__API_LIST_JOBS_AT_QUEUE,
    LIST_TYPE = TASKQ__API_LIST_JOBS_AT_TYPE,
    LIST_TAG = TASKQ__API_LIST_JOBS_AT_TAG,
    LIST_BATCH = TASKQ__API_LIST_JOBS_AT_BATCH,
    LIST_WORKER = TASKQ__API_LIST_JOBS_AT_WORKER,
    LIST_Q = TASKQ__API_LIST_JOBS_AT_Q,
    LIST_LIMIT = TASKQ__API_LIST_JOBS_AT_LIMIT,
    LIST_CURSOR = TASKQ__API_LIST_JOBS_AT_CURSOR,
    LIST_COUNT = TASKQ__API_LIST_JOBS_COUNT
};
_Static_assert(LIST_COUNT == 9, "the API's description has other parameters than those read here");

static bool read_filter(const taskq__request *request, taskq__reply *reply, taskq_filter *filter)
{
    static const char *const names[] = {TASKQ__API_LIST_JOBS_NAMES, NULL};
    taskq_text values[LIST_COUNT];
    if (!taskq__query_read(request, reply, names, values)) {
        return false;
    }
    if (!check_name(reply, "/queue", values[LIST_QUEUE]) || !check_name(reply, "/type", values[LIST_TYPE]) ||
        !check_name(reply, "/tag", values[LIST_TAG]) || !check_name(reply, "/batch", values[LIST_BATCH])) {
        return false;
    }
    for (int i = LIST_WORKER; i <= LIST_Q; i++) { /* an empty one would narrow nothing, and nobody means that */
        if (values[i].data != NULL && values[i].size == 0) {
            taskq__reply_problem(reply, TASKQ__PROBLEM_INVALID, i == LIST_WORKER ? "/worker" : "/q",
                                 "must not be empty");
            return false;
        }
    }
    filter->queue = values[LIST_QUEUE];
    filter->type = values[LIST_TYPE];
    filter->tag = values[LIST_TAG];
    filter->batch = values[LIST_BATCH];
    filter->worker = values[LIST_WORKER];
    filter->q = values[LIST_Q];
    if (values[LIST_STATE].data != NULL && taskq__state_parse(values[LIST_STATE], &filter->state) != TASKQ_OK) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_INVALID, "/state",
                             "must be queued, scheduled, blocked, running, succeeded, failed or canceled");
        return false;
    }
    int64_t limit = TASKQ__API_LIST_JOBS_LIMIT_DEFAULT;
    if (values[LIST_LIMIT].data != NULL && taskq__parse_int64(values[LIST_LIMIT], TASKQ__API_LIST_JOBS_LIMIT_MIN,
                                                              TASKQ__API_LIST_JOBS_LIMIT_MAX, &limit) != TASKQ_OK) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_INVALID, "/limit", "must be a number from %d to %d",
                             TASKQ__API_LIST_JOBS_LIMIT_MIN, TASKQ__API_LIST_JOBS_LIMIT_MAX);
        return false;
    }
    filter->limit = (uint32_t)limit;
    if (values[LIST_CURSOR].data != NULL && !taskq__cursor_read(values[LIST_CURSOR], &filter->before_id)) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_INVALID, "/cursor", "is no cursor that this server gave");
        return false;
    }
    return true;
}

void taskq__jobs_list(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    taskq_filter filter = TASKQ_FILTER_INIT;
    if (!read_filter(request, reply, &filter) || !taskq__scope_queue(request, reply, filter.queue)) {
        return;
    }
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_jobs *jobs = NULL;
    taskq_status status = taskq_scheduler_list(server->scheduler, &filter, &jobs, &err);
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
        return;
    }
    taskq__reply_jobs(reply, 200, jobs);
    int64_t next = taskq_jobs_next(jobs);
    if (next != 0 && !reply->body.failed) {
        char cursor[TASKQ__CURSOR_BYTES];
        taskq__cursor_write(next, cursor);
        reply->body.size--; /* the closing brace */
        taskq__emit_key(&reply->body, "next_cursor");
        taskq__emit_string(&reply->body, taskq_text_of(cursor));
        taskq__emit_close(&reply->body, '}');
    }
    taskq_jobs_free(jobs);
}

/* ---- one job ------------------------------------------------------------------------------------------------------------------- */

void taskq__jobs_get(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    int64_t id;
    if (!taskq__path_id(request, reply, &id)) {
        return;
    }
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_jobs *jobs = NULL;
    taskq_status status = taskq_scheduler_get(server->scheduler, id, &jobs, &err);
    if (status == TASKQ_OK && !taskq__scope_has(request, taskq_jobs_at(jobs, 0)->queue)) {
        status = taskq__fail(&err, TASKQ_ENOTFOUND, "there is no job %lld", (long long)id);
    }
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
        taskq_jobs_free(jobs);
        return;
    }
    taskq__wire_write_job(taskq__reply_json(reply, 200), taskq_jobs_at(jobs, 0), TASKQ__WIRE_DETAIL);
    taskq_jobs_free(jobs);
}

void taskq__jobs_delete(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    int64_t id;
    if (!taskq__path_id(request, reply, &id)) {
        return;
    }
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_status status = taskq__scope_job(server, request, id, &err);
    if (status == TASKQ_OK) {
        status = taskq_scheduler_delete(server->scheduler, id, &err);
    }
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
        return;
    }
    taskq__reply_empty(reply, 204);
}

typedef taskq_status move_fn(taskq_scheduler *scheduler, int64_t id, taskq_jobs **out, taskq_error *err);

static void move_one(taskq_server *server, taskq__request *request, taskq__reply *reply, move_fn *move)
{
    int64_t id;
    if (!taskq__path_id(request, reply, &id) || !taskq__body_none(request, reply)) {
        return;
    }
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_jobs *jobs = NULL;
    taskq_status status = taskq__scope_job(server, request, id, &err);
    if (status == TASKQ_OK) {
        status = move(server->scheduler, id, &jobs, &err);
    }
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
        return;
    }
    taskq__audit_jobs(request, jobs);
    taskq__reply_job(reply, 200, taskq_jobs_at(jobs, 0));
    taskq_jobs_free(jobs);
}

void taskq__jobs_cancel(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    move_one(server, request, reply, taskq_scheduler_cancel);
}

void taskq__jobs_retry(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    move_one(server, request, reply, taskq_scheduler_retry);
}

/* ---- POST /jobs/bulk ------------------------------------------------------------------------------------------------------------- */

void taskq__jobs_bulk(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    taskq__json json;
    taskq__wire_bulk bulk = {.filter = TASKQ_FILTER_INIT};
    taskq_error err = TASKQ_ERROR_INIT;
    uint32_t affected = 0;
    bool more = false;
    if (!taskq__body_object(request, reply, &json)) {
        return;
    }
    taskq_status status = taskq__wire_read_bulk(&json, 0, request->arena, &bulk, &err);
    if (status == TASKQ_OK && !taskq__scope_queue(request, reply, bulk.filter.queue)) {
        return;
    }
    if (status == TASKQ_OK) {
        /* An operator who hangs up on a change that is wider than he thought has stopped it. */
        status = taskq_scheduler_bulk_until(server->scheduler, bulk.action, bulk.ids, bulk.id_count, &bulk.filter,
                                            request->gone, request->gone_user, &affected, &more, &err);
    }
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
        return;
    }
    static const char *const actions[] = {
        [TASKQ_BULK_CANCEL] = "cancel", [TASKQ_BULK_RETRY] = "retry", [TASKQ_BULK_DELETE] = "delete"};
    taskq__audit_action(request, actions[bulk.action], affected);
    taskq__audit_queue(request, bulk.filter.queue);
    taskq__buf *body = taskq__reply_json(reply, 200);
    taskq__emit_open(body, '{');
    taskq__emit_key(body, "affected");
    taskq__emit_int(body, affected);
    taskq__emit_key(body, "more");
    taskq__emit_bool(body, more);
    taskq__emit_close(body, '}');
}
