/* SPDX-License-Identifier: MIT */
/*
 * taskq token: makes, lists, rotates and revokes what is in a server's file of tokens. It works on the file, not on a server, which reads it
 * again at SIGHUP; a secret goes to standard output alone, so that `> file` keeps it and nothing else.
 */
#include "output.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <taskq/clock.h>
#include <taskq/tokens.h>

static int64_t now_ms(void)
{
    taskq_clock clock;
    taskq_clock_system(&clock);
    return clock.wall_ms(clock.user);
}

static int finish(taskq_status status, const taskq_error *err, char secret[TASKQ_TOKEN_SECRET_BYTES])
{
    if (status != TASKQ_OK) {
        return cli_fail(status, err);
    }
    int printed = printf("%s\n", secret);
    explicit_bzero(secret, TASKQ_TOKEN_SECRET_BYTES);
    return printed > 0 ? EXIT_DONE : EXIT_FAILED;
}

/* "a,b" in place; false: more than a token can have, or an empty one. */
static bool split_queues(char *text, const char **queues, uint32_t *count)
{
    *count = 0;
    for (char *at = text; at != NULL && *count < TASKQ_TOKEN_QUEUES_MAX; (*count)++) {
        char *comma = strchr(at, ',');
        if (comma != NULL) {
            *comma = '\0';
        }
        queues[*count] = at;
        at = comma != NULL ? comma + 1 : NULL;
        if (at == NULL) {
            (*count)++;
            return true;
        }
    }
    return false;
}

static int create(cli_call *cli, const char *path)
{
    char secret[TASKQ_TOKEN_SECRET_BYTES];
    char queues_text[4608];
    const char *queues[TASKQ_TOKEN_QUEUES_MAX];
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_token token = TASKQ_TOKEN_INIT;
    const char *role = options_string(cli->opts, "role");
    const char *given = options_string(cli->opts, "queues");
    token.name = options_string(cli->opts, "name");
    if (role == NULL || token.name == NULL) {
        return cli_usage("token create needs --role and --name");
    }
    if (given != NULL) {
        if (strlen(given) >= sizeof(queues_text)) {
            return cli_usage("--queues: too long");
        }
        memcpy(queues_text, given, strlen(given) + 1);
        if (!split_queues(queues_text, queues, &token.queue_count)) {
            return cli_usage("--queues: at most %d", TASKQ_TOKEN_QUEUES_MAX);
        }
        token.queues = queues;
    }
    if (options_given(cli->opts, "expires")) {
        token.expires_at_ms = now_ms() + options_number(cli->opts, "expires");
    }
    taskq_status status = taskq_role_parse(role, &token.role, &err);
    if (status == TASKQ_OK) {
        status = taskq_tokens_create(path, NULL, &token, secret, &err);
    }
    return finish(status, &err, secret);
}

static int rotate(cli_call *cli, const char *path)
{
    char secret[TASKQ_TOKEN_SECRET_BYTES];
    taskq_error err = TASKQ_ERROR_INIT;
    const char *name = options_string(cli->opts, "name");
    if (name == NULL) {
        return cli_usage("token rotate needs --name");
    }
    taskq_status status = taskq_tokens_rotate(path, NULL, name, options_number(cli->opts, "overlap"), secret, &err);
    return finish(status, &err, secret);
}

static int revoke(cli_call *cli, const char *path)
{
    taskq_error err = TASKQ_ERROR_INIT;
    uint32_t revoked = 0;
    const char *name = options_string(cli->opts, "name");
    if (name == NULL) {
        return cli_usage("token revoke needs --name");
    }
    taskq_status status = taskq_tokens_revoke(path, NULL, name, options_string(cli->opts, "id"), &revoked, &err);
    if (status != TASKQ_OK) {
        return cli_fail(status, &err);
    }
    fprintf(stderr, "%u revoked; a server that runs reads the file again at SIGHUP\n", revoked);
    return EXIT_DONE;
}

static void write_time(int64_t at_ms, char out[32])
{
    struct tm when;
    time_t seconds = (time_t)(at_ms / 1000);
    if (gmtime_r(&seconds, &when) == NULL || strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &when) == 0) {
        out[0] = '\0';
    }
}

/* No text of a token needs escaping: names and queues have no such characters. */
static void print_json(const taskq_token *token, const char *created, const char *expires)
{
    printf("{\"name\":\"%s\",\"role\":\"%s\",\"queues\":[", token->name, taskq_role_name(token->role));
    for (uint32_t i = 0; i < token->queue_count; i++) {
        printf("%s\"%s\"", i > 0 ? "," : "", token->queues[i]);
    }
    printf("],\"created\":\"%s\"", created);
    if (token->expires_at_ms != 0) {
        printf(",\"expires\":\"%s\"", expires);
    }
    printf(",\"id\":\"%s\"}", token->id);
}

static void print_row(const taskq_token *token, const char *created, const char *expires, bool over)
{
    printf("%-12s  %-8s  %-20s  %-20s  %-7s  %s", token->id, taskq_role_name(token->role), created,
           token->expires_at_ms != 0 ? expires : "never", over ? "expired" : "valid", token->name);
    for (uint32_t i = 0; i < token->queue_count; i++) {
        printf("%s%s", i == 0 ? "  " : ",", token->queues[i]);
    }
    printf("\n");
}

static int list(cli_call *cli, const char *path)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_tokens *tokens = NULL;
    taskq_status status = taskq_tokens_read(path, NULL, &tokens, &err);
    if (status != TASKQ_OK) {
        return cli_fail(status, &err);
    }
    int64_t now = now_ms();
    bool json = cli->output == OUTPUT_JSON;
    printf("%s", json ? "[" : "");
    if (cli->output == OUTPUT_TABLE && taskq_tokens_count(tokens) > 0) {
        printf("%-12s  %-8s  %-20s  %-20s  %-7s  %s\n", "ID", "ROLE", "CREATED", "EXPIRES", "STATE", "NAME");
    }
    for (uint32_t i = 0; i < taskq_tokens_count(tokens); i++) {
        const taskq_token *token = taskq_tokens_at(tokens, i);
        char created[32], expires[32];
        write_time(token->created_at_ms, created);
        write_time(token->expires_at_ms, expires);
        if (cli->output == OUTPUT_TABLE) {
            print_row(token, created, expires, token->expires_at_ms != 0 && token->expires_at_ms <= now);
        } else if (cli->output == OUTPUT_ID) {
            printf("%s\n", token->id);
        } else {
            printf("%s", json && i > 0 ? "," : "");
            print_json(token, created, expires);
            printf("%s", json ? "" : "\n");
        }
    }
    printf("%s", json ? "]\n" : "");
    taskq_tokens_free(tokens);
    return EXIT_DONE;
}

int cli_token(cli_call *cli)
{
    static const struct {
        const char *word;
        int (*run)(cli_call *cli, const char *path);
    } words[] = {{"create", create}, {"list", list}, {"revoke", revoke}, {"rotate", rotate}};
    const char *path = options_string(cli->opts, "tokens");
    if (path == NULL) {
        return cli_usage("token needs --tokens FILE");
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(cli->arguments[0], words[i].word) == 0) {
            return words[i].run(cli, path);
        }
    }
    return cli_usage("token takes create, list, revoke or rotate");
}
