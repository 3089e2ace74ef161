/* SPDX-License-Identifier: MIT */
/* What the subcommands of `taskq` share: the connection, the output form, exit codes. */
#ifndef TASKQ_APPS_TASKQ_CLI_H
#define TASKQ_APPS_TASKQ_CLI_H

#include "common/options.h"

#include <taskq/client.h>

typedef enum cli_output { OUTPUT_TABLE, OUTPUT_JSON, OUTPUT_JSONL, OUTPUT_ID } cli_output;

typedef struct cli_call {
    const options *opts;
    taskq_client *client;
    cli_output output;
    const char *const *arguments; /* after the subcommand's name */
    size_t argument_count;
} cli_call;

/* A subcommand; returns the exit code. */
typedef int cli_command_fn(cli_call *cli);

cli_command_fn cli_enqueue, cli_get, cli_list, cli_watch, cli_cancel, cli_retry, cli_delete, cli_bulk, cli_queues,
    cli_pause, cli_resume, cli_stats, cli_token;

/* Says on standard error what went wrong; returns the exit code for it. */
int cli_fail(taskq_status status, const taskq_error *err);
int cli_usage(const char *format, ...) TASKQ_PRINTF(1, 2);

/* Text that came from elsewhere must not steer the terminal: control characters become '?', but for tabs, and for line breaks where
 * `lines` says so. Returns `text`. */
char *cli_tame(char *text, bool lines);

/* An argument as a job's id; false: said so. */
bool cli_parse_id(const char *text, int64_t *out);

/* A whole file, or standard input for "-"; to be freed. NULL: said so. */
char *cli_read_file(const char *path, size_t bytes_max, size_t *size);

/* A query being put together: path?name=value&..., escaped. A value of NULL adds nothing. */
enum { CLI_PATH_BYTES = 4096 };
typedef struct cli_path {
    char text[CLI_PATH_BYTES];
    size_t size;
    bool has_query, too_long;
} cli_path;
void cli_path_start(cli_path *path, const char *text);
void cli_path_segment(cli_path *path, const char *text); /* escaped, '/' too */
void cli_path_query(cli_path *path, const char *name, const char *value);

#endif
