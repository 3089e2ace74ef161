/* SPDX-License-Identifier: MIT */
/*
 * Builds the large stores that the bench measures against, through the scheduler's own calls, so that they are what a server would have
 * left: jobs of all states in the queue that is measured and ready ones elsewhere, or ready jobs of a type that nobody asks for.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef TASKQ_WITH_POSTGRES
#include <taskq/postgres.h>
#endif
#include <taskq/scheduler.h>
#include <taskq/sqlite.h>

enum { LIST_JOBS = 1000, CLAIM_JOBS = 100, OTHER_QUEUES = 8, DAY_MS = 86400000 };

typedef struct prefill {
    taskq_scheduler *scheduler;
    taskq_error err;
    char payload[201];
} prefill;

/* `count` jobs like this one. */
static bool enqueue(prefill *self, taskq_new_job job, uint64_t count)
{
    const taskq_new_job *list[LIST_JOBS];
    taskq_enqueue_options options = TASKQ_ENQUEUE_OPTIONS_INIT;
    options.json_checked = true;
    job.payload = taskq_text_of(self->payload);
    for (uint32_t i = 0; i < LIST_JOBS; i++) {
        list[i] = &job;
    }
    while (count > 0) {
        uint32_t now = count < LIST_JOBS ? (uint32_t)count : LIST_JOBS;
        taskq_jobs *made = NULL;
        if (taskq_scheduler_enqueue(self->scheduler, list, now, &options, &made, NULL, &self->err) != TASKQ_OK) {
            return false;
        }
        taskq_jobs_free(made);
        count -= now;
    }
    return true;
}

/* Claim and report until nothing is ready in the queue. */
static bool work_off(prefill *self, taskq_text queue, bool succeeded)
{
    taskq_report reports[CLAIM_JOBS], *list[CLAIM_JOBS];
    taskq_claim_options next = TASKQ_CLAIM_OPTIONS_INIT;
    next.queues = &queue;
    next.queue_count = 1;
    next.limit = CLAIM_JOBS;
    next.worker = TASKQ_TEXT("prefill");
    uint32_t held = 0;
    do {
        taskq_jobs *claimed = NULL;
        if (taskq_scheduler_complete(self->scheduler, list, held, true, false, &next, NULL, &claimed, &self->err) !=
            TASKQ_OK) {
            return false;
        }
        held = taskq_jobs_count(claimed);
        for (uint32_t i = 0; i < held; i++) {
            const taskq_job *job = taskq_jobs_at(claimed, i);
            reports[i] = (taskq_report)TASKQ_REPORT_INIT;
            reports[i].id = job->id;
            reports[i].version = job->version;
            reports[i].succeeded = succeeded;
            reports[i].no_retry = !succeeded;
            if (succeeded) {
                reports[i].result = TASKQ_TEXT("{\"ok\":true}");
            } else {
                reports[i].error = TASKQ_TEXT("{\"code\":\"refused\",\"message\":\"for the bench\"}");
            }
            list[i] = &reports[i];
        }
        taskq_jobs_free(claimed);
    } while (held > 0);
    return true;
}

static bool cancel_all(prefill *self, taskq_text batch)
{
    taskq_filter filter = TASKQ_FILTER_INIT;
    filter.batch = batch;
    bool more = true;
    while (more) {
        uint32_t affected;
        if (taskq_scheduler_bulk(self->scheduler, TASKQ_BULK_CANCEL, NULL, 0, &filter, &affected, &more, &self->err) !=
            TASKQ_OK) {
            return false;
        }
    }
    return true;
}

static bool fill_mixed(prefill *self, uint64_t count)
{
    taskq_text queue = TASKQ_TEXT("bench");
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    job.queue = queue;
    job.type = TASKQ_TEXT("work");
    uint64_t fourth = count / 4, tenth = count / 10;
    if (!enqueue(self, job, fourth) || !work_off(self, queue, true) || !enqueue(self, job, tenth) ||
        !work_off(self, queue, false)) {
        return false;
    }
    job.batch = TASKQ_TEXT("to-cancel");
    if (!enqueue(self, job, tenth) || !cancel_all(self, job.batch)) {
        return false;
    }
    job.batch = (taskq_text){NULL, 0};
    job.has_delay = true;
    job.delay_ms = (int64_t)30 * DAY_MS;
    if (!enqueue(self, job, fourth)) {
        return false;
    }
    job.has_delay = false;
    uint64_t left = count - 2 * fourth - 2 * tenth;
    for (uint64_t i = 0; i < OTHER_QUEUES; i++) {
        char name[32];
        snprintf(name, sizeof(name), "elsewhere-%" PRIu64, i);
        job.queue = taskq_text_of(name);
        job.priority = (int32_t)i;
        if (!enqueue(self, job, left / OTHER_QUEUES + (i < left % OTHER_QUEUES))) {
            return false;
        }
    }
    return true;
}

static bool fill_other_type(prefill *self, uint64_t count)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    job.queue = TASKQ_TEXT("bench");
    job.type = TASKQ_TEXT("not-asked-for");
    return enqueue(self, job, count);
}

static taskq_status open_store(const char *database, taskq_store **out, taskq_error *err)
{
#ifdef TASKQ_WITH_POSTGRES
    if (strncmp(database, "postgresql://", 13) == 0) {
        taskq_postgres_options options = TASKQ_POSTGRES_OPTIONS_INIT;
        options.conninfo = database;
        return taskq_postgres_open(&options, out, err);
    }
#endif
    taskq_sqlite_options options = TASKQ_SQLITE_OPTIONS_INIT;
    options.path = database;
    options.durability = TASKQ_DURABILITY_RELAXED; /* the server that measures opens it with full */
    return taskq_sqlite_open(&options, out, err);
}

int main(int argc, char **argv)
{
    bool mixed = argc == 4 && strcmp(argv[2], "mixed") == 0;
    if (!mixed && (argc != 4 || strcmp(argv[2], "other-type") != 0)) {
        fputs("prefill FILE|postgresql://... mixed|other-type COUNT\n", stderr);
        return 2;
    }
    prefill self = {.err = TASKQ_ERROR_INIT};
    memset(self.payload, 'x', sizeof(self.payload) - 1);
    self.payload[0] = self.payload[sizeof(self.payload) - 2] = '"';
    taskq_store *store = NULL;
    bool good = open_store(argv[1], &store, &self.err) == TASKQ_OK;
    if (good) {
        taskq_scheduler_options options = TASKQ_SCHEDULER_OPTIONS_INIT;
        options.store = store;
        good = taskq_scheduler_open(&options, &self.scheduler, &self.err) == TASKQ_OK;
    }
    uint64_t count = good ? strtoull(argv[3], NULL, 10) : 0;
    good = good && (mixed ? fill_mixed(&self, count) : fill_other_type(&self, count));
    if (!good) {
        fprintf(stderr, "prefill: %s\n", self.err.text);
    }
    taskq_scheduler_close(self.scheduler);
    taskq_store_close(store);
    return good ? 0 : 1;
}
