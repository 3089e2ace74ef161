/* SPDX-License-Identifier: MIT */
/*
 * The way into every test of this folder. The file lies where it is fast; the journal and the readers are those of
 * production.
 */
#include "fixture.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <taskq/sqlite.h>

#include "scheduler/line.h"
#include "scheduler/scheduler.h"

fixture fx;

static void open_parts(void (*tune)(taskq_scheduler_options *options))
{
    taskq_sqlite_options sqlite = TASKQ_SQLITE_OPTIONS_INIT;
    sqlite.path = fixture_path("jobs.db");
    taskq_store *inner = NULL;
    ck_ok(taskq_sqlite_open(&sqlite, &inner, &fx.err));
    if (fx.plain) {
        fx.store = inner;
    } else {
        (fx.shared ? wrapped_store_make_shared : wrapped_store_make)(&fx.wrapped, inner, &fx.store);
    }
    taskq_scheduler_options options = TASKQ_SCHEDULER_OPTIONS_INIT;
    options.store = fx.store;
    options.clock = fake_clock_face(&fx.clock);
    options.seed = 4711;
    if (tune) {
        tune(&options);
    }
    ck_ok(taskq_scheduler_open(&options, &fx.scheduler, &fx.err));
}

static void close_parts(void)
{
    taskq_scheduler_close(fx.scheduler);
    taskq_store_close(fx.store);
    if (!fx.plain) {
        wrapped_store_clear(&fx.wrapped);
    }
    fx.scheduler = NULL;
    fx.store = NULL;
}

void fixture_open(void (*tune)(taskq_scheduler_options *options))
{
    struct stat there;
    const char *root = stat("/dev/shm", &there) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(fx.dir, sizeof(fx.dir), "%s/taskq-test-XXXXXX", root);
    ck_assert_ptr_nonnull(mkdtemp(fx.dir));
    fake_clock_init(&fx.clock);
    open_parts(tune);
}

void fixture_setup(void)
{
    fixture_open(NULL);
}

void fixture_setup_shared(void)
{
    fx.shared = true;
    fixture_open(NULL);
}

void fixture_setup_plain(void)
{
    fx.plain = true;
    fixture_open(NULL);
}

const char *fixture_path(const char *name)
{
    static char path[2][128];
    static int turn;
    turn = 1 - turn;
    (void)snprintf(path[turn], sizeof(path[turn]), "%s/%s", fx.dir, name);
    return path[turn];
}

void fixture_reopen(void)
{
    close_parts();
    open_parts(NULL);
}

void fixture_teardown(void)
{
    close_parts();
    DIR *dir = opendir(fx.dir);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        char path[400];
        (void)snprintf(path, sizeof(path), "%s/%s", fx.dir, entry->d_name);
        (void)unlink(path);
    }
    if (dir) {
        (void)closedir(dir);
    }
    (void)rmdir(fx.dir);
}

taskq_new_job new_job(const char *queue, const char *type)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    job.queue = taskq_text_of(queue);
    job.type = taskq_text_of(type);
    return job;
}

int64_t enqueue_job(const taskq_new_job *job)
{
    taskq_jobs *list = NULL;
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_status status = taskq_scheduler_enqueue(fx.scheduler, &job, 1, NULL, &list, NULL, &err);
    ck_assert_msg(status == TASKQ_OK, "%s: %s", taskq_status_name(status), err.text);
    int64_t id = taskq_jobs_at(list, 0)->id;
    taskq_jobs_free(list);
    return id;
}

int64_t enqueue(const char *queue, const char *type)
{
    taskq_new_job job = new_job(queue, type);
    return enqueue_job(&job);
}

taskq_claim_options claim_of(const taskq_text *queue, const taskq_text *type, int64_t wait_ms)
{
    taskq_claim_options options = TASKQ_CLAIM_OPTIONS_INIT;
    options.queues = queue;
    options.queue_count = 1;
    options.types = type;
    options.type_count = type && type->size > 0 ? 1 : 0;
    options.worker = TASKQ_TEXT("w1");
    options.wait_ms = wait_ms;
    return options;
}

int64_t claim(const char *queue, const char *type, int64_t *version)
{
    taskq_text q = taskq_text_of(queue), t = type ? taskq_text_of(type) : (taskq_text){NULL, 0};
    taskq_claim_options options = claim_of(&q, &t, 0);
    taskq_jobs *list = NULL;
    ck_ok(taskq_scheduler_claim(fx.scheduler, &options, &list, &fx.err));
    const taskq_job *job = taskq_jobs_at(list, 0);
    int64_t id = job ? job->id : 0;
    if (version) {
        *version = job ? job->version : 0;
    }
    taskq_jobs_free(list);
    return id;
}

taskq_status complete(int64_t id, int64_t version, bool succeeded, taskq_state *state)
{
    taskq_report report = TASKQ_REPORT_INIT;
    taskq_report *reports[] = {&report};
    report.id = id;
    report.version = version;
    report.succeeded = succeeded;
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_status status = taskq_scheduler_complete(fx.scheduler, reports, 1, false, false, NULL, NULL, NULL, &err);
    if (state) {
        *state = report.state;
    }
    return status == TASKQ_OK ? report.status : status;
}

taskq_state state_of(int64_t id)
{
    taskq_jobs *list = NULL;
    taskq_status status = taskq_scheduler_get(fx.scheduler, id, &list, &fx.err);
    taskq_state state = status == TASKQ_OK ? taskq_jobs_at(list, 0)->state : (taskq_state)0;
    taskq_jobs_free(list);
    return state;
}

taskq_scheduler_stats stats(void)
{
    taskq_scheduler_stats out = {.struct_size = sizeof(out)};
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_int_eq(taskq_scheduler_read_stats(fx.scheduler, &out, &err), TASKQ_OK);
    return out;
}

void await_parked(uint32_t count)
{
    while (stats().parked != count) {
        (void)sched_yield();
    }
}

static uint32_t waiting(void)
{
    taskq__line *line = fx.scheduler->line;
    uint32_t count = 0;
    pthread_mutex_lock(&line->lock);
    for (const taskq__call *call = line->head; call; call = call->next) {
        count++;
    }
    pthread_mutex_unlock(&line->lock);
    return count;
}

void await_waiting(uint32_t count)
{
    while (waiting() != count) {
        (void)sched_yield();
    }
}

bool claimant_gone(void *user)
{
    return atomic_load(&((claimant *)user)->gone);
}

void claimant_init(claimant *one, const char *queue, const char *type, int64_t wait_ms)
{
    memset(one, 0, sizeof(*one));
    one->queue = taskq_text_of(queue);
    one->type = type ? taskq_text_of(type) : (taskq_text){NULL, 0};
    one->options = claim_of(&one->queue, &one->type, wait_ms);
}

static void *run_claimant(void *user)
{
    claimant *one = user;
    taskq_jobs *list = NULL;
    taskq_error err = TASKQ_ERROR_INIT;
    one->status = taskq_scheduler_claim(fx.scheduler, &one->options, &list, &err);
    one->count = taskq_jobs_count(list);
    if (one->count > 0) {
        one->id = taskq_jobs_at(list, 0)->id;
        one->version = taskq_jobs_at(list, 0)->version;
    }
    taskq_jobs_free(list);
    atomic_store(&one->ended, true);
    return NULL;
}

void claimant_start(claimant *one)
{
    ck_assert_int_eq(pthread_create(&one->thread, NULL, run_claimant, one), 0);
}

void claimant_join(claimant *one)
{
    ck_assert_int_eq(pthread_join(one->thread, NULL), 0);
}
