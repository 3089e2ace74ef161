/* SPDX-License-Identifier: MIT */
/*
 * Workers that do nothing with a job but report it: one request a claim and one a report; reports with the next claim in the same
 * request, one by one or in batches; and whole lives, where each connection also enqueues what it takes. They go on until nothing is
 * ready, so that every job that was claimed has been reported when the time is taken.
 */
#include "load/load.h"

#include <stdio.h>
#include <stdlib.h>

#define WORKER_QUERY "queue=" LOAD_QUEUE "&type=" LOAD_TYPE "&worker=bench"

typedef struct consumer { /* one a connection */
    lease held[LEASES_MAX];
    uint32_t held_count;
    bool reports, enqueues;
    taskq__buf request, body;
} consumer;

typedef struct consumers {
    consumer *each;
    uint32_t count, batch;
    taskq__buf claim, list;
    uint64_t jobs;
    int64_t until_ns;
    size_t reply_bytes;
} consumers;

static bool open_all(consumers *all, uint32_t count)
{
    all->each = calloc(count, sizeof(consumer));
    all->count = all->each != NULL ? count : 0;
    for (uint32_t i = 0; i < all->count; i++) {
        taskq__buf_init(&all->each[i].request, NULL, REQUEST_BYTES_MAX);
        taskq__buf_init(&all->each[i].body, NULL, REQUEST_BYTES_MAX);
    }
    taskq__buf_init(&all->claim, NULL, REQUEST_BYTES_MAX);
    taskq__buf_init(&all->list, NULL, REQUEST_BYTES_MAX);
    return all->each != NULL;
}

static void close_all(consumers *all)
{
    for (uint32_t i = 0; i < all->count; i++) {
        taskq__buf_clear(&all->each[i].request);
        taskq__buf_clear(&all->each[i].body);
    }
    taskq__buf_clear(&all->claim);
    taskq__buf_clear(&all->list);
    free(all->each);
}

/* Runs what was made ready: the first request of every connection is the one given, or each one's own. */
static bool run_all(consumers *all, const ports *at, reply_fn *on_reply, const taskq__buf *first, measure *out)
{
    net links = {.epoll = -1};
    bool good = net_open(&links, at, all->count, on_reply, all);
    int64_t begun_ns = now_ns();
    for (uint32_t i = 0; good && i < all->count; i++) {
        const taskq__buf *request = first != NULL ? first : &all->each[i].request;
        good = !request->failed && net_send(&links, &links.channels[i], request->data, request->size);
    }
    good = good && net_run(&links);
    *out = (measure){all->jobs, now_ns() - begun_ns, all->reply_bytes};
    net_close(&links);
    return good;
}

/* ---- one request a claim, one a report --------------------------------------------------------------------------------- */

static bool report_one(consumers *all, net *self, channel *on, const lease *job)
{
    consumer *one = &all->each[on->index];
    char path[64];
    snprintf(path, sizeof(path), "POST /jobs/%lld/complete", (long long)job->id);
    taskq__buf_rewind(&one->body);
    taskq__buf_add_format(&one->body, "{\"version\":%lld,\"status\":\"succeeded\",\"result\":{\"ok\":true}}",
                          (long long)job->version);
    request_build(&one->request, path, "Prefer: return=minimal\r\n", taskq__buf_text(&one->body));
    one->reports = true;
    return net_send(self, on, one->request.data, one->request.size);
}

static bool on_single(void *user, net *self, channel *on, const reply *got)
{
    consumers *all = user;
    consumer *one = &all->each[on->index];
    if (!one->reports && got->status == 204) {
        return true;
    }
    if (!reply_is(got, 200)) {
        return false;
    }
    if (one->reports) {
        one->reports = false;
        all->jobs++;
        return net_send(self, on, all->claim.data, all->claim.size);
    }
    all->reply_bytes = got->body.size;
    return leases_read(got, one->held, 1) == 1 && report_one(all, self, on, &one->held[0]);
}

bool mode_drain_single(const ports *at, uint32_t connections, measure *out)
{
    consumers all = {0};
    bool good = open_all(&all, connections);
    if (good) {
        request_build(&all.claim, "GET /next-job?" WORKER_QUERY, "", (taskq_text){NULL, 0});
        good = run_all(&all, at, on_single, &all.claim, out);
    }
    close_all(&all);
    return good;
}

/* ---- reports and the next claim in one request --------------------------------------------------------------------------- */

static void build_complete(consumers *all, consumer *one)
{
    taskq__buf_rewind(&one->body);
    complete_write(&one->body, one->held, one->held_count, all->batch);
    request_build(&one->request, "POST /jobs/complete", "", taskq__buf_text(&one->body));
}

static bool send_complete(consumers *all, net *self, channel *on)
{
    consumer *one = &all->each[on->index];
    build_complete(all, one);
    return net_send(self, on, one->request.data, one->request.size);
}

/* What was reported counts, what was claimed is held. False: it was said what is wrong. */
static bool take_complete(consumers *all, consumer *one, const reply *got)
{
    if (!reply_is(got, 200)) {
        return false;
    }
    uint32_t good = results_good(got);
    if (good != one->held_count) {
        fprintf(stderr, "load: %u of %u reports were accepted\n", good, one->held_count);
        return false;
    }
    all->jobs += good;
    int64_t count = leases_read(got, one->held, all->batch);
    one->held_count = count > 0 ? (uint32_t)count : 0;
    return count >= 0;
}

static bool on_completed(void *user, net *self, channel *on, const reply *got)
{
    consumers *all = user;
    consumer *one = &all->each[on->index];
    if (!take_complete(all, one, got)) {
        return false;
    }
    if (one->held_count > 0) {
        all->reply_bytes = got->body.size;
        return send_complete(all, self, on);
    }
    return true;
}

bool mode_drain(const ports *at, uint32_t connections, uint32_t batch, measure *out)
{
    consumers all = {.batch = batch};
    bool good = open_all(&all, connections);
    for (uint32_t i = 0; good && i < connections; i++) {
        build_complete(&all, &all.each[i]);
    }
    good = good && run_all(&all, at, on_completed, NULL, out);
    close_all(&all);
    return good;
}

/* ---- whole lives: each connection enqueues as many as it then claims and reports ------------------------------------------- */

static bool on_lived(void *user, net *self, channel *on, const reply *got)
{
    consumers *all = user;
    consumer *one = &all->each[on->index];
    if (one->enqueues) {
        one->enqueues = false;
        return reply_is(got, 201) && send_complete(all, self, on);
    }
    if (!take_complete(all, one, got)) {
        return false;
    }
    if (now_ns() < all->until_ns) {
        one->enqueues = true;
        return net_send(self, on, all->list.data, all->list.size);
    }
    return one->held_count == 0 || send_complete(all, self, on);
}

bool mode_lifecycles(const ports *at, uint32_t connections, uint32_t batch, double seconds, measure *out)
{
    consumers all = {.batch = batch};
    taskq__buf body;
    taskq__buf_init(&body, NULL, REQUEST_BYTES_MAX);
    bool good = open_all(&all, connections);
    if (good) {
        jobs_write(&body, batch);
        request_build(&all.list, "POST /jobs", "", taskq__buf_text(&body));
        for (uint32_t i = 0; i < connections; i++) {
            all.each[i].enqueues = true;
        }
        all.until_ns = now_ns() + (int64_t)(seconds * 1e9);
        good = run_all(&all, at, on_lived, &all.list, out);
    }
    close_all(&all);
    taskq__buf_clear(&body);
    return good;
}
