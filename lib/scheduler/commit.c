/* SPDX-License-Identifier: MIT */
/*
 * Who leads and who sleeps. Group commit without a committer thread: a lone caller pays no hand-over, and under load one
 * fsync serves everybody who came meanwhile. A lead is bounded, so that no caller works for others for ever; the next
 * leader is woken before those that are done, so that its commit overlaps with their waking.
 */
#include "scheduler/commit.h"

#include <sched.h>

#include "core/alloc.h"
#include "core/fail.h"
#include "core/log.h"
#include "scheduler/line.h"
#include "store/store.h"

taskq_status taskq__line_open(const taskq__line_options *options, taskq__line **out, taskq_error *err)
{
    taskq__line *line = taskq__alloc(&options->allocator, sizeof(*line));
    if (!line) {
        return taskq__fail_memory(err);
    }
    line->options = *options;
    line->seed = taskq__rng_next(options->rng);
    line->names.seed = taskq__rng_next(options->rng);
    line->shared = (taskq__store_flags(options->store) & TASKQ_STORE_SHARED) != 0;
    line->arena = taskq__arena_new(&options->allocator, 0);
    taskq_status status = taskq__waiters_init(&line->waiters, &line->options.allocator, err);
    if (status == TASKQ_OK && !line->arena) {
        status = taskq__fail_memory(err);
    }
    if (status == TASKQ_OK && pthread_mutex_init(&line->lock, NULL) != 0) {
        status = taskq__fail_memory(err);
    }
    if (status != TASKQ_OK) {
        taskq__waiters_clear(&line->waiters);
        taskq__arena_free(line->arena);
        taskq__free(&options->allocator, line);
        return status;
    }
    *out = line;
    return TASKQ_OK;
}

void taskq__line_close(taskq__line *line)
{
    if (!line) {
        return;
    }
    pthread_mutex_destroy(&line->lock);
    taskq__waiters_clear(&line->waiters);
    taskq__arena_free(line->arena);
    taskq_allocator allocator = line->options.allocator;
    taskq__free(&allocator, line);
}

uint64_t taskq__line_hash(const taskq__line *line, taskq_text text)
{
    return text.size > 0 ? taskq__text_hash(line->seed, text) : 0;
}

bool taskq__call_is_gone(const taskq__call *call)
{
    return call->gone && call->gone(call->user);
}

/* Those that come back from the parked are older than nearly all that waits, new ones younger than all. */
void taskq__line_append(taskq__line *line, taskq__call *call)
{
    call->place = TASKQ__CALL_WAITING;
    if (!line->tail || line->tail->arrival < call->arrival) {
        call->prev = line->tail;
        call->next = NULL;
    } else {
        taskq__call *after = line->head;
        while (after->arrival < call->arrival) {
            after = after->next;
        }
        call->prev = after->prev;
        call->next = after;
    }
    *(call->prev ? &call->prev->next : &line->head) = call;
    *(call->next ? &call->next->prev : &line->tail) = call;
}

void taskq__line_unlink(taskq__line *line, taskq__call *call)
{
    *(call->prev ? &call->prev->next : &line->head) = call->next;
    *(call->next ? &call->next->prev : &line->tail) = call->prev;
    call->prev = call->next = NULL;
}

void taskq__line_finish(taskq__call *call, taskq_status status, taskq__calls *done)
{
    call->place = TASKQ__CALL_DONE;
    call->status = status;
    call->next = NULL;
    *(done->tail ? &done->tail->next : &done->head) = call;
    done->tail = call;
}

void taskq__line_park(taskq__line *line, taskq__call *call)
{
    call->place = TASKQ__CALL_PARKED;
    taskq__waiters_add(&line->waiters, call);
}

void taskq__line_unpark(taskq__line *line, taskq__call *call)
{
    taskq__waiters_remove(&line->waiters, call);
    call->prev = call->next = NULL;
}

uint32_t taskq__line_wake_parked(taskq__line *line, taskq__pair pair, uint32_t jobs, uint64_t after, taskq__calls *done)
{
    taskq__call *call = taskq__waiters_oldest(&line->waiters, pair, after);
    while (jobs > 0 && call) {
        taskq__call *next = taskq__waiters_next(call, pair);
        taskq__line_unpark(line, call);
        if (taskq__call_is_gone(call)) {
            taskq__line_finish(call, TASKQ_OK, done);
        } else {
            uint32_t limit = taskq__call_claim(call)->limit;
            call->woken_pair = pair;
            call->woken_count = jobs < limit ? jobs : limit;
            jobs -= call->woken_count;
            taskq__line_append(line, call);
        }
        call = pair.queue && pair.type ? taskq__waiters_oldest(&line->waiters, pair, 0) : next;
    }
    return jobs;
}

void taskq__line_look(taskq__line *line, taskq__calls *done)
{
    taskq__waiters_mark_oldest(&line->waiters);
    for (taskq__call *call = line->waiters.oldest, *next; call; call = next) {
        next = call->next;
        if (call->looks) {
            taskq__line_unpark(line, call);
            if (taskq__call_is_gone(call)) {
                taskq__line_finish(call, TASKQ_OK, done);
            } else {
                taskq__line_append(line, call);
            }
        }
    }
}

void taskq__line_pass_on(taskq__line *line, taskq__call *call, taskq__calls *done)
{
    uint32_t jobs = call->woken_count;
    call->woken_count = 0;
    if (jobs > 0) {
        (void)taskq__line_wake_parked(line, call->woken_pair, jobs, 0, done);
    }
}

/* The last touch of each call: its caller may return and its memory go as soon as it is posted. */
static void post_all(taskq__calls *done)
{
    for (taskq__call *call = done->head, *next; call; call = next) {
        next = call->next;
        taskq__wake_post(&call->wake, TASKQ__POST_DONE);
    }
    done->head = done->tail = NULL;
}

/* Lock held on entry, not on return: the oldest that waits leads, or nobody does. */
static void hand_over(taskq__line *line)
{
    taskq__call *next = line->head;
    line->leading = next != NULL;
    if (next) {
        next->leads = true;
    }
    pthread_mutex_unlock(&line->lock);
    if (next) {
        taskq__wake_post(&next->wake, TASKQ__POST_LEAD);
    }
}

/* By the leader, without the lock. */
static void upkeep(taskq__line *line, bool idle)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_status status = taskq__store_upkeep(line->options.store, idle, &err);
    if (status != TASKQ_OK && !line->upkeep_failed) {
        taskq__log_format(line->options.log, TASKQ_LOG_ERROR, "scheduler", "the store's upkeep failed: %s", err.text);
    }
    line->upkeep_failed = status != TASKQ_OK;
}

/* Lock held. True: nobody led, now the caller does. */
static bool take_lead(taskq__line *line)
{
    bool leads = !line->leading;
    line->leading = true;
    return leads;
}

/* Lock held: whether the store's upkeep is to be called now. */
static bool take_upkeep(taskq__line *line)
{
    bool due = line->upkeep_due;
    line->upkeep_due = false;
    return due;
}

/* Lock held, let go meanwhile. Where many travelled together last, those that were just posted are about to come again: they
 * get the core for as long as that makes the line longer. A batch that is fuller saves more than the wait costs; a lone
 * caller waits for nobody. */
static void let_others_come(taskq__line *line)
{
    uint64_t seen = line->arrivals - 1;
    for (int i = 0; i < TASKQ__YIELDS_MAX && line->last_calls >= TASKQ__CROWD && line->arrivals != seen; i++) {
        seen = line->arrivals;
        pthread_mutex_unlock(&line->lock);
        (void)sched_yield();
        pthread_mutex_lock(&line->lock);
    }
}

/* Leads up to 1 + LEAD_MAX batches. Called without the lock by the one who leads. */
static void lead(taskq__line *line)
{
    taskq__batch batch;
    taskq__calls done = {NULL, NULL};
    pthread_mutex_lock(&line->lock);
    if (take_upkeep(line)) { /* left by a leader whose followers should not wait for it */
        pthread_mutex_unlock(&line->lock);
        upkeep(line, false);
        pthread_mutex_lock(&line->lock);
    }
    for (int led = 0; line->head && !line->head->holds && led <= TASKQ__LEAD_MAX; led++) {
        let_others_come(line);
        taskq__batch_take(line, &batch, &done);
        line->last_calls = batch.count;
        pthread_mutex_unlock(&line->lock);
        taskq__batch_lead(line, &batch, &done);
        pthread_mutex_lock(&line->lock);
        if (line->head && led < TASKQ__LEAD_MAX) {
            pthread_mutex_unlock(&line->lock);
            post_all(&done);
            pthread_mutex_lock(&line->lock);
        }
    }
    if (!line->head && take_upkeep(line)) {
        pthread_mutex_unlock(&line->lock);
        post_all(&done);
        upkeep(line, false);
        pthread_mutex_lock(&line->lock);
    }
    hand_over(line);
    post_all(&done);
}

/* True: it is the caller's again, with no job, or without having been tried where the line is held. False: somebody is about to
 * touch it, or will soon: its post is to be waited for. */
static bool withdraw(taskq__line *line, taskq__call *call)
{
    taskq__calls done = {NULL, NULL};
    bool withdrawn = true;
    pthread_mutex_lock(&line->lock);
    call->expired = true;
    if (call->place == TASKQ__CALL_PARKED) {
        taskq__line_unpark(line, call);
    } else if (call->place == TASKQ__CALL_WAITING && !call->leads && (call->looked || line->held || call->holds)) {
        taskq__line_unlink(line, call);
    } else {
        withdrawn = false;
    }
    if (withdrawn) {
        taskq__line_pass_on(line, call, &done);
    }
    bool leads = line->head && take_lead(line);
    atomic_store_explicit(&line->parked, line->waiters.count, memory_order_relaxed);
    pthread_mutex_unlock(&line->lock);
    post_all(&done);
    if (leads) {
        lead(line);
    }
    return withdrawn;
}

/* Lock held. The older claim of the same poll ends, its client has given it up. */
static void end_older_of_poll(taskq__line *line, const taskq__call *call, taskq__calls *done)
{
    taskq__call *older = call->poll_hash ? taskq__waiters_of_poll(&line->waiters, call->poll_hash) : NULL;
    if (older) {
        taskq__line_unpark(line, older);
        taskq__line_finish(older, TASKQ_OK, done);
    }
}

/* Lock held. */
static taskq_status may_enter(const taskq__line *line, taskq_error *err)
{
    if (line->held && pthread_equal(line->holder, pthread_self())) {
        return taskq__fail(err, TASKQ_EINVAL,
                           "this thread has a transaction of its own open on the store: it is ended first, or what is "
                           "asked for is done in it");
    }
    return line->closed ? taskq__fail(err, TASKQ_ECANCELED, "the scheduler is shutting down") : TASKQ_OK;
}

static taskq_status fail_held(taskq_error *err)
{
    return taskq__fail(err, TASKQ_EBUSY, "a transaction of the host's has had the store for too long");
}

/* The instant at which a call that stands behind a holder has waited long enough. */
static int64_t patience(const taskq__line *line)
{
    return taskq__wake_clock_ms() + line->options.busy_after_ms;
}

taskq_status taskq__line_run(taskq__line *line, taskq__call *call, taskq_error *err)
{
    taskq__calls ended = {NULL, NULL};
    pthread_mutex_lock(&line->lock);
    taskq_status status = may_enter(line, err);
    if (status != TASKQ_OK) {
        pthread_mutex_unlock(&line->lock);
        return status;
    }
    call->arrival = ++line->arrivals;
    end_older_of_poll(line, call, &ended);
    taskq__line_append(line, call);
    bool leads = take_lead(line);
    pthread_mutex_unlock(&line->lock);
    post_all(&ended);
    if (leads) {
        lead(line);
    }
    for (int64_t until_ms = call->until_ms > 0 ? call->until_ms : patience(line);;) {
        uint32_t post = taskq__wake_wait(&call->wake, until_ms);
        if (post == TASKQ__POST_DONE) {
            break;
        }
        if (post == TASKQ__POST_LEAD) {
            pthread_mutex_lock(&line->lock);
            call->leads = false;
            pthread_mutex_unlock(&line->lock);
            lead(line);
        } else if (withdraw(line, call)) {
            return call->until_ms > 0 ? TASKQ_OK : fail_held(err);
        } else {
            until_ms = patience(line);
        }
    }
    if (call->status != TASKQ_OK && err) {
        *err = call->error;
        err->status = call->status;
    }
    return call->status;
}

/* Until the call was named the leader; then it is. False: nobody did so in time. */
static bool await_lead(taskq__line *line, taskq__call *call)
{
    for (int64_t until_ms = patience(line);;) {
        if (taskq__wake_wait(&call->wake, until_ms) == TASKQ__POST_LEAD) {
            pthread_mutex_lock(&line->lock);
            taskq__line_unlink(line, call);
            pthread_mutex_unlock(&line->lock);
            return true;
        }
        if (withdraw(line, call)) {
            return false;
        }
        until_ms = INT64_MAX; /* it has been named, the post is on its way */
    }
}

taskq_status taskq__line_hold(taskq__line *line, taskq_batch *batch, taskq_error *err)
{
    taskq__call call = {.holds = true};
    pthread_mutex_lock(&line->lock);
    taskq_status status = may_enter(line, err);
    bool leads = status == TASKQ_OK && take_lead(line);
    if (status == TASKQ_OK && !leads) {
        call.arrival = ++line->arrivals;
        taskq__line_append(line, &call);
    }
    pthread_mutex_unlock(&line->lock);
    if (status != TASKQ_OK) {
        return status;
    }
    if (!leads && !await_lead(line, &call)) {
        return fail_held(err);
    }
    pthread_mutex_lock(&line->lock);
    line->held = true;
    line->holder = pthread_self();
    pthread_mutex_unlock(&line->lock);
    taskq__batch_begin(line, batch);
    return TASKQ_OK;
}

void taskq__line_give_back(taskq__line *line, taskq_batch *committed, uint32_t ops)
{
    taskq__calls done = {NULL, NULL};
    pthread_mutex_lock(&line->lock);
    line->held = false;
    pthread_mutex_unlock(&line->lock);
    if (committed) {
        taskq__batch_settle_held(line, committed, ops, &done);
    }
    post_all(&done);
    lead(line);
}

bool taskq__line_is_held_here(taskq__line *line)
{
    pthread_mutex_lock(&line->lock);
    bool here = line->held && pthread_equal(line->holder, pthread_self());
    pthread_mutex_unlock(&line->lock);
    return here;
}

void taskq__line_shut(taskq__line *line)
{
    taskq__calls done = {NULL, NULL};
    pthread_mutex_lock(&line->lock);
    line->closed = true;
    taskq__call *call;
    while ((call = line->waiters.oldest) != NULL) {
        taskq__line_unpark(line, call);
        taskq__line_finish(call, TASKQ_OK, &done);
    }
    atomic_store_explicit(&line->parked, 0, memory_order_relaxed);
    pthread_mutex_unlock(&line->lock);
    post_all(&done);
}

void taskq__line_ready(taskq__line *line, const taskq_ready *ready, uint32_t count)
{
    taskq__calls done = {NULL, NULL};
    pthread_mutex_lock(&line->lock);
    line->ready_rounds++;
    for (uint32_t i = 0; i < count; i++) {
        taskq__pair pair = {taskq__line_hash(line, ready[i].queue), taskq__line_hash(line, ready[i].type)};
        (void)taskq__line_wake_parked(line, pair, ready[i].count, 0, &done);
    }
    bool leads = line->head && take_lead(line);
    pthread_mutex_unlock(&line->lock);
    post_all(&done);
    if (leads) {
        lead(line);
    }
}

void taskq__line_look_again(taskq__line *line)
{
    taskq__calls done = {NULL, NULL};
    if (!line->shared || atomic_load_explicit(&line->parked, memory_order_relaxed) == 0) {
        return;
    }
    pthread_mutex_lock(&line->lock);
    taskq__line_look(line, &done);
    bool leads = line->head && take_lead(line);
    pthread_mutex_unlock(&line->lock);
    post_all(&done);
    if (leads) {
        lead(line);
    }
}

taskq_now taskq__line_store_now(taskq__line *line)
{
    taskq_now now = taskq__timekeeper_now(line->options.time);
    now.wall_ms += atomic_load_explicit(&line->ahead_wall_ms, memory_order_relaxed);
    now.steady_ms += atomic_load_explicit(&line->ahead_steady_ms, memory_order_relaxed);
    return now;
}

void taskq__line_upkeep(taskq__line *line)
{
    pthread_mutex_lock(&line->lock);
    if (!take_lead(line)) {
        pthread_mutex_unlock(&line->lock);
        return;
    }
    pthread_mutex_unlock(&line->lock);
    upkeep(line, true);
    pthread_mutex_lock(&line->lock);
    hand_over(line);
}

taskq__line_counts taskq__line_read_counts(taskq__line *line)
{
    return (taskq__line_counts){
        .commits = atomic_load_explicit(&line->commits, memory_order_relaxed),
        .ops = atomic_load_explicit(&line->ops, memory_order_relaxed),
        .writes = atomic_load_explicit(&line->writes, memory_order_relaxed),
        .parked = atomic_load_explicit(&line->parked, memory_order_relaxed),
    };
}
