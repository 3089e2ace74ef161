/* SPDX-License-Identifier: MIT */
/* One request of the client, for the calls that are made of it. */
#ifndef TASKQ_WORKER_CLIENT_H
#define TASKQ_WORKER_CLIENT_H

#include <taskq/client.h>

enum { TASKQ__DRAWN_KEY_BYTES = 33 };

typedef struct taskq__question {
    const char *method, *path;
    taskq_text body;
    const char *key;        /* idempotency key; NULL: none */
    taskq_text traceparent; /* sent where it is a valid one */
} taskq__question;

/* As taskq_client_request. */
taskq_status taskq__client_send(taskq_client *client, const taskq__question *q, taskq_reply *reply, taskq_error *err);
/* EINVAL: in a child of the process that opened it. */
taskq_status taskq__client_check(const taskq_client *client, taskq_error *err);
const taskq_allocator *taskq__client_allocator(const taskq_client *client);
void taskq__client_draw_key(taskq_client *client, char out[TASKQ__DRAWN_KEY_BYTES]);
int64_t taskq__client_now_ms(void); /* any origin, never back */
void taskq__client_sleep(int64_t ms);

#endif
