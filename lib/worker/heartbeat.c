/* SPDX-License-Identifier: MIT */
/*
 * Keeping leases. All heartbeats that are due travel in one request, with the progress and the log that the handlers have said since; what
 * a request carried is forgotten only when the server has it. The answers are how a worker learns that a job was canceled or lost.
 */
#include "worker/core.h"

#include <stdio.h>

enum { TOGETHER_MS = 100, RETRY_MS = 250, PATIENCE_MS_MIN = 1000 };

static bool is_due(const taskq__task *task, int64_t now_ms)
{
    return !task->beats_over && !task->sending && task->beat_at_ms <= now_ms;
}

/* A server that accepts and does not answer must not use up the lease while another one would: after a third of the shortest that
 * travels in the request, which is when it was due, the next server is asked. */
static int64_t patience_ms(const taskq_worker *worker)
{
    int64_t ms = TASKQ__REQUEST_TIMEOUT_MS;
    for (const taskq__task *task = worker->first; task != NULL; task = task->next) {
        if (task->beating && taskq_run_job(task->run)->lease_ms / 3 < ms) {
            ms = taskq_run_job(task->run)->lease_ms / 3;
        }
    }
    return ms < PATIENCE_MS_MIN ? PATIENCE_MS_MIN : ms;
}

static void write_beat(taskq__buf *buf, const taskq__task *task, bool first)
{
    taskq__buf_add_format(buf, "%s{\"id\":%lld,\"version\":%lld", first ? "" : ",", (long long)task->id,
                          (long long)task->version);
    taskq__run_write_news(task->run, buf);
    taskq__buf_add_char(buf, '}');
}

static void read_one(taskq__task *task, const taskq__list *results, uint32_t element, int64_t now_ms)
{
    int64_t status = element == 0 ? -1 : taskq__list_int(results, element, "status");
    taskq__run_news_sent(task->run, status >= 0);
    if (status < 0) {
        task->beat_at_ms = now_ms + RETRY_MS;
        return;
    }
    /* What was said while this heartbeat was under way, before the handler returned: the report waits for it. */
    bool more = task->state == TASKQ__TASK_ENDED && taskq__run_has_news(task->run);
    task->beat_at_ms = more ? now_ms : now_ms + task->beat_every_ms;
    if (status == 404 || status == 409) {
        /* Of an ended one the report may have arrived though its answer did not: the answer to its repetition tells. */
        task->beats_over = true;
        if (task->state != TASKQ__TASK_ENDED) {
            taskq__task_lost(task);
        }
        return;
    }
    if (status != 200) {
        taskq__log_format(&task->worker->log, TASKQ_LOG_WARN, "worker", "job %lld: a heartbeat was refused with %lld",
                          (long long)task->id, (long long)status);
    } else if (taskq__list_flag(results, element, "cancel_requested") && task->state != TASKQ__TASK_ENDED) {
        taskq__task_stop(task, TASKQ_RUN_CANCELED, now_ms);
    }
    if (status == 200) {
        bool quiet = taskq__list_flag(results, element, "quiet");
        if (quiet != task->worker->quiet) {
            taskq__log_format(&task->worker->log, TASKQ_LOG_INFO, "worker",
                              quiet ? "this worker was made quiet: it finishes what it has and is given nothing more"
                                    : "this worker is active again");
        }
        task->worker->quiet = quiet;
    }
}

/* The results stand in the order of the heartbeats; a task may go while its result is read. */
static void read_results(taskq_worker *worker, const taskq__list *results, int64_t now_ms)
{
    uint32_t element = 0;
    for (taskq__task *task = worker->first, *next; task != NULL; task = next) {
        next = task->next;
        if (task->beating) {
            task->beating = false;
            uint32_t found = taskq__list_find(results, element, task->id);
            element = found != 0 ? found : element;
            read_one(task, results, found, now_ms);
        }
    }
}

/* Nothing of it arrived. `dropped`: what the handlers said is at fault, it is not sent again. */
static void take_back(taskq_worker *worker, int64_t beat_at_ms, bool dropped)
{
    for (taskq__task *task = worker->first; task != NULL; task = task->next) {
        if (task->beating) {
            task->beating = false;
            task->beat_at_ms = beat_at_ms;
            taskq__run_news_sent(task->run, dropped);
        }
    }
}

static void beats_done(void *user, const taskq__answer *answer)
{
    taskq_worker *worker = user;
    taskq__heart *heart = &worker->heart;
    int64_t now_ms = taskq__worker_now_ms(worker);
    char why[256];
    heart->exchange = NULL;
    worker->dirty = true;
    taskq__verdict verdict = taskq__worker_judge(worker, heart->server, answer);
    if (verdict == TASKQ__ANSWERED) {
        taskq__list results;
        if (taskq__list_open(&results, &worker->allocator, answer->body, "results") && results.count == heart->sent) {
            read_results(worker, &results, now_ms);
            heart->count_max = heart->count_max * 2 < TASKQ_REPORTS_MAX ? heart->count_max * 2 : TASKQ_REPORTS_MAX;
        } else {
            taskq__worker_misread(worker, heart->server, "the answer to heartbeats is no list of results");
            take_back(worker, now_ms, false);
        }
        taskq__list_close(&results);
    } else if (verdict == TASKQ__AGAIN) {
        take_back(worker, now_ms, false);
    } else if (heart->sent > 1) {
        heart->count_max = heart->sent / 2; /* to find the one that is at fault */
        take_back(worker, now_ms, false);
    } else {
        taskq__worker_problem(worker, answer, why, sizeof(why));
        taskq__log_format(&worker->log, TASKQ_LOG_WARN, "worker",
                          "a heartbeat's progress and log were refused and are dropped: %s", why);
        take_back(worker, now_ms + RETRY_MS, true);
    }
}

void taskq__heart_advance(taskq_worker *worker, int64_t now_ms, int64_t *next_in_ms)
{
    taskq__heart *heart = &worker->heart;
    if (heart->exchange != NULL) {
        return;
    }
    bool due = false;
    for (const taskq__task *task = worker->first; task != NULL && !due; task = task->next) {
        due = is_due(task, now_ms);
        if (!due && !task->beats_over && !task->sending) {
            taskq__sooner(next_in_ms, task->beat_at_ms - now_ms);
        }
    }
    if (!due || !taskq__worker_pick(worker, &heart->server, next_in_ms)) {
        return;
    }
    taskq__buf body;
    taskq__buf_init(&body, &worker->allocator, TASKQ__REPLY_BYTES_MAX);
    taskq__buf_add_string(&body, "{\"heartbeats\":[");
    heart->sent = 0;
    for (taskq__task *task = worker->first; task != NULL; task = task->next) {
        if (heart->sent >= heart->count_max || body.size >= TASKQ__REPORT_BODY_BYTES_MAX) {
            break;
        }
        if (is_due(task, now_ms + TOGETHER_MS)) {
            write_beat(&body, task, heart->sent == 0);
            task->beating = true;
            heart->sent++;
        }
    }
    taskq__buf_add_string(&body, "]}");
    heart->exchange =
        taskq__worker_post(worker, heart->server, "/jobs/heartbeat", &body, patience_ms(worker), beats_done, worker);
    taskq__buf_clear(&body);
    if (heart->exchange == NULL) {
        take_back(worker, now_ms + RETRY_MS, false);
        taskq__sooner(next_in_ms, RETRY_MS);
    }
}
