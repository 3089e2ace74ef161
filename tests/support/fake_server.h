/* SPDX-License-Identifier: MIT */
/*
 * The other end of the network: an HTTP server on a free port of the loopback address that answers what a test tells it, or hangs
 * up. It records every request. Threads: the handler runs on a connection's thread with the server's lock held; a test that looks at what the
 * handler shares with it takes the lock too.
 */
#ifndef TASKQ_TESTS_FAKE_SERVER_H
#define TASKQ_TESTS_FAKE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fake_server fake_server;

typedef struct fake_request {
    const char *method, *path;
    const char *headers; /* as they came, without the first line */
    const char *body;
    int64_t held_ms; /* how long it has been held; 0 at first */
} fake_request;

typedef struct fake_answer {
    int status;
    char *body;          /* from malloc; NULL: none */
    const char *headers; /* "Name: value\r\n", or NULL */
    bool cut;            /* close the connection in place of an answer */
    bool hold; /* ask the handler again when fake_server_wake is called or a little later; ends when the client hangs up */
    size_t cut_body_at; /* not 0: after so many bytes of the body the connection is closed */
} fake_answer;

typedef void fake_handler(void *user, const fake_request *request, fake_answer *answer);

fake_server *fake_server_start(fake_handler *handler, void *user);
void fake_server_stop(fake_server *server); /* NULL is fine */
const char *fake_server_url(const fake_server *server);

void fake_server_lock(fake_server *server);
void fake_server_unlock(fake_server *server);
void fake_server_wake(fake_server *server); /* held requests are asked again; lock held or not */

/* How many requests to this path have come (NULL: to any), and the n-th one's body and headers (copies, to be freed; NULL: there is none). */
unsigned fake_server_count(fake_server *server, const char *path);
char *fake_server_body(fake_server *server, const char *path, unsigned index);
char *fake_server_headers(fake_server *server, const char *path, unsigned index);
unsigned fake_server_held(fake_server *server);    /* now */
unsigned fake_server_hangups(fake_server *server); /* held requests whose client went away */

/* An address of the loopback interface where nobody listens: "http://127.0.0.1:PORT". */
void fake_nobody(char url[64]);

#endif
