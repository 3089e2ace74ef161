/* SPDX-License-Identifier: MIT */
/* A store around a real one whose commits can be counted, held at a gate, and made to fail. */
#ifndef TASKQ_TESTS_WRAPPED_STORE_H
#define TASKQ_TESTS_WRAPPED_STORE_H

#include <pthread.h>

#include <taskq/sys/store.h>

typedef struct wrapped_store {
    taskq_store *inner;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* guarded by lock */
    bool gate_closed;
    bool gate_is_behind; /* the real commit first, then the gate */
    uint32_t at_gate;    /* commits that wait at it now */
    uint64_t commits;    /* that were given to the real store and were OK */
    uint64_t asked;      /* that came here at all */
    uint32_t ops_max;
    bool walk_in_company; /* a walk came together with another op */
    bool named_twice;     /* two ops of a batch named the same job */
    /* From the asked-th commit on (1: the next), `fail_times` of them fail so. */
    uint64_t fail_from;
    uint32_t fail_times;
    taskq_status fail_status;
    bool fail_lost;             /* it is done nevertheless: only the answer is lost */
    taskq_op_kind culprit_kind; /* with EINVAL: the first op of this kind is named; 0: nobody can tell */
    bool walks_have_more;       /* every walk says so, as behind an endless backlog */
    uint32_t announced;         /* jobs that other servers were told of */
    uint32_t idle_upkeeps;
    int news_fd; /* eventfd that says that `news` is to be read */
    taskq_ready news;
    int64_t culprit_id; /* with EINVAL: any SETTLE of this job is at fault, in every commit; 0: none */
} wrapped_store;

/* `out` owns the inner store. */
void wrapped_store_make(wrapped_store *wrapped, taskq_store *inner, taskq_store **out);
/* The same as a store that other servers write to, too. */
void wrapped_store_make_shared(wrapped_store *wrapped, taskq_store *inner, taskq_store **out);
void wrapped_store_clear(wrapped_store *wrapped); /* after the store was closed */

void wrapped_store_fail_next(wrapped_store *wrapped, uint32_t times, taskq_status status, bool lost);
void wrapped_store_close_gate(wrapped_store *wrapped);
void wrapped_store_await_at_gate(wrapped_store *wrapped); /* until a commit waits at the gate */
void wrapped_store_open_gate(wrapped_store *wrapped);
void wrapped_store_tell(wrapped_store *wrapped, taskq_ready news); /* as another server would */
uint64_t wrapped_store_commits(wrapped_store *wrapped);
uint64_t wrapped_store_asked(wrapped_store *wrapped);

#endif
