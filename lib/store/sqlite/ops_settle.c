/* SPDX-License-Identifier: MIT */
/*
 * Events on jobs that are there: reports, releases, cancels, retries, deletes. Each stands alone; what is refused is found
 * by reading, before anything is written. A report whose answer was lost comes again and is answered as the first time.
 */
#include "store/sqlite/batch.h"

/* Was the attempt with that version ended by a report of the same content? */
static int is_repeated(taskq__txn *txn, const taskq_event *event, bool *out)
{
    *out = false;
    if (event->version == 0 || (event->kind != TASKQ_EVENT_SUCCEED && event->kind != TASKQ_EVENT_FAIL)) {
        return SQLITE_OK;
    }
    taskq__cmd read = taskq__cmd_of(txn->conn, TASKQ__SQL_ATTEMPT_DIGEST);
    taskq__cmd_int(&read, event->id);
    taskq__cmd_int(&read, event->version);
    *out = taskq__cmd_row(&read) && (uint64_t)taskq__cmd_column(&read, 0) == event->digest;
    return taskq__cmd_end(&read);
}

int taskq__unique_find(taskq__txn *txn, taskq_text queue, taskq_text key, int64_t *out)
{
    taskq__cmd find = taskq__cmd_of(txn->conn, TASKQ__SQL_UNIQUE_FIND);
    taskq__cmd_text(&find, queue);
    taskq__cmd_text(&find, key);
    *out = taskq__cmd_row(&find) ? taskq__cmd_column(&find, 0) : 0;
    return taskq__cmd_end(&find);
}

static int is_key_taken(taskq__txn *txn, const taskq_job *job, bool *out)
{
    int64_t holder = 0;
    int rc = job->unique_key.size == 0 ? SQLITE_OK : taskq__unique_find(txn, job->queue, job->unique_key, &holder);
    *out = holder != 0 && holder != job->id;
    return rc;
}

/* The job as it is after the event, in the caller's arena: what was read, or what the move made of it. */
static void answer(taskq_event *event, const taskq_job *after, taskq_job *place, taskq_now now)
{
    event->status = TASKQ_OK;
    event->state = after->state;
    event->new_version = after->version;
    if (place != NULL) {
        *place = *after;
        taskq__row_show_lease(place, now);
        event->job = place;
    }
}

static int apply(taskq__txn *txn, taskq_event *event, const taskq__row *row, taskq_job *place)
{
    taskq_move move;
    bool taken = false, repeated = false;
    int rc = SQLITE_OK;
    taskq_status status = txn->batch->decide(&row->job, event, txn->now, &move, NULL);
    if (status == TASKQ_OK && event->kind == TASKQ_EVENT_RETRY) {
        rc = is_key_taken(txn, &row->job, &taken);
        status = taken ? TASKQ_ECONFLICT : TASKQ_OK;
    } else if (status == TASKQ_ESTALE) {
        rc = is_repeated(txn, event, &repeated);
    }
    if (rc != SQLITE_OK) {
        return rc;
    }
    if (repeated) {
        event->repeated = true;
        answer(event, &row->job, place, txn->now);
        return SQLITE_OK;
    }
    if (status != TASKQ_OK) {
        event->status = status;
        return SQLITE_OK;
    }
    rc = taskq__move_write(txn, row, event, &move, (taskq_text){NULL, 0});
    if (rc == SQLITE_OK && move.removed) {
        event->status = TASKQ_OK;
    } else if (rc == SQLITE_OK) {
        answer(event, &move.after, place, txn->now);
    }
    return rc;
}

/* All that a wanted job needs of the caller's arena, before anything is written: the job, and the report's own text, which
 * otherwise would be the caller's memory. */
static int read_for_caller(taskq__txn *txn, taskq_event *event, taskq_arena *arena, taskq__row *row, bool *found,
                           taskq_job **place, taskq_text *outcome)
{
    *place = taskq_arena_alloc(arena, sizeof(**place));
    if (*place == NULL || (outcome->size > 0 && !taskq_arena_copy(arena, outcome->data, outcome->size, outcome))) {
        return TASKQ__RC_ARENA;
    }
    return taskq__row_read(txn->conn, event->id, TASKQ__ROW_WHOLE, txn->now, arena, row, found);
}

static int settle_one(taskq__txn *txn, taskq_event *event, taskq_arena *arena)
{
    event->status = TASKQ_ENOTFOUND;
    event->job = NULL;
    event->state = (taskq_state)0;
    event->new_version = 0;
    event->repeated = false;
    taskq__row row;
    bool found = false;
    taskq_job *place = NULL;
    taskq_text given = event->outcome;
    int rc;
    if (event->wants_job && event->kind != TASKQ_EVENT_DELETE) {
        rc = read_for_caller(txn, event, arena, &row, &found, &place, &event->outcome);
        if (rc == TASKQ__RC_ARENA) {
            event->status = TASKQ_ENOMEM; /* the caller's own bound: nothing was written, the others go on */
            rc = SQLITE_OK;
            found = false;
        }
    } else {
        rc = taskq__row_read(txn->conn, event->id, TASKQ__ROW_NARROW, txn->now, txn->arena, &row, &found);
    }
    if (rc == SQLITE_OK && found) {
        rc = apply(txn, event, &row, place);
    }
    event->outcome = given;
    return rc;
}

int taskq__op_settle(taskq__txn *txn, taskq_op *op)
{
    for (uint32_t i = 0; i < op->count; i++) {
        int rc = settle_one(txn, &op->in.events[i], op->arena);
        if (rc != SQLITE_OK) {
            return rc;
        }
    }
    return SQLITE_OK;
}
