/* SPDX-License-Identifier: MIT */
/*
 * The blocking form of the transport, for the public client and the http handler. It drives a multi of its own rather than
 * curl_easy_perform, because an abort must end a call that waits in a name look-up or for a slow answer, at once and not at the next
 * progress tick.
 */
#include "worker/transport_curl.h"

#include "core/alloc.h"
#include "core/fail.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
    ABORT_ASK_MS = 100,
    HEADERS_MAX = 256,
    HEADER_BYTES_MAX = 65536,
    HEADERS_SENT_BYTES_MAX = 262144 /* by all servers of a call: curl keeps every header, and some never end */
};

#ifndef CURLU_PUNYCODE
#define CURLU_PUNYCODE 0 /* before 7.88: see host_of */
#endif

struct taskq__http {
    const taskq_allocator *allocator;
    CURLM *multi;
    CURL *easy;
    taskq__curl_identity id;
    /* of the call under way */
    const taskq__http_request *request;
    taskq__http_reply *reply;
    uint32_t opened, refused; /* sockets since the last answer of a server */
    size_t header_bytes;      /* that came, redirects' included */
    char reason[CURL_ERROR_SIZE];
};

taskq_status taskq__http_open(const taskq_allocator *a, const taskq__http_identity *from, taskq__http **out,
                              taskq_error *err)
{
    taskq__http *http = taskq__alloc(a, sizeof(*http));
    if (http == NULL) {
        return taskq__fail_memory(err);
    }
    taskq_status status = taskq__curl_begin(err);
    if (status != TASKQ_OK) {
        taskq__free(a, http);
        return status;
    }
    http->allocator = a;
    status = taskq__curl_identity_copy(a, from, &http->id, err);
    if (status == TASKQ_OK) {
        http->multi = curl_multi_init();
        http->easy = curl_easy_init();
        if (http->multi == NULL || http->easy == NULL) {
            status = taskq__fail_memory(err);
        }
    }
    if (status != TASKQ_OK) {
        taskq__http_close(http);
        return status;
    }
    *out = http;
    return TASKQ_OK;
}

void taskq__http_close(taskq__http *http)
{
    if (http == NULL) {
        return;
    }
    curl_easy_cleanup(http->easy);
    curl_multi_cleanup(http->multi);
    taskq__curl_identity_clear(&http->id);
    curl_global_cleanup();
    taskq__free(http->allocator, http);
}

void taskq__http_reply_init(taskq__http_reply *reply)
{
    *reply = (taskq__http_reply){.class = TASKQ__HTTP_BROKEN};
    taskq__buf_init(&reply->body, NULL, 0);
}

void taskq__http_reply_clear(taskq__http_reply *reply)
{
    taskq__buf_clear(&reply->body);
    taskq__arena_free(reply->arena);
    taskq__http_reply_init(reply);
}

const taskq__http_header *taskq__http_reply_header(const taskq__http_reply *reply, const char *name)
{
    for (uint32_t i = 0; i < reply->header_count; i++) {
        if (strcasecmp(reply->headers[i].name.data, name) == 0) {
            return &reply->headers[i];
        }
    }
    return NULL;
}

static size_t take_body(char *data, size_t one, size_t size, void *user)
{
    taskq__http *http = user;
    taskq__buf *body = &http->reply->body;
    size *= one;
    size_t room = http->request->body_bytes_max - body->size;
    taskq__buf_add(body, data, size < room ? size : room);
    http->reply->truncated = size > room;
    return body->failed || size > room ? 0 : size;
}

static size_t see_header(char *data, size_t one, size_t size, void *user)
{
    (void)data;
    taskq__http *http = user;
    http->opened = http->refused = 0; /* somebody answered: what fails from here on is of the next hop */
    http->header_bytes += one * size;
    return http->header_bytes > HEADERS_SENT_BYTES_MAX ? 0 : one * size;
}

/* The host of the hop under way, as it is looked up: to be freed by curl_free; NULL: it cannot be told. */
static char *host_of(CURL *easy)
{
    const char *url = NULL;
    char *host = NULL;
    CURLU *parts = curl_url();
    if (parts == NULL || curl_easy_getinfo(easy, CURLINFO_EFFECTIVE_URL, &url) != CURLE_OK || url == NULL ||
        curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_HOST, &host, CURLU_PUNYCODE) != CURLUE_OK) {
        host = NULL;
    }
    for (const char *c = host; c != NULL && *c != '\0'; c++) {
        if ((unsigned char)*c >= 0x80) { /* a libcurl that cannot say what the name becomes: then nobody can */
            curl_free(host);
            host = NULL;
            break;
        }
    }
    curl_url_cleanup(parts);
    return host;
}

static bool is_allowed(taskq__http *http, const struct curl_sockaddr *address)
{
    const taskq__http_request *request = http->request;
    if (request->allow == NULL) {
        return true;
    }
    char *host = host_of(http->easy);
    bool allowed = request->allow(request->user, host, &address->addr, (socklen_t)address->addrlen);
    curl_free(host);
    return allowed;
}

static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    taskq__http *http = user;
    if (!is_allowed(http, address)) {
        http->refused++;
        return CURL_SOCKET_BAD;
    }
    http->opened++;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Absolute, and http or https: curl by itself would guess a scheme from the host's name. */
static taskq__http_class check_url(const char *url)
{
    CURLU *parts = curl_url();
    if (parts == NULL) {
        return TASKQ__HTTP_NO_MEMORY;
    }
    char *scheme = NULL;
    taskq__http_class class = TASKQ__HTTP_BAD_URL;
    if (curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK) {
        bool fine = strcasecmp(scheme, "http") == 0 || strcasecmp(scheme, "https") == 0;
        class = fine ? TASKQ__HTTP_OK : TASKQ__HTTP_BAD_SCHEME;
    }
    curl_free(scheme);
    curl_url_cleanup(parts);
    return class;
}

static bool is_header(const char *line, const char *name)
{
    size_t size = strlen(name);
    return strncasecmp(line, name, size) == 0 && line[size] == ':';
}

static taskq_status add_header(const taskq_allocator *a, struct curl_slist **list, const char *line, taskq_error *err)
{
    const char *colon = strchr(line, ':');
    if (colon == NULL || colon == line || strpbrk(line, "\r\n") != NULL) {
        return taskq__fail(err, TASKQ_EINVAL, "a header is not of the form \"Name: value\"");
    }
    if (is_header(line, "Content-Length") || is_header(line, "Transfer-Encoding")) {
        return taskq__fail(err, TASKQ_EINVAL, "the header %.*s is not the caller's to set", (int)(colon - line), line);
    }
    if (colon[1 + strspn(colon + 1, " \t")] != '\0') {
        return taskq__curl_append(list, line) ? TASKQ_OK : taskq__fail_memory(err);
    }
    /* An empty value: curl reads "Name:" as "leave it out" and "Name;" as "send it empty". */
    taskq__buf empty;
    taskq__buf_init(&empty, a, HEADER_BYTES_MAX);
    taskq__buf_add(&empty, line, (size_t)(colon - line));
    taskq__buf_add_char(&empty, ';');
    bool fine = !empty.failed && taskq__curl_append(list, empty.data);
    taskq__buf_clear(&empty);
    return fine ? TASKQ_OK : taskq__fail_memory(err);
}

static taskq_status make_headers(const taskq__http *http, const taskq__http_request *request, struct curl_slist **list,
                                 taskq_error *err)
{
    bool typed = false, authorized = false;
    for (uint32_t i = 0; i < request->header_count; i++) {
        typed = typed || is_header(request->headers[i], "Content-Type");
        authorized = authorized || is_header(request->headers[i], "Authorization");
        taskq_status status = add_header(http->allocator, list, request->headers[i], err);
        if (status != TASKQ_OK) {
            return status;
        }
    }
    bool fine = taskq__curl_append(list, "Expect:") && (typed || taskq__curl_append(list, "Content-Type:")) &&
                (authorized || http->id.authorization == NULL || taskq__curl_append(list, http->id.authorization));
    return fine ? TASKQ_OK : taskq__fail_memory(err);
}

static taskq_status configure(taskq__http *http, struct curl_slist *headers)
{
    const taskq__http_request *request = http->request;
    CURL *easy = http->easy;
    curl_easy_reset(easy);
    taskq__curl_set_rules(easy, &http->id);
    taskq__curl_set_method(easy, request->method, request->body);
    http->reason[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, http->reason);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, request->redirects_max > 0 ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)request->redirects_max);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, http);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, see_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, http);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, http);
    return curl_easy_setopt(easy, CURLOPT_URL, request->url) == CURLE_OK ? TASKQ_OK : TASKQ_ENOMEM;
}

/* Until the transfer has ended or the caller aborts it. */
static CURLcode drive(taskq__http *http)
{
    const taskq__http_request *request = http->request;
    bool watch = request->wake_fd >= 0;
    for (;;) {
        int running = 0, left = 0;
        if (request->aborted != NULL && request->aborted(request->user)) {
            return CURLE_ABORTED_BY_CALLBACK;
        }
        if (curl_multi_perform(http->multi, &running) != CURLM_OK) {
            return CURLE_OUT_OF_MEMORY;
        }
        CURLMsg *message = curl_multi_info_read(http->multi, &left);
        if (message != NULL && message->msg == CURLMSG_DONE) {
            return message->data.result;
        }
        struct curl_waitfd wake = {.fd = request->wake_fd, .events = CURL_WAIT_POLLIN};
        curl_multi_poll(http->multi, watch ? &wake : NULL, watch ? 1 : 0, ABORT_ASK_MS, NULL);
        /* It stays readable; whoever does not abort then is not asked for it again, else this loop would spin. */
        watch = watch && wake.revents == 0;
    }
}

static bool collect_headers(taskq__http *http)
{
    taskq__http_reply *reply = http->reply;
    size_t bytes = 0;
    reply->headers = taskq_arena_alloc(reply->arena, sizeof(*reply->headers) * HEADERS_MAX);
    if (reply->headers == NULL) {
        return false;
    }
    struct curl_header *header = NULL;
    while (reply->header_count < HEADERS_MAX &&
           (header = curl_easy_nextheader(http->easy, CURLH_HEADER, -1, header)) != NULL) {
        size_t name = strlen(header->name), value = strlen(header->value);
        bytes += name + value;
        if (bytes > HEADER_BYTES_MAX) {
            break;
        }
        taskq__http_header *to = &reply->headers[reply->header_count];
        if (!taskq_arena_copy(reply->arena, header->name, name, &to->name) ||
            !taskq_arena_copy(reply->arena, header->value, value, &to->value)) {
            return false;
        }
        reply->header_count++;
    }
    return true;
}

static void read_outcome(taskq__http *http, CURLcode code)
{
    taskq__http_reply *reply = http->reply;
    curl_off_t before_transfer = 0;
    long status = 0;
    const char *scheme = NULL;
    curl_easy_getinfo(http->easy, CURLINFO_PRETRANSFER_TIME_T, &before_transfer);
    curl_easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(http->easy, CURLINFO_SCHEME, &scheme);
    reply->sent = before_transfer > 0;
    reply->https = scheme != NULL && strcasecmp(scheme, "https") == 0;
    reply->class = code == CURLE_ABORTED_BY_CALLBACK ? TASKQ__HTTP_ABORTED : taskq__curl_class(code);
    if (code == CURLE_WRITE_ERROR && (reply->truncated || reply->body.failed)) {
        reply->class = reply->body.failed ? TASKQ__HTTP_NO_MEMORY : TASKQ__HTTP_OK;
    } else if (code == CURLE_WRITE_ERROR && http->header_bytes > HEADERS_SENT_BYTES_MAX) {
        reply->class = TASKQ__HTTP_TOO_LARGE;
        snprintf(http->reason, sizeof(http->reason), "the headers never end");
    } else if (code == CURLE_COULDNT_CONNECT && http->refused > 0 && http->opened == 0) {
        reply->class = TASKQ__HTTP_REFUSED;
    }
    if (reply->class == TASKQ__HTTP_OK && !collect_headers(http)) {
        reply->class = TASKQ__HTTP_NO_MEMORY;
    }
    if (reply->class == TASKQ__HTTP_OK) {
        reply->status = (int32_t)status;
    } else if (reply->class == TASKQ__HTTP_REFUSED || reply->class == TASKQ__HTTP_ABORTED) {
        snprintf(reply->text, sizeof(reply->text), "%s", taskq__http_class_name(reply->class));
    } else {
        snprintf(reply->text, sizeof(reply->text), "%s",
                 http->reason[0] != '\0' ? http->reason : curl_easy_strerror(code));
    }
}

static taskq_status check_request(const taskq__http_request *request, taskq_error *err)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-";
    size_t size = request->method == NULL ? 0 : strlen(request->method);
    if (size == 0 || size > 32 || strspn(request->method, letters) != size) {
        return taskq__fail(err, TASKQ_EINVAL, "the method is not a word");
    }
    if (request->url == NULL || request->timeout_ms < 1 || request->connect_timeout_ms < 0) {
        return taskq__fail(err, TASKQ_EINVAL, "a URL and a time-out are required");
    }
    return TASKQ_OK;
}

taskq_status taskq__http_call(taskq__http *http, const taskq__http_request *request, taskq__http_reply *reply,
                              taskq_error *err)
{
    struct curl_slist *headers = NULL;
    taskq_status status = check_request(request, err);
    if (status == TASKQ_OK) {
        status = make_headers(http, request, &headers, err);
    }
    if (status != TASKQ_OK) {
        goto out;
    }
    int64_t begun = taskq__curl_now_ms();
    taskq__http_reply_clear(reply);
    taskq__buf_init(&reply->body, http->allocator, request->body_bytes_max + 1);
    reply->arena = taskq__arena_new(http->allocator, 0);
    reply->class = reply->arena == NULL ? TASKQ__HTTP_NO_MEMORY : check_url(request->url);
    if (reply->class != TASKQ__HTTP_OK) {
        snprintf(reply->text, sizeof(reply->text), "%s", taskq__http_class_name(reply->class));
        goto out;
    }
    http->request = request;
    http->reply = reply;
    http->opened = http->refused = 0;
    http->header_bytes = 0;
    status = configure(http, headers);
    if (status != TASKQ_OK || curl_multi_add_handle(http->multi, http->easy) != CURLM_OK) {
        status = taskq__fail_memory(err);
        goto out;
    }
    CURLcode code = drive(http);
    read_outcome(http, code);
    curl_multi_remove_handle(http->multi, http->easy);
    taskq__buf_add(&reply->body, "", 0); /* a NUL even where nothing came */
    reply->duration_ms = taskq__curl_now_ms() - begun;
out:
    curl_slist_free_all(headers);
    return status;
}
