/* SPDX-License-Identifier: MIT */
/*
 * The subcommands about queues and the server as a whole: queues, pause, resume, stats.
 */
#include "output.h"

#include <string.h>

int cli_queues(cli_call *cli)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_reply reply = TASKQ_REPLY_INIT;
    cli_path path;
    cli_path_start(&path, "/queues");
    if (cli->argument_count > 0) {
        cli_path_segment(&path, cli->arguments[0]);
    }
    taskq_status status = taskq_client_request(cli->client, "GET", path.text, (taskq_text){NULL, 0}, NULL, &reply, &err);
    int code = status != TASKQ_OK ? cli_fail(status, &err) : output_queues(cli->output, &reply);
    taskq_reply_clear(&reply);
    return code;
}

static int set_paused(cli_call *cli, bool paused)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_reply reply = TASKQ_REPLY_INIT;
    cli_path path;
    cli_path_start(&path, "/queues");
    cli_path_segment(&path, cli->arguments[0]);
    taskq_text body = taskq_text_of(paused ? "{\"paused\": true}" : "{\"paused\": false}");
    taskq_status status = taskq_client_request(cli->client, "PATCH", path.text, body, NULL, &reply, &err);
    int code = status != TASKQ_OK ? cli_fail(status, &err) : output_queues(cli->output, &reply);
    taskq_reply_clear(&reply);
    return code;
}

int cli_pause(cli_call *cli)
{
    return set_paused(cli, true);
}

int cli_resume(cli_call *cli)
{
    return set_paused(cli, false);
}

int cli_stats(cli_call *cli)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_reply reply = TASKQ_REPLY_INIT;
    taskq_status status = taskq_client_request(cli->client, "GET", "/stats", (taskq_text){NULL, 0}, NULL, &reply, &err);
    int code = EXIT_DONE;
    if (status != TASKQ_OK) {
        code = cli_fail(status, &err);
    } else if (cli->output == OUTPUT_TABLE) {
        output_members(reply.body);
    } else {
        output_json(&reply);
    }
    taskq_reply_clear(&reply);
    return code;
}
