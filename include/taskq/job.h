/* SPDX-License-Identifier: MIT */
/*
 * The records: a job as it is, a job as it is asked for, a queue, and lists of them.
 *
 * Texts are pointer and length (taskq_text), UTF-8, not NUL-terminated. A text that is not there has size 0 and data NULL.
 * Payload, result, error and progress are JSON texts, byte for byte as they came.
 * Ownership: a job reached through a list (taskq_jobs) belongs to the list and is gone with it. What the caller fills in (a
 * taskq_new_job) is borrowed until the call returns.
 * Structs that the caller fills start with struct_size; set them up with their _INIT macro and assign fields by name. Fields
 * are only ever appended. Structs that the library hands out are reached by pointer only, so they may grow too.
 * Threads: a list is plain memory: one thread at a time, or many that only read.
 */
#ifndef TASKQ_JOB_H
#define TASKQ_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <taskq/export.h>
#include <taskq/status.h>

TASKQ_BEGIN_DECLS

/** A text: its bytes and how many they are. */
typedef struct taskq_text {
    const char *data; /**< UTF-8, without a NUL at its end; NULL: no text */
    size_t size;      /**< bytes */
} taskq_text;

/** A text from a string literal. */
#define TASKQ_TEXT(literal) (taskq_text_of("" literal))
/** A text from any NUL-terminated string (NULL: no text). The bytes are borrowed. */
TASKQ_API taskq_text taskq_text_of(const char *string);

/** A digest of bytes, for taskq_enqueue_options.digest: 64 bits, not cryptographic, the same on every machine and version. */
TASKQ_API uint64_t taskq_digest(const void *data, size_t size);

/** Where a job stands. */
typedef enum taskq_state {
    TASKQ_STATE_QUEUED = 1,    /**< ready for a claim */
    TASKQ_STATE_SCHEDULED = 2, /**< ready once run_at, a backoff or a release's delay is over */
    TASKQ_STATE_BLOCKED = 3,   /**< waits for other jobs; in this version no job does */
    TASKQ_STATE_RUNNING = 4,   /**< leased to a worker */
    TASKQ_STATE_SUCCEEDED = 5, /**< terminal, as the two below: only a retry leads out of it */
    TASKQ_STATE_FAILED = 6,    /**< no attempt is left, or one failed for good */
    TASKQ_STATE_CANCELED = 7   /**< somebody asked for it */
} taskq_state;
#define TASKQ_STATE_COUNT 8 /**< the highest state + 1; 0 is none */

/** How an attempt ended. */
typedef enum taskq_outcome {
    TASKQ_OUTCOME_NONE = 0,      /**< it has not ended */
    TASKQ_OUTCOME_SUCCEEDED = 1, /**< reported */
    TASKQ_OUTCOME_FAILED = 2,    /**< reported */
    TASKQ_OUTCOME_TIMED_OUT = 3, /**< timeout_ms was over: by the sweep, or the report came too late */
    TASKQ_OUTCOME_LOST = 4,      /**< the lease was over: by the sweep */
    TASKQ_OUTCOME_RELEASED = 5,  /**< given back; it does not count */
    TASKQ_OUTCOME_CANCELED = 6   /**< ended without success after a cancel was asked for */
} taskq_outcome;

/** "queued", "scheduled", ...; "unknown" for a number that is none. Static, never NULL. */
TASKQ_API const char *taskq_state_name(taskq_state state);
/** "succeeded", "timed_out", ...; "unknown" for a number that is none. Static, never NULL. */
TASKQ_API const char *taskq_outcome_name(taskq_outcome outcome);
/** succeeded, failed or canceled. */
TASKQ_API bool taskq_state_is_terminal(taskq_state state);

/* Bounds of a job. */
#define TASKQ_NAME_BYTES_MAX 128 /**< queue, type, tag, batch, worker: A-Z a-z 0-9 . _ : / - */
#define TASKQ_KEY_CHARS_MAX 256  /**< unique_key, idempotency key, poll: any UTF-8 but NUL; characters, not bytes */
#define TASKQ_TAGS_MAX 16        /**< tags of a job */
#define TASKQ_PRIORITY_MAX 1000  /**< and -1000 is the least */
#define TASKQ_DELAY_MS_MAX INT64_C(31536000000)     /**< 365 days */
#define TASKQ_ATTEMPTS_MAX 100                      /**< max_attempts of a job */
#define TASKQ_TIMEOUT_MS_MIN 100                    /**< of an attempt as a whole */
#define TASKQ_TIMEOUT_MS_MAX INT64_C(604800000)     /**< 7 days */
#define TASKQ_LEASE_MS_MIN 1000                     /**< between two signs of life of a worker */
#define TASKQ_LEASE_MS_MAX INT64_C(43200000)        /**< 12 hours */
#define TASKQ_BACKOFF_BASE_MS_MAX INT64_C(86400000) /**< a day */
#define TASKQ_BACKOFF_MAX_MS_MAX INT64_C(604800000) /**< 7 days */
#define TASKQ_BACKOFF_FACTOR_MAX 10.0               /**< from one delay to the next */
#define TASKQ_ENQUEUE_JOBS_MAX 1000                 /**< jobs of one enqueue */
#define TASKQ_CLAIM_JOBS_MAX 100                    /**< jobs that one claim may lease */
#define TASKQ_CLAIM_NAMES_MAX 32                    /**< queues, and types, that one claim may name */
#define TASKQ_CLAIM_BYTES_MAX (4u << 20)            /**< a claim or a list page ends once it holds that much */
#define TASKQ_REPORTS_MAX 1000                      /**< reports, or heartbeats, of one call */
#define TASKQ_LIST_LIMIT_MAX 1000                   /**< jobs on a page of a list */
#define TASKQ_LIST_LOOK_MAX 10000                   /**< jobs that one page of a list looks at */
#define TASKQ_BULK_MAX 10000                        /**< jobs that one bulk change touches */
#define TASKQ_ATTEMPTS_SHOWN_MAX 100                /**< the last attempts of a job, that are kept */
#define TASKQ_LOG_BYTES_MAX 65536                   /**< of a job's log the last that much is kept */
#define TASKQ_ERROR_CODE_CHARS_MAX 100              /**< of an error's code; more is cut */
#define TASKQ_ERROR_MESSAGE_CHARS_MAX 1000          /**< of its message; more is cut */
#define TASKQ_ERROR_TRACE_LINES_MAX 50              /**< of its trace; more is cut */
#define TASKQ_TRACEPARENT_BYTES_MAX 55              /**< of a W3C trace context */

/** Delay before attempt n + 1: min(max_ms, base_ms * factor^(n-1)), then drawn evenly within +- jitter of it. */
typedef struct taskq_backoff {
    int64_t base_ms; /**< 0 to 86400000 */
    double factor;   /**< 1 to 10 */
    int64_t max_ms;  /**< 0 to 604800000 */
    double jitter;   /**< 0 to 1 */
} taskq_backoff;

/** One ended attempt. */
typedef struct taskq_attempt {
    int32_t attempt;                       /**< its number, from 1 */
    taskq_outcome outcome;                 /**< how it ended */
    taskq_text worker;                     /**< who had it */
    int64_t started_at_ms, finished_at_ms; /**< Unix milliseconds */
    taskq_text error;                      /**< JSON object, or nothing */
} taskq_attempt;

/** A job as it is. All times are Unix milliseconds, 0 where there is none (created_at_ms and run_at_ms always are). */
typedef struct taskq_job {
    int64_t id;            /**< from 1, ascending, never used again */
    int64_t version;       /**< counted up by every move: the lease's token */
    taskq_state state;     /**< where it stands */
    int32_t priority;      /**< higher first */
    int32_t attempt;       /**< the one that runs or ran last, from 1; 0: none yet */
    int32_t max_attempts;  /**< then it is failed */
    bool cancel_requested; /**< it runs, and its worker is asked to stop */
    bool existing;      /**< set in the answer to an enqueue whose unique_key was taken: this is the job that has it */
    taskq_text queue;   /**< where it waits */
    taskq_text type;    /**< which handler it is for */
    taskq_text payload; /**< JSON */
    int64_t run_at_ms;  /**< not ready before */
    int64_t timeout_ms; /**< how long an attempt may run */
    int64_t lease_ms;   /**< how long its worker may be silent */
    taskq_backoff backoff;           /**< the delay after a failure */
    taskq_text tags[TASKQ_TAGS_MAX]; /**< names to find it by */
    uint32_t tag_count;
    taskq_text batch;                      /**< the group that it is of */
    taskq_text unique_key;                 /**< no second one with it while this one has not ended */
    taskq_text traceparent;                /**< W3C trace context */
    taskq_text worker;                     /**< who has it, or had it last */
    taskq_text progress, result, error;    /**< JSON */
    int64_t created_at_ms, updated_at_ms;  /**< made, and moved last */
    int64_t started_at_ms, finished_at_ms; /**< of the attempt that runs or ran last; of the job */
    int64_t lease_expires_at_ms;           /**< while it runs */
    const taskq_attempt *attempts;         /**< only where asked for */
    uint32_t attempt_count;
    taskq_text log; /**< only where asked for */
    /* Instants on the scheduler's elapsed time, which its sweep goes by; 0 where there is none. */
    int64_t lease_due_ms;   /**< the lease is over then */
    int64_t timeout_due_ms; /**< the attempt is over then */
    int64_t backoff_due_ms; /**< scheduled by a backoff or a delayed release: ready then; 0: run_at_ms tells */
} taskq_job;

/** A job as it is asked for. Set up with TASKQ_NEW_JOB_INIT, which has every default; `type` is required. */
typedef struct taskq_new_job {
    size_t struct_size;
    taskq_text queue;                /**< "default" */
    taskq_text type;                 /**< required */
    taskq_text payload;              /**< JSON; {} */
    int32_t priority;                /**< -1000 to 1000, higher first; 0 */
    int32_t max_attempts;            /**< 1 to 100; 10 */
    bool has_run_at, has_delay;      /**< one of them at most; neither: now */
    int64_t run_at_ms;               /**< Unix milliseconds, years 1970 to 2100; the past is allowed */
    int64_t delay_ms;                /**< 0 to 31536000000 */
    int64_t timeout_ms;              /**< 100 to 604800000; 900000 */
    int64_t lease_ms;                /**< 1000 to 43200000; 60000 */
    taskq_backoff backoff;           /**< 2000, 2.0, 3600000, 0.2 */
    taskq_text tags[TASKQ_TAGS_MAX]; /**< names; none */
    uint32_t tag_count;
    taskq_text batch; /**< a name that groups jobs; none */
    taskq_text unique_key; /**< 1 to 256 characters: while a job of this queue with this key is not terminal, no other is made; none */
    taskq_text traceparent; /**< W3C trace context, kept with the job; a malformed one is ignored */
} taskq_new_job;

#define TASKQ_NEW_JOB_INIT                                                                                     \
    {                                                                                                          \
        sizeof(taskq_new_job), {"default", 7}, {NULL, 0}, {"{}", 2}, 0, 10, false, false, 0, 0, 900000, 60000, \
            {2000, 2.0, 3600000, 0.2}, {{NULL, 0}}, 0, {NULL, 0}, {NULL, 0},                                   \
        {                                                                                                      \
            NULL, 0                                                                                            \
        }                                                                                                      \
    }

/** How jobs are enqueued. Set up with TASKQ_ENQUEUE_OPTIONS_INIT. */
typedef struct taskq_enqueue_options {
    size_t struct_size;
    taskq_text idempotency_scope; /**< whose key it is, such as a token's name; up to 1024 bytes, may be empty */
    taskq_text idempotency_key; /**< 1 to 256 characters; size 0: none. For 24 hours the same scope, key and digest give the same jobs */
    uint64_t digest; /**< of whatever the caller holds to be the same request, the body's bytes for example: see taskq_digest */
    bool json_checked; /**< the caller vouches that every payload is valid JSON (it was just parsed); else it is checked here */
} taskq_enqueue_options;
#define TASKQ_ENQUEUE_OPTIONS_INIT                                    \
    {                                                                 \
        sizeof(taskq_enqueue_options), {NULL, 0}, {NULL, 0}, 0, false \
    }

/** What became of an attempt, as whoever holds its lease says it. Set up with TASKQ_REPORT_INIT. */
typedef struct taskq_report {
    size_t struct_size;
    int64_t id, version; /**< of the job as it was claimed */
    bool succeeded;      /**< or failed */
    taskq_text result;   /**< succeeded: JSON, or none */
    taskq_text error; /**< failed: a JSON object with code, message, trace, the caller keeps to their bounds; or none */
    bool no_retry;    /**< failed: for good */
    int64_t retry_in_ms; /**< failed: in place of the backoff, 0 to 31536000000; -1: the backoff */
    /* out */
    taskq_status status;  /**< OK (also for the same report again), ENOTFOUND, ESTALE, EINVAL */
    taskq_state state;    /**< OK: as it now is */
    int64_t new_version;  /**< OK: as it now is */
    const taskq_job *job; /**< OK, where wanted: it is in the list of them */
} taskq_report;
#define TASKQ_REPORT_INIT                                                                                     \
    {                                                                                                         \
        sizeof(taskq_report), 0, 0, false, {NULL, 0}, {NULL, 0}, false, -1, TASKQ_OK, (taskq_state)0, 0, NULL \
    }

/** A list of jobs that the caller owns. */
typedef struct taskq_jobs taskq_jobs;
TASKQ_API uint32_t taskq_jobs_count(const taskq_jobs *list);                      /**< 0 for NULL */
TASKQ_API const taskq_job *taskq_jobs_at(const taskq_jobs *list, uint32_t index); /**< NULL past the end */
/** Where the next page starts: hand it to taskq_filter.before_id; 0: this page is the last. */
TASKQ_API int64_t taskq_jobs_next(const taskq_jobs *list);
TASKQ_API void taskq_jobs_free(taskq_jobs *list); /**< NULL is fine */

/** A queue as it is. */
typedef struct taskq_queue {
    taskq_text name;                   /**< of the queue */
    bool paused;                       /**< nothing is handed out */
    int64_t counts[TASKQ_STATE_COUNT]; /**< by taskq_state */
    int64_t oldest_ready_age_ms;       /**< 0 where nothing is ready */
} taskq_queue;

/** A list of queues that the caller owns. */
typedef struct taskq_queues taskq_queues;
TASKQ_API uint32_t taskq_queues_count(const taskq_queues *list);                        /**< 0 for NULL */
TASKQ_API const taskq_queue *taskq_queues_at(const taskq_queues *list, uint32_t index); /**< NULL past the end */
TASKQ_API void taskq_queues_free(taskq_queues *list);                                   /**< NULL is fine */

/** Which jobs. A field that is not set (NULL text, 0) does not narrow. */
typedef struct taskq_filter {
    size_t struct_size;
    taskq_state state;                          /**< jobs in this state */
    taskq_text queue, type, tag, batch, worker; /**< jobs that have it */
    taskq_text q;                               /**< this text stands in the payload or the error */
    int64_t before_id;                          /**< only ids below it; 0: all */
    uint32_t limit;                             /**< 1 to 1000; 0: 100 */
} taskq_filter;
#define TASKQ_FILTER_INIT                                                                                            \
    {                                                                                                                \
        sizeof(taskq_filter), (taskq_state)0, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, 0, 0 \
    }

TASKQ_END_DECLS

#endif
