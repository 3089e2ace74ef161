/* SPDX-License-Identifier: MIT */
/*
 * A queue's settings. The queue is made by whoever names it first, a job or an operator.
 */
#include "store/sqlite/batch.h"

int taskq__op_queue(taskq__txn *txn, taskq_op *op)
{
    const taskq_queue_change *change = op->in.queue;
    int rc = SQLITE_OK;
    taskq__named *queue = taskq__txn_queue(txn, change->name, true, &rc);
    if (queue == NULL || !change->set_paused || queue->paused == change->paused) {
        return rc;
    }
    taskq__cmd update = taskq__cmd_of(txn->conn, TASKQ__SQL_QUEUE_PAUSE);
    taskq__cmd_int(&update, change->paused);
    taskq__cmd_text(&update, change->name);
    rc = taskq__cmd_run(&update);
    if (rc == SQLITE_OK) {
        queue->paused = change->paused;
    }
    return rc;
}
