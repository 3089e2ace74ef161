/* SPDX-License-Identifier: MIT */
/*
 * Memory that is not there. Every allocation of every call is made to fail once, the first, the second and so on until the call needs no
 * more: each time the call says ENOMEM and changed nothing, the same call then works, and all that was taken goes back at the end.
 */
#include "world.h"

#include <check.h>
#include <stdio.h>

#include "support/check_main.h"

enum { ALLOCATIONS_MAX = 3000 };

/* `call` with its n-th allocation failing, for all n that it has; after each failure it is made to work, and `undo` takes that back. At least
 * `least` times: a call that is not seen to allocate proves nothing. */
static void starve(taskq_status (*call)(void), void (*undo)(void), long least)
{
    long nth = 1;
    for (;; nth++) {
        ck_assert_int_lt(nth, ALLOCATIONS_MAX);
        w.err = (taskq_error)TASKQ_ERROR_INIT;
        counting_fail(&w.counter, nth, false);
        taskq_status status = call();
        bool failed = atomic_load(&w.counter.failed) > 0;
        counting_fail(&w.counter, 0, false);
        if (!failed) {
            ck_assert_int_eq(status, TASKQ_OK);
            undo();
            break;
        }
        if (status == TASKQ_OK) { /* it could do without */
            undo();
            continue;
        }
        ck_assert_msg(status == TASKQ_ENOMEM && w.err.status == TASKQ_ENOMEM && w.err.text[0] != '\0',
                      "allocation %ld: %s: %s", nth, taskq_status_name(status), w.err.text);
        world_ok(&w, call());
        undo();
    }
    ck_assert_int_ge(nth - 1, least);
}

static void nothing(void) {}

static void open_half(void)
{
    world_ok(&w, world_open_store(&w, ":memory:"));
    world_ok(&w, world_open_scheduler(&w));
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static taskq_status open_store(void)
{
    return world_open_store(&w, world_path(&w, "jobs.db"));
}

static void close_store(void)
{
    taskq_store_close(w.store);
    w.store = NULL;
    ck_assert_int_eq(atomic_load(&w.counter.blocks), 0);
}

START_TEST(opening_a_store)
{
    starve(open_store, close_store, 5);
}
END_TEST

static taskq_status open_scheduler(void)
{
    return world_open_scheduler(&w);
}

static void close_scheduler(void)
{
    taskq_scheduler_close(w.scheduler);
    w.scheduler = NULL;
}

START_TEST(opening_a_scheduler)
{
    world_ok(&w, world_open_store(&w, ":memory:"));
    long before = atomic_load(&w.counter.blocks);
    starve(open_scheduler, close_scheduler, 4);
    ck_assert_int_eq(atomic_load(&w.counter.blocks), before);
}
END_TEST

static taskq_status open_worker(void)
{
    return world_open_worker(&w);
}

static void close_worker(void)
{
    taskq_worker_close(w.worker);
    w.worker = NULL;
    ck_assert_int_eq(atomic_load(&w.counter.blocks), 0);
}

START_TEST(opening_a_worker)
{
    starve(open_worker, close_worker, 5);
}
END_TEST

static taskq_status add_handlers(void)
{
    static const char *const allowed[] = {"127.0.0.0/8", "app.example"};
    taskq_http_options http = TASKQ_HTTP_OPTIONS_INIT;
    http.allow = allowed;
    http.allow_count = 2;
    taskq_status status = world_open_worker(&w);
    status = status == TASKQ_OK ? taskq_worker_handle_http(w.worker, &http, &w.err) : status;
    status = status == TASKQ_OK ? taskq_worker_handle_file(w.worker, w.dir, &w.err) : status;
    status = status == TASKQ_OK ? taskq_worker_handle_sleep(w.worker, &w.err) : status;
    if (status != TASKQ_OK) {
        taskq_worker_close(w.worker);
        w.worker = NULL;
    }
    return status;
}

START_TEST(giving_a_worker_its_handlers)
{
    starve(add_handlers, close_worker, 15);
}
END_TEST

static taskq_status open_client(void)
{
    return world_open_client(&w);
}

static void close_client(void)
{
    taskq_client_close(w.client);
    w.client = NULL;
    ck_assert_int_eq(atomic_load(&w.counter.blocks), 0);
}

START_TEST(opening_a_client)
{
    starve(open_client, close_client, 2);
}
END_TEST

static taskq_status start_server(void)
{
    return world_start_server(&w);
}

static void stop_server(void)
{
    taskq_server_stop(w.server);
    w.server = NULL;
    close_scheduler(); /* the server's end has shut it */
    world_ok(&w, world_open_scheduler(&w));
}

START_TEST(starting_a_server)
{
    open_half();
    starve(start_server, stop_server, 4);
}
END_TEST

/* ---- a job's way -------------------------------------------------------------------------------------------------- */

static int64_t id, version;

static taskq_status enqueue(void)
{
    taskq_new_job job = world_job("a", "{\"text\":\"some that is longer than nothing\"}");
    const taskq_new_job *jobs[] = {&job};
    taskq_enqueue_options options = TASKQ_ENQUEUE_OPTIONS_INIT;
    taskq_jobs *made = NULL;
    char key[32];
    (void)snprintf(key, sizeof(key), "key-%ld", (long)id);
    options.idempotency_key = taskq_text_of(key);
    taskq_status status = taskq_scheduler_enqueue(w.scheduler, jobs, 1, &options, &made, NULL, &w.err);
    if (status == TASKQ_OK) {
        ck_assert_int_eq(taskq_jobs_at(made, 0)->id, id + 1); /* what failed made none */
    }
    taskq_jobs_free(made);
    return status;
}

static void next_id(void)
{
    id++;
}

START_TEST(enqueueing)
{
    open_half();
    id = 0;
    starve(enqueue, next_id, 1);
}
END_TEST

static taskq_status claim(void)
{
    taskq_claim_options options = TASKQ_CLAIM_OPTIONS_INIT;
    static const taskq_text queues[] = {{"default", 7}, {"b", 1}, {"c", 1}, {"d", 1}, {"e", 1}};
    taskq_jobs *jobs = NULL;
    options.worker = taskq_text_of("w");
    options.queues = queues;
    options.queue_count = 5;
    options.wait_ms = 10;
    taskq_status status = taskq_scheduler_claim(w.scheduler, &options, &jobs, &w.err);
    if (status == TASKQ_OK) {
        ck_assert_uint_eq(taskq_jobs_count(jobs), 1);
        id = taskq_jobs_at(jobs, 0)->id;
        version = taskq_jobs_at(jobs, 0)->version;
    }
    taskq_jobs_free(jobs);
    return status;
}

static void give_back(void)
{
    world_ok(&w, taskq_scheduler_release(w.scheduler, id, version, -1, NULL, &w.err));
}

START_TEST(claiming)
{
    open_half();
    (void)world_enqueue(&w, "a");
    starve(claim, give_back, 2);
}
END_TEST

static taskq_status complete(void)
{
    taskq_report report = TASKQ_REPORT_INIT, *reports[] = {&report};
    taskq_jobs *reported = NULL;
    report.id = id;
    report.version = version;
    report.succeeded = true;
    report.result = taskq_text_of("{\"a\":\"result\"}");
    taskq_status status = taskq_scheduler_complete(w.scheduler, reports, 1, false, true, NULL, &reported, NULL, &w.err);
    if (status == TASKQ_OK && report.status != TASKQ_OK) {
        w.err = (taskq_error){report.status, "of the report", ""};
        status = report.status;
    }
    taskq_jobs_free(reported);
    return status;
}

static void another(void)
{
    (void)world_enqueue(&w, "a");
    id = world_claim(&w, &version);
}

START_TEST(completing)
{
    open_half();
    another();
    starve(complete, another, 1);
}
END_TEST

static taskq_status beat(void)
{
    taskq_heartbeat one = TASKQ_HEARTBEAT_INIT, *beats[] = {&one};
    one.id = id;
    one.version = version;
    one.log = taskq_text_of("a line\n");
    one.progress = taskq_text_of("{\"percent\":3}");
    taskq_status status = taskq_scheduler_heartbeat(w.scheduler, beats, 1, &w.err);
    return status == TASKQ_OK ? one.status : status;
}

START_TEST(beating)
{
    open_half();
    another();
    starve(beat, nothing, 1);
}
END_TEST

static taskq_status look(void)
{
    taskq_jobs *jobs = NULL, *page = NULL;
    taskq_queues *queues = NULL;
    taskq_status status = taskq_scheduler_get(w.scheduler, 1, &jobs, &w.err);
    status = status == TASKQ_OK ? taskq_scheduler_list(w.scheduler, NULL, &page, &w.err) : status;
    status = status == TASKQ_OK ? taskq_scheduler_queues(w.scheduler, NULL, &queues, &w.err) : status;
    if (status == TASKQ_OK) {
        ck_assert_uint_eq(taskq_jobs_count(page), 30);
        ck_assert_uint_eq(taskq_queues_count(queues), 1);
    }
    taskq_jobs_free(jobs);
    taskq_jobs_free(page);
    taskq_queues_free(queues);
    return status;
}

START_TEST(looking)
{
    open_half();
    for (int i = 0; i < 30; i++) {
        (void)world_enqueue(&w, "a");
    }
    starve(look, nothing, 5);
}
END_TEST

static taskq_status operate(void)
{
    taskq_filter filter = TASKQ_FILTER_INIT;
    filter.queue = taskq_text_of("default");
    taskq_status status = taskq_scheduler_cancel(w.scheduler, id, NULL, &w.err);
    status = status == TASKQ_OK || status == TASKQ_ECONFLICT
                 ? taskq_scheduler_queue_pause(w.scheduler, filter.queue, false, NULL, &w.err)
                 : status;
    status = status == TASKQ_OK
                 ? taskq_scheduler_bulk(w.scheduler, TASKQ_BULK_RETRY, NULL, 0, &filter, NULL, NULL, &w.err)
                 : status;
    return status == TASKQ_OK ? taskq_scheduler_sweep(w.scheduler, NULL, &w.err) : status;
}

START_TEST(operating)
{
    open_half();
    id = world_enqueue(&w, "a");
    starve(operate, nothing, 5);
}
END_TEST

/* ---- over HTTP ------------------------------------------------------------------------------------------------------ */

/* The server's side has all the memory that it wants; what fails is the client's or the worker's. */
static void open_server_and(taskq_status (*half)(world *w))
{
    w.allocator = (taskq_allocator)TASKQ_ALLOCATOR_INIT;
    open_half();
    world_ok(&w, world_start_server(&w));
    w.allocator = counting_face(&w.counter);
    world_ok(&w, half(&w));
}

static taskq_status client_enqueue(const char *key, int64_t *out, bool *existing)
{
    taskq_new_job job = world_job("a", "{\"n\":1}");
    return taskq_client_enqueue(w.client, &job, key, NULL, out, existing, &w.err);
}

static bool is_there(int64_t job_id)
{
    taskq_jobs *jobs = NULL;
    taskq_status status = taskq_scheduler_get(w.scheduler, job_id, &jobs, NULL);
    taskq_jobs_free(jobs);
    return status == TASKQ_OK;
}

START_TEST(a_client_without_memory_says_whether_the_job_may_be_there)
{
    open_server_and(world_open_client);
    long nth = 1;
    for (bool failed = true; failed; nth++) {
        char key[32];
        bool existing = false;
        (void)snprintf(key, sizeof(key), "key-%ld", nth);
        counting_fail(&w.counter, nth, false);
        taskq_status status = client_enqueue(key, &id, &existing);
        failed = atomic_load(&w.counter.failed) > 0;
        counting_fail(&w.counter, 0, false);
        ck_assert_msg(status == TASKQ_OK || status == TASKQ_ENOMEM || status == TASKQ_EUNKNOWN, "allocation %ld: %s",
                      nth, taskq_status_name(status));
        ck_assert(status != TASKQ_ENOMEM || !is_there(nth));
        ck_assert(status != TASKQ_OK || is_there(nth));
        world_ok(&w,
                 client_enqueue(key, &id, &existing)); /* the same key: made once, whatever became of the first try */
        ck_assert_int_eq(id, nth);
    }
    ck_assert_int_ge(nth, 8);
}
END_TEST

static taskq_status work(taskq_run *run, void *user)
{
    (void)user;
    taskq_run_log(run, "a line %d", 1);
    return taskq_run_result(run, taskq_text_of("{\"done\":true}"));
}

static taskq_state state_of(int64_t job_id)
{
    taskq_jobs *jobs = NULL;
    world_ok(&w, taskq_scheduler_get(w.scheduler, job_id, &jobs, &w.err));
    taskq_state state = taskq_jobs_at(jobs, 0)->state;
    taskq_jobs_free(jobs);
    return state;
}

/* One job's way through the worker; what it says on the way is its business, as long as it comes to an end. */
static void work_one(long nth)
{
    taskq_new_job job = world_job("work", "{}");
    const taskq_new_job *jobs[] = {&job};
    taskq_jobs *made = NULL;
    uint32_t count = 0;
    int tries = 0;
    job.lease_ms = TASKQ_LEASE_MS_MIN; /* a job that could not even be read comes again when its lease is over, */
    world_ok(&w, taskq_scheduler_enqueue(w.scheduler, jobs, 1, NULL, &made, NULL, &w.err));
    id = taskq_jobs_at(made, 0)->id;
    taskq_jobs_free(made);
    counting_fail(&w.counter, nth, false);
    while (state_of(id) != TASKQ_STATE_SUCCEEDED) {
        ck_assert_int_ne(state_of(id), TASKQ_STATE_FAILED);
        fake_clock_advance(&w.clock,
                           tries++ < 2 ? 0 : TASKQ_DELAY_MS_MAX / 1000); /* and one that failed after its backoff */
        (void)taskq_scheduler_sweep(w.scheduler, NULL, NULL);
        (void)taskq_worker_poll(w.worker, 1, 100, &count, NULL);
        (void)taskq_worker_execute(w.worker, NULL);
        (void)taskq_worker_report(w.worker, NULL);
    }
}

START_TEST(a_worker_without_memory_for_a_moment_still_gets_every_job_done)
{
    w.clocked = true;
    open_server_and(world_open_worker);
    world_ok(&w, taskq_worker_handle(w.worker, "work", work, NULL, &w.err));
    bool failed = true;
    for (long nth = 1; failed; nth++) {
        work_one(nth);
        failed = atomic_load(&w.counter.failed) > 0;
    }
    counting_fail(&w.counter, 0, false);
}
END_TEST

/* ---- with nothing left at all ----------------------------------------------------------------------------------------- */

START_TEST(a_scheduler_lives_through_a_time_without_any_memory)
{
    open_half();
    id = 0;
    for (int i = 0; i < 20; i++) {
        counting_fail(&w.counter, 1, true);
        ck_assert_int_eq(enqueue(), TASKQ_ENOMEM);
        ck_assert_int_eq(claim(), TASKQ_ENOMEM);
        ck_assert_int_eq(look(), TASKQ_ENOMEM);
        counting_fail(&w.counter, 0, false);
    }
    world_ok(&w, enqueue());
    world_ok(&w, claim());
    world_ok(&w, complete());
}
END_TEST

/* Jobs of many queues, so that what is gathered for the commit needs memory several times. */
static taskq_status transact(void)
{
    struct sqlite3 *db = NULL;
    char queue[16];
    taskq_status status = taskq_sqlite_begin(w.store, &db, &w.err);
    if (status != TASKQ_OK) {
        return status;
    }
    for (int i = 0; i < 100 && status == TASKQ_OK; i++) {
        taskq_new_job job = world_job("a", "{}");
        const taskq_new_job *jobs[] = {&job};
        taskq_jobs *made = NULL;
        (void)snprintf(queue, sizeof(queue), "q%d", i);
        job.queue = taskq_text_of(queue);
        status = taskq_sqlite_enqueue(w.store, jobs, 1, NULL, &made, NULL, &w.err);
        ck_assert(status != TASKQ_OK || taskq_jobs_at(made, 0)->id == i + 1); /* what failed left none */
        taskq_jobs_free(made);
    }
    taskq_error over = TASKQ_ERROR_INIT;
    ck_assert_int_eq(taskq_sqlite_rollback(w.store, &over), TASKQ_OK);
    return status;
}

/* Where a job was written by halves the whole transaction is lost, and says that the store could not. */
START_TEST(a_transaction_of_the_hosts)
{
    long nth = 1;
    open_half();
    for (bool failed = true; failed; nth++) {
        ck_assert_int_lt(nth, ALLOCATIONS_MAX);
        w.err = (taskq_error)TASKQ_ERROR_INIT;
        counting_fail(&w.counter, nth, false);
        taskq_status status = transact();
        failed = atomic_load(&w.counter.failed) > 0;
        counting_fail(&w.counter, 0, false);
        ck_assert(status == TASKQ_OK || (failed && (status == TASKQ_ENOMEM || status == TASKQ_EUNAVAIL)));
        ck_assert_int_eq(status, w.err.status);
        world_ok(&w, transact());
    }
    ck_assert_int_gt(nth, 100);
}
END_TEST

TASKQ_TESTS_WITH(world_setup, world_teardown, opening_a_store, opening_a_scheduler, opening_a_worker,
                 giving_a_worker_its_handlers, opening_a_client, starting_a_server, enqueueing, claiming, completing,
                 beating, looking, operating, a_transaction_of_the_hosts,
                 a_client_without_memory_says_whether_the_job_may_be_there,
                 a_worker_without_memory_for_a_moment_still_gets_every_job_done,
                 a_scheduler_lives_through_a_time_without_any_memory)
