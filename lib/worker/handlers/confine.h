/* SPDX-License-Identifier: MIT */
/*
 * Files below one directory and nowhere else. Every name is resolved by the kernel with openat2 and RESOLVE_BENEATH, or, where a filter refuses that, walked without following, so neither "..",
 * nor an absolute path, nor a symbolic link that somebody plants in the middle of an operation leads out; work is then done on
 * descriptors, and on a last component within a parent's descriptor.
 * Functions return a descriptor or 0, or a negative errno; -EXDEV: the path leaves the root.
 */
#ifndef TASKQ_WORKER_HANDLERS_CONFINE_H
#define TASKQ_WORKER_HANDLERS_CONFINE_H

#include <stdbool.h>
#include <sys/types.h>

enum { TASKQ__CONFINE_NAME_BYTES = 256 };

/* Can anything be opened below it? */
int taskq__confine_probe(int root_fd);

/* Open what `path` names below the root. Never waits at a FIFO or device (O_NONBLOCK is added). */
int taskq__confine_open(int root_fd, const char *path, int flags);

/* The directory that holds the last component of `path`, and that component. `make_parents`: missing directories are made. -EINVAL: the path names
 * the root itself. */
int taskq__confine_parent(int root_fd, const char *path, bool make_parents, char name[TASKQ__CONFINE_NAME_BYTES]);

/* A new file in the directory under a name that nobody uses; it is written into `name`. */
int taskq__confine_temporary(int parent_fd, char name[TASKQ__CONFINE_NAME_BYTES]);

#endif
