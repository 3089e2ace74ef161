/* SPDX-License-Identifier: MIT */
/*
 * The delay from an enqueue to its job's start: a producer that sends so many requests a second, whether earlier ones have been answered
 * or not, and a real worker in the same process, so that one clock sees both ends. It is taken from just before the request is sent to the
 * first line of the handler.
 */
#include "load/net.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <taskq/worker.h>

enum {
    CONNECTIONS = 32,
    WARM_UP = 50, /* the first jobs find a worker that is still connecting */
    JOBS_MAX = 1000000,
    WAIT_MS = 20000
};

typedef struct delays {
    int64_t *sent_ns, *started_ns;
    uint32_t count;
    _Atomic uint32_t started;
    taskq_worker *worker;
    taskq_status ended;
    taskq_error err;
    taskq__buf request[CONNECTIONS], body;
} delays;

static taskq_status handle(taskq_run *run, void *user)
{
    int64_t started_ns = now_ns();
    delays *all = user;
    const taskq_job *job = taskq_run_job(run);
    static const char opening[] = "{\"n\":";
    char number[16] = "";
    if (job->payload.size > sizeof(opening)) {
        size_t size = job->payload.size - (sizeof(opening) - 1);
        memcpy(number, job->payload.data + sizeof(opening) - 1, size < 15 ? size : 15);
    }
    unsigned long n = strtoul(number, NULL, 10);
    if (n >= all->count) {
        return taskq_run_fail(run, "unknown", "no such job: %lu", n);
    }
    if (all->started_ns[n] == 0) {
        all->started_ns[n] = started_ns;
        atomic_fetch_add(&all->started, 1);
    }
    return TASKQ_OK;
}

static bool on_reply(void *user, net *self, channel *on, const reply *got)
{
    (void)user;
    (void)self;
    (void)on;
    if (got->status != 201) {
        fprintf(stderr, "delay: an enqueue was answered %d\n", got->status);
    }
    return got->status == 201;
}

static void *run_worker(void *user)
{
    delays *all = user;
    all->ended = taskq_worker_run(all->worker, &all->err);
    return NULL;
}

static bool send_job(delays *all, net *links, uint32_t n)
{
    channel *on = net_idle(links);
    if (on == NULL) {
        fprintf(stderr, "delay: %d enqueues wait for their answers\n", CONNECTIONS);
        return false;
    }
    char filling[180];
    memset(filling, 'x', sizeof(filling));
    taskq__buf_rewind(&all->body);
    taskq__buf_add_format(&all->body, "{\"queue\":\"delay\",\"type\":\"delay\",\"payload\":{\"n\":%u,\"text\":\"", n);
    taskq__buf_add(&all->body, filling, sizeof(filling));
    taskq__buf_add_string(&all->body, "\"}}");
    taskq__buf *request = &all->request[on->index];
    request_build(request, "POST /jobs", "", taskq__buf_text(&all->body));
    all->sent_ns[n] = now_ns();
    return net_send(links, on, request->data, request->size);
}

static bool produce(delays *all, net *links, double rate)
{
    int64_t begun_ns = now_ns(), interval_ns = (int64_t)(1e9 / rate);
    for (uint32_t n = 0; n < all->count; n++) {
        int64_t at_ns = begun_ns + n * interval_ns;
        struct timespec at = {at_ns / 1000000000, at_ns % 1000000000};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0) {}
        if (!net_step(links, 0) || !send_job(all, links, n)) {
            return false;
        }
    }
    bool good = net_run(links);
    int64_t until_ns = now_ns() + (int64_t)WAIT_MS * 1000000;
    while (good && atomic_load(&all->started) < all->count && now_ns() < until_ns) {
        nanosleep(&(struct timespec){0, 5000000}, NULL);
    }
    if (good && atomic_load(&all->started) < all->count) {
        fprintf(stderr, "delay: %u of %u jobs were started\n", atomic_load(&all->started), all->count);
        return false;
    }
    return good;
}

static int by_size(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static void print_percentiles(const delays *all)
{
    uint32_t counted = all->count - WARM_UP;
    int64_t *each = all->sent_ns + WARM_UP;
    for (uint32_t i = 0; i < counted; i++) {
        each[i] = all->started_ns[WARM_UP + i] - each[i];
    }
    qsort(each, counted, sizeof(int64_t), by_size);
    printf("{\"jobs\": %u, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}\n", counted,
           (double)each[counted / 2] / 1e6, (double)each[(uint64_t)counted * 99 / 100] / 1e6,
           (double)each[counted - 1] / 1e6);
}

static bool open_worker(delays *all, uint16_t port)
{
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", (unsigned)port);
    const char *servers[] = {url}, *queues[] = {"delay"};
    taskq_worker_options options = TASKQ_WORKER_OPTIONS_INIT;
    options.servers = servers;
    options.server_count = 1;
    options.queues = queues;
    options.queue_count = 1;
    if (taskq_worker_open(&options, &all->worker, &all->err) != TASKQ_OK ||
        taskq_worker_handle(all->worker, "delay", handle, all, &all->err) != TASKQ_OK) {
        fprintf(stderr, "delay: %s\n", all->err.text);
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    double rate = argc == 4 ? strtod(argv[2], NULL) : 0, jobs = argc == 4 ? rate * strtod(argv[3], NULL) : 0;
    ports worker_at, producers_at;
    if (rate < 1 || jobs < 1 || jobs > JOBS_MAX || !ports_parse(argv[1], &worker_at)) {
        fputs("delay PORTS RATE SECONDS    the worker asks at the first port, jobs are enqueued at the last\n", stderr);
        return 2;
    }
    producers_at = (ports){.each = {worker_at.each[worker_at.count - 1]}, .count = 1};
    delays all = {.count = (uint32_t)jobs + WARM_UP, .err = TASKQ_ERROR_INIT};
    all.sent_ns = calloc(all.count, sizeof(int64_t));
    all.started_ns = calloc(all.count, sizeof(int64_t));
    taskq__buf_init(&all.body, NULL, 4096);
    for (int i = 0; i < CONNECTIONS; i++) {
        taskq__buf_init(&all.request[i], NULL, 4096);
    }
    net links = {.epoll = -1};
    pthread_t thread;
    bool good = all.sent_ns != NULL && all.started_ns != NULL && open_worker(&all, worker_at.each[0]) &&
                net_open(&links, &producers_at, CONNECTIONS, on_reply, NULL) &&
                pthread_create(&thread, NULL, run_worker, &all) == 0;
    if (good) {
        good = produce(&all, &links, rate);
        taskq_worker_stop(all.worker);
        pthread_join(thread, NULL);
        good = good && all.ended == TASKQ_OK;
    }
    if (good) {
        print_percentiles(&all);
    }
    net_close(&links);
    taskq_worker_close(all.worker);
    taskq__buf_clear(&all.body);
    for (int i = 0; i < CONNECTIONS; i++) {
        taskq__buf_clear(&all.request[i]);
    }
    free(all.sent_ns);
    free(all.started_ns);
    return good ? 0 : 1;
}
