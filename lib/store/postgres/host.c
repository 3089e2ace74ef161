/* SPDX-License-Identifier: MIT */
/*
 * The host's own transaction, on its own connection: a producer needs no scheduler and no store for it, only the schema. Jobs are
 * made and ended by the ops of every batch, without BEGIN, COMMIT and the batch's row: whether it holds is the host's to know.
 *
 * Everything is within a savepoint. So whatever fails, nothing of the call is there, and the host's transaction goes on; and a
 * key that another transaction took while we waited for it is looked for again and found taken. Who waits for a job is told by
 * NOTIFY in the same transaction: PostgreSQL delivers it with the commit, and not at all with a rollback.
 */
#include "store/postgres/unit.h"

#include "core/arena.h"
#include "core/fail.h"
#include "core/job.h"
#include "core/jobs.h"
#include "core/request.h"
#include "core/rng.h"
#include "core/sized.h"
#include "store/postgres/notice.h"

#include <stdio.h>
#include <string.h>

enum { READY_MAX = 16, TRIES = 5 };

/* One call. */
typedef struct calling {
    char schema[TASKQ__PG_SCHEMA_BYTES_MAX + 1];
    taskq_allocator allocator;
    taskq__pg_session *session;
    taskq_op *op;
    taskq_batch batch;
    taskq_ready ready[READY_MAX];
    bool saved; /* the savepoint is there */
} calling;

/* ---- the connection ------------------------------------------------------------------------------------------------ */

static taskq_status check_encoding(PGconn *connection, const char *parameter, const char *whose, taskq_error *err)
{
    const char *encoding = PQparameterStatus(connection, parameter);
    return encoding == NULL || strcmp(encoding, "UTF8") == 0
               ? TASKQ_OK
               : taskq__fail(err, TASKQ_EINVAL, "the %s encoding is %s: it must be UTF8", whose, encoding);
}

static taskq_status check_connection(PGconn *connection, taskq_error *err)
{
    if (connection == NULL) {
        return taskq__fail(err, TASKQ_EINVAL, "there is no connection");
    }
    if (PQstatus(connection) != CONNECTION_OK) {
        return taskq__fail(err, TASKQ_EUNAVAIL, "the connection to PostgreSQL is lost, or was never made");
    }
    if (PQpipelineStatus(connection) != PQ_PIPELINE_OFF) {
        return taskq__fail(err, TASKQ_EINVAL, "the connection is in pipeline mode: PQexitPipelineMode comes first");
    }
    switch (PQtransactionStatus(connection)) {
    case PQTRANS_INTRANS: break;
    case PQTRANS_IDLE:
        return taskq__fail(err, TASKQ_EINVAL, "no transaction is open on the connection: BEGIN comes first");
    case PQTRANS_INERROR:
        return taskq__fail(err, TASKQ_EINVAL, "the transaction has failed already: only a rollback is left");
    case PQTRANS_ACTIVE:
    case PQTRANS_UNKNOWN:
    default: return taskq__fail(err, TASKQ_EINVAL, "a statement of the connection's is not done yet");
    }
    taskq_status status = check_encoding(connection, "client_encoding", "connection's", err);
    return status == TASKQ_OK ? check_encoding(connection, "server_encoding", "database's", err) : status;
}

/* Of the options only where the tables are, and where memory comes from. */
static taskq_status take_options(PGconn *connection, const taskq_postgres_options *given, calling *call,
                                 taskq_error *err)
{
    taskq_postgres_options own = TASKQ_POSTGRES_OPTIONS_INIT;
    taskq_status status = given == NULL ? TASKQ_OK : TASKQ__SIZED_IN(given, &own, err);
    if (status == TASKQ_OK) {
        status = taskq__pg_schema_take(own.schema, call->schema, err);
    }
    call->allocator = own.allocator;
    return status == TASKQ_OK ? check_connection(connection, err) : status;
}

/* ---- one try --------------------------------------------------------------------------------------------------------- */

static taskq_status take_saved(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    (void)unit;
    (void)result;
    (void)err;
    ((calling *)user)->saved = true;
    return TASKQ_OK;
}

static taskq_status take_version(taskq__pg_unit *unit, const PGresult *result, void *user, taskq_error *err)
{
    const calling *call = user;
    int64_t version = taskq__pg_result_int(result, 0, 0);
    (void)unit;
    if (version < 1) {
        return taskq__fail(err, TASKQ_EINVAL, "the schema \"%s\" holds tables that are not taskq's", call->schema);
    }
    if (version != TASKQ__PG_SCHEMA_VERSION) {
        return taskq__fail(err, TASKQ_EINVAL, "the schema \"%s\" is of version %lld, and this library's is %d",
                           call->schema, (long long)version, TASKQ__PG_SCHEMA_VERSION);
    }
    bool whole = taskq__pg_result_null(result, 0, 1) || taskq__pg_result_int(result, 0, 1) == TASKQ_STAGE_DONE;
    return whole ? TASKQ_OK
                 : taskq__fail(err, TASKQ_ESTORE, "the import into the schema \"%s\" is not complete", call->schema);
}

/* Found by reading: it is in the op, and nothing was written. */
static bool is_refused(const taskq_op *op)
{
    return op->status != TASKQ_OK ||
           (op->kind == TASKQ_OP_SETTLE && (op->in.events[0].status != TASKQ_OK || op->in.events[0].repeated));
}

/* To every server that listens; none of them is this one. */
static taskq_status ask_notify(taskq__pg_unit *unit, const calling *call, taskq_error *err)
{
    char channel[TASKQ__PG_SCHEMA_BYTES_MAX + 8];
    taskq__pg_notice notice;
    taskq__pg_params params;
    taskq__places_hand_out(&unit->places, unit->batch);
    taskq__pg_notice_begin(&notice, TASKQ__PG_NOTICE_OF_HOST);
    for (uint32_t i = 0; i < unit->batch->ready_count; i++) {
        const taskq_ready *ready = &unit->batch->ready[i];
        if (ready->count > 0) {
            taskq__pg_notice_add(&notice, ready->queue, ready->type, ready->count);
        }
    }
    if (!notice.tells) {
        return TASKQ_OK;
    }
    (void)snprintf(channel, sizeof(channel), "taskq_%s", call->schema);
    taskq__pg_params_init(&params, unit->arena);
    taskq__pg_param_text(&params, taskq_text_of(channel));
    taskq__pg_param_text(&params, (taskq_text){notice.text, notice.size});
    return taskq__pg_ask(unit, TASKQ__PG_SQL_NOTIFY, &params, NULL, NULL, err);
}

static taskq_status write_all(taskq__pg_unit *unit, const calling *call, taskq_error *err)
{
    taskq_status status = taskq__pg_write(unit, err);
    if (status == TASKQ_OK && unit->writes) {
        status = taskq__pg_write_note(unit, 0, false, err);
    }
    if (status == TASKQ_OK && unit->writes) {
        status = ask_notify(unit, call, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__pg_ask(unit, TASKQ__PG_SQL_HOST_RELEASE, NULL, NULL, NULL, err);
    }
    return status == TASKQ_OK ? taskq__pg_round(unit, err) : status;
}

static taskq_status try_unit(taskq__pg_unit *unit, calling *call, taskq_error *err)
{
    taskq_status status = taskq__pg_ask(unit, TASKQ__PG_SQL_HOST_SAVE, NULL, take_saved, call, err);
    if (status == TASKQ_OK) {
        status = taskq__pg_ask(unit, TASKQ__PG_SQL_HOST_VERSION, NULL, take_version, call, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__pg_unit_look(unit, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__pg_unit_decide(unit, err);
    }
    if (status == TASKQ_OK && !is_refused(call->op)) {
        status = write_all(unit, call, err);
        call->saved = call->saved && status != TASKQ_OK; /* else released */
    }
    return status;
}

/* `taken`: another transaction took a key in the same moment, and it is known by now which one. */
static taskq_status try_once(calling *call, bool *taken, taskq_error *err)
{
    taskq__pg_unit unit;
    taskq_error reason = TASKQ_ERROR_INIT;
    call->saved = false;
    taskq__pg_unit_init(&unit, NULL, call->session, &call->batch);
    taskq_status status = try_unit(&unit, call, &reason);
    const char *sqlstate = taskq__pg_session_sqlstate(call->session);
    *taken = status == TASKQ_EBUSY && strcmp(sqlstate, "23505") == 0;
    if (status != TASKQ_OK && (strcmp(sqlstate, "42P01") == 0 || strcmp(sqlstate, "3F000") == 0)) {
        status = taskq__fail(&reason, TASKQ_ENOTFOUND, "there is no store in the schema \"%s\" of the database %s",
                             call->schema, PQdb(taskq__pg_session_conn(call->session)));
    }
    bool failed = taskq__pg_session_is_open(call->session) &&
                  PQtransactionStatus(taskq__pg_session_conn(call->session)) == PQTRANS_INERROR;
    if (failed || (call->saved && taskq__pg_session_is_open(call->session))) {
        taskq_status back = taskq__pg_session_take_back(call->session, &reason); /* OK: the reason stays */
        status = back == TASKQ_OK ? status : back;
        *taken = *taken && back == TASKQ_OK;
    }
    taskq__pg_unit_clear(&unit);
    return status == TASKQ_OK ? TASKQ_OK : taskq__fail(err, status, "%s", reason.text);
}

/* The op in the host's transaction. What it refuses is in the op. */
static taskq_status run(PGconn *connection, calling *call, taskq_op *op, taskq_error *err)
{
    bool taken = false;
    taskq_arena *arena = taskq__arena_new(&call->allocator, 0);
    if (arena == NULL) {
        return taskq__fail_memory(err);
    }
    call->op = op;
    call->batch = (taskq_batch){.struct_size = sizeof(call->batch),
                                .ops = &call->op,
                                .count = 1,
                                .decide = taskq__job_decide,
                                .arena = arena,
                                .ready = call->ready,
                                .ready_max = READY_MAX};
    taskq_status status = taskq__pg_session_adopt(connection, call->schema, &call->allocator, &call->session, err);
    for (int tries = 0; status == TASKQ_OK && tries < TRIES; tries++) {
        status = try_once(call, &taken, err);
        if (!taken || !taskq__pg_session_is_open(call->session) || tries + 1 == TRIES) {
            break;
        }
        status = TASKQ_OK;
    }
    if (taken) {
        status = taskq__fail(err, TASKQ_EBUSY,
                             "another transaction has taken a key, and this one does not see it: begin it anew");
    }
    taskq__pg_session_free(call->session);
    taskq__arena_free(arena);
    return status;
}

/* ---- what may be done in it ----------------------------------------------------------------------------------------- */

taskq_status taskq_postgres_enqueue(struct pg_conn *connection, const taskq_postgres_options *store,
                                    const taskq_new_job *const *jobs, uint32_t count,
                                    const taskq_enqueue_options *options, taskq_jobs **out, uint32_t *made,
                                    taskq_error *err)
{
    calling call = {.session = NULL};
    taskq_enqueue enqueue;
    taskq_status status = take_options(connection, store, &call, err);
    status = status == TASKQ_OK ? taskq__enqueue_check(jobs, count, options, err) : status;
    if (status != TASKQ_OK) {
        return status;
    }
    taskq_jobs *list = taskq__jobs_new(&call.allocator);
    if (list == NULL) {
        return taskq__fail_memory(err);
    }
    taskq_arena *arena = taskq__jobs_arena(list);
    status = taskq__enqueue_make(jobs, count, options, out != NULL, arena, &enqueue, err);
    taskq_op op = {.kind = TASKQ_OP_ENQUEUE, .in = {.enqueue = &enqueue}, .count = 1, .arena = arena};
    status = status == TASKQ_OK ? run(connection, &call, &op, err) : status;
    if (status == TASKQ_OK && op.status != TASKQ_OK) {
        status = op.status;
        if (err != NULL) {
            *err = op.error;
        }
    }
    if (status == TASKQ_OK && made != NULL) {
        *made = enqueue.made;
    }
    if (status == TASKQ_OK && out != NULL) {
        taskq__jobs_set(list, enqueue.results, count, 0);
        *out = list;
        list = NULL;
    }
    taskq_jobs_free(list);
    return status;
}

taskq_status taskq_postgres_complete(struct pg_conn *connection, const taskq_postgres_options *store,
                                     taskq_report *report, taskq_error *err)
{
    calling call = {.session = NULL};
    taskq_event event;
    taskq__rng rng;
    taskq_status status = take_options(connection, store, &call, err);
    status = status == TASKQ_OK ? taskq__report_begin(report, err) : status;
    if (status != TASKQ_OK) {
        return status;
    }
    taskq__rng_init(&rng, 0);
    taskq__report_event(report, taskq__rng_next(&rng), false, &event);
    taskq_op op = {.kind = TASKQ_OP_SETTLE, .in = {.events = &event}, .count = 1, .arena = NULL};
    status = run(connection, &call, &op, err);
    if (status != TASKQ_OK) {
        report->status = status;
        return status;
    }
    if (event.status == TASKQ_OK && event.repeated) {
        event.status = TASKQ_EEXISTS;
    }
    taskq__report_take(report, &event);
    return taskq__event_refusal(&event, err);
}
