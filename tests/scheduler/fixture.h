/* SPDX-License-Identifier: MIT */
/* A scheduler on a real SQLite file, behind a store that can be made to fail, with a clock that the test moves. */
#ifndef TASKQ_TESTS_SCHEDULER_FIXTURE_H
#define TASKQ_TESTS_SCHEDULER_FIXTURE_H

#include <check.h>

#include <taskq/scheduler.h>

#include "support/fake_clock.h"
#include "wrapped_store.h"

typedef struct fixture {
    char dir[64];
    fake_clock clock;
    wrapped_store wrapped;
    taskq_store *store;
    taskq_scheduler *scheduler;
    taskq_error err;
    bool shared;
    bool plain; /* the store itself, not behind the one that can fail */
} fixture;

extern fixture fx; /* of the test that runs */

/* Opens everything with the fake clock; `tune` (may be NULL) changes the options before. */
void fixture_open(void (*tune)(taskq_scheduler_options *options));
void fixture_setup(void); /* fixture_open(NULL) */
void fixture_teardown(void);
void fixture_setup_shared(void);            /* the store says that others write to it, too */
void fixture_setup_plain(void);             /* the SQLite store itself */
const char *fixture_path(const char *name); /* in the fixture's folder; the database's is "jobs.db" */
/* The scheduler closed and opened again on the same file. */
void fixture_reopen(void);

taskq_new_job new_job(const char *queue, const char *type);
int64_t enqueue(const char *queue, const char *type); /* the id; fails the test where it does not work */
int64_t enqueue_job(const taskq_new_job *job);
taskq_claim_options claim_of(const taskq_text *queue, const taskq_text *type, int64_t wait_ms);
/* Claims one job of the queue (any type where NULL) without waiting: its id, 0 where there is none. */
int64_t claim(const char *queue, const char *type, int64_t *version);
taskq_status complete(int64_t id, int64_t version, bool succeeded, taskq_state *state);
taskq_state state_of(int64_t id);
taskq_scheduler_stats stats(void);
void await_parked(uint32_t count); /* until so many claims wait */

void await_waiting(uint32_t count); /* until so many calls stand in the line, those that the leader has taken aside */

/* A claim on a thread of its own. */
typedef struct claimant {
    pthread_t thread;
    taskq_text queue, type; /* type of size 0: any */
    taskq_claim_options options;
    taskq_status status;
    uint32_t count;
    int64_t id, version;
    _Atomic bool gone; /* what its client is, where options.gone is claimant_gone */
    _Atomic bool ended;
} claimant;
void claimant_init(claimant *one, const char *queue, const char *type, int64_t wait_ms);
void claimant_start(claimant *one);
void claimant_join(claimant *one);
bool claimant_gone(void *user);

#define ck_ok(call)                                                                            \
    do {                                                                                       \
        fx.err = (taskq_error)TASKQ_ERROR_INIT;                                                \
        taskq_status status_ = (call);                                                         \
        ck_assert_msg(status_ == TASKQ_OK, "%s: %s", taskq_status_name(status_), fx.err.text); \
    } while (0)

#endif
