/* SPDX-License-Identifier: MIT */
/* The inside of the line, shared by the three files that are it: commit.c (who leads, who sleeps), batch.c (what travels
 * together), outcome.c (what becomes of a batch that was tried). */
#ifndef TASKQ_SCHEDULER_LINE_H
#define TASKQ_SCHEDULER_LINE_H

#include <pthread.h>

#include "core/arena.h"
#include "scheduler/commit.h"
#include "scheduler/names.h"
#include "scheduler/waiters.h"

enum {
    TASKQ__BATCH_OPS = 256,
    TASKQ__BATCH_ROWS = 2000,
    TASKQ__BATCH_BYTES = 4 << 20,
    TASKQ__READY_MAX = 256,
    TASKQ__LEAD_MAX = 16,  /* batches that a leader leads after its first; a new leader must be woken first */
    TASKQ__CROWD = 4,      /* calls in the last batch, from which on more are waited for ... */
    TASKQ__YIELDS_MAX = 4, /* ... but not for ever */
    TASKQ__BUSY_TRIES = 5,
    TASKQ__BUSY_MS_MAX = 500,      /* a try that took longer is not made again */
    TASKQ__BUSY_ALL_MS_MAX = 3000, /* of calls that are tried one by one */
    TASKQ__SLOW_FAILURE_MS = 2000  /* after a failure that took so long nobody who waits behind it is tried */
};

struct taskq__line {
    taskq__line_options options; /* unchanged after open */
    uint64_t seed;
    bool shared; /* other servers write to the store too */

    pthread_mutex_t lock;
    taskq__call *head, *tail; /* guarded by lock: what waits, by arrival */
    taskq__waiters waiters;   /* guarded by lock */
    uint64_t arrivals;        /* guarded by lock */
    uint64_t ready_rounds;    /* guarded by lock: how often taskq__line_ready was called */
    bool leading, closed;     /* guarded by lock */
    bool held;                /* guarded by lock: whoever leads leads nobody, but writes by himself */
    pthread_t holder;         /* guarded by lock, where held */
    bool upkeep_due;          /* guarded by lock: a batch was committed since the last upkeep */
    bool owed;                /* guarded by lock: some of the parked are owed another look */

    _Atomic uint64_t commits, ops, writes;
    _Atomic uint32_t parked;
    _Atomic int64_t ahead_wall_ms, ahead_steady_ms; /* how far a store's own clock is before ours */

    /* the leader's alone */
    taskq__names names;
    taskq_arena *arena;
    taskq_ready ready[TASKQ__READY_MAX];
    uint32_t last_calls;    /* in the last batch */
    int64_t last_commit_ms; /* how long it took */
    bool upkeep_failed, announce_failed;
};

typedef struct taskq__calls { /* a list linked by next */
    taskq__call *head, *tail;
} taskq__calls;

typedef struct taskq__batch {
    taskq__call *calls[TASKQ__BATCH_OPS]; /* by arrival */
    uint32_t count, ops, rows;
    size_t bytes;
    uint64_t ready_rounds; /* when it was taken */
    struct {               /* served claims that have room for more jobs */
        taskq__call *call;
        uint32_t room;
    } open[8];
    uint32_t open_count;
} taskq__batch;

/* commit.c: under the lock */
void taskq__line_append(taskq__line *line, taskq__call *call); /* by arrival; place becomes WAITING */
void taskq__line_unlink(taskq__line *line, taskq__call *call);
void taskq__line_finish(taskq__call *call, taskq_status status, taskq__calls *done); /* to be posted once unlocked */
void taskq__line_park(taskq__line *line, taskq__call *call);
void taskq__line_unpark(taskq__line *line, taskq__call *call);
/* As many of the oldest parked claims as there are jobs go to the head of the line. Those that are gone go to `done`. What
 * comes back: for how many jobs there was none. */
uint32_t taskq__line_wake_parked(taskq__line *line, taskq__pair pair, uint32_t jobs, uint64_t after, taskq__calls *done);
/* The oldest parked claim of each pair goes to the head of the line and looks, although nobody told of a job. */
void taskq__line_look(taskq__line *line, taskq__calls *done);
/* A call that was woken for a job leaves without having looked: somebody else must. */
void taskq__line_pass_on(taskq__line *line, taskq__call *call, taskq__calls *done);
bool taskq__call_is_gone(const taskq__call *call);

/* batch.c, under the lock: the longest run of calls that may travel together. Nothing where nobody waits. */
void taskq__batch_take(taskq__line *line, taskq__batch *batch, taskq__calls *done);

/* outcome.c, without the lock: commit it, settle it; who is done is in `done`, not yet posted. */
void taskq__batch_lead(taskq__line *line, taskq__batch *batch, taskq__calls *done);
/* What whoever held the line has committed by himself. */
void taskq__batch_settle_held(taskq__line *line, taskq_batch *batch, uint32_t ops, taskq__calls *done);
/* A batch with no ops yet, on the leader's own memory. */
void taskq__batch_begin(taskq__line *line, taskq_batch *batch);

#endif
