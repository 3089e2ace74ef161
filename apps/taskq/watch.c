/* SPDX-License-Identifier: MIT */
/*
 * `taskq watch`: a bar that follows one job, a batch, or everything that the server has, until it is done.
 */
#include "output.h"

#include <inttypes.h>
#include <time.h>

/* How far things are. */
typedef struct tally {
    int64_t counts[TASKQ_STATE_COUNT];
} tally;

static int64_t total_of(const tally *t)
{
    int64_t total = 0;
    for (int state = 1; state < TASKQ_STATE_COUNT; state++) {
        total += t->counts[state];
    }
    return total;
}

static int64_t done_of(const tally *t)
{
    return t->counts[TASKQ_STATE_SUCCEEDED] + t->counts[TASKQ_STATE_FAILED] + t->counts[TASKQ_STATE_CANCELED];
}

static bool tally_page(void *user, const taskq_jobs *jobs)
{
    tally *out = user;
    for (uint32_t i = 0; i < taskq_jobs_count(jobs); i++) {
        out->counts[taskq_jobs_at(jobs, i)->state]++;
    }
    return true;
}

static taskq_status tally_batch(const cli_call *cli, tally *out, taskq_error *err)
{
    static const char *const filter = "batch";
    return cli_walk_jobs(cli, &filter, 1, tally_page, out, err);
}

static taskq_status tally_queues(const cli_call *cli, tally *out, taskq_error *err)
{
    taskq_reply reply = TASKQ_REPLY_INIT;
    taskq_queues *queues = NULL;
    taskq_status status = taskq_client_request(cli->client, "GET", "/queues", (taskq_text){NULL, 0}, NULL, &reply, err);
    if (status == TASKQ_OK) {
        status = taskq_reply_queues(&reply, &queues, err);
    }
    for (uint32_t i = 0; i < taskq_queues_count(queues); i++) {
        for (int state = 1; state < TASKQ_STATE_COUNT; state++) {
            out->counts[state] += taskq_queues_at(queues, i)->counts[state];
        }
    }
    taskq_queues_free(queues);
    taskq_reply_clear(&reply);
    return status;
}

static void pause_for(int64_t ms)
{
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&left, NULL);
}

static int watch_many(const cli_call *cli, const char *what,
                      taskq_status (*count)(const cli_call *, tally *, taskq_error *))
{
    progress_bar bar;
    progress_start(&bar, what);
    for (;;) {
        taskq_error err = TASKQ_ERROR_INIT;
        tally now = {{0}};
        char detail[160];
        taskq_status status = count(cli, &now, &err);
        if (status != TASKQ_OK) {
            progress_end(&bar);
            return cli_fail(status, &err);
        }
        int64_t total = total_of(&now), done = done_of(&now);
        snprintf(detail, sizeof(detail), "%" PRId64 " of %" PRId64 " done, %" PRId64 " running, %" PRId64 " failed",
                 done, total, now.counts[TASKQ_STATE_RUNNING], now.counts[TASKQ_STATE_FAILED]);
        progress_show(&bar, total > 0 ? 100.0 * (double)done / (double)total : 100, detail);
        if (done == total) {
            progress_end(&bar);
            printf("%" PRId64 " succeeded, %" PRId64 " failed, %" PRId64 " canceled\n",
                   now.counts[TASKQ_STATE_SUCCEEDED], now.counts[TASKQ_STATE_FAILED], now.counts[TASKQ_STATE_CANCELED]);
            return now.counts[TASKQ_STATE_SUCCEEDED] == total ? EXIT_DONE : EXIT_FAILED;
        }
        pause_for(options_number(cli->opts, "interval"));
    }
}

static int watch_job(const cli_call *cli, int64_t id)
{
    progress_bar bar;
    char what[40];
    snprintf(what, sizeof(what), "job %" PRId64, id);
    progress_start(&bar, what);
    for (;;) {
        taskq_error err = TASKQ_ERROR_INIT;
        taskq_reply reply = TASKQ_REPLY_INIT;
        taskq_state state = (taskq_state)0;
        char message[256] = "", detail[320];
        double percent = 0;
        taskq_status status = taskq_client_get(cli->client, id, &state, &reply, &err);
        if (status != TASKQ_OK) {
            progress_end(&bar);
            return cli_fail(status, &err);
        }
        taskq_reply_number(&reply, "/progress/percent", &percent, NULL);
        taskq_reply_string(&reply, "/progress/message", message, sizeof(message), NULL);
        snprintf(detail, sizeof(detail), "%s%s%s", taskq_state_name(state), message[0] != '\0' ? ": " : "",
                 cli_tame(message, false));
        bool done = taskq_state_is_terminal(state);
        progress_show(&bar, done ? 100 : percent, detail);
        if (done) {
            progress_end(&bar);
            int code = output_job(cli->output, &reply);
            taskq_reply_clear(&reply);
            return code != EXIT_DONE ? code : state == TASKQ_STATE_SUCCEEDED ? EXIT_DONE : EXIT_FAILED;
        }
        taskq_reply_clear(&reply);
        pause_for(options_number(cli->opts, "interval"));
    }
}

int cli_watch(cli_call *cli)
{
    const char *batch = options_string(cli->opts, "batch");
    if (batch != NULL && cli->argument_count > 0) {
        return cli_usage("watch takes an ID or --batch, not both");
    }
    if (cli->argument_count > 0) {
        int64_t id = 0;
        return cli_parse_id(cli->arguments[0], &id) ? watch_job(cli, id) : EXIT_USAGE;
    }
    return batch != NULL ? watch_many(cli, batch, tally_batch) : watch_many(cli, "all jobs", tally_queues);
}
