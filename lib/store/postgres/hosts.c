/* SPDX-License-Identifier: MIT */
/*
 * Which hosts a connection string means. libpq tries several of them by itself only where it may block; who must never be held
 * takes them one by one, and so has to know them. They may stand in the string, in the environment (PGHOST, PGPORT) or in a
 * service file, so libpq is asked what it made of all that: of a connection that it refuses before it connects.
 */
#include "store/postgres/hosts.h"

#include "core/fail.h"
#include "store/postgres/session_inner.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_SECONDS_MIN = 2 }; /* libpq's own: a name may have several addresses, and TLS several round trips */

static taskq_status fail_string(taskq_error *err, const char *words)
{
    taskq_error reason = TASKQ_ERROR_INIT;
    (void)taskq__pg_fail_libpq(&reason, "the connection string", words);
    return taskq__fail(err, TASKQ_EINVAL, "%s", reason.text); /* trying again brings nothing */
}

static const char *value_of(const PQconninfoOption *given, const char *keyword)
{
    for (; given->keyword != NULL; given++) {
        if (strcmp(given->keyword, keyword) == 0) {
            return given->val == NULL || given->val[0] == '\0' ? NULL : given->val;
        }
    }
    return NULL;
}

static const char *default_of(const PQconninfoOption *given, const char *keyword)
{
    for (; given->keyword != NULL; given++) {
        if (strcmp(given->keyword, keyword) == 0) {
            return given->compiled == NULL ? "" : given->compiled;
        }
    }
    return "";
}

/* What the string alone says. */
static taskq_status parse(const char *conninfo, taskq__pg_hosts *out, taskq_error *err)
{
    char *text = NULL;
    PQconninfoOption *said = PQconninfoParse(conninfo, &text);
    if (said == NULL) {
        taskq_status status = text == NULL ? taskq__fail_memory(err) : fail_string(err, text);
        PQfreemem(text);
        return status;
    }
    const char *attributes = value_of(said, "target_session_attrs");
    taskq_status status = TASKQ_OK;
    if (attributes != NULL && strlen(attributes) >= sizeof(out->attributes_bytes)) {
        status = taskq__fail(err, TASKQ_EINVAL, "there is no such target_session_attrs: %s", attributes);
    } else if (attributes != NULL) {
        memcpy(out->attributes_bytes, attributes, strlen(attributes) + 1);
        out->attributes = out->attributes_bytes;
    }
    PQconninfoFree(said);
    return status;
}

/* What libpq makes of string, service and environment. No value of channel_binding is like this one: nothing is looked up or sent, and
 * where the value is not found again, libpq did not come as far as taking the options. */
static taskq_status resolve(const char *conninfo, taskq__pg_hosts *out, taskq_error *err)
{
    static const char refused[] = "refused before connecting";
    const char *keywords[] = {"dbname", "channel_binding", NULL};
    const char *values[] = {conninfo, refused, NULL};
    PGconn *conn = PQconnectStartParams(keywords, values, 1);
    PQconninfoOption *given = conn == NULL ? NULL : PQconninfo(conn);
    taskq_status status = TASKQ_OK;
    if (given == NULL) {
        status = taskq__fail_memory(err);
    } else {
        const char *kept = value_of(given, "channel_binding");
        if (kept == NULL || strcmp(kept, refused) != 0) {
            status = fail_string(err, PQerrorMessage(conn));
        }
    }
    PQfinish(conn);
    if (status != TASKQ_OK) {
        PQconninfoFree(given);
        return status;
    }
    out->given = given;
    return TASKQ_OK;
}

static uint32_t count_of_list(const char *list)
{
    uint32_t count = 1;
    for (const char *at = list; *at != '\0'; at++) {
        count += *at == ',';
    }
    return count;
}

static taskq_status take_timeout(taskq__pg_hosts *out, taskq_error *err)
{
    const char *text = value_of(out->given, "connect_timeout");
    if (text == NULL) {
        return TASKQ_OK;
    }
    char *end = NULL;
    errno = 0;
    long seconds = strtol(text, &end, 10);
    while (*end == ' ') {
        end++;
    }
    if (errno != 0 || end == text || *end != '\0' || seconds > INT_MAX || seconds < INT_MIN) {
        return taskq__fail(err, TASKQ_EINVAL, "the connection string: connect_timeout is a number of seconds, not %s",
                           text);
    }
    if (seconds > 0) {
        out->timeout_ms = (seconds < TIMEOUT_SECONDS_MIN ? TIMEOUT_SECONDS_MIN : (int64_t)seconds) * 1000;
    }
    return TASKQ_OK;
}

taskq_status taskq__pg_hosts_find(const char *conninfo, taskq__pg_hosts *out, taskq_error *err)
{
    memset(out, 0, sizeof(*out));
    taskq_status status = parse(conninfo, out, err);
    status = status == TASKQ_OK ? resolve(conninfo, out, err) : status;
    status = status == TASKQ_OK ? take_timeout(out, err) : status;
    if (status == TASKQ_OK) {
        out->names = value_of(out->given, "host");
        out->addresses = value_of(out->given, "hostaddr");
        out->ports = value_of(out->given, "port");
        out->port_default = default_of(out->given, "port");
        const char *list = out->addresses != NULL ? out->addresses : out->names;
        out->count = list == NULL ? 1 : count_of_list(list);
        if (out->count > TASKQ__PG_HOSTS_MAX) {
            status = taskq__fail(err, TASKQ_EINVAL, "the connection string names %u hosts, %d at most", out->count,
                                 TASKQ__PG_HOSTS_MAX);
        }
    }
    if (status != TASKQ_OK) {
        taskq__pg_hosts_clear(out);
    }
    return status;
}

void taskq__pg_hosts_clear(taskq__pg_hosts *hosts)
{
    PQconninfoFree(hosts->given);
    memset(hosts, 0, sizeof(*hosts));
}

/* The element of that index; of a list with one element alone that one. false: too long, or not there. */
static bool element_of(const char *list, uint32_t index, char *out, size_t room)
{
    if (list == NULL) {
        out[0] = '\0';
        return true;
    }
    if (index > 0 && strchr(list, ',') == NULL) {
        index = 0;
    }
    for (; index > 0; index--) {
        list = strchr(list, ',');
        if (list == NULL) {
            return false;
        }
        list++;
    }
    size_t size = strcspn(list, ",");
    if (size >= room) {
        return false;
    }
    memcpy(out, list, size);
    out[size] = '\0';
    return true;
}

taskq_status taskq__pg_hosts_at(const taskq__pg_hosts *hosts, uint32_t index, taskq__pg_host *out, taskq_error *err)
{
    if (!element_of(hosts->names, index, out->name, sizeof(out->name)) ||
        !element_of(hosts->addresses, index, out->address, sizeof(out->address)) ||
        !element_of(hosts->ports, index, out->port, sizeof(out->port))) {
        return taskq__fail(err, TASKQ_EINVAL, "the connection string's hosts and ports are not the same in number");
    }
    if (out->port[0] == '\0') {
        (void)element_of(hosts->port_default, 0, out->port, sizeof(out->port)); /* else the whole list would count */
    }
    return TASKQ_OK;
}
