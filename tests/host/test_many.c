/* SPDX-License-Identifier: MIT */
/* Many instances in one process: nothing in the library is the process's, so they share nothing and end in any order. */
#include "world.h"

#include <check.h>
#include <pthread.h>

#include "support/check_main.h"

enum { WORLDS = 4, JOBS = 20 };

static world worlds[WORLDS];

static taskq_status work(taskq_run *run, void *user)
{
    (void)user;
    return taskq_run_result(run, taskq_text_of("1"));
}

static void open_all(world *one)
{
    world_init(one);
    world_ok(one, world_open_store(one, world_path(one, "jobs.db")));
    world_ok(one, world_open_scheduler(one));
    world_ok(one, taskq_scheduler_start(one->scheduler, &one->err));
    world_ok(one, world_start_server(one));
    world_ok(one, world_open_client(one));
    world_ok(one, world_open_worker(one));
    world_ok(one, taskq_worker_handle(one->worker, "work", work, NULL, &one->err));
}

static void *live(void *user)
{
    world *one = user;
    taskq_new_job job = world_job("work", "{}");
    for (int i = 0; i < JOBS; i++) {
        taskq_state state = (taskq_state)0;
        int64_t id = 0;
        uint32_t count = 0;
        world_ok(one, taskq_client_enqueue(one->client, &job, NULL, NULL, &id, NULL, &one->err));
        world_ok(one, taskq_worker_poll(one->worker, 1, 10000, &count, &one->err));
        ck_assert_uint_eq(count, 1);
        world_ok(one, taskq_worker_execute(one->worker, &one->err));
        world_ok(one, taskq_worker_report(one->worker, &one->err));
        world_ok(one, taskq_client_wait(one->client, id, 60000, &state, NULL, &one->err));
        ck_assert_int_eq(state, TASKQ_STATE_SUCCEEDED);
        ck_assert_int_eq(id, i + 1);
    }
    return NULL;
}

START_TEST(worlds_live_beside_each_other_and_end_one_by_one)
{
    pthread_t threads[WORLDS];
    for (int i = 0; i < WORLDS; i++) {
        open_all(&worlds[i]);
    }
    for (int i = 0; i < WORLDS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, live, &worlds[i]), 0);
    }
    for (int i = 0; i < WORLDS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    for (int i = 0; i < WORLDS; i++) {
        world_close(&worlds[i]);
        ck_assert_int_eq(atomic_load(&worlds[i].counter.blocks), 0);
        if (i + 1 < WORLDS) {
            int64_t version = 0;
            (void)world_enqueue(&worlds[i + 1], "a"); /* the next goes on without it */
            (void)world_claim(&worlds[i + 1], &version);
        }
        world_clear(&worlds[i]);
    }
}
END_TEST

TASKQ_TESTS(worlds_live_beside_each_other_and_end_one_by_one)
