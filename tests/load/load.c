/* SPDX-License-Identifier: MIT */
/*
 * The load generator: one way of using the API as fast as it goes, and one line of JSON about it. What is compared with what, how often
 * and in which order is the bench's business.
 */
#include "load/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "load enqueue PORTS CONNECTIONS SECONDS    PORTS: 7070, or several servers of one store: 7070,7071\n"
    "load fill PORTS CONNECTIONS JOBS\n"
    "load single PORTS CONNECTIONS          claims and reports, a request each, until nothing is ready\n"
    "load drain PORTS CONNECTIONS BATCH     reports of BATCH with the next claim of BATCH\n"
    "load lifecycles PORTS CONNECTIONS SECONDS BATCH\n";

static bool run(int argc, char **argv, measure *out)
{
    const char *mode = argv[1];
    ports at;
    uint32_t connections = (uint32_t)strtoul(argv[3], NULL, 10);
    const char *fourth = argc > 4 ? argv[4] : "";
    const char *fifth = argc > 5 ? argv[5] : "";
    uint32_t batch = (uint32_t)strtoul(fifth[0] != '\0' ? fifth : fourth, NULL, 10);
    if (!ports_parse(argv[2], &at)) {
        fputs(usage, stderr);
        return false;
    }
    if (connections == 0 || connections > 10000 || batch > LEASES_MAX) {
        batch = connections = 0;
    }
    if (strcmp(mode, "enqueue") == 0 && argc == 5 && connections > 0) {
        return mode_enqueue(&at, connections, strtod(fourth, NULL), out);
    }
    if (strcmp(mode, "fill") == 0 && argc == 5) {
        return mode_fill(&at, (uint32_t)strtoul(argv[3], NULL, 10), strtoull(fourth, NULL, 10), out);
    }
    if (strcmp(mode, "single") == 0 && argc == 4 && connections > 0) {
        return mode_drain_single(&at, connections, out);
    }
    if (strcmp(mode, "drain") == 0 && argc == 5 && batch > 0) {
        return mode_drain(&at, connections, batch, out);
    }
    if (strcmp(mode, "lifecycles") == 0 && argc == 6 && batch > 0) {
        return mode_lifecycles(&at, connections, batch, strtod(fourth, NULL), out);
    }
    fputs(usage, stderr);
    return false;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fputs(usage, stderr);
        return 2;
    }
    measure found = {0};
    if (!run(argc, argv, &found)) {
        return 1;
    }
    double seconds = (double)found.elapsed_ns / 1e9;
    printf("{\"jobs\": %llu, \"seconds\": %.6f, \"rate\": %.1f, \"reply_bytes\": %zu}\n",
           (unsigned long long)found.jobs, seconds, seconds > 0 ? (double)found.jobs / seconds : 0.0, found.reply_bytes);
    return 0;
}
