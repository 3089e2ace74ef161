/* SPDX-License-Identifier: MIT */
/*
 * Telling the server how jobs ended. An end is kept until the server has taken it or says that it is nobody's business any more: reports in one
 * request for all that are ready, which asks for the next jobs as well where there are slots, and releases one by one. A request that is
 * refused whole is halved until the report at fault stands alone.
 */
#include "worker/core.h"

#include <stdio.h>

enum { BODY_BYTES_MAX = 64 << 20, RETRY_MS = 250 };

/* ---- releases ------------------------------------------------------------------------------------------------------------------ */

static void release_done(void *user, const taskq__answer *answer)
{
    taskq__task *task = user;
    taskq_worker *worker = task->worker;
    char why[256];
    task->release = NULL;
    task->sending = false;
    worker->reporter.releasing--;
    worker->dirty = true;
    if (answer->class == TASKQ__HTTP_OK && (answer->status == 404 || answer->status == 409)) {
        taskq__servers_answered(&worker->servers, task->server);
        taskq__task_remove(task); /* it is not ours any more */
        return;
    }
    taskq__verdict verdict = taskq__worker_judge(worker, task->server, answer);
    if (verdict == TASKQ__AGAIN) {
        atomic_fetch_add(&worker->report_retries, 1);
        return;
    }
    if (verdict == TASKQ__ANSWERED) {
        atomic_fetch_add(&worker->released, 1);
    } else {
        taskq__worker_problem(worker, answer, why, sizeof(why));
        taskq__log_format(&worker->log, TASKQ_LOG_ERROR, "worker",
                          "job %lld cannot be given back, its lease will run out: %s", (long long)task->id, why);
    }
    taskq__task_remove(task);
}

static bool send_release(taskq_worker *worker, taskq__task *task, int64_t *next_in_ms)
{
    char path[64];
    taskq__buf body;
    if (!taskq__worker_pick(worker, &task->server, next_in_ms)) {
        return false;
    }
    snprintf(path, sizeof(path), "/jobs/%lld/release", (long long)task->id);
    taskq__buf_init(&body, &worker->allocator, sizeof(path));
    taskq__buf_add_format(&body, "{\"version\":%lld}", (long long)task->version);
    task->release = taskq__worker_post(worker, task->server, path, &body, TASKQ__REQUEST_TIMEOUT_MS, release_done, task);
    taskq__buf_clear(&body);
    if (task->release == NULL) {
        taskq__sooner(next_in_ms, RETRY_MS);
        return false;
    }
    task->sending = true;
    worker->reporter.releasing++;
    return true;
}

static void send_releases(taskq_worker *worker, int64_t *next_in_ms)
{
    for (taskq__task *task = worker->first; task != NULL; task = task->next) {
        if (worker->reporter.releasing >= TASKQ__RELEASES_AT_ONCE) {
            return;
        }
        if (taskq__task_may_be_sent(task, TASKQ__END_RELEASE) && !send_release(worker, task, next_in_ms)) {
            return;
        }
    }
}

/* ---- reports -------------------------------------------------------------------------------------------------------------------- */

/* False: there is no word about it, it is sent again. */
static bool settle(taskq__task *task, int64_t status)
{
    taskq_worker *worker = task->worker;
    task->sending = false;
    if (status == 200) {
        atomic_fetch_add(task->succeeded ? &worker->succeeded : &worker->failed, 1);
        taskq__task_remove(task);
    } else if (status == 404 || status == 409) {
        taskq__task_lost(task);
    } else if (status >= 400 && status < 500 && status != 408 && status != 429) {
        char why[64];
        snprintf(why, sizeof(why), "the server answered %lld for it", (long long)status);
        taskq__task_refused(task, why);
    } else {
        atomic_fetch_add(&worker->report_retries, 1);
        return false;
    }
    return true;
}

/* The results stand in the order of the reports; a task goes while its result is read. */
static void settle_all(taskq_worker *worker, const taskq__list *results)
{
    uint32_t element = 0;
    bool complete = true;
    for (taskq__task *task = worker->first, *next; task != NULL; task = next) {
        next = task->next;
        if (task->sending && task->release == NULL) {
            uint32_t found = taskq__list_find(results, element, task->id);
            element = found != 0 ? found : element;
            complete = settle(task, found == 0 ? -1 : taskq__list_int(results, found, "status")) && complete;
        }
    }
    if (!complete) {
        taskq__worker_misread(worker, worker->reporter.server, "the answer to reports leaves some of them out");
    }
}

/* Nothing of it was taken; `only` (may be NULL) gets the last task that was in it. */
static void take_back(taskq_worker *worker, taskq__task **only)
{
    for (taskq__task *task = worker->first; task != NULL; task = task->next) {
        if (task->sending && task->release == NULL) {
            task->sending = false;
            if (only != NULL) {
                *only = task;
            }
        }
    }
}

static void read_answer(taskq_worker *worker, const taskq__answer *answer)
{
    taskq__reporter *reporter = &worker->reporter;
    taskq__list results, jobs = {0};
    bool fine =
        taskq__list_open(&results, &worker->allocator, answer->body, "results") && results.count == reporter->sent;
    if (fine && reporter->with_next) {
        fine = taskq__list_open(&jobs, &worker->allocator, answer->body, "jobs");
    }
    if (fine) {
        settle_all(worker, &results);
        reporter->count_max = reporter->count_max * 2 < TASKQ_REPORTS_MAX ? reporter->count_max * 2 : TASKQ_REPORTS_MAX;
        reporter->without_next = false;
        if (reporter->with_next) {
            taskq__tasks_take(worker, &jobs);
            worker->claim.not_before_ms = 0;
            taskq__claim_answered(worker);
        }
    } else {
        taskq__worker_misread(worker, reporter->server, "the answer to reports is no list of results");
        take_back(worker, NULL);
        if (reporter->with_next) {
            taskq__claim_failed(worker, true);
        }
    }
    taskq__list_close(&jobs);
    taskq__list_close(&results);
}

static void reports_done(void *user, const taskq__answer *answer)
{
    taskq_worker *worker = user;
    taskq__reporter *reporter = &worker->reporter;
    char why[256];
    reporter->exchange = NULL;
    worker->dirty = true;
    taskq__verdict verdict = taskq__worker_judge(worker, reporter->server, answer);
    if (verdict == TASKQ__ANSWERED) {
        read_answer(worker, answer);
        return;
    }
    taskq__task *only = NULL;
    take_back(worker, &only);
    if (reporter->with_next) {
        taskq__claim_failed(worker, taskq__answer_leaves_open(answer));
    }
    if (verdict == TASKQ__AGAIN) {
        atomic_fetch_add(&worker->report_retries, reporter->sent);
    } else if (verdict == TASKQ__BAD_REQUEST && reporter->with_next) {
        reporter->without_next = true; /* it may be the claim that is at fault: the reports alone will tell */
    } else if (reporter->sent > 1) {
        reporter->count_max = reporter->sent / 2;
    } else if (only != NULL) {
        taskq__worker_problem(worker, answer, why, sizeof(why));
        taskq__task_refused(only, why);
    }
}

static uint32_t gather(taskq_worker *worker, taskq__buf *body)
{
    uint32_t count = 0;
    for (taskq__task *task = worker->first; task != NULL && count < worker->reporter.count_max; task = task->next) {
        if (!taskq__task_may_be_sent(task, TASKQ__END_REPORT)) {
            continue;
        }
        if (count > 0 && body->size + task->report.size > TASKQ__REPORT_BODY_BYTES_MAX) {
            break;
        }
        taskq__buf_add_string(body, count == 0 ? "" : ",");
        taskq__buf_add_text(body, taskq__buf_text(&task->report));
        task->sending = true;
        count++;
    }
    return count;
}

static bool has_ready(const taskq_worker *worker)
{
    if (atomic_load(&worker->reports_waiting) == 0) {
        return false;
    }
    for (const taskq__task *task = worker->first; task != NULL; task = task->next) {
        if (taskq__task_may_be_sent(task, TASKQ__END_REPORT)) {
            return true;
        }
    }
    return false;
}

void taskq__reporter_advance(taskq_worker *worker, bool with_next, int64_t *next_in_ms)
{
    taskq__reporter *reporter = &worker->reporter;
    send_releases(worker, next_in_ms);
    if (reporter->exchange != NULL || !has_ready(worker) || !taskq__worker_pick(worker, &reporter->server, next_in_ms)) {
        return;
    }
    taskq__buf body;
    taskq__buf_init(&body, &worker->allocator, BODY_BYTES_MAX);
    taskq__buf_add_string(&body, "{\"completions\":[");
    reporter->sent = gather(worker, &body);
    taskq__buf_add_char(&body, ']');
    uint32_t limit = with_next ? taskq__tasks_free_slots(worker) : 0;
    limit = limit < worker->ask_limit ? limit : worker->ask_limit;
    reporter->with_next = limit > 0 && !worker->claim.in_flight && !reporter->without_next;
    if (reporter->with_next) {
        taskq__buf_add_string(&body, ",\"next\":");
        taskq__claim_write(worker, &body, limit, 0);
    }
    taskq__buf_add_char(&body, '}');
    reporter->exchange = taskq__worker_post(worker, reporter->server, "/jobs/complete", &body,
                                            TASKQ__REQUEST_TIMEOUT_MS, reports_done, worker);
    taskq__buf_clear(&body);
    if (reporter->exchange == NULL) {
        take_back(worker, NULL);
        if (reporter->with_next) {
            taskq__claim_failed(worker, false);
        }
        taskq__sooner(next_in_ms, RETRY_MS);
    }
}
