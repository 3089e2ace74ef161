/* SPDX-License-Identifier: MIT */
/* A host with everything in it: store, scheduler, server, client, worker, each with the allocator that it was told. */
#ifndef TASKQ_TESTS_HOST_WORLD_H
#define TASKQ_TESTS_HOST_WORLD_H

#include <taskq/taskq.h>

#include "counting.h"
#include "support/fake_clock.h"

typedef struct world {
    char dir[64];
    counting counter;
    taskq_allocator allocator;
    fake_clock clock;
    bool clocked; /* the scheduler goes by the fake clock */
    taskq_error err;
    taskq_store *store;
    taskq_scheduler *scheduler;
    taskq_server *server;
    taskq_client *client;
    taskq_worker *worker;
} world;

#define world_ok(w, call)                                                                        \
    do {                                                                                         \
        (w)->err = (taskq_error)TASKQ_ERROR_INIT;                                                \
        taskq_status status_ = (call);                                                           \
        ck_assert_msg(status_ == TASKQ_OK, "%s: %s", taskq_status_name(status_), (w)->err.text); \
    } while (0)

void world_init(world *one); /* a folder, and the counting allocator in place */
void world_clear(world *one);
const char *world_path(const world *one, const char *name); /* valid until the next call */

/* Each is one call of the library, with the status that it gives. */
taskq_status world_open_store(world *one, const char *path);
taskq_status world_open_scheduler(world *one);
taskq_status world_start_server(world *one);
taskq_status world_open_client(world *one);
taskq_status world_open_worker(world *one);
void world_close(world *one); /* all that is open, in the right order */

/* Where one world is enough: around each test, which must end without a block of memory. */
extern world w;
void world_setup(void);
void world_teardown(void);

/* A job through the scheduler, and the claim of one; the test fails where they do not work. */
taskq_new_job world_job(const char *type, const char *payload);
int64_t world_enqueue(world *one, const char *type);
int64_t world_claim(world *one, int64_t *version);

#endif
