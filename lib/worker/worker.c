/* SPDX-License-Identifier: MIT */
/*
 * The worker as an object: what it is told at the start, checked; its handlers; its end. How it is driven is in drive.c.
 * Closing is part of the promise to whoever enqueued: what is held is given back and what is finished is reported, as far as a server can be
 * asked, before anything is freed.
 */
#include "worker/core.h"

#include "core/alloc.h"
#include "core/fail.h"
#include "core/sized.h"
#include "core/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    CONCURRENCY_DEFAULT = 8,
    POLL_INTERVAL_MS_DEFAULT = 2000,
    POLL_INTERVAL_MS_MIN = 100,
    POLL_INTERVAL_MS_MAX = 60000,
    SHUTDOWN_TIMEOUT_MS_DEFAULT = 30000,
    HOST_BYTES_MAX = 64,
    NAMES_BYTES_MAX = TASKQ_CLAIM_NAMES_MAX * (TASKQ_NAME_BYTES_MAX + 1),
    CLOSE_PATIENCE_MS = 500
};

/* ---- opening --------------------------------------------------------------------------------------------------------------------- */

static taskq_status read_numbers(taskq_worker *worker, const taskq_worker_options *options, taskq_error *err)
{
    worker->concurrency = options->concurrency == 0 ? CONCURRENCY_DEFAULT : options->concurrency;
    worker->poll_interval_ms = options->poll_interval_ms == 0 ? POLL_INTERVAL_MS_DEFAULT : options->poll_interval_ms;
    worker->shutdown_timeout_ms =
        options->shutdown_timeout_ms == 0 ? SHUTDOWN_TIMEOUT_MS_DEFAULT : options->shutdown_timeout_ms;
    if (worker->concurrency > TASKQ__CONCURRENCY_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/concurrency", "concurrency is 1 to %d", TASKQ__CONCURRENCY_MAX);
    }
    if (worker->poll_interval_ms < POLL_INTERVAL_MS_MIN || worker->poll_interval_ms > POLL_INTERVAL_MS_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/poll_interval_ms", "the poll interval is %d to %d ms",
                                 POLL_INTERVAL_MS_MIN, POLL_INTERVAL_MS_MAX);
    }
    if (worker->shutdown_timeout_ms < -1 || worker->shutdown_timeout_ms > TASKQ_DELAY_MS_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/shutdown_timeout_ms", "the shutdown time-out is out of range");
    }
    worker->shutdown_timeout_ms = worker->shutdown_timeout_ms < 0 ? 0 : worker->shutdown_timeout_ms;
    return TASKQ_OK;
}

static taskq_status read_queues(taskq_worker *worker, const taskq_worker_options *options, taskq_error *err)
{
    taskq__buf names;
    taskq_status status = TASKQ_OK;
    taskq__buf_init(&names, &worker->allocator, NAMES_BYTES_MAX);
    if (options->queue_count > TASKQ_CLAIM_NAMES_MAX) {
        status = taskq__fail_field(err, TASKQ_ELIMIT, "/queues", "%u queues are more than %d", options->queue_count,
                                   TASKQ_CLAIM_NAMES_MAX);
        goto out;
    }
    for (uint32_t i = 0; i < options->queue_count; i++) {
        const char *name = options->queues[i] == NULL ? "" : options->queues[i];
        if (!taskq__text_is_name(taskq_text_of(name))) {
            status = taskq__fail_field(err, TASKQ_EINVAL, "/queues",
                                       "\"%.150s\" is no name: 1 to %d of A-Z a-z 0-9 . _ : / -", name,
                                       TASKQ_NAME_BYTES_MAX);
            goto out;
        }
        taskq__buf_add_string(&names, i == 0 ? "" : ",");
        taskq__buf_add_string(&names, name);
    }
    if (options->queue_count == 0) {
        taskq__buf_add_string(&names, "default");
    }
    worker->queues = names.failed ? NULL : taskq__strdup(&worker->allocator, names.data);
    if (worker->queues == NULL) {
        status = taskq__fail_memory(err);
    }
out:
    taskq__buf_clear(&names);
    return status;
}

static taskq_status read_id(taskq_worker *worker, const char *id, taskq_error *err)
{
    char host[HOST_BYTES_MAX + 1] = "", made[TASKQ_NAME_BYTES_MAX + 1];
    gethostname(host, HOST_BYTES_MAX);
    for (char *c = host; *c != '\0'; c++) {
        if (!taskq__text_is_name((taskq_text){c, 1})) {
            *c = '-';
        }
    }
    if (host[0] == '\0') {
        host[0] = '-';
    }
    if (id == NULL) {
        snprintf(made, sizeof(made), "%s:%ld:%08" PRIx32, host, (long)getpid(), (uint32_t)taskq__rng_next(&worker->rng));
        id = made;
    }
    if (!taskq__text_is_name(taskq_text_of(id))) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/id", "\"%.150s\" is no name: 1 to %d of A-Z a-z 0-9 . _ : / -",
                                 id, TASKQ_NAME_BYTES_MAX);
    }
    worker->id = taskq__strdup(&worker->allocator, id);
    worker->host = taskq__strdup(&worker->allocator, host);
    return worker->id == NULL || worker->host == NULL ? taskq__fail_memory(err) : TASKQ_OK;
}

static taskq_status watch(taskq_worker *worker, int fd, taskq_error *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        return taskq__fail(err, TASKQ_ELIMIT, "a descriptor cannot be watched: error %d", errno);
    }
    return TASKQ_OK;
}

static taskq_status open_descriptors(taskq_worker *worker, const taskq_worker_options *options, taskq_error *err)
{
    taskq__http_identity identity = {options->token, options->ca_file, options->cert_file, options->key_file};
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->epoll_fd < 0 || worker->wake_fd < 0) {
        return taskq__fail(err, TASKQ_ELIMIT, "no descriptor can be had: error %d", errno);
    }
    taskq_status status = taskq__transport_open(&worker->allocator, &identity, &worker->transport, err);
    if (status == TASKQ_OK) {
        status = watch(worker, worker->wake_fd, err);
    }
    return status == TASKQ_OK ? watch(worker, taskq__transport_fd(worker->transport), err) : status;
}

taskq_status taskq_worker_open(const taskq_worker_options *from, taskq_worker **out, taskq_error *err)
{
    taskq_worker_options options;
    if (from == NULL || out == NULL) {
        return taskq__fail(err, TASKQ_EINVAL, "options and a place for the worker are required");
    }
    taskq_status status = TASKQ__SIZED_IN(from, &options, err);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq_worker *worker = taskq__alloc(&options.allocator, sizeof(*worker));
    if (worker == NULL) {
        return taskq__fail_memory(err);
    }
    worker->allocator = options.allocator;
    taskq__process_begin(&worker->process);
    worker->epoll_fd = worker->wake_fd = -1;
    worker->log = options.log;
    worker->clock = options.clock;
    if (worker->clock.steady_ms == NULL) {
        taskq_clock_system(&worker->clock);
    }
    taskq__rng_init(&worker->rng, options.seed);
    worker->reporter.count_max = worker->heart.count_max = TASKQ_REPORTS_MAX;

    status = read_numbers(worker, &options, err);
    status = status != TASKQ_OK ? status : read_queues(worker, &options, err);
    status = status != TASKQ_OK ? status : read_id(worker, options.id, err);
    status = status != TASKQ_OK ? status
                                : taskq__servers_init(&worker->servers, &worker->allocator, options.servers,
                                                      options.server_count, &worker->log, &worker->rng, err);
    if (status == TASKQ_OK) {
        taskq__servers_settle(&worker->servers);
        status = open_descriptors(worker, &options, err);
    }
    if (status != TASKQ_OK) {
        taskq_worker_close(worker);
        return status;
    }
    *out = worker;
    return TASKQ_OK;
}

/* ---- handlers ---------------------------------------------------------------------------------------------------------------------- */

static taskq_status add_type(taskq_worker *worker, const char *type, taskq_error *err)
{
    taskq__buf names;
    taskq__buf_init(&names, &worker->allocator, NAMES_BYTES_MAX);
    if (worker->types != NULL) {
        taskq__buf_add_format(&names, "%s,", worker->types);
    }
    taskq__buf_add_string(&names, type);
    char *types = names.failed ? NULL : taskq__strdup(&worker->allocator, names.data);
    char *copy = taskq__strdup(&worker->allocator, type);
    taskq__buf_clear(&names);
    if (types == NULL || copy == NULL) {
        taskq__free(&worker->allocator, types);
        taskq__free(&worker->allocator, copy);
        return taskq__fail_memory(err);
    }
    taskq__free(&worker->allocator, worker->types);
    worker->types = types;
    worker->handlers[worker->handler_count].type = copy;
    return TASKQ_OK;
}

static taskq_status check_type(const taskq_worker *worker, const char *type, taskq_error *err)
{
    if (!taskq__text_is_name(taskq_text_of(type))) {
        return taskq__fail(err, TASKQ_EINVAL, "\"%.150s\" is no name of a type: 1 to %d of A-Z a-z 0-9 . _ : / -", type,
                           TASKQ_NAME_BYTES_MAX);
    }
    for (uint32_t i = 0; i < worker->handler_count; i++) {
        if (strcmp(worker->handlers[i].type, type) == 0) {
            return taskq__fail(err, TASKQ_EEXISTS, "the type %s has a handler already", type);
        }
    }
    if (worker->handler_count == TASKQ_CLAIM_NAMES_MAX) {
        return taskq__fail(err, TASKQ_ELIMIT, "a worker has handlers for at most %d types", TASKQ_CLAIM_NAMES_MAX);
    }
    return TASKQ_OK;
}

static taskq_status handle(taskq_worker *worker, const char *type, const taskq__handler *handler, taskq_error *err)
{
    if (worker == NULL || type == NULL || (handler->fn == NULL && handler->start == NULL)) {
        return taskq__fail(err, TASKQ_EINVAL, "a worker, a type and a handler are required");
    }
    taskq_status status = taskq__worker_check(worker, err);
    status = status != TASKQ_OK ? status : check_type(worker, type, err);
    status = status != TASKQ_OK ? status : add_type(worker, type, err);
    if (status == TASKQ_OK) {
        taskq__handler *added = &worker->handlers[worker->handler_count++];
        char *copy = added->type;
        *added = *handler;
        added->type = copy;
    }
    return status;
}

taskq_status taskq__worker_handle_owned(taskq_worker *worker, const char *type, taskq_handler_fn *handler, void *user,
                                        void (*destroy)(void *user), taskq_error *err)
{
    taskq_status status = handle(worker, type, &(taskq__handler){.fn = handler, .user = user, .destroy = destroy}, err);
    if (status != TASKQ_OK && destroy != NULL) {
        destroy(user);
    }
    return status;
}

taskq_status taskq_worker_handle(taskq_worker *worker, const char *type, taskq_handler_fn *handler, void *user,
                                 taskq_error *err)
{
    return handle(worker, type, &(taskq__handler){.fn = handler, .user = user}, err);
}

taskq_status taskq_worker_handle_async(taskq_worker *worker, const char *type, taskq_start_fn *start, void *user,
                                       taskq_error *err)
{
    return handle(worker, type, &(taskq__handler){.start = start, .user = user}, err);
}

/* ---- stopping, closing --------------------------------------------------------------------------------------------------------------- */

void taskq_worker_stop(taskq_worker *worker)
{
    if (taskq__process_is_other(&worker->process)) {
        return; /* the descriptor would wake the parent's */
    }
    int saved = errno; /* it may be called from a signal handler */
    uint64_t one = 1;
    atomic_fetch_add(&worker->stops, 1);
    while (write(worker->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR) {}
    errno = saved;
}

/* Handlers are told to stop, what waits and what they leave is given back. */
static void give_back(taskq_worker *worker)
{
    bool at_once = atomic_load(&worker->stops) > 1;
    worker->shutdown_timeout_ms = 0;
    atomic_fetch_add(&worker->stops, 1);
    if (!at_once) {
        taskq__worker_flush(worker, CLOSE_PATIENCE_MS);
    }
    for (taskq__task *task = worker->first; task != NULL; task = task->next) {
        taskq__run_stop(task->run, TASKQ_RUN_STOPPING);
    }
    if (worker->pool_made) {
        taskq__pool_join(&worker->pool); /* a handler that ignores the stop is waited for: its host's memory is in use */
    }
    /* One that ends later cannot be waited for: the host's loop, which would end it, may be the one that closes. */
    for (taskq__task *task = worker->first; task != NULL; task = task->next) {
        if (task->state == TASKQ__TASK_RUNNING && !task->pointless && task->handler->start != NULL) {
            taskq__task_release(task);
        }
    }
    if (worker->first != NULL && !at_once) {
        taskq__worker_flush(worker, CLOSE_PATIENCE_MS);
    }
    if (atomic_load(&worker->reports_waiting) > 0 && !worker->said_unreported) {
        taskq__log_format(&worker->log, TASKQ_LOG_ERROR, "worker",
                          "jobs that ended and could not be reported: %u; their leases will run out",
                          atomic_load(&worker->reports_waiting));
    }
}

void taskq_worker_close(taskq_worker *worker)
{
    if (worker == NULL) {
        return;
    }
    if (taskq__process_is_other(&worker->process)) {
        taskq__transport_forked(worker->transport);
        (void)close(worker->epoll_fd);
        (void)close(worker->wake_fd);
        return;
    }
    if (worker->transport != NULL && (worker->first != NULL || worker->pool_made || worker->claim.limit > 0)) {
        give_back(worker);
    }
    while (worker->first != NULL) {
        worker->first->state = TASKQ__TASK_ENDED; /* no thread is left that could be in it */
        taskq__task_remove(worker->first);
    }
    if (worker->pool_made) {
        taskq__pool_clear(&worker->pool);
    }
    taskq__transport_close(worker->transport);
    for (uint32_t i = 0; i < worker->handler_count; i++) {
        if (worker->handlers[i].destroy != NULL) {
            worker->handlers[i].destroy(worker->handlers[i].user);
        }
        taskq__free(&worker->allocator, worker->handlers[i].type);
    }
    taskq__servers_clear(&worker->servers);
    if (worker->epoll_fd >= 0) {
        close(worker->epoll_fd);
    }
    if (worker->wake_fd >= 0) {
        close(worker->wake_fd);
    }
    taskq__process_end(&worker->process);
    taskq_allocator allocator = worker->allocator;
    taskq__free(&allocator, worker->id);
    taskq__free(&allocator, worker->host);
    taskq__free(&allocator, worker->queues);
    taskq__free(&allocator, worker->types);
    taskq__free(&allocator, worker);
}

/* ---- looking --------------------------------------------------------------------------------------------------------------------------- */

const taskq_allocator *taskq__worker_allocator(const taskq_worker *worker)
{
    return &worker->allocator;
}

taskq_status taskq__worker_check(const taskq_worker *worker, taskq_error *err)
{
    return taskq__process_check(&worker->process, "worker", err);
}

int taskq_worker_fd(const taskq_worker *worker)
{
    return taskq__process_is_other(&worker->process) ? -1 : worker->epoll_fd;
}

void taskq_worker_read_stats(const taskq_worker *worker, taskq_worker_stats *out)
{
    taskq_worker_stats stats = {
        .running = atomic_load(&worker->running),
        .reports_waiting = atomic_load(&worker->reports_waiting),
        .claimed = atomic_load(&worker->claimed),
        .succeeded = atomic_load(&worker->succeeded),
        .failed = atomic_load(&worker->failed),
        .released = atomic_load(&worker->released),
        .lost = atomic_load(&worker->lost),
        .report_retries = atomic_load(&worker->report_retries),
    };
    (void)TASKQ__SIZED_OUT(out, &stats, NULL);
}
