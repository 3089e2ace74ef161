/* SPDX-License-Identifier: MIT */
/*
 * A batch of 64 jobs into one queue changes one counter 64 times and makes one (queue, type) ready: such things are
 * gathered here and written, or handed out, once. Everything lives in the batch's arena and goes with it.
 */
#include "store/sqlite/batch.h"

#include "core/rng.h"
#include "core/text.h"

#include <string.h>

enum { FIRST_ROOM = 64 }; /* a power of two */

void taskq__txn_init(taskq__txn *txn, taskq__conn *conn, taskq_batch *batch)
{
    memset(txn, 0, sizeof(*txn));
    txn->conn = conn;
    txn->batch = batch;
    txn->arena = batch->arena;
    txn->now = batch->now;
    txn->last_id = -1;
    taskq__places_init(&txn->places, batch->arena);
    batch->ready_count = 0;
    batch->next_due = (taskq_now){INT64_MAX, INT64_MAX};
}

/* ---- queues and ids ------------------------------------------------------------------------------------------------ */

taskq__named *taskq__txn_queue(taskq__txn *txn, taskq_text name, bool make, int *rc)
{
    taskq__named *place = taskq__places_find(&txn->places, name, (taskq_text){NULL, 0});
    *rc = place == NULL ? TASKQ__RC_ARENA : SQLITE_OK;
    if (place != NULL && !place->known) {
        taskq__cmd read = taskq__cmd_of(txn->conn, TASKQ__SQL_QUEUE_READ);
        taskq__cmd_text(&read, name);
        place->there = taskq__cmd_row(&read);
        place->paused = place->there && taskq__cmd_column(&read, 0) != 0;
        *rc = taskq__cmd_end(&read);
        place->known = *rc == SQLITE_OK;
    }
    if (*rc == SQLITE_OK && make && !place->there) {
        taskq__cmd insert = taskq__cmd_of(txn->conn, TASKQ__SQL_QUEUE_MAKE);
        taskq__cmd_text(&insert, name);
        *rc = taskq__cmd_run(&insert);
        place->there = *rc == SQLITE_OK;
    }
    return *rc == SQLITE_OK ? place : NULL;
}

int taskq__txn_count(taskq__txn *txn, taskq_text queue, taskq_state from, taskq_state to)
{
    taskq__named *place = taskq__places_find(&txn->places, queue, (taskq_text){NULL, 0});
    if (place == NULL) {
        return TASKQ__RC_ARENA;
    }
    /* [0] is nowhere and never written. */
    place->delta[from]--;
    place->delta[to]++;
    return SQLITE_OK;
}

int taskq__txn_next_id(taskq__txn *txn, int64_t *out)
{
    if (txn->last_id < 0) {
        taskq__cmd read = taskq__cmd_of(txn->conn, TASKQ__SQL_META_READ);
        taskq__cmd_text(&read, TASKQ_TEXT("last_id"));
        int64_t last_id = taskq__cmd_row(&read) ? taskq__cmd_column(&read, 0) : -1;
        int rc = taskq__cmd_end(&read);
        if (rc != SQLITE_OK || last_id < 0) {
            return rc != SQLITE_OK ? rc : SQLITE_CORRUPT;
        }
        txn->last_id = last_id;
    }
    *out = ++txn->last_id;
    txn->last_id_moved = true;
    return SQLITE_OK;
}

/* ---- what became ready ---------------------------------------------------------------------------------------------- */

static int64_t *find_id(int64_t *ids, uint32_t room, int64_t id)
{
    for (uint32_t i = (uint32_t)taskq__mix64((uint64_t)id) & (room - 1);; i = (i + 1) & (room - 1)) {
        if (ids[i] == 0 || ids[i] == id) {
            return &ids[i];
        }
    }
}

static bool make_room_for_ids(taskq__txn *txn)
{
    if (txn->ready_used * 2 < txn->ready_room) {
        return true;
    }
    uint32_t room = txn->ready_room == 0 ? FIRST_ROOM : txn->ready_room * 2;
    int64_t *ids = taskq_arena_alloc(txn->arena, room * sizeof(int64_t));
    if (ids == NULL) {
        return false;
    }
    uint32_t used = 0;
    for (uint32_t i = 0; i < txn->ready_room; i++) {
        if (txn->ready_ids[i] > 0) {
            *find_id(ids, room, txn->ready_ids[i]) = txn->ready_ids[i];
            used++;
        }
    }
    txn->ready_ids = ids;
    txn->ready_room = room;
    txn->ready_used = used;
    return true;
}

int taskq__txn_made_ready(taskq__txn *txn, const taskq_job *job)
{
    taskq__named *place = make_room_for_ids(txn) ? taskq__places_find(&txn->places, job->queue, job->type) : NULL;
    if (place == NULL) {
        return TASKQ__RC_ARENA;
    }
    int64_t *slot = find_id(txn->ready_ids, txn->ready_room, job->id);
    if (*slot == 0) {
        *slot = job->id;
        txn->ready_used++;
        place->ready++;
    }
    return SQLITE_OK;
}

int taskq__txn_was_claimed(taskq__txn *txn, const taskq_job *job)
{
    int64_t *slot = txn->ready_room == 0 ? NULL : find_id(txn->ready_ids, txn->ready_room, job->id);
    if (slot == NULL || *slot != job->id) {
        return SQLITE_OK; /* it was ready before this batch */
    }
    taskq__named *place = taskq__places_find(&txn->places, job->queue, job->type);
    if (place == NULL) {
        return TASKQ__RC_ARENA;
    }
    *slot = -1;
    place->ready--;
    return SQLITE_OK;
}

static void add_any(taskq_batch *batch, int64_t count)
{
    for (uint32_t i = 0; i < batch->ready_count; i++) {
        count += batch->ready[i].count;
    }
    batch->ready[0] = (taskq_ready){{NULL, 0}, {NULL, 0}, count < UINT32_MAX ? (uint32_t)count : UINT32_MAX};
    batch->ready_count = 1;
}

void taskq__batch_gather(taskq_batch *into, const taskq_batch *one)
{
    const taskq_text any = {NULL, 0};
    for (uint32_t i = 0; i < one->ready_count; i++) {
        const taskq_ready *ready = &one->ready[i];
        bool is_any = into->ready_count == 1 && into->ready[0].queue.size == 0;
        if (!taskq__batch_add_ready(into, is_any ? any : ready->queue, is_any ? any : ready->type, ready->count)) {
            add_any(into, ready->count);
        }
    }
    taskq_now *due = &into->next_due;
    due->wall_ms = one->next_due.wall_ms < due->wall_ms ? one->next_due.wall_ms : due->wall_ms;
    due->steady_ms = one->next_due.steady_ms < due->steady_ms ? one->next_due.steady_ms : due->steady_ms;
}

/* ---- the end of it -------------------------------------------------------------------------------------------------- */

static int write_counters(taskq__txn *txn)
{
    for (taskq__named *place = txn->places.first; place != NULL; place = place->next) {
        for (int state = 1; state < TASKQ_STATE_COUNT; state++) {
            if (place->delta[state] == 0) {
                continue;
            }
            taskq__cmd add = taskq__cmd_of(txn->conn, TASKQ__SQL_COUNTER_ADD);
            taskq__cmd_text(&add, place->queue);
            taskq__cmd_int(&add, state);
            taskq__cmd_int(&add, place->delta[state]);
            int rc = taskq__cmd_run(&add);
            if (rc != SQLITE_OK) {
                return rc;
            }
        }
    }
    return SQLITE_OK;
}

int taskq__txn_flush(taskq__txn *txn)
{
    int rc = write_counters(txn);
    if (rc == SQLITE_OK && txn->last_id_moved) {
        taskq__cmd write = taskq__cmd_of(txn->conn, TASKQ__SQL_META_WRITE);
        taskq__cmd_text(&write, TASKQ_TEXT("last_id"));
        taskq__cmd_int(&write, txn->last_id);
        rc = taskq__cmd_run(&write);
    }
    return rc;
}
