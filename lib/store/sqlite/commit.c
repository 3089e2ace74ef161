/* SPDX-License-Identifier: MIT */
/*
 * A batch is a transaction. Whatever fails in it, it is rolled back whole before the answer is given; whatever was refused
 * in it was refused by an op and is no failure. Only the COMMIT's own write and flush can fail in a way that leaves it
 * open what is on disk: from then on this store acknowledges nothing more.
 */
#include "store/sqlite/batch.h"

#include "core/fail.h"
#include "store/sqlite/fault.h"

int taskq__txn_run_op(taskq__txn *txn, taskq_op *op)
{
    op->status = TASKQ_OK;
    int rc = SQLITE_OK;
    switch (op->kind) {
    case TASKQ_OP_QUEUE: rc = taskq__op_queue(txn, op); break;
    case TASKQ_OP_BEAT: rc = taskq__op_beat(txn, op); break;
    case TASKQ_OP_SETTLE: rc = taskq__op_settle(txn, op); break;
    case TASKQ_OP_ENQUEUE: rc = taskq__op_enqueue(txn, op); break;
    case TASKQ_OP_CLAIM: rc = taskq__op_claim(txn, op); break;
    case TASKQ_OP_WALK: rc = taskq__op_walk(txn, op); break;
    }
    if (rc == SQLITE_OK && op->status != TASKQ_OK && op->error.status != op->status) {
        (void)taskq__fail(&op->error, op->status, "%s", taskq_status_name(op->status));
    }
    return rc;
}

static int run_simple(taskq__conn *conn, taskq__sql which)
{
    taskq__cmd cmd = taskq__cmd_of(conn, which);
    return taskq__cmd_run(&cmd);
}

static int run_ops(taskq__txn *txn, uint32_t *culprit)
{
    taskq_batch *batch = txn->batch;
    for (uint32_t i = 0; i < batch->count; i++) {
        int rc = taskq__txn_run_op(txn, batch->ops[i]);
        if (rc != SQLITE_OK) {
            *culprit = i;
            return rc;
        }
    }
    return taskq__txn_flush(txn);
}

/* The transaction's failure as a status. Memory is the store's own here, not a caller's. */
taskq_status taskq__txn_fail(taskq__db *db, int rc, bool committing, taskq_error *err)
{
    if (rc == TASKQ__RC_ARENA) {
        return taskq__fail(err, TASKQ_EUNAVAIL, "no memory for the batch");
    }
    taskq_status status = taskq__fault(db->writer.sqlite, rc, committing ? "committing" : "writing", err);
    if (status == TASKQ_ESTORE) {
        atomic_store(&db->broken, true);
    }
    return status;
}

void taskq__roll_back(taskq__db *db)
{
    /* After some failures SQLite has rolled back by itself; a rollback that fails leaves the connection useless. */
    if (!sqlite3_get_autocommit(db->writer.sqlite) &&
        sqlite3_exec(db->writer.sqlite, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK &&
        !sqlite3_get_autocommit(db->writer.sqlite)) {
        atomic_store(&db->broken, true);
    }
}

static taskq_status commit_locked(taskq__db *db, taskq_batch *batch, taskq_error *err)
{
    taskq__txn txn;
    bool committing = false;
    taskq__txn_init(&txn, &db->writer, batch);
    batch->culprit = batch->count;
    if (!sqlite3_get_autocommit(db->writer.sqlite)) {
        /* Its own connection, and not ours to roll back. */
        return taskq__fail(err, TASKQ_EBUSY,
                           "the host has a transaction open on the connection that is the store's now");
    }
    int rc = run_simple(txn.conn, TASKQ__SQL_BEGIN_WRITE);
    if (rc == SQLITE_OK) {
        rc = run_ops(&txn, &batch->culprit);
    }
    if (rc == SQLITE_OK) {
        committing = true;
        rc = run_simple(txn.conn, TASKQ__SQL_COMMIT);
    }
    if (rc == SQLITE_OK) {
        taskq__places_hand_out(&txn.places, txn.batch);
        return TASKQ_OK;
    }
    taskq_status status = taskq__txn_fail(db, rc, committing, err);
    taskq__roll_back(db);
    return status;
}

taskq_status taskq__fail_broken(taskq_error *err)
{
    return taskq__fail(err, TASKQ_ESTORE, "the store failed to write and takes nothing more until it is opened anew");
}

taskq_status taskq__sqlite_commit(void *self, taskq_batch *batch, taskq_error *err)
{
    taskq__db *db = self;
    if (atomic_load(&db->broken)) {
        return taskq__fail_broken(err);
    }
    pthread_mutex_lock(&db->write_lock);
    taskq_status status = commit_locked(db, batch, err);
    pthread_mutex_unlock(&db->write_lock);
    return status;
}
