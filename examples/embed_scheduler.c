/* SPDX-License-Identifier: MIT */
/* The scheduler half alone: a durable queue in a program of yours, on one SQLite file, without HTTP and without a thread.
 * Takes the file's path; without one it works in memory. */
#include <stdio.h>

#include <taskq/scheduler.h>
#include <taskq/sqlite.h>

int main(int argc, char **argv)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_store *store = NULL;
    taskq_scheduler *scheduler = NULL;
    taskq_jobs *made = NULL, *claimed = NULL;

    taskq_sqlite_options file = TASKQ_SQLITE_OPTIONS_INIT;
    file.path = argc > 1 ? argv[1] : ":memory:";
    bool good = taskq_sqlite_open(&file, &store, &err) == TASKQ_OK;
    taskq_scheduler_options options = TASKQ_SCHEDULER_OPTIONS_INIT;
    options.store = store;
    good = good && taskq_scheduler_open(&options, &scheduler, &err) == TASKQ_OK;

    /* A producer: once this is OK, the job is on disk. */
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    job.type = TASKQ_TEXT("greet");
    job.payload = TASKQ_TEXT("{\"name\": \"world\"}");
    const taskq_new_job *jobs[] = {&job};
    good = good && taskq_scheduler_enqueue(scheduler, jobs, 1, NULL, &made, NULL, &err) == TASKQ_OK;

    /* A worker: a lease on one job, then a report with the version that the lease came with. */
    taskq_claim_options claim = TASKQ_CLAIM_OPTIONS_INIT;
    good = good && taskq_scheduler_claim(scheduler, &claim, &claimed, &err) == TASKQ_OK;
    for (uint32_t i = 0; good && i < taskq_jobs_count(claimed); i++) {
        const taskq_job *mine = taskq_jobs_at(claimed, i);
        printf("job %lld: %.*s\n", (long long)mine->id, (int)mine->payload.size, mine->payload.data);
        taskq_report report = TASKQ_REPORT_INIT, *reports[] = {&report};
        report.id = mine->id;
        report.version = mine->version;
        report.succeeded = true;
        good = taskq_scheduler_complete(scheduler, reports, 1, false, false, NULL, NULL, NULL, &err) == TASKQ_OK;
        printf("job %lld: %s\n", (long long)report.id, taskq_state_name(report.state));
    }

    /* In your own loop: lost leases, time-outs, due jobs. Or taskq_scheduler_start, which makes a thread for it. */
    good = good && taskq_scheduler_sweep(scheduler, NULL, &err) == TASKQ_OK;
    if (!good) {
        fprintf(stderr, "embed_scheduler: %s\n", err.text);
    }
    taskq_jobs_free(claimed);
    taskq_jobs_free(made);
    taskq_scheduler_close(scheduler);
    taskq_store_close(store);
    return good ? 0 : 1;
}
