/* SPDX-License-Identifier: MIT */
/*
 * Who changed what. Every change by an admin or a producer is one line at info, component "audit": who, what, which jobs, from where. Names
 * and ids are in it, payloads never; the sink escapes what could forge a line. What workers do with the leases that they hold is their
 * work, and in the jobs' own attempts.
 */
#include "server/audit.h"

#include "core/log.h"
#include "core/text.h"
#include "server/api.h"

#include <stdio.h>
#include <string.h>

enum { JOBS_BYTES_MAX = 1024, TEXT_BYTES = 192 };

void taskq__audit_jobs(taskq__request *request, const taskq_jobs *jobs)
{
    uint32_t count = taskq_jobs_count(jobs);
    size_t room = count * (size_t)21 + 5 < JOBS_BYTES_MAX ? count * (size_t)21 + 5 : JOBS_BYTES_MAX;
    char *text = taskq_arena_alloc(request->arena, room);
    size_t used = 0;
    for (uint32_t i = 0; text != NULL && i < count; i++) {
        if (used + 26 > room) {
            memcpy(text + used, ",...", 4);
            used += 4;
            break;
        }
        int more = snprintf(text + used, room - used, "%s%lld", i > 0 ? "," : "", (long long)taskq_jobs_at(jobs, i)->id);
        used += more > 0 ? (size_t)more : 0;
    }
    request->changed.jobs = (taskq_text){text, text != NULL ? used : 0};
    request->changed.count = count;
    if (count > 0) {
        taskq__audit_queue(request, taskq_jobs_at(jobs, 0)->queue);
    }
}

void taskq__audit_queue(taskq__request *request, taskq_text queue)
{
    taskq_arena_copy(request->arena, queue.data, queue.size, &request->changed.queue);
}

void taskq__audit_action(taskq__request *request, const char *action, uint32_t count)
{
    request->changed.action = taskq_text_of(action);
    request->changed.count = count;
}

static bool is_to_be_told(const taskq_server *server, const taskq__request *request, const taskq__reply *reply)
{
    if (request->route == NULL || request->who == NULL || reply->status >= 400) {
        return false;
    }
    if (request->route->role == TASKQ__ROLE_WORKER) { /* an admin in a worker's place */
        return server->auth.path != NULL && request->who->role == TASKQ_ROLE_ADMIN && reply->status != 204;
    }
    return request->route->role >= TASKQ__ROLE_PRODUCER && strcmp(request->route->method, "GET") != 0;
}

static const char *cut(taskq_text text, char out[TEXT_BYTES])
{
    snprintf(out, TEXT_BYTES, "%.*s", text.size < TEXT_BYTES ? (int)text.size : TEXT_BYTES - 1, text.data);
    return out;
}

void taskq__audit(const taskq_server *server, const taskq__request *request, const taskq__reply *reply)
{
    char who[TEXT_BYTES], what[TEXT_BYTES], target[TEXT_BYTES], queue[TEXT_BYTES], client[TEXT_BYTES];
    char jobs[JOBS_BYTES_MAX];
    if (!taskq__log_wants(&server->log, TASKQ_LOG_INFO) || !is_to_be_told(server, request, reply)) {
        return;
    }
    snprintf(what, sizeof(what), "%s %s", request->route->method, request->route->pattern);
    taskq_log_field fields[10] = {
        {"who", cut(request->who->name, who), 0},
        {"role", server->auth.path != NULL ? taskq_role_name(request->who->role) : "open", 0},
        {"what", what, 0},
        {"client", cut(request->client, client), 0},
        {"request_id", request->request_id, 0},
    };
    uint32_t count = 5;
    if (request->captured.size > 0) {
        bool is_id = strchr(request->route->pattern, '{')[1] == 'i';
        fields[count++] = (taskq_log_field){is_id ? "job_id" : "name", cut(request->captured, target), 0};
    }
    if (request->changed.action.size > 0) {
        fields[count++] = (taskq_log_field){"action", request->changed.action.data, 0};
    }
    if (request->changed.jobs.size > 0 && request->captured.size == 0) {
        snprintf(jobs, sizeof(jobs), "%.*s", (int)request->changed.jobs.size, request->changed.jobs.data);
        fields[count++] = (taskq_log_field){"job_ids", jobs, 0};
    }
    if (request->captured.size == 0) {
        fields[count++] = (taskq_log_field){"count", NULL, request->changed.count};
    }
    if (request->changed.queue.size > 0) {
        fields[count++] = (taskq_log_field){"queue", cut(request->changed.queue, queue), 0};
    }
    taskq__log(&server->log, TASKQ_LOG_INFO, "audit", "changed", fields, count);
}
