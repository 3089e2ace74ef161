/* SPDX-License-Identifier: MIT */
/*
 * A producer on the generated C client: enqueues a job and follows it to its end.   producer URL QUEUE
 * What is put into a request belongs to it from then on, so texts are copied. A field of 0 or NULL is left out.
 */
#include <api/JobsAPI.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long enqueue(apiClient_t *client, const char *queue)
{
    enqueue_request_t *request =
        enqueue_request_create(strdup("greet"), strdup(queue), object_create_from("{\"name\": \"C\"}"), 5, NULL, 0, 3,
                               0, 0, NULL, NULL, NULL, NULL, NULL);
    enqueue_answer_t *made = JobsAPI_enqueueJobs(client, request, NULL, NULL);
    long id = client->response_code == 201 && made != NULL ? made->id : 0;
    enqueue_request_free(request);
    enqueue_answer_free(made);
    return id;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "producer URL QUEUE\n");
        return 2;
    }
    apiClient_t *client = apiClient_create_with_base_path(argv[1], NULL);
    client->password = getenv("TASKQ_TOKEN") != NULL ? strdup(getenv("TASKQ_TOKEN")) : NULL;
    long id = enqueue(client, argv[2]);
    int code = 1;
    bool ended = id == 0;
    if (id == 0) {
        fprintf(stderr, "not enqueued: %ld\n", client->response_code);
    }
    while (!ended) {
        job_t *job = JobsAPI_getJob(client, id);
        ended = job == NULL || job->finished_at != NULL;
        if (job != NULL && job->state == taskq_job_STATE_succeeded) {
            fprintf(stderr, "job %ld succeeded: %s\n", id, job->result != NULL ? job->result->json : "nothing");
            code = 0;
        } else if (!ended) {
            nanosleep(&(struct timespec){0, 100000000}, NULL);
        }
        job_free(job);
    }
    apiClient_free(client);
    return code;
}
