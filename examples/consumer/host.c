/* SPDX-License-Identifier: MIT */
/*
 * A program outside of taskq's tree, which knows of it what pkg-config tells: it opens a scheduler in its own process, enqueues a job, takes
 * and reports it. The two build files beside it, for meson and for CMake, are all that such a program needs.
 */
#include <stdio.h>
#include <taskq/scheduler.h>
#include <taskq/sqlite.h>
#include <taskq/version.h>

static taskq_status run_one_job(taskq_scheduler *scheduler, taskq_error *err)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    const taskq_new_job *jobs[] = {&job};
    taskq_claim_options claim = TASKQ_CLAIM_OPTIONS_INIT;
    taskq_report report = TASKQ_REPORT_INIT;
    taskq_report *reports[] = {&report};
    taskq_jobs *claimed = NULL;
    job.type = TASKQ_TEXT("greet");
    claim.worker = TASKQ_TEXT("host");
    taskq_status status = taskq_scheduler_enqueue(scheduler, jobs, 1, NULL, NULL, NULL, err);
    if (status == TASKQ_OK) {
        status = taskq_scheduler_claim(scheduler, &claim, &claimed, err);
    }
    if (status == TASKQ_OK && taskq_jobs_count(claimed) == 1) {
        report.id = taskq_jobs_at(claimed, 0)->id;
        report.version = taskq_jobs_at(claimed, 0)->version;
        report.succeeded = true;
        report.result = TASKQ_TEXT("\"hello\"");
        status = taskq_scheduler_complete(scheduler, reports, 1, false, false, NULL, NULL, NULL, err);
    }
    if (status == TASKQ_OK) {
        printf("job %lld is %s\n", (long long)report.id, taskq_state_name(report.state));
    }
    taskq_jobs_free(claimed);
    return status;
}

int main(void)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_store *store = NULL;
    taskq_scheduler *scheduler = NULL;
    taskq_sqlite_options file = TASKQ_SQLITE_OPTIONS_INIT;
    taskq_scheduler_options options = TASKQ_SCHEDULER_OPTIONS_INIT;
    file.path = ":memory:";
    taskq_status status = taskq_sqlite_open(&file, &store, &err);
    if (status == TASKQ_OK) {
        options.store = store;
        status = taskq_scheduler_open(&options, &scheduler, &err);
    }
    if (status == TASKQ_OK) {
        status = run_one_job(scheduler, &err);
    }
    taskq_scheduler_close(scheduler);
    taskq_store_close(store);
    if (status != TASKQ_OK) {
        fprintf(stderr, "host: %s\n", err.text);
    }
    return status == TASKQ_OK ? 0 : 1;
}
