/* SPDX-License-Identifier: MIT */
/*
 * The host's allocator gets every allocation of the library and gets all of it back: nothing stays out once the objects are closed and
 * what they handed out is freed, and nothing is taken from the C library behind its back.
 */
#include "world.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/check_main.h"

/* What every test ends with. */
static void teardown(void)
{
    world_close(&w);
    ck_assert_int_eq(atomic_load(&w.counter.bytes), 0);
    ck_assert_int_eq(counting_bypassed(), 0);
    world_teardown();
}

static void open_half(void)
{
    world_ok(&w, world_open_store(&w, world_path(&w, "jobs.db")));
    world_ok(&w, world_open_scheduler(&w));
}

static void open_all(void)
{
    open_half();
    world_ok(&w, taskq_scheduler_start(w.scheduler, &w.err));
    world_ok(&w, world_start_server(&w));
    world_ok(&w, world_open_client(&w));
    world_ok(&w, world_open_worker(&w));
}

START_TEST(the_scheduler_half_takes_its_memory_from_the_host)
{
    open_half();
    ck_assert_int_ge(atomic_load(&w.counter.blocks), 8);
    int64_t id = world_enqueue(&w, "a"), version = 0;
    ck_assert_int_eq(world_claim(&w, &version), id);
    taskq_report report = TASKQ_REPORT_INIT, *reports[] = {&report};
    report.id = id;
    report.version = version;
    report.succeeded = true;
    report.result = taskq_text_of("[1]");
    world_ok(&w, taskq_scheduler_complete(w.scheduler, reports, 1, false, false, NULL, NULL, NULL, &w.err));
    world_ok(&w, taskq_scheduler_sweep(w.scheduler, NULL, &w.err));
    world_ok(&w, taskq_store_backup(w.store, world_path(&w, "copy.db"), NULL, NULL, &w.err));
}
END_TEST

START_TEST(lists_keep_the_allocator_when_their_scheduler_is_gone)
{
    taskq_jobs *jobs = NULL;
    taskq_queues *queues = NULL;
    open_half();
    int64_t id = world_enqueue(&w, "a");
    world_ok(&w, taskq_scheduler_get(w.scheduler, id, &jobs, &w.err));
    world_ok(&w, taskq_scheduler_queues(w.scheduler, NULL, &queues, &w.err));
    world_close(&w);
    ck_assert_int_ge(atomic_load(&w.counter.blocks), 2);
    ck_assert_int_eq(taskq_jobs_at(jobs, 0)->id, id);
    ck_assert_uint_eq(taskq_queues_count(queues), 1);
    taskq_jobs_free(jobs);
    taskq_queues_free(queues);
}
END_TEST

static void run_job(const char *type, const char *payload)
{
    taskq_new_job job = world_job(type, payload);
    taskq_reply reply = TASKQ_REPLY_INIT;
    taskq_state state = (taskq_state)0;
    int64_t id = 0;
    uint32_t count = 0;
    world_ok(&w, taskq_client_enqueue(w.client, &job, NULL, NULL, &id, NULL, &w.err));
    world_ok(&w, taskq_worker_poll(w.worker, 1, 5000, &count, &w.err));
    ck_assert_uint_eq(count, 1);
    world_ok(&w, taskq_worker_execute(w.worker, &w.err));
    world_ok(&w, taskq_worker_report(w.worker, &w.err));
    world_ok(&w, taskq_client_wait(w.client, id, 60000, &state, &reply, &w.err));
    ck_assert_msg(state == TASKQ_STATE_SUCCEEDED, "%s: %s", type, reply.body.data);
    taskq_reply_clear(&reply);
}

static taskq_status chatter(taskq_run *run, void *user)
{
    (void)user;
    taskq_run_progress(run, 50, "half of it");
    for (int i = 0; i < 100; i++) {
        taskq_run_log(run, "line %d of %s", i, "a log that grows");
    }
    return taskq_run_result(run, taskq_text_of("{\"said\":100}"));
}

START_TEST(server_client_worker_and_their_handlers_take_theirs_from_the_host)
{
    char payload[256];
    taskq_http_options http = TASKQ_HTTP_OPTIONS_INIT;
    static const char *const allowed[] = {"127.0.0.0/8", "app.example"};
    open_all();
    http.allow = allowed;
    http.allow_count = 2;
    world_ok(&w, taskq_worker_handle(w.worker, "chatter", chatter, NULL, &w.err));
    world_ok(&w, taskq_worker_handle_sleep(w.worker, &w.err));
    world_ok(&w, taskq_worker_handle_http(w.worker, &http, &w.err));
    world_ok(&w, taskq_worker_handle_file(w.worker, w.dir, &w.err));
    run_job("chatter", "{}");
    run_job("sleep", "{\"duration_ms\":1}");
    (void)snprintf(payload, sizeof(payload), "{\"url\":\"%s/livez\"}", taskq_server_url(w.server, 0));
    run_job("http", payload);
    run_job("file", "{\"op\":\"write\",\"path\":\"a.txt\",\"content\":\"abc\"}");
    run_job("file", "{\"op\":\"list\",\"path\":\".\"}");
    run_job("file", "{\"op\":\"read\",\"path\":\"a.txt\"}");
    run_job("file", "{\"op\":\"checksum\",\"path\":\"a.txt\"}");
    run_job("file", "{\"op\":\"move\",\"path\":\"a.txt\",\"to\":\"b.txt\"}");
}
END_TEST

START_TEST(a_reply_keeps_the_allocator_when_its_client_is_gone)
{
    taskq_reply reply = TASKQ_REPLY_INIT;
    taskq_jobs *jobs = NULL;
    open_all();
    (void)world_enqueue(&w, "a");
    world_ok(&w, taskq_client_request(w.client, "GET", "/jobs", (taskq_text){NULL, 0}, NULL, &reply, &w.err));
    world_close(&w);
    world_ok(&w, taskq_reply_jobs(&reply, &jobs, &w.err));
    ck_assert_uint_eq(taskq_jobs_count(jobs), 1);
    taskq_reply_clear(&reply);
    ck_assert_int_ge(atomic_load(&w.counter.blocks), 1);
    taskq_jobs_free(jobs);
}
END_TEST

static void stop(taskq_worker *worker)
{
    taskq_worker_stop(worker);
}

static taskq_status stopper(taskq_run *run, void *user)
{
    (void)run;
    stop(user);
    return TASKQ_OK;
}

START_TEST(a_pool_of_threads_takes_its_memory_from_the_host)
{
    open_all();
    world_ok(&w, taskq_worker_handle(w.worker, "last", stopper, w.worker, &w.err));
    (void)world_enqueue(&w, "last");
    world_ok(&w, taskq_worker_run(w.worker, &w.err));
}
END_TEST

START_TEST(tokens_and_the_set_that_is_read_take_theirs_from_the_host)
{
    char path[128], secret[TASKQ_TOKEN_SECRET_BYTES];
    taskq_token token = TASKQ_TOKEN_INIT;
    taskq_tokens *tokens = NULL;
    (void)snprintf(path, sizeof(path), "%s", world_path(&w, "tokens"));
    token.name = "a";
    world_ok(&w, taskq_tokens_create(path, &w.allocator, &token, secret, &w.err));
    world_ok(&w, taskq_tokens_rotate(path, &w.allocator, "a", 60000, secret, &w.err));
    world_ok(&w, taskq_tokens_revoke(path, &w.allocator, "a", NULL, NULL, &w.err));
    world_ok(&w, taskq_tokens_read(path, &w.allocator, &tokens, &w.err));
    ck_assert_uint_eq(taskq_tokens_count(tokens), 0);
    taskq_tokens_free(tokens);
    ck_assert_int_gt(atomic_load(&w.counter.calls), 8);
}
END_TEST

START_TEST(a_server_with_tokens_is_checked_and_read_anew_in_the_hosts_memory)
{
    char path[128], secret[TASKQ_TOKEN_SECRET_BYTES];
    taskq_token token = TASKQ_TOKEN_INIT;
    taskq_server_options options = TASKQ_SERVER_OPTIONS_INIT;
    static const char *const listens[] = {"127.0.0.1:0"};
    (void)snprintf(path, sizeof(path), "%s", world_path(&w, "tokens"));
    token.name = "a";
    world_ok(&w, taskq_tokens_create(path, &w.allocator, &token, secret, &w.err));
    open_half();
    options.scheduler = w.scheduler;
    options.listens = listens;
    options.listen_count = 1;
    options.tokens_path = path;
    options.allocator = w.allocator;
    world_ok(&w, taskq_server_check(&options, &w.err));
    world_ok(&w, taskq_server_start(&options, &w.server, &w.err));
    world_ok(&w, taskq_server_reload(w.server, &w.err));
}
END_TEST

/* Whoever wonders whether the watch sees anything. */
START_TEST(an_object_without_an_allocator_is_seen_to_use_the_c_library)
{
    w.allocator = (taskq_allocator)TASKQ_ALLOCATOR_INIT;
    open_half();
    ck_assert_int_ge(counting_bypassed(), 8);
    ck_assert_int_eq(atomic_load(&w.counter.calls), 0);
    world_close(&w);
    (void)counting_bypassed();
}
END_TEST

TASKQ_TESTS_WITH(world_setup, teardown, the_scheduler_half_takes_its_memory_from_the_host,
                 lists_keep_the_allocator_when_their_scheduler_is_gone,
                 server_client_worker_and_their_handlers_take_theirs_from_the_host,
                 a_reply_keeps_the_allocator_when_its_client_is_gone, a_pool_of_threads_takes_its_memory_from_the_host,
                 tokens_and_the_set_that_is_read_take_theirs_from_the_host,
                 a_server_with_tokens_is_checked_and_read_anew_in_the_hosts_memory,
                 an_object_without_an_allocator_is_seen_to_use_the_c_library)
