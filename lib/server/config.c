/* SPDX-License-Identifier: MIT */
/*
 * Options by one table: their ranges and defaults stand together, and whoever starts a server learns all that is wrong with them before
 * anything is opened.
 */
#include "server/config.h"

#include "core/fail.h"
#include "core/scan.h"

#include <inttypes.h>

enum {
    KIB = 1024,
    CONNECTIONS_MIN = 8,
    CONNECTIONS_MAX = 20000,
    CONNECTIONS_DEFAULT = 1024,
    HANDSHAKES_LEAST = 32,
    DRAIN_MS_MAX = 3600000,
    RESERVED_SHARE = 8 /* one connection in so many is never a held poll's */
};

typedef struct number {
    const char *name;
    uint64_t given, min, max, fallback;
} number;

/* The value that counts; 0 where the one given is out of its range. */
static uint64_t settle(const number *of, taskq_error *err)
{
    if (of->given == 0) {
        return of->fallback;
    }
    if (of->given < of->min || of->given > of->max) {
        taskq__fail(err, TASKQ_EINVAL, "%s must be from %" PRIu64 " to %" PRIu64, of->name, of->min, of->max);
        return 0;
    }
    return of->given;
}

static taskq_status read_numbers(const taskq_server_options *options, taskq__config *out, taskq_error *err)
{
    uint64_t connections = settle(
        &(number){"connections_max", options->connections_max, CONNECTIONS_MIN, CONNECTIONS_MAX, CONNECTIONS_DEFAULT},
        err);
    const number numbers[] = {
        {"body_bytes_max", options->body_bytes_max, KIB, 64 * KIB * KIB, KIB * KIB},
        {"held_max", options->held_max, 1, connections - connections / RESERVED_SHARE, connections / 2},
        {"request_timeout_ms", (uint64_t)options->request_timeout_ms, 1000, 600000, 15000},
        {"header_bytes_max", options->header_bytes_max, 2 * KIB, 64 * KIB, TASKQ__HEAD_BYTES_MAX},
        {"url_bytes_max", options->url_bytes_max, 256, 64 * KIB, 12 * KIB},
        {"json_depth_max", options->json_depth_max, 8, TASKQ__JSON_DEPTH_MAX, TASKQ__JSON_DEPTH_MAX},
        {"address_connections_max", options->address_connections_max, 1, CONNECTIONS_MAX, connections / 2},
        {"handshakes_max", options->handshakes_max, 1, CONNECTIONS_MAX, connections / 4 + HANDSHAKES_LEAST},
        {"handshake_timeout_ms", (uint64_t)options->handshake_timeout_ms, 500, 60000, 5000},
        {"worker_polls_max", options->worker_polls_max, 1, 10000, 64},
    };
    uint64_t values[sizeof(numbers) / sizeof(numbers[0])];
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        values[i] = connections > 0 ? settle(&numbers[i], err) : 0;
        if (values[i] == 0) {
            return TASKQ_EINVAL;
        }
    }
    out->connections_max = (uint32_t)connections;
    out->body_bytes_max = (size_t)values[0];
    out->held_max = (uint32_t)values[1];
    out->request_timeout_ms = (int64_t)values[2];
    out->header_bytes_max = (uint32_t)values[3];
    out->url_bytes_max = (uint32_t)values[4];
    out->json_depth_max = (uint32_t)values[5];
    out->address_connections_max = (uint32_t)values[6];
    out->loopback_unbound = options->address_connections_max == 0;
    out->handshakes_max = (uint32_t)values[7];
    out->handshake_timeout_ms = (int64_t)values[8];
    out->worker_polls_max = (uint32_t)values[9];
    out->drain_ms = options->drain_ms;
    return out->drain_ms >= 0 && out->drain_ms <= DRAIN_MS_MAX
               ? TASKQ_OK
               : taskq__fail(err, TASKQ_EINVAL, "drain_ms must be from 0 to %d", DRAIN_MS_MAX);
}

static taskq_status read_listens(const taskq_server_options *options, taskq__config *out, taskq_error *err)
{
    static const char *const fallback[] = {"127.0.0.1:7070"};
    const char *const *texts = options->listen_count > 0 ? options->listens : fallback;
    out->listen_count = options->listen_count > 0 ? options->listen_count : 1;
    if (out->listen_count > TASKQ__LISTENS_MAX) {
        return taskq__fail(err, TASKQ_EINVAL, "at most %d listeners", TASKQ__LISTENS_MAX);
    }
    for (uint32_t i = 0; i < out->listen_count; i++) {
        taskq_status status = taskq__listen_parse(texts[i], &out->listens[i], err);
        if (status != TASKQ_OK) {
            return status;
        }
        if (!out->listens[i].loopback && !options->insecure && options->tokens_path == NULL) {
            return taskq__fail(err, TASKQ_EINVAL,
                               "%s is not a loopback address and the API is open to whoever reaches it: "
                               "listen on 127.0.0.1 or [::1], set tokens (--tokens), or set insecure (--insecure)",
                               texts[i]);
        }
    }
    return TASKQ_OK;
}

static taskq_status read_tls(const taskq_server_options *options, taskq__config *out, taskq_error *err)
{
    out->tls = (taskq__tls_options){options->tls_cert_path, options->tls_key_path, options->tls_client_ca_path, NULL};
    if ((options->tls_cert_path == NULL) != (options->tls_key_path == NULL)) {
        return taskq__fail(err, TASKQ_EINVAL, "a certificate and its key go together: --tls-cert and --tls-key");
    }
    if (options->tls_client_ca_path != NULL && options->tls_cert_path == NULL) {
        return taskq__fail(err, TASKQ_EINVAL, "client certificates need TLS: --tls-cert and --tls-key");
    }
    return TASKQ_OK;
}

static taskq_status read_trusted(const taskq_server_options *options, taskq__config *out, taskq_error *err)
{
    if (options->trusted_proxy_count > TASKQ__TRUSTED_MAX) {
        return taskq__fail(err, TASKQ_EINVAL, "at most %d trusted proxies", TASKQ__TRUSTED_MAX);
    }
    for (uint32_t i = 0; i < options->trusted_proxy_count; i++) {
        taskq_status status = taskq__network_parse(options->trusted_proxies[i], &out->trusted[i], err);
        if (status != TASKQ_OK) {
            return status;
        }
    }
    out->trusted_count = options->trusted_proxy_count;
    return TASKQ_OK;
}

taskq_status taskq__config_read(const taskq_server_options *options, taskq__config *out, taskq_error *err)
{
    taskq_status status = read_numbers(options, out, err);
    if (status == TASKQ_OK) {
        status = read_tls(options, out, err);
    }
    if (status == TASKQ_OK) {
        status = read_listens(options, out, err);
    }
    return status == TASKQ_OK ? read_trusted(options, out, err) : status;
}
