/* SPDX-License-Identifier: MIT */
/*
 * What must never differ between the two forms of the transport: which schemes are spoken, that certificates are checked, that no proxy
 * is taken from the environment (it would go round the address policy), who we say we are, and how a failure is named.
 */
#include "worker/transport_curl.h"

#include "core/alloc.h"
#include "core/fail.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include <taskq/client.h>
#include <taskq/version.h>

int64_t taskq__curl_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *taskq__http_class_name(taskq__http_class class)
{
    switch (class) {
    case TASKQ__HTTP_OK: return "answered";
    case TASKQ__HTTP_BAD_URL: return "malformed URL";
    case TASKQ__HTTP_BAD_SCHEME: return "neither http nor https";
    case TASKQ__HTTP_REFUSED: return "address refused by policy";
    case TASKQ__HTTP_REDIRECTS: return "too many redirects";
    case TASKQ__HTTP_NO_CONNECT: return "no connection";
    case TASKQ__HTTP_TIMED_OUT: return "timed out";
    case TASKQ__HTTP_ABORTED: return "aborted";
    case TASKQ__HTTP_BROKEN: return "connection broken";
    case TASKQ__HTTP_TOO_LARGE: return "answer too large";
    case TASKQ__HTTP_NO_MEMORY: return "no memory";
    }
    return "unknown";
}

taskq__http_class taskq__curl_class(CURLcode code)
{
    switch (code) {
    case CURLE_OK: return TASKQ__HTTP_OK;
    case CURLE_URL_MALFORMAT: return TASKQ__HTTP_BAD_URL;
    case CURLE_UNSUPPORTED_PROTOCOL: return TASKQ__HTTP_BAD_SCHEME;
    case CURLE_TOO_MANY_REDIRECTS: return TASKQ__HTTP_REDIRECTS;
    case CURLE_OPERATION_TIMEDOUT: return TASKQ__HTTP_TIMED_OUT;
    case CURLE_OUT_OF_MEMORY: return TASKQ__HTTP_NO_MEMORY;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_ENGINE_INITFAILED: return TASKQ__HTTP_NO_CONNECT;
    default: return TASKQ__HTTP_BROKEN;
    }
}

void taskq__curl_identity_clear(taskq__curl_identity *id)
{
    taskq__free(id->allocator, id->authorization);
    taskq__free(id->allocator, id->ca_file);
    taskq__free(id->allocator, id->cert_file);
    taskq__free(id->allocator, id->key_file);
    *id = (taskq__curl_identity){0};
}

static bool copy_string(const taskq_allocator *a, const char *string, char **out)
{
    *out = string == NULL ? NULL : taskq__strdup(a, string);
    return string == NULL || *out != NULL;
}

taskq_status taskq__curl_identity_copy(const taskq_allocator *a, const taskq__http_identity *from,
                                       taskq__curl_identity *to, taskq_error *err)
{
    *to = (taskq__curl_identity){.allocator = a};
    if (from == NULL) {
        return TASKQ_OK;
    }
    for (const char *c = from->token == NULL ? "" : from->token; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~') {
            return taskq__fail_field(err, TASKQ_EINVAL, "/token",
                                     "the token has a character in it that is not visible ASCII");
        }
    }
    taskq__buf header;
    taskq__buf_init(&header, a, 16384);
    if (from->token != NULL && from->token[0] != '\0') {
        taskq__buf_add_format(&header, "Authorization: Bearer %s", from->token);
    }
    bool fine = !header.failed && copy_string(a, header.data, &to->authorization) &&
                copy_string(a, from->ca_file, &to->ca_file) && copy_string(a, from->cert_file, &to->cert_file) &&
                copy_string(a, from->key_file, &to->key_file);
    taskq__buf_clear(&header);
    if (!fine) {
        taskq__curl_identity_clear(to);
        return taskq__fail_memory(err);
    }
    return TASKQ_OK;
}

taskq_status taskq__curl_begin(taskq_error *err)
{
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT); /* counted, and safe from many threads */
    return code == CURLE_OK ? TASKQ_OK : taskq__fail(err, TASKQ_EUNAVAIL, "libcurl: %s", curl_easy_strerror(code));
}

/* A program that a host starts must not inherit our connections. */
static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)user;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* The rules that hold for every request. */
void taskq__curl_set_rules(CURL *easy, const taskq__curl_identity *id)
{
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a call that is ended does not wait for a name look-up */
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "taskq/" TASKQ_VERSION);
    if (id->ca_file != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, id->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* these authorities and no others */
    }
    if (id->cert_file != NULL) {
        curl_easy_setopt(easy, CURLOPT_SSLCERT, id->cert_file);
        curl_easy_setopt(easy, CURLOPT_SSLKEY, id->key_file != NULL ? id->key_file : id->cert_file);
    }
}

bool taskq__curl_append(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer == NULL) {
        return false;
    }
    *list = longer;
    return true;
}

void taskq__curl_set_method(CURL *easy, const char *method, taskq_text body)
{
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    bool post = strcmp(method, "POST") == 0;
    if (body.data != NULL || post) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.data == NULL ? "" : body.data);
    }
    if (!post && (body.data != NULL || strcmp(method, "GET") != 0)) {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    }
}

const char *taskq_client_built_with(void)
{
    return "libcurl " LIBCURL_VERSION;
}
