/* SPDX-License-Identifier: MIT */
/*
 * A real socket and real bytes, so that what is tested is what happens on a network: connections that break after the request and
 * before the answer, clients that hang up while they are being held. A thread a connection; requests are small and few.
 */
#include "support/fake_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, REQUEST_BYTES_MAX = 64 << 20, HEAD_BYTES_MAX = 65536, LOOK_MS = 10 };

typedef struct record {
    struct record *next;
    char *method, *path, *headers, *body;
} record;

typedef struct connection {
    fake_server *server;
    pthread_t thread;
    int fd;
} connection;

struct fake_server {
    pthread_mutex_t lock;
    pthread_cond_t woken;
    pthread_t acceptor;
    int fd;
    char url[64];
    fake_handler *handler;
    void *user;
    /* guarded by lock */
    bool ending;
    record *first, *last;
    connection connections[CONNECTIONS_MAX];
    unsigned connection_count, held, hangups;
};

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static char *copy(const char *text, size_t size)
{
    char *to = allocate(size + 1);
    memcpy(to, text, size);
    return to;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

/* One request of a connection that may bring several; false: it is over. */
static bool read_request(int fd, record *out)
{
    size_t size = 0, capacity = HEAD_BYTES_MAX, wanted = 0;
    char *data = allocate(capacity + 1);
    char *end = NULL;
    while (wanted == 0 || size < wanted) {
        ssize_t got = size < capacity ? recv(fd, data + size, capacity - size, 0) : -1;
        if (got <= 0) {
            free(data);
            return false;
        }
        size += (size_t)got;
        data[size] = '\0';
        end = wanted == 0 ? strstr(data, "\r\n\r\n") : end;
        if (wanted == 0 && end != NULL) {
            const char *length = strcasestr(data, "\r\nContent-Length:");
            size_t head = (size_t)(end - data) + 4;
            size_t body = length == NULL || length > end ? 0 : strtoul(length + 17, NULL, 10);
            wanted = head + (body < REQUEST_BYTES_MAX ? body : REQUEST_BYTES_MAX);
            if (wanted > capacity) {
                capacity = wanted;
                char *longer = realloc(data, capacity + 1);
                if (longer == NULL) {
                    abort();
                }
                data = longer;
                end = data + head - 4;
            }
        }
    }
    size_t method = strcspn(data, " ");
    size_t path = strcspn(data + method + 1, " \r");
    const char *line = strstr(data, "\r\n") + 2;
    out->method = copy(data, method);
    out->path = copy(data + method + 1, path);
    out->headers = line > end ? copy("", 0) : copy(line, (size_t)(end - line));
    out->body = copy(end + 4, wanted - (size_t)(end + 4 - data));
    free(data);
    return true;
}

/* ---- answering --------------------------------------------------------------------------------------------- */

static bool has_hung_up(int fd)
{
    struct pollfd look = {.fd = fd, .events = POLLRDHUP};
    return poll(&look, 1, 0) > 0 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static void wait_a_little(fake_server *server)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += LOOK_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&server->woken, &server->lock, &until);
}

/* With the lock held: the answer, after the request was held as long as the handler wants. False: nobody waits for it any more. */
static bool decide(fake_server *server, int fd, const record *request, fake_answer *answer)
{
    int64_t begun_ms = now_ms();
    fake_request shown = {request->method, request->path, request->headers, request->body, 0};
    for (bool held = false;; held = true) {
        *answer = (fake_answer){.status = 200};
        server->handler(server->user, &shown, answer);
        if (!answer->hold) {
            server->held -= held ? 1 : 0;
            return true;
        }
        free(answer->body);
        server->held += held ? 0 : 1;
        wait_a_little(server);
        if (server->ending || has_hung_up(fd)) {
            server->held--;
            server->hangups++;
            return false;
        }
        shown.held_ms = now_ms() - begun_ms + 1;
    }
}

static bool send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        data += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool write_answer(int fd, const record *request, const fake_answer *answer)
{
    char head[1024];
    size_t size = answer->body == NULL ? 0 : strlen(answer->body);
    int length =
        snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n",
                 answer->status, size, answer->headers == NULL ? "" : answer->headers);
    if (answer->status == 204) {
        length = snprintf(head, sizeof(head), "HTTP/1.1 204 X\r\n\r\n");
        size = 0;
    }
    bool cut = answer->cut_body_at > 0 && answer->cut_body_at < size;
    size = strcmp(request->method, "HEAD") == 0 ? 0 : cut ? answer->cut_body_at : size;
    return send_all(fd, head, (size_t)length) && send_all(fd, answer->body, size) && !cut;
}

static void keep(fake_server *server, record *request)
{
    *(server->last == NULL ? &server->first : &server->last->next) = request;
    server->last = request;
}

static void *serve(void *user)
{
    connection *self = user;
    fake_server *server = self->server;
    bool open = true;
    while (open) {
        record *request = allocate(sizeof(*request));
        fake_answer answer;
        if (!read_request(self->fd, request)) {
            free(request);
            break;
        }
        pthread_mutex_lock(&server->lock);
        keep(server, request);
        open = decide(server, self->fd, request, &answer);
        pthread_mutex_unlock(&server->lock);
        if (open) {
            open = !answer.cut && write_answer(self->fd, request, &answer);
            free(answer.body);
        }
    }
    shutdown(self->fd, SHUT_RDWR);
    return NULL;
}

static void *accept_all(void *user)
{
    fake_server *server = user;
    int fd;
    while ((fd = accept(server->fd, NULL, NULL)) >= 0) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        pthread_mutex_lock(&server->lock);
        if (server->ending || server->connection_count == CONNECTIONS_MAX) {
            close(fd);
        } else {
            connection *one = &server->connections[server->connection_count++];
            *one = (connection){.server = server, .fd = fd};
            if (pthread_create(&one->thread, NULL, serve, one) != 0) {
                abort();
            }
        }
        pthread_mutex_unlock(&server->lock);
    }
    return NULL;
}

/* ---- the server ----------------------------------------------------------------------------------------------- */

static int listen_somewhere(struct sockaddr_in *address)
{
    socklen_t size = sizeof(*address);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)address, sizeof(*address)) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)address, &size) != 0) {
        abort();
    }
    return fd;
}

fake_server *fake_server_start(fake_handler *handler, void *user)
{
    fake_server *server = allocate(sizeof(*server));
    struct sockaddr_in address;
    server->fd = listen_somewhere(&address);
    server->handler = handler;
    server->user = user;
    snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%d", ntohs(address.sin_port));
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->woken, NULL);
    if (pthread_create(&server->acceptor, NULL, accept_all, server) != 0) {
        abort();
    }
    return server;
}

void fake_server_stop(fake_server *server)
{
    if (server == NULL) {
        return;
    }
    pthread_mutex_lock(&server->lock);
    server->ending = true;
    pthread_cond_broadcast(&server->woken);
    pthread_mutex_unlock(&server->lock);
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->acceptor, NULL);
    for (unsigned i = 0; i < server->connection_count; i++) {
        shutdown(server->connections[i].fd, SHUT_RDWR);
        pthread_join(server->connections[i].thread, NULL);
        close(server->connections[i].fd);
    }
    close(server->fd);
    while (server->first != NULL) {
        record *one = server->first;
        server->first = one->next;
        free(one->method);
        free(one->path);
        free(one->headers);
        free(one->body);
        free(one);
    }
    pthread_cond_destroy(&server->woken);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

const char *fake_server_url(const fake_server *server)
{
    return server->url;
}

void fake_server_lock(fake_server *server)
{
    pthread_mutex_lock(&server->lock);
}

void fake_server_unlock(fake_server *server)
{
    pthread_mutex_unlock(&server->lock);
}

void fake_server_wake(fake_server *server)
{
    pthread_cond_broadcast(&server->woken);
}

/* ---- looking ---------------------------------------------------------------------------------------------------- */

unsigned fake_server_count(fake_server *server, const char *path)
{
    unsigned count = 0;
    pthread_mutex_lock(&server->lock);
    for (record *one = server->first; one != NULL; one = one->next) {
        count += path == NULL || strcmp(one->path, path) == 0 ? 1 : 0;
    }
    pthread_mutex_unlock(&server->lock);
    return count;
}

static char *find(fake_server *server, const char *path, unsigned index, bool headers)
{
    char *found = NULL;
    pthread_mutex_lock(&server->lock);
    for (record *one = server->first; one != NULL && found == NULL; one = one->next) {
        if ((path == NULL || strcmp(one->path, path) == 0) && index-- == 0) {
            const char *text = headers ? one->headers : one->body;
            found = copy(text, strlen(text));
        }
    }
    pthread_mutex_unlock(&server->lock);
    return found;
}

char *fake_server_body(fake_server *server, const char *path, unsigned index)
{
    return find(server, path, index, false);
}

char *fake_server_headers(fake_server *server, const char *path, unsigned index)
{
    return find(server, path, index, true);
}

unsigned fake_server_held(fake_server *server)
{
    pthread_mutex_lock(&server->lock);
    unsigned held = server->held;
    pthread_mutex_unlock(&server->lock);
    return held;
}

unsigned fake_server_hangups(fake_server *server)
{
    pthread_mutex_lock(&server->lock);
    unsigned hangups = server->hangups;
    pthread_mutex_unlock(&server->lock);
    return hangups;
}

void fake_nobody(char url[64])
{
    struct sockaddr_in address;
    int fd = listen_somewhere(&address);
    snprintf(url, 64, "http://127.0.0.1:%d", ntohs(address.sin_port));
    close(fd);
}
