/* SPDX-License-Identifier: MIT */
/*
 * A program outside the tree: built with nothing but pkg-config taskq-scheduler, by check_install.py. It keeps a job in a store of its
 * own, claims it, reports it, and serves the HTTP API on a port that it picks.
 */
#include <stdio.h>
#include <string.h>
#include <taskq/scheduler.h>
#include <taskq/server.h>
#include <taskq/sqlite.h>
#include <taskq/version.h>

static taskq_status live_once(taskq_scheduler *scheduler, taskq_error *err)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    const taskq_new_job *jobs[] = {&job};
    taskq_jobs *made = NULL, *claimed = NULL;
    taskq_claim_options claim = TASKQ_CLAIM_OPTIONS_INIT;
    taskq_report report = TASKQ_REPORT_INIT;
    taskq_report *reports[] = {&report};
    job.type = TASKQ_TEXT("greet");
    taskq_status status = taskq_scheduler_enqueue(scheduler, jobs, 1, NULL, &made, NULL, err);
    if (status == TASKQ_OK) {
        status = taskq_scheduler_claim(scheduler, &claim, &claimed, err);
    }
    if (status == TASKQ_OK && taskq_jobs_count(claimed) == 1) {
        report.id = taskq_jobs_at(claimed, 0)->id;
        report.version = taskq_jobs_at(claimed, 0)->version;
        report.succeeded = true;
        report.result = TASKQ_TEXT("{\"greeted\": true}");
        status = taskq_scheduler_complete(scheduler, reports, 1, false, false, NULL, NULL, NULL, err);
        printf("job %s\n", status == TASKQ_OK ? taskq_state_name(report.state) : "lost");
    }
    taskq_jobs_free(made);
    taskq_jobs_free(claimed);
    return status;
}

int main(void)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_store *store = NULL;
    taskq_scheduler *scheduler = NULL;
    taskq_server *server = NULL;
    taskq_sqlite_options sqlite = TASKQ_SQLITE_OPTIONS_INIT;
    taskq_scheduler_options options = TASKQ_SCHEDULER_OPTIONS_INIT;
    taskq_server_options serving = TASKQ_SERVER_OPTIONS_INIT;
    const char *listen = "127.0.0.1:0";
    if (strcmp(taskq_version_string(), TASKQ_VERSION) != 0) {
        fprintf(stderr, "headers %s, library %s\n", TASKQ_VERSION, taskq_version_string());
        return 1;
    }
    printf("taskq-scheduler %s\n", taskq_version_string());
    sqlite.path = ":memory:";
    taskq_status status = taskq_sqlite_open(&sqlite, &store, &err);
    if (status == TASKQ_OK) {
        options.store = store;
        status = taskq_scheduler_open(&options, &scheduler, &err);
    }
    if (status == TASKQ_OK) {
        status = live_once(scheduler, &err);
    }
    if (status == TASKQ_OK) {
        serving.scheduler = scheduler;
        serving.listens = &listen;
        serving.listen_count = 1;
        status = taskq_server_start(&serving, &server, &err);
        printf("serves %s\n", status == TASKQ_OK ? taskq_server_url(server, 0) : "nothing");
    }
    taskq_server_stop(server);
    taskq_scheduler_close(scheduler);
    taskq_store_close(store);
    if (status != TASKQ_OK) {
        fprintf(stderr, "%s: %s\n", taskq_status_name(status), err.text);
    }
    return status == TASKQ_OK ? 0 : 1;
}
