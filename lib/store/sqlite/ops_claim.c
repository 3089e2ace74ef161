/* SPDX-License-Identifier: MIT */
/*
 * A claim seeks, it never filters: for each queue, and each type that is asked for, it reads the head of a ready index,
 * as many rows as it may still take, and merges the heads here. So its price is the same with ten jobs behind and ten
 * million, whatever their types. Queues come in the caller's order; within one: priority, then run_at, then id.
 */
#include "store/sqlite/batch.h"

#include <stdlib.h>

typedef struct head {
    int64_t id, run_at;
    int32_t priority;
} head;

typedef struct claiming {
    taskq__txn *txn;
    taskq_op *op;
    taskq_claim *claim;
    taskq_text worker; /* in the caller's arena: the jobs that are handed back point to it */
    head *heads;       /* room for `limit` of each type */
    size_t bytes;      /* of payloads so far */
    bool full;         /* bytes_max or the caller's memory is used up */
} claiming;

static int by_order(const void *left, const void *right)
{
    const head *a = left, *b = right;
    if (a->priority != b->priority) {
        return a->priority > b->priority ? -1 : 1;
    }
    if (a->run_at != b->run_at) {
        return a->run_at < b->run_at ? -1 : 1;
    }
    return (a->id > b->id) - (a->id < b->id);
}

/* `type` NULL: any. */
static int read_heads(taskq__conn *conn, taskq_text queue, const taskq_text *type, uint32_t max, head *heads,
                      uint32_t *count)
{
    taskq__cmd cmd = taskq__cmd_of(conn, type == NULL ? TASKQ__SQL_HEAD_ANY : TASKQ__SQL_HEAD_TYPE);
    taskq__cmd_text(&cmd, queue);
    if (type != NULL) {
        taskq__cmd_text(&cmd, *type);
    }
    taskq__cmd_int(&cmd, max);
    for (uint32_t i = 0; i < max && taskq__cmd_row(&cmd); i++) {
        head *at = &heads[(*count)++];
        at->id = taskq__cmd_column(&cmd, 0);
        at->priority = (int32_t)taskq__cmd_column(&cmd, 1);
        at->run_at = taskq__cmd_column(&cmd, 2);
    }
    return taskq__cmd_end(&cmd);
}

/* The heads of a queue in their order; a type that is named twice gives each of its jobs once. */
static int merge_heads(claiming *c, taskq_text queue, uint32_t max, uint32_t *out)
{
    const taskq_claim *claim = c->claim;
    uint32_t count = 0, kept = 0;
    int rc = SQLITE_OK;
    if (claim->type_count == 0) {
        rc = read_heads(c->txn->conn, queue, NULL, max, c->heads, &count);
    }
    for (uint32_t i = 0; i < claim->type_count && rc == SQLITE_OK; i++) {
        rc = read_heads(c->txn->conn, queue, &claim->types[i], max, c->heads, &count);
    }
    if (claim->type_count > 1 && count > 1) {
        qsort(c->heads, count, sizeof(head), by_order);
    }
    for (uint32_t i = 0; i < count && kept < max; i++) {
        if (kept == 0 || c->heads[kept - 1].id != c->heads[i].id) {
            c->heads[kept++] = c->heads[i];
        }
    }
    *out = kept;
    return rc;
}

static void hand_over(claiming *c, taskq_job *job)
{
    c->bytes += job->payload.size;
    c->claim->jobs[c->claim->job_count++] = job;
}

/* The whole job into the caller's arena; *out NULL with SQLITE_OK: none, or no room for it, and then c->full. */
static int read_for_caller(claiming *c, int64_t id, taskq__row *row, taskq_job **out)
{
    bool found = false;
    *out = taskq_arena_alloc(c->op->arena, sizeof(taskq_job));
    int rc = *out == NULL ? TASKQ__RC_ARENA
                          : taskq__row_read(c->txn->conn, id, TASKQ__ROW_WHOLE, c->txn->now, c->op->arena, row, &found);
    bool too_much =
        rc == SQLITE_OK && found && c->claim->job_count > 0 && c->bytes + row->job.payload.size > c->claim->bytes_max;
    if (rc == TASKQ__RC_ARENA || too_much) {
        c->full = true;
    }
    if (c->full || !found) {
        *out = NULL;
    }
    return rc == TASKQ__RC_ARENA ? SQLITE_OK : rc;
}

static int lease_one(claiming *c, int64_t id)
{
    taskq__row row;
    taskq_job *job = NULL;
    int rc = read_for_caller(c, id, &row, &job);
    if (rc != SQLITE_OK || job == NULL) {
        return rc;
    }
    taskq_event event = {.kind = TASKQ_EVENT_CLAIM, .id = id, .version = row.job.version, .worker = c->worker};
    taskq_move move;
    if (c->txn->batch->decide(&row.job, &event, c->txn->now, &move, NULL) != TASKQ_OK) {
        return SQLITE_OK;
    }
    rc = taskq__move_write(c->txn, &row, &event, &move, c->claim->poll);
    if (rc == SQLITE_OK) {
        *job = move.after;
        taskq__row_show_lease(job, c->txn->now);
        hand_over(c, job);
    }
    return rc;
}

/* Asked again: what this poll got before and still holds comes back as it is. */
static int take_held(claiming *c)
{
    const taskq_claim *claim = c->claim;
    int64_t ids[TASKQ_CLAIM_JOBS_MAX];
    uint32_t count = 0;
    taskq__cmd cmd = taskq__cmd_of(c->txn->conn, TASKQ__SQL_POLL_HELD);
    taskq__cmd_text(&cmd, claim->poll);
    taskq__cmd_text(&cmd, claim->worker);
    taskq__cmd_int(&cmd, TASKQ_CLAIM_JOBS_MAX);
    while (count < TASKQ_CLAIM_JOBS_MAX && taskq__cmd_row(&cmd)) {
        ids[count++] = taskq__cmd_column(&cmd, 0);
    }
    int rc = taskq__cmd_end(&cmd);
    for (uint32_t i = 0; i < count && rc == SQLITE_OK && !c->full && claim->job_count < claim->limit; i++) {
        taskq__row row;
        taskq_job *job = NULL;
        rc = read_for_caller(c, ids[i], &row, &job);
        if (rc == SQLITE_OK && job != NULL && row.job.state == TASKQ_STATE_RUNNING) {
            *job = row.job;
            hand_over(c, job);
        }
    }
    return rc;
}

static int take_new(claiming *c, taskq_text name)
{
    const taskq_claim *claim = c->claim;
    int rc = SQLITE_OK;
    taskq__named *queue = taskq__txn_queue(c->txn, name, false, &rc);
    if (queue == NULL || !queue->there || queue->paused) {
        return rc;
    }
    uint32_t count = 0;
    rc = merge_heads(c, name, claim->limit - claim->job_count, &count);
    for (uint32_t i = 0; i < count && rc == SQLITE_OK && !c->full; i++) {
        rc = lease_one(c, c->heads[i].id);
    }
    return rc;
}

static bool make_room(claiming *c)
{
    taskq_claim *claim = c->claim;
    size_t lists = claim->type_count == 0 ? 1 : claim->type_count;
    claim->job_count = 0;
    claim->jobs = taskq_arena_alloc(c->op->arena, claim->limit * sizeof(taskq_job *));
    c->heads = taskq_arena_alloc(c->txn->arena, lists * claim->limit * sizeof(head));
    return claim->jobs != NULL && c->heads != NULL &&
           (claim->worker.size == 0 ||
            taskq_arena_copy(c->op->arena, claim->worker.data, claim->worker.size, &c->worker));
}

int taskq__op_claim(taskq__txn *txn, taskq_op *op)
{
    claiming c = {.txn = txn, .op = op, .claim = op->in.claim};
    taskq_claim *claim = op->in.claim;
    int rc = SQLITE_OK;
    if (!make_room(&c)) {
        op->status = TASKQ_ENOMEM;
        return SQLITE_OK;
    }
    if (claim->poll.size > 0 && claim->worker.size > 0) {
        rc = take_held(&c);
    }
    if (claim->job_count > 0) {
        return rc;
    }
    for (uint32_t i = 0; i < claim->queue_count && rc == SQLITE_OK && !c.full && claim->job_count < claim->limit; i++) {
        rc = take_new(&c, claim->queues[i]);
    }
    if (rc == SQLITE_OK && c.full && claim->job_count == 0) {
        op->status = TASKQ_ENOMEM; /* there is a job, but the caller's arena has no room for it */
    }
    return rc;
}
