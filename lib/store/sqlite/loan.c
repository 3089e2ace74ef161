/* SPDX-License-Identifier: MIT */
/*
 * The host's own transaction. There is one connection that writes, so the host borrows it: the scheduler's line is taken,
 * no batch and no checkpoint comes between, and the jobs are written by the same ops as in any batch. Each call leaves the
 * counters and the last id written, so that a savepoint of the host's takes back whole calls. What became ready is told to
 * the scheduler only once all of it is committed.
 *
 * A refusal is found by reading and leaves the transaction as it was. After a statement of ours has failed nothing in it
 * can be relied on: everything more is refused, and it ends rolled back whole.
 */
#include "store/sqlite/batch.h"

#include "core/fail.h"
#include "core/jobs.h"
#include "core/request.h"
#include "store/sqlite/fault.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { LOAN_WAIT_SECONDS = 10, READY_MAX = 64 };

/* ---- whose it is ------------------------------------------------------------------------------------------------- */

taskq_status taskq__writer_take(taskq__db *db, taskq_error *err)
{
    struct timespec until;
    taskq_status status = TASKQ_OK;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOAN_WAIT_SECONDS;
    pthread_mutex_lock(&db->write_lock);
    while (db->loan.active && status == TASKQ_OK) {
        if (pthread_equal(db->loan.holder, pthread_self())) {
            status = taskq__fail(err, TASKQ_EBUSY, "a store in memory is read once this thread's transaction has ended");
        } else if (pthread_cond_timedwait(&db->write_free, &db->write_lock, &until) == ETIMEDOUT && db->loan.active) {
            status = taskq__fail(err, TASKQ_EBUSY, "a transaction of the host's has had the store for too long");
        }
    }
    if (status != TASKQ_OK) {
        pthread_mutex_unlock(&db->write_lock);
    }
    return status;
}

static taskq_status find_db(taskq_store *store, taskq__db **out, taskq_error *err)
{
    *out = taskq__db_of(store);
    return *out != NULL ? taskq__store_check(store, err)
                        : taskq__fail(err, TASKQ_EINVAL, "there is no store, or it is not one in SQLite");
}

/* The store whose transaction is this thread's. */
static taskq_status find_mine(taskq_store *store, taskq__db **out, taskq_error *err)
{
    taskq__db *db = NULL;
    taskq_status status = find_db(store, &db, err);
    if (status != TASKQ_OK) {
        return status;
    }
    pthread_mutex_lock(&db->write_lock);
    bool active = db->loan.active, mine = active && pthread_equal(db->loan.holder, pthread_self());
    pthread_mutex_unlock(&db->write_lock);
    if (!mine) {
        return taskq__fail(err, TASKQ_EINVAL,
                           active ? "the transaction that is open on the store is another thread's"
                                  : "no transaction is open on the store: taskq_sqlite_begin comes first");
    }
    *out = db;
    return TASKQ_OK;
}

static void set_hand(taskq__db *db, int hand)
{
    atomic_store(&db->hand, hand);
}

/* ---- a transaction that has failed ------------------------------------------------------------------------------- */

/* Whatever the host does now belongs to nothing that will be committed. SQLite may have rolled back by itself; then what the
 * host writes would stand alone: setting the guard anew makes SQLite ask again for every statement that is prepared already. */
static void mark_failed(taskq__db *db, taskq_status status, const taskq_error *why)
{
    if (db->loan.failed.status == TASKQ_OK) {
        db->loan.failed = *why;
        db->loan.failed.status = status;
    }
    set_hand(db, TASKQ__HAND_NONE);
    sqlite3_set_authorizer(db->writer.sqlite, taskq__guard, db);
}

/* OK: more may be written in it. */
static taskq_status look(taskq__db *db, taskq_error *err)
{
    if (db->loan.failed.status == TASKQ_OK && sqlite3_get_autocommit(db->writer.sqlite)) {
        taskq_error why;
        mark_failed(db,
                    taskq__fail(&why, TASKQ_EINVAL,
                                "the transaction was ended by other means than taskq_sqlite_commit and _rollback: by the "
                                "host, or by SQLite after a statement of the host's had failed"),
                    &why);
    }
    if (db->loan.failed.status != TASKQ_OK && err != NULL) {
        *err = db->loan.failed;
    }
    return db->loan.failed.status;
}

/* ---- begin and end ----------------------------------------------------------------------------------------------- */

static void reset_statements(sqlite3 *sqlite)
{
    for (sqlite3_stmt *stmt = sqlite3_next_stmt(sqlite, NULL); stmt != NULL; stmt = sqlite3_next_stmt(sqlite, stmt)) {
        if (sqlite3_stmt_busy(stmt)) {
            sqlite3_reset(stmt);
        }
    }
}

/* The connection is the store's again, and the line the scheduler's. */
static void end(taskq__db *db, bool committed)
{
    taskq__loan loan = db->loan;
    reset_statements(db->writer.sqlite);
    set_hand(db, TASKQ__HAND_OURS);
    pthread_mutex_lock(&db->write_lock);
    db->loan.active = false;
    pthread_cond_broadcast(&db->write_free);
    pthread_mutex_unlock(&db->write_lock);
    loan.owner->give_back(loan.owner->user, committed ? &loan.batch : NULL, &loan.tally);
}

static void roll_back(taskq__db *db)
{
    set_hand(db, TASKQ__HAND_OURS);
    taskq__roll_back(db);
    end(db, false);
}

/* The scheduler is closed by the thread whose transaction it is. */
static void abandon(void *store)
{
    roll_back(store);
}

/* The line is ours. */
static taskq_status begin(taskq__db *db, taskq_error *err)
{
    taskq_status status = TASKQ_OK;
    pthread_mutex_lock(&db->write_lock);
    if (!sqlite3_get_autocommit(db->writer.sqlite)) {
        status =
            taskq__fail(err, TASKQ_EBUSY, "the host has a transaction open on the connection that is the store's now");
    } else {
        taskq__cmd begin = taskq__cmd_of(&db->writer, TASKQ__SQL_BEGIN_WRITE);
        int rc = taskq__cmd_run(&begin);
        status = rc == SQLITE_OK ? TASKQ_OK : taskq__fault(db->writer.sqlite, rc, "beginning a transaction", err);
    }
    if (status == TASKQ_OK) {
        db->loan.active = true;
        db->loan.holder = pthread_self();
        set_hand(db, TASKQ__HAND_HOST);
    }
    pthread_mutex_unlock(&db->write_lock);
    return status;
}

taskq_status taskq_sqlite_begin(taskq_store *store, struct sqlite3 **out, taskq_error *err)
{
    taskq__db *db = NULL;
    taskq_status status =
        out != NULL ? find_db(store, &db, err) : taskq__fail(err, TASKQ_EINVAL, "there is no place for the connection");
    if (status != TASKQ_OK) {
        return status;
    }
    const taskq__owner *owner = taskq__store_owner(store);
    if (owner == NULL) {
        return taskq__fail(err, TASKQ_EINVAL, "no scheduler is open on the store: it says who writes when");
    }
    if (atomic_load(&db->broken)) {
        return taskq__fail_broken(err);
    }
    const taskq__tally nothing = {0};
    taskq_batch batch;
    status = owner->hold(owner->user, &batch, abandon, db, err);
    if (status != TASKQ_OK) {
        return status;
    }
    /* Nobody else has the line: what is not guarded by the lock is ours. */
    db->loan.owner = owner;
    db->loan.batch = batch;
    db->loan.tally = nothing;
    db->loan.reported = NULL;
    db->loan.reported_room = 0;
    db->loan.failed.status = TASKQ_OK;
    status = begin(db, err);
    if (status != TASKQ_OK) {
        owner->give_back(owner->user, NULL, &nothing);
        return status;
    }
    *out = db->writer.sqlite;
    return TASKQ_OK;
}

taskq_status taskq_sqlite_commit(taskq_store *store, taskq_error *err)
{
    taskq__db *db = NULL;
    taskq_status status = find_mine(store, &db, err);
    if (status != TASKQ_OK) {
        return status;
    }
    status = look(db, err);
    if (status != TASKQ_OK) {
        roll_back(db);
        return status;
    }
    set_hand(db, TASKQ__HAND_OURS);
    taskq__cmd commit = taskq__cmd_of(&db->writer, TASKQ__SQL_COMMIT);
    int rc = taskq__cmd_run(&commit);
    if (rc == SQLITE_OK) {
        end(db, true);
        return TASKQ_OK;
    }
    status = taskq__txn_fail(db, rc, true, err);
    roll_back(db);
    return status;
}

taskq_status taskq_sqlite_rollback(taskq_store *store, taskq_error *err)
{
    taskq__db *db = NULL;
    taskq_status status = find_mine(store, &db, err);
    if (status == TASKQ_OK) {
        roll_back(db);
    }
    return status;
}

/* ---- what is done in it ------------------------------------------------------------------------------------------ */

/* One op, and what it leaves to be written at the end of a batch. What it refuses is in the op. */
static taskq_status run(taskq__db *db, taskq_op *op, taskq_error *err)
{
    taskq__loan *loan = &db->loan;
    taskq_ready ready[READY_MAX];
    taskq_batch one = loan->batch;
    taskq__txn txn;
    one.now = loan->owner->now(loan->owner->user);
    one.ready = ready;
    one.ready_max = READY_MAX;
    set_hand(db, TASKQ__HAND_OURS);
    taskq__txn_init(&txn, &db->writer, &one);
    int rc = taskq__txn_run_op(&txn, op);
    if (rc == SQLITE_OK) {
        rc = taskq__txn_flush(&txn);
    }
    set_hand(db, TASKQ__HAND_HOST);
    if (rc != SQLITE_OK) {
        taskq_error why;
        taskq_status status = taskq__txn_fail(db, rc, false, &why);
        mark_failed(db, status, &why);
        return look(db, err);
    }
    taskq__places_hand_out(&txn.places, txn.batch);
    taskq__batch_gather(&loan->batch, &one);
    loan->tally.ops++;
    if (op->status != TASKQ_OK && err != NULL) {
        *err = op->error;
    }
    return op->status;
}

taskq_status taskq_sqlite_enqueue(taskq_store *store, const taskq_new_job *const *jobs, uint32_t count,
                                  const taskq_enqueue_options *options, taskq_jobs **out, uint32_t *made,
                                  taskq_error *err)
{
    taskq__db *db = NULL;
    taskq_enqueue enqueue;
    taskq_status status = find_mine(store, &db, err);
    if (status == TASKQ_OK) {
        status = look(db, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__enqueue_check(jobs, count, options, err);
    }
    if (status != TASKQ_OK) {
        return status;
    }
    taskq_jobs *list = taskq__jobs_new(&db->allocator);
    if (list == NULL) {
        return taskq__fail_memory(err);
    }
    taskq_arena *arena = taskq__jobs_arena(list);
    status = taskq__enqueue_make(jobs, count, options, out != NULL, arena, &enqueue, err);
    if (status == TASKQ_OK) {
        taskq_op op = {.kind = TASKQ_OP_ENQUEUE, .in = {.enqueue = &enqueue}, .count = 1, .arena = arena};
        status = run(db, &op, err);
    }
    if (status == TASKQ_OK) {
        db->loan.tally.enqueued += enqueue.replayed ? 0 : enqueue.made;
        if (made != NULL) {
            *made = enqueue.made;
        }
        if (out != NULL) {
            taskq__jobs_set(list, enqueue.results, count, 0);
            *out = list;
            list = NULL;
        }
    }
    taskq_jobs_free(list);
    return status;
}

/* For the scheduler's figures; one that finds no room is left out of them. */
static void count_report(taskq__loan *loan, const taskq_report *report)
{
    taskq__tally *tally = &loan->tally;
    tally->succeeded += report->succeeded;
    tally->failed += !report->succeeded;
    if (tally->reported_count == loan->reported_room) {
        uint32_t room = loan->reported_room == 0 ? 16 : loan->reported_room * 2;
        int64_t *ids = taskq_arena_alloc(loan->batch.arena, room * sizeof(int64_t));
        if (ids == NULL) {
            return;
        }
        if (tally->reported_count > 0) {
            memcpy(ids, loan->reported, tally->reported_count * sizeof(int64_t));
        }
        loan->reported = ids;
        loan->reported_room = room;
        tally->reported = ids;
    }
    loan->reported[tally->reported_count++] = report->id;
}

taskq_status taskq_sqlite_complete(taskq_store *store, taskq_report *report, taskq_error *err)
{
    taskq__db *db = NULL;
    taskq_event event;
    taskq_status status = find_mine(store, &db, err);
    if (status == TASKQ_OK) {
        status = look(db, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__report_begin(report, err);
    }
    if (status != TASKQ_OK) {
        return status;
    }
    taskq__report_event(report, db->loan.owner->random(db->loan.owner->user), false, &event);
    taskq_op op = {.kind = TASKQ_OP_SETTLE, .in = {.events = &event}, .count = 1, .arena = db->loan.batch.arena};
    status = run(db, &op, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (event.status == TASKQ_OK && event.repeated) {
        event.status = TASKQ_EEXISTS;
    }
    taskq__report_take(report, &event);
    db->loan.tally.stale += event.status == TASKQ_ESTALE;
    if (event.status == TASKQ_OK) {
        count_report(&db->loan, report);
    }
    return taskq__event_refusal(&event, err);
}
