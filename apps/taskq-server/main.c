/* SPDX-License-Identifier: MIT */
/*
 * The server as a program: options, store, scheduler, server, a wait for a signal, and all of it closed in reverse order. What it can
 * do, any program can: it knows the library by its public headers alone.
 */
#include "common/notify.h"
#include "common/options.h"
#include "common/program.h"
#include "common/tables.h"
#include "store.h"
#include "version.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>

#include <taskq/scheduler.h>
#include <taskq/server.h>

enum { WATCH_MS = 1000, OTHER_DESCRIPTORS = 256, HEAPS = 2, LARGE_BYTES = 512 << 10, STATUS_BYTES = 1024 };

typedef struct parts { /* in the order in which they are opened */
    taskq_store *store;
    taskq_scheduler *scheduler;
    taskq_server *server;
} parts;

static taskq_server_options server_options(const options *opts, const taskq_log *log)
{
    taskq_server_options server = TASKQ_SERVER_OPTIONS_INIT;
    server.listen_count = (uint32_t)options_list(opts, "listen", &server.listens);
    server.log = *log;
    server.insecure = options_switch(opts, "insecure");
    server.body_bytes_max = (size_t)options_number(opts, "max-body");
    server.connections_max = (uint32_t)options_number(opts, "max-connections");
    server.tokens_path = options_string(opts, "tokens");
    server.tls_cert_path = options_string(opts, "tls-cert");
    server.tls_key_path = options_string(opts, "tls-key");
    server.tls_client_ca_path = options_string(opts, "tls-client-ca");
    server.trusted_proxy_count = (uint32_t)options_list(opts, "trusted-proxy", &server.trusted_proxies);
    server.header_bytes_max = (uint32_t)options_number(opts, "max-header");
    server.url_bytes_max = (uint32_t)options_number(opts, "max-url");
    server.json_depth_max = (uint32_t)options_number(opts, "max-json-depth");
    server.request_timeout_ms = options_number(opts, "request-timeout");
    server.address_connections_max = (uint32_t)options_number(opts, "max-connections-per-address");
    server.handshakes_max = (uint32_t)options_number(opts, "max-handshakes");
    server.handshake_timeout_ms = options_number(opts, "handshake-timeout");
    server.worker_polls_max = (uint32_t)options_number(opts, "max-polls-per-worker");
    server.drain_ms = options_number(opts, "drain");
    return server;
}

static void close_parts(parts *all)
{
    taskq_server_stop(all->server);
    taskq_scheduler_close(all->scheduler);
    taskq_store_close(all->store);
}

static taskq_status open_parts(const options *opts, const taskq_log *log, parts *all, taskq_error *err)
{
    taskq_status status = store_open(opts, log, &all->store, err);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq_scheduler_options scheduler = TASKQ_SCHEDULER_OPTIONS_INIT;
    scheduler.store = all->store;
    scheduler.log = *log;
    scheduler.sweep_interval_ms = options_number(opts, "sweep-interval");
    scheduler.retention_ms = options_number(opts, "retention");
    scheduler.retention_failed_ms = options_number(opts, "retention-failed");
    status = taskq_scheduler_open(&scheduler, &all->scheduler, err);
    if (status == TASKQ_OK && taskq_scheduler_ping(all->scheduler, err) == TASKQ_ESTORE) {
        status = TASKQ_ESTORE; /* not for now: there is no waiting for it to be well again */
    }
    if (status == TASKQ_OK) {
        status = taskq_scheduler_start(all->scheduler, err);
    }
    if (status == TASKQ_OK) {
        taskq_server_options server = server_options(opts, log);
        server.scheduler = all->scheduler;
        status = taskq_server_start(&server, &all->server, err);
    }
    return status;
}

static void reload(taskq_server *server, const taskq_log *log)
{
    taskq_error err = TASKQ_ERROR_INIT;
    if (taskq_server_reload(server, &err) == TASKQ_OK) {
        program_say(log, TASKQ_LOG_INFO, "server", "tokens and certificates were read again");
    } else {
        program_say(log, TASKQ_LOG_ERROR, "server", "the old tokens or certificates stay in use: %s", err.text);
    }
}

/* Where it can be reached: a line each on standard output, and one for the service manager. */
static void say_where(const parts *all, char *status, size_t status_bytes)
{
    size_t used = 0;
    status[0] = '\0';
    for (uint32_t i = 0; taskq_server_url(all->server, i) != NULL; i++) {
        printf("listening on %s\n", taskq_server_url(all->server, i));
        int size = snprintf(status + used, status_bytes - used, "%s%s", i == 0 ? "listening on " : ", ",
                            taskq_server_url(all->server, i));
        used += size > 0 && (size_t)size < status_bytes - used ? (size_t)size : 0;
    }
    fflush(stdout);
}

/* A write that does not come back is what the watchdog is for, so a beat goes the whole way first: a cancel of a job that cannot be stands
 * in the line of all that writes, has its transaction, and changes nothing. Any answer will do: a store that is out of reach for a while
 * has answered, and starting the server again would bring nothing. */
static void beat(const parts *all, notify *manager)
{
    taskq_error err = TASKQ_ERROR_INIT;
    (void)taskq_scheduler_cancel(all->scheduler, INT64_MAX, NULL, &err);
    notify_send(manager, "WATCHDOG=1");
}

static taskq_status look_at_store(const parts *all, notify *manager, const char *where, taskq_status before,
                                  taskq_error *err)
{
    taskq_status status = taskq_scheduler_ping(all->scheduler, err);
    if (notify_beat_due(manager)) {
        beat(all, manager);
    }
    if (status == TASKQ_OK && before != TASKQ_OK) {
        notify_send(manager, "STATUS=%s", where);
    } else if (status != TASKQ_OK && before == TASKQ_OK) {
        notify_send(manager, "STATUS=the store takes no jobs: %s", err->text);
    }
    return status;
}

/* Until a signal says stop: done. A store that takes nothing any more does not come back by waiting: failed. */
static int wait_for_end(const parts *all, const taskq_log *log, notify *manager, const char *where)
{
    taskq_status status = TASKQ_OK;
    for (;;) {
        int number = program_wait_signal(notify_wait_ms(manager, WATCH_MS));
        if (number == SIGTERM || number == SIGINT) {
            notify_send(manager, "STOPPING=1\nSTATUS=ending what is in flight");
            program_say(log, TASKQ_LOG_INFO, "server", "stopping");
            return EXIT_DONE;
        }
        taskq_error err = TASKQ_ERROR_INIT;
        if (number == SIGHUP) {
            notify_reloading(manager);
            reload(all->server, log);
            notify_send(manager, "READY=1");
        }
        status = look_at_store(all, manager, where, status, &err);
        if (status == TASKQ_ESTORE) {
            notify_send(manager, "STOPPING=1");
            program_say(log, TASKQ_LOG_ERROR, "server",
                        "the store failed and acknowledges nothing any more, so the server ends: %s", err.text);
            return EXIT_FAILED;
        }
    }
}

static int serve(const options *opts)
{
    taskq_log_sink sink;
    taskq_log log;
    parts all = {NULL, NULL, NULL};
    taskq_error err = TASKQ_ERROR_INIT;
    program_log(opts, &sink, &log);
    program_block_signals();
    notify manager;
    notify_open(&manager, &log);
    size_t wanted = (size_t)options_number(opts, "max-connections") + OTHER_DESCRIPTORS;
    size_t descriptors = program_raise_descriptors(wanted);
    if (descriptors < wanted) {
        program_say(&log, TASKQ_LOG_WARN, "server",
                    "only %zu descriptors may be open, %zu are wanted: fewer connections than "
                    "--max-connections will be served",
                    descriptors, wanted);
    }
    taskq_status status = open_parts(opts, &log, &all, &err);
    if (status != TASKQ_OK) {
        fprintf(stderr, "taskq-server: %s\n", err.text);
        close_parts(&all);
        notify_close(&manager);
        return EXIT_FAILED;
    }
    char where[STATUS_BYTES];
    say_where(&all, where, sizeof(where));
    notify_send(&manager, "READY=1\nSTATUS=%s", where);
    int code = wait_for_end(&all, &log, &manager, where);
    close_parts(&all);
    notify_close(&manager);
    return code;
}

/* 1: it answers that it is not well; 5: it does not answer. */
static int health(const options *opts)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_log no_log = {0, NULL, NULL, (taskq_log_level)0};
    taskq_server_options server = server_options(opts, &no_log);
    taskq_status status = taskq_server_probe(&server, 0, &err);
    if (status == TASKQ_OK) {
        printf("ok\n");
        return EXIT_DONE;
    }
    fprintf(stderr, "taskq-server: %s\n", err.text);
    return status == TASKQ_EINVAL ? EXIT_USAGE : status == TASKQ_EUNAVAIL ? EXIT_UNREACHABLE : EXIT_FAILED;
}

static int print_openapi(void)
{
    taskq_text document = taskq_server_openapi();
    bool printed = fwrite(document.data, 1, document.size, stdout) == document.size && putchar('\n') != EOF;
    return printed && fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int import(const options *opts)
{
    taskq_log_sink sink;
    taskq_log log;
    program_log(opts, &sink, &log);
    return store_import(opts, &log);
}

static int run(const options *opts)
{
    const char *const *rest;
    if (options_help_asked(opts)) {
        options_print_help(stdout, &taskq_server_program);
        return EXIT_DONE;
    }
    if (options_version_asked(opts)) {
        print_version();
        return EXIT_DONE;
    }
    if (options_switch(opts, "print-openapi")) {
        return print_openapi();
    }
    if (options_switch(opts, "health")) {
        return health(opts);
    }
    if (options_positionals(opts, &rest) > 0) {
        fprintf(stderr, "taskq-server: %s: takes options alone; --help lists them\n", rest[0]);
        return EXIT_USAGE;
    }
    if (!store_options_fit(opts)) {
        return EXIT_USAGE;
    }
    if (options_switch(opts, "print-schema")) {
        return store_print_schema(opts);
    }
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_log no_log = {0, NULL, NULL, (taskq_log_level)0};
    taskq_server_options server = server_options(opts, &no_log);
    if (taskq_server_check(&server, &err) != TASKQ_OK) {
        fprintf(stderr, "taskq-server: %s\n", err.text);
        return EXIT_USAGE;
    }
    if (options_switch(opts, "check")) {
        return store_check(opts);
    }
    if (options_string(opts, "import") != NULL) {
        return import(opts);
    }
    return options_string(opts, "backup-to") != NULL ? store_backup(opts) : serve(opts);
}

int main(int argc, char **argv)
{
    /* glibc gives threads heaps of their own, eight a core, and what a thread that idles now once freed there stays with it. */
    (void)mallopt(M_ARENA_MAX, HEAPS);
    /* And the bound from which on a block has pages of its own, to be given back when it is freed, would grow with the blocks: after
     * some large requests at once their memory would stay. Said once, it stays where it is. */
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
    options *opts = options_parse(&taskq_server_program.table, 1, argc, argv, 0);
    if (opts == NULL) {
        return EXIT_USAGE;
    }
    int code = run(opts);
    options_free(opts);
    return code;
}
