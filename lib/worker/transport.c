/* SPDX-License-Identifier: MIT */
/*
 * The asynchronous form of the transport: curl's multi interface with all its sockets in one epoll descriptor, so that a host that has a
 * loop of its own watches one number and a deadline. Nothing here waits. Ends are told after curl has returned, never from inside one of
 * its callbacks, so that whoever is told may begin and cancel other exchanges.
 */
#include "worker/transport_curl.h"

#include "core/alloc.h"
#include "core/fail.h"
#include "worker/retry_after.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <taskq/clock.h>

enum { EVENTS_MAX = 64, STEP_ROUNDS_MAX = 8, URL_BYTES_MAX = 4096, RETRY_AFTER_MS_MAX = 3600000 };

struct taskq__exchange {
    taskq__exchange *previous, *next; /* of the transport's list */
    taskq__transport *transport;
    CURL *easy;
    struct curl_slist *headers;
    taskq__buf request, reply;
    bool answering;
    taskq__answer_fn *done;
    void *user;
    char reason[CURL_ERROR_SIZE];
};

struct taskq__transport {
    const taskq_allocator *allocator;
    CURLM *multi;
    int epoll_fd;
    int64_t timer_at_ms; /* curl wants to be called then; -1: it does not */
    taskq__curl_identity id;
    taskq__exchange *first;
};

/* ---- curl's sockets and timer ---------------------------------------------------------------------------------------------- */

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *known)
{
    (void)easy;
    taskq__transport *transport = user;
    struct epoll_event event = {.data.fd = fd};
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(transport->epoll_fd, EPOLL_CTL_DEL, fd,
                  NULL); /* fails where the socket is closed already: then it is gone too */
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0u) | (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0u);
    if (epoll_ctl(transport->epoll_fd, known == NULL ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event) != 0) {
        /* A number that was closed and given out again is new to epoll though curl knows it, and the other way round. */
        int other = errno == ENOENT ? EPOLL_CTL_ADD : errno == EEXIST ? EPOLL_CTL_MOD : 0;
        if (other == 0 || epoll_ctl(transport->epoll_fd, other, fd, &event) != 0) {
            return -1;
        }
    }
    curl_multi_assign(transport->multi, fd, transport);
    return 0;
}

static int set_timer(CURLM *multi, long timeout_ms, void *user)
{
    (void)multi;
    taskq__transport *transport = user;
    transport->timer_at_ms = timeout_ms < 0 ? -1 : taskq__curl_now_ms() + timeout_ms;
    return 0;
}

taskq_status taskq__transport_open(const taskq_allocator *a, const taskq__http_identity *identity,
                                   taskq__transport **out, taskq_error *err)
{
    taskq__transport *transport = taskq__alloc(a, sizeof(*transport));
    if (transport == NULL) {
        return taskq__fail_memory(err);
    }
    taskq_status status = taskq__curl_begin(err);
    if (status != TASKQ_OK) {
        taskq__free(a, transport);
        return status;
    }
    transport->allocator = a;
    transport->timer_at_ms = -1;
    transport->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    transport->multi = curl_multi_init();
    if (transport->epoll_fd < 0) {
        status = taskq__fail(err, TASKQ_ELIMIT, "no epoll descriptor can be had: error %d", errno);
    } else if (transport->multi == NULL) {
        status = taskq__fail_memory(err);
    } else {
        status = taskq__curl_identity_copy(a, identity, &transport->id, err);
    }
    if (status != TASKQ_OK) {
        taskq__transport_close(transport);
        return status;
    }
    curl_multi_setopt(transport->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(transport->multi, CURLMOPT_SOCKETDATA, transport);
    curl_multi_setopt(transport->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(transport->multi, CURLMOPT_TIMERDATA, transport);
    *out = transport;
    return TASKQ_OK;
}

static void exchange_free(taskq__exchange *exchange)
{
    taskq__transport *transport = exchange->transport;
    if (exchange->previous != NULL) {
        exchange->previous->next = exchange->next;
    } else if (transport->first == exchange) {
        transport->first = exchange->next;
    }
    if (exchange->next != NULL) {
        exchange->next->previous = exchange->previous;
    }
    if (exchange->easy != NULL) {
        curl_multi_remove_handle(transport->multi, exchange->easy);
        curl_easy_cleanup(exchange->easy);
    }
    curl_slist_free_all(exchange->headers);
    taskq__buf_clear(&exchange->request);
    taskq__buf_clear(&exchange->reply);
    taskq__free(transport->allocator, exchange);
}

void taskq__transport_close(taskq__transport *transport)
{
    if (transport == NULL) {
        return;
    }
    while (transport->first != NULL) {
        exchange_free(transport->first);
    }
    if (transport->multi != NULL) {
        curl_multi_cleanup(transport->multi);
    }
    if (transport->epoll_fd >= 0) {
        close(transport->epoll_fd);
    }
    taskq__curl_identity_clear(&transport->id);
    curl_global_cleanup();
    taskq__free(transport->allocator, transport);
}

void taskq__transport_forked(taskq__transport *transport)
{
    (void)close(transport->epoll_fd);
}

int taskq__transport_fd(const taskq__transport *transport)
{
    return transport->epoll_fd;
}

/* ---- exchanges --------------------------------------------------------------------------------------------------------------- */

static size_t take_body(char *data, size_t one, size_t size, void *user)
{
    taskq__exchange *exchange = user;
    exchange->answering = true;
    taskq__buf_add(&exchange->reply, data, one * size);
    return exchange->reply.failed ? 0 : one * size;
}

static size_t see_header(char *data, size_t one, size_t size, void *user)
{
    (void)data;
    taskq__exchange *exchange = user;
    exchange->answering = true;
    return one * size;
}

static bool configure(taskq__exchange *exchange, const taskq__send *send)
{
    CURL *easy = exchange->easy;
    taskq__curl_set_rules(easy, &exchange->transport->id);
    taskq__curl_set_method(easy, send->method, taskq__buf_text(&exchange->request));
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->reason);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, exchange);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)send->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)send->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, see_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);

    struct curl_slist **headers = &exchange->headers;
    const char *authorization = exchange->transport->id.authorization;
    if (!taskq__curl_append(headers, "Expect:") || !taskq__curl_append(headers, "Accept: application/json") ||
        (send->body.data != NULL && !taskq__curl_append(headers, "Content-Type: application/json")) ||
        (authorization != NULL && !taskq__curl_append(headers, authorization))) {
        return false;
    }
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->headers);

    size_t base = strlen(send->base);
    while (base > 0 && send->base[base - 1] == '/') {
        base--;
    }
    taskq__buf url;
    taskq__buf_init(&url, exchange->transport->allocator, URL_BYTES_MAX);
    taskq__buf_add(&url, send->base, base);
    taskq__buf_add_string(&url, send->path);
    bool fine = !url.failed && curl_easy_setopt(easy, CURLOPT_URL, url.data) == CURLE_OK;
    taskq__buf_clear(&url);
    return fine;
}

taskq_status taskq__transport_send(taskq__transport *transport, const taskq__send *send, taskq__exchange **out,
                                   taskq_error *err)
{
    taskq__exchange *exchange = taskq__alloc(transport->allocator, sizeof(*exchange));
    if (exchange == NULL) {
        return taskq__fail_memory(err);
    }
    exchange->transport = transport;
    exchange->done = send->done;
    exchange->user = send->user;
    taskq__buf_init(&exchange->request, transport->allocator, send->body.size + 1);
    taskq__buf_init(&exchange->reply, transport->allocator, send->reply_bytes_max);
    if (send->body.data != NULL) {
        taskq__buf_add(&exchange->request, send->body.data, send->body.size);
    }
    exchange->next = transport->first;
    if (exchange->next != NULL) {
        exchange->next->previous = exchange;
    }
    transport->first = exchange;
    exchange->easy = curl_easy_init();
    if (exchange->easy == NULL || exchange->request.failed || !configure(exchange, send) ||
        curl_multi_add_handle(transport->multi, exchange->easy) != CURLM_OK) {
        exchange_free(exchange);
        return taskq__fail_memory(err);
    }
    if (out != NULL) {
        *out = exchange;
    }
    return TASKQ_OK;
}

void taskq__transport_cancel(taskq__transport *transport, taskq__exchange *exchange)
{
    (void)transport;
    exchange_free(exchange);
}

bool taskq__exchange_is_answering(const taskq__exchange *exchange)
{
    return exchange->answering;
}

static int64_t retry_after_ms(CURL *easy)
{
    struct curl_header *header = NULL;
    int64_t ms = 0;
    taskq_clock clock;
    taskq_clock_system(&clock);
    if (curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &header) != CURLHE_OK ||
        !taskq__retry_after_read(taskq_text_of(header->value), clock.wall_ms(clock.user), &ms)) {
        return 0;
    }
    return ms < RETRY_AFTER_MS_MAX ? ms : RETRY_AFTER_MS_MAX;
}

static void tell_end(taskq__exchange *exchange, CURLcode code)
{
    taskq__answer answer = {.class = taskq__curl_class(code), .text = ""};
    if (code == CURLE_WRITE_ERROR && exchange->reply.failed) {
        answer.class = exchange->reply.no_memory ? TASKQ__HTTP_NO_MEMORY : TASKQ__HTTP_TOO_LARGE;
        answer.text = taskq__http_class_name(answer.class);
    } else if (code != CURLE_OK) {
        answer.text = exchange->reason[0] != '\0' ? exchange->reason : curl_easy_strerror(code);
    } else {
        long status = 0;
        curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status);
        answer.status = (int32_t)status;
        answer.retry_after_ms = retry_after_ms(exchange->easy);
        answer.body = taskq__buf_text(&exchange->reply);
    }
    exchange->done(exchange->user, &answer);
    exchange_free(exchange);
}

/* ---- the step ------------------------------------------------------------------------------------------------------------------ */

/* What the sockets and the timer have for curl; true where there was anything. */
static bool pump(taskq__transport *transport)
{
    struct epoll_event events[EVENTS_MAX];
    int running = 0;
    int count = epoll_wait(transport->epoll_fd, events, EVENTS_MAX, 0);
    for (int i = 0; i < count; i++) {
        uint32_t what = events[i].events;
        int flags = (what & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) | (what & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                    (what & EPOLLERR ? CURL_CSELECT_ERR : 0);
        curl_multi_socket_action(transport->multi, events[i].data.fd, flags, &running);
    }
    bool due = transport->timer_at_ms >= 0 && taskq__curl_now_ms() >= transport->timer_at_ms;
    if (due) {
        transport->timer_at_ms = -1; /* curl sets it anew where it wants another */
        curl_multi_socket_action(transport->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    return count > 0 || due;
}

taskq_status taskq__transport_step(taskq__transport *transport, int64_t *next_in_ms, taskq_error *err)
{
    (void)err;
    for (uint32_t round = 0; round < STEP_ROUNDS_MAX && pump(transport); round++) {
        CURLMsg *message;
        int left = 0;
        while ((message = curl_multi_info_read(transport->multi, &left)) != NULL) {
            taskq__exchange *exchange = NULL;
            CURLcode code = message->data.result;
            if (message->msg == CURLMSG_DONE &&
                curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&exchange) == CURLE_OK) {
                tell_end(exchange, code);
            }
        }
    }
    int64_t in_ms = transport->timer_at_ms < 0 ? -1 : transport->timer_at_ms - taskq__curl_now_ms();
    *next_in_ms = transport->timer_at_ms >= 0 && in_ms < 0 ? 0 : in_ms;
    return TASKQ_OK;
}
