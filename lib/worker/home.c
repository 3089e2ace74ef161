/* SPDX-License-Identifier: MIT */
/*
 * The way back. A worker whose home server failed works with another one and must not try the first with something that matters: a
 * report that waits for a server that accepts and says nothing is a report late. So it is tried with a list of no reports, which the
 * server takes under the same token and role as the real ones, and which changes nothing.
 */
#include "worker/core.h"

enum { PATIENCE_MS = 5000 };

static void home_done(void *user, const taskq__answer *answer)
{
    taskq_worker *worker = user;
    worker->home_exchange = NULL;
    worker->dirty = true;
    taskq__worker_judge(worker, worker->servers.home, answer);
}

void taskq__home_advance(taskq_worker *worker, int64_t now_ms, int64_t *next_in_ms)
{
    static const char nothing[] = "{\"completions\":[]}";
    uint32_t server;
    int64_t in_ms = -1;
    taskq__buf body;
    if (worker->home_exchange != NULL) {
        return;
    }
    if (!taskq__servers_try_home(&worker->servers, now_ms, &server, &in_ms)) {
        if (in_ms >= 0) {
            taskq__sooner(next_in_ms, in_ms);
        }
        return;
    }
    taskq__buf_init(&body, &worker->allocator, sizeof(nothing));
    taskq__buf_add_string(&body, nothing);
    worker->home_exchange = taskq__worker_post(worker, server, "/jobs/complete", &body, PATIENCE_MS, home_done, worker);
    taskq__buf_clear(&body);
    if (worker->home_exchange == NULL) {
        taskq__servers_failed(&worker->servers, server, now_ms, 0, false, "no memory");
    }
}
