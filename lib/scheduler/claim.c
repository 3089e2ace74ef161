/* SPDX-License-Identifier: MIT */
/*
 * Claiming: a worker asks for jobs of some queues and types and may wait for one. Waiting is a matter of the line, where
 * the claim is parked; here it is checked, turned into an op, and given a node for each pair that it waits for.
 */
#include "scheduler/scheduler.h"

#include "core/alloc.h"
#include "core/fail.h"
#include "core/sized.h"
#include "core/text.h"

#define CLAIM_WAIT_MS_MAX 60000

/* Names without those that occur twice: a job must not be met twice by one claim. */
static taskq_status take_names(const taskq_text *names, uint32_t count, const char *what, taskq_text *out,
                               uint32_t *out_count, taskq_error *err)
{
    if (count > TASKQ_CLAIM_NAMES_MAX || (count > 0 && !names)) {
        return taskq__fail_field(err, TASKQ_EINVAL, what, "more than %d names", TASKQ_CLAIM_NAMES_MAX);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!taskq__text_is_name(names[i])) {
            return taskq__fail_field(err, TASKQ_EINVAL, what, "a name has 1 to %d of A-Z a-z 0-9 . _ : / -",
                                     TASKQ_NAME_BYTES_MAX);
        }
        bool twice = false;
        for (uint32_t k = 0; k < kept && !twice; k++) {
            twice = taskq__text_equal(out[k], names[i]);
        }
        if (!twice) {
            out[kept++] = names[i];
        }
    }
    *out_count = kept;
    return TASKQ_OK;
}

static taskq_status check(const taskq_claim_options *options, taskq_error *err)
{
    if (options->worker.size > 0 && !taskq__text_is_name(options->worker)) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/worker", "a name has 1 to %d of A-Z a-z 0-9 . _ : / -",
                                 TASKQ_NAME_BYTES_MAX);
    }
    if (options->poll.size > 0 && !taskq__text_is_key(options->poll)) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/poll", "a poll's id has 1 to %d characters, none of them NUL",
                                 TASKQ_KEY_CHARS_MAX);
    }
    if (options->poll.size > 0 && options->worker.size == 0) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/poll", "a poll's id needs a worker");
    }
    if (options->limit > TASKQ_CLAIM_JOBS_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/limit", "the limit is not within 1 and %d", TASKQ_CLAIM_JOBS_MAX);
    }
    if (options->wait_ms < 0 || options->wait_ms > CLAIM_WAIT_MS_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/wait_ms", "the wait is not within 0 and %d ms", CLAIM_WAIT_MS_MAX);
    }
    return TASKQ_OK;
}

static taskq_status take_options(const taskq_claim_options *options, taskq__claim_work *work, taskq_error *err)
{
    taskq_status status = check(options, err);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq_claim *claim = &work->claim;
    *claim = (taskq_claim){
        .queues = work->queues,
        .types = work->types,
        .worker = options->worker,
        .poll = options->poll,
        .limit = options->limit ? options->limit : 1,
        .bytes_max = TASKQ_CLAIM_BYTES_MAX,
    };
    static const taskq_text fallback = {"default", 7};
    status = options->queue_count > 0
                 ? take_names(options->queues, options->queue_count, "/queue", work->queues, &claim->queue_count, err)
                 : take_names(&fallback, 1, "/queue", work->queues, &claim->queue_count, err);
    if (status == TASKQ_OK) {
        status = take_names(options->types, options->type_count, "/type", work->types, &claim->type_count, err);
    }
    return status;
}

/* What it waits for: every queue with every type, or with any. */
static taskq_status make_nodes(const taskq_scheduler *scheduler, taskq__call *call, taskq__claim_work *work,
                               taskq_error *err)
{
    const taskq_claim *claim = &work->claim;
    uint32_t types = claim->type_count > 0 ? claim->type_count : 1;
    uint32_t count = claim->queue_count * types;
    if (count > sizeof(work->few) / sizeof(work->few[0])) {
        work->nodes = taskq__alloc_array(work->allocator, count, sizeof(*work->nodes));
        if (!work->nodes) {
            return taskq__fail_memory(err);
        }
    }
    for (uint32_t q = 0, at = 0; q < claim->queue_count; q++) {
        uint64_t queue = taskq__line_hash(scheduler->line, claim->queues[q]);
        for (uint32_t t = 0; t < types; t++, at++) {
            uint64_t type = claim->type_count > 0 ? taskq__line_hash(scheduler->line, claim->types[t]) : 0;
            work->nodes[at] = (taskq__park_node){.pair = {queue, type}, .call = call};
        }
    }
    call->nodes = work->nodes;
    call->node_count = count;
    return TASKQ_OK;
}

taskq_status taskq__claim_begin(taskq_scheduler *scheduler, const taskq_claim_options *given, taskq__call *call,
                                taskq_jobs *list, taskq__claim_work *work, taskq_error *err)
{
    work->nodes = work->few;
    work->allocator = &scheduler->allocator;
    taskq_claim_options own;
    const taskq_claim_options *options = &own;
    taskq_status status = TASKQ__SIZED_IN(given, &own, err);
    if (status == TASKQ_OK) {
        status = take_options(options, work, err);
    }
    if (status != TASKQ_OK) {
        return status;
    }
    if (options->wait_ms > 0) {
        status = make_nodes(scheduler, call, work, err);
        if (status != TASKQ_OK) {
            return status;
        }
        call->until_ms = taskq__wake_clock_ms() + options->wait_ms;
    }
    if (options->poll.size > 0) {
        uint64_t worker = taskq__line_hash(scheduler->line, options->worker);
        call->poll_hash = (worker * 31) ^ taskq__line_hash(scheduler->line, options->poll);
    }
    call->gone = options->gone;
    call->user = options->user;
    taskq_op *op = &call->ops[call->count++];
    op->kind = TASKQ_OP_CLAIM;
    op->in.claim = &work->claim;
    op->count = 1;
    op->arena = taskq__jobs_arena(list);
    return TASKQ_OK;
}

void taskq__claim_end(taskq_scheduler *scheduler, const taskq__claim_work *work, taskq_jobs *list)
{
    const taskq_claim *claim = &work->claim;
    if (claim->job_count == 0) {
        return;
    }
    taskq_now now = taskq__scheduler_now(scheduler);
    for (uint32_t i = 0; i < claim->job_count; i++) {
        taskq__stats_claimed(&scheduler->stats, now, claim->jobs[i]);
    }
    taskq__jobs_set(list, claim->jobs, claim->job_count, 0);
}

void taskq__claim_clear(taskq__claim_work *work)
{
    if (work->nodes != work->few) {
        taskq__free(work->allocator, work->nodes);
    }
}

taskq_status taskq_scheduler_claim(taskq_scheduler *scheduler, const taskq_claim_options *options, taskq_jobs **out,
                                   taskq_error *err)
{
    if (!scheduler || !out) {
        return taskq__fail(err, TASKQ_EINVAL, "there is no scheduler, or no place for the jobs");
    }
    taskq_status status = taskq__scheduler_enter(scheduler, err);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq__call call = {.count = 0};
    taskq__claim_work work;
    work.nodes = work.few;
    taskq_jobs *list = taskq__jobs_new(&scheduler->allocator);
    if (!list) {
        status = taskq__fail_memory(err);
        goto out;
    }
    status = taskq__claim_begin(scheduler, options, &call, list, &work, err);
    if (status == TASKQ_OK) {
        status = taskq__scheduler_run(scheduler, &call, 0, err);
    }
    if (status == TASKQ_OK) {
        taskq__claim_end(scheduler, &work, list);
        *out = list;
        list = NULL;
    }
out:
    taskq__claim_clear(&work);
    taskq_jobs_free(list);
    taskq__scheduler_leave(scheduler);
    return status;
}
