/* SPDX-License-Identifier: MIT */
/*
 * Asking for jobs. There is one claim at a time, made by a poll of its own or as the `next` of a report, and it keeps its id and its slots
 * until an answer to it has arrived: a claim whose answer was lost on the way may have leased jobs, and asking again under the same id brings
 * exactly those, on any server of the store.
 */
#include "worker/core.h"

#include "core/backoff.h"
#include "wire/emit.h"

#include <stdio.h>
#include <string.h>

#include <taskq/version.h>

enum { PUT_OFF_MS_MAX = 120000, EARLY_BASE_MS = 100, CLAIM_BODY_BYTES_MAX = 32768 };

static void draw_id(taskq_worker *worker)
{
    snprintf(worker->claim.id, sizeof(worker->claim.id), "%016llx%016llx",
             (unsigned long long)taskq__rng_next(&worker->rng), (unsigned long long)taskq__rng_next(&worker->rng));
}

void taskq__claim_write(taskq_worker *worker, taskq__buf *buf, uint32_t limit, int64_t wait_ms)
{
    taskq__claim *claim = &worker->claim;
    if (!claim->wanted_again) {
        draw_id(worker);
        claim->may_hold = false;
        claim->limit = limit < TASKQ_CLAIM_JOBS_MAX ? limit : TASKQ_CLAIM_JOBS_MAX;
    }
    claim->wanted_again = false;
    claim->in_flight = true;
    claim->wait_ms = wait_ms;
    claim->asked_at_ms = taskq__worker_now_ms(worker);
    taskq__emit_open(buf, '{');
    taskq__emit_key(buf, "queue");
    taskq__emit_string(buf, taskq_text_of(worker->queues));
    taskq__emit_key(buf, "type");
    taskq__emit_string(buf, taskq_text_of(worker->types));
    taskq__emit_key(buf, "worker");
    taskq__emit_string(buf, taskq_text_of(worker->id));
    taskq__emit_key(buf, "host");
    taskq__emit_string(buf, taskq_text_of(worker->host));
    taskq__emit_key(buf, "version");
    taskq__emit_string(buf, taskq_text_of(TASKQ_VERSION));
    taskq__emit_key(buf, "concurrency");
    taskq__emit_int(buf, worker->concurrency);
    taskq__emit_key(buf, "limit");
    taskq__emit_int(buf, claim->limit);
    taskq__emit_key(buf, "poll");
    taskq__emit_string(buf, taskq_text_of(claim->id));
    if (wait_ms > 0) {
        taskq__buf_add_format(buf, ",\"wait\":%lld.%03lld", (long long)(wait_ms / 1000), (long long)(wait_ms % 1000));
    }
    taskq__emit_close(buf, '}');
}

void taskq__claim_answered(taskq_worker *worker)
{
    taskq__claim *claim = &worker->claim;
    claim->in_flight = false;
    if (claim->poll == NULL && claim->recall == NULL && !claim->wanted_again) {
        claim->limit = 0;
    }
    claim->answers++;
    worker->ask_limit = worker->ask_once ? 0 : worker->ask_limit;
    worker->dirty = true;
}

void taskq__claim_failed(taskq_worker *worker, bool may_hold)
{
    worker->claim.in_flight = false;
    worker->claim.wanted_again = true;
    worker->claim.may_hold = worker->claim.may_hold || may_hold;
    worker->dirty = true;
}

/* A held poll that comes back empty before its time (the server ends, the worker is quiet) must not become a loop without a pause. */
static void note_emptiness(taskq_worker *worker, uint32_t brought)
{
    taskq__claim *claim = &worker->claim;
    int64_t now_ms = taskq__worker_now_ms(worker);
    if (brought > 0 || claim->wait_ms == 0 || worker->stop_seen_at_ms != 0 ||
        now_ms - claim->asked_at_ms >= claim->wait_ms / 2) {
        claim->early = 0;
        return;
    }
    claim->early += claim->early < 16 ? 1 : 0;
    claim->not_before_ms = now_ms + taskq__backoff_full_jitter_ms(EARLY_BASE_MS, worker->poll_interval_ms, claim->early,
                                                                  taskq__rng_next(&worker->rng));
}

/* A server that holds as many polls as it can answers 503 and takes reports all the same: where there is no other server, only the poll is put
 * off. True: that was it. */
static bool is_put_off(taskq_worker *worker, uint32_t server, const taskq__answer *answer)
{
    taskq__claim *claim = &worker->claim;
    if (answer->class != TASKQ__HTTP_OK || (answer->status != 503 && answer->status != 429) ||
        answer->retry_after_ms == 0 || worker->servers.count > 1) {
        return false;
    }
    int64_t pause_ms = answer->retry_after_ms < PUT_OFF_MS_MAX ? answer->retry_after_ms : PUT_OFF_MS_MAX;
    claim->not_before_ms =
        taskq__worker_now_ms(worker) + pause_ms + (int64_t)taskq__rng_below(&worker->rng, TASKQ__BREAKER_BASE_MS);
    taskq__servers_answered(&worker->servers, server);
    taskq__log_format(&worker->log, TASKQ_LOG_WARN, "worker",
                      "the server takes no poll now, it is asked again in %lld ms", (long long)pause_ms);
    return true;
}

bool taskq__claim_read(taskq_worker *worker, uint32_t server, const taskq__answer *answer, uint32_t *brought)
{
    char why[256];
    taskq__list jobs;
    if (is_put_off(worker, server, answer)) {
        taskq__claim_failed(worker, taskq__answer_leaves_open(answer));
        return false;
    }
    taskq__verdict verdict = taskq__worker_judge(worker, server, answer);
    if (verdict != TASKQ__ANSWERED) {
        if (verdict != TASKQ__AGAIN) {
            taskq__worker_problem(worker, answer, why, sizeof(why));
            taskq__worker_misread(worker, server, why); /* it does not understand this worker's polls */
        }
        taskq__claim_failed(worker, taskq__answer_leaves_open(answer));
        return false;
    }
    *brought = 0;
    if (answer->status == 204) {
        return true;
    }
    bool fine = taskq__list_open(&jobs, &worker->allocator, answer->body, "jobs");
    *brought = fine ? taskq__tasks_take(worker, &jobs) : 0;
    taskq__list_close(&jobs);
    if (!fine) {
        taskq__worker_misread(worker, server, "the answer to a poll is no list of jobs");
        taskq__claim_failed(worker, true);
    }
    return fine;
}

static void poll_done(void *user, const taskq__answer *answer)
{
    taskq_worker *worker = user;
    taskq__claim *claim = &worker->claim;
    uint32_t brought;
    claim->poll = NULL;
    if (taskq__claim_read(worker, claim->server, answer, &brought)) {
        note_emptiness(worker, brought);
        taskq__claim_answered(worker);
    }
}

taskq__exchange *taskq__claim_post(taskq_worker *worker, uint32_t server, uint32_t limit, int64_t wait_ms,
                                   taskq__answer_fn *done)
{
    taskq__buf body;
    taskq__buf_init(&body, &worker->allocator, CLAIM_BODY_BYTES_MAX);
    taskq__claim_write(worker, &body, limit, wait_ms);
    taskq__exchange *exchange =
        taskq__worker_post(worker, server, "/next-job", &body, wait_ms + TASKQ__REQUEST_TIMEOUT_MS, done, worker);
    taskq__buf_clear(&body);
    if (exchange == NULL) {
        taskq__claim_failed(worker, false);
        worker->dirty = false;
        worker->claim.not_before_ms = taskq__worker_now_ms(worker) + EARLY_BASE_MS;
    }
    return exchange;
}

void taskq__poller_advance(taskq_worker *worker, int64_t now_ms, int64_t *next_in_ms)
{
    taskq__claim *claim = &worker->claim;
    uint32_t limit = taskq__tasks_free_slots(worker);
    limit = limit < worker->ask_limit ? limit : worker->ask_limit;
    if (claim->in_flight || limit == 0) {
        return; /* a lost claim's slots are free too, nothing else takes them */
    }
    if (now_ms < claim->not_before_ms) {
        taskq__sooner(next_in_ms, claim->not_before_ms - now_ms);
        return;
    }
    if (!taskq__worker_pick(worker, &claim->server, next_in_ms)) {
        return;
    }
    /* A server that is being tried is not asked to hold the poll: reports wait to know whether it is back. */
    bool trial = worker->servers.list[claim->server].state == TASKQ__BREAKER_HALF_OPEN;
    int64_t wait_ms = trial ? 0 : worker->ask_wait_ms;
    claim->poll = taskq__claim_post(worker, claim->server, limit, wait_ms, poll_done);
    if (claim->poll == NULL) {
        taskq__sooner(next_in_ms, EARLY_BASE_MS);
    }
}
