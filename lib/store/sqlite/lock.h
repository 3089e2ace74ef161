/* SPDX-License-Identifier: MIT */
/* The lock that keeps a second server out of a database file, whatever name it comes by. */
#ifndef TASKQ_STORE_SQLITE_LOCK_H
#define TASKQ_STORE_SQLITE_LOCK_H

#include <taskq/status.h>

#include <sys/types.h>

typedef struct taskq__filelock {
    int fd;        /* -1: holds nothing */
    bool borrowed; /* a descriptor of the host's connection: never closed here */
    dev_t device;
    ino_t inode;
} taskq__filelock;

/* Before SQLite opens the file: makes it where it is not there and locks it. EBUSY: another has it; EUNAVAIL: cannot be opened. */
taskq_status taskq__filelock_take(const char *path, taskq__filelock *out, taskq_error *err);

/* The host has the file open by its own connection: the lock is put on a descriptor that is open already. */
taskq_status taskq__filelock_borrow(const char *path, taskq__filelock *out, taskq_error *err);

/* In a forked child: the parent alone keeps the lock, and the child is kept from opening the file, of which its copy of SQLite holds
 * the parent's notes. */
void taskq__filelock_forked(taskq__filelock *lock);

/* After SQLite has closed the file. */
void taskq__filelock_release(taskq__filelock *lock);

#endif
