/* SPDX-License-Identifier: MIT */
/*
 * A process of ours: its signals are waited for by one thread, its log goes to standard error, its limits are raised as far as they go.
 */
#include "common/program.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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
    sigaction(SIGXFSZ, &ignore, NULL); /* a file at its limit is an error of the write, as a full disk is */
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

/* The first line; NULL, or what is wrong. */
static const char *read_first_line(const char *path, char line[PROGRAM_TOKEN_BYTES_MAX])
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return strerror(errno);
    }
    setvbuf(file, NULL, _IONBF, 0); /* a secret stays in no buffer but the caller's */
    const char *why = NULL;
    if (fgets(line, PROGRAM_TOKEN_BYTES_MAX, file) == NULL) {
        why = ferror(file) ? strerror(errno) : "the file is empty";
    } else if (strchr(line, '\n') == NULL && fgetc(file) != EOF) {
        why = "the first line is longer than a token can be";
    } else {
        line[strcspn(line, "\r\n")] = '\0';
        why = line[0] == '\0' ? "the first line is empty" : NULL;
    }
    fclose(file);
    return why;
}

bool program_read_token(const char *program, const options *opts, char token[PROGRAM_TOKEN_BYTES_MAX])
{
    const char *path = options_string(opts, "token-file"), *given = getenv("TASKQ_TOKEN");
    const char *from = path != NULL ? path : "TASKQ_TOKEN", *why = NULL;
    token[0] = '\0';
    if (path != NULL) {
        why = read_first_line(path, token);
    } else if (given != NULL && strlen(given) >= PROGRAM_TOKEN_BYTES_MAX) {
        why = "it is longer than a token can be";
    } else if (given != NULL) {
        memcpy(token, given, strlen(given) + 1);
    }
    unsetenv("TASKQ_TOKEN");
    if (why != NULL) {
        fprintf(stderr, "%s: %s%s: %s\n", program, path != NULL ? "--token-file: " : "", from, why);
    }
    return why == NULL;
}

void program_print_version(const char *program, const char *const *built_with)
{
    printf("%s %s\n", program, taskq_version_string());
    for (; *built_with != NULL; built_with++) {
        printf("%s\n", *built_with);
    }
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
