/* SPDX-License-Identifier: MIT */
/*
 * The subcommands that look at jobs and move single ones: get, list, cancel, retry, delete.
 */
#include "output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_MAX 1000

static void list_path(const cli_call *cli, int64_t limit, const char *cursor, cli_path *path)
{
    static const char *const filters[] = {"state", "queue", "type", "tag", "batch", "worker", "q"};
    char number[24];
    cli_path_start(path, "/jobs");
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        cli_path_query(path, filters[i], options_string(cli->opts, filters[i]));
    }
    snprintf(number, sizeof(number), "%" PRId64, limit);
    cli_path_query(path, "limit", number);
    cli_path_query(path, "cursor", cursor);
}

int cli_list(cli_call *cli)
{
    int64_t left = options_switch(cli->opts, "all") ? INT64_MAX : options_number(cli->opts, "limit");
    char cursor[512] = "";
    output_list list;
    int code = EXIT_DONE;
    output_begin(&list, cli->output);
    do {
        taskq_error err = TASKQ_ERROR_INIT;
        taskq_reply reply = TASKQ_REPLY_INIT;
        cli_path path;
        size_t before = list.count;
        list_path(cli, left < PAGE_MAX ? left : PAGE_MAX, cursor[0] != '\0' ? cursor : NULL, &path);
        taskq_status status = path.too_long ? TASKQ_EINVAL
                                            : taskq_client_request(cli->client, "GET", path.text, (taskq_text){NULL, 0},
                                                                   NULL, &reply, &err);
        code = status != TASKQ_OK ? cli_fail(status, &err) : output_jobs(&list, &reply, &err);
        left -= (int64_t)(list.count - before);
        cursor[0] = '\0';
        if (code == EXIT_DONE && left > 0 &&
            taskq_reply_string(&reply, "/next_cursor", cursor, sizeof(cursor), NULL) != TASKQ_OK) {
            left = 0; /* that was the last page */
        }
        taskq_reply_clear(&reply);
    } while (code == EXIT_DONE && left > 0);
    output_end(&list, code);
    return code;
}

/* What one id gave. Several ids as JSON are an array, as every list. */
static int show_one(const cli_call *cli, output_list *list, int64_t id, const taskq_reply *reply, const char *done)
{
    taskq_error err = TASKQ_ERROR_INIT;
    bool json = cli->output == OUTPUT_JSON || cli->output == OUTPUT_JSONL;
    if (json && reply->body.size == 0) {
        return EXIT_DONE; /* deleted: the API has nothing to say */
    }
    if (json && cli->argument_count > 1) {
        return output_jobs(list, reply, &err);
    }
    if (json || done == NULL) {
        return output_job(cli->output, reply);
    }
    if (cli->output == OUTPUT_ID) {
        printf("%" PRId64 "\n", id);
        return EXIT_DONE;
    }
    char state[32] = "";
    taskq_reply_string(reply, "/state", state, sizeof(state), NULL);
    printf("job %" PRId64 ": %s%s%s\n", id, done, state[0] != '\0' ? ", now " : "", state);
    return EXIT_DONE;
}

/* The same call for every id given; goes on after one that fails, and tells the last failure by the exit code. `done` NULL: nothing is
 * changed, the job is shown whole. */
static int each(cli_call *cli, taskq_status (*call)(taskq_client *, int64_t, taskq_reply *, taskq_error *),
                const char *done)
{
    output_list list;
    int worst = EXIT_DONE;
    output_begin(&list, cli->output);
    for (size_t i = 0; i < cli->argument_count; i++) {
        taskq_error err = TASKQ_ERROR_INIT;
        taskq_reply reply = TASKQ_REPLY_INIT;
        int64_t id = 0;
        if (!cli_parse_id(cli->arguments[i], &id)) {
            worst = EXIT_USAGE;
            break;
        }
        taskq_status status = call(cli->client, id, &reply, &err);
        int code = status != TASKQ_OK ? cli_fail(status, &err) : show_one(cli, &list, id, &reply, done);
        worst = code != EXIT_DONE ? code : worst;
        taskq_reply_clear(&reply);
    }
    if (cli->output == OUTPUT_JSON) {
        output_end(&list, cli->argument_count > 1 ? worst : EXIT_FAILED);
    }
    return worst;
}

static taskq_status get_one(taskq_client *client, int64_t id, taskq_reply *reply, taskq_error *err)
{
    return taskq_client_get(client, id, NULL, reply, err);
}

static taskq_status delete_one(taskq_client *client, int64_t id, taskq_reply *reply, taskq_error *err)
{
    (void)reply;
    return taskq_client_delete(client, id, err);
}

int cli_get(cli_call *cli)
{
    return each(cli, get_one, NULL);
}

int cli_cancel(cli_call *cli)
{
    return each(cli, taskq_client_cancel, "cancel");
}

int cli_retry(cli_call *cli)
{
    return each(cli, taskq_client_retry, "retry");
}

int cli_delete(cli_call *cli)
{
    return each(cli, delete_one, "deleted");
}
