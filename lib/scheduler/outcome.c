/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a batch that was tried. A refused op is an outcome and concerns its caller alone; a failed transaction
 * concerns every call in it and is never acknowledged. Parking a claim and looking who waits for what became ready are one
 * critical section, so no wake-up falls between them; a wake-up whose claim took another job is passed on.
 */
#include "scheduler/line.h"

#include <string.h>
#include <time.h>

#include "core/fail.h"
#include "core/job.h"
#include "core/log.h"
#include "store/store.h"

/* The ops by kind, then by arrival: the calls are by arrival already, so one pass a kind that occurs. */
static uint32_t collect_ops(taskq__call *const *calls, uint32_t count, taskq_op **ops, uint32_t *owners)
{
    uint32_t kinds = 0, op_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < calls[i]->count; k++) {
            kinds |= 1u << calls[i]->ops[k].kind;
        }
    }
    for (uint32_t kind = TASKQ_OP_QUEUE; kind <= TASKQ_OP_WALK; kind++) {
        for (uint32_t i = 0; i < count && (kinds & (1u << kind)); i++) {
            for (uint32_t k = 0; k < calls[i]->count; k++) {
                taskq_op *op = &calls[i]->ops[k];
                if ((uint32_t)op->kind == kind) {
                    op->status = TASKQ_OK;
                    owners[op_count] = i;
                    ops[op_count++] = op;
                }
            }
        }
    }
    return op_count;
}

static void pause_before_retry(taskq__line *line)
{
    int64_t us = 1000 + (int64_t)taskq__rng_below(line->options.rng, 19001);
    struct timespec pause = {0, (long)us * 1000};
    (void)nanosleep(&pause, NULL);
}

void taskq__batch_begin(taskq__line *line, taskq_batch *batch)
{
    taskq__arena_reset(line->arena);
    *batch = (taskq_batch){
        .struct_size = sizeof(*batch),
        .decide = taskq__job_decide,
        .now = taskq__timekeeper_now(line->options.time),
        .arena = line->arena,
        .ready = line->ready,
        .ready_max = TASKQ__READY_MAX,
        .next_due = {INT64_MAX, INT64_MAX},
    };
}

/* A commit that was OK. */
static void count_commit(taskq__line *line, uint32_t ops, bool wrote)
{
    atomic_fetch_add_explicit(&line->writes, wrote, memory_order_relaxed);
    atomic_fetch_add_explicit(&line->commits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&line->ops, ops, memory_order_relaxed);
}

/* `culprit`: the call at fault, with EINVAL; count where nobody can tell. */
static taskq_status commit(taskq__line *line, taskq__call *const *calls, uint32_t count, taskq_batch *batch,
                           uint32_t *culprit, taskq_error *err)
{
    taskq_op *ops[TASKQ__BATCH_OPS];
    uint32_t owners[TASKQ__BATCH_OPS];
    taskq_now ours = {0, 0};
    taskq_status status = TASKQ_EBUSY;
    int64_t began_ms = taskq__wake_clock_ms(), tried_ms = 0;
    for (int tries = 0; status == TASKQ_EBUSY && tries <= TASKQ__BUSY_TRIES; tries++) {
        if (tried_ms > TASKQ__BUSY_MS_MAX) {
            break; /* the store has waited by itself */
        }
        if (tries > 0) {
            pause_before_retry(line);
        }
        taskq__batch_begin(line, batch);
        batch->ops = ops;
        batch->count = collect_ops(calls, count, ops, owners);
        ours = batch->now;
        *err = (taskq_error)TASKQ_ERROR_INIT;
        tried_ms = -taskq__wake_clock_ms();
        status = taskq__store_commit(line->options.store, batch, err);
        tried_ms += taskq__wake_clock_ms();
    }
    line->last_commit_ms = taskq__wake_clock_ms() - began_ms;
    *culprit = status == TASKQ_EINVAL && batch->culprit < batch->count ? owners[batch->culprit] : count;
    if (status == TASKQ_OK) {
        atomic_store_explicit(&line->ahead_wall_ms, batch->now.wall_ms - ours.wall_ms, memory_order_relaxed);
        atomic_store_explicit(&line->ahead_steady_ms, batch->now.steady_ms - ours.steady_ms, memory_order_relaxed);
        count_commit(line, batch->count, ops[0]->kind != TASKQ_OP_WALK || ops[0]->in.walk->moved > 0);
    }
    batch->ops = NULL; /* it was on our stack */
    return status;
}

static taskq__pair pair_of(const taskq__line *line, taskq_text queue, taskq_text type)
{
    return (taskq__pair){taskq__line_hash(line, queue), taskq__line_hash(line, type)};
}

static uint32_t taken_of_pair(const taskq__line *line, const taskq_claim *claim, taskq__pair pair)
{
    uint32_t taken = 0;
    for (uint32_t i = 0; i < claim->job_count; i++) {
        taskq__pair got = pair_of(line, claim->jobs[i]->queue, claim->jobs[i]->type);
        taken += (!pair.queue || pair.queue == got.queue) && (!pair.type || pair.type == got.type);
    }
    return taken;
}

/* It may have left jobs that it would take: it has as many as it may, or they are large. */
static bool claim_is_full(const taskq_claim *claim)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < claim->job_count; i++) {
        bytes += claim->jobs[i]->payload.size;
    }
    return claim->job_count >= claim->limit || bytes >= claim->bytes_max / 4;
}

/* A claim that was woken for a job and took another one leaves it to the next. Where the pair is not known nobody can say whose
 * the rest is: what it did not take, be it a part or all, it hands on to the next younger. */
static void pass_on_what_it_left(taskq__line *line, taskq__call *call, const taskq_claim *claim, taskq__calls *done)
{
    uint32_t woken = call->woken_count;
    taskq__pair pair = call->woken_pair;
    call->woken_count = 0;
    uint32_t taken = woken > 0 ? taken_of_pair(line, claim, pair) : 0;
    if (taken >= woken) {
        return;
    }
    if (claim->job_count > 0 && claim_is_full(claim)) {
        (void)taskq__line_wake_parked(line, pair, woken - taken, 0, done);
    } else if (!pair.queue || !pair.type) {
        (void)taskq__line_wake_parked(line, pair, woken - taken, call->arrival, done);
    }
}

static void settle_claim(taskq__line *line, const taskq__batch *taken, taskq__call *call, const taskq_claim *claim,
                         taskq__calls *done)
{
    bool nothing = call->ops[call->count - 1].status == TASKQ_OK && claim->job_count == 0;
    if (!nothing || call->until_ms == 0 || call->expired || line->closed) {
        taskq__line_finish(call, TASKQ_OK, done);
        return;
    }
    if (line->ready_rounds != taken->ready_rounds) {
        taskq__line_append(line, call);
        return;
    }
    taskq__call *other = call->poll_hash ? taskq__waiters_of_poll(&line->waiters, call->poll_hash) : NULL;
    if (other && other->arrival > call->arrival) {
        taskq__line_finish(call, TASKQ_OK, done);
        return;
    }
    if (other) {
        taskq__line_unpark(line, other);
        taskq__line_finish(other, TASKQ_OK, done);
    }
    if (line->waiters.count >= line->options.parked_max) {
        (void)taskq__fail(&call->error, TASKQ_ELIMIT, "%u claims wait for a job already", line->waiters.count);
        taskq__line_finish(call, TASKQ_ELIMIT, done);
        return;
    }
    taskq__line_park(line, call);
}

/* Those that were owed another look since a batch failed get it with the first one that works again. */
static void wake_owed(taskq__line *line)
{
    line->owed = false;
    for (taskq__call *call = line->waiters.oldest, *next; call; call = next) {
        next = call->next;
        if (call->owed) {
            taskq__line_unpark(line, call);
            taskq__line_append(line, call);
        }
    }
}

static void settle_ok(taskq__line *line, taskq__batch *taken, const taskq_batch *batch, taskq__calls *done)
{
    bool found = false; /* by a claim that looked although nobody had told: there may be more of that */
    for (uint32_t i = 0; i < taken->count; i++) {
        taskq__call *call = taken->calls[i];
        const taskq_claim *claim = taskq__call_claim(call);
        call->looked = true;
        found = found || (call->looks && claim && claim->job_count > 0);
        call->served = call->owed = call->looks = false;
        if (claim) {
            pass_on_what_it_left(line, call, claim, done);
            settle_claim(line, taken, call, claim, done);
        } else {
            taskq__line_finish(call, TASKQ_OK, done);
        }
    }
    for (uint32_t i = 0; i < batch->ready_count && i < TASKQ__READY_MAX && line->waiters.count > 0; i++) {
        taskq_ready *ready = &line->ready[i];
        ready->count = taskq__line_wake_parked(line, pair_of(line, ready->queue, ready->type), ready->count, 0, done);
    }
    if (line->owed) {
        wake_owed(line);
    }
    if (found) {
        taskq__line_look(line, done);
    }
}

static bool lets_go_on(const taskq_op *op)
{
    return op->kind == TASKQ_OP_QUEUE && op->in.queue->set_paused && !op->in.queue->paused;
}

/* Claims that wait for a queue that goes on look again. */
static void wake_unpaused(taskq__line *line, const taskq__batch *taken, taskq__calls *done)
{
    for (uint32_t i = 0; i < taken->count; i++) {
        const taskq_op *op = &taken->calls[i]->ops[0];
        if (lets_go_on(op)) {
            taskq__pair pair = {taskq__line_hash(line, op->in.queue->name), 0};
            (void)taskq__line_wake_parked(line, pair, UINT32_MAX, 0, done);
        }
    }
}

/* Nothing is known to have happened. A claim that was parked stays so; it is owed another look where a job may be there. */
static void fail_call(taskq__line *line, taskq__call *call, taskq_status status, const taskq_error *err,
                      taskq__calls *done)
{
    bool was_parked = call->served || call->woken_count > 0 || call->owed || call->looks;
    if (was_parked && status != TASKQ_EINVAL && !call->expired && !line->closed) {
        /* With EUNKNOWN a served claim may hold a lease by now: with a poll it gets it when it asks again. */
        call->owed = call->owed || (!call->served && !call->looks) || (status == TASKQ_EUNKNOWN && call->poll_hash);
        line->owed = line->owed || call->owed;
        call->served = call->looks = false;
        taskq__line_park(line, call);
        return;
    }
    if (call->woken_count > 0) {
        taskq__line_pass_on(line, call, done);
    }
    call->error = *err;
    taskq__line_finish(call, status, done);
}

/* The store did not take a batch for seconds. Whoever stands behind it would wait as long again, and the next ones twice: they are told
 * at once that nothing was done for them. */
static void fail_waiting(taskq__line *line, taskq_status status, const taskq_error *err, taskq__calls *done)
{
    taskq_error behind = *err;
    if (status == TASKQ_EUNKNOWN) { /* of the batch, not of those */
        status = taskq__fail(&behind, TASKQ_EUNAVAIL, "nothing was done, the store gave no answer to those before: %s",
                             err->text);
    }
    for (taskq__call *call = line->head, *next; call; call = next) {
        next = call->next;
        if (!call->holds) {
            taskq__line_unlink(line, call);
            fail_call(line, call, status, &behind, done);
        }
    }
}

/* For other servers, in line->ready: what none of our own claims takes, and queues that go on. Under the lock: a claim that was
 * parked again may be gone without it. */
static uint32_t gather_news(taskq__line *line, const taskq__batch *taken, const taskq_batch *batch)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < batch->ready_count; i++) {
        if (line->ready[i].count > 0) {
            line->ready[count++] = line->ready[i];
        }
    }
    for (uint32_t i = 0; i < taken->count && count < TASKQ__READY_MAX; i++) {
        const taskq_op *op = &taken->calls[i]->ops[0];
        if (lets_go_on(op)) {
            line->ready[count++] = (taskq_ready){op->in.queue->name, {NULL, 0}, UINT32_MAX};
        }
    }
    return count;
}

static void announce(taskq__line *line, uint32_t count)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_status status = taskq__store_announce(line->options.store, line->ready, count, &err);
    if (status != TASKQ_OK && !line->announce_failed) {
        taskq__log_format(line->options.log, TASKQ_LOG_WARN, "scheduler",
                          "other servers were not told of ready jobs: %s", err.text);
    }
    line->announce_failed = status != TASKQ_OK;
}

static bool is_out_of_reach(taskq_status status)
{
    return status == TASKQ_EUNAVAIL || status == TASKQ_EUNKNOWN;
}

static void settle(taskq__line *line, taskq__batch *taken, const taskq_batch *batch, taskq_status status,
                   const taskq_error *err, taskq__calls *done)
{
    uint32_t news = 0;
    pthread_mutex_lock(&line->lock);
    line->upkeep_due = line->upkeep_due || status == TASKQ_OK;
    if (status == TASKQ_OK) {
        wake_unpaused(line, taken, done);
        settle_ok(line, taken, batch, done);
        news = line->shared ? gather_news(line, taken, batch) : 0;
    } else {
        for (uint32_t i = 0; i < taken->count; i++) {
            fail_call(line, taken->calls[i], status, err, done);
        }
        if (is_out_of_reach(status) && line->last_commit_ms >= TASKQ__SLOW_FAILURE_MS) {
            fail_waiting(line, status, err, done);
        }
    }
    atomic_store_explicit(&line->parked, line->waiters.count, memory_order_relaxed);
    pthread_mutex_unlock(&line->lock);
    if (news > 0) {
        announce(line, news);
    }
    bool due = status == TASKQ_OK && (batch->next_due.wall_ms != INT64_MAX || batch->next_due.steady_ms != INT64_MAX);
    if (due && line->options.due) {
        line->options.due(line->options.user, batch->next_due, batch->now);
    }
}

static void settle_one(taskq__line *line, const taskq__batch *taken, taskq__call *call, taskq_status status,
                       const taskq_error *err, taskq__calls *done)
{
    taskq__batch alone = {.calls = {call}, .count = 1, .ready_rounds = taken->ready_rounds};
    settle(line, &alone, NULL, status, err, done);
}

/* One of them stands in the way of all: somebody has locked what it needs, or the store refuses it. */
static void lead_one_by_one(taskq__line *line, taskq__batch *taken, taskq__calls *done)
{
    taskq_batch batch;
    taskq_error err, busy = TASKQ_ERROR_INIT;
    uint32_t culprit;
    int64_t busy_ms = 0;
    for (uint32_t i = 0; i < taken->count; i++) {
        if (busy_ms >= TASKQ__BUSY_ALL_MS_MAX) { /* untried: it is not one of them, it is all */
            settle_one(line, taken, taken->calls[i], TASKQ_EBUSY, &busy, done);
            continue;
        }
        taskq__batch alone = {.calls = {taken->calls[i]}, .count = 1, .ready_rounds = taken->ready_rounds};
        taskq_status status = commit(line, alone.calls, 1, &batch, &culprit, &err);
        if (status == TASKQ_EBUSY) {
            busy_ms += line->last_commit_ms;
            busy = err;
        }
        settle(line, &alone, &batch, status, &err, done);
    }
}

void taskq__batch_lead(taskq__line *line, taskq__batch *taken, taskq__calls *done)
{
    taskq_batch batch;
    taskq_error err;
    while (taken->count > 0) {
        uint32_t culprit;
        taskq_status status = commit(line, taken->calls, taken->count, &batch, &culprit, &err);
        if (taken->count > 1 && status == TASKQ_EBUSY && line->shared) {
            lead_one_by_one(line, taken, done);
            return;
        }
        if (status != TASKQ_EINVAL || taken->count == 1) {
            settle(line, taken, &batch, status, &err, done);
            return;
        }
        if (culprit < taken->count) {
            taskq__call *guilty = taken->calls[culprit];
            taken->count--;
            memmove(&taken->calls[culprit], &taken->calls[culprit + 1],
                    (taken->count - culprit) * sizeof(taken->calls[0]));
            settle_one(line, taken, guilty, status, &err, done);
            continue;
        }
        taskq__log_format(line->options.log, TASKQ_LOG_WARN, "scheduler",
                          "a batch of %u calls was refused as a whole and is tried call by call: %s", taken->count,
                          err.text);
        lead_one_by_one(line, taken, done);
        return;
    }
}

void taskq__batch_settle_held(taskq__line *line, taskq_batch *batch, uint32_t ops, taskq__calls *done)
{
    taskq__batch nobody = {.count = 0};
    count_commit(line, ops, true);
    settle(line, &nobody, batch, TASKQ_OK, NULL, done);
}
