/* SPDX-License-Identifier: MIT */
/*
 * The body of a request as JSON: one strict pass, an object at its root, and the members of the envelopes ({"jobs": [...]}) around the
 * records that the wire layer reads.
 */
#include "core/fail.h"
#include "core/text.h"
#include "server/api.h"
#include "wire/emit.h"
#include "wire/record.h"

#include <string.h>
#include <strings.h>

static bool scan_body(const taskq__request *request, taskq__reply *reply, taskq__json *out)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_status status =
        taskq__json_scan_within(request->body, taskq__wire_opaque, request->json_depth_max, request->arena, out, &err);
    if (status == TASKQ_ELIMIT) { /* well-formed, but deeper than anybody has a use for */
        taskq__reply_problem(reply, TASKQ__PROBLEM_INVALID, NULL, "%s", err.text);
        reply->bound = TASKQ__BOUND_JSON_DEPTH;
        return false;
    }
    if (status == TASKQ_EINVAL) {
        status = TASKQ_ESYNTAX;
    }
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
        return false;
    }
    if (out->nodes[0].kind != TASKQ__JSON_OBJECT) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_INVALID, NULL, "the body must be a JSON object");
        return false;
    }
    return true;
}

bool taskq__body_object(const taskq__request *request, taskq__reply *reply, taskq__json *out)
{
    if (request->body.size == 0) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_MALFORMED_JSON, NULL, "a JSON object is needed as the body");
        return false;
    }
    return scan_body(request, reply, out);
}

bool taskq__body_none(const taskq__request *request, taskq__reply *reply)
{
    taskq__json json;
    if (request->body.size == 0) {
        return true;
    }
    if (!scan_body(request, reply, &json)) {
        return false;
    }
    static const char *const no_keys[] = {NULL};
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_status status = taskq__body_members(&json, request->arena, no_keys, NULL, &err);
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
    }
    return status == TASKQ_OK;
}

taskq_status taskq__body_members(const taskq__json *json, taskq_arena *arena, const char *const *keys, uint32_t *nodes,
                                 taskq_error *err)
{
    for (size_t i = 0; keys[i] != NULL; i++) {
        nodes[i] = 0;
    }
    uint32_t at = 1;
    for (uint32_t member = 0; member < json->nodes[0].count; member++) {
        uint32_t value = json->nodes[at].next;
        taskq_text key;
        taskq_status status = taskq__json_string(json, at, arena, &key, err);
        if (status != TASKQ_OK) {
            return status;
        }
        size_t i = 0;
        while (keys[i] != NULL && !taskq__text_is(key, keys[i])) {
            i++;
        }
        if (keys[i] == NULL || nodes[i] != 0) {
            char field[TASKQ_ERROR_FIELD_MAX] = "/";
            size_t size = key.size < 100 ? key.size : 100;
            memcpy(field + 1, key.data, size);
            field[size + 1] = '\0';
            return taskq__fail_field(err, TASKQ_EINVAL, field,
                                     keys[i] == NULL ? "there is no such field" : "it is given twice");
        }
        nodes[i] = value;
        at = json->nodes[value].next;
    }
    return TASKQ_OK;
}

bool taskq__body_array(const taskq__json *json, uint32_t node, const char *name, uint32_t min, uint32_t max,
                       taskq__reply *reply)
{
    bool right = node != 0 && json->nodes[node].kind == TASKQ__JSON_ARRAY && json->nodes[node].count >= min &&
                 json->nodes[node].count <= max;
    if (!right) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_INVALID, name, "must be an array of %u to %u", min, max);
    }
    return right;
}

void taskq__reply_job(taskq__reply *reply, int status, const taskq_job *job)
{
    taskq__wire_write_job(taskq__reply_json(reply, status), job, 0);
}

void taskq__reply_jobs(taskq__reply *reply, int status, const taskq_jobs *jobs)
{
    taskq__buf *body = taskq__reply_json(reply, status);
    taskq__emit_open(body, '{');
    taskq__emit_key(body, "jobs");
    taskq__emit_open(body, '[');
    for (uint32_t i = 0; i < taskq_jobs_count(jobs); i++) {
        taskq__emit_comma(body);
        taskq__wire_write_job(body, taskq_jobs_at(jobs, i), 0);
    }
    taskq__emit_close(body, ']');
    taskq__emit_close(body, '}');
}
