/* SPDX-License-Identifier: MIT */
/*
 * A client of the HTTP API for producers and operators: part of the worker half, needs no scheduler.
 *
 * Every call blocks until it has an answer, the client's timeout is over or every server has been tried. A server that is out of reach,
 * says 503, hangs up or does not answer is passed over at once, the last two only where the request may be sent twice. Where every server
 * is and one said Retry-After, they are asked again after that while, as long as the call's time lasts.
 * Answers are JSON texts as the server sent them (taskq_reply), and for the calls that producers use most, plain values.
 * Threads: a client is used by one thread at a time; open one a thread.
 * Ownership: arguments are borrowed; a reply is the caller's memory: taskq_reply_clear frees what is in it.
 * Statuses of every call: OK (2xx), EINVAL (422, or an argument), ESYNTAX (other 400s), ENOTFOUND, ECONFLICT, ESTALE, EDENIED (401, 403),
 * ELIMIT (413, 429, 431), EUNAVAIL (out of reach, 5xx), EUNKNOWN (sent, no answer came: repeat with the same idempotency key),
 * EPROTO (an answer that is not of this API), ENOMEM. err.text is the server's own explanation where it gave one, err.field its field.
 * Fork: it belongs to the process that opened it. In a child every call gives EINVAL (or does nothing), and closing it there leaves all
 * of it to the parent; its memory stays.
 */
#ifndef TASKQ_CLIENT_H
#define TASKQ_CLIENT_H

#include <taskq/alloc.h>
#include <taskq/job.h>
#include <taskq/log.h>

TASKQ_BEGIN_DECLS

/** A connection to one or several servers. */
typedef struct taskq_client taskq_client;

/** How a client reaches its servers. */
typedef struct taskq_client_options {
    size_t struct_size;
    const char *const *
        servers; /**< base URLs of one store, tried in order from the last one that answered; the first is preferred, and tried again
                    after a while; 16 at most; none: http://127.0.0.1:7070 */
    uint32_t server_count;
    const char *token;                          /**< bearer token; NULL: none */
    const char *ca_file, *cert_file, *key_file; /**< PEM; NULL: the system's authorities, no certificate of our own */
    int64_t timeout_ms;                         /**< of one call, 100 to 600000; 0: 30000 */
    size_t reply_bytes_max;                     /**< 0: 16 MiB */
    taskq_allocator allocator;                  /**< zeroed: the C library's; replies use it too */
} taskq_client_options;
#define TASKQ_CLIENT_OPTIONS_INIT                                                                 \
    {                                                                                             \
        sizeof(taskq_client_options), NULL, 0, NULL, NULL, NULL, NULL, 0, 0, TASKQ_ALLOCATOR_INIT \
    }

/** Make a client; nothing is connected yet. `options` may be NULL. EINVAL (the servers, the time-out, the token: err.field), ENOMEM.
 * Files of certificates are read when they are needed. */
TASKQ_API taskq_status taskq_client_open(const taskq_client_options *options, taskq_client **out, taskq_error *err);
TASKQ_API void taskq_client_close(taskq_client *client); /**< NULL is fine */

/** What a server answered. */
typedef struct taskq_reply {
    int32_t http_status;       /**< 0: there was no answer */
    taskq_text body;           /**< JSON, NUL-terminated behind its size */
    void *memory;              /**< private */
    taskq_allocator allocator; /**< private: what the memory goes back to */
} taskq_reply;
#define TASKQ_REPLY_INIT                         \
    {                                            \
        0, {NULL, 0}, NULL, TASKQ_ALLOCATOR_INIT \
    }
TASKQ_API void taskq_reply_clear(taskq_reply *reply); /**< leaves it as TASKQ_REPLY_INIT */

/* What is in a reply, for those who do not bring a JSON parser. `pointer` is a JSON pointer (RFC 6901), such as "/states/failed"; "" is the
 * whole. ENOTFOUND: there is nothing at it; EPROTO: it is of another kind, or the body is no JSON. Texts are borrowed from the reply. */

/** The jobs of a reply: a job by itself, or the list in {"jobs": [...]}; without their attempts and logs. */
TASKQ_API taskq_status taskq_reply_jobs(const taskq_reply *reply, taskq_jobs **out, taskq_error *err);
/** The queues of a reply: a queue by itself, or the list in {"queues": [...]}. */
TASKQ_API taskq_status taskq_reply_queues(const taskq_reply *reply, taskq_queues **out, taskq_error *err);
/** A whole number; EPROTO: it is none, or does not fit. */
TASKQ_API taskq_status taskq_reply_int(const taskq_reply *reply, const char *pointer, int64_t *out, taskq_error *err);
/** Any number. */
TASKQ_API taskq_status taskq_reply_number(const taskq_reply *reply, const char *pointer, double *out, taskq_error *err);
/** A string, unescaped into `buffer` with a NUL behind it; ELIMIT: it is longer. */
TASKQ_API taskq_status taskq_reply_string(const taskq_reply *reply, const char *pointer, char *buffer,
                                          size_t buffer_bytes, taskq_error *err);
/** The JSON text of any value, as it came. */
TASKQ_API taskq_status taskq_reply_json(const taskq_reply *reply, const char *pointer, taskq_text *out,
                                        taskq_error *err);

/** Any request of the API: method "GET", path "/jobs?limit=10" (already escaped), body JSON or size 0. `idempotency_key` may be NULL. The reply
 * is filled for every answer, errors too. */
TASKQ_API taskq_status taskq_client_request(taskq_client *client, const char *method, const char *path, taskq_text body,
                                            const char *idempotency_key, taskq_reply *reply, taskq_error *err);

/** Enqueue one job. `idempotency_key` NULL: one is drawn for the call and used in its repeats, so a job is made once however often a server has to
 * be asked. `reply` (the API's job), `id` and `existing` may be NULL. ESYNTAX with field "/payload": the payload is no JSON; nothing was sent. */
TASKQ_API taskq_status taskq_client_enqueue(taskq_client *client, const taskq_new_job *job, const char *idempotency_key,
                                            taskq_reply *reply, int64_t *id, bool *existing, taskq_error *err);

/** Enqueue 1 to 1000, all or none, under an idempotency key that is drawn for the call. `ids` (may be NULL) gets `count` numbers, in the
 * order of `jobs`; one whose unique_key was taken gets the id of the job that has it. A field at fault is named "/jobs/3/priority".
 * A traceparent is sent where all jobs have the same one. */
TASKQ_API taskq_status taskq_client_enqueue_many(taskq_client *client, const taskq_new_job *const *jobs, uint32_t count,
                                                 int64_t *ids, taskq_error *err);

/** The job as it is now: state and, where asked for (not NULL), the reply. */
TASKQ_API taskq_status taskq_client_get(taskq_client *client, int64_t id, taskq_state *state, taskq_reply *reply,
                                        taskq_error *err);

/** Wait until the job has ended, asking at growing distances up to one second. ETIMEDOUT after timeout_ms (0: no bound). */
TASKQ_API taskq_status taskq_client_wait(taskq_client *client, int64_t id, int64_t timeout_ms, taskq_state *state,
                                         taskq_reply *reply, taskq_error *err);

/** Cancel a job; a running one is asked to stop. ENOTFOUND; ECONFLICT: its state forbids it. `reply`: the job as it now is; may be NULL. */
TASKQ_API taskq_status taskq_client_cancel(taskq_client *client, int64_t id, taskq_reply *reply, taskq_error *err);
/** Run an ended job again. As taskq_client_cancel. */
TASKQ_API taskq_status taskq_client_retry(taskq_client *client, int64_t id, taskq_reply *reply, taskq_error *err);
/** Delete an ended job. ENOTFOUND; ECONFLICT: it has not ended. */
TASKQ_API taskq_status taskq_client_delete(taskq_client *client, int64_t id, taskq_error *err);

/** What client and worker were built with, such as "libcurl 7.88.1". Static. */
TASKQ_API const char *taskq_client_built_with(void);

TASKQ_END_DECLS

#endif
