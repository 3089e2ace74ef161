/* SPDX-License-Identifier: MIT */
/* A worker in a loop of your own, with no thread but yours: epoll waits for the worker's descriptor beside all that your program waits for.
 * The handler begins a job and returns at once; the job ends when the loop says so, here when a timer is over.
 * own_loop_epoll http://127.0.0.1:7070   So that it ends, it enqueues one job and stops after it. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <taskq/client.h>
#include <taskq/worker.h>

typedef struct kettle {
    int timer_fd;
    taskq_run *run; /* the job that waits for it; with a concurrency of 1 there is never another */
} kettle;

/* A job is there: begin it. While it goes on, the worker renews its lease; taskq_run_fd would tell of a cancel. */
static void put_on(taskq_run *run, void *user)
{
    kettle *self = user;
    struct itimerspec soon = {.it_value = {.tv_nsec = 200000000}};
    self->run = run;
    taskq_run_progress(run, 50, "heating");
    timerfd_settime(self->timer_fd, 0, &soon, NULL);
}

/* It is done: end it, and never touch the run again. */
static void boils(kettle *self)
{
    uint64_t times;
    if (read(self->timer_fd, &times, sizeof(times)) == sizeof(times)) {
        taskq_run_result(self->run, TASKQ_TEXT("{\"celsius\": 100}"));
        taskq_run_end(self->run, TASKQ_OK);
    }
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

static taskq_status loop(int epoll_fd, taskq_worker *worker, kettle *tea, taskq_error *err)
{
    struct epoll_event events[8];
    for (;;) {
        int64_t next_in_ms = 0;
        taskq_status status = taskq_worker_step(worker, &next_in_ms, err); /* never waits */
        if (status != TASKQ_OK) {
            return status == TASKQ_ECANCELED ? TASKQ_OK : status; /* it was stopped, and everything has been reported */
        }
        int count = epoll_wait(epoll_fd, events, 8, next_in_ms < 60000 ? (int)next_in_ms : 60000);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == tea->timer_fd) {
                boils(tea);
                taskq_worker_stop(worker); /* one is enough here */
            }
        } /* the worker's own descriptor only says that it is time for a step */
    }
}

int main(int argc, char **argv)
{
    const char *server = argc > 1 ? argv[1] : "http://127.0.0.1:7070";
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_worker *worker = NULL;
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    kettle tea = {.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)};

    taskq_client_options client_options = TASKQ_CLIENT_OPTIONS_INIT;
    client_options.servers = &server;
    client_options.server_count = 1;
    taskq_worker_options options = TASKQ_WORKER_OPTIONS_INIT;
    options.servers = &server;
    options.server_count = 1;
    options.concurrency = 1;
    bool good = enqueue(&client_options, &err) && taskq_worker_open(&options, &worker, &err) == TASKQ_OK &&
                taskq_worker_handle_async(worker, "tea", put_on, &tea, &err) == TASKQ_OK;
    if (good) {
        struct epoll_event for_worker = {.events = EPOLLIN, .data = {.fd = taskq_worker_fd(worker)}};
        struct epoll_event for_tea = {.events = EPOLLIN, .data = {.fd = tea.timer_fd}};
        good = epoll_ctl(epoll_fd, EPOLL_CTL_ADD, for_worker.data.fd, &for_worker) == 0 &&
               epoll_ctl(epoll_fd, EPOLL_CTL_ADD, for_tea.data.fd, &for_tea) == 0 &&
               loop(epoll_fd, worker, &tea, &err) == TASKQ_OK;
    }
    if (!good) {
        fprintf(stderr, "own_loop_epoll: %s\n", err.text);
    }
    taskq_worker_close(worker);
    close(tea.timer_fd);
    close(epoll_fd);
    return good ? 0 : 1;
}
