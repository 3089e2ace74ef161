/* SPDX-License-Identifier: MIT */
/* The inside of a store, for the files of this folder. */
#ifndef TASKQ_STORE_OPS_H
#define TASKQ_STORE_OPS_H

#include "core/process.h"
#include "store/store.h"

#include <stdatomic.h>

struct taskq_store {
    taskq_allocator allocator;
    const taskq_store_ops *ops;
    void *self;
    taskq__process process;
    _Atomic(const taskq__owner *) owner; /* NULL: no scheduler is open on it */
};

/* Optional slots may lie beyond the end of a table that was built against an older header. */
#define TASKQ__OPS_END(ops, slot) (offsetof(taskq_store_ops, slot) + sizeof((ops)->slot))
#define TASKQ__HAS(ops, slot) ((ops)->struct_size >= TASKQ__OPS_END(ops, slot) && (ops)->slot != NULL)

#endif
