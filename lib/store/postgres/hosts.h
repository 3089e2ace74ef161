/* SPDX-License-Identifier: MIT */
/* The hosts that a connection string means, one by one. */
#ifndef TASKQ_STORE_POSTGRES_HOSTS_H
#define TASKQ_STORE_POSTGRES_HOSTS_H

#include <taskq/status.h>

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

enum { TASKQ__PG_HOSTS_MAX = 64, TASKQ__PG_HOST_BYTES_MAX = 1024 };

typedef struct taskq__pg_hosts {
    PQconninfoOption *given; /* what the rest points into */
    /* Lists that belong together; NULL: there is none. */
    const char *names, *addresses, *ports, *port_default;
    const char *attributes; /* target_session_attrs of the string alone: NULL, it says nothing of it */
    char attributes_bytes[32];
    uint32_t count;
    int64_t timeout_ms; /* connect_timeout, for each host; 0: none */
} taskq__pg_hosts;

typedef struct taskq__pg_host {
    char name[TASKQ__PG_HOST_BYTES_MAX], address[TASKQ__PG_HOST_BYTES_MAX], port[16]; /* "": libpq's own choice */
} taskq__pg_host;

/* EINVAL: the string, its service or a number in it is wrong, or it names too many hosts. To be cleared where it is OK. */
taskq_status taskq__pg_hosts_find(const char *conninfo, taskq__pg_hosts *out, taskq_error *err);
void taskq__pg_hosts_clear(taskq__pg_hosts *hosts);
/* EINVAL: hosts, addresses and ports are not the same in number, or one is too long. */
taskq_status taskq__pg_hosts_at(const taskq__pg_hosts *hosts, uint32_t index, taskq__pg_host *out, taskq_error *err);

#endif
