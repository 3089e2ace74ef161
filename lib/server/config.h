/* SPDX-License-Identifier: MIT */
/* The options of a server, checked, with their defaults in place. Strings are borrowed from the options. */
#ifndef TASKQ_SERVER_CONFIG_H
#define TASKQ_SERVER_CONFIG_H

#include "server/address.h"
#include "server/front.h"
#include "server/tls.h"

#include <taskq/server.h>

enum { TASKQ__TRUSTED_MAX = 64 };

typedef struct taskq__config {
    taskq__listen listens[TASKQ__LISTENS_MAX];
    uint32_t listen_count;
    size_t body_bytes_max;
    uint32_t connections_max, held_max, address_connections_max, handshakes_max, worker_polls_max;
    bool loopback_unbound; /* connections of this machine are not counted by address */
    uint32_t header_bytes_max, url_bytes_max, json_depth_max;
    int64_t request_timeout_ms, handshake_timeout_ms, drain_ms;
    taskq__network trusted[TASKQ__TRUSTED_MAX];
    uint32_t trusted_count;
    taskq__tls_options tls; /* cert_path NULL: plain */
} taskq__config;

/* EINVAL. `options` are as this version knows them (core/sized.h). */
taskq_status taskq__config_read(const taskq_server_options *options, taskq__config *out, taskq_error *err);

#endif
