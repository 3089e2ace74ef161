/* SPDX-License-Identifier: MIT */
/*
 * What a store implements: the table of functions between the scheduler and a database.
 *
 * A store opens a transaction, reads the rows that an op names, asks the batch's `decide` what becomes of each (the state
 * machine, one pure function: no store decides a move itself), writes what it says by id, and commits. What differs between
 * stores is how rows are found, locked and written.
 *
 * Time: `now` comes with the batch and is an argument everywhere; a store with a clock of its own (TASKQ_STORE_OWN_CLOCK)
 * replaces it by its own once a batch and writes it back. Randoms are drawn and digests computed before the batch is given,
 * so that a repeated batch decides the same.
 * Threads: `commit`, `upkeep` and `close` are called by one thread at a time; reads come from any thread, beside a commit.
 * Ownership: everything in a batch is the caller's and is borrowed until the call returns; every row handed back is allocated
 * in the arena that came with the op or the call.
 * Promise: weaker than that of the other headers: slots are appended, elements may gain fields; a store is built against the
 * version that it runs with.
 */
#ifndef TASKQ_SYS_STORE_H
#define TASKQ_SYS_STORE_H

#include <taskq/alloc.h>
#include <taskq/job.h>
#include <taskq/store.h>
#include <taskq/sys/arena.h>

TASKQ_BEGIN_DECLS

/** The two times of one instant: see <taskq/clock.h>. */
typedef struct taskq_now {
    int64_t wall_ms; /**< Unix time: run_at, created_at and every time that is shown */
    int64_t steady_ms; /**< elapsed time, near the wall clock when the scheduler was opened: leases, time-outs, backoffs */
} taskq_now;

/* ---- the state machine's words --------------------------------------------------------------------------------- */

/** What may happen to a job. */
typedef enum taskq_event_kind {
    TASKQ_EVENT_ENQUEUE = 1, /**< before: the new job with its fields, no state yet */
    TASKQ_EVENT_CLAIM,       /**< queued -> running; `worker` takes the lease */
    TASKQ_EVENT_SUCCEED,     /**< running -> succeeded; `outcome` is the result */
    TASKQ_EVENT_FAIL,        /**< running -> scheduled, queued, failed, canceled; `outcome` is the error */
    TASKQ_EVENT_RELEASE,     /**< running -> queued, scheduled, canceled; `delay_ms` */
    TASKQ_EVENT_CANCEL,      /**< queued, scheduled -> canceled; running: its worker is asked */
    TASKQ_EVENT_RETRY,       /**< a terminal job -> queued */
    TASKQ_EVENT_DELETE,      /**< a terminal job goes, with all that belongs to it */
    TASKQ_EVENT_DUE,         /**< scheduled -> queued, the sweep's */
    TASKQ_EVENT_EXPIRE       /**< running, lease or time-out over: lost or timed out, the sweep's */
} taskq_event_kind;

/** One event on one job: the element of SETTLE. */
typedef struct taskq_event {
    taskq_event_kind kind; /**< what happens */
    int64_t id, version;   /**< version 0: whatever it is (an operator's cancel, retry, delete) */
    taskq_text worker;     /**< CLAIM only */
    taskq_text outcome; /**< SUCCEED: result JSON (size 0: none); FAIL: error JSON object; stored once, with the attempt */
    int64_t delay_ms; /**< FAIL: -1, the job's backoff says; RELEASE: -1, run_at is kept and the job is ready at once */
    bool no_retry;    /**< FAIL: this failure is for good */
    uint64_t random;  /**< for the jitter */
    uint64_t digest; /**< SUCCEED, FAIL: of kind, outcome, no_retry and delay_ms: tells the same report from another one */
    bool wants_job; /**< fill `job` when OK */
    taskq_status
        status; /**< out: OK (the same report again too), ENOTFOUND, ESTALE, ECONFLICT; ENOMEM: no room in the op's arena */
    taskq_job *job;      /**< out, where wanted and OK: the whole job, without attempts and log */
    taskq_state state;   /**< out, where OK: state after it (DELETE: 0) */
    int64_t new_version; /**< out, where OK: version after it */
    bool repeated;       /**< out, where OK: the same report had been counted before; nothing was written now */
} taskq_event;

/** What becomes of a job. `after` is a copy of the job before, changed; the same version in both: there is nothing to write
 * but what `touched` says. */
typedef struct taskq_move {
    taskq_job after; /**< the job as it now is */
    taskq_outcome ended; /**< the attempt that this move ends, to be written as its row with `outcome`; NONE: it ends none */
    taskq_text outcome; /**< result or error of the ended attempt (the event's own, or a constant text of the state machine) */
    bool touched;          /**< cancel_requested was set on a running job: write it, the version stays */
    bool removed;          /**< the job and everything that belongs to it go */
    bool cleared;          /**< retry: progress, result and error are forgotten; priority, log and attempts stay */
    bool progress_cleared; /**< claim: the last attempt's progress goes */
} taskq_move;

/** The state machine: pure. OK, ESTALE (version), ECONFLICT (the state forbids it; err says which). Nothing else. */
typedef taskq_status taskq_decide_fn(const taskq_job *before, const taskq_event *event, taskq_now now, taskq_move *out,
                                     taskq_error *err);

/* ---- the ops ----------------------------------------------------------------------------------------------------- */

/** What may be asked of a store; ascending: also the order in which the ops of one batch take effect. */
typedef enum taskq_op_kind {
    TASKQ_OP_QUEUE = 1, /**< settings of one queue: pause */
    TASKQ_OP_BEAT,      /**< n leases renewed, progress and log kept; the version stays */
    TASKQ_OP_SETTLE,    /**< n events on n jobs, each standing alone: report, release, cancel, retry, delete */
    TASKQ_OP_ENQUEUE,   /**< n jobs, all or none */
    TASKQ_OP_CLAIM,     /**< up to `limit` leases; last, so it sees what this batch made ready */
    TASKQ_OP_WALK       /**< at most `max` rows of: expired, due, finished long ago, old keys. Alone in its batch */
} taskq_op_kind;

/** Settings of one queue. */
typedef struct taskq_queue_change {
    taskq_text name; /**< made where it is not there */
    bool set_paused; /**< `paused` is to be written */
    bool paused;     /**< hand out nothing */
} taskq_queue_change;

/** A sign of life: the element of BEAT. */
typedef struct taskq_beat {
    int64_t id, version;          /**< of the job as it was claimed */
    taskq_text progress;          /**< JSON object, replaces the last one; size 0: stays */
    taskq_text log;               /**< appended; the store keeps the last 64 KiB */
    taskq_status status;          /**< out: OK, ENOTFOUND, ESTALE */
    int64_t lease_expires_at_ms;  /**< out, wall */
    bool cancel_requested, quiet; /**< out */
} taskq_beat;

/** Jobs to be made, all or none. */
typedef struct taskq_enqueue {
    const taskq_new_job *const *jobs; /**< checked; every job complete, run_at settled by decide */
    uint32_t count;                   /**< of jobs, and of results */
    taskq_text idempotency_key;       /**< size 0: none; scope and key in one */
    uint64_t digest;                  /**< of the request's bytes */
    int64_t keep_ms;                  /**< how long the key is kept */
    bool wants_jobs;                  /**< false: only ids are needed: jobs carry id, state and version alone */
    /** out: count jobs, as they are now; replayed, one that was deleted since: its id alone, state 0. Where those that are not made
     * by this op hold more than TASKQ_CLAIM_BYTES_MAX above what the new ones do, a list is EINVAL; replayed, the rest of it comes
     * without result, error and progress. */
    taskq_job **results;
    bool replayed; /**< out: the key was there with the same digest; nothing was made now */
    uint32_t made; /**< out: how many were made (then or now); the others have `existing` set */
} taskq_enqueue;

/** Jobs to be leased. */
typedef struct taskq_claim {
    const taskq_text *queues; /**< in order of preference; at least one */
    uint32_t queue_count;
    const taskq_text *types; /**< none: any */
    uint32_t type_count;
    taskq_text worker; /**< may be empty */
    taskq_text poll;   /**< may be empty; else the leases of this worker and poll that are still held come back first */
    uint32_t limit;    /**< 1 to TASKQ_CLAIM_JOBS_MAX */
    size_t bytes_max;  /**< of payloads; at least one job comes whatever its size */
    taskq_job **jobs;  /**< out: what was leased */
    uint32_t job_count; /**< out */
} taskq_claim;

/** What a walk looks for. */
typedef enum taskq_walk_kind {
    TASKQ_WALK_EXPIRED = 1, /**< running, lease or time-out over */
    TASKQ_WALK_DUE,         /**< scheduled, due now */
    TASKQ_WALK_RETENTION,   /**< terminal, finished before the cut */
    TASKQ_WALK_KEYS         /**< idempotency keys over their time */
} taskq_walk_kind;

/** One bounded step of upkeep. */
typedef struct taskq_walk {
    taskq_walk_kind kind;  /**< what it looks for */
    uint32_t max;          /**< rows at most */
    int64_t cut_ms;        /**< RETENTION: wall; of succeeded and canceled */
    int64_t cut_failed_ms; /**< RETENTION: wall; of failed */
    uint64_t random;       /**< EXPIRED: each job's own is mixed from it and its id */
    uint32_t moved;        /**< out: rows that this walk changed */
    bool more; /**< out: it ended early, at max or, in RETENTION, where what went was large: there may be more */
    uint32_t lost, timed_out; /**< out, of EXPIRED */
} taskq_walk;

/** What one caller asked for. */
typedef struct taskq_op {
    taskq_op_kind kind; /**< which member of `in` counts */
    union {
        taskq_queue_change *queue; /**< QUEUE */
        taskq_beat *beats;         /**< BEAT */
        taskq_event *events;       /**< SETTLE */
        taskq_enqueue *enqueue;    /**< ENQUEUE */
        taskq_claim *claim;        /**< CLAIM */
        taskq_walk *walk;          /**< WALK */
    } in;                          /**< what is asked, and where its outcome goes */
    uint32_t count;                /**< elements of beats, events; else 1 */
    taskq_arena *arena;            /**< the caller's: every row handed back is allocated here */
    taskq_status
        status; /**< out: of the op as a whole. ENQUEUE: EEXISTS (key with another digest), EINVAL, ENOMEM: nothing written */
    taskq_error error; /**< out, where status is not OK */
} taskq_op;

/** Jobs of one queue and type that are ready. */
typedef struct taskq_ready {
    taskq_text queue, type; /**< empty: any */
    uint32_t count;         /**< how many */
} taskq_ready;

/** What is done in one transaction. */
typedef struct taskq_batch {
    size_t struct_size;
    taskq_op **ops;          /**< by kind, then by arrival; no two name the same job, unique_key or idempotency key */
    uint32_t count;          /**< how many ops */
    taskq_decide_fn *decide; /**< the state machine */
    taskq_now now;        /**< in: the scheduler's clock; with TASKQ_STORE_OWN_CLOCK out: the database's, used alone */
    taskq_arena *arena;   /**< for `ready`'s texts and for what the store needs while the batch lasts */
    taskq_ready *ready;   /**< out, at most ready_max: made ready and not claimed in this batch; more are added up into
                                  an entry with an empty type, then with an empty queue: "any" */
    uint32_t ready_max;   /**< room in `ready` */
    uint32_t ready_count; /**< out */
    taskq_now next_due; /**< out: the earliest wall and steady time at which something written here wants a WALK, or INT64_MAX */
    uint32_t culprit; /**< out with EINVAL: the op at fault, or count where the store cannot tell */
} taskq_batch;

/* ---- reads --------------------------------------------------------------------------------------------------------- */

/** What a job is read with. */
enum {
    TASKQ_PART_ATTEMPTS = 1, /**< its ended attempts */
    TASKQ_PART_LOG = 2       /**< its log */
};

/** A page of a list. */
typedef struct taskq_page {
    taskq_job **
        jobs; /**< by id, descending; at most filter.limit, ended early at TASKQ_CLAIM_BYTES_MAX or TASKQ_LIST_LOOK_MAX */
    uint32_t count;         /**< how many */
    int64_t next_before_id; /**< 0: that was the last page */
} taskq_page;

/** Queues with what is in them. */
typedef struct taskq_counts {
    const taskq_queue *queues; /**< by name */
    uint32_t count;            /**< how many */
} taskq_counts;

/* ---- a store as a whole, to move it into another one ------------------------------------------------------------- */

/** An ended attempt, as it is kept. */
typedef struct taskq_stored_attempt {
    int64_t version;                       /**< of its lease */
    int32_t attempt;                       /**< its number, from 1 */
    taskq_outcome outcome;                 /**< how it ended */
    taskq_text worker;                     /**< who had it */
    taskq_text text;                       /**< result or error */
    int64_t started_at_ms, finished_at_ms; /**< wall */
    bool reported;                         /**< a report ended it, and `digest` is that report's */
    uint64_t digest;                       /**< of the report */
} taskq_stored_attempt;

/** A job, as it is kept. */
typedef struct taskq_stored_job {
    taskq_job job; /**< whole, its log and progress too, but result and error, which stand in the attempts */
    int64_t result_of, error_of;          /**< the attempts (by version) that have result and error; 0: none */
    taskq_text poll;                      /**< of the claim that has the lease */
    const taskq_stored_attempt *attempts; /**< by version, ascending */
    uint32_t attempt_count;
} taskq_stored_job;

/** An idempotency key, as it is kept. */
typedef struct taskq_stored_key {
    taskq_text key;        /**< scope and key in one */
    uint64_t digest;       /**< of the request */
    int64_t expires_at_ms; /**< wall */
    taskq_text jobs;       /**< eight bytes a job, little-endian: id * 2 + made */
} taskq_stored_key;

/** What is moved, in this order. */
typedef enum taskq_stage {
    TASKQ_STAGE_QUEUES = 0, /**< the queues' settings */
    TASKQ_STAGE_JOBS,       /**< jobs with attempts */
    TASKQ_STAGE_KEYS,       /**< idempotency keys */
    TASKQ_STAGE_DONE        /**< nothing is left */
} taskq_stage;

/** A piece of a store, of one stage. */
typedef struct taskq_stored_page {
    taskq_stage stage;            /**< which of the three it holds */
    const taskq_queue *queues;    /**< names and whether they are paused */
    const taskq_stored_job *jobs; /**< by id, ascending */
    const taskq_stored_key *keys; /**< by key, ascending */
    uint32_t count;               /**< how many */
} taskq_stored_page;

/** What a store holds, and what tells it from another one. */
typedef struct taskq_stored_whole {
    int64_t last_id; /**< the highest id that was ever given out */
    int64_t jobs;    /**< how many it holds */
    uint64_t mark;   /**< the same as long as nobody changes the store */
} taskq_stored_whole;

/* ---- the table ------------------------------------------------------------------------------------------------------- */

#define TASKQ_STORE_OWN_CLOCK 1u /**< the database's clock counts, not the scheduler's */
#define TASKQ_STORE_SHARED 2u    /**< other servers write too */

/** A store's functions. It grows at the end only; required slots are checked when a store is made of it. */
typedef struct taskq_store_ops {
    size_t struct_size;
    const char *name; /**< "sqlite", for logs */
    uint32_t flags;   /**< TASKQ_STORE_... */

    /** One transaction, one caller at a time. What comes back is about the transaction; ops carry their own outcomes, and an
     * op's refusal is an outcome: it never spoils the batch.
     * OK        durable, every output set
     * EBUSY     nothing happened, the same batch may be given again (locked, deadlock, serialization)
     * EINVAL    nothing happened, `culprit` is to blame (a constraint that should have held, text the database refuses)
     * EUNAVAIL  nothing happened: out of reach, disk full, out of memory. Nothing else in this call was tried
     * EUNKNOWN  sent, no word whether it holds, and asking found no answer until the deadline
     * ESTORE    the commit's write or flush failed: nothing is acknowledged any more until the store is opened anew */
    taskq_status (*commit)(void *self, taskq_batch *batch, taskq_error *err);

    /** One job. Reads: any thread, connections of their own, never behind the writer. `now` is for ages and for lease_expires_at. */
    taskq_status (*get)(void *self, int64_t id, uint32_t parts, taskq_now now, taskq_arena *arena, taskq_job **out,
                        taskq_error *err);
    /** A page of jobs, by id, descending. */
    taskq_status (*list)(void *self, const taskq_filter *filter, taskq_now now, taskq_arena *arena, taskq_page *out,
                         taskq_error *err);
    /** All queues, or the one of that name (none there: count 0). From counters, not by a scan. */
    taskq_status (*counts)(void *self, const taskq_text *queue, taskq_now now, taskq_arena *arena, taskq_counts *out,
                           taskq_error *err);
    /** The earliest instants that want a WALK of EXPIRED or DUE; INT64_MAX where there is none, and where the earliest is later than `within_ms`
     * from now it may be that, too. */
    taskq_status (*next_due)(void *self, int64_t within_ms, taskq_now *out, taskq_error *err);
    taskq_status (*ping)(void *self, taskq_error *err); /**< could it write now? for readiness; must not write a row */
    void (*close)(void *self);                          /**< once, at the end */

    /* Optional, NULL: has none. */
    taskq_status (*upkeep)(void *self, bool idle,
                           taskq_error *err); /**< checkpoint, statistics; called between batches */
    /** See taskq_store_backup. */
    taskq_status (*backup)(void *self, const char *path, taskq_progress_fn *progress, void *user, taskq_error *err);
    int (*wake_fd)(void *self); /**< readable when another server made something ready */
    /** What became ready elsewhere; never waits. Asked when wake_fd is readable; where there is none, or it is -1, with each sweep
     * during which claims wait, which may be several threads at once. */
    taskq_status (*wake_read)(void *self, taskq_ready *out, uint32_t max, uint32_t *out_count, taskq_error *err);
    /** Tell the other servers. */
    taskq_status (*announce)(void *self, const taskq_ready *ready, uint32_t count, taskq_error *err);
    /** In place of close in a child that was forked: give up descriptors that would keep something of the parent's locked or connected,
     * without a word on them; lock, free and write nothing. */
    void (*forked)(void *self);

    /* Moving: what a store must have to be moved from, and to be moved into. Nobody else uses either meanwhile. */

    /** What there is to be moved. */
    taskq_status (*export_whole)(void *self, taskq_stored_whole *out, taskq_error *err);
    /** The next piece of `stage` after id (JOBS) or key (KEYS); count 0: that was all of the stage. */
    taskq_status (*export_page)(void *self, taskq_stage stage, int64_t after_id, taskq_text after_key,
                                taskq_arena *arena, taskq_stored_page *out, taskq_error *err);
    /** Where to go on: QUEUES in a store that is empty, else where the import of the same whole stopped, and how many jobs it has brought.
     * EEXISTS: it has jobs of its own, or another whole's. */
    taskq_status (*import_begin)(void *self, const taskq_stored_whole *whole, taskq_stage *stage, int64_t *after_id,
                                 uint64_t *done, taskq_error *err);
    /** Written with the place to go on after it, in one transaction. */
    taskq_status (*import_page)(void *self, const taskq_stored_page *page, taskq_error *err);
    taskq_status (*import_stage)(void *self, taskq_stage next, taskq_error *err); /**< the one before it is whole */

    /** Statistics: any thread, without asking the database. How many were written to `out`. */
    uint32_t (*figures)(void *self, taskq_figure *out, uint32_t max);
} taskq_store_ops;

/** Make a store of a table and its object. `allocator` (copied; NULL: the C library) is where the store's own few bytes come from. EINVAL
 * where a required slot is missing; `self` stays the caller's then. On OK the store owns `self` and gives it to ops->close once, in taskq_store_close. `ops` must live as long as the store. */
TASKQ_API taskq_status taskq_store_make(const taskq_store_ops *ops, void *self, const taskq_allocator *allocator,
                                        taskq_store **out, taskq_error *err);

TASKQ_END_DECLS

#endif
