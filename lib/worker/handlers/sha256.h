/* SPDX-License-Identifier: MIT */
/* SHA-256 (FIPS 180-4) of what comes in pieces, by the library that libcurl brings along. */
#ifndef TASKQ_WORKER_HANDLERS_SHA256_H
#define TASKQ_WORKER_HANDLERS_SHA256_H

#include <taskq/alloc.h>

#include <stdbool.h>
#include <stddef.h>

enum { TASKQ__SHA256_HEX_BYTES = 64 };

typedef struct taskq__sha256 taskq__sha256;

taskq__sha256 *taskq__sha256_new(const taskq_allocator *a); /* NULL: no memory */
void taskq__sha256_add(taskq__sha256 *sum, const void *data, size_t size);
/* Writes lower-case hex and frees; false: it could not be computed, or `sum` is NULL. */
bool taskq__sha256_end(taskq__sha256 *sum, char hex[TASKQ__SHA256_HEX_BYTES + 1]);

#endif
