/* SPDX-License-Identifier: MIT */
/*
 * A claimed job's life on this side: from the answer that brought it to the moment at which its end needs nobody any more. What is
 * reported is decided here, in one place, from what the handler returned and why it was told to stop; who sends it is another's business.
 */
#include "worker/core.h"

#include "core/alloc.h"
#include "core/fail.h"
#include "core/text.h"
#include "wire/emit.h"
#include "wire/record.h"

#include <stdio.h>
#include <string.h>

enum {
    REPORT_BYTES_MAX = (16 << 20) + 65536,
    REPORT_BYTES_KEPT = 511,
    TRACE_ID_AT = 3,
    TRACE_ID_BYTES = 32,
    FIELDS_MAX = 8
};

/* ---- the log ----------------------------------------------------------------------------------------------------------------- */

static void log_task(const taskq__task *task, taskq_log_level level, const char *message, const char *name,
                     const char *text, int64_t duration_ms)
{
    const taskq_log *log = &task->worker->log;
    if (!taskq__log_wants(log, level)) {
        return;
    }
    const taskq_job *job = taskq_run_job(task->run);
    char queue[TASKQ_NAME_BYTES_MAX + 1], trace[TRACE_ID_BYTES + 1];
    taskq_log_field fields[FIELDS_MAX];
    uint32_t count = 0;
    snprintf(queue, sizeof(queue), "%.*s", (int)job->queue.size, job->queue.data == NULL ? "" : job->queue.data);
    fields[count++] = (taskq_log_field){"job_id", NULL, task->id};
    fields[count++] = (taskq_log_field){"queue", queue, 0};
    fields[count++] = (taskq_log_field){"type", task->handler == NULL ? "" : task->handler->type, 0};
    fields[count++] = (taskq_log_field){"attempt", NULL, job->attempt};
    if (name != NULL) {
        fields[count++] = (taskq_log_field){name, text, 0};
    }
    if (duration_ms >= 0) {
        fields[count++] = (taskq_log_field){"duration_ms", NULL, duration_ms};
    }
    if (taskq__text_is_traceparent(job->traceparent)) {
        snprintf(trace, sizeof(trace), "%.*s", TRACE_ID_BYTES, job->traceparent.data + TRACE_ID_AT);
        fields[count++] = (taskq_log_field){"trace_id", trace, 0};
    }
    taskq__log(log, level, "worker", message, fields, count);
}

/* ---- coming ------------------------------------------------------------------------------------------------------------------- */

static const taskq__handler *handler_of(const taskq_worker *worker, taskq_text type)
{
    for (uint32_t i = 0; i < worker->handler_count; i++) {
        if (taskq__text_is(type, worker->handlers[i].type)) {
            return &worker->handlers[i];
        }
    }
    return NULL;
}

static bool is_known(const taskq_worker *worker, int64_t id, int64_t version)
{
    for (const taskq__task *task = worker->first; task != NULL; task = task->next) {
        if (task->id == id && task->version == version) {
            return true;
        }
    }
    return false;
}

static void free_task(taskq_worker *worker, taskq__task *task)
{
    taskq__buf_clear(&task->report);
    if (task->run != NULL && !taskq__run_abandon(task->run)) {
        taskq__run_close(task->run);
    }
    taskq__free(&worker->allocator, task);
}

static taskq__task *new_task(taskq_worker *worker, taskq_text json, taskq_error *err)
{
    taskq__task *task = taskq__alloc(&worker->allocator, sizeof(*task));
    if (task == NULL) {
        (void)taskq__fail_memory(err);
        return NULL;
    }
    taskq__buf_init(&task->report, &worker->allocator, REPORT_BYTES_MAX);
    taskq_status status = taskq__buf_reserve(&task->report, REPORT_BYTES_KEPT) ? TASKQ_OK : taskq__fail_memory(err);
    if (status == TASKQ_OK) {
        status = taskq__run_open(&worker->allocator, &worker->process, json, &task->run, err);
    }
    if (status != TASKQ_OK) {
        free_task(worker, task);
        return NULL;
    }
    return task;
}

static void take_one(taskq_worker *worker, taskq_text json)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq__task *task = new_task(worker, json, &err);
    if (task == NULL) {
        taskq__log_format(&worker->log, TASKQ_LOG_ERROR, "worker",
                          "a job that came cannot be read, its lease will run out: %s", err.text);
        return;
    }
    const taskq_job *job = taskq_run_job(task->run);
    if (is_known(worker, job->id, job->version)) {
        free_task(worker, task); /* the answer to a repeated poll */
        return;
    }
    int64_t now_ms = taskq__worker_now_ms(worker);
    task->worker = worker;
    task->id = job->id;
    task->version = job->version;
    task->handler = handler_of(worker, job->type);
    task->timeout_at_ms = now_ms + job->timeout_ms;
    task->beat_every_ms = job->lease_ms / 3 < TASKQ__BEAT_EVERY_MS_MAX ? job->lease_ms / 3 : TASKQ__BEAT_EVERY_MS_MAX;
    task->beat_at_ms = now_ms + task->beat_every_ms;
    task->previous = worker->last;
    *(worker->last == NULL ? &worker->first : &worker->last->next) = task;
    worker->last = task;
    worker->waiting++;
    worker->slots_taken++;
    atomic_fetch_add(&worker->claimed, 1);
    if (task->handler == NULL) {
        log_task(task, TASKQ_LOG_WARN, "a job of a type without a handler came and is given back", NULL, NULL, -1);
    }
    if (task->handler == NULL || worker->slots_taken > worker->concurrency || worker->stop_seen_at_ms != 0) {
        taskq__task_release(task);
    }
}

uint32_t taskq__tasks_take(taskq_worker *worker, const taskq__list *jobs)
{
    uint32_t count = 0;
    for (uint32_t at = taskq__list_next(jobs, 0); at != 0; at = taskq__list_next(jobs, at)) {
        take_one(worker, taskq__json_span(&jobs->json, at));
        count++;
    }
    worker->dirty = worker->dirty || count > 0;
    return count;
}

taskq__task *taskq__tasks_first_waiting(taskq_worker *worker)
{
    taskq__task *task = worker->waiting == 0 ? NULL : worker->first;
    while (task != NULL && task->state != TASKQ__TASK_WAITING) {
        task = task->next;
    }
    return task;
}

uint32_t taskq__tasks_free_slots(const taskq_worker *worker)
{
    uint32_t taken = worker->slots_taken;
    /* Where reports are refused while claims go well, what is unreported must not grow without end. */
    if (atomic_load(&worker->reports_waiting) > TASKQ__CONCURRENCY_MAX + worker->concurrency) {
        return 0;
    }
    return taken < worker->concurrency ? worker->concurrency - taken : 0;
}

/* ---- running -------------------------------------------------------------------------------------------------------------------- */

static void leave_waiting(taskq__task *task)
{
    task->worker->waiting--;
    task->worker->slots_taken--;
}

void taskq__task_begin(taskq__task *task)
{
    task->state = TASKQ__TASK_RUNNING;
    task->started_at_ms = taskq__worker_now_ms(task->worker);
    task->worker->waiting--;
    atomic_fetch_add(&task->worker->running, 1);
    log_task(task, TASKQ_LOG_INFO, "job started", NULL, NULL, -1);
}

static void ended_later(void *owner, taskq_status status)
{
    taskq__task *task = owner;
    task->returned = status;
    taskq__pool_hand_back(&task->worker->pool, task);
}

void taskq__task_start(taskq__task *task)
{
    taskq__task_begin(task);
    task->worker->dirty = true; /* it may have ended already */
    taskq__run_lend(task->run, ended_later, task);
    task->handler->start(task->run, task->handler->user);
}

void taskq__task_stop(taskq__task *task, taskq_run_reason reason, int64_t now_ms)
{
    taskq__run_stop(task->run, reason);
    if (task->stop_at_ms == 0) {
        task->stop_at_ms = now_ms;
        task->worker->dirty = true;
    }
}

static void give_slot_away(taskq__task *task)
{
    task->let_go = true;
    task->worker->slots_taken--;
    task->worker->let_go++;
    task->worker->dirty = true;
    log_task(task, TASKQ_LOG_WARN, "a handler was told to stop and goes on: its slot is given to another thread", NULL,
             NULL, -1);
}

static void leave_running(taskq__task *task)
{
    atomic_fetch_sub(&task->worker->running, 1);
    *(task->let_go ? &task->worker->let_go : &task->worker->slots_taken) -= 1;
}

/* ---- ending ----------------------------------------------------------------------------------------------------------------------- */

static void write_head(taskq__task *task, const char *status)
{
    taskq__buf_rewind(&task->report);
    taskq__buf_add_format(&task->report, "{\"id\":%lld,\"version\":%lld,\"status\":\"%s\"", (long long)task->id,
                          (long long)task->version, status);
}

static void write_end(taskq__task *task, const taskq__run_end *end)
{
    taskq__buf *buf = &task->report;
    write_head(task, end->succeeded ? "succeeded" : "failed");
    if (end->succeeded && end->result.size > 0) {
        taskq__buf_add_string(buf, ",\"result\":");
        taskq__buf_add_text(buf, end->result);
    } else if (!end->succeeded) {
        taskq__buf_add_string(buf, ",\"error\":");
        taskq__wire_write_error(buf, end->code, end->message, (taskq_text){NULL, 0});
        taskq__buf_add_string(buf, end->no_retry ? ",\"retry\":false" : "");
        if (end->retry_in_ms >= 0 && !end->no_retry) {
            taskq__buf_add_format(buf, ",\"retry_in_ms\":%lld", (long long)end->retry_in_ms);
        }
    }
    taskq__buf_add_char(buf, '}');
}

/* A report that there is no memory for is replaced by one that fits into what was set aside when the job came: the attempt has failed,
 * and may be tried again. */
static void write_report(taskq__task *task, const taskq__run_end *end)
{
    write_end(task, end);
    if (task->report.failed) {
        taskq__run_end instead = {.code = TASKQ_TEXT("no-memory"),
                                  .message = TASKQ_TEXT("the worker had no memory for the report"),
                                  .retry_in_ms = -1};
        log_task(task, TASKQ_LOG_ERROR, "there is no memory for the report, the attempt is reported failed instead",
                 NULL, NULL, -1);
        task->succeeded = false;
        write_end(task, &instead);
    }
}

static void set_end(taskq__task *task, taskq__task_end end)
{
    task->state = TASKQ__TASK_ENDED;
    task->end = end;
    task->worker->dirty = true;
    atomic_fetch_add(&task->worker->reports_waiting, 1);
    if (taskq__run_has_news(task->run)) {
        task->beat_at_ms =
            taskq__worker_now_ms(task->worker); /* only heartbeats carry them, and after the report none is taken */
    }
}

void taskq__task_handed_back(taskq__task *task)
{
    taskq__run_end end;
    taskq_run_reason reason = taskq_run_should_stop(task->run);
    char code[TASKQ_ERROR_CODE_CHARS_MAX * 4 + 1];
    taskq__run_read_end(task->run, task->returned, &end);
    bool release = !end.succeeded && reason == TASKQ_RUN_STOPPING;
    bool lost = task->pointless || reason == TASKQ_RUN_LOST;
    snprintf(code, sizeof(code), "%.*s", (int)end.code.size, end.code.data == NULL ? "" : end.code.data);
    log_task(task, TASKQ_LOG_INFO,
             lost            ? "job ended without a lease"
             : release       ? "job stopped, it is given back"
             : end.succeeded ? "job succeeded"
                             : "job failed",
             end.succeeded ? NULL : "error", code, taskq__worker_now_ms(task->worker) - task->started_at_ms);
    leave_running(task);
    task->succeeded = end.succeeded;
    if (lost) {
        taskq__task_remove(task);
    } else if (task->end == TASKQ__END_RELEASE) {
        task->state = TASKQ__TASK_ENDED; /* it was given up before and its release is on the way */
    } else if (release) {
        set_end(task, TASKQ__END_RELEASE);
    } else {
        write_report(task, &end);
        set_end(task, TASKQ__END_REPORT);
    }
}

void taskq__task_release(taskq__task *task)
{
    if (task->state == TASKQ__TASK_WAITING) {
        leave_waiting(task);
        set_end(task, TASKQ__END_RELEASE);
    } else if (task->end == TASKQ__END_NONE) {
        task->end =
            TASKQ__END_RELEASE; /* its thread is still in the handler, and whatever that says now comes too late */
        task->beats_over = true;
        task->worker->dirty = true;
        atomic_fetch_add(&task->worker->reports_waiting, 1);
        log_task(task, TASKQ_LOG_WARN, "a handler was told to stop and goes on: its job is given back", NULL, NULL, -1);
    }
}

void taskq__task_refused(taskq__task *task, const char *why)
{
    char message[256];
    if (task->replaced) {
        log_task(task, TASKQ_LOG_ERROR, "the server refuses every report of this job, its lease will run out", "error",
                 why, -1);
        taskq__task_remove(task);
        return;
    }
    log_task(task, TASKQ_LOG_ERROR, "the report was refused, the job is reported failed instead", "error", why, -1);
    snprintf(message, sizeof(message), "the report was refused: %s", why);
    taskq__run_end end = {
        .code = taskq_text_of("report-refused"), .message = taskq_text_of(message), .no_retry = true, .retry_in_ms = -1};
    write_report(task, &end);
    task->replaced = true;
    task->succeeded = false;
    task->worker->dirty = true;
}

void taskq__task_lost(taskq__task *task)
{
    task->beats_over = true;
    /* Of a job that ran out of time the sweep often knows first: that is no loss, and it was said already. */
    bool late = taskq_run_should_stop(task->run) == TASKQ_RUN_TIMED_OUT;
    if (!task->pointless && late) {
        atomic_fetch_add(&task->worker->failed, 1);
    } else if (!task->pointless) {
        atomic_fetch_add(&task->worker->lost, 1);
        log_task(task, TASKQ_LOG_WARN, "the lease is lost: the job was given to somebody else or deleted", NULL, NULL,
                 -1);
    }
    task->pointless = true;
    if (task->state == TASKQ__TASK_RUNNING) {
        taskq__task_stop(task, TASKQ_RUN_LOST, taskq__worker_now_ms(task->worker));
        return;
    }
    if (task->state == TASKQ__TASK_WAITING) {
        leave_waiting(task);
    }
    taskq__task_remove(task);
}

void taskq__task_remove(taskq__task *task)
{
    taskq_worker *worker = task->worker;
    if (task->end != TASKQ__END_NONE) {
        atomic_fetch_sub(&worker->reports_waiting, 1);
        task->end = TASKQ__END_NONE;
    }
    if (task->state == TASKQ__TASK_RUNNING) {
        task->pointless = true; /* its thread still uses the run: it goes when it is handed back */
        task->beats_over = true;
        task->sending = false;
        return;
    }
    *(task->previous == NULL ? &worker->first : &task->previous->next) = task->next;
    *(task->next == NULL ? &worker->last : &task->next->previous) = task->previous;
    worker->dirty = true;
    if (task->release != NULL) {
        taskq__transport_cancel(worker->transport, task->release);
    }
    free_task(worker, task);
}

bool taskq__task_may_be_sent(const taskq__task *task, taskq__task_end end)
{
    return task->end == end && !task->sending && !task->beating && (task->beats_over || !taskq__run_has_news(task->run));
}

/* ---- time --------------------------------------------------------------------------------------------------------------------------- */

static void look_at(taskq__task *task, int64_t now_ms, int64_t *next_in_ms)
{
    const taskq_worker *worker = task->worker;
    bool stopping = worker->stop_seen_at_ms != 0;
    if (task->stop_at_ms == 0 && now_ms >= task->timeout_at_ms) {
        taskq__task_stop(task, TASKQ_RUN_TIMED_OUT, now_ms);
    } else if (task->stop_at_ms == 0 && stopping && now_ms >= worker->stop_deadline_ms) {
        taskq__task_stop(task, TASKQ_RUN_STOPPING, now_ms);
    }
    if (task->stop_at_ms == 0) {
        taskq__sooner(next_in_ms, task->timeout_at_ms - now_ms);
        if (stopping) {
            taskq__sooner(next_in_ms, worker->stop_deadline_ms - now_ms);
        }
        return;
    }
    int64_t since_ms = now_ms - task->stop_at_ms;
    if (!task->let_go && worker->let_go < worker->concurrency && !stopping) {
        if (since_ms >= TASKQ__LET_GO_AFTER_MS) {
            give_slot_away(task);
        } else {
            taskq__sooner(next_in_ms, TASKQ__LET_GO_AFTER_MS - since_ms);
        }
    }
    if (stopping && now_ms >= worker->stop_deadline_ms && task->end == TASKQ__END_NONE && !task->pointless) {
        if (since_ms >= TASKQ__RELEASE_AFTER_MS) {
            taskq__task_release(task);
        } else {
            taskq__sooner(next_in_ms, TASKQ__RELEASE_AFTER_MS - since_ms);
        }
    } else if (stopping) {
        taskq__sooner(next_in_ms, TASKQ__RELEASE_AFTER_MS);
    }
}

void taskq__tasks_look_at_time(taskq_worker *worker, int64_t now_ms, int64_t *next_in_ms)
{
    for (taskq__task *task = worker->first; task != NULL; task = task->next) {
        if (task->state == TASKQ__TASK_RUNNING) {
            look_at(task, now_ms, next_in_ms);
        }
    }
}

bool taskq__tasks_are_over(const taskq_worker *worker, int64_t now_ms)
{
    for (const taskq__task *task = worker->first; task != NULL; task = task->next) {
        bool given_up = task->state == TASKQ__TASK_RUNNING && task->pointless &&
                        now_ms - task->stop_at_ms >= TASKQ__RELEASE_AFTER_MS;
        if (!given_up) {
            return false;
        }
    }
    return true;
}
