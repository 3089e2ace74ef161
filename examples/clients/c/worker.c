/* SPDX-License-Identifier: MIT */
/*
 * A small worker on the generated C client: claims, beats, reports.   worker URL QUEUE JOBS
 * It claims by POST /next-job, whose parameters are an object: numbers in a query are more than the generated code can do.
 */
#include <api/LeasesAPI.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static claim_answer_t *claim(apiClient_t *client, const char *queue)
{
    claim_request_t *request =
        claim_request_create(strdup(queue), NULL, strdup("example-c"), NULL, 0, 0, NULL, NULL, 10.0);
    claim_answer_t *job = LeasesAPI_claimJobsByBody(client, request);
    claim_request_free(request);
    if (client->response_code != 200) { /* 204: nothing came within ten seconds */
        claim_answer_free(job);
        return NULL;
    }
    return job;
}

static bool beat(apiClient_t *client, const claim_answer_t *job)
{
    heartbeat_t *heartbeat =
        heartbeat_create(job->version, progress_create(50.0, strdup("half way")), strdup("a line of log\n"));
    heartbeat_answer_t *answer = LeasesAPI_heartbeatJob(client, job->id, heartbeat);
    bool ours = client->response_code == 200 && answer != NULL && !answer->cancel_requested;
    heartbeat_free(heartbeat);
    heartbeat_answer_free(answer);
    return ours;
}

static bool report(apiClient_t *client, const claim_answer_t *job)
{
    char result[256];
    snprintf(result, sizeof(result), "{\"greeting\": \"hello\", \"to\": %.200s}",
             job->payload != NULL ? job->payload->json : "null");
    report_t *report =
        report_create(job->version, taskq_report_STATUS_succeeded, object_create_from(result), NULL, 0, 0);
    reported_job_t *after = LeasesAPI_completeJob(client, job->id, report, strdup("return=minimal"));
    bool taken = client->response_code == 200;
    report_free(report);
    reported_job_free(after);
    return taken;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "worker URL QUEUE JOBS\n");
        return 2;
    }
    apiClient_t *client = apiClient_create_with_base_path(argv[1], NULL);
    client->password = getenv("TASKQ_TOKEN") != NULL ? strdup(getenv("TASKQ_TOKEN")) : NULL;
    long wanted = strtol(argv[3], NULL, 10);
    long done = 0;
    while (done < wanted) {
        claim_answer_t *job = claim(client, argv[2]);
        if (job != NULL && beat(client, job) && report(client, job)) {
            fprintf(stderr, "job %ld done\n", job->id);
            done++;
        }
        claim_answer_free(job);
    }
    apiClient_free(client);
    return 0;
}
