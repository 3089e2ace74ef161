/* SPDX-License-Identifier: MIT */
/*
 * taskq, the command line client: finds the subcommand, reads its options, opens the connection, and turns what came of it into an
 * exit code that scripts can rely on.
 */
#include "cli.h"

#include "common/program.h"
#include "common/tables.h"

#include <taskq/version.h>

#include <string.h>

/* What the table of commands leaves open: it knows no code. */
static const struct {
    const char *name;
    cli_command_fn *run;
    bool is_local; /* needs no server */
} actions[] = {
    {"enqueue", cli_enqueue, false}, {"get", cli_get, false},       {"list", cli_list, false},
    {"watch", cli_watch, false},     {"cancel", cli_cancel, false}, {"retry", cli_retry, false},
    {"delete", cli_delete, false},   {"bulk", cli_bulk, false},     {"queues", cli_queues, false},
    {"pause", cli_pause, false},     {"resume", cli_resume, false}, {"stats", cli_stats, false},
#if defined(TASKQ_CLI_TOKENS)
    {"token", cli_token, true},
#endif
};

static void print_help(FILE *to)
{
    fprintf(to, "taskq %s, %s\n\nUse: taskq COMMAND [ARGUMENTS] [OPTIONS]\n\nCommands:\n", TASKQ_VERSION,
            taskq_program.help);
    for (size_t i = 0; i < taskq_program.command_count; i++) {
        const option_command *command = &taskq_program.commands[i];
        fprintf(to, "  %-8s %-24s %s\n", command->name, command->arguments, command->help);
    }
    fprintf(to, "\nOptions of every command:\n");
    options_print(to, &taskq_program.table, 1);
    fprintf(to, "\n%s", taskq_program.after);
}

static void print_command_help(const option_command *command)
{
    printf("Use: taskq %s%s%s [OPTIONS]\n\n%s\n\n", command->name, command->arguments[0] != '\0' ? " " : "",
           command->arguments, command->help);
    if (command->table != NULL) {
        printf("Options:\n");
        options_print(stdout, command->table, 1);
        printf("\n");
    }
    printf("Options of every command:\n");
    options_print(stdout, &taskq_program.table, 1);
}

static const option_command *find_command(const char *name)
{
    for (size_t i = 0; i < taskq_program.command_count; i++) {
        if (strcmp(taskq_program.commands[i].name, name) == 0) {
            return &taskq_program.commands[i];
        }
    }
    return NULL;
}

/* A command without an action is a mistake in the program, and is shown to be one by every test that runs it. */
static size_t action_of(const option_command *command)
{
    size_t i = 0;
    while (i + 1 < sizeof(actions) / sizeof(actions[0]) && strcmp(actions[i].name, command->name) != 0) {
        i++;
    }
    return i;
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

static int run_command(const option_command *command, const options *opts)
{
    char token[PROGRAM_TOKEN_BYTES_MAX];
    taskq_error err = TASKQ_ERROR_INIT;
    size_t action = action_of(command);
    cli_call cli = {.opts = opts, .output = output_of(options_string(opts, "output"))};
    cli.argument_count = options_positionals(opts, &cli.arguments);
    if (cli.argument_count < command->arguments_min || cli.argument_count > command->arguments_max) {
        return cli_usage("%s takes %s", command->name,
                         command->arguments[0] != '\0' ? command->arguments : "no arguments");
    }
    if (actions[action].is_local) {
        return finish_output(actions[action].run(&cli));
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
    int code = actions[action].run(&cli);
    taskq_client_close(cli.client);
    return finish_output(code);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    const option_command *command = find_command(argv[1]);
    if (command == NULL) { /* options before any command: --help, --version */
        options *opts = options_parse(&taskq_program.table, 1, argc, argv, OPTIONS_STOP_AT_POSITIONAL);
        if (opts == NULL) {
            return EXIT_USAGE;
        }
        int code = EXIT_DONE;
        const char *const *words = NULL;
        if (options_help_asked(opts)) {
            print_help(stdout);
        } else if (options_version_asked(opts)) {
            program_print_version("taskq", (const char *const[]){taskq_client_built_with(), NULL});
        } else if (options_positionals(opts, &words) > 0) {
            code = find_command(words[0]) != NULL ? cli_usage("the command comes first: taskq %s ...", words[0])
                                                  : cli_usage("there is no command \"%s\"; see taskq --help", words[0]);
        } else {
            code = cli_usage("which command? see taskq --help");
        }
        options_free(opts);
        return code;
    }
    const option_table tables[] = {taskq_program.table,
                                   command->table != NULL ? *command->table : (option_table){NULL, 0}};
    options *opts = options_parse(tables, command->table != NULL ? 2 : 1, argc - 1, argv + 1, 0);
    if (opts == NULL) {
        return EXIT_USAGE;
    }
    int code = EXIT_DONE;
    if (options_help_asked(opts)) {
        print_command_help(command);
    } else if (options_version_asked(opts)) {
        program_print_version("taskq", (const char *const[]){taskq_client_built_with(), NULL});
    } else {
        code = run_command(command, opts);
    }
    options_free(opts);
    return code;
}
