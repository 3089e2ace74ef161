/* SPDX-License-Identifier: MIT */
/*
 * The workers' endpoints for one lease at a time: ask for a job, say that it goes on, hand it in, give it back. A poll that waits
 * holds a thread, so there is a bound on how many do; the others are told to come again.
 */
#include "core/fail.h"
#include "core/text.h"
#include "server/claim.h"
#include "wire/emit.h"
#include "wire/record.h"

#include <string.h>

/* ---- next-job -------------------------------------------------------------------------------------------------------------- */

taskq_claim_options taskq__claim_options(const taskq__wire_claim *wanted, const taskq__request *request)
{
    taskq_claim_options options = TASKQ_CLAIM_OPTIONS_INIT;
    options.queues = wanted->queues;
    options.queue_count = wanted->queue_count;
    options.types = wanted->types;
    options.type_count = wanted->type_count;
    options.worker = wanted->worker;
    options.poll = wanted->poll;
    options.limit = wanted->limit > 0 ? wanted->limit : 1;
    options.wait_ms = wanted->wait_ms;
    options.gone = request->gone;
    options.user = request->gone_user;
    return options;
}

/* A worker's place in the table of those who wait. */
static taskq__address place_of(taskq_text worker)
{
    uint64_t halves[2] = {taskq_digest(worker.data, worker.size), 0};
    taskq__address place;
    halves[1] = taskq__mix64(halves[0] ^ worker.size);
    memcpy(place.bytes, halves, sizeof(place.bytes));
    return place;
}

static taskq__bound hold(taskq_server *server, taskq_text worker)
{
    if (worker.size > 0 && !taskq__peers_enter(&server->pollers, place_of(worker))) {
        return TASKQ__BOUND_WORKER_POLLS;
    }
    if (atomic_fetch_add(&server->held, 1) < server->held_max) {
        return TASKQ__BOUND_NONE;
    }
    atomic_fetch_sub(&server->held, 1);
    if (worker.size > 0) {
        taskq__peers_leave(&server->pollers, place_of(worker));
    }
    return TASKQ__BOUND_HELD_POLLS;
}

static void let_go(taskq_server *server, taskq_text worker)
{
    atomic_fetch_sub(&server->held, 1);
    if (worker.size > 0) {
        taskq__peers_leave(&server->pollers, place_of(worker));
    }
}

static void refuse_to_hold(taskq__reply *reply, taskq__bound bound)
{
    if (bound == TASKQ__BOUND_WORKER_POLLS) {
        taskq__reply_problem(reply, TASKQ__PROBLEM_TOO_MANY_REQUESTS, NULL,
                             "too many polls of this worker wait already");
    } else {
        taskq__reply_problem(reply, TASKQ__PROBLEM_UNAVAILABLE, NULL, "too many polls wait already");
    }
    reply->bound = bound;
}

bool taskq__claim_admit(const taskq__request *request, taskq__reply *reply, const taskq__wire_claim *wanted)
{
    for (uint32_t i = 0; i < wanted->queue_count; i++) {
        if (!taskq__scope_queue(request, reply, wanted->queues[i])) {
            return false;
        }
    }
    return wanted->queue_count > 0 || taskq__scope_queue(request, reply, TASKQ_TEXT("default"));
}

/* Whoever holds a poll, and is not there any more or not let in any more, is given no job. */
typedef struct asker {
    taskq_server *server;
    const taskq__request *request;
} asker;

static bool is_gone(void *user)
{
    const asker *self = user;
    return (self->request->gone != NULL && self->request->gone(self->request->gone_user)) ||
           !taskq__auth_still(self->server, self->request);
}

static void claim(taskq_server *server, const taskq__request *request, taskq__reply *reply,
                  const taskq__wire_claim *wanted)
{
    asker self = {server, request};
    if (!taskq__claim_admit(request, reply, wanted)) {
        return;
    }
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_jobs *jobs = NULL;
    taskq_claim_options options = taskq__claim_options(wanted, request);
    options.gone = is_gone;
    options.user = &self;
    bool wants_wait = options.wait_ms > 0;
    taskq__bound bound =
        wants_wait && request->may_wait && !server->stopping ? hold(server, options.worker) : TASKQ__BOUND_HELD_POLLS;
    bool held = bound == TASKQ__BOUND_NONE;
    options.wait_ms = held ? options.wait_ms : 0; /* no room to wait: a job that is ready is still given */
    taskq_status status = taskq_scheduler_claim(server->scheduler, &options, &jobs, &err);
    if (held) {
        let_go(server, options.worker);
    }
    if (status == TASKQ_ECANCELED) { /* the end of a poll, not a failure */
        taskq__reply_empty(reply, 204);
        reply->close = true;
    } else if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
    } else if (taskq_jobs_count(jobs) > 0 && wanted->limit == 0) {
        taskq__reply_job(reply, 200, taskq_jobs_at(jobs, 0));
    } else if (taskq_jobs_count(jobs) > 0) {
        taskq__reply_jobs(reply, 200, jobs);
    } else if (wants_wait && !held && !server->stopping) {
        refuse_to_hold(reply, bound);
    } else {
        taskq__reply_empty(reply, 204);
    }
    taskq_jobs_free(jobs);
}

void taskq__next_job_get(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    taskq__wire_claim wanted = {.limit = 0};
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_text rest = request->query;
    taskq_text name;
    taskq_text value;
    taskq_status status;
    while (taskq__query_next(&rest, request->arena, &name, &value, &status)) {
        if (status == TASKQ_EINVAL) {
            taskq__reply_problem(reply, TASKQ__PROBLEM_BAD_REQUEST, NULL,
                                 "the query has a broken escape or text that is not UTF-8");
            return;
        }
        if (status == TASKQ_OK) {
            status = taskq__wire_claim_param(name, value, request->arena, &wanted, &err);
        }
        if (status != TASKQ_OK) {
            taskq__reply_failure(reply, status, &err);
            return;
        }
    }
    status = taskq__wire_claim_check(&wanted, &err);
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
        return;
    }
    claim(server, request, reply, &wanted);
}

void taskq__next_job_post(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    taskq__json json;
    taskq__wire_claim wanted = {.limit = 0};
    taskq_error err = TASKQ_ERROR_INIT;
    if (!taskq__body_object(request, reply, &json)) {
        return;
    }
    taskq_status status = taskq__wire_read_claim(&json, 0, "", false, request->arena, &wanted, &err);
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
        return;
    }
    claim(server, request, reply, &wanted);
}

/* ---- one report, heartbeat, release ------------------------------------------------------------------------------------------ */

/* "return=minimal" among the preferences. */
static bool prefers_minimal(const taskq__request *request)
{
    taskq_text rest = taskq__request_header(request, "Prefer");
    taskq_text word;
    while (rest.data != NULL && taskq__text_next_of_list(&rest, &word)) {
        if (taskq__text_is(taskq__trimmed(word), "return=minimal")) {
            return true;
        }
    }
    return false;
}

static void reply_minimal(taskq__reply *reply, const taskq_report *report)
{
    taskq__buf *body = taskq__reply_json(reply, 200);
    taskq__emit_open(body, '{');
    taskq__emit_key(body, "id");
    taskq__emit_int(body, report->id);
    taskq__emit_key(body, "version");
    taskq__emit_int(body, report->new_version);
    taskq__emit_key(body, "state");
    taskq__emit_string(body, taskq_text_of(taskq_state_name(report->state)));
    taskq__emit_close(body, '}');
    taskq__reply_header(reply, "Preference-Applied", taskq_text_of("return=minimal"));
}

/* Why one element of a list was refused where the scheduler gives the status alone. */
const char *taskq__refusal_text(taskq_status status)
{
    switch (status) {
    case TASKQ_ENOTFOUND: return "there is no such job";
    case TASKQ_ESTALE: return "the lease is lost: the job has another version by now";
    default: return "the report was refused";
    }
}

static void reply_refusal(taskq__reply *reply, taskq_status status)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq__fail(&err, status, "%s", taskq__refusal_text(status));
    taskq__reply_failure(reply, status, &err);
}

void taskq__complete_one(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    int64_t id;
    taskq__json json;
    taskq_report report = TASKQ_REPORT_INIT;
    taskq_error err = TASKQ_ERROR_INIT;
    if (!taskq__path_id(request, reply, &id) || !taskq__body_object(request, reply, &json)) {
        return;
    }
    taskq_status status = taskq__wire_read_report(&json, 0, "", false, request->arena, &report, &err);
    taskq_jobs *jobs = NULL;
    bool minimal = prefers_minimal(request);
    if (status == TASKQ_OK) {
        report.id = id;
        status = taskq__scope_job(server, request, id, &err);
    }
    if (status == TASKQ_OK) {
        taskq_report *reports[] = {&report};
        status = taskq_scheduler_complete(server->scheduler, reports, 1, true, !minimal, NULL, minimal ? NULL : &jobs,
                                          NULL, &err);
    }
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
    } else if (report.status != TASKQ_OK) {
        reply_refusal(reply, report.status);
    } else if (minimal) {
        reply_minimal(reply, &report);
    } else {
        taskq__reply_job(reply, 200, report.job);
    }
    taskq_jobs_free(jobs);
}

void taskq__beat_emit(taskq__buf *body, const taskq_heartbeat *beat)
{
    taskq__emit_key(body, "lease_expires_at");
    taskq__emit_time(body, beat->lease_expires_at_ms);
    taskq__emit_key(body, "cancel_requested");
    taskq__emit_bool(body, beat->cancel_requested);
    taskq__emit_key(body, "quiet");
    taskq__emit_bool(body, beat->quiet);
}

void taskq__heartbeat_one(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    int64_t id;
    taskq__json json;
    taskq_heartbeat beat = TASKQ_HEARTBEAT_INIT;
    taskq_error err = TASKQ_ERROR_INIT;
    if (!taskq__path_id(request, reply, &id) || !taskq__body_object(request, reply, &json)) {
        return;
    }
    taskq_status status = taskq__wire_read_heartbeat(&json, 0, "", false, request->arena, &beat, &err);
    if (status == TASKQ_OK) {
        taskq_heartbeat *beats[] = {&beat};
        beat.id = id;
        status = taskq__scope_job(server, request, id, &err);
        status = status == TASKQ_OK ? taskq_scheduler_heartbeat(server->scheduler, beats, 1, &err) : status;
    }
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
        return;
    }
    if (beat.status != TASKQ_OK) {
        reply_refusal(reply, beat.status);
        return;
    }
    taskq__buf *body = taskq__reply_json(reply, 200);
    taskq__emit_open(body, '{');
    taskq__beat_emit(body, &beat);
    taskq__emit_close(body, '}');
}

void taskq__release_one(taskq_server *server, taskq__request *request, taskq__reply *reply)
{
    int64_t id;
    taskq__json json;
    taskq__wire_release release = {0, -1};
    taskq_error err = TASKQ_ERROR_INIT;
    if (!taskq__path_id(request, reply, &id) || !taskq__body_object(request, reply, &json)) {
        return;
    }
    taskq_jobs *jobs = NULL;
    taskq_status status = taskq__wire_read_release(&json, 0, request->arena, &release, &err);
    if (status == TASKQ_OK) {
        status = taskq__scope_job(server, request, id, &err);
    }
    if (status == TASKQ_OK) {
        status = taskq_scheduler_release(server->scheduler, id, release.version, release.delay_ms, &jobs, &err);
    }
    if (status != TASKQ_OK) {
        taskq__reply_failure(reply, status, &err);
        return;
    }
    taskq__reply_job(reply, 200, taskq_jobs_at(jobs, 0));
    taskq_jobs_free(jobs);
}
