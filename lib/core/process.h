/* SPDX-License-Identifier: MIT */
/* Which process an object belongs to. A child made by fork has a copy of the object, but neither its threads nor the right to use its
 * connections and locks: every public call asks here first, and touches nothing else where it is a child's. */
#ifndef TASKQ_CORE_PROCESS_H
#define TASKQ_CORE_PROCESS_H

#include <taskq/status.h>

#include <stdatomic.h>
#include <sys/types.h>
#include <unistd.h>

/* On a page of its own, which the kernel empties in a child. */
typedef struct taskq__mark {
    _Atomic uint32_t holders; /* 0 in a child */
} taskq__mark;

typedef struct taskq__process {
    taskq__mark *mark; /* NULL: none could be had */
    pid_t pid;
} taskq__process;

void taskq__process_begin(taskq__process *process);
/* The same one once more, for what is made often and may outlive what it was made by. */
void taskq__process_share(taskq__process *process, const taskq__process *with);
void taskq__process_end(taskq__process *process); /* of each that began or shares */

/* Are we in a child of the process in which it began? Async-signal-safe. */
static inline bool taskq__process_is_other(const taskq__process *process)
{
    return process->mark != NULL ? atomic_load_explicit(&process->mark->holders, memory_order_relaxed) == 0
                                 : getpid() != process->pid;
}

/* EINVAL there; `what`: "store". */
taskq_status taskq__process_check(const taskq__process *process, const char *what, taskq_error *err);

#endif
