/* SPDX-License-Identifier: MIT */
/*
 * A batch is a transaction, and three things can become of it. It fails before COMMIT is sent: nothing happened. It is
 * answered: it holds. Or COMMIT was sent and no answer came: then a new connection asks, by inserting the row again that every
 * batch inserts. Refused, the batch holds, and its outcomes, all computed before, are delivered. Accepted, it does not hold and
 * cannot any more, since that row is kept and the batch is done again in the same transaction.
 */
#include "store/postgres/unit.h"

#include "core/fail.h"

#include <poll.h>

enum {
    BATCH_MS = 10000,  /* for all of a batch that comes before its COMMIT, connecting too */
    SETTLE_MS = 10000, /* from COMMIT on: for its answer, or for what became of it */
    COMMIT_MS = 6000,  /* for its answer; then a new connection asks. Longer than a lock is waited for */
    ASK_AGAIN_MS = 20,
    LOOKS_MAX = 10,             /* while others have a job that the batch names */
    LOOKS_AFTER_LOSS_MAX = 100, /* the same where the other one may be the server process of our own lost connection */
    LOOK_AGAIN_MS = 20,
    TRY_AGAIN_WITHIN_MS = 2000
};

/* How far a run came. */
typedef enum progress {
    RAN_NOTHING, /* no COMMIT was sent */
    RAN_TO_COMMIT,
    RAN_DONE
} progress;

typedef struct committing {
    taskq__pg *pg;
    taskq_batch *batch;
    int64_t number;
    int64_t until_ms;
    uint32_t decided; /* how many runs have filled outcomes in */
    uint32_t looks;   /* how many have found a job locked by others */
    uint32_t looks_max;
    bool looks_again; /* the run ended for that reason, or in the midst of a look that took too long, before it changed anything */
    progress at;
} committing;

static void committed(taskq__pg_unit *unit)
{
    uint64_t generation = taskq__pg_session_generation(unit->session);
    taskq__pg_looks_hold(unit);
    for (const taskq__named *place = unit->places.first; place != NULL; place = place->next) {
        if (place->make) {
            taskq__pg_queue_learn(unit->pg->floors, generation, place->queue);
        }
    }
}

/* What this connection reads has been answered for, by a COMMIT on it. */
static bool is_proved(const taskq__pg *pg)
{
    return pg->proved == taskq__pg_session_generation(pg->committer);
}

static void bound_commit(committing *c, bool first)
{
    int64_t now = taskq__pg_now_ms();
    c->until_ms = first ? now + SETTLE_MS : c->until_ms;
    taskq__pg_session_until(c->pg->committer, now + COMMIT_MS < c->until_ms ? now + COMMIT_MS : c->until_ms);
}

/* The batch from its look to its COMMIT, in a transaction that is open. `noted`: its row is in already. */
static taskq_status run(committing *c, taskq__pg_unit *unit, bool noted, taskq_error *err)
{
    taskq__pg_floors_begin(c->pg->floors, &c->pg->news, taskq__pg_now_ms());
    taskq_status status = taskq__pg_unit_look(unit, err);
    if (status == TASKQ_OK && unit->locked_count > 0 && c->looks < c->looks_max) {
        c->looks++;
        c->looks_again = true;
        return TASKQ_EBUSY;
    }
    status = status == TASKQ_OK ? taskq__pg_claims_again(unit, err) : status;
    if (status != TASKQ_OK) {
        c->looks_again = taskq__pg_looks_failed(unit); /* the rest of the batch is not to pay for it */
        return status;
    }
    c->decided++;
    status = taskq__pg_unit_decide(unit, err);
    if (status == TASKQ_OK) {
        status = taskq__pg_write(unit, err);
    }
    if (status != TASKQ_OK) {
        return status;
    }
    taskq__places_hand_out(&unit->places, c->batch);
    if (!unit->writes && !noted && is_proved(c->pg)) {
        taskq__pg_session_rollback(c->pg->committer); /* nothing was written: no flush is waited for */
        c->at = RAN_DONE;
        committed(unit);
        return TASKQ_OK;
    }
    status = taskq__pg_write_note(unit, c->number, !noted, err);
    if (status == TASKQ_OK) {
        status = taskq__pg_ask(unit, TASKQ__PG_SQL_COMMIT, NULL, NULL, NULL, err);
    }
    if (status == TASKQ_OK) {
        bound_commit(c, !noted);
        c->at = RAN_TO_COMMIT;
        status = taskq__pg_round(unit, err);
        taskq__pg_session_until(c->pg->committer, c->until_ms);
    }
    if (status == TASKQ_OK) {
        c->at = RAN_DONE;
        c->pg->proved = taskq__pg_session_generation(c->pg->committer);
        committed(unit);
    } else if (taskq__pg_session_was_refused(c->pg->committer)) {
        c->at = RAN_NOTHING; /* COMMIT, or a statement before it: the server said so */
    }
    return status;
}

static taskq_status run_once(committing *c, taskq_error *err)
{
    taskq__pg_unit unit;
    taskq__pg_unit_init(&unit, c->pg, c->pg->committer, c->batch);
    taskq_status status = taskq__pg_ask(&unit, TASKQ__PG_SQL_BEGIN, NULL, NULL, NULL, err);
    if (status == TASKQ_OK) {
        status = run(c, &unit, false, err);
    }
    taskq__pg_unit_clear(&unit);
    return status;
}

/* A job that others have locked is waited for without holding anything, and not for long: a host may have it for as long as its
 * transaction lasts, and everybody stands behind this batch. The last run does what it can and tells the rest that it is busy. */
static taskq_status run_new(committing *c, taskq_error *err)
{
    for (;;) {
        c->looks_again = false;
        taskq_status status = run_once(c, err);
        if (!c->looks_again) {
            return status;
        }
        taskq__pg_session_rollback(c->pg->committer);
        (void)poll(NULL, 0, LOOK_AGAIN_MS);
    }
}

/* ---- no answer to COMMIT --------------------------------------------------------------------------------------------- */

static taskq_status take_asked(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    (void)unit;
    (void)err;
    *(bool *)user = PQntuples(result) == 0;
    return TASKQ_OK;
}

/* Inserts a batch's row again: waits for a transaction that is about to commit it, as long as for any lock. */
static taskq_status ask_whether(taskq__pg_unit *unit, int64_t number, bool *holds, taskq_error *err)
{
    taskq__pg_params params;
    taskq__pg_params_init(&params, unit->arena);
    taskq__pg_param_int(&params, unit->pg->server);
    taskq__pg_param_int(&params, number);
    taskq_status status = taskq__pg_ask(unit, TASKQ__PG_SQL_BEGIN, NULL, NULL, NULL, err);
    if (status == TASKQ_OK) {
        status = taskq__pg_ask(unit, TASKQ__PG_SQL_BATCH_ASK, &params, take_asked, holds, err);
    }
    return status == TASKQ_OK ? taskq__pg_round(unit, err) : status;
}

/* That a batch can be seen does not say that it is safe: a COMMIT that waited for a standby was cut short by a restart, and what it wrote stands
 * on this machine alone. A COMMIT of our own stands behind it in the log, and its answer is for both. */
static taskq_status prove(committing *c, taskq__pg_unit *unit, taskq_error *err)
{
    c->number = ++c->pg->batch_number;
    taskq_status status = taskq__pg_ask(unit, TASKQ__PG_SQL_BEGIN, NULL, NULL, NULL, err);
    status = status == TASKQ_OK ? taskq__pg_write_note(unit, c->number, true, err) : status;
    if (status == TASKQ_OK) {
        status = taskq__pg_ask(unit, TASKQ__PG_SQL_COMMIT, NULL, NULL, NULL, err);
    }
    status = status == TASKQ_OK ? taskq__pg_round(unit, err) : status;
    if (status == TASKQ_OK) {
        c->pg->proved = taskq__pg_session_generation(c->pg->committer);
    }
    return status;
}

/* *settled: it is known what became of the batch. Else it may be asked again. */
static taskq_status settle_once(committing *c, bool *settled, taskq_error *err)
{
    taskq__pg_unit unit;
    taskq__pg_session *session = c->pg->committer;
    bool holds = false;
    *settled = false;
    taskq_status status = taskq__pg_session_ready(session, err);
    if (status != TASKQ_OK) {
        return status;
    }
    const taskq_now now = c->batch->now, next_due = c->batch->next_due;
    uint32_t ready_count = c->batch->ready_count;
    taskq__pg_unit_init(&unit, c->pg, session, c->batch);
    status = ask_whether(&unit, c->number, &holds, err);
    if (status == TASKQ_OK && holds) {
        taskq__pg_session_rollback(session);
        taskq__pg_floors_doubt(c->pg->floors);
        c->batch->now = now;
        c->batch->next_due = next_due;
        c->batch->ready_count = ready_count;
        *settled =
            c->decided == 1 && prove(c, &unit, err) == TASKQ_OK; /* else it is not known which of the runs it was */
        status = *settled ? TASKQ_OK : TASKQ_EUNKNOWN;
        c->at = RAN_DONE;
    } else if (status == TASKQ_OK) {
        status = run(c, &unit, true, err);
        *settled = status == TASKQ_OK || status == TASKQ_EINVAL;
    }
    if (status != TASKQ_OK) {
        c->batch->now = now;
        c->batch->next_due = next_due;
        c->batch->ready_count = ready_count;
    }
    taskq__pg_unit_clear(&unit);
    taskq__pg_session_rollback(session);
    return status;
}

static taskq_status settle(committing *c, taskq_error *err)
{
    taskq_error reason = TASKQ_ERROR_INIT;
    c->looks = 0;
    c->looks_max = LOOKS_AFTER_LOSS_MAX;
    for (;;) {
        bool settled = false;
        taskq_status status = settle_once(c, &settled, &reason);
        if (settled) {
            (void)atomic_fetch_add(&c->pg->settled_later, 1);
            return status == TASKQ_OK ? TASKQ_OK : taskq__fail(err, status, "%s", reason.text);
        }
        int64_t left_ms = c->until_ms - taskq__pg_now_ms(), wait_ms = taskq__pg_session_retry_ms(c->pg->committer);
        if (status == TASKQ_EUNKNOWN || left_ms <= 0) {
            taskq__pg_floors_doubt(c->pg->floors);
            atomic_store(&c->pg->unsettled, c->number);
            return taskq__fail(err, TASKQ_EUNKNOWN,
                               "PostgreSQL gave no answer to COMMIT, and none to whether it holds: %s", reason.text);
        }
        wait_ms = wait_ms < ASK_AGAIN_MS ? ASK_AGAIN_MS : wait_ms;
        (void)poll(NULL, 0, (int)(wait_ms < left_ms ? wait_ms : left_ms));
    }
}

/* A COMMIT that nobody waits for any more may still be under way, waiting for a standby; another one would wait beside it, and each that is given
 * up leaves a server process behind. So the first has to end before the next batch begins. */
static taskq_status await_earlier(committing *c, taskq_error *err)
{
    taskq__pg_unit unit;
    taskq_error reason = TASKQ_ERROR_INIT;
    bool holds = false;
    int64_t number = atomic_load(&c->pg->unsettled);
    if (number == 0) {
        return TASKQ_OK;
    }
    taskq__pg_unit_init(&unit, c->pg, c->pg->committer, c->batch);
    taskq_status status = ask_whether(&unit, number, &holds, &reason);
    taskq__pg_unit_clear(&unit);
    taskq__pg_session_rollback(c->pg->committer);
    if (status != TASKQ_OK) {
        return taskq__fail(err, TASKQ_EUNAVAIL, "PostgreSQL still gives no answer to an earlier COMMIT: %s",
                           reason.text);
    }
    atomic_store(&c->pg->unsettled, 0);
    return TASKQ_OK;
}

static taskq_status commit(committing *c, int64_t began_ms, taskq_error *err)
{
    taskq_status status = TASKQ_EUNAVAIL;
    for (int tries = 0; tries < 2 && status == TASKQ_EUNAVAIL; tries++) {
        bool was_open = taskq__pg_session_is_open(c->pg->committer);
        c->number = ++c->pg->batch_number;
        c->at = RAN_NOTHING;
        c->decided = c->looks = 0;
        c->looks_max = tries == 0 ? LOOKS_MAX : LOOKS_AFTER_LOSS_MAX;
        status = taskq__pg_session_ready(c->pg->committer, err);
        status = status == TASKQ_OK ? await_earlier(c, err) : status;
        status = status == TASKQ_OK ? run_new(c, err) : status;
        if (status != TASKQ_OK && c->at == RAN_TO_COMMIT) {
            return settle(c, err);
        }
        if (status != TASKQ_OK) {
            taskq__pg_session_rollback(c->pg->committer);
        }
        /* A connection that had gone while nobody used it is found out by using it. */
        if (!was_open || taskq__pg_now_ms() - began_ms > TRY_AGAIN_WITHIN_MS) {
            break;
        }
    }
    return status == TASKQ_ENOMEM ? taskq__fail(err, TASKQ_EUNAVAIL, "no memory for the batch") : status;
}

taskq_status taskq__pg_commit(void *self, taskq_batch *batch, taskq_error *err)
{
    taskq__pg *pg = self;
    int64_t began_ms = taskq__pg_now_ms();
    committing c = {.pg = pg, .batch = batch, .until_ms = began_ms + BATCH_MS};
    taskq_status status = taskq__pg_whole(pg, err);
    if (status != TASKQ_OK) {
        return status;
    }
    batch->culprit = batch->count;
    atomic_store(&pg->commit_since_ms, began_ms);
    taskq__pg_session_until(pg->committer, c.until_ms);
    status = commit(&c, began_ms, err);
    taskq__pg_session_until(pg->committer, INT64_MAX);
    atomic_store(&pg->commit_since_ms, 0);
    return status;
}
