/* SPDX-License-Identifier: MIT */
/*
 * Heartbeats: the most frequent write while jobs run, so they touch one narrow row and one index, and a log grows by a
 * piece. A heartbeat is no move: version and state stay.
 */
#include "store/postgres/unit.h"

#include "core/text.h"
#include "core/timekeeper.h"

#include <string.h>

static taskq_status take_log_last(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    (void)user;
    for (int i = 0; i < PQntuples(result); i++) {
        taskq__pg_touch *touch = taskq__pg_touch_of(unit, taskq__pg_result_int(result, i, 0));
        if (touch == NULL) {
            return taskq__pg_fail_arena(err);
        }
        touch->log_end = taskq__pg_result_int(result, i, 1);
        touch->log_tail = taskq__pg_result_text(result, i, 2);
    }
    return TASKQ_OK;
}

taskq_status taskq__pg_beats_ask(taskq__pg_unit *unit, taskq_error *err)
{
    taskq__pg_params params;
    taskq__pg_params_columns(&params, unit->arena, "i");
    for (uint32_t i = 0; i < unit->batch->count; i++) {
        const taskq_op *op = unit->batch->ops[i];
        for (uint32_t k = 0; k < op->count && op->kind == TASKQ_OP_BEAT; k++) {
            if (op->in.beats[k].log.size > 0) {
                taskq__pg_row_int(&params, op->in.beats[k].id);
            }
        }
    }
    return taskq__pg_params_rows(&params) == 0
               ? TASKQ_OK
               : taskq__pg_ask(unit, TASKQ__PG_SQL_LOG_LAST, &params, take_log_last, NULL, err);
}

static bool append_log(taskq__pg_unit *unit, taskq__pg_touch *touch, taskq_text log)
{
    taskq_text more = taskq__text_cut_tail(log, TASKQ_LOG_BYTES_MAX);
    if (touch->log.size == 0) {
        touch->log = more;
        return true;
    }
    char *joined = taskq_arena_alloc(unit->arena, touch->log.size + more.size);
    if (joined == NULL) {
        return false;
    }
    memcpy(joined, touch->log.data, touch->log.size);
    memcpy(joined + touch->log.size, more.data, more.size);
    touch->log = (taskq_text){joined, touch->log.size + more.size};
    return true;
}

static bool renew(taskq__pg_unit *unit, taskq__pg_touch *touch, taskq_beat *beat)
{
    taskq_job *job = &touch->row.job;
    if (beat->progress.size > 0) {
        touch->progress = beat->progress;
        touch->progress_set = true;
        job->progress = beat->progress;
        touch->row.extras |= TASKQ__HAS_PROGRESS;
    }
    if (beat->log.size > 0) {
        touch->row.extras |= TASKQ__HAS_LOG;
        if (!append_log(unit, touch, beat->log)) {
            return false;
        }
    }
    job->lease_due_ms = unit->now.steady_ms + job->lease_ms;
    int64_t expires_at = job->lease_due_ms < job->timeout_due_ms ? job->lease_due_ms : job->timeout_due_ms;
    touch->beaten = true;
    taskq__row_show_lease(job, unit->now);
    taskq__batch_due_steady(unit->batch, expires_at);
    beat->lease_expires_at_ms = taskq__steady_to_wall(job->lease_due_ms, unit->now);
    beat->cancel_requested = job->cancel_requested;
    return true;
}

taskq_status taskq__pg_beat(taskq__pg_unit *unit, taskq_op *op, taskq_error *err)
{
    for (uint32_t i = 0; i < op->count; i++) {
        taskq_beat *beat = &op->in.beats[i];
        taskq__pg_touch *touch = taskq__pg_touch_look(unit, beat->id);
        beat->quiet = false;
        if (touch != NULL && touch->locked) {
            beat->status = TASKQ_EBUSY;
        } else if (touch == NULL || !touch->there) {
            beat->status = TASKQ_ENOTFOUND;
        } else if (touch->row.job.state != TASKQ_STATE_RUNNING || touch->row.job.version != beat->version) {
            beat->status = TASKQ_ESTALE;
        } else {
            beat->status = TASKQ_OK;
            if (!renew(unit, touch, beat)) {
                return taskq__pg_fail_arena(err);
            }
        }
    }
    return TASKQ_OK;
}
