/* SPDX-License-Identifier: MIT */
/* A handler that takes long: it says how far it is, writes the job's log, and stops when somebody cancels the job, its time is over or the
 * worker ends. progress_and_cancel http://127.0.0.1:7070   It does jobs of type "count", such as {"to": 100}, until SIGTERM or SIGINT:
 *   taskq enqueue count '{"to": 100}' --wait & taskq watch 1; taskq cancel 1 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <taskq/worker.h>

enum { TO_MAX = 1000000, STEP_MS = 50 };

/* The payload is valid JSON; so small a one can be read by hand. */
static long read_to(taskq_text payload)
{
    char text[64];
    snprintf(text, sizeof(text), "%.*s", (int)(payload.size < sizeof(text) ? payload.size : 0), payload.data);
    const char *at = strstr(text, "\"to\":");
    return at != NULL ? strtol(at + strlen("\"to\":"), NULL, 10) : -1;
}

static taskq_status count(taskq_run *run, void *user)
{
    (void)user;
    long to = read_to(taskq_run_job(run)->payload);
    if (to < 1 || to > TO_MAX) {
        taskq_run_no_retry(run); /* it will be as wrong the next time */
        return taskq_run_fail(run, "bad-payload", "the payload is {\"to\": 1 to %d}", TO_MAX);
    }
    for (long i = 1; i <= to; i++) {
        taskq_run_progress(run, 100.0 * (double)i / (double)to, "counting"); /* cheap: only the last one is sent */
        if (i % 10 == 1) {
            taskq_run_log(run, "at %ld of %ld", i, to);
        }
        switch (taskq_run_sleep(run, STEP_MS)) { /* the work, which a stop cuts short */
        case TASKQ_RUN_GOES_ON: break;
        case TASKQ_RUN_CANCELED: taskq_run_log(run, "canceled at %ld", i); return TASKQ_ECANCELED;
        default: return TASKQ_ECANCELED; /* lost, out of time, or the worker ends and gives the job back */
        }
    }
    return taskq_run_result(run, TASKQ_TEXT("{\"counted\": true}"));
}

static taskq_worker *worker; /* for the signal handler */

static void stop(int number)
{
    (void)number;
    taskq_worker_stop(worker); /* safe in a signal handler */
}

int main(int argc, char **argv)
{
    const char *server = argc > 1 ? argv[1] : "http://127.0.0.1:7070";
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_worker_options options = TASKQ_WORKER_OPTIONS_INIT;
    options.servers = &server;
    options.server_count = 1;
    options.shutdown_timeout_ms = -1; /* at the end running jobs are told to stop at once */
    bool good = taskq_worker_open(&options, &worker, &err) == TASKQ_OK &&
                taskq_worker_handle(worker, "count", count, NULL, &err) == TASKQ_OK;
    if (good) {
        signal(SIGTERM, stop);
        signal(SIGINT, stop);
        good = taskq_worker_run(worker, &err) == TASKQ_OK;
    }
    if (!good) {
        fprintf(stderr, "progress_and_cancel: %s\n", err.text);
    }
    taskq_worker_close(worker);
    return good ? 0 : 1;
}
