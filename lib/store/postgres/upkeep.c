/* SPDX-License-Identifier: MIT */
/*
 * Between batches, on the leader's own session, so it is short and seldom: counters that were appended are folded together,
 * rows of old batches go, and now and then it is looked who keeps dead rows from being cleared away (held.c). Each look waits
 * at least twenty times as long as the last one took.
 */
#include "store/postgres/notify.h"
#include "store/postgres/pg.h"

#include "core/arena.h"
#include "core/fail.h"

#include <string.h>

enum {
    TIDY_EVERY_MS = 1000,
    UPKEEP_MS = 2000,  /* at most */
    SHARE = 20,        /* of the time: at most one part in so many */
    FOLD_ROWS = 10000, /* in one go */
    FOLD_LEAST = 100,  /* that are not alone: fewer are not worth it, but where nobody has written for a while */
    FORGET_ROWS = 5000,
    KEPT_BATCHES = 8, /* of our own: asked for only by ourselves, and only about the last one */
    OTHERS_EVERY_MS = 60000
};

static int64_t next_at(int64_t began_ms, int64_t every_ms)
{
    int64_t now = taskq__pg_now_ms(), pause = (now - began_ms) * SHARE;
    return now + (pause > every_ms ? pause : every_ms);
}

static void send_fold(taskq__pg *pg, taskq_arena *arena, bool idle)
{
    taskq__pg_params fold;
    taskq__pg_params_init(&fold, arena);
    taskq__pg_param_text(&fold, (taskq_text){pg->tidied.fold_queue, pg->tidied.fold_queue_size});
    taskq__pg_param_int(&fold, pg->tidied.fold_state);
    taskq__pg_param_int(&fold, FOLD_ROWS);
    taskq__pg_param_int(&fold, idle ? 1 : FOLD_LEAST);
    taskq__pg_session_send(pg->committer, TASKQ__PG_SQL_FOLD_COUNTERS, &fold);
}

/* At the last pair of this look, of which there may be more; at the beginning, where this one came to the end. */
static taskq_status read_fold(taskq__pg *pg, taskq__pg_tidied *next, taskq_error *err)
{
    PGresult *result = NULL;
    taskq_status status = taskq__pg_session_next(pg->committer, &result, err);
    next->fold_queue_size = 0;
    next->fold_state = 0;
    if (status == TASKQ_OK && PQntuples(result) > 0) {
        taskq_text queue = taskq__pg_result_text(result, 0, 0);
        if (queue.size > 0 && queue.size <= sizeof(next->fold_queue)) {
            memcpy(next->fold_queue, queue.data, queue.size);
            next->fold_queue_size = queue.size;
            next->fold_state = taskq__pg_result_int(result, 0, 1);
        }
    }
    PQclear(result);
    return status;
}

static void send_forget(taskq__pg *pg, taskq_arena *arena, taskq__pg_tidied *next)
{
    int64_t below = pg->batch_number - KEPT_BATCHES, now = taskq__pg_now_ms();
    bool others = next->others_batches_ms == 0 || now - next->others_batches_ms >= OTHERS_EVERY_MS;
    taskq__pg_params forget;
    taskq__pg_params_init(&forget, arena);
    taskq__pg_param_int(&forget, pg->server);
    taskq__pg_param_int(&forget, below);
    taskq__pg_param_int(&forget, FORGET_ROWS);
    taskq__pg_param_int(&forget, next->batches_below);
    taskq__pg_param_int(&forget, others);
    taskq__pg_session_send(pg->committer, TASKQ__PG_SQL_FORGET_BATCHES, &forget);
    if (below > next->batches_below) {
        next->batches_below = below - next->batches_below > FORGET_ROWS ? next->batches_below + FORGET_ROWS : below;
    }
    next->others_batches_ms = others ? now : next->others_batches_ms;
}

static taskq_status tidy(taskq__pg *pg, taskq_arena *arena, bool idle, taskq_error *err)
{
    taskq__pg_session *session = pg->committer;
    taskq__pg_tidied next = pg->tidied;
    taskq__pg_session_send(session, TASKQ__PG_SQL_BEGIN, NULL);
    send_fold(pg, arena, idle);
    send_forget(pg, arena, &next);
    taskq__pg_session_send(session, TASKQ__PG_SQL_COMMIT, NULL);
    taskq_status status = taskq__pg_session_sync(session, err);
    status = status == TASKQ_OK ? taskq__pg_session_skip(session, err) : status;
    status = status == TASKQ_OK ? read_fold(pg, &next, err) : status;
    status = status == TASKQ_OK ? taskq__pg_session_end(session, err) : status;
    taskq__pg_session_rollback(session);
    if (status == TASKQ_OK) {
        pg->tidied = next;
    }
    return status;
}

taskq_status taskq__pg_upkeep(void *self, bool idle, taskq_error *err)
{
    taskq__pg *pg = self;
    int64_t now = taskq__pg_now_ms();
    bool tidies = idle || now >= pg->tidy_at_ms, looks = now >= pg->held.look_at_ms;
    if ((!tidies && !looks) || !taskq__pg_session_is_open(pg->committer) || atomic_load(&pg->unsettled) != 0) {
        return TASKQ_OK; /* a connection is made by whoever needs one, and COMMIT is not tried where it gets no answer */
    }
    taskq_arena *arena = taskq__arena_new(&pg->allocator, 0);
    if (arena == NULL) {
        return taskq__fail_memory(err);
    }
    taskq_status status = TASKQ_OK;
    taskq__pg_session_until(pg->committer, now + UPKEEP_MS); /* somebody's call stands behind it */
    if (tidies) {
        status = tidy(pg, arena, idle, err);
        pg->tidy_at_ms = next_at(now, TIDY_EVERY_MS);
    }
    if (status == TASKQ_OK && looks) {
        status = taskq__pg_held_look(pg, arena, err);
        pg->held.look_at_ms = next_at(now, pg->held.every_ms);
    }
    taskq__pg_session_until(pg->committer, INT64_MAX);
    taskq__arena_free(arena);
    return status == TASKQ_EBUSY ? TASKQ_OK : status; /* another server is at it */
}

/* ---- figures --------------------------------------------------------------------------------------------------------------- */

uint32_t taskq__pg_figures(void *self, taskq_figure *out, uint32_t max)
{
    taskq__pg *pg = self;
    uint64_t sent = 0, received = 0;
    if (pg->notifier != NULL) {
        taskq__pg_notifier_count(pg->notifier, &sent, &received);
    }
    const taskq_figure all[] = {
        {"connections_lost", (int64_t)atomic_load(&pg->lost)},
        {"batches_settled_later", (int64_t)atomic_load(&pg->settled_later)},
        {"dead_rows", atomic_load(&pg->dead_rows)},
        {"held_snapshot_ms", atomic_load(&pg->held_ms)},
        {"notifications_sent", (int64_t)sent},
        {"notifications_received", (int64_t)received},
    };
    uint32_t count = 0;
    for (; count < sizeof(all) / sizeof(all[0]) && count < max; count++) {
        out[count] = all[count];
    }
    return count;
}
