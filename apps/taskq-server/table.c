/* SPDX-License-Identifier: MIT */
/*
 * The options of taskq-server: parsed, shown by --help, and turned into its manual page and completions when it is built. It stands by
 * itself so that the build can read it without the library, for another machine too.
 */
#include "common/program.h"
#include "common/tables.h"

static const option_spec specs[] = {
    {"listen", 0, OPTION_LIST, "ADDRESS:PORT", "where to listen; port 0 picks one", "127.0.0.1:7070", 0, 0, NULL},
    {"db", 0, OPTION_STRING, "FILE", "the store, an SQLite file; made where it is not there", "taskq.db", 0, 0, NULL},
    {"durability", 0, OPTION_STRING, "HOW",
     "full: an answer means that it is on disk; relaxed: a power cut may take seconds", "full", 0, 0, "full|relaxed"},
    {"insecure", 0, OPTION_SWITCH, NULL,
     "let the open API listen on addresses that are not loopback, and take any Host", NULL, 0, 0, NULL},
    {"tokens", 0, OPTION_STRING, "FILE", "who may do what (taskq token makes it); without it the API is open", NULL, 0,
     0, NULL},
    {"tls-cert", 0, OPTION_STRING, "FILE", "serve TLS with this certificate and those above it, PEM", NULL, 0, 0, NULL},
    {"tls-key", 0, OPTION_STRING, "FILE", "its key, PEM", NULL, 0, 0, NULL},
    {"tls-client-ca", 0, OPTION_STRING, "FILE",
     "who connects must have a certificate of these authorities, PEM; its name counts as the token's", NULL, 0, 0, NULL},
    {"trusted-proxy", 0, OPTION_LIST, "NETWORK", "a proxy, such as 10.0.0.0/8, whose X-Forwarded-For says who asks",
     NULL, 0, 0, NULL},
    {"max-body", 0, OPTION_SIZE, "SIZE", "the largest body of a request", "1MiB", 1024, 64 << 20, NULL},
    {"max-connections", 0, OPTION_INT, "N", "connections at once; half of them may be polls that wait", "1024", 8,
     20000, NULL},
    {"max-connections-per-address", 0, OPTION_INT, "N",
     "of one address; not given: half of --max-connections, but for this machine", NULL, 1, 20000, NULL},
    {"max-polls-per-worker", 0, OPTION_INT, "N", "polls of one worker that may wait at once", "64", 1, 10000, NULL},
    {"max-header", 0, OPTION_SIZE, "SIZE", "the request line and the header fields", "16KiB", 2048, 65536, NULL},
    {"max-url", 0, OPTION_SIZE, "SIZE", "path and query", "12KiB", 256, 65536, NULL},
    {"max-json-depth", 0, OPTION_INT, "N", "how deep a body may be, and a payload or result in it", "128", 8, 128, NULL},
    {"request-timeout", 0, OPTION_DURATION, "DURATION", "for a request to arrive whole: its head, and its body", "15s",
     1000, 600000, NULL},
    {"max-handshakes", 0, OPTION_INT, "N",
     "TLS connections not agreed yet; not given: a quarter of --max-connections and 32", NULL, 1, 20000, NULL},
    {"handshake-timeout", 0, OPTION_DURATION, "DURATION", "for a TLS connection to be agreed", "5s", 500, 60000, NULL},
    {"drain", 0, OPTION_DURATION, "DURATION",
     "at the end: go on serving so long while /readyz says no, for a load balancer to turn away first", "0s", 0,
     3600000, NULL},
    {"sweep-interval", 0, OPTION_DURATION, "DURATION", "at most so long between two looks at what is due or lost",
     "500ms", 10, 60000, NULL},
    {"retention", 0, OPTION_DURATION, "DURATION", "how long succeeded and canceled jobs are kept", "7d", 1000,
     INT64_C(315360000000), NULL},
    {"retention-failed", 0, OPTION_DURATION, "DURATION", "how long failed jobs are kept", "30d", 1000,
     INT64_C(315360000000), NULL},
    {"check", 0, OPTION_SWITCH, NULL, "read the configuration, look at the store, say what is wrong and exit", NULL, 0,
     0, NULL},
    {"backup-to", 0, OPTION_STRING, "FILE", "copy the store, in use or not, to a new file and exit", NULL, 0, 0, NULL},
    {"health", 0, OPTION_SWITCH, NULL, "ask the server that runs with these options whether it is well, and exit", NULL,
     0, 0, NULL},
    {"print-openapi", 0, OPTION_SWITCH, NULL, "print the OpenAPI document of the API and exit", NULL, 0, 0, NULL},
    PROGRAM_LOG_OPTIONS,
};

const option_program taskq_server_program = {
    .name = "taskq-server",
    .help = "Hands jobs out over HTTP and keeps them in a store.",
    .after = "Durations are written 500ms, 2s, 5m, 1h, 7d; sizes 64KiB, 1MiB.\n",
    .table = {specs, sizeof(specs) / sizeof(specs[0])},
};
