/* SPDX-License-Identifier: MIT */
/* A program that has a web server of its own, Debian's libcivetweb, gets a queue: its pages on one port, taskq's API on another one. The
 * library has a civetweb inside that exports nothing, so the two do not meet. Ends when its input does. */
#include <stdio.h>
#include <string.h>

#include <civetweb.h>
#include <taskq/taskq.h>

/* The host's page: a visit becomes a job. */
static int page(struct mg_connection *connection, void *user)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    job.type = TASKQ_TEXT("visit");
    const taskq_new_job *jobs[] = {&job};
    taskq_jobs *made = NULL;
    taskq_error err = TASKQ_ERROR_INIT;
    char text[640];
    if (taskq_scheduler_enqueue(user, jobs, 1, NULL, &made, NULL, &err) == TASKQ_OK) {
        (void)snprintf(text, sizeof(text), "job %lld\n", (long long)taskq_jobs_at(made, 0)->id);
    } else {
        (void)snprintf(text, sizeof(text), "no job: %s\n", err.text);
    }
    taskq_jobs_free(made);
    mg_send_http_ok(connection, "text/plain", (long long)strlen(text));
    (void)mg_write(connection, text, strlen(text));
    return 200;
}

static bool serve(taskq_scheduler *scheduler, taskq_error *err)
{
    const char *settings[] = {"listening_ports", "127.0.0.1:0", "num_threads", "4", NULL};
    const char *listen = "127.0.0.1:0";
    struct mg_callbacks callbacks = {0};
    struct mg_server_port port = {0};
    taskq_server *server = NULL;
    taskq_server_options http = TASKQ_SERVER_OPTIONS_INIT;
    http.scheduler = scheduler;
    http.listens = &listen;
    http.listen_count = 1;
    (void)mg_init_library(0);
    struct mg_context *pages = mg_start(&callbacks, NULL, settings);
    bool good = pages != NULL && mg_get_server_ports(pages, 1, &port) == 1 &&
                taskq_server_start(&http, &server, err) == TASKQ_OK;
    if (good) {
        mg_set_request_handler(pages, "/visit$", page, scheduler);
        printf("pages http://127.0.0.1:%d\napi %s\n", port.port, taskq_server_url(server, 0));
        (void)fflush(stdout);
        while (getchar() != EOF) {}
    }
    if (pages != NULL) {
        mg_stop(pages); /* before what its handlers use */
    }
    (void)mg_exit_library();
    taskq_server_stop(server);
    return good;
}

int main(int argc, char **argv)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_store *store = NULL;
    taskq_scheduler *scheduler = NULL;
    taskq_sqlite_options file = TASKQ_SQLITE_OPTIONS_INIT;
    file.path = argc > 1 ? argv[1] : ":memory:";
    bool good = taskq_sqlite_open(&file, &store, &err) == TASKQ_OK;
    taskq_scheduler_options options = TASKQ_SCHEDULER_OPTIONS_INIT;
    options.store = store;
    good = good && taskq_scheduler_open(&options, &scheduler, &err) == TASKQ_OK &&
           taskq_scheduler_start(scheduler, &err) == TASKQ_OK && serve(scheduler, &err);
    if (!good) {
        fprintf(stderr, "embed_beside_civetweb: %s\n", err.text[0] != '\0' ? err.text : "no port for the pages");
    }
    taskq_scheduler_close(scheduler);
    taskq_store_close(store);
    return good ? 0 : 1;
}
