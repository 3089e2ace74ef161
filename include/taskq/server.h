/* SPDX-License-Identifier: MIT */
/*
 * The HTTP API over a scheduler, on ports of the host's choice.
 *
 * A server has threads of its own (one a connection, bounded); it borrows the scheduler, which the host has opened and whose
 * sweeps the host runs (taskq_scheduler_start).
 * Order to end: taskq_server_stop, taskq_scheduler_close, taskq_store_close.
 * Threads: start and stop from one thread; the rest from any.
 * Fork: it belongs to the process that opened it. In a child every call gives EINVAL (or does nothing), and closing it there leaves all
 * of it to the parent; its memory stays.
 */
#ifndef TASKQ_SERVER_H
#define TASKQ_SERVER_H

#include <taskq/log.h>
#include <taskq/scheduler.h>

TASKQ_BEGIN_DECLS

/** The HTTP API, listening. */
typedef struct taskq_server taskq_server;

/** What is served, where, to whom, within which bounds. */
typedef struct taskq_server_options {
    size_t struct_size;
    taskq_scheduler *scheduler; /**< required */
    const char *const *listens; /**< "127.0.0.1:7070", "[::1]:7070"; port 0 picks one; 16 at most */
    uint32_t listen_count;      /**< 0: one, 127.0.0.1:7070 */
    taskq_log log;              /**< zeroed: nowhere; a line a request at info */
    bool insecure;              /**< the open API may listen on addresses that are not loopback, and takes any Host */
    size_t body_bytes_max;      /**< 1 KiB to 64 MiB; 0: 1 MiB */
    uint32_t connections_max;   /**< 8 to 20000; 0: 1024. A share of them is kept for what does not wait */
    uint32_t held_max; /**< polls that may be held at once, 7/8 of connections_max at most; one more gets 503; 0: half of it */
    int64_t request_timeout_ms; /**< for a request to arrive whole, 1000 to 600000; 0: 15000 */
    const char *tokens_path;    /**< the file of tokens (<taskq/tokens.h>); NULL: the API is open */
    const char *tls_cert_path,  /**< PEM, the certificate and those between it and its authority; NULL: no TLS */
        *tls_key_path,          /**< its key, PEM, without a passphrase */
        *tls_client_ca_path;    /**< PEM: who connects must show a certificate of these authorities; NULL: need not */
    uint32_t header_bytes_max;  /**< request line and header fields, 2 to 64 KiB; 0: 16 KiB */
    uint32_t url_bytes_max;     /**< path and query, 256 bytes to 64 KiB; 0: 12 KiB */
    uint32_t json_depth_max;    /**< of a body, a payload in it counted on its own, 8 to 128; 0: 128 */
    uint32_t address_connections_max; /**< of one address, 1 and up; 0: half of connections_max, this machine excepted */
    uint32_t handshakes_max; /**< TLS connections that are not agreed yet, 1 and up; 0: a quarter of connections_max and 32 */
    int64_t handshake_timeout_ms;       /**< 500 to 60000; 0: 5000 */
    uint32_t worker_polls_max;          /**< held polls of one worker, 1 to 10000; 0: 64 */
    const char *const *trusted_proxies; /**< networks ("10.0.0.0/8") whose X-Forwarded-For says who asks; 64 at most */
    uint32_t trusted_proxy_count;
    taskq_allocator allocator; /**< zeroed: the C library's; civetweb and OpenSSL have their own (see <taskq/alloc.h>) */
    /** At the end it goes on serving so long while /readyz says no already, for a load balancer to turn away first; 0 to 3600000 */
    int64_t drain_ms;
} taskq_server_options;
#define TASKQ_SERVER_OPTIONS_INIT                                                                                  \
    {                                                                                                              \
        sizeof(taskq_server_options), NULL, NULL, 0, {0, NULL, NULL, (taskq_log_level)0}, false, 0, 0, 0, 0, NULL, \
            NULL, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, NULL, 0, TASKQ_ALLOCATOR_INIT, 0                                \
    }

/** Would these options do? Reads the tokens and the certificates; starts nothing; the scheduler may be missing still. EINVAL, and what
 * reading the files gives. */
TASKQ_API taskq_status taskq_server_check(const taskq_server_options *options, taskq_error *err);

/** Listen and serve. EINVAL: an option (so is an address that is not loopback where there are no tokens, without `insecure`; a certificate that
 * is over; a key that does not fit it); EUNAVAIL: a port cannot be had. */
TASKQ_API taskq_status taskq_server_start(const taskq_server_options *options, taskq_server **out, taskq_error *err);

/** Read the tokens, the certificate and the client authorities again. What is under way goes on; new requests and connections get the new
 * ones. What cannot be read or does not fit leaves the old in place, each by itself: what is wrong is in `err`, and the other one counts. */
TASKQ_API taskq_status taskq_server_reload(taskq_server *server, taskq_error *err);

/** Where listener number `index` can be reached, such as "http://127.0.0.1:7070", with the port that was picked; NULL past the last. The
 * server's, until it is stopped. */
TASKQ_API const char *taskq_server_url(const taskq_server *server, uint32_t index);

/** The OpenAPI document of the API that this library serves, as it stands at /openapi.json. Static. */
TASKQ_API taskq_text taskq_server_openapi(void);

/** Accept nothing more, let what is in flight end and tell those clients that their connections end, answer held polls with 204 (it shuts
 * the scheduler), free. Waits for drain_ms and seconds at most. NULL is fine. */
TASKQ_API void taskq_server_stop(taskq_server *server);

/** Ask the server that these options started, from this machine, whether a job could be stored: GET /readyz at its first listener, with TLS where
 * there is a certificate (where clients must show one, only whether it serves). timeout_ms for each step; 0: 3000. Blocks; no server object is
 * needed. EUNAVAIL: nobody answers; ESTORE: it answers that it could not, err.text has its words; EINVAL: an option, or the port is 0. */
TASKQ_API taskq_status taskq_server_probe(const taskq_server_options *options, int64_t timeout_ms, taskq_error *err);

/** What it was built with, such as "civetweb 1.15, TLS by OpenSSL 3.0.16, IPv6", or "civetweb 1.15, no TLS, no IPv6". Static. */
TASKQ_API const char *taskq_server_built_with(void);

TASKQ_END_DECLS

#endif
