/* SPDX-License-Identifier: MIT */
/*
 * Jobs by the page, for the subcommands that count them: the server gives a thousand at a time, and fewer where it likes, until there is no
 * cursor.
 */
#include "output.h"

#define CURSOR_BYTES 512

static taskq_status take_page(const cli_call *cli, const cli_path *path, cli_page_fn *take, void *user, char *cursor,
                              taskq_error *err)
{
    taskq_reply reply = TASKQ_REPLY_INIT;
    taskq_jobs *jobs = NULL;
    taskq_status status = taskq_client_request(cli->client, "GET", path->text, (taskq_text){NULL, 0}, NULL, &reply, err);
    if (status == TASKQ_OK) {
        status = taskq_reply_jobs(&reply, &jobs, err);
    }
    bool on = status == TASKQ_OK && take(user, jobs);
    if (!on || taskq_reply_string(&reply, "/next_cursor", cursor, CURSOR_BYTES, NULL) != TASKQ_OK) {
        cursor[0] = '\0';
    }
    taskq_jobs_free(jobs);
    taskq_reply_clear(&reply);
    return status;
}

taskq_status cli_walk_jobs(const cli_call *cli, const char *const *filters, size_t filter_count, cli_page_fn *take,
                           void *user, taskq_error *err)
{
    char cursor[CURSOR_BYTES] = "";
    taskq_status status;
    do {
        cli_path path;
        cli_path_start(&path, "/jobs");
        for (size_t i = 0; i < filter_count; i++) {
            cli_path_query(&path, filters[i], options_string(cli->opts, filters[i]));
        }
        cli_path_query(&path, "limit", "1000");
        cli_path_query(&path, "cursor", cursor[0] != '\0' ? cursor : NULL);
        status = take_page(cli, &path, take, user, cursor, err);
    } while (status == TASKQ_OK && cursor[0] != '\0');
    return status;
}
