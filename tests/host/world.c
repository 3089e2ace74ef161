/* SPDX-License-Identifier: MIT */
/*
 * What a host does to have all of the library in its process, in one place, so that the tests of what it means to be a host (its memory,
 * its children, its other instances) read as what they are about.
 */
#include "world.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void world_init(world *w)
{
    struct stat there;
    memset(w, 0, sizeof(*w));
    const char *root = stat("/dev/shm", &there) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(w->dir, sizeof(w->dir), "%s/taskq-host-XXXXXX", root);
    ck_assert_ptr_nonnull(mkdtemp(w->dir));
    w->allocator = counting_face(&w->counter);
    fake_clock_init(&w->clock);
    (void)counting_bypassed();
}

void world_clear(world *w)
{
    DIR *folder = opendir(w->dir);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        (void)unlink(world_path(w, entry->d_name));
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    (void)rmdir(w->dir);
}

const char *world_path(const world *w, const char *name)
{
    static char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", w->dir, name);
    return path;
}

taskq_status world_open_store(world *w, const char *path)
{
    taskq_sqlite_options options = TASKQ_SQLITE_OPTIONS_INIT;
    options.path = path;
    options.allocator = w->allocator;
    return taskq_sqlite_open(&options, &w->store, &w->err);
}

taskq_status world_open_scheduler(world *w)
{
    taskq_scheduler_options options = TASKQ_SCHEDULER_OPTIONS_INIT;
    options.store = w->store;
    if (w->clocked) {
        options.clock = fake_clock_face(&w->clock);
    }
    options.allocator = w->allocator;
    return taskq_scheduler_open(&options, &w->scheduler, &w->err);
}

taskq_status world_start_server(world *w)
{
    static const char *const listens[] = {"127.0.0.1:0"};
    taskq_server_options options = TASKQ_SERVER_OPTIONS_INIT;
    options.scheduler = w->scheduler;
    options.listens = listens;
    options.listen_count = 1;
    options.connections_max = 16;
    options.allocator = w->allocator;
    return taskq_server_start(&options, &w->server, &w->err);
}

taskq_status world_open_client(world *w)
{
    const char *url = w->server == NULL ? NULL : taskq_server_url(w->server, 0);
    taskq_client_options options = TASKQ_CLIENT_OPTIONS_INIT;
    options.servers = &url;
    options.server_count = url == NULL ? 0 : 1;
    options.allocator = w->allocator;
    return taskq_client_open(&options, &w->client, &w->err);
}

taskq_status world_open_worker(world *w)
{
    const char *url = w->server == NULL ? NULL : taskq_server_url(w->server, 0);
    taskq_worker_options options = TASKQ_WORKER_OPTIONS_INIT;
    options.servers = &url;
    options.server_count = url == NULL ? 0 : 1;
    options.concurrency = 2;
    options.allocator = w->allocator;
    return taskq_worker_open(&options, &w->worker, &w->err);
}

void world_close(world *w)
{
    taskq_worker_close(w->worker);
    taskq_client_close(w->client);
    taskq_server_stop(w->server);
    taskq_scheduler_close(w->scheduler);
    taskq_store_close(w->store);
    w->worker = NULL;
    w->client = NULL;
    w->server = NULL;
    w->scheduler = NULL;
    w->store = NULL;
}

taskq_new_job world_job(const char *type, const char *payload)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    job.type = taskq_text_of(type);
    job.payload = taskq_text_of(payload);
    return job;
}

int64_t world_enqueue(world *w, const char *type)
{
    taskq_new_job job = world_job(type, "{}");
    const taskq_new_job *jobs[] = {&job};
    taskq_jobs *made = NULL;
    world_ok(w, taskq_scheduler_enqueue(w->scheduler, jobs, 1, NULL, &made, NULL, &w->err));
    int64_t id = taskq_jobs_at(made, 0)->id;
    taskq_jobs_free(made);
    return id;
}

int64_t world_claim(world *w, int64_t *version)
{
    taskq_claim_options options = TASKQ_CLAIM_OPTIONS_INIT;
    taskq_jobs *jobs = NULL;
    options.worker = taskq_text_of("w");
    world_ok(w, taskq_scheduler_claim(w->scheduler, &options, &jobs, &w->err));
    ck_assert_uint_eq(taskq_jobs_count(jobs), 1);
    int64_t id = taskq_jobs_at(jobs, 0)->id;
    *version = taskq_jobs_at(jobs, 0)->version;
    taskq_jobs_free(jobs);
    return id;
}
