/* SPDX-License-Identifier: MIT */
/* The worker half alone: a handler of your own that takes jobs from a server: embed_worker http://127.0.0.1:7070
 * So that it ends, it enqueues one job and stops after it; a worker of yours would go on. */
#include <stdio.h>
#include <stdlib.h>

#include <taskq/client.h>
#include <taskq/worker.h>

static taskq_status greet(taskq_run *run, void *user)
{
    const taskq_job *job = taskq_run_job(run);
    printf("job %lld: %.*s\n", (long long)job->id, (int)job->payload.size, job->payload.data);
    taskq_worker_stop(*(taskq_worker **)user); /* from any thread, or a signal handler: what runs is still reported */
    return taskq_run_result(run, TASKQ_TEXT("{\"greeted\": true}"));
}

int main(int argc, char **argv)
{
    const char *server = argc > 1 ? argv[1] : getenv("TASKQ_SERVER");
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_client *client = NULL;
    taskq_worker *worker = NULL;

    taskq_client_options client_options = TASKQ_CLIENT_OPTIONS_INIT;
    client_options.servers = &server;
    client_options.server_count = server != NULL; /* none: http://127.0.0.1:7070 */
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    job.type = TASKQ_TEXT("greet");
    job.payload = TASKQ_TEXT("{\"name\": \"world\"}");
    bool good = taskq_client_open(&client_options, &client, &err) == TASKQ_OK &&
                taskq_client_enqueue(client, &job, NULL, NULL, NULL, NULL, &err) == TASKQ_OK;

    taskq_worker_options options = TASKQ_WORKER_OPTIONS_INIT;
    options.servers = &server;
    options.server_count = server != NULL;
    good = good && taskq_worker_open(&options, &worker, &err) == TASKQ_OK &&
           taskq_worker_handle(worker, "greet", greet, &worker, &err) == TASKQ_OK &&
           taskq_worker_run(worker, &err) == TASKQ_OK; /* with a pool of threads, until it is stopped */
    if (!good) {
        fprintf(stderr, "embed_worker: %s\n", err.text);
    }
    taskq_worker_close(worker);
    taskq_client_close(client);
    return good ? 0 : 1;
}
