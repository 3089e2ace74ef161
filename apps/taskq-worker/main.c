/* SPDX-License-Identifier: MIT */
/*
 * The worker as a program: options, the handlers that come with the library, and a loop around taskq_worker_step that waits for the
 * worker's descriptor and for signals. It is the loop that any host with an event loop of its own would write.
 */
#include "common/health.h"
#include "common/notify.h"
#include "common/options.h"
#include "common/program.h"
#include "common/tables.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <taskq/client.h>
#include <taskq/worker.h>

enum { OTHER_DESCRIPTORS = 128, WAIT_MS_MAX = 60000 };

static taskq_status add_handlers(taskq_worker *worker, const options *opts, taskq_error *err)
{
    const char *root = options_string(opts, "file-root");
    taskq_http_options http = TASKQ_HTTP_OPTIONS_INIT;
    http.allow_private = options_switch(opts, "http-allow-private");
    http.allow_only = options_switch(opts, "http-allow-only");
    http.allow_count = (uint32_t)options_list(opts, "http-allow", &http.allow);
    http.deny_count = (uint32_t)options_list(opts, "http-deny", &http.deny);
    taskq_file_options file = TASKQ_FILE_OPTIONS_INIT;
    file.file_bytes_max = options_number(opts, "file-max-bytes");
    taskq_status status = taskq_worker_handle_http(worker, &http, err);
    status = status != TASKQ_OK ? status : taskq_worker_handle_sleep(worker, err);
    return status != TASKQ_OK || root == NULL ? status : taskq_worker_handle_file_with(worker, root, &file, err);
}

static taskq_status open_worker(const options *opts, const taskq_log *log, taskq_worker **worker, taskq_error *err)
{
    char token[PROGRAM_TOKEN_BYTES_MAX];
    if (!program_read_token("taskq-worker", opts, token)) {
        return TASKQ_EINVAL;
    }
    taskq_worker_options wanted = TASKQ_WORKER_OPTIONS_INIT;
    wanted.server_count = (uint32_t)options_list(opts, "server", &wanted.servers);
    wanted.queue_count = (uint32_t)options_list(opts, "queue", &wanted.queues);
    wanted.id = options_string(opts, "id");
    wanted.concurrency = (uint32_t)options_number(opts, "concurrency");
    wanted.poll_interval_ms = options_number(opts, "poll-interval");
    int64_t shutdown_ms = options_number(opts, "shutdown-timeout");
    wanted.shutdown_timeout_ms = shutdown_ms == 0 ? -1 : shutdown_ms;
    wanted.token = token[0] != '\0' ? token : NULL;
    wanted.ca_file = options_string(opts, "ca-file");
    wanted.cert_file = options_string(opts, "cert");
    wanted.key_file = options_string(opts, "key");
    wanted.log = *log;
    taskq_status status = taskq_worker_open(&wanted, worker, err);
    explicit_bzero(token, sizeof(token));
    return status != TASKQ_OK ? status : add_handlers(*worker, opts, err);
}

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void take_signals(int fd, taskq_worker *worker, const notify *manager)
{
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo != SIGHUP) {
            taskq_worker_stop(worker);
            notify_send(manager, "STOPPING=1\nSTATUS=running jobs get their time, no more are asked for");
        }
    }
}

/* A beat, and what it is doing: the loop has just turned, which is all that a worker's health is. A server that is out of reach is none of it. */
static void beat(notify *manager, const taskq_worker *worker)
{
    taskq_worker_stats stats = {.struct_size = sizeof(stats)};
    taskq_worker_read_stats(worker, &stats);
    notify_send(manager, "WATCHDOG=1\nSTATUS=%u running, %llu succeeded, %llu failed", (unsigned)stats.running,
                (unsigned long long)stats.succeeded, (unsigned long long)stats.failed);
}

/* Until it was stopped and everything has ended, or it cannot go on. */
static taskq_status work(taskq_worker *worker, int signals, notify *manager, health_sign *sign, const taskq_log *log,
                         taskq_error *err)
{
    struct pollfd fds[2] = {{.fd = taskq_worker_fd(worker), .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    taskq_status status;
    int64_t next_in_ms = 0;
    bool told = false;
    while ((status = taskq_worker_step(worker, &next_in_ms, err)) == TASKQ_OK) {
        if (!told) {
            notify_send(manager, "READY=1");
            told = true;
        }
        if (notify_beat_due(manager)) {
            beat(manager, worker);
        }
        if (!health_renew(sign)) {
            program_say(log, TASKQ_LOG_WARN, "worker", "--health-file: %s: %s", sign->path, strerror(errno));
        }
        next_in_ms = health_wait_ms(sign, next_in_ms < WAIT_MS_MAX ? next_in_ms : WAIT_MS_MAX);
        poll(fds, 2, (int)notify_wait_ms(manager, next_in_ms));
        take_signals(signals, worker, manager);
    }
    return status == TASKQ_ECANCELED ? TASKQ_OK : status;
}

/* A handler that ignored its stop would be waited for by close: its job was given back, and the process ends under it. */
static int end(taskq_worker *worker)
{
    taskq_worker_stats stats = {.struct_size = sizeof(stats)};
    taskq_worker_read_stats(worker, &stats);
    if (stats.running == 0) {
        taskq_worker_close(worker);
    }
    return EXIT_DONE;
}

static void say_what_it_does(const options *opts, const taskq_log *log)
{
    const char *const *servers, *const *queues;
    size_t server_count = options_list(opts, "server", &servers), queue_count = options_list(opts, "queue", &queues);
    program_say(log, TASKQ_LOG_INFO, "worker", "asking %s%s for jobs of queue %s%s, %d at once: http, sleep%s",
                server_count > 0 ? servers[0] : "http://127.0.0.1:7070", server_count > 1 ? " and others" : "",
                queue_count > 0 ? queues[0] : "default", queue_count > 1 ? " and others" : "",
                (int)options_number(opts, "concurrency"), options_string(opts, "file-root") != NULL ? ", file" : "");
}

static int run(const options *opts)
{
    taskq_log_sink sink;
    taskq_log log;
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_worker *worker = NULL;
    program_log(opts, &sink, &log);
    notify manager;
    notify_open(&manager, &log);
    program_block_signals();
    int signals = open_signals();
    if (signals < 0) {
        program_say(&log, TASKQ_LOG_ERROR, "worker", "signals cannot be waited for: %s", strerror(errno));
        notify_close(&manager);
        return EXIT_FAILED;
    }
    program_raise_descriptors((size_t)options_number(opts, "concurrency") * 4 + OTHER_DESCRIPTORS);
    taskq_status status = open_worker(opts, &log, &worker, &err);
    if (status != TASKQ_OK) {
        if (err.text[0] != '\0') {
            fprintf(stderr, "taskq-worker: %s\n", err.text);
        }
        taskq_worker_close(worker);
        close(signals);
        notify_close(&manager);
        return status == TASKQ_EINVAL || status == TASKQ_ENOTFOUND || status == TASKQ_ELIMIT ? EXIT_USAGE : EXIT_FAILED;
    }
    say_what_it_does(opts, &log);
    health_sign sign = {options_string(opts, "health-file"), 0};
    status = work(worker, signals, &manager, &sign, &log, &err);
    health_remove(&sign);
    close(signals);
    notify_close(&manager);
    if (status != TASKQ_OK) {
        program_say(&log, TASKQ_LOG_ERROR, "worker", "%s", err.text);
        taskq_worker_close(worker);
        return EXIT_FAILED;
    }
    int code = end(worker);
    program_say(&log, TASKQ_LOG_INFO, "worker", "stopped");
    return code;
}

static int health(const options *opts)
{
    const char *path = options_string(opts, "health-file");
    if (path == NULL) {
        fprintf(stderr, "taskq-worker: --health: which worker? --health-file says where it gives its sign of life\n");
        return EXIT_USAGE;
    }
    return health_tell("taskq-worker", path);
}

int main(int argc, char **argv)
{
    int code = EXIT_USAGE;
    options *opts = options_parse(&taskq_worker_program.table, 1, argc, argv, 0);
    if (opts == NULL) {
        return EXIT_USAGE;
    }
    if (options_help_asked(opts)) {
        options_print_help(stdout, &taskq_worker_program);
        code = EXIT_DONE;
    } else if (options_version_asked(opts)) {
        program_print_version("taskq-worker", (const char *const[]){taskq_client_built_with(), NULL});
        code = EXIT_DONE;
    } else if (options_positionals(opts, &(const char *const *){NULL}) > 0) {
        fprintf(stderr, "taskq-worker: takes options alone; see taskq-worker --help\n");
    } else if (options_switch(opts, "health")) {
        code = health(opts);
    } else {
        code = run(opts);
    }
    options_free(opts);
    return code;
}
