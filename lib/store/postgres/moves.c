/* SPDX-License-Identifier: MIT */
/*
 * What the state machine decided, in memory: a job may be moved more than once in a batch (released and claimed again), and
 * its row is written once. The one thing it adds is where texts are kept: a result or an error is stored with the attempt that it
 * ended, and the job only says which attempt that is.
 */
#include "store/postgres/unit.h"

#include "core/job.h"

bool taskq__pg_count(taskq__pg_unit *unit, taskq_text queue, taskq_state from, taskq_state to)
{
    taskq__named *place = taskq__places_find(&unit->places, queue, (taskq_text){NULL, 0});
    if (place != NULL) {
        place->delta[from]--;
        place->delta[to]++;
    }
    return place != NULL;
}

bool taskq__pg_made_ready(taskq__pg_unit *unit, taskq__pg_touch *touch)
{
    const taskq_job *job = &touch->row.job;
    taskq__named *place = taskq__places_find(&unit->places, job->queue, job->type);
    if (place != NULL && !touch->ready_here) {
        touch->ready_here = true;
        place->ready++;
    }
    return place != NULL;
}

static bool was_claimed(taskq__pg_unit *unit, taskq__pg_touch *touch, const taskq_job *before)
{
    if (!touch->ready_here) {
        return true; /* it was ready before this batch */
    }
    taskq__named *place = taskq__places_find(&unit->places, before->queue, before->type);
    if (place != NULL) {
        touch->ready_here = false;
        place->ready--;
    }
    return place != NULL;
}

/* Counters, news of what is ready, and when the sweep is wanted. */
static bool note(taskq__pg_unit *unit, taskq__pg_touch *touch, const taskq_job *before)
{
    const taskq_job *after = &touch->row.job;
    if (!taskq__pg_count(unit, before->queue, before->state, after->state) ||
        (before->state == TASKQ_STATE_QUEUED && !was_claimed(unit, touch, before)) ||
        (after->state == TASKQ_STATE_QUEUED && !taskq__pg_made_ready(unit, touch))) {
        return false;
    }
    if (after->state == TASKQ_STATE_RUNNING) {
        taskq__batch_due_steady(unit->batch, taskq__job_expires_at(after));
    }
    taskq__batch_due(unit->batch, after);
    return true;
}

static bool add_ended(taskq__pg_unit *unit, taskq__pg_touch *touch, const taskq_job *before, const taskq_event *event,
                      const taskq_move *move)
{
    taskq__pg_ended *ended = taskq_arena_alloc(unit->arena, sizeof(*ended));
    if (ended == NULL) {
        return false;
    }
    *ended = (taskq__pg_ended){.version = before->version,
                               .started_at_ms = before->started_at_ms,
                               .finished_at_ms = move->after.updated_at_ms,
                               .attempt = before->attempt,
                               .outcome = move->ended,
                               .worker = before->worker,
                               .text = move->outcome,
                               .reported = event->kind == TASKQ_EVENT_SUCCEED || event->kind == TASKQ_EVENT_FAIL,
                               .digest = event->digest,
                               .next = touch->ended};
    touch->ended = ended;
    touch->row.extras |= TASKQ__HAS_ATTEMPTS;
    return true;
}

bool taskq__pg_move(taskq__pg_unit *unit, taskq__pg_touch *touch, const taskq_event *event, const taskq_move *move,
                    taskq_text poll)
{
    taskq__row *row = &touch->row;
    const taskq_job before = row->job;
    const taskq_job *after = &move->after;
    if (move->removed) {
        touch->removed = true;
        touch->there = false;
        return taskq__pg_count(unit, before.queue, before.state, (taskq_state)0);
    }
    if (after->version == before.version) {
        touch->asked = touch->asked || move->touched;
        row->job = *after;
        return true;
    }
    row->result_of = taskq__row_holder(after->result, before.result, row->result_of, before.version);
    row->error_of = taskq__row_holder(after->error, before.error, row->error_of, before.version);
    if (move->ended != TASKQ_OUTCOME_NONE && !add_ended(unit, touch, &before, event, move)) {
        return false;
    }
    if ((move->cleared || move->progress_cleared) && (row->extras & TASKQ__HAS_PROGRESS) != 0) {
        row->extras &= ~(uint32_t)TASKQ__HAS_PROGRESS;
        touch->progress_gone = true;
        touch->progress_set = false;
    }
    row->job = *after;
    touch->poll = poll;
    touch->changed = true;
    return note(unit, touch, &before);
}
