/* SPDX-License-Identifier: MIT */
/*
 * The worker half: it asks a server for jobs, executes them with registered handlers, reports. It never touches a database.
 *
 * Three ways to drive it, on the same object:
 *  - taskq_worker_run: blocks, with a pool of `concurrency` threads, until it is told to stop.
 *  - taskq_worker_poll / _execute / _report: the host's own loop, one job at a time, no thread at all.
 *  - taskq_worker_step with taskq_worker_fd: never waits; the host waits for the descriptor or the deadline (epoll, libuv).
 * Handlers block a thread (taskq_worker_handle), or are begun and end later (taskq_worker_handle_async): with those alone there is
 * no thread but the host's. Heartbeats are sent by whatever drives: step, or poll and report, called at least every third of a lease.
 * Threads: options and handlers are set before the first of these; then taskq_worker_stop may be called from any thread and from a
 * signal handler, everything else from one thread at a time. Handlers run on the pool's threads (run, step), or on the caller's (execute).
 * Ownership: a handler's job and everything in it is borrowed until the handler returns. What a handler hands over (result, error) is
 * copied before the function returns.
 * Fork: it belongs to the process that opened it. In a child every call gives EINVAL (or does nothing), and closing it there leaves all
 * of it to the parent; its memory stays. A handler's child has nothing to say about the job: there taskq_run_should_stop gives LOST.
 */
#ifndef TASKQ_WORKER_H
#define TASKQ_WORKER_H

#include <taskq/alloc.h>
#include <taskq/clock.h>
#include <taskq/job.h>
#include <taskq/log.h>

TASKQ_BEGIN_DECLS

/** What asks for jobs and has them done. */
typedef struct taskq_worker taskq_worker;

/** Whom it asks, for what, and how much at once. */
typedef struct taskq_worker_options {
    size_t struct_size;
    const char *const *
        servers; /**< base URLs of one store; it begins with any of them, asks the next at once where one fails, and goes back;
                    16 at most; none: http://127.0.0.1:7070 */
    uint32_t server_count;
    const char *const *queues; /**< in order of preference, 32 at most; none: "default" */
    uint32_t queue_count;
    const char *id;              /**< a name; NULL: host name, pid and a random number */
    uint32_t concurrency;        /**< jobs at once, 1 to 1000; 0: 8 */
    int64_t poll_interval_ms;    /**< a poll is held by the server so long, 100 to 60000; 0: 2000 */
    int64_t shutdown_timeout_ms; /**< what running jobs get when it stops, then they are released; 0: 30000; -1: none */
    const char *token;           /**< bearer token; NULL: none */
    const char *ca_file, *cert_file, *key_file; /**< PEM; NULL: the system's authorities, no certificate of our own */
    taskq_clock clock;                          /**< zeroed: the system's */
    taskq_log log;                              /**< zeroed: nowhere */
    uint64_t seed;                              /**< of the jitters; 0: from the system */
    taskq_allocator allocator;                  /**< zeroed: the C library's */
} taskq_worker_options;
#define TASKQ_WORKER_OPTIONS_INIT                                                                                     \
    {                                                                                                                 \
        sizeof(taskq_worker_options), NULL, 0, NULL, 0, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, {0, NULL, NULL, NULL}, \
            {0, NULL, NULL, (taskq_log_level)0}, 0, TASKQ_ALLOCATOR_INIT                                              \
    }

/** Make a worker; nothing is connected and no thread made yet. Options are copied. EINVAL (err.field names the option), ELIMIT (too many
 * queues, or no descriptor is left), ENOMEM. */
TASKQ_API taskq_status taskq_worker_open(const taskq_worker_options *options, taskq_worker **out, taskq_error *err);
/** Release what is held, report what has ended (as far as a server can be asked), free. Not while run or a step is under way. Waits for handlers
 * that are still running, those that ignore their stop too: their user's memory is in use; not for those that end later (taskq_run_end),
 * whose jobs are given back. NULL is fine. */
TASKQ_API void taskq_worker_close(taskq_worker *worker);

/* ---- handlers ---------------------------------------------------------------------------------------------------------- */

/** What a handler knows and says while it runs. Threads: the handler's own thread, and threads that it started, which end before it. */
typedef struct taskq_run taskq_run;

/** Executes one job. Return TASKQ_OK: the job succeeded (with the result that was set, or null); anything else: the attempt failed,
 * with the error that was set by taskq_run_fail, or a text made of the status. */
typedef taskq_status taskq_handler_fn(taskq_run *run, void *user);

/** Give a type a handler. EINVAL: it is no name; EEXISTS: it has one; ELIMIT: 32 types have. `user` is handed through.
 * A handler that was told to stop (canceled, lost, timed out) and goes on for more than a moment keeps its thread, not its slot: another job
 * is claimed in its place, up to as many as `concurrency` again. A handler should therefore ask taskq_run_should_stop. */
TASKQ_API taskq_status taskq_worker_handle(taskq_worker *worker, const char *type, taskq_handler_fn *handler,
                                           void *user, taskq_error *err);

/** Begins one job and returns at once: for a host whose work is done by a loop of its own. Called on the thread that drives the worker (step,
 * run, execute), with nothing locked; it must not drive, stop excepted, nor close the worker. The run stays until taskq_run_end. */
typedef void taskq_start_fn(taskq_run *run, void *user);

/** Give a type a handler that ends later; no thread is made for its jobs, so a worker that has no others makes none at all. Failures as
 * taskq_worker_handle. Its handlers watch taskq_run_fd, or ask taskq_run_should_stop now and then; one that goes on is treated as others are.
 * taskq_worker_close does not wait for it: the job is given back. */
TASKQ_API taskq_status taskq_worker_handle_async(taskq_worker *worker, const char *type, taskq_start_fn *start,
                                                 void *user, taskq_error *err);
/** The end of a run that a taskq_start_fn began, with what a taskq_handler_fn would return. Called exactly once, from any thread, in the start
 * itself too, and also after the worker was closed, when it frees the run and says nothing to anybody. The run is gone when it returns. */
TASKQ_API void taskq_run_end(taskq_run *run, taskq_status status);

/** The job as it was claimed: id, type, queue, payload, attempt, traceparent, created_at_ms, ...; without attempts and log. */
TASKQ_API const taskq_job *taskq_run_job(const taskq_run *run);

/** Why a handler should stop. */
typedef enum taskq_run_reason {
    TASKQ_RUN_GOES_ON = 0, /**< it should not */
    TASKQ_RUN_CANCELED,    /**< somebody asked for it */
    TASKQ_RUN_LOST,        /**< the lease is lost: somebody else may have the job; what is reported will be refused */
    TASKQ_RUN_TIMED_OUT,   /**< timeout_ms is over */
    TASKQ_RUN_STOPPING     /**< the worker ends; the job is released when the handler returns without success */
} taskq_run_reason;

/** Should the handler stop? Cheap: ask often. */
TASKQ_API taskq_run_reason taskq_run_should_stop(const taskq_run *run);
/** Sleep up to `ms`, less where the handler should stop; returns what taskq_run_should_stop says then. */
TASKQ_API taskq_run_reason taskq_run_sleep(taskq_run *run, int64_t ms);
/** A descriptor that becomes readable when the handler should stop, for its own poll(); owned by the run. -1: none could be had. */
TASKQ_API int taskq_run_fd(taskq_run *run);

/** Progress, 0 to 100 (what is outside is moved to the bound), and a message (NULL: none; 1000 characters, more is cut); sent with the next
 * heartbeat, so only the last of several is seen. */
TASKQ_API void taskq_run_progress(taskq_run *run, double percent, const char *message);
/** Text for the job's log, a line break is added; sent with the next heartbeat, the last of it before the report. 64 KiB are kept, a line is cut at 16 KiB. */
TASKQ_API void taskq_run_log(taskq_run *run, const char *format, ...) TASKQ_PRINTF(2, 3);

/** The result, valid JSON; the last one set counts. EINVAL otherwise; ELIMIT above 16 MiB (a server takes less: its body's limit); ENOMEM. */
TASKQ_API taskq_status taskq_run_result(taskq_run *run, taskq_text json);
/** Why it failed: returns TASKQ_ECANCELED, so that a handler may `return taskq_run_fail(...)`. `code`: a word (NULL: "failed");
 * the message: a sentence. 100 and 1000 characters, more is cut. */
TASKQ_API taskq_status taskq_run_fail(taskq_run *run, const char *code, const char *format, ...) TASKQ_PRINTF(3, 4);
/** The failure is for good: the job is not tried again. */
TASKQ_API void taskq_run_no_retry(taskq_run *run);
/** Try again after this delay, 0 to 31536000000 ms, and not after the backoff's. */
TASKQ_API void taskq_run_retry_in(taskq_run *run, int64_t delay_ms);

/* ---- the types that come with the library ---------------------------------------------------------------------------- */

/** `sleep`: payload {"duration_ms": 1000}. */
TASKQ_API taskq_status taskq_worker_handle_sleep(taskq_worker *worker, taskq_error *err);

/** Which addresses jobs of the type http may reach. */
typedef struct taskq_http_options {
    size_t struct_size;
    bool allow_private; /**< private, loopback and link-local addresses too */
    bool allow_only;    /**< nothing but what `allow` names */
    /** Networks ("10.1.0.0/16", "fd00::/8", "192.0.2.7") and hosts ("app.example", "*.app.example" for what is below it), 1000 at most
     * each. `allow` opens what would be refused, `deny` refuses what would be open, and wins. Read with the address that is really
     * connected to, on every hop; everything is copied. */
    const char *const *allow;
    uint32_t allow_count;
    const char *const *deny; /**< as `allow` */
    uint32_t deny_count;
} taskq_http_options;
#define TASKQ_HTTP_OPTIONS_INIT                                    \
    {                                                              \
        sizeof(taskq_http_options), false, false, NULL, 0, NULL, 0 \
    }
/** `http`: an HTTP call. `options` may be NULL. EINVAL: an entry of a list is neither a network nor a host. */
TASKQ_API taskq_status taskq_worker_handle_http(taskq_worker *worker, const taskq_http_options *options,
                                                taskq_error *err);

/** `file`: file operations below the directory `root`. ENOTFOUND, EINVAL: no such directory. EUNAVAIL: nothing can be opened below it. */
TASKQ_API taskq_status taskq_worker_handle_file(taskq_worker *worker, const char *root, taskq_error *err);

/** What jobs of the type file may do. */
typedef struct taskq_file_options {
    size_t struct_size;
    /** The largest file that a job may make, copy or add up: a sparse file says that it is huge and costs nothing until it is read. 0: 1 GiB. */
    int64_t file_bytes_max;
} taskq_file_options;
#define TASKQ_FILE_OPTIONS_INIT       \
    {                                 \
        sizeof(taskq_file_options), 0 \
    }
/** `file` with options of its own; `options` may be NULL. */
TASKQ_API taskq_status taskq_worker_handle_file_with(taskq_worker *worker, const char *root,
                                                     const taskq_file_options *options, taskq_error *err);

/* ---- driving it ---------------------------------------------------------------------------------------------------------- */

/** Work until taskq_worker_stop. Returns OK after a graceful end, even where a handler ignores its stop: its job was released; EINVAL: no handler is
 * registered. */
TASKQ_API taskq_status taskq_worker_run(taskq_worker *worker, taskq_error *err);

/** No more polls; running jobs get shutdown_timeout_ms, the rest are released. A second call: at once. Async-signal-safe. */
TASKQ_API void taskq_worker_stop(taskq_worker *worker);

/** Claim up to `limit` jobs (not more than free slots), waiting up to wait_ms. They are the worker's until executed and reported.
 * `out_count`: how many came; 0 is OK. EUNAVAIL: no server answered; EDENIED; ECANCELED: it was stopped. */
TASKQ_API taskq_status taskq_worker_poll(taskq_worker *worker, uint32_t limit, int64_t wait_ms, uint32_t *out_count,
                                         taskq_error *err);
/** Run the handler of one claimed job on this thread, or begin it where it ends later. Meanwhile a thread that ends before this returns sends the heartbeats. ENOTFOUND: none is
 * waiting. OK however the handler ended. */
TASKQ_API taskq_status taskq_worker_execute(taskq_worker *worker, taskq_error *err);
/** Send the reports that are due. OK: all were accepted or have become pointless; EUNAVAIL: some wait for a server, call again. */
TASKQ_API taskq_status taskq_worker_report(taskq_worker *worker, taskq_error *err);

/** Do what can be done without waiting: send and read HTTP, hand jobs to the pool's threads (made as jobs need them) or begin them here
 * (taskq_worker_handle_async), take what has ended. `next_in_ms`: call again after so long at the latest. Returns ECANCELED once it was stopped and everything has ended. */
TASKQ_API taskq_status taskq_worker_step(taskq_worker *worker, int64_t *next_in_ms, taskq_error *err);
/** Readable when a step has something to do. Owned by the worker. */
TASKQ_API int taskq_worker_fd(const taskq_worker *worker);

/** What it does now, and what it has done since it was opened. Set struct_size before it is read. */
typedef struct taskq_worker_stats {
    size_t struct_size;
    uint32_t running;                                    /**< handlers that have not returned */
    uint32_t reports_waiting;                            /**< ended jobs whose report no server has taken yet */
    uint64_t claimed, succeeded, failed, released, lost; /**< jobs that were */
    uint64_t report_retries;                             /**< reports that had to be sent again */
} taskq_worker_stats;
/** Any thread. */
TASKQ_API void taskq_worker_read_stats(const taskq_worker *worker, taskq_worker_stats *out);

TASKQ_END_DECLS

#endif
