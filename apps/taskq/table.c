/* SPDX-License-Identifier: MIT */
/*
 * The subcommands of taskq and their options: parsed, shown by --help, and turned into the manual page and completions when it is built.
 * They stand by themselves so that the build can read them without the library, for another machine too.
 */
#include "common/tables.h"

#include <taskq/job.h>

#define STATE_WORDS "queued|scheduled|blocked|running|succeeded|failed|canceled"
#define WAIT_MS_MAX INT64_C(31536000000)

static const option_spec common_specs[] = {
    {"server", 0, OPTION_LIST, "URL", "a server; several are tried in order", "http://127.0.0.1:7070", 0, 0, NULL},
    {"token-file", 0, OPTION_STRING, "FILE", "holds the token (or TASKQ_TOKEN in the environment)", NULL, 0, 0, NULL},
    {"ca-file", 0, OPTION_STRING, "FILE", "authorities that the server's certificate is checked against, PEM", NULL, 0,
     0, NULL},
    {"cert", 0, OPTION_STRING, "FILE", "our own certificate, PEM", NULL, 0, 0, NULL},
    {"key", 0, OPTION_STRING, "FILE", "its key, PEM", NULL, 0, 0, NULL},
    {"output", 'o', OPTION_STRING, "FORM", "table, json, jsonl or id", "table", 0, 0, "table|json|jsonl|id"},
};

static const option_spec enqueue_specs[] = {
    {"queue", 0, OPTION_STRING, "QUEUE", "the queue", "default", 0, 0, NULL},
    {"priority", 0, OPTION_INT, "N", "higher ones first, -1000 to 1000", "0", -TASKQ_PRIORITY_MAX, TASKQ_PRIORITY_MAX,
     NULL},
    {"run-at", 0, OPTION_STRING, "TIME", "not before this time, such as 2026-01-31T08:00:00Z", NULL, 0, 0, NULL},
    {"delay", 0, OPTION_DURATION, "TIME", "not before so long from now", NULL, 0, TASKQ_DELAY_MS_MAX, NULL},
    {"max-attempts", 0, OPTION_INT, "N", "how often it is tried", "10", 1, TASKQ_ATTEMPTS_MAX, NULL},
    {"timeout", 0, OPTION_DURATION, "TIME", "how long one attempt may run", "15m", TASKQ_TIMEOUT_MS_MIN,
     TASKQ_TIMEOUT_MS_MAX, NULL},
    {"lease", 0, OPTION_DURATION, "TIME", "a worker that is silent so long has lost it", "1m", TASKQ_LEASE_MS_MIN,
     TASKQ_LEASE_MS_MAX, NULL},
    {"backoff-base", 0, OPTION_DURATION, "TIME", "delay before the second attempt", "2s", 0, TASKQ_BACKOFF_BASE_MS_MAX,
     NULL},
    {"backoff-factor", 0, OPTION_REAL, "N", "each delay is so many times the last", "2", 0, 0, NULL},
    {"backoff-max", 0, OPTION_DURATION, "TIME", "no delay is longer", "1h", 0, TASKQ_BACKOFF_MAX_MS_MAX, NULL},
    {"backoff-jitter", 0, OPTION_REAL, "N", "0 to 1: how far a delay is drawn around that", "0.2", 0, 0, NULL},
    {"tag", 0, OPTION_LIST, "TAG", "a tag (16 at most)", NULL, 0, 0, NULL},
    {"batch", 0, OPTION_STRING, "BATCH", "the batch that it belongs to", NULL, 0, 0, NULL},
    {"unique-key", 0, OPTION_STRING, "KEY", "no second job with this key while one is unfinished", NULL, 0, 0, NULL},
    {"traceparent", 0, OPTION_STRING, "TRACE", "W3C trace context to go with it", NULL, 0, 0, NULL},
    {"idempotency-key", 0, OPTION_STRING, "KEY", "the same key again makes no second job", NULL, 0, 0, NULL},
    {"wait", 'w', OPTION_SWITCH, NULL, "wait until it is done; exit status 0 only if it succeeded", NULL, 0, 0, NULL},
    {"wait-timeout", 0, OPTION_DURATION, "TIME", "wait no longer (exit status 1)", NULL, 1, WAIT_MS_MAX, NULL},
    {"ndjson", 0, OPTION_STRING, "FILE|-", "many jobs, a JSON object a line; other flags about jobs are not used", NULL,
     0, 0, NULL},
};
static const option_table enqueue_table = {enqueue_specs, sizeof(enqueue_specs) / sizeof(enqueue_specs[0])};

static const option_spec list_specs[] = {
    {"state", 0, OPTION_STRING, "STATE", "only jobs in this state", NULL, 0, 0, STATE_WORDS},
    {"queue", 0, OPTION_STRING, "QUEUE", "only jobs of this queue", NULL, 0, 0, NULL},
    {"type", 0, OPTION_STRING, "TYPE", "only jobs of this type", NULL, 0, 0, NULL},
    {"tag", 0, OPTION_STRING, "TAG", "only jobs with this tag", NULL, 0, 0, NULL},
    {"batch", 0, OPTION_STRING, "BATCH", "only jobs of this batch", NULL, 0, 0, NULL},
    {"worker", 0, OPTION_STRING, "ID", "only jobs that this worker had last", NULL, 0, 0, NULL},
    {"q", 'q', OPTION_STRING, "TEXT", "only jobs with this text in their payload or error", NULL, 0, 0, NULL},
    {"limit", 'n', OPTION_INT, "N", "at most so many", "100", 1, 100000000, NULL},
    {"all", 'a', OPTION_SWITCH, NULL, "however many there are", NULL, 0, 0, NULL},
};
static const option_table list_table = {list_specs, sizeof(list_specs) / sizeof(list_specs[0])};

static const option_spec watch_specs[] = {
    {"batch", 0, OPTION_STRING, "BATCH", "follow the jobs of this batch", NULL, 0, 0, NULL},
    {"interval", 0, OPTION_DURATION, "TIME", "ask again so often", "500ms", 100, 60000, NULL},
};
static const option_table watch_table = {watch_specs, sizeof(watch_specs) / sizeof(watch_specs[0])};

static const option_spec bulk_specs[] = {
    {"id", 0, OPTION_LIST, "ID", "these jobs (1000 at most)", NULL, 0, 0, NULL},
    {"state", 0, OPTION_STRING, "STATE", "only jobs in this state", NULL, 0, 0, STATE_WORDS},
    {"queue", 0, OPTION_STRING, "QUEUE", "only jobs of this queue", NULL, 0, 0, NULL},
    {"type", 0, OPTION_STRING, "TYPE", "only jobs of this type", NULL, 0, 0, NULL},
    {"tag", 0, OPTION_STRING, "TAG", "only jobs with this tag", NULL, 0, 0, NULL},
    {"batch", 0, OPTION_STRING, "BATCH", "only jobs of this batch", NULL, 0, 0, NULL},
    {"yes", 'y', OPTION_SWITCH, NULL, "do not ask", NULL, 0, 0, NULL},
};
static const option_table bulk_table = {bulk_specs, sizeof(bulk_specs) / sizeof(bulk_specs[0])};

#if defined(TASKQ_CLI_TOKENS)
static const option_spec token_specs[] = {
    {"tokens", 0, OPTION_STRING, "FILE", "the file of tokens", NULL, 0, 0, NULL},
    {"name", 0, OPTION_STRING, "NAME", "whose token it is; unique in the file", NULL, 0, 0, NULL},
    {"role", 0, OPTION_STRING, "ROLE", "viewer, producer, worker or admin", NULL, 0, 0, "viewer|producer|worker|admin"},
    {"queues", 0, OPTION_STRING, "A,B", "the token reaches the jobs of these queues alone", NULL, 0, 0, NULL},
    {"expires", 0, OPTION_DURATION, "DURATION", "how long it is valid, such as 90d; without it until it is revoked",
     NULL, 1, INT64_C(3153600000000), NULL},
    {"overlap", 0, OPTION_DURATION, "DURATION", "rotate: how long the old secret goes on", "24h", 0,
     INT64_C(31536000000), NULL},
    {"id", 0, OPTION_STRING, "ID", "revoke: this secret of the name alone", NULL, 0, 0, NULL},
};
static const option_table token_table = {token_specs, sizeof(token_specs) / sizeof(token_specs[0])};
#endif

static const option_command commands[] = {
    {"enqueue", "TYPE [PAYLOAD|-|@FILE]", "make a job, or many from lines of JSON with --ndjson", 0, 2, &enqueue_table},
    {"get", "ID...", "show jobs with their attempts and log", 1, 1000, NULL},
    {"list", "", "show jobs, newest first", 0, 0, &list_table},
    {"watch", "[ID | --batch B]", "follow a job, a batch or everything until it is done", 0, 1, &watch_table},
    {"cancel", "ID...", "cancel jobs; a running one is asked to stop", 1, 1000, NULL},
    {"retry", "ID...", "run ended jobs again", 1, 1000, NULL},
    {"delete", "ID...", "delete ended jobs", 1, 1000, NULL},
    {"bulk", "cancel|retry|delete", "do it to every job that fits", 1, 1, &bulk_table},
    {"queues", "[NAME]", "show queues and how much is in them", 0, 1, NULL},
    {"pause", "QUEUE", "hand out no more jobs of a queue", 1, 1, NULL},
    {"resume", "QUEUE", "hand out its jobs again", 1, 1, NULL},
    {"stats", "", "totals, rates and times of the last minute", 0, 0, NULL},
#if defined(TASKQ_CLI_TOKENS)
    {"token", "create|list|revoke|rotate", "what is in a server's file of tokens; create prints the secret", 1, 1,
     &token_table},
#endif
};

const option_program taskq_program = {
    .name = "taskq",
    .help = "the client of a taskq server",
    .after =
        "\"taskq COMMAND --help\" tells the rest.\n"
        "Exit status: 0 done, 1 failed, 2 wrong use, 3 not found, 4 conflict, 5 server out of reach, 6 not allowed.\n\n"
        "  taskq enqueue sleep '{\"duration_ms\": 1000}' --wait\n"
        "  taskq list --state failed -o id\n",
    .table = {common_specs, sizeof(common_specs) / sizeof(common_specs[0])},
    .commands = commands,
    .command_count = sizeof(commands) / sizeof(commands[0]),
};
