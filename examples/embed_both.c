/* SPDX-License-Identifier: MIT */
/* Both halves in one program: a store, its scheduler, the HTTP API on a free port, and a worker that asks that API. Other workers and
 * producers may join in from other machines. Takes the path of an SQLite file; without one it works in memory. */
#include <stdio.h>

#include <taskq/taskq.h>

static taskq_status greet(taskq_run *run, void *user)
{
    printf("job %lld is done\n", (long long)taskq_run_job(run)->id);
    taskq_worker_stop(*(taskq_worker **)user); /* one is enough here */
    return TASKQ_OK;
}

int main(int argc, char **argv)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_store *store = NULL;
    taskq_scheduler *scheduler = NULL;
    taskq_server *server = NULL;
    taskq_worker *worker = NULL;

    taskq_sqlite_options file = TASKQ_SQLITE_OPTIONS_INIT;
    file.path = argc > 1 ? argv[1] : ":memory:";
    bool good = taskq_sqlite_open(&file, &store, &err) == TASKQ_OK;
    taskq_scheduler_options options = TASKQ_SCHEDULER_OPTIONS_INIT;
    options.store = store;
    good = good && taskq_scheduler_open(&options, &scheduler, &err) == TASKQ_OK &&
           taskq_scheduler_start(scheduler, &err) == TASKQ_OK;

    const char *listen = "127.0.0.1:0";
    taskq_server_options http = TASKQ_SERVER_OPTIONS_INIT;
    http.scheduler = scheduler;
    http.listens = &listen;
    http.listen_count = 1;
    good = good && taskq_server_start(&http, &server, &err) == TASKQ_OK;

    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    job.type = TASKQ_TEXT("greet");
    const taskq_new_job *jobs[] = {&job};
    taskq_jobs *made = NULL;
    good = good && taskq_scheduler_enqueue(scheduler, jobs, 1, NULL, &made, NULL, &err) == TASKQ_OK;
    taskq_jobs_free(made);

    const char *url = good ? taskq_server_url(server, 0) : NULL;
    taskq_worker_options work = TASKQ_WORKER_OPTIONS_INIT;
    work.servers = &url;
    work.server_count = 1;
    good = good && taskq_worker_open(&work, &worker, &err) == TASKQ_OK &&
           taskq_worker_handle(worker, "greet", greet, &worker, &err) == TASKQ_OK &&
           taskq_worker_run(worker, &err) == TASKQ_OK;
    if (!good) {
        fprintf(stderr, "embed_both: %s\n", err.text);
    }
    taskq_worker_close(worker);
    taskq_server_stop(server);
    taskq_scheduler_close(scheduler);
    taskq_store_close(store);
    return good ? 0 : 1;
}
