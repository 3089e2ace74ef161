/* SPDX-License-Identifier: MIT */
/*
 * The private side of a run: how the worker's core makes one from a claimed job, tells it to stop, and reads what its handler said.
 * A run is shared by the handler's thread and the core's: everything that both touch is behind the run's own lock. It needs no worker, so a
 * handler is tested with nothing but a job's JSON.
 */
#ifndef TASKQ_WORKER_RUN_H
#define TASKQ_WORKER_RUN_H

#include "core/arena.h"
#include "core/buf.h"
#include "core/process.h"

#include <taskq/worker.h>

/* A run of the job in this JSON object, as a server sends it; `process` NULL: a run of this process; the text is copied, the allocator borrowed. ESYNTAX, EINVAL (no job of ours), ENOMEM. */
taskq_status taskq__run_open(const taskq_allocator *a, const taskq__process *process, taskq_text job_json,
                             taskq_run **out, taskq_error *err);
void taskq__run_close(taskq_run *run); /* NULL is fine */

/* For what a handler needs while it runs, and as long as the worker is open. */
const taskq_allocator *taskq__run_allocator(const taskq_run *run);
const taskq_allocator *taskq__worker_allocator(const taskq_worker *worker);

/* The handler should stop, for this reason. The first reason stays, but that LOST replaces any other. */
void taskq__run_stop(taskq_run *run, taskq_run_reason reason);

/* The run is lent to a handler that ends later: `ended` is called by taskq_run_end, once, from any thread. */
typedef void taskq__run_ended_fn(void *owner, taskq_status status);
void taskq__run_lend(taskq_run *run, taskq__run_ended_fn *ended, void *owner);
/* Nobody is there for its end any more. True: it was lent still, and its end frees it. */
bool taskq__run_abandon(taskq_run *run);

/* How the handler ended, made once it has returned. Texts belong to the run. */
typedef struct taskq__run_end {
    bool succeeded;
    taskq_text result;        /* succeeded: JSON, or size 0 for none */
    taskq_text code, message; /* failed */
    bool no_retry;
    int64_t retry_in_ms; /* -1: the backoff's delay */
} taskq__run_end;
/* `returned`: what the handler returned. */
void taskq__run_read_end(taskq_run *run, taskq_status returned, taskq__run_end *out);

/* What the handler said since the last heartbeat. */
bool taskq__run_has_news(taskq_run *run);
/* Writes what there is as members of a heartbeat's object ("progress": ..., "log": ...), each with a comma before it. It is then under way:
 * taskq__run_news_sent tells what became of it; where it did not arrive it is sent again, before what was said later. */
void taskq__run_write_news(taskq_run *run, taskq__buf *buf);
void taskq__run_news_sent(taskq_run *run, bool arrived);

/* What a handler returns that cannot read its payload: for good, but where there was no memory to read it. */
taskq_status taskq__run_bad_payload(taskq_run *run, const taskq_error *err);

/* As taskq_worker_handle; `destroy` (may be NULL) gets `user` when the worker is closed, and at once where this call fails. */
taskq_status taskq__worker_handle_owned(taskq_worker *worker, const char *type, taskq_handler_fn *handler, void *user,
                                        void (*destroy)(void *user), taskq_error *err);

#endif
