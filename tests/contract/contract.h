/* SPDX-License-Identifier: MIT */
/*
 * What every store must do, whatever it is made of. A store gets all of it by a test_*.c of a few lines: a contract_opener,
 * and contract_main(&opener).
 *
 * Each test has a fresh store in `contract.store`, a clock that only pass() moves, and an arena for what it makes. Builders
 * make ops, COMMIT() gives them to the store as one batch; what they leave is read from the ops, or by job_now().
 */
#ifndef TASKQ_TESTS_CONTRACT_H
#define TASKQ_TESTS_CONTRACT_H

#include "support/check_main.h"

#include "core/job.h"
#include "store/store.h"

typedef struct contract_opener {
    const char *name;
    void *(*make)(void);               /* an empty place for one store */
    taskq_store *(*open)(void *place); /* made at the first call, opened anew at later ones */
    void (*remove)(void *place);
    void (*tick)(void *place, taskq_now now); /* NULL: the store has no clock of its own; else it reads that now */
} contract_opener;

typedef struct contract_state {
    const contract_opener *opener;
    void *place;
    taskq_store *store;
    taskq_arena *arena;
    taskq_now now;
    taskq_batch batch; /* the last one given */
    taskq_ready ready[16];
    uint32_t ready_max; /* how many of them a batch may use */
    uint64_t digest_salt;
} contract_state;
extern contract_state contract;

int contract_main(const contract_opener *opener); /* runs everything; the exit status */

/* Suites, one a file. */
void contract_add_moves(Suite *suite);
void contract_add_reports(Suite *suite);
void contract_add_enqueue(Suite *suite);
void contract_add_keys(Suite *suite);
void contract_add_claims(Suite *suite);
void contract_add_polls(Suite *suite);
void contract_add_batches(Suite *suite);
void contract_add_beats(Suite *suite);
void contract_add_walks(Suite *suite);
void contract_add_reads(Suite *suite);
void contract_add_lists(Suite *suite);
void contract_add_random(Suite *suite);
void contract_setup(void);
void contract_teardown(void);

/* ---- doing ------------------------------------------------------------------------------------------------------- */

void pass(int64_t ms); /* both clocks */
void reopen(void);

#define COMMIT(...) \
    contract_commit((taskq_op *[]){__VA_ARGS__}, (uint32_t)(sizeof((taskq_op *[]){__VA_ARGS__}) / sizeof(taskq_op *)))
void contract_commit(taskq_op **ops, uint32_t count); /* and it must succeed */
taskq_status contract_try(taskq_op **ops, uint32_t count, taskq_error *err);

taskq_op *enqueue_op(const taskq_new_job *job); /* the job is copied */
taskq_op *enqueue_many_op(const taskq_new_job *const *jobs, uint32_t count);
taskq_op *claim_op(const char *queues, const char *types, uint32_t limit); /* comma-separated; types "": any */
taskq_op *poll_op(const char *worker, const char *poll, uint32_t limit);
taskq_op *event_op(taskq_event_kind kind, int64_t id, int64_t version);
taskq_op *report_op(taskq_event_kind kind, int64_t id, int64_t version, const char *outcome);
taskq_op *beat_op(int64_t id, int64_t version, const char *progress, const char *log);
taskq_op *walk_op(taskq_walk_kind kind, uint32_t max);
taskq_op *pause_op(const char *queue, bool paused);

/* ---- shorter ------------------------------------------------------------------------------------------------------- */

taskq_new_job new_job(const char *type);
int64_t make(const taskq_new_job *job);
int64_t make_type(const char *type);
/* Claims one job of any type from "default"; NULL: there was none. */
const taskq_job *claim_one(void);
/* One job that runs: made, claimed. */
const taskq_job *running_job(void);
taskq_status settle(taskq_event_kind kind, int64_t id, int64_t version);
taskq_status report(taskq_event_kind kind, int64_t id, int64_t version, const char *outcome);
uint32_t walk(taskq_walk_kind kind);  /* rows that it moved */
const taskq_job *job_now(int64_t id); /* with attempts and log; NULL: there is none */
taskq_page list_now(const taskq_filter *filter);
taskq_queue queue_now(const char *name); /* zeroed where there is none */
int64_t count_of(taskq_state state);     /* in "default" */

taskq_text text_of(const char *string);
#define assert_text(text, wanted) contract_assert_text((text), (wanted), __FILE__, __LINE__)
void contract_assert_text(taskq_text text, const char *wanted, const char *file, int line);
#define assert_state(id, wanted) ck_assert_str_eq(taskq_state_name(job_now(id)->state), taskq_state_name(wanted))

#endif
