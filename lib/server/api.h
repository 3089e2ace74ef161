/* SPDX-License-Identifier: MIT */
/*
 * The server's inside: what its handlers share. A handler is a function from request to reply; it finds its route, the captured part
 * of the path and the whole body in the request, and never waits but in the scheduler.
 */
#ifndef TASKQ_SERVER_API_H
#define TASKQ_SERVER_API_H

#include "core/process.h"
#include "core/rng.h"
#include "core/scan.h"
#include "server/audit.h"
#include "server/auth.h"
#include "server/config.h"
#include "server/front.h"
#include "server/peers.h"
#include "server/problem.h"

#include <pthread.h>
#include <taskq/server.h>

struct taskq_server {
    taskq__process process;
    taskq_allocator allocator;
    taskq_scheduler *scheduler;
    taskq_log log;
    taskq_clock clock;
    taskq__config config;
    taskq__auth auth;
    taskq__tls *tls; /* NULL: plain */
    taskq__bound_counts refused;
    taskq__peers clients, pollers; /* requests by the address behind a proxy; held polls by worker */
    size_t body_bytes_max;
    uint32_t held_max;
    _Atomic uint32_t held; /* polls that wait now */
    _Atomic bool stopping;
    taskq__rng rng;
    taskq__front *front;
    char urls[TASKQ__LISTENS_MAX][96];
    uint32_t url_count;
    pthread_mutex_t ready_lock;
    int64_t ready_until_ms;    /* guarded by ready_lock: the answer below is taken for true until then */
    taskq_status ready_status; /* guarded by ready_lock */
};

typedef enum taskq__role {
    TASKQ__ROLE_OPEN,
    TASKQ__ROLE_VIEWER = TASKQ_ROLE_VIEWER,
    TASKQ__ROLE_WORKER = TASKQ_ROLE_WORKER,
    TASKQ__ROLE_PRODUCER = TASKQ_ROLE_PRODUCER,
    TASKQ__ROLE_ADMIN = TASKQ_ROLE_ADMIN
} taskq__role;

typedef void taskq__handler(taskq_server *server, taskq__request *request, taskq__reply *reply);

enum {
    TASKQ__ROUTE_UNLOGGED = 1, /* not in the access log */
    TASKQ__ROUTE_NO_HEAD = 2,  /* a GET that does something: HEAD is not the same without the body */
    TASKQ__ROUTE_BODY = 4,     /* takes a body; the others take none */
    TASKQ__ROUTE_QUERY = 8     /* takes a query; the others take none */
};

typedef struct taskq__route {
    const char *method, *pattern; /* "/jobs/{id}/cancel": one segment may be captured */
    taskq__handler *handler;
    taskq__role role;
    unsigned flags;
} taskq__route;

enum { TASKQ__ALLOW_BYTES = 64 };

/* Matches the path as it came, byte by byte. 200: route and captured part are set; 404; 405: `allow` lists the methods. */
int taskq__route_find(taskq_text method, taskq_text path, const taskq__route **route, taskq_text *captured,
                      char allow[TASKQ__ALLOW_BYTES]);

/* Host, Origin and Sec-Fetch-Site of an API that is open. False: the reply is made. */
bool taskq__auth_admit(const taskq_server *server, const taskq__request *request, taskq__reply *reply);
/* Who asks, and may they do what the route does? False: the reply is made (401, 403, 429). */
bool taskq__auth_allow(taskq_server *server, taskq__request *request, taskq__reply *reply);
/* Would they still be let in, after the tokens were read again? From any thread. */
bool taskq__auth_still(taskq_server *server, const taskq__request *request);

/* ---- tokens that are bound to queues ------------------------------------------------------------------------------------------ */

/* Does the route look after the queues by itself? Every other one is closed to a bound token. False: the reply is made (403). */
bool taskq__scope_admit(const taskq__request *request, taskq__reply *reply);
bool taskq__scope_has(const taskq__request *request, taskq_text queue);
/* A queue that the request names; data NULL: it names none, which a bound token must. False: the reply is made (403). */
bool taskq__scope_queue(const taskq__request *request, taskq__reply *reply, taskq_text queue);
/* A job by its id: one of another queue is not there. OK or what taskq_scheduler_get gives. */
taskq_status taskq__scope_job(taskq_server *server, const taskq__request *request, int64_t id, taskq_error *err);

/* "localhost:7070": takes ":port" off the host; false: what follows the name is no port. */
bool taskq__authority_split(taskq_text *host, taskq_text *port);
bool taskq__is_loopback_v4(const char *address);

/* ---- parameters ------------------------------------------------------------------------------------------------------------- */

/* Percent-decoding; plus: '+' is a space. EINVAL: a broken escape, a NUL, or not UTF-8. */
taskq_status taskq__percent_decode(taskq_text text, bool plus, taskq_arena *arena, taskq_text *out);

/* Reads the next `name=value` of a query, decoded. False at the end. ESYNTAX in `status`: it cannot be read. */
bool taskq__query_next(taskq_text *rest, taskq_arena *arena, taskq_text *name, taskq_text *value, taskq_status *status);

/* The values of a query by a NULL-ended list of names (32 at most), absent ones with data NULL. False: the reply is made (422 for a
 * name that is unknown or given twice, 400 for what cannot be read). */
bool taskq__query_read(const taskq__request *request, taskq__reply *reply, const char *const *names, taskq_text *values);

/* The id in the path. False: the reply is made (404). */
bool taskq__path_id(const taskq__request *request, taskq__reply *reply, int64_t *out);

/* The body as a JSON object. False: the reply is made. */
bool taskq__body_object(const taskq__request *request, taskq__reply *reply, taskq__json *out);
/* There is none, or {}. */
bool taskq__body_none(const taskq__request *request, taskq__reply *reply);
/* The members of the object by a NULL-ended list of keys: nodes[i] is 0 where it has none. EINVAL: another key, or one twice. */
taskq_status taskq__body_members(const taskq__json *json, taskq_arena *arena, const char *const *keys, uint32_t *nodes,
                                 taskq_error *err);
/* `node` is an array with so many elements; else the reply is made. */
bool taskq__body_array(const taskq__json *json, uint32_t node, const char *name, uint32_t min, uint32_t max,
                       taskq__reply *reply);

/* ---- replies ------------------------------------------------------------------------------------------------------------------ */

void taskq__reply_job(taskq__reply *reply, int status, const taskq_job *job);
/* {"jobs": [...]} */
void taskq__reply_jobs(taskq__reply *reply, int status, const taskq_jobs *jobs);

/* ---- handlers ------------------------------------------------------------------------------------------------------------------- */

taskq__handler taskq__jobs_post, taskq__jobs_list, taskq__jobs_get, taskq__jobs_delete, taskq__jobs_cancel,
    taskq__jobs_retry, taskq__jobs_bulk;
taskq__handler taskq__next_job_get, taskq__next_job_post, taskq__complete_one, taskq__complete_many,
    taskq__heartbeat_one, taskq__heartbeat_many, taskq__release_one;
taskq__handler taskq__queues_list, taskq__queues_get, taskq__queues_patch;
taskq__handler taskq__livez, taskq__readyz, taskq__stats;
taskq__handler taskq__openapi_json, taskq__docs_page, taskq__docs_css, taskq__docs_js;

#endif
