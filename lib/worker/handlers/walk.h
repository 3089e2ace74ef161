/* SPDX-License-Identifier: MIT */
/*
 * Opens a path below a directory and nowhere else, one component at a time: for processes that may not call openat2. It answers as openat2
 * with RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS does: a descriptor, or a negative errno; -EXDEV: the path leads out.
 */
#ifndef TASKQ_WORKER_HANDLERS_WALK_H
#define TASKQ_WORKER_HANDLERS_WALK_H

/* `flags` as of open(2), O_CREAT excepted. */
int taskq__walk_open(int root_fd, const char *path, int flags);

#endif
