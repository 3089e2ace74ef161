/* SPDX-License-Identifier: MIT */
/*
 * taskq, the command line client: finds the subcommand, reads its options, opens the connection, and turns what came of it into an
 * exit code that scripts can rely on.
 */
#include "cli.h"

#include "common/program.h"

#include <taskq/version.h>

#include <string.h>

static const option_spec common_specs[] = {
    {"server", 0, OPTION_LIST, "URL", "a server; several are tried in order", "http://127.0.0.1:7070", 0, 0, NULL},
    {"token-file", 0, OPTION_STRING, "FILE", "holds the token (or TASKQ_TOKEN in the environment)", NULL, 0, 0, NULL},
    {"ca-file", 0, OPTION_STRING, "FILE", "authorities that the server's certificate is checked against, PEM", NULL, 0,
     0, NULL},
    {"cert", 0, OPTION_STRING, "FILE", "our own certificate, PEM", NULL, 0, 0, NULL},
    {"key", 0, OPTION_STRING, "FILE", "its key, PEM", NULL, 0, 0, NULL},
    {"output", 'o', OPTION_STRING, "FORM", "table, json, jsonl or id", "table", 0, 0, "table|json|jsonl|id"},
};
static const option_table common_table = {common_specs, sizeof(common_specs) / sizeof(common_specs[0])};

static const cli_command commands[] = {
    {"enqueue", "TYPE [PAYLOAD|-|@FILE]", "make a job, or many from lines of JSON with --ndjson", 0, 2, &enqueue_table,
     cli_enqueue, false},
    {"get", "ID...", "show jobs with their attempts and log", 1, 1000, NULL, cli_get, false},
    {"list", "", "show jobs, newest first", 0, 0, &list_table, cli_list, false},
    {"watch", "[ID | --batch B]", "follow a job, a batch or everything until it is done", 0, 1, &watch_table, cli_watch,
     false},
    {"cancel", "ID...", "cancel jobs; a running one is asked to stop", 1, 1000, NULL, cli_cancel, false},
    {"retry", "ID...", "run ended jobs again", 1, 1000, NULL, cli_retry, false},
    {"delete", "ID...", "delete ended jobs", 1, 1000, NULL, cli_delete, false},
    {"bulk", "cancel|retry|delete", "do it to every job that fits", 1, 1, &bulk_table, cli_bulk, false},
    {"queues", "[NAME]", "show queues and how much is in them", 0, 1, NULL, cli_queues, false},
    {"pause", "QUEUE", "hand out no more jobs of a queue", 1, 1, NULL, cli_pause, false},
    {"resume", "QUEUE", "hand out its jobs again", 1, 1, NULL, cli_resume, false},
    {"stats", "", "totals, rates and times of the last minute", 0, 0, NULL, cli_stats, false},
#if defined(TASKQ_CLI_TOKENS)
    {"token", "create|list|revoke|rotate", "what is in a server's file of tokens; create prints the secret", 1, 1,
     &token_table, cli_token, true},
#endif
};
enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static void print_help(FILE *to)
{
    fprintf(to, "taskq %s, the client of a taskq server\n\nUse: taskq COMMAND [ARGUMENTS] [OPTIONS]\n\nCommands:\n",
            TASKQ_VERSION);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        fprintf(to, "  %-8s %-24s %s\n", commands[i].name, commands[i].arguments, commands[i].help);
    }
    fprintf(to, "\nOptions of every command:\n");
    options_print(to, &common_table, 1);
    printf(
        "\n\"taskq COMMAND --help\" tells the rest.\n"
        "Exit status: 0 done, 1 failed, 2 wrong use, 3 not found, 4 conflict, 5 server out of reach, 6 not allowed.\n\n"
        "  taskq enqueue sleep '{\"duration_ms\": 1000}' --wait\n"
        "  taskq list --state failed -o id\n");
}

static void print_command_help(const cli_command *command)
{
    printf("Use: taskq %s%s%s [OPTIONS]\n\n%s\n\n", command->name, command->arguments[0] != '\0' ? " " : "",
           command->arguments, command->help);
    if (command->table != NULL) {
        printf("Options:\n");
        options_print(stdout, command->table, 1);
        printf("\n");
    }
    printf("Options of every command:\n");
    options_print(stdout, &common_table, 1);
}

static const cli_command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static cli_output output_of(const char *word)
{
    return strcmp(word, "json") == 0    ? OUTPUT_JSON
           : strcmp(word, "jsonl") == 0 ? OUTPUT_JSONL
           : strcmp(word, "id") == 0    ? OUTPUT_ID
                                        : OUTPUT_TABLE;
}

static int finish_output(int code)
{
    if (fflush(stdout) != 0 && code == EXIT_DONE) {
        fprintf(stderr, "taskq: the output could not be written\n");
        code = EXIT_FAILED;
    }
    return code;
}

static int run_command(const cli_command *command, const options *opts)
{
    char token[PROGRAM_TOKEN_BYTES_MAX];
    taskq_error err = TASKQ_ERROR_INIT;
    cli_call cli = {.opts = opts, .output = output_of(options_string(opts, "output"))};
    cli.argument_count = options_positionals(opts, &cli.arguments);
    if (cli.argument_count < command->arguments_min || cli.argument_count > command->arguments_max) {
        return cli_usage("%s takes %s", command->name,
                         command->arguments[0] != '\0' ? command->arguments : "no arguments");
    }
    if (command->is_local) {
        return finish_output(command->run(&cli));
    }
    if (!program_read_token("taskq", opts, token)) {
        return EXIT_USAGE;
    }
    taskq_client_options connection = TASKQ_CLIENT_OPTIONS_INIT;
    connection.server_count = (uint32_t)options_list(opts, "server", &connection.servers);
    connection.token = token[0] != '\0' ? token : NULL;
    connection.ca_file = options_string(opts, "ca-file");
    connection.cert_file = options_string(opts, "cert");
    connection.key_file = options_string(opts, "key");
    taskq_status status = taskq_client_open(&connection, &cli.client, &err);
    explicit_bzero(token, sizeof(token));
    if (status != TASKQ_OK) {
        return cli_fail(status, &err);
    }
    int code = command->run(&cli);
    taskq_client_close(cli.client);
    return finish_output(code);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    const cli_command *command = find_command(argv[1]);
    if (command == NULL) { /* options before any command: --help, --version */
        options *opts = options_parse(&common_table, 1, argc, argv, OPTIONS_STOP_AT_POSITIONAL);
        if (opts == NULL) {
            return EXIT_USAGE;
        }
        int code = EXIT_DONE;
        const char *const *words = NULL;
        if (options_help_asked(opts)) {
            print_help(stdout);
        } else if (options_version_asked(opts)) {
            program_print_version("taskq");
        } else if (options_positionals(opts, &words) > 0) {
            code = find_command(words[0]) != NULL ? cli_usage("the command comes first: taskq %s ...", words[0])
                                                  : cli_usage("there is no command \"%s\"; see taskq --help", words[0]);
        } else {
            code = cli_usage("which command? see taskq --help");
        }
        options_free(opts);
        return code;
    }
    const option_table tables[] = {common_table, command->table != NULL ? *command->table : (option_table){NULL, 0}};
    options *opts = options_parse(tables, command->table != NULL ? 2 : 1, argc - 1, argv + 1, 0);
    if (opts == NULL) {
        return EXIT_USAGE;
    }
    int code = EXIT_DONE;
    if (options_help_asked(opts)) {
        print_command_help(command);
    } else if (options_version_asked(opts)) {
        program_print_version("taskq");
    } else {
        code = run_command(command, opts);
    }
    options_free(opts);
    return code;
}
