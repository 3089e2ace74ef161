/* SPDX-License-Identifier: MIT */
/* What an `http` job asks for, read from its payload and checked. */
#ifndef TASKQ_WORKER_HANDLERS_HTTP_PAYLOAD_H
#define TASKQ_WORKER_HANDLERS_HTTP_PAYLOAD_H

#include "core/arena.h"
#include "wire/json.h"

enum { TASKQ__HTTP_HEADERS_MAX = 64, TASKQ__HTTP_EXPECT_MAX = 100 };

typedef struct taskq__http_payload {
    const char *method, *url;
    const char *headers[TASKQ__HTTP_HEADERS_MAX + 4]; /* "Name: value", the payload's and our own */
    uint32_t header_count;
    taskq_text body; /* data NULL: none */
    int64_t timeout_ms;
    size_t response_bytes_max;
    bool follow_redirects;
    int32_t expect[TASKQ__HTTP_EXPECT_MAX]; /* none: 200 to 299 */
    uint32_t expect_count;
    taskq__doc *doc;    /* owns the texts */
    taskq_arena *arena; /* owns the headers */
} taskq__http_payload;

/* EINVAL or ESYNTAX with the field. To be cleared in any case. */
taskq_status taskq__http_payload_read(const taskq_allocator *a, const taskq_job *job, taskq__http_payload *out,
                                      taskq_error *err);
void taskq__http_payload_clear(taskq__http_payload *payload);
bool taskq__http_payload_expects(const taskq__http_payload *payload, int32_t status);

#endif
