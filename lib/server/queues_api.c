/* SPDX-License-Identifier: MIT */
/*
 * Queues: looked at, paused, let go on. A queue's name may have slashes and colons in it, so in the path it may be percent-encoded; it
 * is one segment there, and nowhere else in a path is anything decoded.
 */
#include "core/text.h"
#include "server/api.h"
#include "wire/emit.h"
#include "wire/record.h"

static bool path_name(const taskq__request *request, taskq__reply *reply, taskq__problem otherwise, taskq_text *out)
{
    taskq_status status = taskq__percent_decode(request->captured, false, request->arena, out);
    if (status == TASKQ_ENOMEM) {
        taskq_error err = TASKQ_ERROR_INIT;
        taskq__reply_failure(reply, status, &err);
        return false;
    }
    if (status != TASKQ_OK || !taskq__text_is_name(*out)) {
        taskq__reply_problem(reply, otherwise, NULL, "a queue's name is 1 to 128 of A-Z a-z 0-9 . _ : / -");
        return false;
    }
    return true;
}

void taskq__queues_list(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_queues *queues = NULL;
    taskq_status status = taskq_scheduler_queues(server->scheduler, NULL, &queues, &err);
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
        return;
    }
    taskq__buf *body = taskq__reply_json(reply, 200);
    taskq__emit_open(body, '{');
    taskq__emit_key(body, "queues");
    taskq__emit_open(body, '[');
    for (uint32_t i = 0; i < taskq_queues_count(queues); i++) {
        if (taskq__scope_has(request, taskq_queues_at(queues, i)->name)) {
            taskq__emit_comma(body);
            taskq__wire_write_queue(body, taskq_queues_at(queues, i));
        }
    }
    taskq__emit_close(body, ']');
    taskq__emit_close(body, '}');
    taskq_queues_free(queues);
}

static void reply_queue(taskq__reply *reply, taskq_status status, taskq_queues *queues, const taskq_error *err)
{
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, err);
        return;
    }
    taskq__wire_write_queue(taskq__reply_json(reply, 200), taskq_queues_at(queues, 0));
    taskq_queues_free(queues);
}

void taskq__queues_get(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    taskq_text name;
    if (!path_name(request, reply, TASKQ__PROBLEM_NOT_FOUND, &name) || !taskq__scope_queue(request, reply, name)) {
        return;
    }
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_queues *queues = NULL;
    taskq_status status = taskq_scheduler_queues(server->scheduler, &name, &queues, &err);
    reply_queue(reply, status, queues, &err);
}

void taskq__queues_patch(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    taskq_text name;
    taskq__json json;
    taskq__wire_queue_patch patch = {false, false};
    taskq_error err = TASKQ_ERROR_INIT;
    if (!path_name(request, reply, TASKQ__PROBLEM_INVALID, &name) || !taskq__scope_queue(request, reply, name) ||
        !taskq__body_object(request, reply, &json)) {
        return;
    }
    taskq_status status = taskq__wire_read_queue_patch(&json, 0, request->arena, &patch, &err);
    if (status == TASKQ_OK && !patch.has_paused) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_INVALID, NULL, "nothing is to be changed: say paused, true or false");
        return;
    }
    taskq_queues *queues = NULL;
    if (status == TASKQ_OK) {
        status = taskq_scheduler_queue_pause(server->scheduler, name, patch.paused, &queues, &err);
        taskq__audit_action(request, patch.paused ? "pause" : "resume", 0);
        taskq__audit_queue(request, name);
    }
    reply_queue(reply, status, queues, &err);
}
