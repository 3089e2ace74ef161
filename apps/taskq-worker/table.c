/* SPDX-License-Identifier: MIT */
/*
 * The options of taskq-worker: parsed, shown by --help, and turned into its manual page and completions when it is built. It stands by
 * itself so that the build can read it without the library, for another machine too.
 */
#include "common/program.h"
#include "common/tables.h"

static const option_spec specs[] = {
    {"server", 0, OPTION_LIST, "URL", "the server; several: the next one is asked when one is out of reach",
     "http://127.0.0.1:7070", 0, 0, NULL},
    {"queue", 0, OPTION_LIST, "NAME", "a queue to work on; several: in order of preference", "default", 0, 0, NULL},
    {"concurrency", 0, OPTION_INT, "N", "jobs at once", "8", 1, 1000, NULL},
    {"poll-interval", 0, OPTION_DURATION, "DURATION", "how long the server holds a poll while there is no job", "2s",
     100, 60000, NULL},
    {"id", 0, OPTION_STRING, "NAME", "the worker's name; else host, process and a random number", NULL, 0, 0, NULL},
    {"token-file", 0, OPTION_STRING, "FILE", "a file with the token; TASKQ_TOKEN in the environment is the other way",
     NULL, 0, 0, NULL},
    {"ca-file", 0, OPTION_STRING, "FILE", "the authorities that a server's certificate may be of (PEM)", NULL, 0, 0,
     NULL},
    {"cert", 0, OPTION_STRING, "FILE", "a certificate of our own (PEM)", NULL, 0, 0, NULL},
    {"key", 0, OPTION_STRING, "FILE", "its key (PEM)", NULL, 0, 0, NULL},
    {"file-root", 0, OPTION_STRING, "DIR", "do jobs of type file below this directory; without it there are none", NULL,
     0, 0, NULL},
    {"http-allow-private", 0, OPTION_SWITCH, NULL,
     "let jobs of type http reach private, loopback and link-local addresses", NULL, 0, 0, NULL},
    {"http-allow", 0, OPTION_LIST, "NETWORK|HOST",
     "let them reach this network (10.1.0.0/16) or host (app.example, *.app.example) all the same", NULL, 0, 0, NULL},
    {"http-deny", 0, OPTION_LIST, "NETWORK|HOST", "never let them reach this one, whatever else is allowed", NULL, 0, 0,
     NULL},
    {"http-allow-only", 0, OPTION_SWITCH, NULL, "let them reach nothing but what --http-allow names", NULL, 0, 0, NULL},
    {"file-max-bytes", 0, OPTION_SIZE, "SIZE", "the largest file that a job of type file makes, copies or adds up",
     "1GiB", 1, INT64_MAX, NULL},
    {"shutdown-timeout", 0, OPTION_DURATION, "DURATION", "what running jobs get when the worker is told to stop", "30s",
     0, 86400000, NULL},
    {"health-file", 0, OPTION_STRING, "FILE", "give a sign of life in this file, every 5 seconds", NULL, 0, 0, NULL},
    {"health", 0, OPTION_SWITCH, NULL, "ask the worker that runs with this --health-file whether it is well, and exit",
     NULL, 0, 0, NULL},
    PROGRAM_LOG_OPTIONS,
};

const option_program taskq_worker_program = {
    .name = "taskq-worker",
    .help = "Asks a server for jobs and does them: http, sleep and, with --file-root, file.",
    .after =
        "Durations are written 500ms, 2s, 5m, 1h.\n"
        "SIGTERM or SIGINT: no more jobs, running ones get the shutdown time, the rest are given back. A second one: at once.\n",
    .table = {specs, sizeof(specs) / sizeof(specs[0])},
};
