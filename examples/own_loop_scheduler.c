/* SPDX-License-Identifier: MIT */
/* The scheduler in a loop of your own, with no thread but yours and no HTTP: what is due is worked off by taskq_scheduler_sweep, which says when to
 * come again, and a descriptor says when that has become earlier. The same loop claims and executes the jobs.
 * own_loop_scheduler jobs.db   So that it ends, it enqueues a job that is due in 300 ms, and stops after it. */
#include <poll.h>
#include <stdio.h>

#include <taskq/scheduler.h>
#include <taskq/sqlite.h>

static taskq_status enqueue(taskq_scheduler *scheduler, taskq_error *err)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    job.type = TASKQ_TEXT("greet");
    job.has_delay = true;
    job.delay_ms = 300;
    const taskq_new_job *jobs[] = {&job};
    taskq_jobs *made = NULL;
    taskq_status status = taskq_scheduler_enqueue(scheduler, jobs, 1, NULL, &made, NULL, err);
    taskq_jobs_free(made);
    return status;
}

/* Executes what is ready; how many that were. */
static taskq_status work(taskq_scheduler *scheduler, uint32_t *done, taskq_error *err)
{
    taskq_jobs *jobs = NULL;
    taskq_claim_options claim = TASKQ_CLAIM_OPTIONS_INIT; /* without a wait */
    taskq_status status = taskq_scheduler_claim(scheduler, &claim, &jobs, err);
    *done = status == TASKQ_OK ? taskq_jobs_count(jobs) : 0;
    if (*done > 0) {
        const taskq_job *job = taskq_jobs_at(jobs, 0);
        taskq_report report = TASKQ_REPORT_INIT;
        taskq_report *reports[] = {&report};
        printf("job %lld is done\n", (long long)job->id);
        report.id = job->id;
        report.version = job->version;
        report.succeeded = true;
        status = taskq_scheduler_complete(scheduler, reports, 1, false, false, NULL, NULL, NULL, err);
    }
    taskq_jobs_free(jobs);
    return status;
}

int main(int argc, char **argv)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_store *store = NULL;
    taskq_scheduler *scheduler = NULL;
    uint32_t done = 0;

    taskq_sqlite_options file = TASKQ_SQLITE_OPTIONS_INIT;
    file.path = argc > 1 ? argv[1] : ":memory:";
    taskq_status status = taskq_sqlite_open(&file, &store, &err);
    taskq_scheduler_options options = TASKQ_SCHEDULER_OPTIONS_INIT;
    options.store = store;
    status = status != TASKQ_OK ? status : taskq_scheduler_open(&options, &scheduler, &err);

    struct pollfd due = {.fd = scheduler != NULL ? taskq_scheduler_fd(scheduler) : -1, .events = POLLIN};
    status = status != TASKQ_OK ? status : enqueue(scheduler, &err);
    while (status == TASKQ_OK && done == 0) {
        taskq_sweep_report swept = {0};
        status = taskq_scheduler_sweep(scheduler, &swept, &err); /* leases, time-outs, due jobs, retention */
        status = status != TASKQ_OK ? status : work(scheduler, &done, &err);
        if (status == TASKQ_OK && done == 0) {
            poll(&due, 1, (int)swept.next_due_in_ms);
        }
    }
    if (status != TASKQ_OK) {
        fprintf(stderr, "own_loop_scheduler: %s\n", err.text);
    }
    taskq_scheduler_close(scheduler);
    taskq_store_close(store);
    return status == TASKQ_OK ? 0 : 1;
}
