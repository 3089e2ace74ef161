/* SPDX-License-Identifier: MIT */
/*
 * Bodies of requests, and the two numbers of a leased job that a report needs, found without a JSON parser: the payloads are ours and
 * hold nothing that looks like a member of a job.
 */
#include "load/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void job_write(taskq__buf *out)
{
    static const char opening[] = "{\"text\":\"", closing[] = "\"}";
    char filling[PAYLOAD_BYTES - (sizeof(opening) - 1) - (sizeof(closing) - 1)];
    memset(filling, 'x', sizeof(filling));
    taskq__buf_add_string(out, "{\"queue\":\"" LOAD_QUEUE "\",\"type\":\"" LOAD_TYPE "\",\"payload\":");
    taskq__buf_add_string(out, opening);
    taskq__buf_add(out, filling, sizeof(filling));
    taskq__buf_add_string(out, closing);
    taskq__buf_add_char(out, '}');
}

void jobs_write(taskq__buf *out, uint32_t count)
{
    taskq__buf_add_string(out, "{\"jobs\":[");
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) {
            taskq__buf_add_char(out, ',');
        }
        job_write(out);
    }
    taskq__buf_add_string(out, "]}");
}

/* The integer member `name` (with quotes and colon) at or after `from`; `after` is set behind it. False: there is none. */
static bool find_int(const char *from, const char *end, const char *name, int64_t *out, const char **after)
{
    size_t name_bytes = strlen(name);
    const char *at = from < end ? memmem(from, (size_t)(end - from), name, name_bytes) : NULL;
    if (at == NULL) {
        return false;
    }
    at += name_bytes;
    while (at < end && *at == ' ') {
        at++;
    }
    int64_t number = 0;
    const char *digits = at;
    while (at < end && *at >= '0' && *at <= '9') {
        number = number * 10 + (*at++ - '0');
    }
    *out = number;
    *after = at;
    return at > digits;
}

/* Where the list of jobs begins; a job by itself is one from the start. */
static const char *jobs_begin(const reply *got)
{
    const char *list = memmem(got->body.data, got->body.size, "\"jobs\":", 7);
    return list != NULL ? list : got->body.data;
}

int64_t leases_read(const reply *got, lease *out, uint32_t max)
{
    const char *at = jobs_begin(got), *end = got->body.data + got->body.size;
    uint32_t count = 0;
    int64_t id;
    while (find_int(at, end, "\"id\":", &id, &at)) {
        if (count == max || !find_int(at, end, "\"version\":", &out[count].version, &at)) {
            fprintf(stderr, "load: more jobs than were asked for, or one without a version\n");
            return -1;
        }
        out[count++].id = id;
    }
    return count;
}

uint32_t results_good(const reply *got)
{
    const char *at = got->body.data, *end = jobs_begin(got);
    uint32_t good = 0;
    int64_t status;
    while (find_int(at, end, "\"status\":", &status, &at)) {
        good += status == 200;
    }
    return good;
}

void complete_write(taskq__buf *out, const lease *leases, uint32_t count, uint32_t next)
{
    taskq__buf_add_string(out, "{\"completions\":[");
    for (uint32_t i = 0; i < count; i++) {
        taskq__buf_add_string(out, i > 0 ? ",{\"id\":" : "{\"id\":");
        taskq__buf_add_int(out, leases[i].id);
        taskq__buf_add_string(out, ",\"version\":");
        taskq__buf_add_int(out, leases[i].version);
        taskq__buf_add_string(out, ",\"status\":\"succeeded\",\"result\":{\"ok\":true}}");
    }
    taskq__buf_add_char(out, ']');
    if (next > 0) {
        taskq__buf_add_string(out, ",\"next\":{\"queue\":\"" LOAD_QUEUE "\",\"type\":\"" LOAD_TYPE
                                   "\",\"worker\":\"bench\",\"limit\":");
        taskq__buf_add_int(out, next);
        taskq__buf_add_char(out, '}');
    }
    taskq__buf_add_char(out, '}');
}

bool reply_is(const reply *got, int status)
{
    if (got->status == status) {
        return true;
    }
    int shown = got->body.size < 400 ? (int)got->body.size : 400;
    fprintf(stderr, "load: %d where %d was due: %.*s\n", got->status, status, shown, got->body.data);
    return false;
}
