/* SPDX-License-Identifier: MIT */
/*
 * The reads but for the list: one job, the queues with their counts, when the sweep is wanted, and whether a batch could be
 * written. Each is one round trip, and the database's time comes with it. Counts come from counters and ages from the heads
 * of an index: none of it depends on how many jobs there are.
 */
#include "store/postgres/floors.h"
#include "store/postgres/pg.h"
#include "store/postgres/rows.h"

#include "core/arena.h"
#include "core/fail.h"
#include "core/text.h"

#include <inttypes.h>
#include <string.h>

static taskq_now now_of(const PGresult *result)
{
    int64_t now = taskq__pg_result_int(result, 0, 0);
    return (taskq_now){now, now};
}

/* ---- one job ------------------------------------------------------------------------------------------------------- */

typedef struct getting {
    int64_t id;
    uint32_t parts;
    taskq_arena *arena;
    taskq__row *row; /* out; NULL: there is none */
} getting;

/* The last ones; read from the end, shown from the oldest. */
static bool take_attempts(const PGresult *result, taskq_arena *arena, taskq_job *job)
{
    uint32_t count = (uint32_t)PQntuples(result);
    taskq_attempt *attempts = taskq_arena_alloc(arena, count * sizeof(*attempts));
    if (attempts == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        int row = (int)(count - 1 - i);
        attempts[i].attempt = (int32_t)taskq__pg_result_int(result, row, 0);
        attempts[i].outcome = (taskq_outcome)taskq__pg_result_int(result, row, 1);
        attempts[i].started_at_ms = taskq__pg_result_int(result, row, 3);
        attempts[i].finished_at_ms = taskq__pg_result_int(result, row, 4);
        if (!taskq__pg_result_copy(result, row, 2, arena, &attempts[i].worker) ||
            !taskq__pg_result_copy(result, row, 5, arena, &attempts[i].error)) {
            return false;
        }
    }
    job->attempts = attempts;
    job->attempt_count = count;
    return true;
}

static bool take_log(const PGresult *result, taskq_arena *arena, taskq_job *job)
{
    size_t size = 0;
    for (int i = 0; i < PQntuples(result); i++) {
        size += taskq__pg_result_text(result, i, 0).size;
    }
    char *text = taskq_arena_alloc(arena, size);
    if (text == NULL) {
        return false;
    }
    size_t at = 0;
    for (int i = 0; i < PQntuples(result); i++) {
        taskq_text chunk = taskq__pg_result_text(result, i, 0);
        if (chunk.size > 0) {
            memcpy(text + at, chunk.data, chunk.size);
        }
        at += chunk.size;
    }
    job->log = taskq__text_cut_tail((taskq_text){text, size}, TASKQ_LOG_BYTES_MAX);
    return true;
}

typedef bool take_part_fn(const PGresult *result, taskq_arena *arena, taskq_job *job);

static taskq_status read_part(taskq__pg_session *session, getting *get, take_part_fn *take, taskq_error *err)
{
    PGresult *result = NULL;
    taskq_status status = taskq__pg_session_next(session, &result, err);
    if (status == TASKQ_OK && get->row != NULL && !take(result, get->arena, &get->row->job)) {
        status = taskq__fail_memory(err);
    }
    PQclear(result);
    return status;
}

static taskq_status read_row(taskq__pg_session *session, getting *get, taskq_error *err)
{
    PGresult *result = NULL;
    taskq_status status = taskq__pg_session_next(session, &result, err);
    if (status == TASKQ_OK && PQntuples(result) > 0) {
        taskq__row *row = taskq_arena_alloc(get->arena, sizeof(*row));
        if (row == NULL || !taskq__pg_row_take_whole(result, 0, 1, now_of(result), get->arena, row)) {
            status = taskq__fail_memory(err);
        } else {
            get->row = row;
        }
    }
    PQclear(result);
    return status;
}

/* With more than the row it is one snapshot that all of it is read from. */
static void send_get(taskq__pg_session *session, const getting *get)
{
    taskq__pg_params id, attempts;
    taskq__pg_params_init(&id, get->arena);
    taskq__pg_param_int(&id, get->id);
    if (get->parts != 0) {
        taskq__pg_session_send(session, TASKQ__PG_SQL_BEGIN_READ, NULL);
    }
    taskq__pg_session_send(session, TASKQ__PG_SQL_GET, &id);
    if ((get->parts & TASKQ_PART_ATTEMPTS) != 0) {
        taskq__pg_params_init(&attempts, get->arena);
        taskq__pg_param_int(&attempts, get->id);
        taskq__pg_param_int(&attempts, TASKQ_ATTEMPTS_SHOWN_MAX);
        taskq__pg_session_send(session, TASKQ__PG_SQL_GET_ATTEMPTS, &attempts);
    }
    if ((get->parts & TASKQ_PART_LOG) != 0) {
        taskq__pg_session_send(session, TASKQ__PG_SQL_GET_LOG, &id);
    }
    if (get->parts != 0) {
        taskq__pg_session_send(session, TASKQ__PG_SQL_COMMIT, NULL);
    }
}

static taskq_status read_job(taskq__pg_session *session, void *user, taskq_error *err)
{
    getting *get = user;
    get->row = NULL;
    send_get(session, get);
    taskq_status status = taskq__pg_session_sync(session, err);
    if (status == TASKQ_OK && get->parts != 0) {
        status = taskq__pg_session_skip(session, err);
    }
    status = status == TASKQ_OK ? read_row(session, get, err) : status;
    if (status == TASKQ_OK && (get->parts & TASKQ_PART_ATTEMPTS) != 0) {
        status = read_part(session, get, take_attempts, err);
    }
    if (status == TASKQ_OK && (get->parts & TASKQ_PART_LOG) != 0) {
        status = read_part(session, get, take_log, err);
    }
    return status == TASKQ_OK ? taskq__pg_session_end(session, err) : status;
}

taskq_status taskq__pg_get(void *self, int64_t id, uint32_t parts, taskq_now now, taskq_arena *arena, taskq_job **out,
                           taskq_error *err)
{
    (void)now; /* the database's counts */
    getting get = {.id = id, .parts = parts & (TASKQ_PART_ATTEMPTS | TASKQ_PART_LOG), .arena = arena};
    taskq_status status = taskq__pg_read(self, read_job, &get, err);
    if (status == TASKQ_OK && get.row == NULL) {
        return taskq__fail(err, TASKQ_ENOTFOUND, "there is no job %" PRId64, id);
    }
    if (status == TASKQ_OK) {
        *out = &get.row->job;
    }
    return status;
}

/* ---- queues -------------------------------------------------------------------------------------------------------- */

typedef struct counting {
    const taskq_text *queue; /* NULL: all */
    taskq_arena *arena;
    taskq_counts counts; /* out */
} counting;

static bool take_queues(const PGresult *result, counting *c)
{
    enum { NAME = 1, PAUSED, OLDEST, COUNT_OF_FIRST_STATE };
    uint32_t count = (uint32_t)PQntuples(result);
    taskq_queue *queues = taskq_arena_alloc(c->arena, count * sizeof(*queues));
    if (queues == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        int row = (int)i;
        int64_t now = taskq__pg_result_int(result, row, 0);
        if (!taskq__pg_result_copy(result, row, NAME, c->arena, &queues[i].name)) {
            return false;
        }
        queues[i].paused = taskq__pg_result_int(result, row, PAUSED) != 0;
        for (int state = 1; state < TASKQ_STATE_COUNT; state++) {
            queues[i].counts[state] = taskq__pg_result_int(result, row, COUNT_OF_FIRST_STATE + state - 1);
        }
        int64_t oldest = taskq__pg_result_null(result, row, OLDEST) ? now : taskq__pg_result_int(result, row, OLDEST);
        queues[i].oldest_ready_age_ms = oldest < now ? now - oldest : 0;
    }
    c->counts = (taskq_counts){queues, count};
    return true;
}

static taskq_status read_queues(taskq__pg_session *session, void *user, taskq_error *err)
{
    counting *c = user;
    PGresult *result = NULL;
    taskq__pg_params params;
    taskq__pg_params_init(&params, c->arena);
    if (c->queue != NULL) {
        taskq__pg_param_text(&params, *c->queue);
    }
    taskq__pg_session_send(session, c->queue != NULL ? TASKQ__PG_SQL_QUEUE_READ : TASKQ__PG_SQL_QUEUES_READ, &params);
    taskq_status status = taskq__pg_session_sync(session, err);
    status = status == TASKQ_OK ? taskq__pg_session_next(session, &result, err) : status;
    if (status == TASKQ_OK && !take_queues(result, c)) {
        status = taskq__fail_memory(err);
    }
    PQclear(result);
    return status == TASKQ_OK ? taskq__pg_session_end(session, err) : status;
}

taskq_status taskq__pg_counts(void *self, const taskq_text *queue, taskq_now now, taskq_arena *arena, taskq_counts *out,
                              taskq_error *err)
{
    (void)now;
    counting c = {.queue = queue, .arena = arena};
    taskq_status status = taskq__pg_read(self, read_queues, &c, err);
    if (status == TASKQ_OK) {
        *out = c.counts;
    }
    return status;
}

/* ---- when, and whether ----------------------------------------------------------------------------------------------- */

/* One statement of one row. */
static taskq_status read_one(taskq__pg_session *session, taskq__pg_sql which, const taskq__pg_params *params,
                             PGresult **out, taskq_error *err)
{
    taskq__pg_session_send(session, which, params);
    taskq_status status = taskq__pg_session_sync(session, err);
    status = status == TASKQ_OK ? taskq__pg_session_next(session, out, err) : status;
    return status;
}

static int64_t earliest(const PGresult *result, int column, int64_t than)
{
    int64_t at = taskq__pg_result_int(result, 0, column);
    return !taskq__pg_result_null(result, 0, column) && at < than ? at : than;
}

#define WITHIN_MS_MAX (INT64_C(1) << 60)

typedef struct asking_due {
    const taskq__pg_floors *floors; /* the sweeps find nothing before them either */
    int64_t within_ms; /* what is later stands behind the dead entries of leases that ended before their time */
    taskq_arena *arena;
    taskq_now due; /* out */
} asking_due;

static taskq_status read_due(taskq__pg_session *session, void *user, taskq_error *err)
{
    asking_due *a = user;
    PGresult *result = NULL;
    taskq__pg_params params;
    taskq__pg_params_init(&params, a->arena);
    taskq__pg_param_int(&params, taskq__pg_sweep_floor_seen(a->floors, TASKQ__PG_SWEEP_RUN));
    taskq__pg_param_int(&params, taskq__pg_sweep_floor_seen(a->floors, TASKQ__PG_SWEEP_EXPIRES));
    taskq__pg_param_int(&params, taskq__pg_sweep_floor_seen(a->floors, TASKQ__PG_SWEEP_BACKOFF));
    taskq__pg_param_int(&params, a->within_ms < WITHIN_MS_MAX ? a->within_ms : WITHIN_MS_MAX);
    taskq_status status = read_one(session, TASKQ__PG_SQL_NEXT_DUE, &params, &result, err);
    if (status == TASKQ_OK) {
        a->due.wall_ms = earliest(result, 0, INT64_MAX);
        a->due.steady_ms = earliest(result, 2, earliest(result, 1, INT64_MAX));
        PQclear(result);
        status = taskq__pg_session_end(session, err);
    }
    return status;
}

taskq_status taskq__pg_next_due(void *self, int64_t within_ms, taskq_now *out, taskq_error *err)
{
    taskq__pg *pg = self;
    asking_due a = {.floors = pg->floors, .within_ms = within_ms, .arena = taskq__arena_new(&pg->allocator, 0)};
    if (a.arena == NULL) {
        return taskq__fail_memory(err);
    }
    taskq_status status = taskq__pg_read(pg, read_due, &a, err);
    taskq__arena_free(a.arena);
    if (status == TASKQ_OK) {
        *out = a.due;
    }
    return status;
}

enum { STUCK_MS = 3000 };

static taskq_status read_ping(taskq__pg_session *session, void *user, taskq_error *err)
{
    bool *writes = user;
    PGresult *result = NULL;
    taskq_status status = read_one(session, TASKQ__PG_SQL_MAY_WRITE, NULL, &result, err);
    if (status == TASKQ_OK) {
        *writes = taskq__pg_result_int(result, 0, 0) != 0;
        PQclear(result);
        status = taskq__pg_session_end(session, err);
    }
    return status;
}

/* A database that answers may still take nothing: its standby is waited for, its disk hangs. */
static taskq_status judge_commits(const taskq__pg *pg, taskq_error *err)
{
    int64_t now = taskq__pg_now_ms();
    int64_t since = atomic_load(&pg->commit_since_ms);
    if (since != 0 && now - since >= STUCK_MS) {
        return taskq__fail(err, TASKQ_EUNAVAIL, "PostgreSQL has not taken a batch for %" PRId64 " ms", now - since);
    }
    if (atomic_load(&pg->unsettled) != 0) {
        return taskq__fail(err, TASKQ_EUNAVAIL, "PostgreSQL gives no answer to a COMMIT");
    }
    return TASKQ_OK;
}

taskq_status taskq__pg_ping(void *self, taskq_error *err)
{
    taskq__pg *pg = self;
    bool writes = false;
    taskq_status status = taskq__pg_whole(pg, err);
    if (status == TASKQ_OK) {
        status = judge_commits(pg, err);
    }
    if (status != TASKQ_OK) {
        return status;
    }
    status = taskq__pg_read_of(pg->pinger, read_ping, &writes, err);
    if (status == TASKQ_OK && !writes) {
        return taskq__fail(err, TASKQ_EUNAVAIL,
                           "PostgreSQL takes no writes: it is a standby, or read-only, or this role may not write");
    }
    return status == TASKQ_OK || status == TASKQ_ENOMEM ? status : TASKQ_EUNAVAIL;
}
