/* SPDX-License-Identifier: MIT */
/*
 * One thread that passes messages on, whole ones: PostgreSQL's messages have a type of a byte and a length, but the first one of
 * a connection, which has no type and names the application.
 */
#include "cutter.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/check_main.h"

enum { WIRES_MAX = 32, BUFFER_BYTES = 1 << 20 };

typedef struct wire {
    int fds[2]; /* of the client, of the server */
    bool commits, begun;
    size_t held[2];
    char *buffers[2]; /* what came from each, not passed on yet */
} wire;

static struct {
    pthread_t thread;
    int listener, port, server_port;
    struct in_addr server;
    atomic_bool stop;
    pthread_mutex_t lock;
    cutter_way way; /* guarded by lock, as are the next two */
    int left;       /* messages until the cut; negative: not armed */
    bool has_cut;
    wire wires[WIRES_MAX];
} cutter = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void close_wire(wire *w)
{
    for (int i = 0; i < 2; i++) {
        close(w->fds[i]);
        free(w->buffers[i]);
    }
    *w = (wire){.fds = {-1, -1}};
}

static void open_wire(void)
{
    int client = accept(cutter.listener, NULL, NULL), server = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)cutter.server_port)};
    const int at_once = 1; /* messages go one by one: none waits for the last one's receipt */
    address.sin_addr = cutter.server;
    (void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof(at_once));
    (void)setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof(at_once));
    for (int i = 0; i < WIRES_MAX; i++) {
        wire *w = &cutter.wires[i];
        if (w->fds[0] < 0 && client >= 0 && connect(server, (struct sockaddr *)&address, sizeof(address)) == 0) {
            *w = (wire){.fds = {client, server}, .buffers = {malloc(BUFFER_BYTES), malloc(BUFFER_BYTES)}};
            return;
        }
    }
    close(client);
    close(server);
}

static size_t message_size(const wire *w, int from)
{
    size_t head = from == 0 && !w->begun ? 0 : 1;
    const unsigned char *at = (const unsigned char *)w->buffers[from] + head;
    if (w->held[from] < head + 4) {
        return 0;
    }
    return head + ((size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3]);
}

static bool cuts(const wire *w, int from)
{
    pthread_mutex_lock(&cutter.lock);
    bool now = false;
    if (w->commits && w->begun && cutter.left >= 0 && cutter.way == (from == 0 ? TO_SERVER : TO_CLIENT)) {
        now = cutter.left-- == 0;
        cutter.has_cut = cutter.has_cut || now;
    }
    pthread_mutex_unlock(&cutter.lock);
    return now;
}

static bool send_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* Every whole message that came from there. */
static bool pass_on(wire *w, int from)
{
    for (;;) {
        size_t size = message_size(w, from);
        if (size == 0 || w->held[from] < size) {
            return true;
        }
        if (cuts(w, from) || !send_all(w->fds[1 - from], w->buffers[from], size)) {
            return false;
        }
        if (from == 0 && !w->begun) {
            w->commits = memmem(w->buffers[0], size, "taskq commit", strlen("taskq commit")) != NULL;
            w->begun = true;
        }
        w->held[from] -= size;
        memmove(w->buffers[from], w->buffers[from] + size, w->held[from]);
    }
}

static bool take(wire *w, int from)
{
    ssize_t got = recv(w->fds[from], w->buffers[from] + w->held[from], BUFFER_BYTES - w->held[from], 0);
    if (got <= 0) {
        return false;
    }
    w->held[from] += (size_t)got;
    return pass_on(w, from);
}

static void *run(void *unused)
{
    while (!atomic_load(&cutter.stop)) {
        struct pollfd fds[1 + 2 * WIRES_MAX] = {{.fd = cutter.listener, .events = POLLIN}};
        for (int i = 0; i < WIRES_MAX; i++) {
            fds[1 + 2 * i] = (struct pollfd){.fd = cutter.wires[i].fds[0], .events = POLLIN};
            fds[2 + 2 * i] = (struct pollfd){.fd = cutter.wires[i].fds[1], .events = POLLIN};
        }
        if (poll(fds, 1 + 2 * WIRES_MAX, 50) <= 0) {
            continue;
        }
        for (int i = 0; i < 2 * WIRES_MAX; i++) {
            wire *w = &cutter.wires[i / 2];
            if (fds[1 + i].revents != 0 && w->fds[0] >= 0 && !take(w, i % 2)) {
                close_wire(w);
            }
        }
        if (fds[0].revents != 0) {
            open_wire();
        }
    }
    return unused;
}

void cutter_start(const char *host, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    ck_assert_int_eq(inet_pton(AF_INET, host, &cutter.server), 1);
    cutter.server_port = port;
    cutter.left = -1;
    cutter.has_cut = false;
    atomic_store(&cutter.stop, false);
    for (int i = 0; i < WIRES_MAX; i++) {
        cutter.wires[i] = (wire){.fds = {-1, -1}};
    }
    cutter.listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert(bind(cutter.listener, (struct sockaddr *)&address, size) == 0 && listen(cutter.listener, 16) == 0);
    ck_assert_int_eq(getsockname(cutter.listener, (struct sockaddr *)&address, &size), 0);
    cutter.port = ntohs(address.sin_port);
    ck_assert_int_eq(pthread_create(&cutter.thread, NULL, run, NULL), 0);
}

void cutter_stop(void)
{
    atomic_store(&cutter.stop, true);
    pthread_join(cutter.thread, NULL);
    close(cutter.listener);
    for (int i = 0; i < WIRES_MAX; i++) {
        if (cutter.wires[i].fds[0] >= 0) {
            close_wire(&cutter.wires[i]);
        }
    }
}

int cutter_port(void)
{
    return cutter.port;
}

void cutter_arm(cutter_way way, int nth)
{
    pthread_mutex_lock(&cutter.lock);
    cutter.way = way;
    cutter.left = nth;
    cutter.has_cut = false;
    pthread_mutex_unlock(&cutter.lock);
}

bool cutter_has_cut(void)
{
    pthread_mutex_lock(&cutter.lock);
    bool has = cutter.has_cut;
    cutter.left = -1;
    pthread_mutex_unlock(&cutter.lock);
    return has;
}
