/* SPDX-License-Identifier: MIT */
/*
 * The scheduler half: it owns the jobs of one store, hands them out, takes reports, sweeps.
 *
 * Threads: every function may be called from any thread at any time between open and close, unless its comment says otherwise.
 * Whoever calls may do the store's work for others who wait (group commit), on its own stack: give such threads 256 KiB.
 * There is no hidden thread: time-outs, lost leases, due jobs and retention are worked off by taskq_scheduler_sweep, which the
 * host calls in its own loop, or by the thread that taskq_scheduler_start makes.
 * Ownership: arguments are borrowed until the call returns; a taskq_jobs handed out is the caller's, to be freed with
 * taskq_jobs_free, also after the scheduler is closed.
 * Failures: a call that fails changed nothing, except EUNKNOWN: it may have happened. Any call may give EINVAL (an argument; err.field
 * names it), ENOMEM, EBUSY, EUNAVAIL, EUNKNOWN, ESTORE, and ECANCELED once closing has begun; a comment lists only what is beyond that.
 * Fork: it belongs to the process that opened it. In a child every call gives EINVAL (or does nothing), and closing it there leaves all
 * of it to the parent; its memory stays.
 */
#ifndef TASKQ_SCHEDULER_H
#define TASKQ_SCHEDULER_H

#include <taskq/alloc.h>
#include <taskq/clock.h>
#include <taskq/job.h>
#include <taskq/log.h>
#include <taskq/store.h>

TASKQ_BEGIN_DECLS

/** What moves jobs on one store. */
typedef struct taskq_scheduler taskq_scheduler;

/** On which store, and how long things take and stay. */
typedef struct taskq_scheduler_options {
    size_t struct_size;
    taskq_store *store;        /**< required; borrowed until the scheduler is closed */
    taskq_clock clock;         /**< zeroed: the system's */
    taskq_log log;             /**< zeroed: nowhere */
    uint64_t seed;             /**< of the jitters; 0: from the system */
    int64_t sweep_interval_ms; /**< at most so long between two sweeps of the thread, 10 to 60000; 0: 500 */
    int64_t retention_ms; /**< succeeded and canceled jobs are deleted so long after their end, 36500 days at most; 0: 7 days; -1: never */
    int64_t retention_failed_ms; /**< the same of failed ones; 0: 30 days; -1: never */
    uint32_t parked_max; /**< claims that may wait for a job at once, 1000000 at most; one more gets ELIMIT; 0: 10000 */
    taskq_allocator allocator; /**< zeroed: the C library's; the lists that are handed out use it too */
    int64_t busy_after_ms; /**< how long a call waits while a transaction of the host's has the store (taskq_sqlite_begin) before it
                                gets EBUSY, up to 600000; 0: 10000 */
} taskq_scheduler_options;
#define TASKQ_SCHEDULER_OPTIONS_INIT                                                                                   \
    {                                                                                                                  \
        sizeof(taskq_scheduler_options), NULL, {0, NULL, NULL, NULL}, {0, NULL, NULL, (taskq_log_level)0}, 0, 0, 0, 0, \
            0, TASKQ_ALLOCATOR_INIT, 0                                                                                 \
    }

/** Make a scheduler on a store. Options are copied, the store is borrowed. EINVAL, ENOMEM, EUNAVAIL (no descriptor is left).
 * Nothing is swept until taskq_scheduler_start or taskq_scheduler_sweep. */
TASKQ_API taskq_status taskq_scheduler_open(const taskq_scheduler_options *options, taskq_scheduler **out,
                                            taskq_error *err);

/** End every waiting claim with no job and refuse every new call, reads too (ECANCELED). Calls under way end as usual. May be
 * called more than once. */
TASKQ_API void taskq_scheduler_shut(taskq_scheduler *scheduler);

/** Shut, stop the thread, wait for what is under way, free. No other call may be started any more. NULL is fine. */
TASKQ_API void taskq_scheduler_close(taskq_scheduler *scheduler);

/* ---- time ---------------------------------------------------------------------------------------------------------- */

/** What a sweep did. */
typedef struct taskq_sweep_report {
    uint32_t lost, timed_out; /**< attempts that were ended */
    uint32_t made_ready;      /**< scheduled jobs that became due */
    uint32_t deleted;         /**< by retention */
    int64_t next_due_in_ms;   /**< how long one may sleep; 0 to the sweep interval */
} taskq_sweep_report;

/** Work off what is due now, in bounded steps between which others get their turn. `out` may be NULL. */
TASKQ_API taskq_status taskq_scheduler_sweep(taskq_scheduler *scheduler, taskq_sweep_report *out, taskq_error *err);

/** For a host that sweeps in a loop of its own: readable when something is due earlier than the last sweep said, or another server of the store
 * has news. The next sweep answers it, and where nothing is due yet that is all that it does; sweep once right after this call. Owned by the
 * scheduler, and the same each time. -1: there is a thread that sweeps, or no descriptor is left. A scheduler that was asked for it makes no
 * thread any more. */
TASKQ_API int taskq_scheduler_fd(taskq_scheduler *scheduler);

/** Make a thread that sweeps when something is due. EEXISTS: it runs already, or the host sweeps by itself (taskq_scheduler_fd). */
TASKQ_API taskq_status taskq_scheduler_start(taskq_scheduler *scheduler, taskq_error *err);
/** End that thread and wait for it; nothing happens where there is none. */
TASKQ_API void taskq_scheduler_stop(taskq_scheduler *scheduler);

/* ---- producers ------------------------------------------------------------------------------------------------------- */

/** Enqueue 1 to 1000 jobs, all or none. `out`: the jobs, in the same order; one whose unique_key was taken is the job that has
 * it, with `existing` set. `made` (may be NULL): how many were made. `options` may be NULL.
 * EINVAL with field "/3/priority" for the fourth of several, "/priority" for a single one; EEXISTS: the key was used with another digest. */
TASKQ_API taskq_status taskq_scheduler_enqueue(taskq_scheduler *scheduler, const taskq_new_job *const *jobs,
                                               uint32_t count, const taskq_enqueue_options *options, taskq_jobs **out,
                                               uint32_t *made, taskq_error *err);

/* ---- workers --------------------------------------------------------------------------------------------------------- */

/** Which jobs, for whom. */
typedef struct taskq_claim_options {
    size_t struct_size;
    const taskq_text *queues; /**< in order of preference, 32 at most; none: "default" */
    uint32_t queue_count;
    const taskq_text *types; /**< 32 at most; none: any */
    uint32_t type_count;
    taskq_text worker; /**< who asks; a name, may be empty */
    taskq_text poll; /**< id of this poll (needs worker): asked again, its leases that are still held come back; a poll of the
                            same id that still waits is ended with no job by the newer one */
    uint32_t limit;  /**< 1 to 100; 0: 1 */
    int64_t wait_ms; /**< how long it may wait for a job, 0 to 60000 */
    bool (*gone)(
        void *user); /**< has the client hung up? asked before a job is given to it; may be NULL; must not block, must
                                   not call the scheduler */
    void *user;      /**< handed to it */
} taskq_claim_options;
#define TASKQ_CLAIM_OPTIONS_INIT                                                              \
    {                                                                                         \
        sizeof(taskq_claim_options), NULL, 0, NULL, 0, {NULL, 0}, {NULL, 0}, 0, 0, NULL, NULL \
    }

/** Lease up to `limit` jobs; waits until there is one or the wait is over: then OK with an empty list. A job's version is the lease's token.
 * ELIMIT: too many wait. */
TASKQ_API taskq_status taskq_scheduler_claim(taskq_scheduler *scheduler, const taskq_claim_options *options,
                                             taskq_jobs **out, taskq_error *err);

/** Report 0 to 1000 ended attempts, each standing alone, then claim (`next`, may be NULL, its wait_ms must be 0) in the same step. The same
 * report again is OK and changes nothing; one with a stale version is ESTALE and changes nothing.
 * The statuses of the reports are in the reports. `want_jobs`: every report's job is filled; `reported` owns them, `claimed` the
 * claimed ones; each may be NULL where nothing is wanted. json_checked as in taskq_enqueue_options. */
TASKQ_API taskq_status taskq_scheduler_complete(taskq_scheduler *scheduler, taskq_report *const *reports, uint32_t count,
                                                bool json_checked, bool want_jobs, const taskq_claim_options *next,
                                                taskq_jobs **reported, taskq_jobs **claimed, taskq_error *err);

/** A sign of life for one leased job. */
typedef struct taskq_heartbeat {
    size_t struct_size;
    int64_t id, version; /**< of the job as it was claimed */
    taskq_text progress; /**< JSON object {"percent", "message"}; size 0: stays as it is */
    taskq_text log;      /**< appended */
    /* out */
    taskq_status status;         /**< OK, ENOTFOUND, ESTALE */
    int64_t lease_expires_at_ms; /**< Unix time */
    bool cancel_requested;       /**< somebody asked for it: stop */
    bool quiet;                  /**< the worker is to claim nothing more */
} taskq_heartbeat;
#define TASKQ_HEARTBEAT_INIT                                                           \
    {                                                                                  \
        sizeof(taskq_heartbeat), 0, 0, {NULL, 0}, {NULL, 0}, TASKQ_OK, 0, false, false \
    }

/** Renew 1 to 1000 leases, each standing alone; each by its job's lease_ms from now. */
TASKQ_API taskq_status taskq_scheduler_heartbeat(taskq_scheduler *scheduler, taskq_heartbeat *const *beats,
                                                 uint32_t count, taskq_error *err);

/** Give a job back; the attempt is not counted. delay_ms: 0 to 31536000000, or -1: ready at once with its run_at kept (0 means the same).
 * ENOTFOUND, ESTALE. `out`: the job, may be NULL. */
TASKQ_API taskq_status taskq_scheduler_release(taskq_scheduler *scheduler, int64_t id, int64_t version,
                                               int64_t delay_ms, taskq_jobs **out, taskq_error *err);

/* ---- operators --------------------------------------------------------------------------------------------------------- */

/** End a job that waits; ask a running one to stop (its worker hears of it with the next heartbeat; asking again is OK). ENOTFOUND; ECONFLICT:
 * it has ended. `out`: the job, may be NULL. */
TASKQ_API taskq_status taskq_scheduler_cancel(taskq_scheduler *scheduler, int64_t id, taskq_jobs **out,
                                              taskq_error *err);
/** Queue an ended job again, with all its attempts before it; result, error and progress are forgotten, log and attempts stay. ENOTFOUND;
 * ECONFLICT: it has not ended, or a live job has its unique_key. `out`: the job, may be NULL. */
TASKQ_API taskq_status taskq_scheduler_retry(taskq_scheduler *scheduler, int64_t id, taskq_jobs **out, taskq_error *err);
/** Remove an ended job with its attempts and log. ENOTFOUND; ECONFLICT: it has not ended. */
TASKQ_API taskq_status taskq_scheduler_delete(taskq_scheduler *scheduler, int64_t id, taskq_error *err);

/** What is done to many. */
typedef enum taskq_bulk_action {
    TASKQ_BULK_CANCEL = 1, /**< as taskq_scheduler_cancel */
    TASKQ_BULK_RETRY,      /**< as taskq_scheduler_retry */
    TASKQ_BULK_DELETE      /**< as taskq_scheduler_delete */
} taskq_bulk_action;

/** Do it to every job of `ids` (1000 at most) that fits the filter, or, without ids, to every job that fits the filter, in bounded steps;
 * 10000 jobs at most. What the state forbids is skipped and not counted. `more`: there are others that a further call would change.
 * EINVAL: neither ids nor a filter that narrows. before_id, limit, q and worker of the filter are not used. */
TASKQ_API taskq_status taskq_scheduler_bulk(taskq_scheduler *scheduler, taskq_bulk_action action, const int64_t *ids,
                                            uint32_t id_count, const taskq_filter *filter, uint32_t *affected,
                                            bool *more, taskq_error *err);
/** The same for somebody who may leave: `gone` (may be NULL) is asked between two steps, as in a claim; once it says so the rest is left as it is,
 * with `more` set. */
TASKQ_API taskq_status taskq_scheduler_bulk_until(taskq_scheduler *scheduler, taskq_bulk_action action,
                                                  const int64_t *ids, uint32_t id_count, const taskq_filter *filter,
                                                  bool (*gone)(void *user), void *user, uint32_t *affected, bool *more,
                                                  taskq_error *err);

/** Pause a queue (claims stop, jobs and reports are taken, waiting claims go on waiting) or let it go on. Makes it where it is not there.
 * `out`: as it now is, may be NULL. */
TASKQ_API taskq_status taskq_scheduler_queue_pause(taskq_scheduler *scheduler, taskq_text name, bool paused,
                                                   taskq_queues **out, taskq_error *err);

/* ---- readers ------------------------------------------------------------------------------------------------------------- */

/** The job with its attempts and log. ENOTFOUND. */
TASKQ_API taskq_status taskq_scheduler_get(taskq_scheduler *scheduler, int64_t id, taskq_jobs **out, taskq_error *err);

/** A page of jobs, by id, descending. It may be short, even empty, while taskq_jobs_next(list) is not 0. `filter` may be NULL. */
TASKQ_API taskq_status taskq_scheduler_list(taskq_scheduler *scheduler, const taskq_filter *filter, taskq_jobs **out,
                                            taskq_error *err);

/** Every queue, by name, or the one named (ENOTFOUND); name NULL: all. */
TASKQ_API taskq_status taskq_scheduler_queues(taskq_scheduler *scheduler, const taskq_text *name, taskq_queues **out,
                                              taskq_error *err);

/** What happened since open, and what waits. Plain numbers, read without touching the store. Set struct_size before it is read. */
typedef struct taskq_scheduler_stats {
    size_t struct_size;
    uint64_t enqueued, claimed, succeeded; /**< jobs that were, since open */
    uint64_t failed_attempts;              /**< reported as failed */
    uint64_t released, lost, timed_out;    /**< attempts that ended so */
    uint64_t canceled, retried, deleted;   /**< jobs that were */
    uint64_t stale_reports;                /**< refused, for their lease was lost */
    uint64_t commits, ops;                 /**< batches committed, the steps of sweeps among them, and ops in them */
    uint32_t parked;                       /**< claims that wait now */
    double enqueued_per_s, claimed_per_s, finished_per_s; /**< in the last minute */
    int64_t wait_p50_ms, wait_p95_ms, wait_p99_ms;        /**< from ready to claimed, in the last minute */
    int64_t run_p50_ms, run_p95_ms, run_p99_ms;           /**< from claimed to reported, in the last minute */
} taskq_scheduler_stats;
/** Fill `out`. */
TASKQ_API taskq_status taskq_scheduler_read_stats(taskq_scheduler *scheduler, taskq_scheduler_stats *out,
                                                  taskq_error *err);

/** The store's own figures, up to `max` (TASKQ_FIGURES_MAX are all); how many there were. What they mean is the store's to say. */
TASKQ_API uint32_t taskq_scheduler_store_figures(taskq_scheduler *scheduler, taskq_figure *out, uint32_t max);

/** Could a job be stored now? OK, or why not: EUNAVAIL, EBUSY, ESTORE. Asks the store, writes nothing. */
TASKQ_API taskq_status taskq_scheduler_ping(taskq_scheduler *scheduler, taskq_error *err);

/** The scheduler's wall clock, Unix milliseconds: what created_at and the like are taken from. */
TASKQ_API int64_t taskq_scheduler_now_ms(taskq_scheduler *scheduler);

TASKQ_END_DECLS

#endif
