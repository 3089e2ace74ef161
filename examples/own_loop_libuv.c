/* SPDX-License-Identifier: MIT */
/* A worker in a libuv loop, with no thread but the loop's: a poll handle watches the worker's descriptor and a timer its deadline; either makes
 * a step, which never waits. A job is begun by its handler and ended by a callback of the loop, here a timer's.
 * own_loop_libuv http://127.0.0.1:7070   So that it ends, it enqueues one job and stops after it. */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include <taskq/client.h>
#include <taskq/worker.h>

typedef struct host {
    uv_loop_t loop;
    uv_poll_t readable;
    uv_timer_t deadline;
    taskq_worker *worker;
    taskq_status ended; /* ECANCELED: as it should */
    taskq_error err;
} host;

typedef struct tea {
    uv_timer_t timer; /* first: libuv hands the timer back */
    taskq_run *run;
    host *of;
} tea;

static void make_step(host *self);

static void on_deadline(uv_timer_t *timer)
{
    make_step(timer->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    make_step(poll->data);
}

static void make_step(host *self)
{
    int64_t next_in_ms = 0;
    self->ended = taskq_worker_step(self->worker, &next_in_ms, &self->err);
    if (self->ended == TASKQ_OK) {
        uv_timer_start(&self->deadline, on_deadline, (uint64_t)next_in_ms, 0);
    } else { /* it was stopped and everything has been reported, or it cannot go on: nothing holds the loop any more */
        uv_close((uv_handle_t *)&self->readable, NULL);
        uv_close((uv_handle_t *)&self->deadline, NULL);
    }
}

static void free_tea(uv_handle_t *timer)
{
    free(timer);
}

static void boils(uv_timer_t *timer)
{
    tea *cup = (tea *)timer;
    taskq_run_result(cup->run, TASKQ_TEXT("{\"celsius\": 100}"));
    taskq_run_end(cup->run, TASKQ_OK);  /* rings the worker's descriptor; the run is gone */
    taskq_worker_stop(cup->of->worker); /* one is enough here */
    uv_close((uv_handle_t *)timer, free_tea);
}

static void put_on(taskq_run *run, void *user)
{
    host *self = user;
    tea *cup = calloc(1, sizeof(*cup));
    if (cup == NULL) {
        taskq_run_end(run, TASKQ_ENOMEM);
        return;
    }
    cup->run = run;
    cup->of = self;
    uv_timer_init(&self->loop, &cup->timer);
    uv_timer_start(&cup->timer, boils, 200, 0);
}

static bool enqueue(const taskq_client_options *options, taskq_error *err)
{
    taskq_client *client = NULL;
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    job.type = TASKQ_TEXT("tea");
    bool good = taskq_client_open(options, &client, err) == TASKQ_OK &&
                taskq_client_enqueue(client, &job, NULL, NULL, NULL, NULL, err) == TASKQ_OK;
    taskq_client_close(client);
    return good;
}

int main(int argc, char **argv)
{
    const char *server = argc > 1 ? argv[1] : "http://127.0.0.1:7070";
    host self = {.ended = TASKQ_OK, .err = TASKQ_ERROR_INIT};

    taskq_client_options client_options = TASKQ_CLIENT_OPTIONS_INIT;
    client_options.servers = &server;
    client_options.server_count = 1;
    taskq_worker_options options = TASKQ_WORKER_OPTIONS_INIT;
    options.servers = &server;
    options.server_count = 1;
    bool good = enqueue(&client_options, &self.err) &&
                taskq_worker_open(&options, &self.worker, &self.err) == TASKQ_OK &&
                taskq_worker_handle_async(self.worker, "tea", put_on, &self, &self.err) == TASKQ_OK;
    if (good) {
        uv_loop_init(&self.loop);
        uv_poll_init(&self.loop, &self.readable, taskq_worker_fd(self.worker));
        uv_timer_init(&self.loop, &self.deadline);
        self.readable.data = self.deadline.data = &self;
        uv_poll_start(&self.readable, UV_READABLE, on_readable);
        make_step(&self);
        uv_run(&self.loop, UV_RUN_DEFAULT);
        uv_loop_close(&self.loop);
        good = self.ended == TASKQ_ECANCELED;
    }
    if (!good) {
        fprintf(stderr, "own_loop_libuv: %s\n", self.err.text);
    }
    taskq_worker_close(self.worker);
    return good ? 0 : 1;
}
