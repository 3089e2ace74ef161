/* SPDX-License-Identifier: MIT */
/*
 * A child that was forked has copies of everything and the right to nothing. What it calls on an inherited object is refused, what it
 * closes stays open in the parent, and at whatever moment the fork came, with whatever locks held, nothing of it hangs. The children here
 * are real ones; each says by its exit status which line of its was wrong.
 */
#include "world.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/check_main.h"

enum { CHILD_SECONDS_MAX = 60, RIGHT = 0 };

static void open_all(void)
{
    world_ok(&w, world_open_store(&w, world_path(&w, "jobs.db")));
    world_ok(&w, world_open_scheduler(&w));
    world_ok(&w, taskq_scheduler_start(w.scheduler, &w.err));
    world_ok(&w, world_start_server(&w));
    world_ok(&w, world_open_client(&w));
    world_ok(&w, world_open_worker(&w));
}

/* ---- children ------------------------------------------------------------------------------------------------------ */

/* In a child: the line at fault, as far as an exit status can tell. */
#define WRONG ((__LINE__ % 250) + 1)

static bool refused(taskq_status status)
{
    bool fine = status == TASKQ_EINVAL && w.err.status == TASKQ_EINVAL && strstr(w.err.text, "after the fork") != NULL;
    w.err = (taskq_error)TASKQ_ERROR_INIT;
    return fine;
}

static pid_t begin_child(int (*child)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)alarm(CHILD_SECONDS_MAX); /* it hangs: SIGALRM ends it */
        _exit(child());
    }
    ck_assert_int_gt(pid, 0);
    return pid;
}

static void end_child(pid_t pid)
{
    int ended = 0;
    ck_assert_int_eq(waitpid(pid, &ended, 0), pid);
    ck_assert_msg(WIFEXITED(ended), "the child was ended by signal %d", WTERMSIG(ended));
    ck_assert_msg(WEXITSTATUS(ended) == RIGHT, "the child's line %d (or 250 more) was wrong", WEXITSTATUS(ended) - 1);
}

static int call_the_scheduler(void)
{
    taskq_new_job job = world_job("a", "{}");
    const taskq_new_job *jobs[] = {&job};
    taskq_claim_options claim = TASKQ_CLAIM_OPTIONS_INIT;
    taskq_report report = TASKQ_REPORT_INIT, *reports[] = {&report};
    taskq_heartbeat beat = TASKQ_HEARTBEAT_INIT, *beats[] = {&beat};
    taskq_filter filter = TASKQ_FILTER_INIT;
    taskq_scheduler_stats stats = {.struct_size = sizeof(stats)};
    taskq_jobs *list = NULL;
    taskq_queues *queues = NULL;
    filter.queue = taskq_text_of("default");
    report.id = beat.id = report.version = beat.version = 1;
    report.succeeded = true;
    taskq_scheduler *s = w.scheduler;
    const bool right[] = {
        refused(taskq_scheduler_enqueue(s, jobs, 1, NULL, &list, NULL, &w.err)),
        refused(taskq_scheduler_claim(s, &claim, &list, &w.err)),
        refused(taskq_scheduler_complete(s, reports, 1, false, false, NULL, NULL, NULL, &w.err)),
        refused(taskq_scheduler_heartbeat(s, beats, 1, &w.err)),
        refused(taskq_scheduler_release(s, 1, 1, -1, NULL, &w.err)),
        refused(taskq_scheduler_cancel(s, 1, NULL, &w.err)),
        refused(taskq_scheduler_retry(s, 1, NULL, &w.err)),
        refused(taskq_scheduler_delete(s, 1, &w.err)),
        refused(taskq_scheduler_bulk(s, TASKQ_BULK_CANCEL, NULL, 0, &filter, NULL, NULL, &w.err)),
        refused(taskq_scheduler_queue_pause(s, filter.queue, true, NULL, &w.err)),
        refused(taskq_scheduler_get(s, 1, &list, &w.err)),
        refused(taskq_scheduler_list(s, NULL, &list, &w.err)),
        refused(taskq_scheduler_queues(s, NULL, &queues, &w.err)),
        refused(taskq_scheduler_sweep(s, NULL, &w.err)),
        refused(taskq_scheduler_start(s, &w.err)),
        refused(taskq_scheduler_ping(s, &w.err)),
        refused(taskq_scheduler_read_stats(s, &stats, &w.err)),
        taskq_scheduler_fd(s) == -1,
    };
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        if (!right[i]) {
            return WRONG + (int)i;
        }
    }
    return RIGHT;
}

static int call_the_store(void)
{
    struct sqlite3 *connection = NULL;
    taskq_scheduler_options options = TASKQ_SCHEDULER_OPTIONS_INIT;
    taskq_scheduler *scheduler = NULL;
    options.store = w.store;
    if (!refused(taskq_store_backup(w.store, world_path(&w, "copy.db"), NULL, NULL, &w.err)) ||
        access(world_path(&w, "copy.db"), F_OK) == 0) {
        return WRONG;
    }
    return refused(taskq_sqlite_begin(w.store, &connection, &w.err)) && refused(taskq_sqlite_commit(w.store, &w.err)) &&
                   refused(taskq_sqlite_rollback(w.store, &w.err)) &&
                   refused(taskq_scheduler_open(&options, &scheduler, &w.err))
               ? RIGHT
               : WRONG;
}

static int call_the_rest(void)
{
    taskq_new_job job = world_job("a", "{}");
    const taskq_new_job *jobs[] = {&job};
    taskq_server *server = w.server;
    taskq_reply reply = TASKQ_REPLY_INIT;
    uint32_t count = 0;
    int64_t id = 0, next_in_ms = 0;
    if (!refused(taskq_server_reload(server, &w.err)) || !refused(world_start_server(&w))) {
        return WRONG;
    }
    if (!refused(taskq_client_enqueue(w.client, &job, NULL, NULL, &id, NULL, &w.err)) ||
        !refused(taskq_client_enqueue_many(w.client, jobs, 1, &id, &w.err)) ||
        !refused(taskq_client_wait(w.client, 1, 0, NULL, NULL, &w.err)) ||
        !refused(taskq_client_cancel(w.client, 1, NULL, &w.err)) ||
        !refused(taskq_client_request(w.client, "GET", "/jobs", (taskq_text){NULL, 0}, NULL, &reply, &w.err))) {
        return WRONG;
    }
    return refused(taskq_worker_handle_sleep(w.worker, &w.err)) && refused(taskq_worker_run(w.worker, &w.err)) &&
                   refused(taskq_worker_step(w.worker, &next_in_ms, &w.err)) &&
                   refused(taskq_worker_poll(w.worker, 1, 0, &count, &w.err)) &&
                   refused(taskq_worker_execute(w.worker, &w.err)) && refused(taskq_worker_report(w.worker, &w.err)) &&
                   taskq_worker_fd(w.worker) == -1
               ? RIGHT
               : WRONG;
}

static int call_everything(void)
{
    int wrong = call_the_scheduler();
    wrong = wrong == RIGHT ? call_the_store() : wrong;
    return wrong == RIGHT ? call_the_rest() : wrong;
}

static int close_everything(void)
{
    taskq_worker_stop(w.worker);
    taskq_scheduler_shut(w.scheduler);
    taskq_scheduler_stop(w.scheduler);
    world_close(&w);
    return RIGHT;
}

static int call_and_close(void)
{
    int wrong = call_everything();
    return wrong == RIGHT ? close_everything() : wrong;
}

/* ---- the parent ------------------------------------------------------------------------------------------------------ */

static taskq_status work(taskq_run *run, void *user)
{
    (void)user;
    return taskq_run_result(run, taskq_text_of("1"));
}

/* A job's whole way by HTTP, through everything that a child may have spoiled. */
static void the_parent_works(void)
{
    taskq_new_job job = world_job("work", "{}");
    taskq_state state = (taskq_state)0;
    int64_t id = 0;
    uint32_t count = 0;
    world_ok(&w, taskq_client_enqueue(w.client, &job, NULL, NULL, &id, NULL, &w.err));
    while (count == 0) {
        world_ok(&w, taskq_worker_poll(w.worker, 1, 5000, &count, &w.err));
    }
    world_ok(&w, taskq_worker_execute(w.worker, &w.err));
    world_ok(&w, taskq_worker_report(w.worker, &w.err));
    world_ok(&w, taskq_client_wait(w.client, id, 60000, &state, NULL, &w.err));
    ck_assert_int_eq(state, TASKQ_STATE_SUCCEEDED);
    world_ok(&w, taskq_scheduler_sweep(w.scheduler, NULL, &w.err));
}

START_TEST(a_child_is_refused_everywhere_and_told_what_to_do)
{
    open_all();
    world_ok(&w, taskq_worker_handle(w.worker, "work", work, NULL, &w.err));
    end_child(begin_child(call_everything));
    the_parent_works();
}
END_TEST

START_TEST(what_a_child_closes_stays_open_in_its_parent)
{
    taskq_jobs *jobs = NULL;
    open_all();
    world_ok(&w, taskq_worker_handle(w.worker, "work", work, NULL, &w.err));
    the_parent_works();
    end_child(begin_child(call_and_close));
    the_parent_works();
    world_ok(&w, taskq_scheduler_list(w.scheduler, NULL, &jobs, &w.err));
    ck_assert_uint_eq(taskq_jobs_count(jobs), 2);
    taskq_jobs_free(jobs);
}
END_TEST

START_TEST(a_childs_child_is_no_better)
{
    open_all();
    pid_t pid = fork();
    if (pid == 0) {
        pid_t below = fork();
        int ended = 0;
        (void)alarm(CHILD_SECONDS_MAX);
        if (below == 0) {
            _exit(call_and_close());
        }
        _exit(waitpid(below, &ended, 0) == below && WIFEXITED(ended) ? WEXITSTATUS(ended) : WRONG);
    }
    end_child(pid);
}
END_TEST

/* A fork in the middle of the library's work, whatever it holds then: the allocator is where a host is called back. */
typedef struct forking {
    taskq_allocator below;
    _Atomic int left;
} forking;

static forking middle;

static void *fork_and_resize(void *user, void *old, size_t size)
{
    forking *self = user;
    if (atomic_fetch_sub(&self->left, 1) > 0) {
        end_child(begin_child(call_and_close));
    }
    return self->below.resize(self->below.user, old, size);
}

START_TEST(a_fork_in_the_middle_of_a_call_leaves_a_child_that_can_end)
{
    middle.below = w.allocator;
    w.allocator = (taskq_allocator){fork_and_resize, &middle};
    open_all();
    world_ok(&w, taskq_worker_handle(w.worker, "work", work, NULL, &w.err));
    atomic_store(&middle.left, 40);
    for (int i = 0; i < 3; i++) {
        the_parent_works();
    }
    ck_assert_int_le(atomic_load(&middle.left), 0);
}
END_TEST

/* ---- the file and the port -------------------------------------------------------------------------------------------- */

static int gate[2];

static int close_and_linger(void)
{
    char byte;
    int wrong = close_everything();
    taskq_store *store = NULL;
    taskq_sqlite_options options = TASKQ_SQLITE_OPTIONS_INIT;
    options.path = world_path(&w, "jobs.db");
    if (taskq_sqlite_open(&options, &store, &w.err) != TASKQ_EBUSY || strstr(w.err.text, "forked") == NULL) {
        return WRONG;
    }
    if (write(gate[1], "x", 1) != 1 || read(gate[0], &byte, 1) < 0) {
        return WRONG;
    }
    for (;;) {
        (void)pause(); /* until it is killed */
    }
    return wrong;
}

START_TEST(a_child_that_closed_keeps_neither_the_file_nor_the_port)
{
    char byte, listen[64];
    int back[2];
    open_all();
    (void)snprintf(listen, sizeof(listen), "%s", strstr(taskq_server_url(w.server, 0), "127."));
    ck_assert_int_eq(pipe(gate) | pipe(back), 0);
    int read_end = gate[0], write_end = back[1];
    gate[0] = back[0];
    pid_t pid = begin_child(close_and_linger);
    ck_assert_int_eq(read(read_end, &byte, 1), 1);
    world_close(&w);
    world_ok(&w, world_open_store(&w, world_path(&w, "jobs.db")));
    world_ok(&w, world_open_scheduler(&w));
    const char *listens[] = {listen};
    taskq_server_options options = TASKQ_SERVER_OPTIONS_INIT;
    options.scheduler = w.scheduler;
    options.listens = listens;
    options.listen_count = 1;
    options.allocator = w.allocator;
    world_ok(&w, taskq_server_start(&options, &w.server, &w.err));
    (void)kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    (void)close(write_end);
}
END_TEST

static int open_its_own(void)
{
    taskq_store *store = NULL;
    taskq_scheduler *scheduler = NULL;
    taskq_jobs *jobs = NULL;
    taskq_new_job job = world_job("a", "{}");
    const taskq_new_job *list[] = {&job};
    taskq_sqlite_options sqlite = TASKQ_SQLITE_OPTIONS_INIT;
    taskq_scheduler_options options = TASKQ_SCHEDULER_OPTIONS_INIT;
    sqlite.path = world_path(&w, "child.db");
    if (taskq_sqlite_open(&sqlite, &store, &w.err) != TASKQ_OK) {
        return WRONG;
    }
    options.store = store;
    if (taskq_scheduler_open(&options, &scheduler, &w.err) != TASKQ_OK ||
        taskq_scheduler_enqueue(scheduler, list, 1, NULL, &jobs, NULL, &w.err) != TASKQ_OK) {
        return WRONG;
    }
    taskq_jobs_free(jobs);
    taskq_scheduler_close(scheduler);
    taskq_store_close(store);
    return RIGHT;
}

START_TEST(a_child_may_open_a_store_of_its_own)
{
    world_ok(&w, world_open_store(&w, world_path(&w, "jobs.db")));
    world_ok(&w, world_open_scheduler(&w));
    (void)world_enqueue(&w, "a");
    end_child(begin_child(open_its_own));
    (void)world_enqueue(&w, "a");
}
END_TEST

/* ---- handlers -------------------------------------------------------------------------------------------------------- */

static taskq_run *running;

static int use_the_run(void)
{
    taskq_run_progress(running, 99, "of the child");
    taskq_run_log(running, "said by the child");
    taskq_run_no_retry(running);
    taskq_run_retry_in(running, 1);
    taskq_run_end(running, TASKQ_OK);
    return taskq_run_should_stop(running) == TASKQ_RUN_LOST && taskq_run_sleep(running, 100000) == TASKQ_RUN_LOST &&
                   taskq_run_fd(running) == -1 && taskq_run_result(running, taskq_text_of("2")) == TASKQ_EINVAL &&
                   taskq_run_fail(running, "x", "y") == TASKQ_EINVAL
               ? RIGHT
               : WRONG;
}

static taskq_status forks(taskq_run *run, void *user)
{
    (void)user;
    running = run;
    end_child(begin_child(use_the_run));
    return taskq_run_should_stop(run) == TASKQ_RUN_GOES_ON ? taskq_run_result(run, taskq_text_of("1")) : TASKQ_ECANCELED;
}

START_TEST(a_handlers_child_has_nothing_to_say_about_the_job)
{
    open_all();
    world_ok(&w, taskq_worker_handle(w.worker, "work", forks, NULL, &w.err));
    the_parent_works();
}
END_TEST

TASKQ_TESTS_WITH(world_setup, world_teardown, a_child_is_refused_everywhere_and_told_what_to_do,
                 what_a_child_closes_stays_open_in_its_parent, a_childs_child_is_no_better,
                 a_fork_in_the_middle_of_a_call_leaves_a_child_that_can_end,
                 a_child_that_closed_keeps_neither_the_file_nor_the_port, a_child_may_open_a_store_of_its_own,
                 a_handlers_child_has_nothing_to_say_about_the_job)
