/* SPDX-License-Identifier: MIT */
/*
 * What the state machine decided, as rows. It writes by id and decides nothing; the one thing it adds is where texts are
 * kept: a result or an error is stored once, with the attempt that it ended, and the job only says which attempt that is.
 */
#include "store/sqlite/batch.h"

#include "core/job.h"

/* An attempt takes two versions at least, so a job of a lower version cannot have too many. */
enum { PRUNE_FROM_VERSION = 2 * TASKQ_ATTEMPTS_SHOWN_MAX };

static int run_by_id(taskq__txn *txn, taskq__sql which, int64_t id)
{
    taskq__cmd cmd = taskq__cmd_of(txn->conn, which);
    taskq__cmd_int(&cmd, id);
    return taskq__cmd_run(&cmd);
}

static int remove_job(taskq__txn *txn, const taskq__row *before)
{
    int64_t id = before->job.id;
    int rc = run_by_id(txn, TASKQ__SQL_JOB_DELETE, id);
    if (rc == SQLITE_OK) {
        rc = run_by_id(txn, TASKQ__SQL_PAYLOAD_DELETE, id);
    }
    if (rc == SQLITE_OK && (before->extras & TASKQ__HAS_ATTEMPTS) != 0) {
        rc = run_by_id(txn, TASKQ__SQL_ATTEMPTS_DELETE, id);
    }
    if (rc == SQLITE_OK && (before->extras & TASKQ__HAS_PROGRESS) != 0) {
        rc = run_by_id(txn, TASKQ__SQL_PROGRESS_DELETE, id);
    }
    if (rc == SQLITE_OK && (before->extras & TASKQ__HAS_LOG) != 0) {
        rc = run_by_id(txn, TASKQ__SQL_LOG_DELETE, id);
    }
    return rc == SQLITE_OK ? taskq__txn_count(txn, before->job.queue, before->job.state, (taskq_state)0) : rc;
}

/* Releases and retries can add attempts without end: the last ones are kept, and the one whose error is shown. */
static int prune_attempts(taskq__txn *txn, int64_t id, int64_t error_of)
{
    taskq__cmd find = taskq__cmd_of(txn->conn, TASKQ__SQL_ATTEMPT_NTH_LAST);
    taskq__cmd_int(&find, id);
    taskq__cmd_int(&find, TASKQ_ATTEMPTS_SHOWN_MAX);
    int64_t version = taskq__cmd_row(&find) ? taskq__cmd_column(&find, 0) : 0;
    int rc = taskq__cmd_end(&find);
    if (rc != SQLITE_OK || version == 0) {
        return rc;
    }
    taskq__cmd prune = taskq__cmd_of(txn->conn, TASKQ__SQL_ATTEMPTS_PRUNE);
    taskq__cmd_int(&prune, id);
    taskq__cmd_int(&prune, version);
    taskq__cmd_int(&prune, error_of);
    return taskq__cmd_run(&prune);
}

static int write_attempt(taskq__txn *txn, const taskq_job *before, const taskq_event *event, const taskq_move *move)
{
    bool reported = event->kind == TASKQ_EVENT_SUCCEED || event->kind == TASKQ_EVENT_FAIL;
    taskq__cmd insert = taskq__cmd_of(txn->conn, TASKQ__SQL_ATTEMPT_INSERT);
    taskq__cmd_int(&insert, before->id);
    taskq__cmd_int(&insert, before->version);
    taskq__cmd_int(&insert, before->attempt);
    taskq__cmd_int(&insert, move->ended);
    taskq__cmd_text_or_null(&insert, before->worker);
    taskq__cmd_int_or_null(&insert, before->started_at_ms);
    taskq__cmd_int(&insert, move->after.updated_at_ms);
    if (reported) {
        taskq__cmd_int(&insert, (int64_t)event->digest);
    } else {
        taskq__cmd_int_or_null(&insert, 0);
    }
    taskq__cmd_text_or_null(&insert, move->outcome);
    return taskq__cmd_run(&insert);
}

/* Which columns a move can have changed. What the shorter updates leave out is compared, not assumed. */
static taskq__sql update_for(const taskq__row *before, const taskq_job *after, const taskq__row *refs)
{
    const taskq_job *job = &before->job;
    bool narrow = after->run_at_ms == job->run_at_ms && after->cancel_requested == job->cancel_requested &&
                  after->backoff_due_ms == job->backoff_due_ms;
    if (narrow && job->state == TASKQ_STATE_QUEUED && after->state == TASKQ_STATE_RUNNING &&
        refs->result_of == before->result_of && refs->error_of == before->error_of) {
        return TASKQ__SQL_JOB_UPDATE_CLAIMED;
    }
    if (narrow && job->state == TASKQ_STATE_RUNNING && taskq_state_is_terminal(after->state) &&
        after->started_at_ms == job->started_at_ms && after->worker.data == job->worker.data) {
        return TASKQ__SQL_JOB_UPDATE_ENDED;
    }
    return TASKQ__SQL_JOB_UPDATE;
}

static int update_job(taskq__txn *txn, const taskq__row *before, const taskq_move *move, const taskq__row *refs,
                      taskq_text poll)
{
    const taskq_job *after = &move->after;
    taskq__sql which = update_for(before, after, refs);
    bool failed = after->state == TASKQ_STATE_FAILED;
    taskq__cmd update = taskq__cmd_of(txn->conn, which);
    taskq__cmd_int(&update, after->version);
    taskq__cmd_int(&update, after->state);
    taskq__cmd_int(&update, after->updated_at_ms);
    taskq__cmd_int(&update, after->attempt);
    taskq__cmd_int_or_null(&update, after->lease_due_ms);
    taskq__cmd_int_or_null(&update, after->timeout_due_ms);
    taskq__cmd_int_or_null(&update, taskq__job_running_until(after));
    taskq__cmd_text_or_null(&update, poll);
    taskq__cmd_int(&update, refs->extras);
    if (which != TASKQ__SQL_JOB_UPDATE_CLAIMED) {
        taskq__cmd_int_or_null(&update, failed ? 0 : after->finished_at_ms);
        taskq__cmd_int_or_null(&update, failed ? after->finished_at_ms : 0);
        taskq__cmd_text_or_null(&update,
                                taskq_state_is_terminal(after->state) ? (taskq_text){NULL, 0} : after->unique_key);
        taskq__cmd_int_or_null(&update, refs->result_of);
        taskq__cmd_int_or_null(&update, refs->error_of);
    }
    if (which != TASKQ__SQL_JOB_UPDATE_ENDED) {
        taskq__cmd_int(&update, after->state == TASKQ_STATE_QUEUED);
        taskq__cmd_text_or_null(&update, after->worker);
        taskq__cmd_int_or_null(&update, after->started_at_ms);
    }
    if (which == TASKQ__SQL_JOB_UPDATE) {
        taskq__cmd_int(&update, after->run_at_ms);
        taskq__cmd_int_or_null(&update, taskq__job_run_due(after));
        taskq__cmd_int_or_null(&update, after->backoff_due_ms);
        taskq__cmd_int(&update, after->cancel_requested);
    }
    taskq__cmd_int(&update, after->id);
    return taskq__cmd_run(&update);
}

static int ask_cancel(taskq__txn *txn, const taskq_job *after)
{
    taskq__cmd update = taskq__cmd_of(txn->conn, TASKQ__SQL_JOB_ASK_CANCEL);
    taskq__cmd_int(&update, after->cancel_requested);
    taskq__cmd_int(&update, after->updated_at_ms);
    taskq__cmd_int(&update, after->id);
    return taskq__cmd_run(&update);
}

/* Counters, news of what is ready, and when the sweep is wanted. */
static int note(taskq__txn *txn, const taskq_job *before, const taskq_job *after)
{
    int rc = taskq__txn_count(txn, before->queue, before->state, after->state);
    if (rc == SQLITE_OK && before->state == TASKQ_STATE_QUEUED) {
        rc = taskq__txn_was_claimed(txn, before);
    }
    if (rc == SQLITE_OK && after->state == TASKQ_STATE_QUEUED) {
        rc = taskq__txn_made_ready(txn, after);
    }
    if (after->state == TASKQ_STATE_RUNNING) {
        taskq__batch_due_steady(txn->batch, taskq__job_expires_at(after));
    }
    taskq__batch_due(txn->batch, after);
    return rc;
}

static int write_side_tables(taskq__txn *txn, const taskq__row *before, const taskq_event *event,
                             const taskq_move *move, taskq__row *refs)
{
    const taskq_job *job = &before->job;
    int rc = SQLITE_OK;
    if (move->ended != TASKQ_OUTCOME_NONE) {
        rc = write_attempt(txn, job, event, move);
        refs->extras |= TASKQ__HAS_ATTEMPTS;
    }
    if (rc == SQLITE_OK && move->ended != TASKQ_OUTCOME_NONE && job->version >= PRUNE_FROM_VERSION) {
        rc = prune_attempts(txn, job->id, refs->error_of);
    }
    if (rc == SQLITE_OK && (move->cleared || move->progress_cleared) && (refs->extras & TASKQ__HAS_PROGRESS) != 0) {
        rc = run_by_id(txn, TASKQ__SQL_PROGRESS_DELETE, job->id);
        refs->extras &= ~(uint32_t)TASKQ__HAS_PROGRESS;
    }
    return rc;
}

int taskq__move_write(taskq__txn *txn, const taskq__row *before, const taskq_event *event, const taskq_move *move,
                      taskq_text poll)
{
    const taskq_job *job = &before->job, *after = &move->after;
    if (move->removed) {
        return remove_job(txn, before);
    }
    if (after->version == job->version) {
        return move->touched ? ask_cancel(txn, after) : SQLITE_OK;
    }
    taskq__row refs = {.extras = before->extras};
    refs.result_of = taskq__row_holder(after->result, job->result, before->result_of, job->version);
    refs.error_of = taskq__row_holder(after->error, job->error, before->error_of, job->version);
    int rc = write_side_tables(txn, before, event, move, &refs);
    if (rc == SQLITE_OK) {
        rc = update_job(txn, before, move, &refs, poll);
    }
    return rc == SQLITE_OK ? note(txn, job, after) : rc;
}
