/* SPDX-License-Identifier: MIT */
/* What people and programs see: tables, JSON, progress. Results go to standard output, all else to standard error. */
#ifndef TASKQ_APPS_TASKQ_OUTPUT_H
#define TASKQ_APPS_TASKQ_OUTPUT_H

#include "cli.h"
#include "common/progress.h"

/* The jobs that fit these options of the command line, page by page until `take` says false. */
typedef bool cli_page_fn(void *user, const taskq_jobs *jobs);
taskq_status cli_walk_jobs(const cli_call *cli, const char *const *filters, size_t filter_count, cli_page_fn *take,
                           void *user, taskq_error *err);

/* A list that may come in several pages: begin, add, add, end. */
typedef struct output_list {
    cli_output form;
    size_t count;
    bool opened; /* JSON: the bracket is there */
} output_list;

void output_begin(output_list *list, cli_output form);
/* The jobs of a reply: {"jobs": [...]} or one job. */
int output_jobs(output_list *list, const taskq_reply *reply, taskq_error *err);
/* `code`: how it went; a list that could not be had is not shown as an empty one. */
void output_end(output_list *list, int code);

/* One job of a reply, all of it: for `get`. */
int output_job(cli_output form, const taskq_reply *reply);
int output_queues(cli_output form, const taskq_reply *reply);
/* The reply's JSON as it is, with a line break. */
void output_json(const taskq_reply *reply);

/* The members of an object, a line each: "wait.p50_ms  12". */
void output_members(taskq_text object);

#endif
