/* SPDX-License-Identifier: MIT */
/*
 * The helpers behind the contract's sentences: each hides the filling of structs, none hides what is asserted.
 */
#include "contract/contract.h"

#include "core/arena.h"
#include "core/text.h"

#include <stdio.h>
#include <string.h>

contract_state contract;

static void tick(void)
{
    if (contract.opener->tick != NULL) {
        contract.opener->tick(contract.place, contract.now);
    }
}

void contract_setup(void)
{
    contract.arena = taskq__arena_new(NULL, 0);
    contract.place = contract.opener->make();
    contract.store = contract.opener->open(contract.place);
    contract.now = (taskq_now){INT64_C(1769846400000), INT64_C(1769846400000)};
    contract.ready_max = 16;
    ck_assert_ptr_nonnull(contract.store);
    tick();
}

void contract_teardown(void)
{
    taskq_store_close(contract.store);
    contract.opener->remove(contract.place);
    taskq__arena_free(contract.arena);
}

int contract_main(const contract_opener *opener)
{
    Suite *suite = suite_create(opener->name);
    contract.opener = opener;
    contract_add_moves(suite);
    contract_add_reports(suite);
    contract_add_enqueue(suite);
    contract_add_keys(suite);
    contract_add_claims(suite);
    contract_add_polls(suite);
    contract_add_batches(suite);
    contract_add_beats(suite);
    contract_add_walks(suite);
    contract_add_reads(suite);
    contract_add_lists(suite);
    contract_add_random(suite);
    return taskq_check_run(suite);
}

void pass(int64_t ms)
{
    contract.now.wall_ms += ms;
    contract.now.steady_ms += ms;
    tick();
}

void reopen(void)
{
    taskq_store_close(contract.store);
    contract.store = contract.opener->open(contract.place);
    ck_assert_ptr_nonnull(contract.store);
}

static void *alloc(size_t size)
{
    void *memory = taskq_arena_alloc(contract.arena, size);
    ck_assert_ptr_nonnull(memory);
    return memory;
}

taskq_text text_of(const char *string)
{
    taskq_text text = {NULL, 0};
    if (string != NULL && string[0] != '\0') {
        ck_assert(taskq_arena_copy(contract.arena, string, strlen(string), &text));
    }
    return text;
}

void contract_assert_text(taskq_text text, const char *wanted, const char *file, int line)
{
    if (!taskq__text_is(text, wanted)) {
        ck_abort_msg("%s:%d: \"%.*s\" is not \"%s\"", file, line, (int)text.size, text.size > 0 ? text.data : "",
                     wanted);
    }
}

/* ---- ops --------------------------------------------------------------------------------------------------------- */

taskq_status contract_try(taskq_op **ops, uint32_t count, taskq_error *err)
{
    contract.batch = (taskq_batch){.struct_size = sizeof(taskq_batch),
                                   .ops = ops,
                                   .count = count,
                                   .decide = taskq__job_decide,
                                   .now = contract.now,
                                   .arena = contract.arena,
                                   .ready = contract.ready,
                                   .ready_max = contract.ready_max};
    return taskq__store_commit(contract.store, &contract.batch, err);
}

void contract_commit(taskq_op **ops, uint32_t count)
{
    taskq_error err = TASKQ_ERROR_INIT;
    if (contract_try(ops, count, &err) != TASKQ_OK) {
        ck_abort_msg("the batch failed: %s", err.text);
    }
}

static taskq_op *new_op(taskq_op_kind kind)
{
    taskq_op *op = alloc(sizeof(*op));
    op->kind = kind;
    op->count = 1;
    op->arena = contract.arena;
    return op;
}

taskq_op *enqueue_many_op(const taskq_new_job *const *jobs, uint32_t count)
{
    taskq_op *op = new_op(TASKQ_OP_ENQUEUE);
    op->in.enqueue = alloc(sizeof(*op->in.enqueue));
    *op->in.enqueue = (taskq_enqueue){.jobs = jobs, .count = count, .keep_ms = 86400000, .wants_jobs = true};
    return op;
}

taskq_op *enqueue_op(const taskq_new_job *job)
{
    taskq_new_job *copy = alloc(sizeof(*copy));
    const taskq_new_job **list = alloc(sizeof(*list));
    *copy = *job;
    *list = copy;
    return enqueue_many_op(list, 1);
}

static const taskq_text *split(const char *names, uint32_t *count)
{
    taskq_text *list = alloc(TASKQ_CLAIM_NAMES_MAX * sizeof(*list)), rest = text_of(names);
    *count = 0;
    while (rest.size > 0 && *count < TASKQ_CLAIM_NAMES_MAX && taskq__text_next_of_list(&rest, &list[*count])) {
        ++*count;
    }
    return list;
}

taskq_op *claim_op(const char *queues, const char *types, uint32_t limit)
{
    taskq_op *op = new_op(TASKQ_OP_CLAIM);
    taskq_claim *claim = op->in.claim = alloc(sizeof(*claim));
    *claim = (taskq_claim){.worker = text_of("worker-1"), .limit = limit, .bytes_max = TASKQ_CLAIM_BYTES_MAX};
    claim->queues = split(queues, &claim->queue_count);
    claim->types = split(types, &claim->type_count);
    return op;
}

taskq_op *poll_op(const char *worker, const char *poll, uint32_t limit)
{
    taskq_op *op = claim_op("default", "", limit);
    op->in.claim->worker = text_of(worker);
    op->in.claim->poll = text_of(poll);
    return op;
}

taskq_op *report_op(taskq_event_kind kind, int64_t id, int64_t version, const char *outcome)
{
    taskq_op *op = new_op(TASKQ_OP_SETTLE);
    taskq_event *event = op->in.events = alloc(sizeof(*event));
    *event = (taskq_event){.kind = kind, .id = id, .version = version, .outcome = text_of(outcome), .delay_ms = -1};
    event->digest = taskq__report_digest(kind, event->outcome, false, -1);
    event->wants_job = true;
    return op;
}

taskq_op *event_op(taskq_event_kind kind, int64_t id, int64_t version)
{
    return report_op(kind, id, version, kind == TASKQ_EVENT_FAIL ? "{\"code\":\"e\",\"message\":\"m\"}" : "");
}

taskq_op *beat_op(int64_t id, int64_t version, const char *progress, const char *log)
{
    taskq_op *op = new_op(TASKQ_OP_BEAT);
    op->in.beats = alloc(sizeof(*op->in.beats));
    *op->in.beats = (taskq_beat){.id = id, .version = version, .progress = text_of(progress), .log = text_of(log)};
    return op;
}

taskq_op *walk_op(taskq_walk_kind kind, uint32_t max)
{
    taskq_op *op = new_op(TASKQ_OP_WALK);
    op->in.walk = alloc(sizeof(*op->in.walk));
    *op->in.walk =
        (taskq_walk){.kind = kind, .max = max, .cut_ms = contract.now.wall_ms, .cut_failed_ms = contract.now.wall_ms};
    return op;
}

taskq_op *pause_op(const char *queue, bool paused)
{
    taskq_op *op = new_op(TASKQ_OP_QUEUE);
    op->in.queue = alloc(sizeof(*op->in.queue));
    *op->in.queue = (taskq_queue_change){.name = text_of(queue), .set_paused = true, .paused = paused};
    return op;
}

/* ---- shorter ------------------------------------------------------------------------------------------------------- */

taskq_new_job new_job(const char *type)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    job.type = text_of(type);
    job.backoff.jitter = 0;
    return job;
}

int64_t make(const taskq_new_job *job)
{
    taskq_op *op = enqueue_op(job);
    COMMIT(op);
    ck_assert_int_eq(op->status, TASKQ_OK);
    return op->in.enqueue->results[0]->id;
}

int64_t make_type(const char *type)
{
    taskq_new_job job = new_job(type);
    return make(&job);
}

const taskq_job *claim_one(void)
{
    taskq_op *op = claim_op("default", "", 1);
    COMMIT(op);
    ck_assert_int_eq(op->status, TASKQ_OK);
    return op->in.claim->job_count == 0 ? NULL : op->in.claim->jobs[0];
}

const taskq_job *running_job(void)
{
    int64_t id = make_type("a");
    const taskq_job *job = claim_one();
    ck_assert_ptr_nonnull(job);
    ck_assert_int_eq(job->id, id);
    return job;
}

taskq_status report(taskq_event_kind kind, int64_t id, int64_t version, const char *outcome)
{
    taskq_op *op = report_op(kind, id, version, outcome);
    COMMIT(op);
    return op->in.events[0].status;
}

taskq_status settle(taskq_event_kind kind, int64_t id, int64_t version)
{
    taskq_op *op = event_op(kind, id, version);
    COMMIT(op);
    return op->in.events[0].status;
}

uint32_t walk(taskq_walk_kind kind)
{
    taskq_op *op = walk_op(kind, 1000);
    COMMIT(op);
    return op->in.walk->moved;
}

const taskq_job *job_now(int64_t id)
{
    taskq_job *job = NULL;
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_status status = taskq__store_get(contract.store, id, TASKQ_PART_ATTEMPTS | TASKQ_PART_LOG, contract.now,
                                           contract.arena, &job, &err);
    ck_assert_msg(status == TASKQ_OK || status == TASKQ_ENOTFOUND, "%s", err.text);
    return status == TASKQ_OK ? job : NULL;
}

taskq_page list_now(const taskq_filter *filter)
{
    taskq_page page = {NULL, 0, 0};
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_status status = taskq__store_list(contract.store, filter, contract.now, contract.arena, &page, &err);
    ck_assert_msg(status == TASKQ_OK, "%s", err.text);
    return page;
}

taskq_queue queue_now(const char *name)
{
    taskq_counts counts = {NULL, 0};
    taskq_text text = text_of(name);
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_status status = taskq__store_counts(contract.store, &text, contract.now, contract.arena, &counts, &err);
    ck_assert_msg(status == TASKQ_OK, "%s", err.text);
    return counts.count == 0 ? (taskq_queue){.name = {NULL, 0}} : counts.queues[0];
}

int64_t count_of(taskq_state state)
{
    return queue_now("default").counts[state];
}
