/* SPDX-License-Identifier: MIT */
/* The digest that <taskq/scheduler.h> promises, declared again for this layer, which does not know that header. */
#ifndef TASKQ_CORE_HASH_H
#define TASKQ_CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include <taskq/export.h>

TASKQ_API uint64_t taskq_digest(const void *data, size_t size);

#endif
