/* SPDX-License-Identifier: MIT */
/*
 * What producers do most, in plain values: enqueue, look, wait, cancel. An enqueue always carries an idempotency key, so that the client
 * may ask a second time where the first answer was lost; and what is not JSON is found here, before it can spoil the request around it.
 */
#include "core/fail.h"
#include "core/job.h"
#include "core/scan.h"
#include "core/sized.h"
#include "core/text.h"
#include "wire/record.h"
#include "worker/client.h"

#include <stdio.h>
#include <string.h>

enum { BODY_BYTES_MAX = 256 << 20, WAIT_FIRST_MS = 20, WAIT_MOST_MS = 1000, WAIT_OUTAGE_MS = 60000 };

/* ---- enqueueing -------------------------------------------------------------------------------------------------------------------------- */

static taskq_status write_job(taskq__buf *buf, const taskq_new_job *job, taskq_error *err)
{
    taskq_new_job whole;
    taskq_error why = TASKQ_ERROR_INIT;
    taskq_status status = TASKQ__SIZED_IN(job, &whole, err);
    status = status == TASKQ_OK ? taskq__new_job_check(&whole, err) : status;
    if (status == TASKQ_OK && whole.payload.size > 0 && taskq__json_check(whole.payload, &why) != TASKQ_OK) {
        status = taskq__fail_field(err, TASKQ_ESYNTAX, "/payload", "the payload is no JSON: %s", why.text);
    }
    if (status == TASKQ_OK) {
        taskq__wire_write_new_job(buf, &whole);
    }
    return status;
}

static taskq_status send_jobs(taskq_client *client, const taskq__buf *body, const char *key, taskq_text traceparent,
                              taskq_reply *reply, taskq_error *err)
{
    char drawn[TASKQ__DRAWN_KEY_BYTES];
    if (body->failed) {
        return body->no_memory ? taskq__fail_memory(err) : taskq__fail(err, TASKQ_ELIMIT, "the jobs are too large");
    }
    if (key == NULL) {
        taskq__client_draw_key(client, drawn);
        key = drawn;
    }
    taskq__question q = {
        .method = "POST", .path = "/jobs", .body = taskq__buf_text(body), .key = key, .traceparent = traceparent};
    return taskq__client_send(client, &q, reply, err);
}

/* ENOMEM would say that nothing was done; by now the jobs are there. */
static taskq_status read_made(const taskq_reply *reply, taskq_jobs **out, taskq_error *err)
{
    taskq_status status = taskq_reply_jobs(reply, out, err);
    return status == TASKQ_ENOMEM
               ? taskq__fail(err, TASKQ_EUNKNOWN, "it was enqueued, but there is no memory to read the answer")
               : status;
}

taskq_status taskq_client_enqueue(taskq_client *client, const taskq_new_job *job, const char *idempotency_key,
                                  taskq_reply *reply, int64_t *id, bool *existing, taskq_error *err)
{
    taskq_reply own = TASKQ_REPLY_INIT;
    taskq_reply *to = reply == NULL ? &own : reply;
    taskq_jobs *jobs = NULL;
    taskq__buf body;
    if (client == NULL) {
        return taskq__fail(err, TASKQ_EINVAL, "a client is required");
    }
    taskq_status status = taskq__client_check(client, err);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq__buf_init(&body, taskq__client_allocator(client), BODY_BYTES_MAX);
    status = write_job(&body, job, err);
    if (status == TASKQ_OK) {
        status = send_jobs(client, &body, idempotency_key, job->traceparent, to, err);
    }
    if (status == TASKQ_OK) {
        status = read_made(to, &jobs, err);
    }
    if (status == TASKQ_OK && taskq_jobs_count(jobs) != 1) {
        status = taskq__fail(err, TASKQ_EPROTO, "the answer is not one job");
    }
    if (status == TASKQ_OK && id != NULL) {
        *id = taskq_jobs_at(jobs, 0)->id;
    }
    if (status == TASKQ_OK && existing != NULL) {
        *existing = taskq_jobs_at(jobs, 0)->existing;
    }
    taskq_jobs_free(jobs);
    taskq_reply_clear(&own);
    taskq__buf_clear(&body);
    return status;
}

static taskq_status write_jobs(taskq__buf *body, const taskq_new_job *const *jobs, uint32_t count, taskq_error *err)
{
    char place[32];
    taskq__buf_add_string(body, "{\"jobs\":[");
    for (uint32_t i = 0; i < count; i++) {
        taskq__buf_add_string(body, i == 0 ? "" : ",");
        taskq_status status = write_job(body, jobs[i], err);
        if (status != TASKQ_OK) {
            snprintf(place, sizeof(place), "/jobs/%u", i);
            taskq__fail_prefix(err, place);
            return status;
        }
    }
    taskq__buf_add_string(body, "]}");
    return TASKQ_OK;
}

/* The header holds for all jobs of a request, so it is sent where they agree on it. */
static taskq_text common_traceparent(const taskq_new_job *const *jobs, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        if (!taskq__text_equal(jobs[0]->traceparent, jobs[i]->traceparent)) {
            return (taskq_text){NULL, 0};
        }
    }
    return jobs[0]->traceparent;
}

taskq_status taskq_client_enqueue_many(taskq_client *client, const taskq_new_job *const *jobs, uint32_t count,
                                       int64_t *ids, taskq_error *err)
{
    taskq_reply reply = TASKQ_REPLY_INIT;
    taskq_jobs *made = NULL;
    taskq__buf body;
    if (client == NULL || jobs == NULL || count == 0 || count > TASKQ_ENQUEUE_JOBS_MAX) {
        return taskq__fail(err, TASKQ_EINVAL, "a client and 1 to %d jobs are required", TASKQ_ENQUEUE_JOBS_MAX);
    }
    taskq_status status = taskq__client_check(client, err);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq__buf_init(&body, taskq__client_allocator(client), BODY_BYTES_MAX);
    status = write_jobs(&body, jobs, count, err);
    if (status == TASKQ_OK) {
        status = send_jobs(client, &body, NULL, common_traceparent(jobs, count), &reply, err);
    }
    if (status == TASKQ_OK) {
        status = read_made(&reply, &made, err);
    }
    if (status == TASKQ_OK && taskq_jobs_count(made) != count) {
        status = taskq__fail(err, TASKQ_EPROTO, "the answer has %u jobs for %u", taskq_jobs_count(made), count);
    }
    for (uint32_t i = 0; status == TASKQ_OK && ids != NULL && i < count; i++) {
        ids[i] = taskq_jobs_at(made, i)->id;
    }
    taskq_jobs_free(made);
    taskq_reply_clear(&reply);
    taskq__buf_clear(&body);
    return status;
}

/* ---- one job ------------------------------------------------------------------------------------------------------------------------------- */

static taskq_status on_job(taskq_client *client, const char *method, int64_t id, const char *action, taskq_reply *reply,
                           taskq_error *err)
{
    char path[64];
    if (client == NULL || id < 1) {
        return taskq__fail(err, TASKQ_EINVAL, "a client and the id of a job are required");
    }
    snprintf(path, sizeof(path), "/jobs/%lld%s", (long long)id, action);
    taskq__question q = {.method = method, .path = path};
    return taskq__client_send(client, &q, reply, err);
}

taskq_status taskq_client_get(taskq_client *client, int64_t id, taskq_state *state, taskq_reply *reply, taskq_error *err)
{
    taskq_reply own = TASKQ_REPLY_INIT;
    char word[32];
    taskq_reply *to = reply == NULL ? &own : reply;
    taskq_status status = on_job(client, "GET", id, "", to, err);
    if (status == TASKQ_OK && state != NULL) {
        status = taskq_reply_string(to, "/state", word, sizeof(word), err);
        if (status == TASKQ_OK && taskq__state_parse(taskq_text_of(word), state) != TASKQ_OK) {
            status = taskq__fail(err, TASKQ_EPROTO, "the job is in a state that this version does not know: %s", word);
        }
    }
    taskq_reply_clear(&own);
    return status;
}

taskq_status taskq_client_wait(taskq_client *client, int64_t id, int64_t timeout_ms, taskq_state *state,
                               taskq_reply *reply, taskq_error *err)
{
    if (timeout_ms < 0) {
        return taskq__fail(err, TASKQ_EINVAL, "a time-out is not negative");
    }
    int64_t begun_ms = taskq__client_now_ms(), heard_ms = begun_ms, pause_ms = WAIT_FIRST_MS;
    for (;;) {
        taskq_state now = (taskq_state)0;
        taskq_status status = taskq_client_get(client, id, &now, reply, err);
        int64_t at_ms = taskq__client_now_ms();
        if (status == TASKQ_OK && taskq_state_is_terminal(now)) {
            if (state != NULL) {
                *state = now;
            }
            return TASKQ_OK;
        }
        heard_ms = status == TASKQ_OK ? at_ms : heard_ms;
        /* A server that is being restarted is waited for; one that stays away is not. */
        if (status != TASKQ_OK && (!taskq_status_is_retryable(status) || at_ms - heard_ms > WAIT_OUTAGE_MS)) {
            return status;
        }
        int64_t left_ms = timeout_ms == 0 ? WAIT_MOST_MS : begun_ms + timeout_ms - at_ms;
        if (left_ms <= 0) {
            return taskq__fail(err, TASKQ_ETIMEDOUT, "job %lld has not ended within %lld ms", (long long)id,
                               (long long)timeout_ms);
        }
        taskq__client_sleep(pause_ms < left_ms ? pause_ms : left_ms);
        pause_ms = pause_ms * 2 < WAIT_MOST_MS ? pause_ms * 2 : WAIT_MOST_MS;
    }
}

taskq_status taskq_client_cancel(taskq_client *client, int64_t id, taskq_reply *reply, taskq_error *err)
{
    return on_job(client, "POST", id, "/cancel", reply, err);
}

taskq_status taskq_client_retry(taskq_client *client, int64_t id, taskq_reply *reply, taskq_error *err)
{
    return on_job(client, "POST", id, "/retry", reply, err);
}

taskq_status taskq_client_delete(taskq_client *client, int64_t id, taskq_error *err)
{
    return on_job(client, "DELETE", id, "", NULL, err);
}
