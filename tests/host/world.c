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

void world_init(world *one)
{
    struct stat there;
    memset(one, 0, sizeof(*one));
    const char *root = stat("/dev/shm", &there) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(one->dir, sizeof(one->dir), "%s/taskq-host-XXXXXX", root);
    ck_assert_ptr_nonnull(mkdtemp(one->dir));
    one->allocator = counting_face(&one->counter);
    fake_clock_init(&one->clock);
    (void)counting_bypassed();
}

void world_clear(world *one)
{
    DIR *folder = opendir(one->dir);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        (void)unlink(world_path(one, entry->d_name));
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    (void)rmdir(one->dir);
}

const char *world_path(const world *one, const char *name)
{
    static char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", one->dir, name);
    return path;
}

taskq_status world_open_store(world *one, const char *path)
{
    taskq_sqlite_options options = TASKQ_SQLITE_OPTIONS_INIT;
    options.path = path;
    options.allocator = one->allocator;
    return taskq_sqlite_open(&options, &one->store, &one->err);
}

taskq_status world_open_scheduler(world *one)
{
    taskq_scheduler_options options = TASKQ_SCHEDULER_OPTIONS_INIT;
    options.store = one->store;
    if (one->clocked) {
        options.clock = fake_clock_face(&one->clock);
    }
    options.allocator = one->allocator;
    return taskq_scheduler_open(&options, &one->scheduler, &one->err);
}

taskq_status world_start_server(world *one)
{
    static const char *const listens[] = {"127.0.0.1:0"};
    taskq_server_options options = TASKQ_SERVER_OPTIONS_INIT;
    options.scheduler = one->scheduler;
    options.listens = listens;
    options.listen_count = 1;
    options.connections_max = 16;
    options.allocator = one->allocator;
    return taskq_server_start(&options, &one->server, &one->err);
}

taskq_status world_open_client(world *one)
{
    const char *url = one->server == NULL ? NULL : taskq_server_url(one->server, 0);
    taskq_client_options options = TASKQ_CLIENT_OPTIONS_INIT;
    options.servers = &url;
    options.server_count = url == NULL ? 0 : 1;
    options.allocator = one->allocator;
    return taskq_client_open(&options, &one->client, &one->err);
}

taskq_status world_open_worker(world *one)
{
    const char *url = one->server == NULL ? NULL : taskq_server_url(one->server, 0);
    taskq_worker_options options = TASKQ_WORKER_OPTIONS_INIT;
    options.servers = &url;
    options.server_count = url == NULL ? 0 : 1;
    options.concurrency = 2;
    options.allocator = one->allocator;
    return taskq_worker_open(&options, &one->worker, &one->err);
}

void world_close(world *one)
{
    taskq_worker_close(one->worker);
    taskq_client_close(one->client);
    taskq_server_stop(one->server);
    taskq_scheduler_close(one->scheduler);
    taskq_store_close(one->store);
    one->worker = NULL;
    one->client = NULL;
    one->server = NULL;
    one->scheduler = NULL;
    one->store = NULL;
}

world w;

void world_setup(void)
{
    world_init(&w);
}

void world_teardown(void)
{
    world_close(&w);
    ck_assert_int_eq(atomic_load(&w.counter.blocks), 0);
    world_clear(&w);
}

taskq_new_job world_job(const char *type, const char *payload)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    job.type = taskq_text_of(type);
    job.payload = taskq_text_of(payload);
    return job;
}

int64_t world_enqueue(world *one, const char *type)
{
    taskq_new_job job = world_job(type, "{}");
    const taskq_new_job *jobs[] = {&job};
    taskq_jobs *made = NULL;
    world_ok(one, taskq_scheduler_enqueue(one->scheduler, jobs, 1, NULL, &made, NULL, &one->err));
    int64_t id = taskq_jobs_at(made, 0)->id;
    taskq_jobs_free(made);
    return id;
}

int64_t world_claim(world *one, int64_t *version)
{
    taskq_claim_options options = TASKQ_CLAIM_OPTIONS_INIT;
    taskq_jobs *jobs = NULL;
    options.worker = taskq_text_of("w");
    world_ok(one, taskq_scheduler_claim(one->scheduler, &options, &jobs, &one->err));
    ck_assert_uint_eq(taskq_jobs_count(jobs), 1);
    int64_t id = taskq_jobs_at(jobs, 0)->id;
    *version = taskq_jobs_at(jobs, 0)->version;
    taskq_jobs_free(jobs);
    return id;
}
