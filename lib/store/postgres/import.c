/* SPDX-License-Identifier: MIT */
/*
 * Taking over another store. Each page is one transaction that also writes down where it ended, so whatever ends a move,
 * the next one goes on at the page that was not committed.
 */
#include "store/postgres/pg.h"
#include "store/postgres/rights.h"
#include "store/postgres/rows.h"

#include "core/arena.h"
#include "core/fail.h"
#include "core/job.h"
#include "core/tags.h"

/* Where an import stands, as rows of @meta. */
#define MARK "import_mark"
#define STAGE "import_stage"
#define AFTER_ID "import_id"
#define DONE "import_done"
#define OWNER "import_owner" /* which import goes on with it */
#define AT "import_at"       /* when it began: no server writes batches from then on until it is done */

typedef struct importing {
    taskq__pg *pg;
    taskq_arena *arena;
    uint32_t sent; /* statements under way */
} importing;

static void put(importing *in, taskq__pg_sql which, const taskq__pg_params *params)
{
    taskq__pg_session_send(in->pg->committer, which, params);
    in->sent++;
}

static taskq_status begin(importing *in, taskq__pg *pg, taskq_error *err)
{
    *in = (importing){.pg = pg, .arena = taskq__arena_new(&pg->allocator, 0)};
    if (in->arena == NULL) {
        return taskq__fail_memory(err);
    }
    taskq_status status = taskq__pg_session_ready(pg->committer, err);
    if (status == TASKQ_OK) {
        put(in, TASKQ__PG_SQL_BEGIN, NULL);
    }
    return status;
}

/* Every answer to what was sent. */
static taskq_status settle(importing *in, taskq_error *err)
{
    taskq__pg_session *session = in->pg->committer;
    taskq_status status = taskq__pg_session_sync(session, err);
    for (; in->sent > 0 && status == TASKQ_OK; in->sent--) {
        status = taskq__pg_session_skip(session, err);
    }
    return status == TASKQ_OK ? taskq__pg_session_end(session, err) : status;
}

/* COMMIT and every answer; or, where something failed before, the way back. */
static taskq_status end(importing *in, taskq_status status, taskq_error *err)
{
    if (status == TASKQ_OK) {
        put(in, TASKQ__PG_SQL_COMMIT, NULL);
        status = settle(in, err);
    }
    if (status != TASKQ_OK) {
        taskq__pg_session_rollback(in->pg->committer);
    }
    taskq__arena_free(in->arena);
    return status;
}

/* Of two imports at once the later one goes on, from where the earlier one is; that one must not write any more. */
static taskq_status begin_ours(importing *in, taskq__pg *pg, taskq_error *err)
{
    PGresult *result = NULL;
    taskq_status status = begin(in, pg, err);
    if (status == TASKQ_OK) {
        put(in, TASKQ__PG_SQL_IMPORT_OURS, NULL);
        status = taskq__pg_session_sync(pg->committer, err);
    }
    status = status == TASKQ_OK ? taskq__pg_session_skip(pg->committer, err) : status; /* BEGIN */
    status = status == TASKQ_OK ? taskq__pg_session_next(pg->committer, &result, err) : status;
    if (status != TASKQ_OK) {
        return status;
    }
    bool ours = PQntuples(result) == 1 && taskq__pg_result_int(result, 0, 0) == pg->server;
    PQclear(result);
    in->sent = 0;
    status = taskq__pg_session_end(pg->committer, err);
    return status != TASKQ_OK || ours
               ? status
               : taskq__fail(err, TASKQ_EEXISTS, "another import into schema %s goes on from here, so this one ends",
                             pg->schema);
}

/* ---- where it stands ------------------------------------------------------------------------------------------------ */

static void add_mark(taskq__pg_params *params, const char *name, int64_t value)
{
    taskq__pg_row_text(params, taskq_text_of(name));
    taskq__pg_row_int(params, value);
}

static taskq__pg_params marks(importing *in)
{
    taskq__pg_params params;
    taskq__pg_params_columns(&params, in->arena, "ti");
    return params;
}

/* A new import: from now on ids are given out above the highest that comes along. */
static void put_start(importing *in, const taskq_stored_whole *whole, int64_t now_ms, taskq__pg_params *mark)
{
    taskq__pg_params ids;
    taskq__pg_params_init(&ids, in->arena);
    taskq__pg_param_int(&ids, whole->last_id);
    put(in, TASKQ__PG_SQL_IMPORT_IDS, &ids);
    add_mark(mark, MARK, (int64_t)whole->mark);
    add_mark(mark, STAGE, TASKQ_STAGE_QUEUES);
    add_mark(mark, AFTER_ID, 0);
    add_mark(mark, DONE, 0);
    add_mark(mark, AT, now_ms);
}

typedef struct standing {
    bool has_jobs, begun, used;
    uint64_t mark, done;
    int64_t stage, after_id, now_ms;
} standing;

static taskq_status read_standing(taskq__pg_session *session, standing *out, taskq_error *err)
{
    PGresult *result = NULL;
    taskq_status status = taskq__pg_session_ready(session, err);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq__pg_session_send(session, TASKQ__PG_SQL_IMPORT_STANDING, NULL);
    status = taskq__pg_session_sync(session, err);
    if (status == TASKQ_OK) {
        status = taskq__pg_session_next(session, &result, err);
    }
    if (status != TASKQ_OK) {
        return status;
    }
    enum { JOBS, MARK_OF, STAGE_OF, AFTER_ID_OF, DONE_OF, USED, NOW };
    out->has_jobs = taskq__pg_result_int(result, 0, JOBS) != 0;
    out->begun = !taskq__pg_result_null(result, 0, MARK_OF);
    out->mark = (uint64_t)taskq__pg_result_int(result, 0, MARK_OF);
    out->stage = taskq__pg_result_int(result, 0, STAGE_OF);
    out->after_id = taskq__pg_result_int(result, 0, AFTER_ID_OF);
    out->done = (uint64_t)taskq__pg_result_int(result, 0, DONE_OF);
    out->used = taskq__pg_result_int(result, 0, USED) != 0;
    out->now_ms = taskq__pg_result_int(result, 0, NOW);
    PQclear(result);
    return taskq__pg_session_end(session, err);
}

/* A server that was there when the import began knows nothing of it. */
static taskq_status check_used(const taskq__pg *pg, const standing *now, taskq_error *err)
{
    return !now->begun || !now->used || now->stage == TASKQ_STAGE_DONE
               ? TASKQ_OK
               : taskq__fail(err, TASKQ_EEXISTS,
                             "a server works on schema %s since the import into it began: import into an empty one, see "
                             "--db-schema",
                             pg->schema);
}

taskq_status taskq__pg_import_look(taskq__pg_session *session, bool *half, taskq_error *err)
{
    standing now = {0};
    taskq_status status = read_standing(session, &now, err);
    if (status == TASKQ_OK) {
        *half = now.begun && now.stage != TASKQ_STAGE_DONE;
    }
    return status;
}

taskq_status taskq__pg_import_whole(bool half, const char *schema, taskq_error *err)
{
    return !half
               ? TASKQ_OK
               : taskq__fail(err, TASKQ_ESTORE,
                             "the import into schema %s is not complete: go on with it (taskq-server --import), or drop "
                             "the schema",
                             schema);
}

taskq_status taskq__pg_whole(const taskq__pg *pg, taskq_error *err)
{
    return taskq__pg_import_whole(pg->half_imported, pg->schema, err);
}

static taskq_status check_empty(const taskq__pg *pg, const standing *now, const taskq_stored_whole *whole,
                                taskq_error *err)
{
    if (!now->begun && now->has_jobs) {
        return taskq__fail(err, TASKQ_EEXISTS,
                           "schema %s has jobs of its own: import into an empty one, see --db-schema", pg->schema);
    }
    if (now->begun && now->mark != whole->mark) {
        return taskq__fail(err, TASKQ_EEXISTS,
                           "schema %s holds the import of another store, or that store was used since the import began: "
                           "import into an empty one, see --db-schema",
                           pg->schema);
    }
    return check_used(pg, now, err);
}

/* Who comes is alone at it for one transaction: what it finds is what it goes on from. */
static taskq_status take_over(importing *in, const taskq_stored_whole *whole, standing *now, taskq_error *err)
{
    taskq__pg *pg = in->pg;
    put(in, TASKQ__PG_SQL_IMPORT_LOCK, NULL);
    taskq__pg_params mark = marks(in);
    add_mark(&mark, OWNER, pg->server);
    put(in, TASKQ__PG_SQL_IMPORT_MARK, &mark);
    taskq_status status = settle(in, err);
    if (status == TASKQ_EBUSY) {
        return taskq__fail(err, status, "another import into schema %s is at work", pg->schema);
    }
    status = status == TASKQ_OK ? read_standing(pg->committer, now, err) : status;
    status = status == TASKQ_OK ? check_empty(pg, now, whole, err) : status;
    if (status == TASKQ_OK && !now->begun) {
        mark = marks(in);
        put_start(in, whole, now->now_ms, &mark);
        put(in, TASKQ__PG_SQL_IMPORT_MARK, &mark);
    }
    return status;
}

taskq_status taskq__pg_import_begin(void *self, const taskq_stored_whole *whole, taskq_stage *stage, int64_t *after_id,
                                    uint64_t *done, taskq_error *err)
{
    taskq__pg *pg = self;
    importing in;
    standing now = {0};
    taskq_status status = taskq__pg_session_ready(pg->committer, err);
    status = status == TASKQ_OK ? taskq__pg_rights_check(pg->committer, pg->schema, TASKQ__PG_TO_IMPORT, err) : status;
    status = status == TASKQ_OK ? begin(&in, pg, err) : status;
    if (status != TASKQ_OK) {
        return status;
    }
    status = end(&in, take_over(&in, whole, &now, err), err);
    if (status == TASKQ_OK) {
        pg->half_imported = now.stage != TASKQ_STAGE_DONE;
        *stage = (taskq_stage)now.stage;
        *after_id = now.after_id;
        *done = now.done;
    }
    return status;
}

taskq_status taskq__pg_import_stage(void *self, taskq_stage next, taskq_error *err)
{
    taskq__pg *pg = self;
    importing in;
    standing now = {0};
    taskq_status status = read_standing(pg->committer, &now, err);
    status = status == TASKQ_OK ? check_used(pg, &now, err) : status;
    if (status != TASKQ_OK) {
        return status;
    }
    status = begin_ours(&in, pg, err);
    if (status == TASKQ_OK) {
        taskq__pg_params mark = marks(&in);
        add_mark(&mark, STAGE, next);
        put(&in, TASKQ__PG_SQL_IMPORT_MARK, &mark);
    }
    status = end(&in, status, err);
    pg->half_imported = pg->half_imported && (status != TASKQ_OK || next != TASKQ_STAGE_DONE);
    return status;
}

/* ---- pages ------------------------------------------------------------------------------------------------------------ */

static void add_job(taskq__pg_params *p, const taskq_stored_job *stored)
{
    const taskq_job *job = &stored->job;
    bool failed = job->state == TASKQ_STATE_FAILED;
    int64_t extras = (job->progress.size > 0 ? TASKQ__HAS_PROGRESS : 0) | (job->log.size > 0 ? TASKQ__HAS_LOG : 0) |
                     (stored->attempt_count > 0 ? TASKQ__HAS_ATTEMPTS : 0);
    taskq__pg_row_int(p, job->id);
    taskq__pg_row_int(p, job->version);
    taskq__pg_row_int(p, job->run_at_ms);
    taskq__pg_row_int(p, job->updated_at_ms);
    taskq__pg_row_int_or_null(p, job->started_at_ms);
    taskq__pg_row_int_or_null(p, failed ? 0 : job->finished_at_ms);
    taskq__pg_row_int_or_null(p, failed ? job->finished_at_ms : 0);
    taskq__pg_row_int_or_null(p, job->lease_due_ms);
    taskq__pg_row_int_or_null(p, job->timeout_due_ms);
    taskq__pg_row_int_or_null(p, taskq__job_running_until(job));
    taskq__pg_row_int_or_null(p, taskq__job_run_due(job));
    taskq__pg_row_int_or_null(p, job->backoff_due_ms);
    taskq__pg_row_int_or_null(p, stored->result_of);
    taskq__pg_row_int_or_null(p, stored->error_of);
    taskq__pg_row_int(p, job->timeout_ms);
    taskq__pg_row_int(p, job->lease_ms);
    taskq__pg_row_int(p, job->backoff.base_ms);
    taskq__pg_row_int(p, job->backoff.max_ms);
    taskq__pg_row_double(p, job->backoff.factor);
    taskq__pg_row_double(p, job->backoff.jitter);
    taskq__pg_row_int(p, job->priority);
    taskq__pg_row_int(p, job->attempt);
    taskq__pg_row_int(p, job->max_attempts);
    taskq__pg_row_int(p, extras);
    taskq__pg_row_int(p, job->state);
    taskq__pg_row_int(p, job->state == TASKQ_STATE_QUEUED);
    taskq__pg_row_int(p, job->cancel_requested);
    taskq__pg_row_text(p, job->queue);
    taskq__pg_row_text(p, job->type);
    taskq__pg_row_text_or_null(p, job->batch);
    taskq__pg_row_text_or_null(p, job->unique_key);
    taskq__pg_row_text_or_null(p, taskq_state_is_terminal(job->state) ? (taskq_text){NULL, 0} : job->unique_key);
    taskq__pg_row_text_or_null(p, job->worker);
    taskq__pg_row_text_or_null(p, stored->poll);
}

static taskq_status send_jobs(importing *in, const taskq_stored_page *page, taskq_error *err)
{
    taskq__pg_params jobs, payloads, counters;
    taskq__pg_params_columns(&jobs, in->arena, "iiiiiiiiiiiiiiiiiiddiiiiiiittttttt");
    taskq__pg_params_columns(&payloads, in->arena, "iittt");
    taskq__pg_params_columns(&counters, in->arena, "ti");
    for (uint32_t i = 0; i < page->count; i++) {
        const taskq_job *job = &page->jobs[i].job;
        taskq_text tags;
        if (!taskq__tags_join(job, in->arena, &tags)) {
            return taskq__fail_memory(err);
        }
        add_job(&jobs, &page->jobs[i]);
        taskq__pg_row_int(&payloads, job->id);
        taskq__pg_row_int(&payloads, job->created_at_ms);
        taskq__pg_row_text_or_null(&payloads, tags);
        taskq__pg_row_text_or_null(&payloads, job->traceparent);
        taskq__pg_row_text(&payloads, job->payload);
        taskq__pg_row_text(&counters, job->queue);
        taskq__pg_row_int(&counters, job->state);
    }
    put(in, TASKQ__PG_SQL_IMPORT_JOBS, &jobs);
    put(in, TASKQ__PG_SQL_IMPORT_PAYLOADS, &payloads);
    put(in, TASKQ__PG_SQL_IMPORT_COUNTERS, &counters);
    return TASKQ_OK;
}

static void send_attempts(importing *in, const taskq_stored_page *page)
{
    taskq__pg_params p;
    taskq__pg_params_columns(&p, in->arena, "iiiitiiiit");
    for (uint32_t i = 0; i < page->count; i++) {
        for (uint32_t k = 0; k < page->jobs[i].attempt_count; k++) {
            const taskq_stored_attempt *attempt = &page->jobs[i].attempts[k];
            taskq__pg_row_int(&p, page->jobs[i].job.id);
            taskq__pg_row_int(&p, attempt->version);
            taskq__pg_row_int(&p, attempt->attempt);
            taskq__pg_row_int(&p, attempt->outcome);
            taskq__pg_row_text_or_null(&p, attempt->worker);
            taskq__pg_row_int_or_null(&p, attempt->started_at_ms);
            taskq__pg_row_int(&p, attempt->finished_at_ms);
            taskq__pg_row_int(&p, attempt->reported);
            taskq__pg_row_int(&p, (int64_t)attempt->digest);
            taskq__pg_row_text_or_null(&p, attempt->text);
        }
    }
    if (taskq__pg_params_rows(&p) > 0) {
        put(in, TASKQ__PG_SQL_IMPORT_ATTEMPTS, &p);
    }
}

static void send_progress_and_logs(importing *in, const taskq_stored_page *page)
{
    taskq__pg_params progress, logs;
    taskq__pg_params_columns(&progress, in->arena, "it");
    taskq__pg_params_columns(&logs, in->arena, "iib");
    for (uint32_t i = 0; i < page->count; i++) {
        const taskq_job *job = &page->jobs[i].job;
        if (job->progress.size > 0) {
            taskq__pg_row_int(&progress, job->id);
            taskq__pg_row_text(&progress, job->progress);
        }
        if (job->log.size > 0) {
            taskq__pg_row_int(&logs, job->id);
            taskq__pg_row_int(&logs, (int64_t)job->log.size);
            taskq__pg_row_text(&logs, job->log);
        }
    }
    if (taskq__pg_params_rows(&progress) > 0) {
        put(in, TASKQ__PG_SQL_IMPORT_PROGRESS, &progress);
    }
    if (taskq__pg_params_rows(&logs) > 0) {
        put(in, TASKQ__PG_SQL_IMPORT_LOGS, &logs);
    }
}

static taskq_status send_job_page(importing *in, const taskq_stored_page *page, taskq_error *err)
{
    taskq_status status = send_jobs(in, page, err);
    if (status == TASKQ_OK) {
        send_attempts(in, page);
        send_progress_and_logs(in, page);
        taskq__pg_params mark = marks(in), more;
        add_mark(&mark, AFTER_ID, page->jobs[page->count - 1].job.id);
        put(in, TASKQ__PG_SQL_IMPORT_MARK, &mark);
        taskq__pg_params_init(&more, in->arena);
        taskq__pg_param_int(&more, page->count);
        put(in, TASKQ__PG_SQL_IMPORT_DONE, &more);
    }
    return status;
}

static void send_queues(importing *in, const taskq_stored_page *page)
{
    taskq__pg_params p;
    taskq__pg_params_columns(&p, in->arena, "ti");
    for (uint32_t i = 0; i < page->count; i++) {
        taskq__pg_row_text(&p, page->queues[i].name);
        taskq__pg_row_int(&p, page->queues[i].paused);
    }
    put(in, TASKQ__PG_SQL_IMPORT_QUEUES, &p);
}

static void send_keys(importing *in, const taskq_stored_page *page)
{
    taskq__pg_params p;
    taskq__pg_params_columns(&p, in->arena, "tiib");
    for (uint32_t i = 0; i < page->count; i++) {
        taskq__pg_row_text(&p, page->keys[i].key);
        taskq__pg_row_int(&p, (int64_t)page->keys[i].digest);
        taskq__pg_row_int(&p, page->keys[i].expires_at_ms);
        taskq__pg_row_text(&p, page->keys[i].jobs);
    }
    put(in, TASKQ__PG_SQL_IMPORT_KEYS, &p);
}

taskq_status taskq__pg_import_page(void *self, const taskq_stored_page *page, taskq_error *err)
{
    importing in;
    taskq_status status = begin_ours(&in, self, err);
    if (status == TASKQ_OK) {
        switch (page->stage) {
        case TASKQ_STAGE_QUEUES: send_queues(&in, page); break;
        case TASKQ_STAGE_JOBS: status = send_job_page(&in, page, err); break;
        case TASKQ_STAGE_KEYS: send_keys(&in, page); break;
        case TASKQ_STAGE_DONE: break;
        }
    }
    return end(&in, status, err);
}
