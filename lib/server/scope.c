/* SPDX-License-Identifier: MIT */
/*
 * What a token that is bound to queues reaches. One rule: to it, the jobs of other queues are not there (404), and naming another queue,
 * or none where one can be named, is refused (403). A route that says nothing here is closed to it, so that one that is added later and
 * does not think of queues gives nothing away.
 */
#include "core/fail.h"
#include "core/text.h"
#include "server/api.h"

#include <string.h>

static taskq__handler *const bound_handlers[] = {
    taskq__jobs_post,     taskq__jobs_list,     taskq__jobs_get,       taskq__jobs_delete,   taskq__jobs_cancel,
    taskq__jobs_retry,    taskq__jobs_bulk,     taskq__next_job_get,   taskq__next_job_post, taskq__complete_one,
    taskq__complete_many, taskq__heartbeat_one, taskq__heartbeat_many, taskq__release_one,   taskq__queues_list,
    taskq__queues_get,    taskq__queues_patch,
};

static bool is_bound(const taskq__request *request)
{
    return request->who != NULL && request->who->queue_count > 0;
}

static bool refuse(const taskq__request *request, taskq__reply *reply, const char *why)
{
    char list[200] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < request->who->queue_count; i++) {
        taskq_text queue = request->who->queues[i];
        if (used + queue.size + 6 > sizeof(list)) {
            memcpy(list + used, " ...", 5);
            break;
        }
        list[used++] = ' ';
        memcpy(list + used, queue.data, queue.size);
        used += queue.size;
        list[used] = '\0';
    }
    taskq__reply_problem(reply, TASKQ__PROBLEM_FORBIDDEN, NULL, "%s; the token is bound to the queues:%s", why, list);
    reply->bound = TASKQ__BOUND_FORBIDDEN;
    return false;
}

bool taskq__scope_admit(const taskq__request *request, taskq__reply *reply)
{
    if (!is_bound(request)) {
        return true;
    }
    for (size_t i = 0; i < sizeof(bound_handlers) / sizeof(bound_handlers[0]); i++) {
        if (request->route->handler == bound_handlers[i]) {
            return true;
        }
    }
    return refuse(request, reply, "this is about all queues");
}

bool taskq__scope_has(const taskq__request *request, taskq_text queue)
{
    if (!is_bound(request)) {
        return true;
    }
    for (uint32_t i = 0; i < request->who->queue_count; i++) {
        if (taskq__text_equal(request->who->queues[i], queue)) {
            return true;
        }
    }
    return false;
}

bool taskq__scope_queue(const taskq__request *request, taskq__reply *reply, taskq_text queue)
{
    if (taskq__scope_has(request, queue)) {
        return true;
    }
    return refuse(request, reply, queue.data == NULL ? "name a queue" : "this queue is out of reach");
}

taskq_status taskq__scope_job(taskq_server *server, const taskq__request *request, int64_t id, taskq_error *err)
{
    taskq_jobs *jobs = NULL;
    if (!is_bound(request)) {
        return TASKQ_OK;
    }
    taskq_status status = taskq_scheduler_get(server->scheduler, id, &jobs, err);
    if (status == TASKQ_OK && !taskq__scope_has(request, taskq_jobs_at(jobs, 0)->queue)) {
        status = taskq__fail(err, TASKQ_ENOTFOUND, "there is no job %lld", (long long)id);
    }
    taskq_jobs_free(jobs);
    return status;
}
