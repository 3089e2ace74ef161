/* SPDX-License-Identifier: MIT */
/* One batch at work: what is gathered while its ops run and written or handed out once at its end. Results are SQLite's codes. */
#ifndef TASKQ_STORE_SQLITE_BATCH_H
#define TASKQ_STORE_SQLITE_BATCH_H

#include "store/places.h"
#include "store/sqlite/db.h"
#include "store/sqlite/rows.h"

typedef struct taskq__txn {
    taskq__conn *conn;
    taskq_batch *batch;
    taskq_arena *arena; /* the batch's */
    taskq_now now;
    taskq__places places; /* queues and types */
    int64_t *ready_ids;   /* open addressing: jobs made ready in this batch; 0: free, -1: was one */
    uint32_t ready_room, ready_used;
    int64_t last_id; /* the last id given out; -1: not read yet */
    bool last_id_moved;
} taskq__txn;

/* ---- batch.c */
void taskq__txn_init(taskq__txn *txn, taskq__conn *conn, taskq_batch *batch);
/* One op; its outcome goes into the op. */
int taskq__txn_run_op(taskq__txn *txn, taskq_op *op);
/* Counters, ids: written before COMMIT. */
int taskq__txn_flush(taskq__txn *txn);
/* The queue's settings, read once a batch; made where it is not there and `make`. NULL with *rc set: failed. */
taskq__named *taskq__txn_queue(taskq__txn *txn, taskq_text name, bool make, int *rc);
int taskq__txn_next_id(taskq__txn *txn, int64_t *out);
int taskq__txn_count(taskq__txn *txn, taskq_text queue, taskq_state from, taskq_state to); /* 0: from or to nowhere */
int taskq__txn_made_ready(taskq__txn *txn, const taskq_job *job);
int taskq__txn_was_claimed(taskq__txn *txn, const taskq_job *job);
/* What became ready and due in one batch, added to what did in another one; texts are borrowed. */
void taskq__batch_gather(taskq_batch *into, const taskq_batch *one);

/* ---- commit.c: a failure as a status, after which the store may take nothing more; and back to before BEGIN. */
taskq_status taskq__txn_fail(taskq__db *db, int rc, bool committing, taskq_error *err);
void taskq__roll_back(taskq__db *db);
taskq_status taskq__fail_broken(taskq_error *err);

/* ---- moves.c: what the state machine decided becomes rows. `poll`: of the claim that made the lease, else empty. */
int taskq__move_write(taskq__txn *txn, const taskq__row *before, const taskq_event *event, const taskq_move *move,
                      taskq_text poll);

/* ---- ops_*.c: one op; its outcome goes into the op. */
int taskq__op_queue(taskq__txn *txn, taskq_op *op);
int taskq__op_beat(taskq__txn *txn, taskq_op *op);
int taskq__op_settle(taskq__txn *txn, taskq_op *op);
int taskq__op_enqueue(taskq__txn *txn, taskq_op *op);
int taskq__op_claim(taskq__txn *txn, taskq_op *op);
int taskq__op_walk(taskq__txn *txn, taskq_op *op);

/* A live job that has this unique_key; 0: none. */
int taskq__unique_find(taskq__txn *txn, taskq_text queue, taskq_text key, int64_t *out);

#endif
