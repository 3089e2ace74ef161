/* SPDX-License-Identifier: MIT */
/*
 * A scheduler's side of the worker's conversation, as a script: it hands out the jobs that a test put in, takes reports and heartbeats,
 * and where the test said so answers the next request of a path with something else. It keeps what the worker must not do wrong: how
 * many leases it had at once.
 */
#ifndef TASKQ_TESTS_WORKER_SCRIPT_H
#define TASKQ_TESTS_WORKER_SCRIPT_H

#include "support/fake_server.h"

#include <taskq/worker.h>

enum { SCRIPT_JOBS_MAX = 2048, SCRIPT_ACTIONS_MAX = 32 };

typedef enum script_action {
    SCRIPT_CUT = 1,    /* hang up; nothing was done */
    SCRIPT_DO_AND_CUT, /* do it, then hang up: the answer is lost */
    SCRIPT_STATUS      /* this status, with these headers; nothing was done */
} script_action;

typedef struct script {
    fake_server *server;
    /* guarded by the server's lock */
    struct {
        int64_t id, lease_ms, timeout_ms;
        char state;                     /* 0: none, r: ready, l: leased, e: ended */
        int report_status, beat_status; /* what its elements get; 0: 200 */
        bool cancel;
        unsigned reports;
    } jobs[SCRIPT_JOBS_MAX];
    unsigned job_count, leased, leased_most;
    struct {
        char path[64];
        script_action action;
        int status;
        const char *headers;
    } actions[SCRIPT_ACTIONS_MAX];
    unsigned action_count, limit_most, completions_max; /* completions_max: a list of more is 413; 0: no bound */
    char last_poll[64];
    bool empty_at_once; /* polls are not held */
    bool keeps_back;    /* a held poll's jobs are leased, its answer comes when the poll is asked again */
    bool keeps_beats;   /* heartbeats are never answered */
    bool keeps_reports; /* reports are done, and their answer is kept back; then it is 500 */
    unsigned deaf;      /* so many repetitions do not end the poll that is held */
    char ended_poll[64];
} script;

void script_begin(script *s);
void script_end(script *s);
/* A job of type "t", ready to be claimed; ids count from 1. */
int64_t script_add(script *s, int64_t lease_ms, int64_t timeout_ms);
void script_expect(script *s, const char *path, script_action action, int status, const char *headers);
void script_set_report(script *s, int64_t id, int status);
void script_set_beat(script *s, int64_t id, int status);
void script_cancel(script *s, int64_t id);
unsigned script_reports(script *s, int64_t id); /* how many reports of it have come */
char script_state(script *s, int64_t id);
unsigned script_value(script *s, const unsigned *member); /* read under the lock */

/* A worker of this script's server, with which it begins (and of `second`, where it is not NULL), with these slots. */
taskq_worker *script_worker(const script *s, const char *second, uint32_t concurrency, const taskq_clock *clock);

/* Steps the worker until `done` says so; fails the test after a time that no machine needs. */
typedef bool script_done(void *user);
void script_drive(taskq_worker *worker, script_done *done, void *user);
/* Steps until that many requests to the path have come. */
void script_drive_until_count(taskq_worker *worker, script *s, const char *path, unsigned count);
void script_drive_until_state(taskq_worker *worker, script *s, int64_t id, char state);
/* Steps until the worker says that it has ended. */
void script_drive_to_end(taskq_worker *worker);

/* A handler that waits for a gate, and one that stops when it is told to. */
typedef struct gate gate;
gate *gate_new(void);
void gate_open(gate *g);
void gate_free(gate *g);
unsigned gate_entered(gate *g);
unsigned gate_most(gate *g); /* handlers in it at once, at most */
taskq_status gate_handler(taskq_run *run, void *user);

#endif
