/* SPDX-License-Identifier: MIT */
/*
 * Is the server that these options started well? It is asked from outside, over its own port, because only that shows that it accepts, reads
 * and answers; a look at its process would not. Whose certificate it shows is not checked: nothing secret is sent, it is this machine,
 * and one that was renewed a moment ago is no illness.
 */
#include <taskq/server.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#if !defined(TASKQ_CIVETWEB_SYSTEM)
#include <openssl/ssl.h>
#endif

#include "core/fail.h"
#include "core/sized.h"
#include "server/front.h"

enum { ANSWER_BYTES = 4096, TIMEOUT_MS = 3000, STATUS_AT = 9 }; /* "HTTP/1.1 200" */

/* Where a listener is reached from this machine: what listens on every address does so on the loopback one. */
static socklen_t address_of(const taskq__listen *listen, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (listen->address[0] == '[') {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
        char text[64];
        snprintf(text, sizeof(text), "%.*s", (int)strlen(listen->address) - 2, listen->address + 1);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(listen->port);
        inet_pton(AF_INET6, text, &v6->sin6_addr);
        if (IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr)) {
            v6->sin6_addr = in6addr_loopback;
        }
        return sizeof(*v6);
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    v4->sin_family = AF_INET;
    v4->sin_port = htons(listen->port);
    inet_pton(AF_INET, listen->address, &v4->sin_addr);
    if (v4->sin_addr.s_addr == htonl(INADDR_ANY)) {
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    return sizeof(*v4);
}

static taskq_status connect_to(const taskq__listen *listen, int64_t timeout_ms, int *out, taskq_error *err)
{
    struct sockaddr_storage address;
    struct timeval wait = {(time_t)(timeout_ms / 1000), (suseconds_t)(timeout_ms % 1000) * 1000};
    socklen_t size = address_of(listen, &address);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* A connect that takes too long ends with EINPROGRESS by the time to send. */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) != 0 ||
        connect(fd, (const struct sockaddr *)&address, size) != 0) {
        int why = errno;
        if (fd >= 0) {
            close(fd);
        }
        return taskq__fail(err, TASKQ_EUNAVAIL, "nobody answers at %s:%u (%d)", listen->address, listen->port, why);
    }
    *out = fd;
    return TASKQ_OK;
}

static taskq_status silent(taskq_error *err)
{
    return taskq__fail(err, TASKQ_EUNAVAIL, "it was connected to, and gave no answer");
}

static taskq_status ask_plain(int fd, const char *request, char *answer, size_t answer_bytes, taskq_error *err)
{
    size_t used = 0;
    ssize_t size = send(fd, request, strlen(request), MSG_NOSIGNAL);
    while (size > 0 && used < answer_bytes - 1) {
        size = recv(fd, answer + used, answer_bytes - 1 - used, 0);
        used += size > 0 ? (size_t)size : 0;
    }
    answer[used] = '\0';
    return used > 0 ? TASKQ_OK : silent(err);
}

#if defined(TASKQ_CIVETWEB_SYSTEM)

static taskq_status ask_tls(int fd, bool certified, const char *request, char *answer, size_t answer_bytes,
                            taskq_error *err)
{
    (void)fd, (void)certified, (void)request, (void)answer, (void)answer_bytes;
    return taskq__fail(err, TASKQ_EUNAVAIL, "this build has no TLS");
}

#else

static taskq_status exchange(SSL *ssl, bool certified, const char *request, char *answer, size_t answer_bytes,
                             taskq_error *err)
{
    size_t used = 0, size = 0;
    if (SSL_connect(ssl) != 1) {
        return taskq__fail(err, TASKQ_EUNAVAIL, "it was connected to, and TLS was not agreed");
    }
    if (certified) { /* without a certificate there is no more to be had */
        snprintf(answer, answer_bytes, "HTTP/1.1 200\r\n\r\n");
        return TASKQ_OK;
    }
    int good = SSL_write_ex(ssl, request, strlen(request), &size);
    while (good == 1 && used < answer_bytes - 1) {
        good = SSL_read_ex(ssl, answer + used, answer_bytes - 1 - used, &size);
        used += good == 1 ? size : 0;
    }
    answer[used] = '\0';
    return used > 0 ? TASKQ_OK : silent(err);
}

/* OpenSSL writes with write(2): what that signals where the other end is gone is ours, not the host's. */
static taskq_status ask_tls(int fd, bool certified, const char *request, char *answer, size_t answer_bytes,
                            taskq_error *err)
{
    taskq_status status = TASKQ_OK;
    sigset_t pipe, before, pending;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = context != NULL ? SSL_new(context) : NULL;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &pipe, &before);
    status = ssl != NULL && SSL_set_fd(ssl, fd) == 1 ? exchange(ssl, certified, request, answer, answer_bytes, err)
                                                     : taskq__fail_memory(err);
    if (!sigismember(&pending, SIGPIPE)) {
        sigtimedwait(&pipe, NULL, &(struct timespec){0, 0});
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    SSL_free(ssl);
    SSL_CTX_free(context);
    return status;
}

#endif

taskq_status taskq_server_probe(const taskq_server_options *given, int64_t timeout_ms, taskq_error *err)
{
    char request[160], answer[ANSWER_BYTES];
    taskq__listen listen;
    int fd = -1;
    taskq_server_options options = TASKQ_SERVER_OPTIONS_INIT;
    taskq_status status = TASKQ__SIZED_IN(given, &options, err);
    if (status == TASKQ_OK) {
        status = taskq__listen_parse(options.listen_count > 0 ? options.listens[0] : "127.0.0.1:7070", &listen, err);
    }
    if (status == TASKQ_OK && listen.port == 0) {
        status = taskq__fail(err, TASKQ_EINVAL, "port 0 is not where the server listens");
    }
    if (status == TASKQ_OK) {
        status = connect_to(&listen, timeout_ms > 0 ? timeout_ms : TIMEOUT_MS, &fd, err);
    }
    if (status != TASKQ_OK) {
        return status;
    }
    snprintf(request, sizeof(request), "GET /readyz HTTP/1.1\r\nHost: localhost:%u\r\nConnection: close\r\n\r\n",
             listen.port);
    status = options.tls_cert_path != NULL
                 ? ask_tls(fd, options.tls_client_ca_path != NULL, request, answer, sizeof(answer), err)
                 : ask_plain(fd, request, answer, sizeof(answer), err);
    close(fd);
    if (status == TASKQ_OK && (strncmp(answer, "HTTP/1.", 7) != 0 || strlen(answer) < STATUS_AT + 3)) {
        return taskq__fail(err, TASKQ_EUNAVAIL, "who answers is no taskq-server");
    }
    if (status == TASKQ_OK && strncmp(answer + STATUS_AT, "200", 3) != 0) {
        const char *body = strstr(answer, "\r\n\r\n");
        return taskq__fail(err, TASKQ_ESTORE, "it answers %.3s: %.200s", answer + STATUS_AT,
                           body != NULL ? body + 4 : "");
    }
    return status;
}
