/* SPDX-License-Identifier: MIT */
/*
 * What travels together. A batch is a prefix of the line, bounded in ops, rows and bytes so that no caller waits long for
 * others. Left out of it is what names a job or key that is named already, and a walk, which goes alone. Added to it are
 * parked claims for the jobs that the batch is known to make ready: enqueue and claim are then one commit and one wake-up.
 */
#include "scheduler/line.h"

#include <stdlib.h>

enum { SKIPPED_MAX = 256 }; /* calls left out before the leader stops looking further down the line */

static uint32_t rows_of(const taskq_op *op)
{
    switch (op->kind) {
    case TASKQ_OP_BEAT:
    case TASKQ_OP_SETTLE: return op->count;
    case TASKQ_OP_ENQUEUE: return op->in.enqueue->count;
    case TASKQ_OP_CLAIM: return op->in.claim->limit;
    case TASKQ_OP_WALK: return op->in.walk->max;
    case TASKQ_OP_QUEUE: break;
    }
    return 1;
}

static size_t bytes_of(const taskq_op *op)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < op->count && op->kind == TASKQ_OP_SETTLE; i++) {
        bytes += op->in.events[i].outcome.size;
    }
    for (uint32_t i = 0; i < op->count && op->kind == TASKQ_OP_BEAT; i++) {
        bytes += op->in.beats[i].log.size + op->in.beats[i].progress.size;
    }
    for (uint32_t i = 0; op->kind == TASKQ_OP_ENQUEUE && i < op->in.enqueue->count; i++) {
        bytes += op->in.enqueue->jobs[i]->payload.size;
    }
    return bytes;
}

/* Adds the call if there is room for it. The first always has it. */
static bool add(taskq__batch *batch, taskq__call *call)
{
    uint32_t rows = 0;
    size_t bytes = 0;
    for (uint32_t i = 0; i < call->count; i++) {
        rows += rows_of(&call->ops[i]);
        bytes += bytes_of(&call->ops[i]);
    }
    if (batch->count > 0 && (batch->ops + call->count > TASKQ__BATCH_OPS || batch->rows + rows > TASKQ__BATCH_ROWS ||
                             batch->bytes + bytes > TASKQ__BATCH_BYTES)) {
        return false;
    }
    batch->calls[batch->count++] = call;
    batch->ops += call->count;
    batch->rows += rows;
    batch->bytes += bytes;
    return true;
}

/* True: a claim in the batch takes it, or nobody waits for it. False: the batch is full. */
static bool serve_job(taskq__line *line, taskq__batch *batch, taskq__pair pair, taskq__calls *done)
{
    for (uint32_t i = 0; i < batch->open_count; i++) {
        if (taskq__call_fits(batch->open[i].call, pair)) {
            if (--batch->open[i].room == 0) {
                batch->open[i] = batch->open[--batch->open_count];
            }
            return true;
        }
    }
    taskq__call *call;
    while ((call = taskq__waiters_oldest(&line->waiters, pair, 0)) != NULL) {
        if (!taskq__call_is_gone(call)) {
            if (!add(batch, call)) {
                return false;
            }
            taskq__line_unpark(line, call);
            call->place = TASKQ__CALL_TAKEN;
            call->served = true;
            uint32_t room = taskq__call_claim(call)->limit - 1;
            if (room > 0 && batch->open_count < sizeof(batch->open) / sizeof(batch->open[0])) {
                batch->open[batch->open_count].call = call;
                batch->open[batch->open_count++].room = room;
            }
            return true;
        }
        taskq__line_unpark(line, call);
        taskq__line_finish(call, TASKQ_OK, done);
    }
    return true;
}

/* A hint only: whether a job was really made, and is ready, the store finds out; what it makes ready and no claim of the
 * batch takes comes back from it. */
static void serve(taskq__line *line, taskq__batch *batch, const taskq__call *call, int64_t wall_ms, taskq__calls *done)
{
    if (call->ops[0].kind != TASKQ_OP_ENQUEUE) {
        return;
    }
    const taskq_enqueue *enqueue = call->ops[0].in.enqueue;
    for (uint32_t i = 0; i < enqueue->count && line->waiters.count > 0; i++) {
        const taskq_new_job *job = enqueue->jobs[i];
        if ((job->has_delay && job->delay_ms > 0) || (job->has_run_at && job->run_at_ms > wall_ms)) {
            continue;
        }
        taskq__pair pair = {taskq__line_hash(line, job->queue), taskq__line_hash(line, job->type)};
        if (!serve_job(line, batch, pair, done)) {
            return;
        }
    }
}

/* A claim whose client has hung up takes no lease: it ends, or its report travels without it. False: nothing is left of it. */
static bool strip_gone(taskq__line *line, taskq__call *call, taskq__calls *done)
{
    if (!taskq__call_claim(call) || !taskq__call_is_gone(call)) {
        return true;
    }
    if (call->count > 1) {
        call->count--;
        return true;
    }
    taskq__line_unlink(line, call);
    taskq__line_pass_on(line, call, done);
    taskq__line_finish(call, TASKQ_OK, done);
    return false;
}

static int by_arrival(const void *a, const void *b)
{
    const taskq__call *const *one = a;
    const taskq__call *const *other = b;
    return (*one)->arrival < (*other)->arrival ? -1 : (*one)->arrival > (*other)->arrival;
}

void taskq__batch_take(taskq__line *line, taskq__batch *batch, taskq__calls *done)
{
    batch->count = batch->ops = batch->rows = batch->open_count = 0;
    batch->bytes = 0;
    batch->ready_rounds = line->ready_rounds;
    taskq__names_begin(&line->names);
    int64_t wall_ms = taskq__timekeeper_now(line->options.time).wall_ms;
    uint32_t skipped = 0, served_before = 0;
    for (taskq__call *call = line->head, *next; call && skipped < SKIPPED_MAX; call = next) {
        next = call->next;
        if (call->holds) {
            break; /* it is next, and those behind it come after it */
        }
        bool walk = call->ops[0].kind == TASKQ_OP_WALK;
        if (walk && batch->count > 0) {
            skipped++;
            continue;
        }
        if (!strip_gone(line, call, done)) {
            continue;
        }
        if (line->names.count > TASKQ__NAMES_MAX - TASKQ__BATCH_ROWS || !taskq__names_take(&line->names, call)) {
            skipped++;
            continue;
        }
        if (!add(batch, call)) {
            break;
        }
        taskq__line_unlink(line, call);
        call->place = TASKQ__CALL_TAKEN;
        if (walk) {
            break;
        }
        uint32_t before = batch->count;
        serve(line, batch, call, wall_ms, done);
        served_before += batch->count - before;
    }
    if (served_before > 0) {
        qsort(batch->calls, batch->count, sizeof(batch->calls[0]), by_arrival);
    }
}
