/* SPDX-License-Identifier: MIT */
/*
 * The worker's core, shared by the files that each do one part of it: servers and breakers, the pool's threads, polls, heartbeats, reports.
 * Everything here belongs to the one thread that drives the worker at the moment, but what is marked otherwise.
 *
 * A task is a claimed job from its claim until its end has been accepted or has become pointless:
 *   WAITING -> RUNNING -> ENDED -> (a last heartbeat where there is news) -> its report or release is sent -> gone
 */
#ifndef TASKQ_WORKER_CORE_H
#define TASKQ_WORKER_CORE_H

#include "core/log.h"
#include "core/process.h"
#include "core/rng.h"
#include "core/scan.h"
#include "worker/breaker.h"
#include "worker/run.h"
#include "worker/transport.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    TASKQ__CONCURRENCY_MAX = 1000,
    TASKQ__BEAT_EVERY_MS_MAX = 5000,
    TASKQ__REQUEST_TIMEOUT_MS =
        15000, /* of a report; a heartbeat of short leases has less, a poll gets its wait on top */
    TASKQ__CONNECT_TIMEOUT_MS = 3000, /* another server is tried rather than waited for */
    TASKQ__CONNECT_AT_END_MS = 1000,  /* once the worker is told to stop */
    TASKQ__REPORT_BODY_BYTES_MAX = 512 << 10,
    TASKQ__REPLY_BYTES_MAX = 64 << 20,
    TASKQ__LET_GO_AFTER_MS = 200, /* a handler that was told to stop and did not: its slot is given to another thread */
    TASKQ__RELEASE_AFTER_MS = 500, /* at the end, a handler that was told to stop and did not: its job is released */
    TASKQ__FLUSH_MS = 5000,        /* how long reports are tried beyond the shutdown time */
    TASKQ__RELEASES_AT_ONCE = 16,
    TASKQ__POLL_WAIT_MS_MAX = 60000,
    TASKQ__POLL_ID_BYTES = 33
};

typedef enum taskq__task_state { TASKQ__TASK_WAITING, TASKQ__TASK_RUNNING, TASKQ__TASK_ENDED } taskq__task_state;
typedef enum taskq__task_end { TASKQ__END_NONE, TASKQ__END_REPORT, TASKQ__END_RELEASE } taskq__task_end;

typedef struct taskq__handler {
    char *type;
    taskq_handler_fn *fn;  /* run by a thread; or */
    taskq_start_fn *start; /* called by the thread that drives the worker */
    void *user;
    void (*destroy)(void *user);
} taskq__handler;

typedef struct taskq__task {
    struct taskq__task *previous, *next; /* of the worker's list, oldest first */
    struct taskq__task *pool_next;       /* of one of the pool's lists; guarded by the pool's lock */
    taskq_worker *worker;
    taskq_run *run;
    int64_t id, version;
    const taskq__handler *handler;
    taskq__task_state state;
    int64_t timeout_at_ms, beat_at_ms, beat_every_ms, started_at_ms;
    int64_t stop_at_ms;    /* when its handler was told to stop; 0: it was not */
    bool let_go;           /* its slot has been given away */
    bool beating;          /* in the heartbeat under way */
    bool beats_over;       /* its lease is lost, or its end is known: no more heartbeats */
    bool pointless;        /* the lease is lost: no report */
    taskq_status returned; /* by the handler: written by its thread before it hands the task back */
    taskq__task_end end;
    bool sending;  /* the end is under way */
    bool replaced; /* the report was refused and another stands in for it */
    bool succeeded;
    taskq__buf report; /* the element of /jobs/complete */
    taskq__exchange *release;
    uint32_t server; /* that the release was sent to */
} taskq__task;

/* A pool of threads that run handlers. Made as tasks come, up to a bound. */
typedef struct taskq__pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    const taskq_allocator *allocator;
    pthread_t *threads;
    int wake_fd; /* rung when a task is handed back; borrowed */
    /* guarded by lock */
    taskq__task *first, *last; /* to be run */
    taskq__task *ended;        /* handed back, newest first */
    uint32_t queued, idle, count, max;
    bool ending;
} taskq__pool;

taskq_status taskq__pool_init(taskq__pool *pool, const taskq_allocator *a, uint32_t max, int wake_fd, taskq_error *err);
/* The task's handler is run by a thread. EUNAVAIL: there is no thread and none can be made; the task is not taken. */
taskq_status taskq__pool_submit(taskq__pool *pool, taskq__task *task, taskq_error *err);
void taskq__pool_hand_back(taskq__pool *pool, taskq__task *task); /* its handler has ended; any thread */
taskq__task *taskq__pool_ended(taskq__pool *pool); /* what was handed back, linked by pool_next, oldest first */
void taskq__pool_join(taskq__pool *pool);          /* no more tasks are begun; waits for the threads */
void taskq__pool_clear(taskq__pool *pool);         /* after join */

/* One claim at a time: a poll, or the `next` of a report. Until an answer to it has arrived it is asked again under the same id. */
typedef struct taskq__claim {
    bool wanted_again; /* the answer was lost */
    bool in_flight;    /* by poll or by report */
    bool may_hold;     /* a request whose answer was lost may have leased something */
    taskq__exchange *poll;
    char id[TASKQ__POLL_ID_BYTES];
    uint32_t limit;                              /* slots that are kept for it; 0: there is no claim */
    int64_t wait_ms, asked_at_ms, not_before_ms; /* wait 0: it was not held */
    uint32_t early;                              /* empty answers in a row that came before their time */
    uint32_t server;
    uint64_t answers; /* counted for the blocking poll */
    /* at the worker's end */
    taskq__exchange *recall; /* the same claim, asked for once more */
    uint32_t recall_server;
    uint32_t asks;                                    /* that were answered */
    int64_t ask_at_ms, reach_until_ms, give_up_at_ms; /* give_up_at_ms 0: it has not begun */
} taskq__claim;

typedef struct taskq__reporter {
    taskq__exchange *exchange;
    bool with_next, without_next; /* the one under way has a `next`; the next one must not */
    uint32_t count_max;           /* halved while reports are refused, doubled again as they are taken */
    uint32_t sent;                /* tasks in the one under way */
    uint32_t releasing;
    uint32_t server;
} taskq__reporter;

typedef struct taskq__heart {
    uint32_t sent; /* tasks in the one under way */
    taskq__exchange *exchange;
    uint32_t count_max;
    uint32_t server;
} taskq__heart;

struct taskq_worker {
    taskq__process process;
    taskq_allocator allocator;
    char *id, *host;
    char *queues; /* comma-separated, as they are sent */
    char *types;
    uint32_t concurrency;
    int64_t poll_interval_ms, shutdown_timeout_ms;
    taskq_clock clock;
    taskq_log log;
    taskq__rng rng;
    taskq__servers servers;
    taskq__transport *transport;
    taskq__handler handlers[TASKQ_CLAIM_NAMES_MAX];
    uint32_t handler_count;
    int epoll_fd, wake_fd;
    taskq__pool pool;
    bool pool_made;
    taskq__task *first, *last;
    uint32_t waiting, slots_taken,
        let_go;         /* tasks that wait for a thread; that wait or run and were not let go; that were */
    uint32_t ask_limit; /* the host's bound of a claim; the driving calls set both */
    int64_t ask_wait_ms;
    bool ask_once; /* no further claim after an answer */
    taskq__claim claim;
    taskq__reporter reporter;
    taskq__heart heart;
    taskq__exchange *home_exchange; /* tries whether the home server is back */
    bool said_unreported;           /* at the end: that reports are left */
    bool quiet, denied;             /* denied: the last server that was asked does not let us in */
    bool dirty;                     /* something changed that another round may act on */
    int64_t stop_seen_at_ms, stop_deadline_ms, flush_deadline_ms; /* 0: not stopped */
    _Atomic uint32_t stops; /* calls of taskq_worker_stop; from any thread and from signal handlers */
    /* statistics: written by the driving thread, read by any */
    _Atomic uint32_t running, reports_waiting;
    _Atomic uint64_t claimed, succeeded, failed, released, lost, report_retries;
};

/* EINVAL: in a child of the process that opened it. */
taskq_status taskq__worker_check(const taskq_worker *worker, taskq_error *err);
int64_t taskq__worker_now_ms(const taskq_worker *worker);
/* With all signals blocked in it: a host's signals are for the host's threads. */
bool taskq__thread_make(pthread_t *thread, void *(*body)(void *), void *user);
/* Send what has ended until it is taken or no server can be asked for so long (`patience_ms`); false: some is left. */
bool taskq__worker_flush(taskq_worker *worker, int64_t patience_ms);
static inline void taskq__sooner(int64_t *next_in_ms, int64_t in_ms)
{
    if (in_ms < *next_in_ms) {
        *next_in_ms = in_ms < 0 ? 0 : in_ms;
    }
}

/* ---- requests, for poller, reporter, heartbeat -------------------------------------------------------------------------------- */

/* What an answer means for the server that gave it; the breaker has been told. */
typedef enum taskq__verdict {
    TASKQ__ANSWERED,   /* 2xx */
    TASKQ__AGAIN,      /* the same again, later or elsewhere */
    TASKQ__TOO_LARGE,  /* 413 */
    TASKQ__BAD_REQUEST /* another 4xx: what was sent is at fault */
} taskq__verdict;
taskq__verdict taskq__worker_judge(taskq_worker *worker, uint32_t server, const taskq__answer *answer);
/* Something may have been done, though no 2xx says so. */
bool taskq__answer_leaves_open(const taskq__answer *answer);
/* The server answered what cannot be read: the breaker is told. */
void taskq__worker_misread(taskq_worker *worker, uint32_t server, const char *what);
/* The server to ask now; false: none can be asked, `next_in_ms` says when. Whoever picks one posts to it. */
bool taskq__worker_pick(taskq_worker *worker, uint32_t *server, int64_t *next_in_ms);
/* A POST to it; NULL: no memory, the pick is taken back. */
taskq__exchange *taskq__worker_post(taskq_worker *worker, uint32_t server, const char *path, const taskq__buf *body,
                                    int64_t timeout_ms, taskq__answer_fn *done, void *user);
/* What a problem answer says, for the log and for error messages: its "detail", else its title, else its status. */
void taskq__worker_problem(const taskq_worker *worker, const taskq__answer *answer, char *text, size_t bytes);

/* An answer scanned, and the array under `key` in it, whose elements are children of node `array`. */
typedef struct taskq__list {
    taskq_arena *arena;
    taskq__json json;
    uint32_t array, count;
} taskq__list;
bool taskq__list_open(taskq__list *list, const taskq_allocator *a, taskq_text body,
                      const char *key); /* false: it has no such array; close it all the same */
void taskq__list_close(taskq__list *list);
uint32_t taskq__list_next(const taskq__list *list, uint32_t element); /* 0: from the first; 0 at the end */
/* The element after this one whose "id" is this; 0: none. */
uint32_t taskq__list_find(const taskq__list *list, uint32_t element, int64_t id);
int64_t taskq__list_int(const taskq__list *list, uint32_t object, const char *key); /* -1: none */
bool taskq__list_flag(const taskq__list *list, uint32_t object, const char *key);

/* ---- tasks ----------------------------------------------------------------------------------------------------------------------- */

/* Makes a task of every job in an answer's "jobs"; how many came. */
uint32_t taskq__tasks_take(taskq_worker *worker, const taskq__list *jobs);
taskq__task *taskq__tasks_first_waiting(taskq_worker *worker);
bool taskq__tasks_are_over(const taskq_worker *worker,
                           int64_t now_ms); /* nothing is left but handlers that ignore the stop */
void taskq__task_begin(taskq__task *task);  /* its handler is about to run */
void taskq__task_start(taskq__task *task);  /* it begins, with a handler that ends later */
void taskq__task_stop(taskq__task *task, taskq_run_reason reason, int64_t now_ms);
void taskq__task_handed_back(taskq__task *task); /* its handler has returned: what is to be reported is decided here */
void taskq__task_release(taskq__task *task);     /* it was never begun, or its handler is given up */
void taskq__task_remove(taskq__task *task);      /* its end was accepted or is pointless */
void taskq__task_lost(taskq__task *task);        /* the server says that the lease is not ours any more */
void taskq__task_refused(taskq__task *task, const char *why); /* its report was: another takes its place */
bool taskq__task_may_be_sent(const taskq__task *task, taskq__task_end end);
uint32_t taskq__tasks_free_slots(const taskq_worker *worker);
/* Time-outs, slots to give away, the end of the shutdown time. */
void taskq__tasks_look_at_time(taskq_worker *worker, int64_t now_ms, int64_t *next_in_ms);

/* ---- the conversations ------------------------------------------------------------------------------------------------------------- */

void taskq__poller_advance(taskq_worker *worker, int64_t now_ms, int64_t *next_in_ms);
/* The members of a claim, for a poll or for the `next` of a report: begins a claim, or repeats the one whose answer was lost. */
void taskq__claim_write(taskq_worker *worker, taskq__buf *buf, uint32_t limit, int64_t wait_ms);
void taskq__claim_answered(taskq_worker *worker); /* what it brought has been taken */
/* It is asked again under the same id. `may_hold`: this try may have leased something. */
void taskq__claim_failed(taskq_worker *worker, bool may_hold);
/* Posted to a server that was picked. NULL: that failed and was noted. */
taskq__exchange *taskq__claim_post(taskq_worker *worker, uint32_t server, uint32_t limit, int64_t wait_ms,
                                   taskq__answer_fn *done);
/* Takes the jobs of an answer; false: there was none that can be read, and the claim has failed. */
bool taskq__claim_read(taskq_worker *worker, uint32_t server, const taskq__answer *answer, uint32_t *brought);

/* A stopped worker's claim: asked for once more, so that nothing stays leased. */
void taskq__recall_advance(taskq_worker *worker, int64_t now_ms, int64_t *next_in_ms);
/* Is the end to wait for it? `next_in_ms` says when to look again. */
bool taskq__recall_goes_on(const taskq_worker *worker, int64_t now_ms, int64_t *next_in_ms);

void taskq__reporter_advance(taskq_worker *worker, bool with_next, int64_t *next_in_ms);
void taskq__heart_advance(taskq_worker *worker, int64_t now_ms, int64_t *next_in_ms);

/* Back to the server that it began with. */
void taskq__home_advance(taskq_worker *worker, int64_t now_ms, int64_t *next_in_ms);

#endif
