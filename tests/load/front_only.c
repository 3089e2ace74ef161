/* SPDX-License-Identifier: MIT */
/*
 * Baseline (b): the server's own front, with the options that the server gives it, answering every request with the same 201 of a given
 * size. It reads the request whole and does nothing with it: what is left is the price of HTTP.
 */
#include "server/front.h"
#include "server/problem.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_BYTES_MAX = 1 << 20 };

typedef struct fixed {
    char body[BODY_BYTES_MAX];
    size_t size;
} fixed;

static bool admit(void *user, taskq__request *request, taskq__reply *reply)
{
    (void)user;
    (void)reply;
    memcpy(request->request_id, "bench", sizeof("bench"));
    return true;
}

static void answer(void *user, taskq__request *request, taskq__reply *reply)
{
    (void)request;
    const fixed *self = user;
    taskq__buf_add(taskq__reply_json(reply, 201), self->body, self->size);
}

static void refused(void *user, taskq__request *request, taskq__reply *reply)
{
    (void)user;
    (void)reply;
    memcpy(request->request_id, "bench", sizeof("bench"));
}

static void done(void *user, const taskq__request *request, const taskq__reply *reply)
{
    (void)user;
    (void)request;
    (void)reply;
}

int main(int argc, char **argv)
{
    static fixed self;
    self.size = argc == 2 ? (size_t)strtoul(argv[1], NULL, 10) : 0;
    if (self.size < 2 || self.size > BODY_BYTES_MAX) {
        fputs("front-only BODY_BYTES\n", stderr);
        return 2;
    }
    memset(self.body, 'x', self.size);
    self.body[0] = self.body[self.size - 1] = '"';
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigprocmask(SIG_BLOCK, &ending, NULL);
    signal(SIGPIPE, SIG_IGN);

    taskq_error err = TASKQ_ERROR_INIT;
    taskq__listen listen;
    taskq__front *front = NULL;
    taskq__front_options options = {.listens = &listen,
                                    .listen_count = 1,
                                    .connections_max = 1024,
                                    .body_bytes_max = BODY_BYTES_MAX,
                                    .request_timeout_ms = 15000,
                                    .admit = admit,
                                    .answer = answer,
                                    .refused = refused,
                                    .done = done,
                                    .user = &self};
    taskq_clock_system(&options.clock);
    if (taskq__listen_parse("127.0.0.1:0", &listen, &err) != TASKQ_OK ||
        taskq__front_start(&options, &front, &err) != TASKQ_OK) {
        fprintf(stderr, "front-only: %s\n", err.text);
        return 1;
    }
    printf("listening on http://127.0.0.1:%u\n", taskq__front_port(front, 0));
    fflush(stdout);
    int number;
    sigwait(&ending, &number);
    taskq__front_stop(front);
    return 0;
}
