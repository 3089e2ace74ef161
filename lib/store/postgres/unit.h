/* SPDX-License-Identifier: MIT */
/* One batch at work: the jobs it holds, as they stand after each of its ops, and what is to be written once at its end. The
 * database is asked in round trips: first for all that the ops name, then (rarely) for what that turned out to need, last to write
 * and to commit. Between them the ops are decided here, in their order, in memory. */
#ifndef TASKQ_STORE_POSTGRES_UNIT_H
#define TASKQ_STORE_POSTGRES_UNIT_H

#include "store/places.h"
#include "store/postgres/floors.h"
#include "store/postgres/pg.h"
#include "store/postgres/rows.h"

typedef struct taskq__pg_unit taskq__pg_unit;

/* An attempt that ended in this batch. */
typedef struct taskq__pg_ended {
    int64_t version, started_at_ms, finished_at_ms;
    int32_t attempt;
    taskq_outcome outcome;
    taskq_text worker, text;
    bool reported;
    uint64_t digest;
    struct taskq__pg_ended *next;
} taskq__pg_ended;

/* A job that the batch holds locked, or makes. */
typedef struct taskq__pg_touch {
    taskq__row row;              /* as it now stands; its texts live as long as the batch */
    bool there;                  /* there is such a job, or this batch makes it */
    bool held, locked;           /* by us: named by an op, or found by a claim; by others: named by an op */
    bool made, changed, removed; /* INSERT, UPDATE, DELETE */
    bool beaten, asked;          /* only lease and extras; only cancel_requested and updated_at */
    bool whole;                  /* payload, tags and texts were read too */
    bool ready_here;             /* this batch made it ready, and did not claim it */
    bool picked;                 /* a claim of this batch takes it */
    bool progress_set, progress_gone;
    taskq_text poll, progress;
    taskq_text log, log_tail; /* what beats added; the last piece, where there is room in it */
    int64_t log_end;          /* before this batch */
    int64_t payload_bytes;
    taskq__pg_ended *ended; /* the last one first */
    struct taskq__pg_touch *next;
} taskq__pg_touch;

/* What an answer means; NULL: only that it came. The result lives until the end of the batch. */
typedef taskq_status taskq__pg_take_fn(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err);

typedef struct taskq__pg_asked {
    taskq__pg_take_fn *take;
    void *user;
} taskq__pg_asked;

struct taskq__pg_unit {
    taskq__pg *pg; /* NULL in a transaction of the host's, where there are neither claims nor walks */
    taskq__pg_session *session;
    taskq_batch *batch;
    taskq_arena *arena; /* the batch's */
    taskq_now now;
    void **plans; /* one for each op: what it is in the midst of */

    taskq__pg_asked *asked; /* of the round trip that is being put together */
    uint32_t asked_count, asked_room;
    PGresult **results;
    uint32_t result_count, result_room;

    taskq__pg_touch **touches; /* open addressing by id */
    uint32_t touch_room, touch_count;
    taskq__pg_touch *first, *last;
    int64_t *named; /* jobs that beats and events name: each once, ascending */
    uint32_t named_count, locked_count;
    taskq__places places, keys; /* queues and types; unique keys taken in this batch */
    int64_t *ids;               /* for new jobs */
    uint32_t id_count, id_used;
    bool writes; /* there is something that statements of the look did or the end must do */
    bool looked_at_queues;
    void *shapes; /* claims.c */
    uint32_t shape_count;
};

/* ---- unit.c */
void taskq__pg_unit_init(taskq__pg_unit *unit, taskq__pg *pg, taskq__pg_session *session, taskq_batch *batch);
void taskq__pg_unit_clear(taskq__pg_unit *unit);
/* Part of the next round trip. */
taskq_status taskq__pg_ask(taskq__pg_unit *unit, taskq__pg_sql which, const taskq__pg_params *params,
                           taskq__pg_take_fn *take, void *user, taskq_error *err);
/* Part of it where there is a row to write. */
taskq_status taskq__pg_ask_rows(taskq__pg_unit *unit, taskq__pg_sql which, const taskq__pg_params *params,
                                taskq_error *err);
/* Make it, if anything was asked: every answer is taken. */
taskq_status taskq__pg_round(taskq__pg_unit *unit, taskq_error *err);
taskq_status taskq__pg_fail_arena(taskq_error *err);
/* `there` false where nobody has looked yet, or it was not found; NULL: no memory. */
taskq__pg_touch *taskq__pg_touch_of(taskq__pg_unit *unit, int64_t id);
taskq__pg_touch *taskq__pg_touch_look(const taskq__pg_unit *unit, int64_t id); /* NULL: none */
/* All texts of a job into an arena; false: no memory. */
bool taskq__pg_job_copy(taskq_arena *arena, const taskq_job *from, taskq_job *to);
int taskq__pg_by_id(const void *left, const void *right); /* for qsort of int64_t */

/* ---- decide.c: the first round trips, then the ops in their order. Outcomes are filled in by the second alone. */
taskq_status taskq__pg_unit_look(taskq__pg_unit *unit, taskq_error *err);
taskq_status taskq__pg_unit_decide(taskq__pg_unit *unit, taskq_error *err);
void taskq__pg_looks_hold(taskq__pg_unit *unit); /* the batch holds: floors are moved */
/* A round trip before taskq__pg_unit_decide was refused: no floor is moved. true: it looked at a beginning for too long, and will not
 * do so again for a while. */
bool taskq__pg_looks_failed(taskq__pg_unit *unit);

/* ---- moves.c: what the state machine decided, in memory. `poll`: of the claim that made the lease, else empty. */
bool taskq__pg_move(taskq__pg_unit *unit, taskq__pg_touch *touch, const taskq_event *event, const taskq_move *move,
                    taskq_text poll); /* false: no memory */
bool taskq__pg_count(taskq__pg_unit *unit, taskq_text queue, taskq_state from, taskq_state to);
bool taskq__pg_made_ready(taskq__pg_unit *unit, taskq__pg_touch *touch);

/* ---- look.c: the first round trip, and rows into touches. */
taskq_status taskq__pg_look(taskq__pg_unit *unit, taskq_error *err);
/* Whole rows of jobs, in the next round trip: into their touches. `groups`: beside each id, what has a bound of its own together. */
taskq_status taskq__pg_ask_whole(taskq__pg_unit *unit, const int64_t *ids, const int64_t *groups, uint32_t count,
                                 int64_t texts_max, taskq_error *err);
/* A candidate's columns, from `first`: TASKQ__JOB_COLUMNS, the payload's size, the payload if small, tags, traceparent, created_at,
 * the last error. Nothing changes where the batch has it already. NULL: no memory. */
taskq__pg_touch *taskq__pg_take_candidate(taskq__pg_unit *unit, const PGresult *result, int row, int first);

/* ---- ops: `ask`, what must be read first; `follow`, what that made necessary; `decide`. */
taskq_status taskq__pg_beats_ask(taskq__pg_unit *unit, taskq_error *err);
taskq_status taskq__pg_beat(taskq__pg_unit *unit, taskq_op *op, taskq_error *err);
taskq_status taskq__pg_settles_ask(taskq__pg_unit *unit, taskq_error *err);
taskq_status taskq__pg_settles_follow(taskq__pg_unit *unit, taskq_error *err);
taskq_status taskq__pg_settle(taskq__pg_unit *unit, uint32_t index, taskq_error *err);
taskq_status taskq__pg_enqueues_ask(taskq__pg_unit *unit, taskq_error *err);
taskq_status taskq__pg_enqueues_follow(taskq__pg_unit *unit, taskq_error *err);
taskq_status taskq__pg_enqueue_op(taskq__pg_unit *unit, uint32_t index, taskq_error *err);
taskq_status taskq__pg_claims_ask(taskq__pg_unit *unit, taskq_error *err);
/* After the round trip: those that came out with less than they are look from the beginning, in a round trip more. */
taskq_status taskq__pg_claims_again(taskq__pg_unit *unit, taskq_error *err);
taskq_status taskq__pg_claims_pick(taskq__pg_unit *unit, taskq_error *err);
taskq_status taskq__pg_claims_lease(taskq__pg_unit *unit, taskq_error *err);
void taskq__pg_claims_committed(taskq__pg_unit *unit);
bool taskq__pg_claims_failed(taskq__pg_unit *unit);
taskq_status taskq__pg_walk_ask(taskq__pg_unit *unit, taskq_walk *walk, taskq_error *err);
taskq_status taskq__pg_walk_decide(taskq__pg_unit *unit, taskq_walk *walk, taskq_error *err);
void taskq__pg_walk_committed(taskq__pg_unit *unit);
bool taskq__pg_walk_failed(taskq__pg_unit *unit);

/* ---- write.c, write_side.c: all that changed into the next round trip. */
taskq_status taskq__pg_write(taskq__pg_unit *unit, taskq_error *err);
taskq_status taskq__pg_write_side(taskq__pg_unit *unit, taskq_error *err);
taskq_status taskq__pg_write_note(taskq__pg_unit *unit, int64_t number, bool with_row, taskq_error *err);

#endif
