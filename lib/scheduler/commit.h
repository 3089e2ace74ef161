/* SPDX-License-Identifier: MIT */
/*
 * The line that everything that writes stands in. It has no thread of its own: whoever finds it idle leads, takes what
 * waits, commits it as one transaction, and leads a few more batches before the oldest waiting caller is named the next.
 *
 * Threads: any. A call is the caller's memory; between run and its return it belongs to the line.
 */
#ifndef TASKQ_SCHEDULER_COMMIT_H
#define TASKQ_SCHEDULER_COMMIT_H

#include <taskq/alloc.h>
#include <taskq/log.h>

#include "core/rng.h"
#include "core/timekeeper.h"
#include "scheduler/call.h"

typedef struct taskq__line taskq__line;

typedef struct taskq__line_options {
    taskq_allocator allocator;
    taskq_store *store;
    taskq__timekeeper *time;
    taskq__rng *rng;
    const taskq_log *log;
    uint32_t parked_max;
    int64_t busy_after_ms; /* how long a call waits where somebody holds the line */
    /* Something written wants a walk at these instants; called by the leader, with no lock held. May be NULL. */
    void (*due)(void *user, taskq_now due, taskq_now now);
    void *user;
} taskq__line_options;

typedef struct taskq__line_counts {
    uint64_t commits, ops;
    uint64_t writes; /* commits that may have written something: a walk that found nothing is none */
    uint32_t parked;
} taskq__line_counts;

taskq_status taskq__line_open(const taskq__line_options *options, taskq__line **out, taskq_error *err);
/* Nobody may stand in it any more. NULL is fine. */
void taskq__line_close(taskq__line *line);

/* End what is parked with no job; from now on nothing is parked and new calls get ECANCELED. */
void taskq__line_shut(taskq__line *line);

/* Submit, lead if it falls to us, sleep until it is done. What comes back is about the transaction (or ELIMIT: too many are
 * parked, ECANCELED: shut); where it is OK each op has its own outcome. A claim whose time was over, whose client is gone or
 * which a newer one of its poll replaced is OK without a job. */
taskq_status taskq__line_run(taskq__line *line, taskq__call *call, taskq_error *err);

/* Take the line: until it is given back by the same thread nobody leads, so nothing is committed and no upkeep is done but by the
 * holder. Waits its turn like a call. `batch` is set up for what the holder commits, without ops. EBUSY: not within busy_after_ms;
 * EINVAL: this thread holds it; ECANCELED. */
taskq_status taskq__line_hold(taskq__line *line, taskq_batch *batch, taskq_error *err);
/* `committed`: the same batch with what became ready and due; NULL: nothing was written. `ops`: how many. Then leads, like a call. */
void taskq__line_give_back(taskq__line *line, taskq_batch *committed, uint32_t ops);
bool taskq__line_is_held_here(taskq__line *line); /* by the calling thread */

/* Others made something ready: claims that would take it look again. */
void taskq__line_ready(taskq__line *line, const taskq_ready *ready, uint32_t count);

/* Where others write to the store too: of the claims that wait, the oldest of each queue and type looks again, in case that
 * nobody told of what is there. */
void taskq__line_look_again(taskq__line *line);

/* Now, by the store's clock where it has one of its own, as far as the last batch told. */
taskq_now taskq__line_store_now(taskq__line *line);

/* The store's upkeep, where nobody leads just now. */
void taskq__line_upkeep(taskq__line *line);

taskq__line_counts taskq__line_read_counts(taskq__line *line);

/* The hash by which a queue or a type is known among the parked; 0 for an empty text. */
uint64_t taskq__line_hash(const taskq__line *line, taskq_text text);

#endif
