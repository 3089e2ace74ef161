/* SPDX-License-Identifier: MIT */
/*
 * The `http` handler: one HTTP call a job. Which answers count as success, which are worth another try and which are final is decided
 * here; connections, redirects and the policy's place in them are the transport's. Handles, and the connections in them, are kept from job to job.
 */
#include "core/alloc.h"
#include "core/fail.h"
#include "core/sized.h"
#include "worker/handlers/http_payload.h"
#include "worker/handlers/http_policy.h"
#include "worker/handlers/http_result.h"
#include "worker/run.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS 10000
#define REDIRECTS_MAX 5
#define SHOWN_URL_BYTES 200
#define IDLE_HANDLES_MAX 64 /* more are closed when their job ends */

typedef struct http_handler {
    const taskq_allocator *allocator;
    taskq__http_policy policy;
    pthread_mutex_t lock;
    taskq__http *idle[IDLE_HANDLES_MAX]; /* guarded by lock */
    size_t idle_count;                   /* guarded by lock */
} http_handler;

static taskq__http *take_handle(http_handler *handler, taskq_error *err)
{
    taskq__http *http = NULL;
    pthread_mutex_lock(&handler->lock);
    if (handler->idle_count > 0) {
        http = handler->idle[--handler->idle_count];
    }
    pthread_mutex_unlock(&handler->lock);
    if (http == NULL && taskq__http_open(handler->allocator, NULL, &http, err) != TASKQ_OK) {
        return NULL;
    }
    return http;
}

static void give_back(http_handler *handler, taskq__http *http)
{
    pthread_mutex_lock(&handler->lock);
    if (handler->idle_count < IDLE_HANDLES_MAX) {
        handler->idle[handler->idle_count++] = http;
        http = NULL;
    }
    pthread_mutex_unlock(&handler->lock);
    taskq__http_close(http);
}

/* What the transport hands back to us. */
struct asked {
    taskq_run *run;
    const taskq__http_policy *policy;
};

static bool is_allowed(void *user, const char *host, const struct sockaddr *address, socklen_t size)
{
    const struct asked *asked = user;
    return taskq__http_policy_allows(asked->policy, host, address, size);
}

static bool should_abort(void *user)
{
    const struct asked *asked = user;
    return taskq_run_should_stop(asked->run) != TASKQ_RUN_GOES_ON;
}

/* The URL for people: without the name and password that may stand in it, and cut. */
static void show_url(const char *url, char out[SHOWN_URL_BYTES])
{
    const char *slashes = strstr(url, "://");
    const char *host = slashes != NULL ? slashes + 3 : url;
    size_t authority = strcspn(host, "/?#");
    for (size_t i = authority; i > 0; i--) {
        if (host[i - 1] == '@') {
            snprintf(out, SHOWN_URL_BYTES, "%.*s%s", (int)(host - url), url, host + i);
            return;
        }
    }
    snprintf(out, SHOWN_URL_BYTES, "%s", url);
}

/* No answer came. What can never come is final. */
static taskq_status report_no_answer(taskq_run *run, const taskq__http_payload *payload, const taskq__http_reply *reply)
{
    const char *code = NULL;
    bool final = true;
    switch (reply->class) {
    case TASKQ__HTTP_BAD_URL:
    case TASKQ__HTTP_BAD_SCHEME: code = "bad-url"; break;
    case TASKQ__HTTP_REFUSED: code = "refused-address"; break;
    case TASKQ__HTTP_REDIRECTS: code = "too-many-redirects"; break;
    case TASKQ__HTTP_NO_CONNECT:
        code = "no-connection";
        final = false;
        break;
    case TASKQ__HTTP_TIMED_OUT:
        code = "http-timeout";
        final = false;
        break;
    case TASKQ__HTTP_ABORTED:
        code = "interrupted";
        final = false;
        break;
    default:
        code = "http-failed";
        final = false;
        break;
    }
    if (final) {
        taskq_run_no_retry(run);
    }
    const char *hint =
        reply->class == TASKQ__HTTP_REFUSED
            ? "; private, loopback and link-local addresses are refused unless the worker allows them, and "
              "so is what it denies"
            : "";
    char url[SHOWN_URL_BYTES];
    show_url(payload->url, url);
    const char *class = taskq__http_class_name(reply->class);
    bool says_more = reply->text[0] != '\0' && strcmp(reply->text, class) != 0;
    return taskq_run_fail(run, code, "%s %s: %s%s%s%s", payload->method, url, class, says_more ? ": " : "",
                          says_more ? reply->text : "", hint);
}

/* An answer came, and not one that was asked for. */
static taskq_status report_answer(taskq_run *run, const taskq__http_payload *payload, const taskq__http_reply *reply)
{
    int32_t status = reply->status;
    bool again = status >= 500 || status == 408 || status == 425 || status == 429;
    if (!again) {
        taskq_run_no_retry(run);
    }
    int64_t delay_ms = 0;
    if ((status == 429 || status == 503) && taskq__http_retry_after(reply, &delay_ms)) {
        int64_t most_ms = taskq_run_job(run)->backoff.max_ms;
        taskq_run_retry_in(run, delay_ms < most_ms ? delay_ms : most_ms);
    }
    char url[SHOWN_URL_BYTES];
    show_url(payload->url, url);
    return taskq_run_fail(run, "http-status", "%s %s answered %" PRId32 "%s", payload->method, url, status,
                          again ? "" : ", which is not an answer that another try would change");
}

static taskq_status call(taskq_run *run, http_handler *handler, const taskq__http_payload *payload,
                         taskq__http_reply *reply)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq__http *http = take_handle(handler, &err);
    if (http == NULL) {
        return taskq_run_fail(run, "no-resources", "%s", err.text);
    }
    struct asked asked = {run, &handler->policy};
    taskq__http_request request = TASKQ__HTTP_REQUEST_INIT;
    request.method = payload->method;
    request.url = payload->url;
    request.headers = payload->headers;
    request.header_count = payload->header_count;
    request.body = payload->body;
    request.timeout_ms = payload->timeout_ms;
    request.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    request.redirects_max = payload->follow_redirects ? REDIRECTS_MAX : 0;
    request.body_bytes_max = payload->response_bytes_max;
    request.allow = is_allowed;
    request.aborted = should_abort;
    request.wake_fd = taskq_run_fd(run);
    request.user = &asked;

    taskq_status status = taskq__http_call(http, &request, reply, &err);
    give_back(handler, http);
    if (status != TASKQ_OK) {
        if (status == TASKQ_EINVAL) {
            taskq_run_no_retry(run);
        }
        return taskq_run_fail(run, status == TASKQ_EINVAL ? "bad-payload" : "no-resources", "%s", err.text);
    }
    return TASKQ_OK;
}

static taskq_status run_http(taskq_run *run, void *user)
{
    http_handler *handler = user;
    taskq_error err = TASKQ_ERROR_INIT;
    taskq__http_payload payload;
    taskq__http_reply reply;
    taskq__http_reply_init(&reply);

    taskq_status status = taskq__http_payload_read(taskq__run_allocator(run), taskq_run_job(run), &payload, &err);
    if (status != TASKQ_OK) {
        status = taskq__run_bad_payload(run, &err);
        goto out;
    }
    status = call(run, handler, &payload, &reply);
    if (status != TASKQ_OK) {
        goto out;
    }
    if (reply.class != TASKQ__HTTP_OK) {
        status = report_no_answer(run, &payload, &reply);
    } else if (!taskq__http_payload_expects(&payload, reply.status)) {
        status = report_answer(run, &payload, &reply);
    } else {
        status = taskq__http_result_set(run, &reply);
    }

out:
    taskq__http_reply_clear(&reply);
    taskq__http_payload_clear(&payload);
    return status;
}

static void close_handler(void *user)
{
    http_handler *handler = user;
    for (size_t i = 0; i < handler->idle_count; i++) {
        taskq__http_close(handler->idle[i]);
    }
    pthread_mutex_destroy(&handler->lock);
    taskq__http_policy_clear(&handler->policy);
    taskq__free(handler->allocator, handler);
}

taskq_status taskq_worker_handle_http(taskq_worker *worker, const taskq_http_options *from, taskq_error *err)
{
    taskq_http_options options = TASKQ_HTTP_OPTIONS_INIT;
    if (worker == NULL) {
        return taskq__fail(err, TASKQ_EINVAL, "http handler: needs a worker");
    }
    taskq_status status = from == NULL ? TASKQ_OK : TASKQ__SIZED_IN(from, &options, err);
    if (status != TASKQ_OK) {
        return status;
    }
    const taskq_allocator *a = taskq__worker_allocator(worker);
    http_handler *handler = taskq__alloc(a, sizeof(*handler));
    if (handler == NULL) {
        return taskq__fail_memory(err);
    }
    handler->allocator = a;
    status = taskq__http_policy_read(a, &options, &handler->policy, err);
    if (status != TASKQ_OK) {
        taskq__free(a, handler);
        return status;
    }
    if (pthread_mutex_init(&handler->lock, NULL) != 0) {
        taskq__http_policy_clear(&handler->policy);
        taskq__free(a, handler);
        return taskq__fail_memory(err);
    }
    return taskq__worker_handle_owned(worker, "http", run_http, handler, close_handler, err);
}
