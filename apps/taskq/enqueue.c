/* SPDX-License-Identifier: MIT */
/*
 * `taskq enqueue`: one job from the command line. Lines of JSON are in enqueue_lines.c.
 */
#include "enqueue.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAYLOAD_BYTES_MAX (64u << 20) /* the server's own limit comes long before */
#define LOOK_MS 500
#define SILENT_MS_MAX 2000 /* a server that stays away is waited for without a picture */

static taskq_text text_option(const cli_call *cli, const char *name)
{
    const char *value = options_string(cli->opts, name);
    return value != NULL ? taskq_text_of(value) : (taskq_text){NULL, 0};
}

/* "2026-01-31T08:00:00Z", with a fraction or an offset too; anything else RFC 3339 allows goes through --ndjson. */
static bool parse_time(const char *text, int64_t *out_ms)
{
    struct tm parts = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    int64_t ms = 0;
    if (end == NULL) {
        return false;
    }
    if (*end == '.') {
        int64_t unit = 100;
        for (end++; *end >= '0' && *end <= '9'; end++, unit /= 10) {
            ms += (*end - '0') * unit;
        }
    }
    int64_t offset = 0;
    if (*end == 'Z' || *end == 'z') {
        end++;
    } else if (*end == '+' || *end == '-') {
        struct tm shift = {0};
        const char *after = strptime(end + 1, "%H:%M", &shift);
        if (after == NULL) {
            return false;
        }
        offset = (shift.tm_hour * 60 + shift.tm_min) * (*end == '+' ? 60 : -60);
        end = after;
    } else {
        return false;
    }
    *out_ms = ((int64_t)timegm(&parts) - offset) * 1000 + ms;
    return *end == '\0';
}

/* EXIT_DONE, or said what is wrong. */
static int read_job(const cli_call *cli, taskq_new_job *job)
{
    const char *const *tags = NULL;
    const char *run_at = options_string(cli->opts, "run-at");
    size_t tag_count = options_list(cli->opts, "tag", &tags);
    job->queue = text_option(cli, "queue");
    job->type = taskq_text_of(cli->arguments[0]);
    job->priority = (int32_t)options_number(cli->opts, "priority");
    job->max_attempts = (int32_t)options_number(cli->opts, "max-attempts");
    job->timeout_ms = options_number(cli->opts, "timeout");
    job->lease_ms = options_number(cli->opts, "lease");
    job->backoff.base_ms = options_number(cli->opts, "backoff-base");
    job->backoff.factor = options_real(cli->opts, "backoff-factor");
    job->backoff.max_ms = options_number(cli->opts, "backoff-max");
    job->backoff.jitter = options_real(cli->opts, "backoff-jitter");
    job->batch = text_option(cli, "batch");
    job->unique_key = text_option(cli, "unique-key");
    job->traceparent = text_option(cli, "traceparent");
    job->has_delay = options_given(cli->opts, "delay");
    job->delay_ms = options_number(cli->opts, "delay");
    job->has_run_at = run_at != NULL;
    if (run_at != NULL && !parse_time(run_at, &job->run_at_ms)) {
        return cli_usage("--run-at: \"%.100s\" is no time such as 2026-01-31T08:00:00Z", run_at);
    }
    if (tag_count > TASKQ_TAGS_MAX) {
        return cli_usage("--tag: %d at most", TASKQ_TAGS_MAX);
    }
    for (size_t i = 0; i < tag_count; i++) {
        job->tags[job->tag_count++] = taskq_text_of(tags[i]);
    }
    return EXIT_DONE;
}

/* The payload's text: JSON, "-" for standard input, "@FILE". `memory` is to be freed. */
static int read_payload(const cli_call *cli, taskq_new_job *job, char **memory)
{
    const char *given = cli->argument_count > 1 ? cli->arguments[1] : "{}";
    size_t size = 0;
    if (strcmp(given, "-") != 0 && given[0] != '@') {
        job->payload = taskq_text_of(given);
        return EXIT_DONE;
    }
    *memory = cli_read_file(given[0] == '@' ? given + 1 : given, PAYLOAD_BYTES_MAX, &size);
    job->payload = (taskq_text){*memory, size};
    return *memory != NULL ? EXIT_DONE : EXIT_USAGE;
}

static int show(const cli_call *cli, const taskq_reply *reply, int64_t id, bool existing)
{
    if (cli->output != OUTPUT_TABLE) {
        return output_job(cli->output, reply);
    }
    char state[32] = "";
    taskq_reply_string(reply, "/state", state, sizeof(state), NULL);
    printf("job %" PRId64 " is %s%s\n", id, state, existing ? " (it was there already)" : "");
    return EXIT_DONE;
}

static void show_state(progress_bar *bar, const taskq_reply *reply)
{
    char state[32] = "", message[256] = "", detail[320];
    double percent = 0;
    if (taskq_reply_string(reply, "/state", state, sizeof(state), NULL) != TASKQ_OK) {
        snprintf(state, sizeof(state), "no server answers");
    }
    taskq_reply_number(reply, "/progress/percent", &percent, NULL);
    taskq_reply_string(reply, "/progress/message", message, sizeof(message), NULL);
    snprintf(detail, sizeof(detail), "%s%s%s", state, message[0] != '\0' ? ": " : "", cli_tame(message, false));
    progress_show(bar, percent, detail);
}

/* On a terminal it is seen how far the job is: the wait is made of short ones, between which the line is redrawn. */
static int wait_visibly(cli_call *cli, int64_t id, int64_t timeout_ms, taskq_reply *reply)
{
    char what[40];
    progress_bar bar;
    int64_t waited_ms = 0, silent_ms = 0;
    snprintf(what, sizeof(what), "job %" PRId64, id);
    progress_start(&bar, what);
    while (bar.terminal && silent_ms < SILENT_MS_MAX && (timeout_ms == 0 || waited_ms + LOOK_MS < timeout_ms)) {
        taskq_reply_clear(reply);
        taskq_status status = taskq_client_wait(cli->client, id, LOOK_MS, NULL, reply, NULL);
        waited_ms += LOOK_MS;
        silent_ms = reply->body.size > 0 ? 0 : silent_ms + LOOK_MS;
        if (status != TASKQ_ETIMEDOUT) {
            break; /* the last look below says what there is to say */
        }
        show_state(&bar, reply);
    }
    progress_end(&bar);
    return wait_for(cli, id, timeout_ms == 0 ? 0 : timeout_ms - waited_ms > 1 ? timeout_ms - waited_ms : 1, reply);
}

static int enqueue_one(cli_call *cli)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_reply reply = TASKQ_REPLY_INIT;
    char *memory = NULL;
    int64_t id = 0;
    bool existing = false;
    int code = read_job(cli, &job);
    if (code == EXIT_DONE) {
        code = read_payload(cli, &job, &memory);
    }
    if (code == EXIT_DONE) {
        taskq_status status = taskq_client_enqueue(cli->client, &job, options_string(cli->opts, "idempotency-key"),
                                                   &reply, &id, &existing, &err);
        code = status == TASKQ_OK ? EXIT_DONE : cli_fail(status, &err);
    }
    if (code == EXIT_DONE && options_switch(cli->opts, "wait")) {
        taskq_reply_clear(&reply);
        code = wait_visibly(cli, id, options_number(cli->opts, "wait-timeout"), &reply);
        if (reply.body.size > 0 && (code == EXIT_DONE || code == EXIT_FAILED)) {
            output_job(cli->output, &reply);
        }
    } else if (code == EXIT_DONE) {
        code = show(cli, &reply, id, existing);
    }
    taskq_reply_clear(&reply);
    free(memory);
    return code;
}

int wait_for(cli_call *cli, int64_t id, int64_t timeout_ms, taskq_reply *reply)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_state state = (taskq_state)0;
    taskq_status status = taskq_client_wait(cli->client, id, timeout_ms, &state, reply, &err);
    if (status == TASKQ_ETIMEDOUT) {
        fprintf(stderr, "taskq: job %" PRId64 " is not done yet\n", id);
        taskq_reply_clear(reply);
        return EXIT_FAILED;
    }
    if (status != TASKQ_OK) {
        return cli_fail(status, &err);
    }
    return state == TASKQ_STATE_SUCCEEDED ? EXIT_DONE : EXIT_FAILED;
}

int cli_enqueue(cli_call *cli)
{
    const char *lines = options_string(cli->opts, "ndjson");
    if (lines == NULL && cli->argument_count == 0) {
        return cli_usage("enqueue takes a TYPE, or --ndjson FILE");
    }
    if (lines != NULL && cli->argument_count > 0) {
        return cli_usage("--ndjson brings whole jobs: TYPE and PAYLOAD have no place beside it");
    }
    return lines != NULL ? enqueue_lines(cli, lines) : enqueue_one(cli);
}
