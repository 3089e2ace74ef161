/* SPDX-License-Identifier: MIT */
/* What a batch gathers by name while it runs, to be written or handed out once at its end: counters and settings of queues, what
 * became ready of each type, who has a unique key. In the batch's arena. */
#ifndef TASKQ_STORE_PLACES_H
#define TASKQ_STORE_PLACES_H

#include <taskq/sys/store.h>

/* Two names: a queue (second ""), a type or a unique key of a queue. */
typedef struct taskq__named {
    taskq_text queue, second;
    uint64_t hash;
    bool known, there, paused;        /* of a queue: its settings were read; there is such a queue; it is paused */
    bool make, pause;                 /* of a queue: to be written */
    int64_t delta[TASKQ_STATE_COUNT]; /* of a queue: what to add to its counters; [0], nowhere, is never written */
    int64_t ready;                    /* of a type: jobs made ready and not claimed */
    int64_t holder;                   /* of a key: the live job that has it */
    struct taskq__named *next;        /* all of them, in the order in which they came */
} taskq__named;

typedef struct taskq__places {
    taskq_arena *arena;
    taskq__named **slots; /* open addressing by hash */
    uint32_t room, count;
    taskq__named *first, *last;
} taskq__places;

void taskq__places_init(taskq__places *places, taskq_arena *arena);
/* Made where it is not there; NULL: no memory. */
taskq__named *taskq__places_find(taskq__places *places, taskq_text queue, taskq_text second);
/* NULL: there is none. */
taskq__named *taskq__places_look(const taskq__places *places, taskq_text queue, taskq_text second);
/* batch->ready, from what each place has ready: by type, else by queue, else as "any". */
void taskq__places_hand_out(const taskq__places *places, taskq_batch *batch);
/* To batch->ready's entry of those names, which is made where it is not there; false: there is no room. */
bool taskq__batch_add_ready(taskq_batch *batch, taskq_text queue, taskq_text type, int64_t count);

/* Room for what an enqueue answers, in its caller's arena; false: there is none. */
bool taskq__enqueue_room(taskq_op *op);

/* When a job as it now is, or something at that time, wants a walk: into batch->next_due. */
void taskq__batch_due(taskq_batch *batch, const taskq_job *after);
void taskq__batch_due_steady(taskq_batch *batch, int64_t steady_ms);

#endif
