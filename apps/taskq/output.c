/* SPDX-License-Identifier: MIT */
/*
 * Results for people (tables) and for programs (the API's own JSON, untouched; or ids, for pipes). Colours only where a terminal reads,
 * and not where NO_COLOR is set.
 */
#include "output.h"

#include "json_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool has_colour(void)
{
    const char *no = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return (no == NULL || no[0] == '\0') && (term == NULL || strcmp(term, "dumb") != 0) && isatty(STDOUT_FILENO) == 1;
}

static const char *colour_of(taskq_state state)
{
    switch (state) {
    case TASKQ_STATE_SUCCEEDED: return "\033[32m";
    case TASKQ_STATE_FAILED: return "\033[31m";
    case TASKQ_STATE_RUNNING: return "\033[36m";
    case TASKQ_STATE_CANCELED: return "\033[35m";
    default: return "";
    }
}

/* "2026-01-31 08:00:00" in UTC; "-" for 0. */
static void write_time(int64_t unix_ms, char *out, size_t out_bytes)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm parts;
    if (unix_ms == 0 || gmtime_r(&seconds, &parts) == NULL ||
        strftime(out, out_bytes, "%Y-%m-%d %H:%M:%S", &parts) == 0) {
        snprintf(out, out_bytes, "-");
    }
}

/* A text for a table: control characters become '?', what is longer is cut and ends in '+'. */
static void write_cell(taskq_text text, int width, char *out, size_t out_bytes)
{
    size_t room = (size_t)width < out_bytes ? (size_t)width : out_bytes - 1;
    size_t size = text.size <= room ? text.size : room - 1;
    while (size > 0 && size < text.size && ((unsigned char)text.data[size] & 0xc0) == 0x80) {
        size--; /* not through a character */
    }
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        out[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    if (size < text.size) {
        out[size++] = '+';
    }
    out[size] = '\0';
    if (size == 0) {
        snprintf(out, out_bytes, "-");
    }
}

void output_json(const taskq_reply *reply)
{
    fwrite(reply->body.data, 1, reply->body.size, stdout);
    putchar('\n');
}

/* ---- lists of jobs ---------------------------------------------------------------------------------------------- */

void output_begin(output_list *list, cli_output form)
{
    *list = (output_list){.form = form};
}

static void print_job_row(const taskq_job *job, bool colour)
{
    char queue[32], type[32], when[24], worker[32];
    write_cell(job->queue, 18, queue, sizeof(queue));
    write_cell(job->type, 18, type, sizeof(type));
    write_cell(job->worker, 24, worker, sizeof(worker));
    int64_t at_ms = job->finished_at_ms != 0            ? job->finished_at_ms
                    : job->state == TASKQ_STATE_RUNNING ? job->started_at_ms
                                                        : job->run_at_ms;
    write_time(at_ms, when, sizeof(when));
    printf("%10" PRId64 "  %s%-9s%s  %-18s  %-18s  %5" PRId32 "  %3" PRId32 "/%-3" PRId32 "  %-19s  %s\n", job->id,
           colour ? colour_of(job->state) : "", taskq_state_name(job->state),
           colour && colour_of(job->state)[0] != '\0' ? "\033[0m" : "", queue, type, job->priority, job->attempt,
           job->max_attempts, when, worker);
}

static int print_rows(output_list *list, const taskq_reply *reply, taskq_error *err)
{
    taskq_jobs *jobs = NULL;
    taskq_status status = taskq_reply_jobs(reply, &jobs, err);
    if (status != TASKQ_OK) {
        return cli_fail(status, err);
    }
    bool colour = has_colour();
    for (uint32_t i = 0; i < taskq_jobs_count(jobs); i++, list->count++) {
        const taskq_job *job = taskq_jobs_at(jobs, i);
        if (list->form == OUTPUT_ID) {
            printf("%" PRId64 "\n", job->id);
            continue;
        }
        if (list->count == 0) {
            printf("%10s  %-9s  %-18s  %-18s  %5s  %7s  %-19s  %s\n", "ID", "STATE", "QUEUE", "TYPE", "PRIO", "ATTEMPT",
                   "WHEN (UTC)", "WORKER");
        }
        print_job_row(job, colour);
    }
    taskq_jobs_free(jobs);
    return EXIT_DONE;
}

static void open_bracket(output_list *list)
{
    if (list->form == OUTPUT_JSON && !list->opened) {
        putchar('[');
        list->opened = true;
    }
}

static void print_element(output_list *list, taskq_text value)
{
    open_bracket(list);
    printf("%s", list->form == OUTPUT_JSON && list->count > 0 ? ",\n" : "");
    fwrite(value.data, 1, value.size, stdout);
    printf("%s", list->form == OUTPUT_JSONL ? "\n" : "");
    list->count++;
}

int output_jobs(output_list *list, const taskq_reply *reply, taskq_error *err)
{
    if (list->form == OUTPUT_TABLE || list->form == OUTPUT_ID) {
        return print_rows(list, reply, err);
    }
    taskq_text rest, key, value;
    if (taskq_reply_json(reply, "/jobs", &rest, NULL) != TASKQ_OK) { /* one job */
        print_element(list, reply->body);
        return EXIT_DONE;
    }
    while (json_text_next(&rest, &key, &value)) {
        print_element(list, value);
    }
    return EXIT_DONE;
}

void output_end(output_list *list, int code)
{
    if (list->form == OUTPUT_JSON) {
        if (code == EXIT_DONE) {
            open_bracket(list);
        }
        printf("%s", list->opened ? "]\n" : "");
    } else if (list->form == OUTPUT_TABLE && list->count == 0 && code == EXIT_DONE) {
        fprintf(stderr, "no jobs\n");
    }
}

/* ---- one thing ------------------------------------------------------------------------------------------------------ */

/* A string that needs no unescaping is shown without its quotes. */
static taskq_text plain(taskq_text value)
{
    bool is_string = value.size >= 2 && value.data[0] == '"' && memchr(value.data, '\\', value.size) == NULL;
    return is_string ? (taskq_text){value.data + 1, value.size - 2} : value;
}

static void print_members(taskq_text object, const char *prefix)
{
    taskq_text key, value;
    while (json_text_next(&object, &key, &value)) {
        char name[128];
        snprintf(name, sizeof(name), "%s%s%.*s", prefix, prefix[0] != '\0' ? "." : "",
                 (int)(key.size < 64 ? key.size : 64), key.data);
        if (value.size > 0 && value.data[0] == '{' && prefix[0] == '\0') {
            print_members(value, name);
        } else {
            taskq_text shown = plain(value);
            printf("%-28s  %.*s\n", name, (int)(shown.size < 100000 ? shown.size : 100000), shown.data);
        }
    }
}

void output_members(taskq_text object)
{
    print_members(object, "");
}

static void print_log(const taskq_reply *reply)
{
    size_t bytes = (size_t)TASKQ_LOG_BYTES_MAX * 2;
    char *log = malloc(bytes);
    if (log != NULL && taskq_reply_string(reply, "/log", log, bytes, NULL) == TASKQ_OK && log[0] != '\0') {
        printf("\nlog:\n%s%s", cli_tame(log, true), log[strlen(log) - 1] == '\n' ? "" : "\n");
    }
    free(log);
}

static void print_attempts(const taskq_reply *reply)
{
    taskq_text rest, key, value;
    if (taskq_reply_json(reply, "/attempts", &rest, NULL) != TASKQ_OK) {
        return;
    }
    while (json_text_next(&rest, &key, &value)) {
        taskq_reply attempt = {reply->http_status, value, NULL};
        char outcome[32] = "", worker[160] = "", finished[40] = "", code[512] = "", message[8192] = "";
        int64_t number = 0;
        taskq_reply_int(&attempt, "/attempt", &number, NULL);
        taskq_reply_string(&attempt, "/outcome", outcome, sizeof(outcome), NULL);
        taskq_reply_string(&attempt, "/worker", worker, sizeof(worker), NULL);
        taskq_reply_string(&attempt, "/finished_at", finished, sizeof(finished), NULL);
        taskq_reply_string(&attempt, "/error/code", code, sizeof(code), NULL);
        taskq_reply_string(&attempt, "/error/message", message, sizeof(message), NULL);
        cli_tame(code, false);
        cli_tame(message, false);
        printf("attempt %-3" PRId64 " %-10s %s  %s  %s%s%s\n", number, outcome, finished, worker, code,
               code[0] != '\0' ? ": " : "", message);
    }
}

int output_job(cli_output form, const taskq_reply *reply)
{
    taskq_error err = TASKQ_ERROR_INIT;
    if (form == OUTPUT_JSON || form == OUTPUT_JSONL) {
        output_json(reply);
        return EXIT_DONE;
    }
    if (form == OUTPUT_ID) {
        output_list list;
        output_begin(&list, form);
        return output_jobs(&list, reply, &err);
    }
    taskq_text rest = reply->body, key, value;
    while (json_text_next(&rest, &key, &value)) {
        bool below = (key.size == 8 && memcmp(key.data, "attempts", 8) == 0) ||
                     (key.size == 3 && memcmp(key.data, "log", 3) == 0);
        if (!below) {
            taskq_text shown = plain(value);
            printf("%-18.*s  %.*s\n", (int)key.size, key.data, (int)(shown.size < 100000 ? shown.size : 100000),
                   shown.data);
        }
    }
    print_attempts(reply);
    print_log(reply);
    return EXIT_DONE;
}

static void print_queue_row(const taskq_queue *queue)
{
    char name[48];
    write_cell(queue->name, 24, name, sizeof(name));
    printf("%-24s  %-6s", name, queue->paused ? "paused" : "open");
    for (int state = 1; state < TASKQ_STATE_COUNT; state++) {
        printf("  %9" PRId64, queue->counts[state]);
    }
    printf("  %8.1f s\n", (double)queue->oldest_ready_age_ms / 1000);
}

int output_queues(cli_output form, const taskq_reply *reply)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_text rest, key, value;
    bool is_list = taskq_reply_json(reply, "/queues", &rest, NULL) == TASKQ_OK;
    if (form == OUTPUT_JSON || (form == OUTPUT_JSONL && !is_list)) {
        taskq_text shown = is_list ? rest : reply->body;
        printf("%.*s\n", (int)shown.size, shown.data);
        return EXIT_DONE;
    }
    if (form == OUTPUT_JSONL) {
        while (json_text_next(&rest, &key, &value)) {
            printf("%.*s\n", (int)value.size, value.data);
        }
        return EXIT_DONE;
    }
    taskq_queues *queues = NULL;
    taskq_status status = taskq_reply_queues(reply, &queues, &err);
    if (status != TASKQ_OK) {
        return cli_fail(status, &err);
    }
    if (form == OUTPUT_TABLE) {
        printf("%-24s  %-6s", "QUEUE", "STATE");
        for (int state = 1; state < TASKQ_STATE_COUNT; state++) {
            printf("  %9s", taskq_state_name((taskq_state)state));
        }
        printf("  %10s\n", "OLDEST");
    }
    for (uint32_t i = 0; i < taskq_queues_count(queues); i++) {
        const taskq_queue *queue = taskq_queues_at(queues, i);
        if (form == OUTPUT_TABLE) {
            print_queue_row(queue);
        } else {
            printf("%.*s\n", (int)queue->name.size, queue->name.data);
        }
    }
    taskq_queues_free(queues);
    return EXIT_DONE;
}
