/* SPDX-License-Identifier: MIT */
/*
 * The thread that a host may ask for. It sleeps until something is due, and is woken earlier where a batch wrote something
 * that is due before, where another server of the same store made something ready, or where it is to end. News are passed on
 * and are no reason to sweep: they come hundreds of times a second. When nobody has written for a while it lets the store do its
 * upkeep. What fails is told once and tried again, with pauses that stay short: what became due while a database was away waits
 * for the end of the last one.
 * Sweeps may be a minute apart, but what nobody told of is looked for each second.
 * A host that sweeps in a loop of its own gets the same wake-ups by a descriptor, and each of its sweeps does the same upkeep.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/fail.h"
#include "core/log.h"
#include "scheduler/scheduler.h"

enum { IDLE_ROUNDS = 4, SLEEP_MS_MAX = 1000, FAILURE_PAUSE_MS_MAX = 2000, NEWS_MAX = 64, NEWS_READS_MAX = 256 };

struct taskq__loop {
    taskq_scheduler *scheduler;
    pthread_t thread;
    int host_fd; /* of a host's own loop, which has no thread: epoll with the two that wake it */
    _Atomic bool stop;
    _Atomic bool begun; /* a host's first sweep waits for nothing */
    uint32_t failures, quiet_rounds;
    uint64_t seen_writes, kept_up_writes;
};

static void poke(int fd)
{
    uint64_t one = 1;
    ssize_t written =
        write(fd, &one, sizeof(one)); /* only a full counter refuses, and then the wake-up is there already */
    (void)written;
}

/* false: it was to end by then anyway, or nobody sleeps. */
static bool plan_before(taskq_scheduler *scheduler, int64_t at_ms)
{
    int64_t planned = atomic_load(&scheduler->sleeps_until_ms);
    while (planned > at_ms) {
        if (atomic_compare_exchange_weak(&scheduler->sleeps_until_ms, &planned, at_ms)) {
            return true;
        }
    }
    return false;
}

static int64_t until_planned(taskq_scheduler *scheduler)
{
    return atomic_load(&scheduler->sleeps_until_ms) - taskq__scheduler_now(scheduler).steady_ms;
}

void taskq__loop_due(void *user, taskq_now due, taskq_now now)
{
    taskq_scheduler *scheduler = user;
    int64_t in_ms = INT64_MAX;
    if (due.wall_ms != INT64_MAX) {
        in_ms = due.wall_ms - now.wall_ms;
    }
    if (due.steady_ms != INT64_MAX && due.steady_ms - now.steady_ms < in_ms) {
        in_ms = due.steady_ms - now.steady_ms;
    }
    if (in_ms > scheduler->sweep_interval_ms) {
        return; /* the thread wakes before that anyway */
    }
    /* The store's clock may be another one than ours. */
    if (plan_before(scheduler, taskq__scheduler_now(scheduler).steady_ms + (in_ms < 0 ? 0 : in_ms))) {
        poke(scheduler->wake_fd);
    }
}

/* Bounded: a flood of them must not keep the sweep. */
static void read_news(taskq_scheduler *scheduler)
{
    taskq_ready ready[NEWS_MAX];
    uint32_t count = NEWS_MAX;
    for (int reads = 0; count == NEWS_MAX && reads < NEWS_READS_MAX; reads++) {
        taskq_error err = TASKQ_ERROR_INIT;
        if (taskq__store_wake_read(scheduler->store, ready, NEWS_MAX, &count, &err) != TASKQ_OK) {
            taskq__log_format(&scheduler->log, TASKQ_LOG_WARN, "scheduler", "other servers' news were not read: %s",
                              err.text);
            return;
        }
        taskq__line_ready(scheduler->line, ready, count);
    }
}

/* What is read is good until it is read again: one thread at a time, and the others need not wait for it. */
void taskq__loop_hear(taskq_scheduler *scheduler)
{
    struct pollfd news = {taskq__store_wake_fd(scheduler->store), POLLIN, 0};
    if (news.fd >= 0 && poll(&news, 1, 0) > 0 && !atomic_exchange(&scheduler->hears, true)) {
        read_news(scheduler);
        atomic_store(&scheduler->hears, false);
    }
}

static void forget_pokes(const taskq__loop *loop)
{
    uint64_t pokes;
    ssize_t taken = read(loop->scheduler->wake_fd, &pokes, sizeof(pokes));
    (void)taken;
}

/* false: the time is over, and nobody woke us. */
static bool sleep_for(taskq__loop *loop, int64_t ms)
{
    int store_fd = taskq__store_wake_fd(loop->scheduler->store);
    int wake_fd = loop->scheduler->wake_fd;
    struct pollfd fds[2] = {{wake_fd, POLLIN, 0}, {store_fd, POLLIN, 0}};
    int got = poll(fds, store_fd >= 0 ? 2 : 1, ms > SLEEP_MS_MAX ? SLEEP_MS_MAX : (int)ms);
    if (got > 0 && (fds[0].revents & POLLIN)) {
        forget_pokes(loop);
    }
    taskq__loop_hear(loop->scheduler);
    taskq__sweep_look(loop->scheduler);
    return got > 0 || ms > SLEEP_MS_MAX;
}

/* What a leader tells while we are planning is not lost: the plan is in place before the store is asked what is due. */
static taskq_status sweep(taskq__loop *loop, int64_t *out_in_ms)
{
    taskq_scheduler *scheduler = loop->scheduler;
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_sweep_report report;
    atomic_store(&scheduler->sleeps_until_ms, INT64_MAX);
    taskq_status status = taskq_scheduler_sweep(scheduler, &report, &err);
    if (status == TASKQ_OK) {
        if (loop->failures > 0) {
            taskq__log(&scheduler->log, TASKQ_LOG_INFO, "scheduler", "the sweep works again", NULL, 0);
        }
        loop->failures = 0;
        *out_in_ms = report.next_due_in_ms;
        return status;
    }
    if (loop->failures == 0 && status != TASKQ_ECANCELED) {
        taskq__log_format(&scheduler->log, TASKQ_LOG_ERROR, "scheduler", "the sweep failed and is tried again: %s",
                          err.text);
    }
    loop->failures += loop->failures < 16;
    int64_t pause = scheduler->sweep_interval_ms << loop->failures;
    *out_in_ms = pause < FAILURE_PAUSE_MS_MAX ? pause : FAILURE_PAUSE_MS_MAX;
    return status;
}

/* The store may tidy up where nothing was written for some rounds, once for what was written before. */
static void keep_up(taskq__loop *loop)
{
    uint64_t writes = taskq__line_read_counts(loop->scheduler->line).writes;
    loop->quiet_rounds = writes == loop->seen_writes ? loop->quiet_rounds + 1 : 0;
    loop->seen_writes = writes;
    if (loop->quiet_rounds >= IDLE_ROUNDS && loop->kept_up_writes != writes) {
        loop->kept_up_writes = writes;
        taskq__line_upkeep(loop->scheduler->line);
    }
}

static void *run(void *user)
{
    taskq__loop *loop = user;
    taskq_scheduler *scheduler = loop->scheduler;
    while (!atomic_load(&loop->stop)) {
        int64_t in_ms = 0;
        (void)sweep(loop, &in_ms);
        keep_up(loop);
        (void)plan_before(scheduler, taskq__scheduler_now(scheduler).steady_ms + in_ms);
        do {
            in_ms = until_planned(scheduler);
        } while (in_ms > 0 && !atomic_load(&loop->stop) && sleep_for(loop, in_ms));
    }
    return NULL;
}

/* ---- a host's own loop ------------------------------------------------------------------------------------------------- */

static bool watch(int epoll_fd, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    return fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

void taskq__loop_free_host(taskq_scheduler *scheduler)
{
    taskq__loop *loop = atomic_load(&scheduler->host);
    if (loop) {
        (void)close(loop->host_fd);
        taskq__free(&scheduler->allocator, loop);
    }
}

/* With loop_lock held. */
static void make_host_loop(taskq_scheduler *scheduler)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    taskq__loop *loop = taskq__alloc(&scheduler->allocator, sizeof(*loop));
    if (!loop || fd < 0 || !watch(fd, scheduler->wake_fd) || !watch(fd, taskq__store_wake_fd(scheduler->store))) {
        if (fd >= 0) {
            (void)close(fd);
        }
        taskq__free(&scheduler->allocator, loop);
        return;
    }
    loop->scheduler = scheduler;
    loop->host_fd = fd;
    atomic_store(&scheduler->sleeps_until_ms, INT64_MAX);
    atomic_store(&scheduler->host, loop);
}

int taskq_scheduler_fd(taskq_scheduler *scheduler)
{
    if (!scheduler || taskq__process_is_other(&scheduler->process)) {
        return -1;
    }
    pthread_mutex_lock(&scheduler->loop_lock);
    if (!atomic_load(&scheduler->host) && !scheduler->loop) {
        make_host_loop(scheduler);
    }
    const taskq__loop *loop = atomic_load(&scheduler->host);
    int fd = loop ? loop->host_fd : -1;
    pthread_mutex_unlock(&scheduler->loop_lock);
    return fd;
}

int64_t taskq__loop_host_begins(taskq_scheduler *scheduler)
{
    taskq__loop *loop = atomic_load(&scheduler->host);
    if (!loop) {
        return 0;
    }
    forget_pokes(loop);
    taskq__loop_hear(scheduler);
    taskq__sweep_look(scheduler);
    int64_t in_ms = until_planned(scheduler);
    if (in_ms > 0 && atomic_exchange(&loop->begun, true)) {
        return in_ms < SLEEP_MS_MAX ? in_ms : SLEEP_MS_MAX;
    }
    atomic_store(&scheduler->sleeps_until_ms, INT64_MAX);
    return 0;
}

int64_t taskq__loop_host_ends(taskq_scheduler *scheduler, int64_t next_due_in_ms)
{
    taskq__loop *loop = atomic_load(&scheduler->host);
    if (!loop) {
        return next_due_in_ms;
    }
    pthread_mutex_lock(&scheduler->loop_lock);
    keep_up(loop);
    pthread_mutex_unlock(&scheduler->loop_lock);
    (void)plan_before(scheduler, taskq__scheduler_now(scheduler).steady_ms + next_due_in_ms);
    return next_due_in_ms < SLEEP_MS_MAX ? next_due_in_ms : SLEEP_MS_MAX;
}

/* ---- the thread -------------------------------------------------------------------------------------------------------- */

static taskq_status start(taskq_scheduler *scheduler, taskq_error *err)
{
    taskq__loop *loop = taskq__alloc(&scheduler->allocator, sizeof(*loop));
    if (!loop) {
        return taskq__fail_memory(err);
    }
    loop->scheduler = scheduler;
    if (pthread_create(&loop->thread, NULL, run, loop) != 0) {
        taskq__free(&scheduler->allocator, loop);
        return taskq__fail(err, TASKQ_EUNAVAIL, "the thread could not be made");
    }
    scheduler->loop = loop;
    return TASKQ_OK;
}

taskq_status taskq_scheduler_start(taskq_scheduler *scheduler, taskq_error *err)
{
    if (!scheduler) {
        return taskq__fail(err, TASKQ_EINVAL, "there is no scheduler");
    }
    taskq_status status = taskq__scheduler_enter(scheduler, err);
    if (status != TASKQ_OK) {
        return status;
    }
    pthread_mutex_lock(&scheduler->loop_lock);
    if (scheduler->loop || atomic_load(&scheduler->host)) {
        status =
            taskq__fail(err, TASKQ_EEXISTS, scheduler->loop ? "the thread runs already" : "the host sweeps by itself");
    } else {
        status = start(scheduler, err);
    }
    pthread_mutex_unlock(&scheduler->loop_lock);
    taskq__scheduler_leave(scheduler);
    return status;
}

void taskq_scheduler_stop(taskq_scheduler *scheduler)
{
    if (!scheduler || taskq__process_is_other(&scheduler->process)) {
        return;
    }
    pthread_mutex_lock(&scheduler->loop_lock);
    taskq__loop *loop = scheduler->loop;
    scheduler->loop = NULL;
    if (loop) {
        atomic_store(&loop->stop, true);
        poke(scheduler->wake_fd);
        (void)pthread_join(loop->thread, NULL);
        atomic_store(&scheduler->sleeps_until_ms, INT64_MIN);
        taskq__free(&scheduler->allocator, loop);
    }
    pthread_mutex_unlock(&scheduler->loop_lock);
}
