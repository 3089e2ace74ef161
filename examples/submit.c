/* SPDX-License-Identifier: MIT */
/* A producer: it enqueues a job, waits until it has ended, and reads what came of it.
 * submit sleep '{"duration_ms": 100}' http://127.0.0.1:7070   Several servers may follow: the next is asked where one is out of reach. */
#include <stdio.h>

#include <taskq/client.h>

enum { TIMEOUT_MS = 60000 };

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "submit TYPE PAYLOAD [SERVER...]\n");
        return 2;
    }
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_client *client = NULL;
    taskq_client_options options = TASKQ_CLIENT_OPTIONS_INIT;
    options.servers = (const char *const *)&argv[3];
    options.server_count = (uint32_t)(argc - 3); /* none: http://127.0.0.1:7070 */

    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    job.type = taskq_text_of(argv[1]);
    job.payload = taskq_text_of(argv[2]);
    job.max_attempts = 3;

    int64_t id = 0;
    taskq_state state = (taskq_state)0;
    taskq_reply reply = TASKQ_REPLY_INIT;
    taskq_text result = {NULL, 0};
    /* Each call may be made again by the client itself, on another server too: the job is made once. */
    taskq_status status = taskq_client_open(&options, &client, &err);
    status = status != TASKQ_OK ? status : taskq_client_enqueue(client, &job, NULL, NULL, &id, NULL, &err);
    status = status != TASKQ_OK ? status : taskq_client_wait(client, id, TIMEOUT_MS, &state, &reply, &err);
    if (status == TASKQ_OK) {
        printf("job %lld %s\n", (long long)id, taskq_state_name(state));
        /* What is in the answer is found by a JSON pointer; a job that failed has an "error" in place of a "result". */
        const char *what = state == TASKQ_STATE_SUCCEEDED ? "/result" : "/error";
        if (taskq_reply_json(&reply, what, &result, NULL) == TASKQ_OK) {
            printf("%.*s\n", (int)result.size, result.data);
        }
    } else {
        fprintf(stderr, "submit: %s\n", err.text);
    }
    taskq_reply_clear(&reply);
    taskq_client_close(client);
    return status != TASKQ_OK ? 1 : state == TASKQ_STATE_SUCCEEDED ? 0 : 3;
}
