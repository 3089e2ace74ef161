/* SPDX-License-Identifier: MIT */
/*
 * What the sweep asks for: attempts that are over, jobs that are due, jobs and keys that are old. At most so many rows a
 * batch, found by the index of their instant, then decided on one by one: a report that came before is not overridden.
 * Deleting a job of a megabyte costs as much as deleting hundreds of small ones, so retention also ends at a number of pages.
 */
#include "store/sqlite/batch.h"

#include "core/rng.h"

enum { FREED_PAGES_MAX = 4096 }; /* 16 MiB of SQLite's usual pages: some 20 ms */

/* Ids into `ids`, up to `max` in all; they are read before anything is written, so no cursor stands on a row that moves. */
static int find_ids(taskq__txn *txn, taskq__sql which, int64_t until, uint32_t max, int64_t *ids, uint32_t *count)
{
    taskq__cmd cmd = taskq__cmd_of(txn->conn, which);
    taskq__cmd_int(&cmd, until);
    taskq__cmd_int(&cmd, (int64_t)max - *count);
    while (*count < max && taskq__cmd_row(&cmd)) {
        ids[(*count)++] = taskq__cmd_column(&cmd, 0);
    }
    return taskq__cmd_end(&cmd);
}

static int find_of_kind(taskq__txn *txn, const taskq_walk *walk, int64_t *ids, uint32_t *count)
{
    int rc = SQLITE_OK;
    switch (walk->kind) {
    case TASKQ_WALK_EXPIRED: return find_ids(txn, TASKQ__SQL_EXPIRED, txn->now.steady_ms, walk->max, ids, count);
    case TASKQ_WALK_DUE:
        rc = find_ids(txn, TASKQ__SQL_DUE_WALL, txn->now.wall_ms, walk->max, ids, count);
        return rc != SQLITE_OK ? rc : find_ids(txn, TASKQ__SQL_DUE_STEADY, txn->now.steady_ms, walk->max, ids, count);
    case TASKQ_WALK_RETENTION:
        rc = find_ids(txn, TASKQ__SQL_OLD_DONE, walk->cut_ms, walk->max, ids, count);
        return rc != SQLITE_OK ? rc : find_ids(txn, TASKQ__SQL_OLD_FAILED, walk->cut_failed_ms, walk->max, ids, count);
    case TASKQ_WALK_KEYS: break;
    }
    return rc;
}

static int move_one(taskq__txn *txn, taskq_walk *walk, taskq_event_kind kind, int64_t id)
{
    taskq__row row;
    bool found = false;
    int rc = taskq__row_read(txn->conn, id, TASKQ__ROW_NARROW, txn->now, txn->arena, &row, &found);
    if (rc != SQLITE_OK || !found) {
        return rc;
    }
    taskq_event event = {.kind = kind, .id = id, .version = row.job.version, .delay_ms = -1};
    event.random = taskq__mix64(walk->random ^ (uint64_t)id);
    taskq_move move;
    if (txn->batch->decide(&row.job, &event, txn->now, &move, NULL) != TASKQ_OK) {
        return SQLITE_OK;
    }
    rc = taskq__move_write(txn, &row, &event, &move, (taskq_text){NULL, 0});
    walk->moved++;
    walk->lost += move.ended == TASKQ_OUTCOME_LOST;
    walk->timed_out += move.ended == TASKQ_OUTCOME_TIMED_OUT;
    return rc;
}

static int read_free_pages(taskq__txn *txn, int64_t *out)
{
    taskq__cmd read = taskq__cmd_of(txn->conn, TASKQ__SQL_FREE_PAGES);
    *out = taskq__cmd_row(&read) ? taskq__cmd_column(&read, 0) : 0;
    return taskq__cmd_end(&read);
}

static int walk_jobs(taskq__txn *txn, taskq_walk *walk)
{
    taskq_event_kind kind = walk->kind == TASKQ_WALK_EXPIRED ? TASKQ_EVENT_EXPIRE
                            : walk->kind == TASKQ_WALK_DUE   ? TASKQ_EVENT_DUE
                                                             : TASKQ_EVENT_DELETE;
    uint32_t count = 0, done = 0;
    int64_t free_before = 0, free_now = 0;
    int64_t *ids = taskq_arena_alloc(txn->arena, walk->max * sizeof(int64_t));
    int rc = ids == NULL ? TASKQ__RC_ARENA : find_of_kind(txn, walk, ids, &count);
    if (rc == SQLITE_OK && kind == TASKQ_EVENT_DELETE) {
        rc = read_free_pages(txn, &free_before);
        free_now = free_before;
    }
    for (; done < count && rc == SQLITE_OK && free_now - free_before < FREED_PAGES_MAX; done++) {
        rc = move_one(txn, walk, kind, ids[done]);
        if (rc == SQLITE_OK && kind == TASKQ_EVENT_DELETE) {
            rc = read_free_pages(txn, &free_now);
        }
    }
    walk->more = walk->moved == walk->max || done < count;
    return rc;
}

static int walk_keys(taskq__txn *txn, taskq_walk *walk)
{
    uint32_t count = 0;
    taskq_text *keys = taskq_arena_alloc(txn->arena, walk->max * sizeof(taskq_text));
    if (keys == NULL) {
        return TASKQ__RC_ARENA;
    }
    taskq__cmd find = taskq__cmd_of(txn->conn, TASKQ__SQL_KEYS_OLD);
    taskq__cmd_int(&find, txn->now.wall_ms);
    taskq__cmd_int(&find, walk->max);
    while (count < walk->max && taskq__cmd_row(&find) && taskq__cmd_column_copy(&find, 0, txn->arena, &keys[count])) {
        count++;
    }
    int rc = taskq__cmd_end(&find);
    for (uint32_t i = 0; i < count && rc == SQLITE_OK; i++) {
        taskq__cmd cmd = taskq__cmd_of(txn->conn, TASKQ__SQL_KEY_DELETE);
        taskq__cmd_text(&cmd, keys[i]);
        rc = taskq__cmd_run(&cmd);
        walk->moved++;
    }
    walk->more = walk->moved == walk->max;
    return rc;
}

int taskq__op_walk(taskq__txn *txn, taskq_op *op)
{
    taskq_walk *walk = op->in.walk;
    walk->moved = walk->lost = walk->timed_out = 0;
    walk->more = false;
    return walk->kind == TASKQ_WALK_KEYS ? walk_keys(txn, walk) : walk_jobs(txn, walk);
}
