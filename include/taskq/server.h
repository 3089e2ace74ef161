/* SPDX-License-Identifier: MIT */
/*
 * The HTTP API over a scheduler, on ports of the host's choice.
 *
 * A server has threads of its own (one a connection, bounded); it borrows the scheduler, which the host has opened and whose
 * sweeps the host runs (taskq_scheduler_start).
 * Order to end: taskq_server_stop, taskq_scheduler_close, taskq_store_close.
 * Threads: start and stop from one thread; the rest from any.
 */
#ifndef TASKQ_SERVER_H
#define TASKQ_SERVER_H

#include <taskq/log.h>
#include <taskq/scheduler.h>

TASKQ_BEGIN_DECLS

typedef struct taskq_server taskq_server;

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
} taskq_server_options;
#define TASKQ_SERVER_OPTIONS_INIT                                                                           \
    {                                                                                                       \
        sizeof(taskq_server_options), NULL, NULL, 0, {0, NULL, NULL, (taskq_log_level)0}, false, 0, 0, 0, 0 \
    }

/** Would these options do? Starts nothing; the scheduler may be missing still. EINVAL. */
TASKQ_API taskq_status taskq_server_check(const taskq_server_options *options, taskq_error *err);

/** Listen and serve. EINVAL: an option (an address that is not loopback without `insecure` too); EUNAVAIL: a port cannot be had. */
TASKQ_API taskq_status taskq_server_start(const taskq_server_options *options, taskq_server **out, taskq_error *err);

/** Where listener number `index` can be reached, such as "http://127.0.0.1:7070", with the port that was picked; NULL past the last. The
 * server's, until it is stopped. */
TASKQ_API const char *taskq_server_url(const taskq_server *server, uint32_t index);

/** The OpenAPI document of the API that this library serves, as it stands at /openapi.json. Static. */
TASKQ_API taskq_text taskq_server_openapi(void);

/** Accept nothing more, answer held polls with 204 (it shuts the scheduler), let what is in flight end, free. NULL is fine. */
TASKQ_API void taskq_server_stop(taskq_server *server);

TASKQ_END_DECLS

#endif
