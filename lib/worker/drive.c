/* SPDX-License-Identifier: MIT */
/*
 * The ways to drive a worker, all loops around one round that never waits: step for hosts with a loop of their own, run with the pool's
 * threads, poll, execute and report for one job at a time. There is one core, so a worker behaves the same however it is driven.
 */
#include "worker/core.h"

#include "core/fail.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { NEXT_MS_MAX = 60000, ROUNDS_MAX = 16, REPORT_PATIENCE_MS = 500 };

/* What a round may do. */
enum {
    DO_CLAIM = 1,    /* ask for jobs by itself */
    DO_DISPATCH = 2, /* hand tasks to the pool */
    DO_REPORT = 4,
    DO_BEAT = 8,
    DO_ALL = 15
};

int64_t taskq__worker_now_ms(const taskq_worker *worker)
{
    return worker->clock.steady_ms(worker->clock.user);
}

/* For the worker's descriptor, or so long. */
static void wait_for_events(const taskq_worker *worker, int64_t ms)
{
    struct pollfd fd = {.fd = worker->epoll_fd, .events = POLLIN};
    if (ms > 0) {
        poll(&fd, 1,
             (int)(ms < NEXT_MS_MAX ? ms : NEXT_MS_MAX)); /* a signal ends it early: the caller looks again anyway */
    }
}

/* ---- a round -------------------------------------------------------------------------------------------------------------------------- */

static void drain(int fd)
{
    uint64_t count;
    while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR) {}
}

static void see_stop(taskq_worker *worker, int64_t now_ms)
{
    uint32_t stops = atomic_load(&worker->stops);
    if (stops == 0) {
        return;
    }
    if (worker->stop_seen_at_ms == 0) {
        worker->stop_seen_at_ms = now_ms > 0 ? now_ms : 1;
        worker->stop_deadline_ms = now_ms + worker->shutdown_timeout_ms;
        worker->flush_deadline_ms = worker->stop_deadline_ms + TASKQ__FLUSH_MS;
        taskq__log_format(&worker->log, TASKQ_LOG_INFO, "worker", "stopping: no more polls, jobs still running: %u",
                          atomic_load(&worker->running));
        for (taskq__task *task = worker->first; task != NULL; task = task->next) {
            if (task->state == TASKQ__TASK_WAITING) {
                taskq__task_release(task);
            }
        }
    }
    if (stops > 1 && worker->stop_deadline_ms > now_ms) {
        worker->stop_deadline_ms = now_ms;
    }
}

static void take_ended(taskq_worker *worker)
{
    taskq__task *task = worker->pool_made ? taskq__pool_ended(&worker->pool) : NULL;
    while (task != NULL) {
        taskq__task *next = task->pool_next;
        taskq__task_handed_back(task);
        task = next;
    }
}

static void dispatch(taskq_worker *worker, int64_t *next_in_ms)
{
    taskq__task *task;
    taskq_error err = TASKQ_ERROR_INIT;
    while ((task = taskq__tasks_first_waiting(worker)) != NULL) {
        if (task->handler->start != NULL) {
            taskq__task_start(task);
            continue;
        }
        if (taskq__pool_submit(&worker->pool, task, &err) != TASKQ_OK) {
            taskq__log_format(&worker->log, TASKQ_LOG_ERROR, "worker", "jobs wait: %s", err.text);
            taskq__sooner(next_in_ms, 1000);
            return;
        }
        taskq__task_begin(task);
    }
}

/* One round after the other until nothing more can be done without waiting. `next_in_ms` as in taskq_worker_step. */
static taskq_status advance(taskq_worker *worker, uint32_t what, int64_t *next_in_ms, taskq_error *err)
{
    drain(worker->wake_fd);
    for (uint32_t round = 0; round < ROUNDS_MAX; round++) {
        int64_t now_ms = taskq__worker_now_ms(worker), transport_in_ms = -1;
        worker->dirty = false;
        *next_in_ms = NEXT_MS_MAX;
        see_stop(worker, now_ms);
        take_ended(worker);
        taskq__tasks_look_at_time(worker, now_ms, next_in_ms);
        if (what & DO_DISPATCH) {
            dispatch(worker, next_in_ms);
        }
        if (what & DO_BEAT) {
            taskq__heart_advance(worker, now_ms, next_in_ms);
        }
        bool claims = (what & DO_CLAIM) != 0 && worker->stop_seen_at_ms == 0;
        if (what & DO_REPORT) {
            taskq__reporter_advance(worker, claims, next_in_ms);
        }
        if (claims) {
            taskq__home_advance(worker, now_ms, next_in_ms);
            taskq__poller_advance(worker, now_ms, next_in_ms);
        } else if (worker->stop_seen_at_ms != 0 && (what & DO_REPORT) != 0) {
            taskq__recall_advance(worker, now_ms, next_in_ms);
        }
        taskq_status status = taskq__transport_step(worker->transport, &transport_in_ms, err);
        if (status != TASKQ_OK) {
            return status;
        }
        if (transport_in_ms >= 0) {
            taskq__sooner(next_in_ms, transport_in_ms);
        }
        if (!worker->dirty) {
            return TASKQ_OK;
        }
    }
    *next_in_ms = 0;
    return TASKQ_OK;
}

/* ---- a host's own loop, and run --------------------------------------------------------------------------------------------------------- */

/* Twice as many threads as jobs at once: a handler that ignores the stop keeps its thread, not its slot. None is made before a job needs it. */
static taskq_status make_pool(taskq_worker *worker, taskq_error *err)
{
    if (worker->pool_made) {
        return TASKQ_OK;
    }
    taskq_status status =
        taskq__pool_init(&worker->pool, &worker->allocator, worker->concurrency * 2, worker->wake_fd, err);
    worker->pool_made = status == TASKQ_OK;
    return status;
}

static taskq_status begin_pool(taskq_worker *worker, taskq_error *err)
{
    if (worker->handler_count == 0) {
        return taskq__fail(err, TASKQ_EINVAL, "the worker has no handler: register one first");
    }
    worker->ask_limit = UINT32_MAX;
    worker->ask_wait_ms = worker->poll_interval_ms;
    worker->ask_once = false;
    return make_pool(worker, err);
}

static bool has_ended(taskq_worker *worker, int64_t *next_in_ms)
{
    int64_t now_ms = taskq__worker_now_ms(worker);
    if (worker->stop_seen_at_ms == 0) {
        return false;
    }
    if (atomic_load(&worker->stops) > 1) {
        return true;
    }
    bool talking = taskq__recall_goes_on(worker, now_ms, next_in_ms) || worker->reporter.exchange != NULL ||
                   worker->reporter.releasing > 0;
    if (!talking && taskq__tasks_are_over(worker, now_ms)) {
        if (worker->claim.limit > 0) {
            taskq__log_format(&worker->log, TASKQ_LOG_WARN, "worker",
                              "what became of the last poll is not known: the leases of jobs that it got will run out");
        }
        return true;
    }
    if (now_ms >= worker->flush_deadline_ms) {
        worker->said_unreported = true;
        taskq__log_format(
            &worker->log, TASKQ_LOG_ERROR, "worker",
            "stopped; jobs that ended and that no server has taken a report of: %u; their leases will run out",
            atomic_load(&worker->reports_waiting));
        return true;
    }
    taskq__sooner(next_in_ms, worker->flush_deadline_ms - now_ms);
    return false;
}

taskq_status taskq_worker_step(taskq_worker *worker, int64_t *next_in_ms, taskq_error *err)
{
    if (worker == NULL || next_in_ms == NULL) {
        return taskq__fail(err, TASKQ_EINVAL, "a worker and a place for the time are required");
    }
    int64_t in_ms = 0;
    taskq_status status = taskq__worker_check(worker, err);
    status = status == TASKQ_OK ? begin_pool(worker, err) : status;
    if (status == TASKQ_OK) {
        status = advance(worker, DO_ALL, &in_ms, err);
    }
    if (status == TASKQ_OK && has_ended(worker, &in_ms)) {
        status = taskq__fail(err, TASKQ_ECANCELED, "the worker was stopped");
    }
    if (status == TASKQ_OK) {
        *next_in_ms = in_ms;
    }
    return status;
}

taskq_status taskq_worker_run(taskq_worker *worker, taskq_error *err)
{
    taskq_error ignored = TASKQ_ERROR_INIT;
    err = err == NULL ? &ignored : err;
    taskq_status status;
    int64_t next_in_ms = 0;
    while ((status = taskq_worker_step(worker, &next_in_ms, err)) == TASKQ_OK) {
        wait_for_events(worker, next_in_ms);
    }
    if (status == TASKQ_ECANCELED) {
        *err = (taskq_error)TASKQ_ERROR_INIT;
        return TASKQ_OK;
    }
    return status;
}

/* ---- one job at a time --------------------------------------------------------------------------------------------------------------------- */

static taskq_status no_server(const taskq_worker *worker, taskq_error *err)
{
    if (worker->denied) {
        return taskq__fail(err, TASKQ_EDENIED, "the server does not let this worker in: give it the token of a worker");
    }
    return taskq__fail(err, TASKQ_EUNAVAIL, "no server could be asked");
}

taskq_status taskq_worker_poll(taskq_worker *worker, uint32_t limit, int64_t wait_ms, uint32_t *out_count,
                               taskq_error *err)
{
    if (worker == NULL || out_count == NULL || limit == 0 || wait_ms < 0 || wait_ms > TASKQ__POLL_WAIT_MS_MAX) {
        return taskq__fail(
            err, TASKQ_EINVAL,
            "a worker, a limit of at least 1, a wait of 0 to %d ms and a place for the count are required",
            TASKQ__POLL_WAIT_MS_MAX);
    }
    taskq_status status = taskq__worker_check(worker, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (worker->handler_count == 0) {
        return taskq__fail(err, TASKQ_EINVAL, "the worker has no handler: register one first");
    }
    if (taskq__tasks_free_slots(worker) == 0) {
        *out_count = 0;
        return TASKQ_OK;
    }
    uint32_t had = worker->waiting;
    uint64_t answers = worker->claim.answers;
    int64_t until_ms = taskq__worker_now_ms(worker) + wait_ms;
    worker->ask_limit = limit;
    worker->ask_once = true;
    worker->claim.not_before_ms = 0;
    for (;;) {
        int64_t left_ms = until_ms - taskq__worker_now_ms(worker), next_in_ms = 0;
        worker->ask_wait_ms = left_ms > 0 ? left_ms : 0;
        status = advance(worker, DO_CLAIM | DO_BEAT, &next_in_ms, err);
        if (status != TASKQ_OK) {
            return status;
        }
        if (worker->stop_seen_at_ms != 0) {
            return taskq__fail(err, TASKQ_ECANCELED, "the worker was stopped");
        }
        if (worker->claim.answers != answers) {
            *out_count = worker->waiting > had ? worker->waiting - had : 0;
            return TASKQ_OK;
        }
        if (!worker->claim.in_flight && taskq__worker_now_ms(worker) + next_in_ms > until_ms) {
            return no_server(worker, err);
        }
        wait_for_events(worker, next_in_ms);
    }
}

typedef struct beater {
    taskq_worker *worker;
    int quit_fd;
} beater;

/* While the caller's thread is in the handler, this one drives the worker. */
static void *beat(void *user)
{
    beater *self = user;
    struct pollfd fds[2] = {{.fd = self->quit_fd, .events = POLLIN}, {.fd = self->worker->epoll_fd, .events = POLLIN}};
    while (fds[0].revents == 0) {
        int64_t next_in_ms = NEXT_MS_MAX;
        advance(self->worker, DO_BEAT, &next_in_ms, NULL);
        poll(fds, 2, (int)next_in_ms);
    }
    return NULL;
}

taskq_status taskq_worker_execute(taskq_worker *worker, taskq_error *err)
{
    taskq_status status = worker == NULL ? TASKQ_OK : taskq__worker_check(worker, err);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq__task *task = worker == NULL ? NULL : taskq__tasks_first_waiting(worker);
    if (task == NULL) {
        return taskq__fail(err, worker == NULL ? TASKQ_EINVAL : TASKQ_ENOTFOUND, "no job is waiting: poll first");
    }
    if (task->handler->start != NULL) {
        status = make_pool(worker, err);
        if (status == TASKQ_OK) {
            taskq__task_start(task);
        }
        return status;
    }
    uint64_t one = 1;
    pthread_t thread;
    beater self = {worker, eventfd(0, EFD_CLOEXEC)};
    if (self.quit_fd < 0) {
        return taskq__fail(err, TASKQ_ELIMIT, "no descriptor can be had: error %d", errno);
    }
    taskq__task_begin(task);
    taskq_run *run = task->run;
    const taskq__handler *handler = task->handler;
    /* Without the thread the job is run all the same: most end before their first heartbeat is due. */
    bool beating = taskq__thread_make(&thread, beat, &self);
    taskq_status returned = handler->fn(run, handler->user);
    if (beating) {
        while (write(self.quit_fd, &one, sizeof(one)) < 0 && errno == EINTR) {}
        pthread_join(thread, NULL);
    }
    close(self.quit_fd);
    task->returned = returned;
    taskq__task_handed_back(task);
    return TASKQ_OK;
}

bool taskq__worker_flush(taskq_worker *worker, int64_t patience_ms)
{
    int64_t waited_ms = 0;
    for (;;) {
        int64_t next_in_ms = NEXT_MS_MAX;
        taskq_status status = advance(worker, DO_REPORT | DO_BEAT, &next_in_ms, NULL);
        bool recalls = taskq__recall_goes_on(worker, taskq__worker_now_ms(worker), &next_in_ms);
        if (atomic_load(&worker->reports_waiting) == 0 && !recalls) {
            return true;
        }
        bool talking = recalls || worker->reporter.exchange != NULL || worker->reporter.releasing > 0 ||
                       worker->heart.exchange != NULL;
        if (!talking) {
            /* Breakers are open: it waits for the next trial, but not long. */
            if (waited_ms + next_in_ms > patience_ms) {
                return false;
            }
            waited_ms += next_in_ms;
        }
        if (status != TASKQ_OK) {
            return false;
        }
        wait_for_events(worker, next_in_ms);
    }
}

taskq_status taskq_worker_report(taskq_worker *worker, taskq_error *err)
{
    if (worker == NULL) {
        return taskq__fail(err, TASKQ_EINVAL, "a worker is required");
    }
    taskq_status status = taskq__worker_check(worker, err);
    if (status != TASKQ_OK) {
        return status;
    }
    return taskq__worker_flush(worker, REPORT_PATIENCE_MS) ? TASKQ_OK : no_server(worker, err);
}
