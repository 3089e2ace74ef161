/* SPDX-License-Identifier: MIT */
/*
 * New jobs, all of an op or none. So an op has two passes: the first reads, decides and takes all the memory that the
 * answer needs, and may refuse; the second only writes. A unique_key or an idempotency key that is taken is found by
 * reading: a constraint that fires would spoil the batch of everybody else.
 */
#include "store/sqlite/batch.h"

#include "core/fail.h"
#include "core/tags.h"
#include "core/job.h"
#include "core/text.h"

typedef struct enqueuing {
    taskq__txn *txn;
    taskq_op *op;
    taskq_enqueue *in;
    size_t existing_bytes; /* of jobs in the answer that this op does not make */
} enqueuing;

/* A key of a few bytes may name a job of a megabyte, and a thousand of them travel in one op: an answer holds so much more than
 * what was asked with. */
enum { EXISTING_BYTES_MAX = TASKQ_CLAIM_BYTES_MAX, TWIN_BYTES_MIN = 4096 };

/* ---- what is handed back ----------------------------------------------------------------------------------------- */

static bool copy_text(taskq_arena *arena, taskq_text *text)
{
    return text->size == 0 || taskq_arena_copy(arena, text->data, text->size, text);
}

/* A job whose texts are the caller's request becomes one whose texts are in the caller's arena. */
static bool copy_texts(taskq_arena *arena, taskq_job *job)
{
    for (uint32_t i = 0; i < job->tag_count; i++) {
        if (!copy_text(arena, &job->tags[i])) {
            return false;
        }
    }
    return copy_text(arena, &job->queue) && copy_text(arena, &job->type) && copy_text(arena, &job->payload) &&
           copy_text(arena, &job->batch) && copy_text(arena, &job->unique_key) && copy_text(arena, &job->traceparent);
}

/* A job that is there already, as it now is. One that was deleted since is its id alone. */
static int answer_existing(enqueuing *e, int64_t id, taskq_job *place)
{
    taskq__row row;
    bool found = false;
    taskq__row_depth depth = !e->in->wants_jobs                       ? TASKQ__ROW_NARROW
                             : e->existing_bytes < EXISTING_BYTES_MAX ? TASKQ__ROW_WHOLE
                                                                      : TASKQ__ROW_BARE;
    int rc = taskq__row_read(e->txn->conn, id, depth, e->txn->now, e->op->arena, &row, &found);
    if (rc == SQLITE_OK && found) {
        *place = row.job;
        e->existing_bytes += row.job.payload.size + row.job.result.size + row.job.error.size + row.job.progress.size;
    }
    place->id = id;
    return rc;
}

/* ---- idempotency keys: eight bytes a job, id * 2 + made ----------------------------------------------------------- */

enum { KEY_BYTES_A_JOB = 8 };

static uint64_t load64(const unsigned char *bytes)
{
    uint64_t value = 0;
    for (int i = KEY_BYTES_A_JOB - 1; i >= 0; i--) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static void store64(unsigned char *bytes, uint64_t value)
{
    for (int i = 0; i < KEY_BYTES_A_JOB; i++, value >>= 8) {
        bytes[i] = (unsigned char)(value & 0xff);
    }
}

/* The key was used: what was stored with it, into the arena; size 0: it was not, or it is over its time. */
static int read_key(enqueuing *e, uint64_t *digest, taskq_text *jobs)
{
    taskq__cmd read = taskq__cmd_of(e->txn->conn, TASKQ__SQL_KEY_READ);
    taskq__cmd_text(&read, e->in->idempotency_key);
    *jobs = (taskq_text){NULL, 0};
    if (taskq__cmd_row(&read) && taskq__cmd_column(&read, 2) > e->txn->now.wall_ms) {
        *digest = (uint64_t)taskq__cmd_column(&read, 0);
        taskq__cmd_column_copy(&read, 1, e->op->arena, jobs);
    }
    return taskq__cmd_end(&read);
}

static int replay(enqueuing *e, taskq_text jobs)
{
    taskq_enqueue *in = e->in;
    int rc = SQLITE_OK;
    in->replayed = true;
    for (uint32_t i = 0; i < in->count && rc == SQLITE_OK; i++) {
        uint64_t value = load64((const unsigned char *)jobs.data + (size_t)i * KEY_BYTES_A_JOB);
        bool made = (value & 1) != 0;
        rc = answer_existing(e, (int64_t)(value >> 1), in->results[i]);
        in->results[i]->existing = !made;
        in->made += made;
    }
    return rc;
}

/* *done: the op has its answer, replayed or refused. */
static int look_at_key(enqueuing *e, bool *done)
{
    taskq_enqueue *in = e->in;
    uint64_t digest = 0;
    taskq_text jobs;
    int rc = in->idempotency_key.size == 0 ? SQLITE_OK : read_key(e, &digest, &jobs);
    *done = rc != SQLITE_OK;
    if (*done || in->idempotency_key.size == 0 || jobs.size == 0) {
        return rc;
    }
    *done = true;
    if (digest != in->digest || jobs.size != (size_t)in->count * KEY_BYTES_A_JOB) {
        e->op->status = taskq__fail(&e->op->error, TASKQ_EEXISTS, "the idempotency key was used with another request");
        return SQLITE_OK;
    }
    return replay(e, jobs);
}

static int write_key(enqueuing *e, unsigned char *bytes)
{
    const taskq_enqueue *in = e->in;
    for (uint32_t i = 0; i < in->count; i++) {
        uint64_t made = in->results[i]->existing ? 0 : 1;
        store64(bytes + (size_t)i * KEY_BYTES_A_JOB, (uint64_t)in->results[i]->id * 2 + made);
    }
    taskq__cmd write = taskq__cmd_of(e->txn->conn, TASKQ__SQL_KEY_WRITE);
    taskq__cmd_text(&write, in->idempotency_key);
    taskq__cmd_int(&write, (int64_t)in->digest);
    taskq__cmd_blob(&write, bytes, (size_t)in->count * KEY_BYTES_A_JOB);
    taskq__cmd_int(&write, e->txn->now.wall_ms + in->keep_ms);
    return taskq__cmd_run(&write);
}

/* ---- the first pass ------------------------------------------------------------------------------------------------ */

/* What an earlier job of the op adds to the answer again where this one has its key. Small ones are not worth the search. */
static size_t twin_bytes(const enqueuing *e, uint32_t i)
{
    const taskq_job *job = e->in->results[i];
    for (uint32_t k = 0; k < i && job->unique_key.size > 0; k++) {
        const taskq_job *earlier = e->in->results[k];
        if (earlier->payload.size >= TWIN_BYTES_MIN && taskq__text_equal(earlier->unique_key, job->unique_key) &&
            taskq__text_equal(earlier->queue, job->queue)) {
            return earlier->payload.size;
        }
    }
    return 0;
}

/* The answer must not be many times as large as the request. One job is always given, as is the answer to a repetition. */
static void check_size(enqueuing *e, size_t given_bytes)
{
    if (e->in->wants_jobs && e->in->count > 1 && e->existing_bytes > EXISTING_BYTES_MAX + given_bytes) {
        e->op->status = taskq__fail(&e->op->error, TASKQ_EINVAL,
                                    "the jobs that have these unique keys hold more than %d MiB: enqueue fewer at once",
                                    EXISTING_BYTES_MAX >> 20);
    }
}

/* One new job as it will be; or the one that has its unique_key. Nothing is written. */
static int plan_one(enqueuing *e, uint32_t i)
{
    taskq__txn *txn = e->txn;
    taskq_job before, *place = e->in->results[i];
    taskq__job_from_new(e->in->jobs[i], txn->now, &before);
    if (before.unique_key.size > 0) {
        int64_t holder = 0;
        int rc = taskq__unique_find(txn, before.queue, before.unique_key, &holder);
        if (rc == SQLITE_OK && holder != 0) {
            rc = answer_existing(e, holder, place);
            place->existing = true;
            return rc;
        }
        if (rc != SQLITE_OK) {
            return rc;
        }
    }
    taskq_event event = {.kind = TASKQ_EVENT_ENQUEUE};
    taskq_move move;
    e->op->status = txn->batch->decide(&before, &event, txn->now, &move, &e->op->error);
    if (e->op->status == TASKQ_OK) {
        *place = move.after;
        e->existing_bytes += twin_bytes(e, i);
        return e->in->wants_jobs && !copy_texts(e->op->arena, place) ? TASKQ__RC_ARENA : SQLITE_OK;
    }
    return SQLITE_OK;
}

/* ---- the second pass ----------------------------------------------------------------------------------------------- */

static int insert_job(taskq__txn *txn, const taskq_job *job)
{
    taskq__cmd insert = taskq__cmd_of(txn->conn, TASKQ__SQL_JOB_INSERT);
    taskq__cmd_int(&insert, job->id);
    taskq__cmd_int(&insert, job->version);
    taskq__cmd_int(&insert, job->state);
    taskq__cmd_int(&insert, job->state == TASKQ_STATE_QUEUED);
    taskq__cmd_text(&insert, job->queue);
    taskq__cmd_text(&insert, job->type);
    taskq__cmd_int(&insert, job->priority);
    taskq__cmd_int(&insert, job->run_at_ms);
    taskq__cmd_int(&insert, job->attempt);
    taskq__cmd_int(&insert, job->max_attempts);
    taskq__cmd_int(&insert, job->timeout_ms);
    taskq__cmd_int(&insert, job->lease_ms);
    taskq__cmd_int(&insert, job->backoff.base_ms);
    taskq__cmd_double(&insert, job->backoff.factor);
    taskq__cmd_int(&insert, job->backoff.max_ms);
    taskq__cmd_double(&insert, job->backoff.jitter);
    taskq__cmd_text_or_null(&insert, job->batch);
    taskq__cmd_text_or_null(&insert, job->unique_key);
    taskq__cmd_text_or_null(&insert, job->unique_key); /* it is live */
    taskq__cmd_int(&insert, job->updated_at_ms);
    taskq__cmd_int_or_null(&insert, taskq__job_run_due(job));
    taskq__cmd_int_or_null(&insert, job->backoff_due_ms);
    return taskq__cmd_run(&insert);
}

static int insert_payload(taskq__txn *txn, const taskq_job *job)
{
    taskq_text tags;
    if (!taskq__tags_join(job, txn->arena, &tags)) {
        return TASKQ__RC_ARENA;
    }
    taskq__cmd insert = taskq__cmd_of(txn->conn, TASKQ__SQL_PAYLOAD_INSERT);
    taskq__cmd_int(&insert, job->id);
    taskq__cmd_int(&insert, job->created_at_ms);
    taskq__cmd_text_or_null(&insert, tags);
    taskq__cmd_text_or_null(&insert, job->traceparent);
    taskq__cmd_text(&insert, job->payload);
    return taskq__cmd_run(&insert);
}

/* A key that was free at the first pass may have been taken by an earlier job of the same op. */
static int find_twin(enqueuing *e, uint32_t i, const taskq_job **out)
{
    const taskq_job *job = e->in->results[i];
    int64_t holder = 0;
    *out = NULL;
    if (job->unique_key.size == 0 || i == 0) {
        return SQLITE_OK;
    }
    int rc = taskq__unique_find(e->txn, job->queue, job->unique_key, &holder);
    for (uint32_t k = i; rc == SQLITE_OK && holder != 0 && k > 0; k--) {
        if (e->in->results[k - 1]->id == holder) {
            *out = e->in->results[k - 1];
            break;
        }
    }
    return rc;
}

static int write_one(enqueuing *e, uint32_t i)
{
    taskq__txn *txn = e->txn;
    taskq_job *job = e->in->results[i];
    const taskq_job *twin = NULL;
    int rc = find_twin(e, i, &twin);
    if (rc != SQLITE_OK) {
        return rc;
    }
    if (twin != NULL) {
        *job = *twin;
        job->existing = true;
        return SQLITE_OK;
    }
    if (taskq__txn_queue(txn, job->queue, true, &rc) == NULL) {
        return rc;
    }
    rc = taskq__txn_next_id(txn, &job->id);
    if (rc == SQLITE_OK) {
        rc = insert_job(txn, job);
    }
    if (rc == SQLITE_OK) {
        rc = insert_payload(txn, job);
    }
    if (rc == SQLITE_OK) {
        rc = taskq__txn_count(txn, job->queue, (taskq_state)0, job->state);
    }
    if (rc == SQLITE_OK && job->state == TASKQ_STATE_QUEUED) {
        rc = taskq__txn_made_ready(txn, job);
    }
    taskq__batch_due(txn->batch, job);
    e->in->made++;
    return rc;
}

/* Ids, states and versions were all that was wanted: nothing may point to the caller's request any more. */
static void strip(taskq_enqueue *in)
{
    for (uint32_t i = 0; i < in->count; i++) {
        const taskq_job whole = *in->results[i];
        *in->results[i] =
            (taskq_job){.id = whole.id, .version = whole.version, .state = whole.state, .existing = whole.existing};
    }
}

int taskq__op_enqueue(taskq__txn *txn, taskq_op *op)
{
    enqueuing e = {txn, op, op->in.enqueue, 0};
    size_t given_bytes = 0;
    bool done = false;
    unsigned char *key_bytes = taskq_arena_alloc(txn->arena, (size_t)e.in->count * KEY_BYTES_A_JOB);
    int rc = taskq__enqueue_room(e.op) && key_bytes != NULL ? look_at_key(&e, &done) : TASKQ__RC_ARENA;
    for (uint32_t i = 0; i < e.in->count && rc == SQLITE_OK && !done && op->status == TASKQ_OK; i++) {
        rc = plan_one(&e, i);
        given_bytes += e.in->jobs[i]->payload.size;
        if (rc == SQLITE_OK && op->status == TASKQ_OK) {
            check_size(&e, given_bytes);
        }
    }
    if (rc == TASKQ__RC_ARENA) {
        op->status = taskq__fail_memory(&op->error); /* the caller's own bound: nothing is written yet */
        return SQLITE_OK;
    }
    for (uint32_t i = 0; i < e.in->count && rc == SQLITE_OK && !done && op->status == TASKQ_OK; i++) {
        if (!e.in->results[i]->existing) {
            rc = write_one(&e, i);
        }
    }
    if (rc == SQLITE_OK && !done && op->status == TASKQ_OK && e.in->idempotency_key.size > 0) {
        rc = write_key(&e, key_bytes);
    }
    if (rc == SQLITE_OK && op->status == TASKQ_OK && !e.in->wants_jobs) {
        strip(e.in);
    }
    return rc;
}
