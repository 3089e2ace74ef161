/* SPDX-License-Identifier: MIT */
/*
 * Between batches, on the leader's own session, so it is short and seldom: counters that were appended are folded together,
 * rows of old batches go, and now and then it is looked whether somebody holds a snapshot so old that dead rows cannot be
 * cleared away. That is the one thing that makes a PostgreSQL queue slow and that nobody but its operator can end, so it is
 * said by name. Each look waits at least twenty times as long as the last one took.
 */
#include "store/postgres/notify.h"
#include "store/postgres/pg.h"

#include "core/arena.h"
#include "core/fail.h"
#include "core/log.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    TIDY_EVERY_MS = 1000,
    WATCH_EVERY_MS = 10000,
    TELL_EVERY_MS = 300000,
    SHARE = 20,        /* of the time: at most one part in so many */
    FOLD_ROWS = 10000, /* in one go */
    FORGET_ROWS = 5000,
    KEPT_BATCHES = 8, /* of our own: asked for only by ourselves, and only about the last one */
    SNAPSHOT_MS = 30000
};

static int64_t next_at(int64_t began_ms, int64_t every_ms)
{
    int64_t now = taskq__pg_now_ms(), pause = (now - began_ms) * SHARE;
    return now + (pause > every_ms ? pause : every_ms);
}

static taskq_status tidy(taskq__pg *pg, taskq_arena *arena, taskq_error *err)
{
    taskq__pg_session *session = pg->committer;
    taskq__pg_params fold, forget;
    taskq__pg_params_init(&fold, arena);
    taskq__pg_param_int(&fold, FOLD_ROWS);
    taskq__pg_params_init(&forget, arena);
    taskq__pg_param_int(&forget, pg->server);
    taskq__pg_param_int(&forget, pg->batch_number - KEPT_BATCHES);
    taskq__pg_param_int(&forget, FORGET_ROWS);
    taskq__pg_session_send(session, TASKQ__PG_SQL_BEGIN, NULL);
    taskq__pg_session_send(session, TASKQ__PG_SQL_FOLD_COUNTERS, &fold);
    taskq__pg_session_send(session, TASKQ__PG_SQL_FORGET_BATCHES, &forget);
    taskq__pg_session_send(session, TASKQ__PG_SQL_COMMIT, NULL);
    taskq_status status = taskq__pg_session_sync(session, err);
    status = status == TASKQ_OK ? taskq__pg_session_end(session, err) : status;
    taskq__pg_session_rollback(session);
    return status;
}

/* ---- who holds a snapshot -------------------------------------------------------------------------------------------------- */

static void tell(taskq__pg *pg, const PGresult *result, int64_t age_ms)
{
    enum { WHO, PID, USER, APPLICATION, STATE };
    char who[64], user[64], application[64], state[64];
    const struct {
        char *out;
        int column;
    } texts[] = {{who, WHO}, {user, USER}, {application, APPLICATION}, {state, STATE}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        taskq_text text = taskq__pg_result_text(result, 0, texts[i].column);
        (void)snprintf(texts[i].out, sizeof(who), "%.*s", (int)text.size, text.data == NULL ? "" : text.data);
    }
    const taskq_log_field fields[] = {
        {"held_by", who, 0}, {"pid", NULL, taskq__pg_result_int(result, 0, PID)},
        {"user", user, 0},   {"application", application, 0},
        {"state", state, 0}, {"age_ms", NULL, age_ms},
    };
    taskq__log(&pg->log, TASKQ_LOG_WARN, "store",
               "an old snapshot is held, so dead rows cannot be cleared away and claims become slower: end what holds it "
               "(pg_terminate_backend, ROLLBACK PREPARED, pg_drop_replication_slot)",
               fields, sizeof(fields) / sizeof(fields[0]));
}

static void judge(taskq__pg *pg, const PGresult *result)
{
    enum { AGE = 5 };
    int64_t age_ms = PQntuples(result) > 0 ? taskq__pg_result_int(result, 0, AGE) : 0;
    int64_t now = taskq__pg_now_ms();
    atomic_store(&pg->held_ms, age_ms);
    if (age_ms > 0 && now >= pg->tell_at_ms) {
        pg->tell_at_ms = now + TELL_EVERY_MS;
        tell(pg, result, age_ms);
    } else if (age_ms == 0) {
        pg->tell_at_ms = 0;
    }
}

static taskq_status watch(taskq__pg *pg, taskq_arena *arena, taskq_error *err)
{
    taskq__pg_session *session = pg->committer;
    PGresult *result = NULL;
    taskq__pg_params held, dead;
    taskq__pg_params_init(&held, arena);
    taskq__pg_param_int(&held, SNAPSHOT_MS);
    taskq__pg_params_init(&dead, arena);
    taskq__pg_param_text(&dead, taskq_text_of(pg->schema));
    taskq__pg_session_send(session, TASKQ__PG_SQL_HELD_SNAPSHOT, &held);
    taskq__pg_session_send(session, TASKQ__PG_SQL_DEAD_ROWS, &dead);
    taskq_status status = taskq__pg_session_sync(session, err);
    status = status == TASKQ_OK ? taskq__pg_session_next(session, &result, err) : status;
    if (status == TASKQ_OK) {
        judge(pg, result);
        PQclear(result);
        status = taskq__pg_session_next(session, &result, err);
    }
    if (status == TASKQ_OK) {
        atomic_store(&pg->dead_rows, taskq__pg_result_int(result, 0, 0));
        PQclear(result);
        status = taskq__pg_session_end(session, err);
    }
    return status;
}

taskq_status taskq__pg_upkeep(void *self, bool idle, taskq_error *err)
{
    taskq__pg *pg = self;
    int64_t now = taskq__pg_now_ms();
    bool tidies = idle || now >= pg->tidy_at_ms, watches = now >= pg->watch_at_ms;
    if ((!tidies && !watches) || !taskq__pg_session_is_open(pg->committer)) {
        return TASKQ_OK; /* a connection is made by whoever needs one */
    }
    taskq_arena *arena = taskq__arena_new(&pg->allocator, 0);
    if (arena == NULL) {
        return taskq__fail_memory(err);
    }
    taskq_status status = TASKQ_OK;
    if (tidies) {
        status = tidy(pg, arena, err);
        pg->tidy_at_ms = next_at(now, TIDY_EVERY_MS);
    }
    if (status == TASKQ_OK && watches) {
        status = watch(pg, arena, err);
        pg->watch_at_ms = next_at(now, WATCH_EVERY_MS);
    }
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
