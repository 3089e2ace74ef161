/* SPDX-License-Identifier: MIT */
/*
 * Producers: single enqueues for so many seconds, and a backlog of so many jobs in lists. Every connection has one request under way.
 */
#include "load/load.h"

enum { LIST_JOBS = 1000 };

typedef struct producers {
    taskq__buf request, last; /* fill: the last list may be shorter */
    uint64_t jobs, to_send;
    int64_t until_ns;
    size_t reply_bytes;
} producers;

static bool on_enqueued(void *user, net *self, channel *on, const reply *got)
{
    producers *all = user;
    if (!reply_is(got, 201)) {
        return false;
    }
    all->jobs++;
    all->reply_bytes = got->body.size;
    return now_ns() >= all->until_ns || net_send(self, on, all->request.data, all->request.size);
}

bool mode_enqueue(const ports *at, uint32_t connections, double seconds, measure *out)
{
    producers all = {0};
    taskq__buf job;
    net links = {.epoll = -1};
    taskq__buf_init(&job, NULL, REQUEST_BYTES_MAX);
    taskq__buf_init(&all.request, NULL, REQUEST_BYTES_MAX);
    job_write(&job);
    request_build(&all.request, "POST /jobs", "", taskq__buf_text(&job));
    bool good = !all.request.failed && net_open(&links, at, connections, on_enqueued, &all);
    int64_t begun_ns = now_ns();
    all.until_ns = begun_ns + (int64_t)(seconds * 1e9);
    for (uint32_t i = 0; good && i < connections; i++) {
        good = net_send(&links, &links.channels[i], all.request.data, all.request.size);
    }
    good = good && net_run(&links);
    *out = (measure){all.jobs, now_ns() - begun_ns, all.reply_bytes};
    net_close(&links);
    taskq__buf_clear(&job);
    taskq__buf_clear(&all.request);
    return good;
}

static bool send_list(producers *all, net *self, channel *on)
{
    if (all->to_send == 0) {
        return true;
    }
    bool whole = all->to_send >= LIST_JOBS;
    all->to_send -= whole ? LIST_JOBS : all->to_send;
    return net_send(self, on, whole ? all->request.data : all->last.data, whole ? all->request.size : all->last.size);
}

static bool on_list(void *user, net *self, channel *on, const reply *got)
{
    producers *all = user;
    all->reply_bytes = got->body.size;
    return reply_is(got, 201) && send_list(all, self, on);
}

bool mode_fill(const ports *at, uint32_t connections, uint64_t jobs, measure *out)
{
    producers all = {.to_send = jobs};
    taskq__buf list;
    net links = {.epoll = -1};
    taskq__buf_init(&list, NULL, REQUEST_BYTES_MAX);
    taskq__buf_init(&all.request, NULL, REQUEST_BYTES_MAX);
    taskq__buf_init(&all.last, NULL, REQUEST_BYTES_MAX);
    jobs_write(&list, LIST_JOBS);
    request_build(&all.request, "POST /jobs", "", taskq__buf_text(&list));
    taskq__buf_rewind(&list);
    jobs_write(&list, (uint32_t)(jobs % LIST_JOBS));
    request_build(&all.last, "POST /jobs", "", taskq__buf_text(&list));
    bool good = !all.request.failed && !all.last.failed && net_open(&links, at, connections, on_list, &all);
    int64_t begun_ns = now_ns();
    for (uint32_t i = 0; good && i < connections; i++) {
        good = send_list(&all, &links, &links.channels[i]);
    }
    good = good && net_run(&links);
    *out = (measure){jobs, now_ns() - begun_ns, all.reply_bytes};
    net_close(&links);
    taskq__buf_clear(&list);
    taskq__buf_clear(&all.request);
    taskq__buf_clear(&all.last);
    return good;
}
