/* SPDX-License-Identifier: MIT */
/*
 * `taskq bulk`: the same change on every job that fits. It asks first, because a filter that is wider than one thought is the classic way
 * to cancel a night's work; then it goes on in the server's bounded steps and says how many there were.
 */
#include "output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BODY_BYTES 65536
#define IDS_MAX 1000
#define COUNT_MAX 10000

static const char *const filters[] = {"state", "queue", "type", "tag", "batch"};
enum { FILTER_COUNT = sizeof(filters) / sizeof(filters[0]) };

/* A name as a JSON string; names have nothing to escape, and what has is refused by the server anyway. */
static bool add_string(char *body, size_t *size, const char *name, const char *value, bool first)
{
    if (strpbrk(value, "\"\\") != NULL) {
        return false;
    }
    int added = snprintf(body + *size, BODY_BYTES - *size, "%s\"%s\": \"%s\"", first ? "" : ", ", name, value);
    *size += (size_t)added;
    return *size < BODY_BYTES;
}

/* {"action": ..., "filter": {...}}. False: said so. */
static bool make_body(const cli_call *cli, char body[BODY_BYTES])
{
    const char *const *ids = NULL;
    size_t id_count = options_list(cli->opts, "id", &ids);
    size_t size = (size_t)snprintf(body, BODY_BYTES, "{\"action\": \"%s\", \"filter\": {", cli->arguments[0]);
    bool first = true;
    for (size_t i = 0; i < FILTER_COUNT; i++) {
        const char *value = options_string(cli->opts, filters[i]);
        if (value != NULL && !add_string(body, &size, filters[i], value, first)) {
            cli_usage("--%s: that is no name", filters[i]);
            return false;
        }
        first = first && value == NULL;
    }
    if (id_count > IDS_MAX) {
        cli_usage("--id: %d at most", IDS_MAX);
        return false;
    }
    for (size_t i = 0; i < id_count; i++) {
        int64_t id = 0;
        if (!cli_parse_id(ids[i], &id)) {
            return false;
        }
        size += (size_t)snprintf(body + size, BODY_BYTES - size, "%s%" PRId64,
                                 i > 0   ? ", "
                                 : first ? "\"ids\": ["
                                         : ", \"ids\": [",
                                 id);
    }
    if (first && id_count == 0) {
        cli_usage("bulk: which jobs? give --id, --state, --queue, --type, --tag or --batch");
        return false;
    }
    snprintf(body + size, BODY_BYTES - size, "%s}}", id_count > 0 ? "]" : "");
    return true;
}

static bool count_page(void *user, const taskq_jobs *jobs)
{
    int64_t *count = user;
    *count += taskq_jobs_count(jobs);
    return *count < COUNT_MAX;
}

/* How many jobs fit, counted up to COUNT_MAX; negative: could not be asked. */
static int64_t count_fitting(const cli_call *cli)
{
    const char *const *ids = NULL;
    int64_t count = (int64_t)options_list(cli->opts, "id", &ids);
    if (count > 0) {
        return count;
    }
    return cli_walk_jobs(cli, filters, FILTER_COUNT, count_page, &count, NULL) == TASKQ_OK ? count : -1;
}

/* EXIT_DONE: go on. What the state of a job forbids is skipped later, so this is the most that can happen. */
static int ask(const cli_call *cli)
{
    if (options_switch(cli->opts, "yes")) {
        return EXIT_DONE;
    }
    if (isatty(STDIN_FILENO) != 1) {
        return cli_usage("bulk changes many jobs: without a terminal to ask on it needs --yes");
    }
    int64_t count = count_fitting(cli);
    if (count < 0) {
        fprintf(stderr, "%s every job that fits? [y/N] ", cli->arguments[0]);
    } else {
        fprintf(stderr, "%s %s%" PRId64 " jobs that fit? [y/N] ", cli->arguments[0],
                count >= COUNT_MAX ? "at least " : "", count);
    }
    char answer[16];
    if (fgets(answer, sizeof(answer), stdin) == NULL || (answer[0] != 'y' && answer[0] != 'Y')) {
        fprintf(stderr, "nothing was changed\n");
        return EXIT_FAILED;
    }
    return EXIT_DONE;
}

int cli_bulk(cli_call *cli)
{
    const char *action = cli->arguments[0];
    if (strcmp(action, "cancel") != 0 && strcmp(action, "retry") != 0 && strcmp(action, "delete") != 0) {
        return cli_usage("bulk takes cancel, retry or delete, not \"%s\"", action);
    }
    char *body = malloc(BODY_BYTES);
    if (body == NULL) {
        return EXIT_FAILED;
    }
    int code = make_body(cli, body) ? ask(cli) : EXIT_USAGE;
    int64_t total = 0;
    bool more = code == EXIT_DONE;
    while (more) {
        taskq_error err = TASKQ_ERROR_INIT;
        taskq_reply reply = TASKQ_REPLY_INIT;
        taskq_text flag = {NULL, 0};
        int64_t affected = 0;
        taskq_status status =
            taskq_client_request(cli->client, "POST", "/jobs/bulk", taskq_text_of(body), NULL, &reply, &err);
        if (status == TASKQ_OK) {
            status = taskq_reply_int(&reply, "/affected", &affected, &err);
        }
        if (status == TASKQ_OK) {
            status = taskq_reply_json(&reply, "/more", &flag, &err);
        }
        total += affected;
        more = status == TASKQ_OK && affected > 0 && flag.size == 4; /* true */
        code = status != TASKQ_OK ? cli_fail(status, &err) : EXIT_DONE;
        taskq_reply_clear(&reply);
        if (more) {
            fprintf(stderr, "%" PRId64 " so far\n", total);
        }
    }
    if (code == EXIT_DONE && (cli->output == OUTPUT_JSON || cli->output == OUTPUT_JSONL)) {
        printf("{\"affected\": %" PRId64 ", \"more\": false}\n", total);
    } else if (code == EXIT_DONE) {
        printf("%s: %" PRId64 " job%s\n", action, total, total == 1 ? "" : "s");
    }
    free(body);
    return code;
}
