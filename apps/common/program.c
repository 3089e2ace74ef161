/* SPDX-License-Identifier: MIT */
/*
 * A process of ours: its signals are waited for by one thread, its log goes to standard error, its limits are raised as far as they go.
 */
#include "common/program.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <taskq/version.h>

enum { SAY_BYTES = 1024 };

void program_log(const options *opts, taskq_log_sink *sink, taskq_log *out)
{
    const char *format = options_string(opts, "log-format");
    bool json = format != NULL ? strcmp(format, "json") == 0 : !isatty(STDERR_FILENO);
    *sink = (taskq_log_sink){sizeof(*sink), STDERR_FILENO, json ? TASKQ_LOG_JSON : TASKQ_LOG_TEXT};
    *out = (taskq_log){sizeof(*out), taskq_log_sink_write, sink, TASKQ_LOG_INFO};
    taskq_log_level_parse(options_string(opts, "log-level"), &out->level, NULL);
}

void program_say(const taskq_log *log, taskq_log_level level, const char *component, const char *format, ...)
{
    char text[SAY_BYTES];
    if (log->fn == NULL || level < log->level) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    taskq_log_event event = {sizeof(event), level, component, text, NULL, 0};
    log->fn(log->user, &event);
}

static void waited_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
}

void program_block_signals(void)
{
    sigset_t set;
    waited_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
}

int program_wait_signal(int64_t timeout_ms)
{
    sigset_t set;
    waited_signals(&set);
    struct timespec wait = {(time_t)(timeout_ms / 1000), (long)(timeout_ms % 1000) * 1000000};
    int number;
    do {
        number = timeout_ms < 0 ? sigwaitinfo(&set, NULL) : sigtimedwait(&set, NULL, &wait);
    } while (number < 0 && errno == EINTR);
    return number > 0 ? number : 0;
}

void program_print_version(const char *program)
{
    printf("%s %s\n", program, taskq_version_string());
}

size_t program_raise_descriptors(size_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return wanted;
    }
    if (limit.rlim_cur < wanted) {
        rlim_t old = limit.rlim_cur;
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            limit.rlim_cur = old;
        }
    }
    return (size_t)limit.rlim_cur;
}
