/* SPDX-License-Identifier: MIT */
/*
 * What every program of ours does with its process: signals, the log on standard error, --version.
 *
 * Signals are waited for, never handled: program_block_signals comes first, before any thread is made, so that every thread inherits
 * the mask; then the main thread waits with program_wait_signal.
 */
#ifndef TASKQ_APPS_PROGRAM_H
#define TASKQ_APPS_PROGRAM_H

#include <taskq/log.h>

#include "common/options.h"

/* --log-format and --log-level, for a program's own table. */
#define PROGRAM_LOG_OPTIONS                                                                                         \
    {"log-format", 0, OPTION_STRING, "FORMAT", "text or json; text on a terminal, json elsewhere", NULL, 0, 0,      \
     "text|json"},                                                                                                  \
    {                                                                                                               \
        "log-level", 0, OPTION_STRING, "LEVEL", "debug, info, warn or error", "info", 0, 0, "debug|info|warn|error" \
    }

/* A log on standard error by these two options. `sink` must live as long as the log. */
void program_log(const options *opts, taskq_log_sink *sink, taskq_log *out);

/* One event of the program itself. */
void program_say(const taskq_log *log, taskq_log_level level, const char *component, const char *format, ...)
    TASKQ_PRINTF(4, 5);

/* SIGINT, SIGTERM and SIGHUP are blocked and waited for; SIGPIPE and SIGXFSZ are ignored. */
void program_block_signals(void);
/* The next of the three; 0 after so many milliseconds without one (-1: never). */
int program_wait_signal(int64_t timeout_ms);

enum { PROGRAM_TOKEN_BYTES_MAX = 4096 };
/* The token: the first line of the file that --token-file names, else TASKQ_TOKEN, else "". The environment is cleared of it, so that nothing
 * that the process starts sees it. False: there is none to be had, and that has been said. The caller wipes it. */
bool program_read_token(const char *program, const options *opts, char token[PROGRAM_TOKEN_BYTES_MAX]);

/* "taskq-server 0.1.0" on standard output, and a line for each part that it was built with, NULL being the last. */
void program_print_version(const char *program, const char *const *built_with);

/* As many descriptors as `wanted`, as far as the hard limit allows; how many there are now. */
size_t program_raise_descriptors(size_t wanted);

#endif
