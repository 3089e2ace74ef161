/* SPDX-License-Identifier: MIT */
/*
 * A program outside the tree: built with nothing but pkg-config taskq-worker, by check_install.py, it enqueues a job of a type of its
 * own at the server whose URL it is given, runs its own handler on it, and prints what became of it. Without a URL it tells its version.
 */
#include <stdio.h>
#include <string.h>
#include <taskq/client.h>
#include <taskq/version.h>
#include <taskq/worker.h>

static taskq_status reverse(taskq_run *run, void *user)
{
    const taskq_job *job = taskq_run_job(run);
    char result[64] = "";
    size_t size = 0;
    taskq_run_progress(run, 50, "half way");
    taskq_run_log(run, "attempt %d of job %lld", (int)job->attempt, (long long)job->id);
    for (size_t i = job->payload.size; i > 0 && size + 1 < sizeof(result); i--) { /* "abc" with its quotes */
        result[size++] = job->payload.data[i - 1];
    }
    taskq_worker_stop(user); /* one job is enough */
    return taskq_run_result(run, taskq_text_of(result));
}

static taskq_status work(const char *url, taskq_worker **worker, taskq_client **client, taskq_error *err)
{
    taskq_worker_options options = TASKQ_WORKER_OPTIONS_INIT;
    taskq_client_options connection = TASKQ_CLIENT_OPTIONS_INIT;
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    taskq_state state;
    taskq_reply reply = TASKQ_REPLY_INIT;
    int64_t id = 0;
    char result[64] = "";
    taskq_status status;
    options.servers = connection.servers = &url;
    options.server_count = connection.server_count = 1;
    job.type = TASKQ_TEXT("reverse");
    job.payload = TASKQ_TEXT("\"abc\"");
    if ((status = taskq_client_open(&connection, client, err)) != TASKQ_OK ||
        (status = taskq_worker_open(&options, worker, err)) != TASKQ_OK ||
        (status = taskq_worker_handle(*worker, "reverse", reverse, *worker, err)) != TASKQ_OK ||
        (status = taskq_client_enqueue(*client, &job, NULL, NULL, &id, NULL, err)) != TASKQ_OK ||
        (status = taskq_worker_run(*worker, err)) != TASKQ_OK ||
        (status = taskq_client_wait(*client, id, 10000, &state, &reply, err)) != TASKQ_OK ||
        (status = taskq_reply_string(&reply, "/result", result, sizeof(result), err)) != TASKQ_OK) {
        taskq_reply_clear(&reply);
        return status;
    }
    printf("%s %s\n", taskq_state_name(state), result);
    taskq_reply_clear(&reply);
    return TASKQ_OK;
}

int main(int argc, char **argv)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_worker *worker = NULL;
    taskq_client *client = NULL;
    if (strcmp(taskq_version_string(), TASKQ_VERSION) != 0) {
        fprintf(stderr, "headers %s, library %s\n", TASKQ_VERSION, taskq_version_string());
        return 1;
    }
    printf("taskq-worker %s\n", taskq_version_string());
    if (argc < 2) {
        return 0;
    }
    taskq_status status = work(argv[1], &worker, &client, &err);
    taskq_worker_close(worker);
    taskq_client_close(client);
    if (status != TASKQ_OK) {
        fprintf(stderr, "%s: %s\n", taskq_status_name(status), err.text);
    }
    return status == TASKQ_OK ? 0 : 1;
}
