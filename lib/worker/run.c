/* SPDX-License-Identifier: MIT */
/*
 * What passes between a handler and the worker's core: the reason to stop in one direction, progress, log and outcome in the other.
 * Whatever a handler says is copied under the run's lock at once, because it speaks from a thread of its own while the core sends
 * heartbeats; what a heartbeat carried is let go only when the server has it.
 */
#include "worker/run.h"

#include "core/alloc.h"
#include "core/fail.h"
#include "core/process.h"
#include "core/scan.h"
#include "core/text.h"
#include "wire/emit.h"
#include "wire/record.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { RESULT_BYTES_MAX = 16 << 20, MESSAGE_BYTES_MAX = 8192, LOG_LINE_BYTES_MAX = 16384 };

struct taskq_run {
    taskq__process process;
    taskq_allocator allocator; /* a copy: it may outlive its worker */
    taskq_job job;
    taskq_arena *arena;
    _Atomic int reason; /* a taskq_run_reason; written under lock, read without */
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    /* guarded by lock */
    int fd;
    bool has_progress; /* said and not sent */
    double percent;
    taskq__buf message;
    taskq__buf log;
    size_t log_under_way; /* so many bytes at the log's beginning are in a heartbeat */
    bool progress_under_way;
    taskq__buf result;
    bool has_result, has_failure, no_retry;
    taskq__buf code, failure;
    int64_t retry_in_ms;
    taskq__run_ended_fn *ended; /* of one that ends later; NULL: it has ended, or nobody is there any more */
    void *owner;
    bool abandoned;
};

/* ---- the core's side ------------------------------------------------------------------------------------------------------- */

static taskq_status read_job(taskq_run *run, taskq_text job_json, taskq_error *err)
{
    taskq_text copy;
    taskq__json json;
    if (!taskq_arena_copy(run->arena, job_json.data, job_json.size, &copy)) {
        return taskq__fail_memory(err);
    }
    taskq_status status = taskq__json_scan(copy, taskq__wire_opaque, run->arena, &json, err);
    if (status == TASKQ_OK) {
        status = taskq__wire_read_job(&json, 0, run->arena, &run->job, err);
    }
    if (status == TASKQ_OK && run->job.version < 1) {
        status = taskq__fail_field(err, TASKQ_EINVAL, "/version", "a claimed job has a version");
    }
    return status;
}

/* What a server left out, or said out of range: a lease of 0 would make the heartbeats a loop without a pause. */
static void fill_gaps(taskq_job *job)
{
    static const taskq_new_job usual = TASKQ_NEW_JOB_INIT;
    job->payload = job->payload.size > 0 ? job->payload : usual.payload;
    job->timeout_ms =
        job->timeout_ms > 0 && job->timeout_ms <= TASKQ_TIMEOUT_MS_MAX ? job->timeout_ms : usual.timeout_ms;
    job->lease_ms = job->lease_ms > 0 && job->lease_ms <= TASKQ_LEASE_MS_MAX ? job->lease_ms : usual.lease_ms;
    job->lease_ms = job->lease_ms < TASKQ_LEASE_MS_MIN ? TASKQ_LEASE_MS_MIN : job->lease_ms;
}

taskq_status taskq__run_open(const taskq_allocator *a, const taskq__process *process, taskq_text job_json,
                             taskq_run **out, taskq_error *err)
{
    taskq_run *run = taskq__alloc(a, sizeof(*run));
    if (run == NULL) {
        return taskq__fail_memory(err);
    }
    if (a != NULL) {
        run->allocator = *a;
    }
    a = &run->allocator;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&run->lock, NULL);
    pthread_cond_init(&run->stopped, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (process != NULL) {
        taskq__process_share(&run->process, process);
    } else {
        taskq__process_begin(&run->process);
    }
    run->fd = -1;
    run->retry_in_ms = -1;
    taskq__buf_init(&run->message, a, MESSAGE_BYTES_MAX);
    taskq__buf_init(&run->log, a, TASKQ_LOG_BYTES_MAX + LOG_LINE_BYTES_MAX + 2);
    taskq__buf_init(&run->result, a, RESULT_BYTES_MAX + 1);
    taskq__buf_init(&run->code, a, MESSAGE_BYTES_MAX);
    taskq__buf_init(&run->failure, a, MESSAGE_BYTES_MAX);
    run->arena = taskq__arena_new(a, 0);
    taskq_status status = run->arena == NULL ? taskq__fail_memory(err) : read_job(run, job_json, err);
    if (status != TASKQ_OK) {
        taskq__run_close(run);
        return status;
    }
    fill_gaps(&run->job);
    *out = run;
    return TASKQ_OK;
}

void taskq__run_close(taskq_run *run)
{
    if (run == NULL) {
        return;
    }
    pthread_mutex_lock(&run->lock); /* another thread may just be leaving taskq_run_end */
    pthread_mutex_unlock(&run->lock);
    if (run->fd >= 0) {
        close(run->fd);
    }
    taskq__buf_clear(&run->message);
    taskq__buf_clear(&run->log);
    taskq__buf_clear(&run->result);
    taskq__buf_clear(&run->code);
    taskq__buf_clear(&run->failure);
    taskq__arena_free(run->arena);
    pthread_cond_destroy(&run->stopped);
    pthread_mutex_destroy(&run->lock);
    taskq__process_end(&run->process);
    taskq_allocator allocator = run->allocator;
    taskq__free(&allocator, run);
}

const taskq_allocator *taskq__run_allocator(const taskq_run *run)
{
    return &run->allocator;
}

static void ring(int fd)
{
    uint64_t one = 1;
    while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR) {}
}

void taskq__run_stop(taskq_run *run, taskq_run_reason reason)
{
    pthread_mutex_lock(&run->lock);
    int now = atomic_load(&run->reason);
    if (now == TASKQ_RUN_GOES_ON || reason == TASKQ_RUN_LOST) {
        atomic_store(&run->reason, (int)reason);
        pthread_cond_broadcast(&run->stopped);
        if (run->fd >= 0 && now == TASKQ_RUN_GOES_ON) {
            ring(run->fd);
        }
    }
    pthread_mutex_unlock(&run->lock);
}

void taskq__run_lend(taskq_run *run, taskq__run_ended_fn *ended, void *owner)
{
    pthread_mutex_lock(&run->lock);
    run->ended = ended;
    run->owner = owner;
    pthread_mutex_unlock(&run->lock);
}

bool taskq__run_abandon(taskq_run *run)
{
    pthread_mutex_lock(&run->lock);
    bool lent = run->ended != NULL;
    run->ended = NULL;
    run->abandoned = lent;
    pthread_mutex_unlock(&run->lock);
    return lent;
}

/* A stop that the core asked for says more than a handler that only gave up because of it. */
static void read_failure(taskq_run *run, taskq_status returned, taskq__run_end *out)
{
    taskq_run_reason reason = (taskq_run_reason)atomic_load(&run->reason);
    if (reason == TASKQ_RUN_TIMED_OUT) {
        taskq__buf_rewind(&run->failure);
        taskq__buf_add_format(&run->failure, "the job ran longer than its timeout of %lld ms",
                              (long long)run->job.timeout_ms);
        out->code = taskq_text_of("timeout");
        out->message = taskq__buf_text(&run->failure);
        return;
    }
    if (run->has_failure) {
        out->code = taskq__buf_text(&run->code);
        out->message = taskq__buf_text(&run->failure);
        return;
    }
    bool canceled = reason == TASKQ_RUN_CANCELED;
    out->code = taskq_text_of(canceled ? "canceled" : taskq_status_name(returned));
    out->message = taskq_text_of(canceled ? "the handler stopped because the job was canceled"
                                          : "the handler failed and gave no reason");
}

void taskq__run_read_end(taskq_run *run, taskq_status returned, taskq__run_end *out)
{
    *out = (taskq__run_end){.succeeded = returned == TASKQ_OK, .retry_in_ms = -1};
    pthread_mutex_lock(&run->lock);
    if (out->succeeded) {
        out->result = run->has_result ? taskq__buf_text(&run->result) : (taskq_text){NULL, 0};
    } else {
        read_failure(run, returned, out);
        out->no_retry = run->no_retry;
        out->retry_in_ms = run->retry_in_ms;
    }
    pthread_mutex_unlock(&run->lock);
}

bool taskq__run_has_news(taskq_run *run)
{
    pthread_mutex_lock(&run->lock);
    bool news = run->has_progress || run->log.size > 0;
    pthread_mutex_unlock(&run->lock);
    return news;
}

void taskq__run_write_news(taskq_run *run, taskq__buf *buf)
{
    pthread_mutex_lock(&run->lock);
    if (run->has_progress) {
        taskq__buf_add_string(buf, ",\"progress\":{\"percent\":");
        taskq__emit_double(buf, run->percent);
        if (run->message.size > 0) {
            taskq__buf_add_string(buf, ",\"message\":");
            taskq__emit_string(buf, taskq__buf_text(&run->message));
        }
        taskq__buf_add_char(buf, '}');
        run->has_progress = false;
        run->progress_under_way = true;
    }
    if (run->log.size > 0) {
        taskq__buf_add_string(buf, ",\"log\":");
        taskq__emit_string(buf, taskq__buf_text(&run->log));
        run->log_under_way = run->log.size;
    }
    pthread_mutex_unlock(&run->lock);
}

/* The log's first bytes go. */
static void drop_log(taskq_run *run, size_t bytes)
{
    memmove(run->log.data, run->log.data + bytes, run->log.size - bytes);
    run->log.size -= bytes;
    run->log.data[run->log.size] = '\0';
    run->log_under_way = run->log_under_way > bytes ? run->log_under_way - bytes : 0;
}

void taskq__run_news_sent(taskq_run *run, bool arrived)
{
    pthread_mutex_lock(&run->lock);
    if (arrived && run->log_under_way > 0) {
        drop_log(run, run->log_under_way);
    }
    run->has_progress = run->has_progress || (!arrived && run->progress_under_way);
    run->log_under_way = 0;
    run->progress_under_way = false;
    pthread_mutex_unlock(&run->lock);
}

/* ---- the handler's side ---------------------------------------------------------------------------------------------------- */

const taskq_job *taskq_run_job(const taskq_run *run)
{
    return &run->job;
}

taskq_run_reason taskq_run_should_stop(const taskq_run *run)
{
    return taskq__process_is_other(&run->process) ? TASKQ_RUN_LOST : (taskq_run_reason)atomic_load(&run->reason);
}

taskq_run_reason taskq_run_sleep(taskq_run *run, int64_t ms)
{
    if (taskq__process_is_other(&run->process)) {
        return TASKQ_RUN_LOST;
    }
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    ms = ms < 0 ? 0 : ms > TASKQ_DELAY_MS_MAX ? TASKQ_DELAY_MS_MAX : ms;
    int64_t ns = until.tv_nsec + (ms % 1000) * 1000000;
    until.tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_mutex_lock(&run->lock);
    int over = 0;
    while (atomic_load(&run->reason) == TASKQ_RUN_GOES_ON && over == 0) {
        over = pthread_cond_timedwait(&run->stopped, &run->lock, &until);
    }
    pthread_mutex_unlock(&run->lock);
    return taskq_run_should_stop(run);
}

int taskq_run_fd(taskq_run *run)
{
    if (taskq__process_is_other(&run->process)) {
        return -1;
    }
    pthread_mutex_lock(&run->lock);
    if (run->fd < 0) {
        run->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (run->fd >= 0 && atomic_load(&run->reason) != TASKQ_RUN_GOES_ON) {
            ring(run->fd);
        }
    }
    int fd = run->fd;
    pthread_mutex_unlock(&run->lock);
    return fd;
}

static void set_text(taskq__buf *buf, taskq_text text, size_t chars_max)
{
    taskq__buf_rewind(buf);
    if (taskq__text_is_utf8(text)) {
        text = taskq__text_cut_chars(text, chars_max);
    } else if (text.size > chars_max) {
        text.size = chars_max;
    }
    taskq__buf_add_text(buf, text);
}

void taskq_run_progress(taskq_run *run, double percent, const char *message)
{
    if (taskq__process_is_other(&run->process)) {
        return;
    }
    pthread_mutex_lock(&run->lock);
    run->percent = isnan(percent) || percent < 0 ? 0 : percent > 100 ? 100 : percent;
    set_text(&run->message, message == NULL ? (taskq_text){NULL, 0} : taskq_text_of(message),
             TASKQ_ERROR_MESSAGE_CHARS_MAX);
    run->has_progress = true;
    pthread_mutex_unlock(&run->lock);
}

void taskq_run_log(taskq_run *run, const char *format, ...)
{
    if (taskq__process_is_other(&run->process)) {
        return;
    }
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int whole = vsnprintf(NULL, 0, format, arguments);
    size_t size = whole < 0 ? 0 : (size_t)whole < LOG_LINE_BYTES_MAX ? (size_t)whole : LOG_LINE_BYTES_MAX;
    char *line = whole < 0 ? NULL : taskq__alloc(&run->allocator, size + 1);
    if (line != NULL) {
        (void)vsnprintf(line, size + 1, format, again);
    }
    va_end(again);
    va_end(arguments);
    if (line == NULL) {
        return;
    }
    taskq_text text = {line, size};
    pthread_mutex_lock(&run->lock);
    taskq__buf_add_text(&run->log, text);
    taskq__buf_add_char(&run->log, '\n');
    if (run->log.failed) {
        taskq__buf_rewind(&run->log); /* no memory: the log is lost, the job goes on */
        run->log_under_way = 0;
    } else if (run->log.size > TASKQ_LOG_BYTES_MAX) {
        taskq_text rest = taskq__text_cut_tail(taskq__buf_text(&run->log), TASKQ_LOG_BYTES_MAX);
        drop_log(run, run->log.size - rest.size);
    }
    pthread_mutex_unlock(&run->lock);
    taskq__free(&run->allocator, line);
}

taskq_status taskq_run_result(taskq_run *run, taskq_text json)
{
    if (taskq__process_is_other(&run->process)) {
        return TASKQ_EINVAL;
    }
    if (json.size > RESULT_BYTES_MAX) {
        return TASKQ_ELIMIT;
    }
    taskq_status status = json.size == 0 ? TASKQ_EINVAL : taskq__json_check(json, NULL);
    if (status != TASKQ_OK) {
        return status == TASKQ_ENOMEM ? status : TASKQ_EINVAL;
    }
    pthread_mutex_lock(&run->lock);
    taskq__buf_rewind(&run->result);
    taskq__buf_add_text(&run->result, json);
    run->has_result = !run->result.failed;
    status = run->has_result ? TASKQ_OK : TASKQ_ENOMEM;
    pthread_mutex_unlock(&run->lock);
    return status;
}

taskq_status taskq_run_fail(taskq_run *run, const char *code, const char *format, ...)
{
    if (taskq__process_is_other(&run->process)) {
        return TASKQ_EINVAL;
    }
    char message[MESSAGE_BYTES_MAX / 2];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&run->lock);
    set_text(&run->code, taskq_text_of(code == NULL || code[0] == '\0' ? "failed" : code), TASKQ_ERROR_CODE_CHARS_MAX);
    set_text(&run->failure, taskq_text_of(size < 0 ? "" : message), TASKQ_ERROR_MESSAGE_CHARS_MAX);
    run->has_failure = true;
    pthread_mutex_unlock(&run->lock);
    return TASKQ_ECANCELED;
}

void taskq_run_end(taskq_run *run, taskq_status status)
{
    if (taskq__process_is_other(&run->process)) {
        return;
    }
    pthread_mutex_lock(&run->lock);
    bool ours = run->abandoned;
    taskq__run_ended_fn *ended = run->ended;
    run->ended = NULL;
    if (ended != NULL) {
        ended(run->owner, status); /* with the lock: whoever closes the run takes it first */
    }
    pthread_mutex_unlock(&run->lock);
    if (ours) {
        taskq__run_close(run);
    }
}

taskq_status taskq__run_bad_payload(taskq_run *run, const taskq_error *err)
{
    if (err->status == TASKQ_ENOMEM) {
        return taskq_run_fail(run, "no-memory", "the worker had no memory to read the payload");
    }
    taskq_run_no_retry(run);
    return taskq_run_fail(run, "bad-payload", "%s: %s", err->field[0] != '\0' ? err->field : "payload", err->text);
}

void taskq_run_no_retry(taskq_run *run)
{
    if (taskq__process_is_other(&run->process)) {
        return;
    }
    pthread_mutex_lock(&run->lock);
    run->no_retry = true;
    pthread_mutex_unlock(&run->lock);
}

void taskq_run_retry_in(taskq_run *run, int64_t delay_ms)
{
    if (taskq__process_is_other(&run->process)) {
        return;
    }
    pthread_mutex_lock(&run->lock);
    run->retry_in_ms = delay_ms < 0 ? 0 : delay_ms > TASKQ_DELAY_MS_MAX ? TASKQ_DELAY_MS_MAX : delay_ms;
    pthread_mutex_unlock(&run->lock);
}
