/* SPDX-License-Identifier: MIT */
/*
 * A child that goes on with an inherited store writes into its parent's locks, and one that closes it hangs on a thread that is not
 * there. Comparing process ids would do but for two things: it is a call to the kernel for every call of ours, and an id says nothing
 * across namespaces (both may be 1) or once it is given out again. A page that the kernel wipes in children costs a load and is never
 * wrong.
 */
#include "core/process.h"

#include "core/fail.h"

#include <sys/mman.h>

static size_t page_bytes(void)
{
    long size = sysconf(_SC_PAGESIZE);
    return size > 0 ? (size_t)size : 4096;
}

void taskq__process_begin(taskq__process *process)
{
    *process = (taskq__process){NULL, getpid()};
    void *page = mmap(NULL, page_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        return;
    }
    if (madvise(page, page_bytes(), MADV_WIPEONFORK) != 0) {
        (void)munmap(page, page_bytes());
        return;
    }
    process->mark = page;
    atomic_init(&process->mark->holders, 1);
}

void taskq__process_share(taskq__process *process, const taskq__process *with)
{
    *process = *with;
    if (process->mark != NULL) {
        (void)atomic_fetch_add(&process->mark->holders, 1);
    }
}

void taskq__process_end(taskq__process *process)
{
    if (process->mark != NULL && atomic_fetch_sub(&process->mark->holders, 1) == 1) {
        (void)munmap(process->mark, page_bytes());
    }
    process->mark = NULL;
}

taskq_status taskq__process_check(const taskq__process *process, const char *what, taskq_error *err)
{
    if (!taskq__process_is_other(process)) {
        return TASKQ_OK;
    }
    return taskq__fail(err, TASKQ_EINVAL,
                       "the %s belongs to the process that this one was forked from: open one after the fork", what);
}
