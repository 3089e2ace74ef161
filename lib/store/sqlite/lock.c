/* SPDX-License-Identifier: MIT */
/*
 * Two servers that write one SQLite file would each hold half of the truth, and SQLite before 3.51.3 can corrupt a WAL
 * that two connections write. SQLite's own locks last for a transaction; this one lasts as long as the server. It is a
 * flock on the file itself, so that a second name (a hard link, a symbolic link, a bind mount) leads to the same lock.
 *
 * There is a trap: POSIX drops all of a process's record locks on a file, SQLite's among them, when the process closes
 * any descriptor of it. So the descriptor is opened before SQLite opens the file and closed after SQLite has closed it,
 * and where this process has the file open already (a second store, a host's connection) none is opened at all: the
 * kernel's list of our descriptors (/proc/self) tells who holds the lock, or has a descriptor to put it on.
 */
#include "store/sqlite/lock.h"

#include "core/fail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Does the lock list of this descriptor name a flock? */
static bool has_flock(int fd)
{
    char path[64], text[4096];
    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    int info = open(path, O_RDONLY | O_CLOEXEC);
    if (info < 0) {
        return false;
    }
    ssize_t size = read(info, text, sizeof(text) - 1);
    close(info);
    text[size > 0 ? size : 0] = '\0';
    return strstr(text, "FLOCK") != NULL;
}

/* The descriptors of this process on one inode. */
typedef struct opened {
    int any_fd;    /* -1: none */
    int locked_fd; /* one that carries a flock; -1: none */
    bool forked;   /* one was put there by taskq__filelock_forked */
} opened;

static opened find_open(dev_t device, ino_t inode)
{
    opened found_all = {-1, -1, false};
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL) {
        return found_all;
    }
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char *end = NULL;
        long fd = strtol(entry->d_name, &end, 10);
        struct stat found;
        if (end == entry->d_name || *end != '\0' || fstat((int)fd, &found) != 0 || found.st_dev != device ||
            found.st_ino != inode) {
            continue;
        }
        if ((fcntl((int)fd, F_GETFL) & O_PATH) != 0) {
            found_all.forked = true;
            continue;
        }
        found_all.any_fd = found_all.any_fd < 0 || fd < found_all.any_fd ? (int)fd : found_all.any_fd;
        if (has_flock((int)fd)) {
            found_all.locked_fd = (int)fd;
        }
    }
    closedir(folder);
    return found_all;
}

static taskq_status busy(const char *path, taskq_error *err)
{
    return taskq__fail(err, TASKQ_EBUSY, "%s is in use by another server", path);
}

/* OK: nothing in this process speaks against opening it. */
static taskq_status check_opened(const opened *here, const char *path, taskq_error *err)
{
    if (here->forked) {
        return taskq__fail(
            err, TASKQ_EBUSY,
            "%s was open in the process that this one was forked from: it can be opened by another program "
            "(exec) alone, or by a child that is forked before it is opened",
            path);
    }
    return here->locked_fd >= 0 ? busy(path, err) : TASKQ_OK;
}

static taskq_status cannot_open(const char *path, taskq_error *err)
{
    return taskq__fail(err, TASKQ_EUNAVAIL, "cannot open %s: %s", path, strerror(errno));
}

static taskq_status lock_descriptor(const char *path, int fd, taskq_error *err)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        return TASKQ_OK;
    }
    return errno == EWOULDBLOCK ? busy(path, err)
                                : taskq__fail(err, TASKQ_EUNAVAIL, "cannot lock %s: %s", path, strerror(errno));
}

taskq_status taskq__filelock_take(const char *path, taskq__filelock *out, taskq_error *err)
{
    struct stat found;
    if (stat(path, &found) == 0) {
        opened here = find_open(found.st_dev, found.st_ino);
        taskq_status fine = check_opened(&here, path, err);
        if (fine != TASKQ_OK) {
            return fine;
        }
        if (!S_ISREG(found.st_mode)) {
            return taskq__fail(err, TASKQ_EINVAL, "%s is not a regular file", path);
        }
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    if (fd < 0) {
        return cannot_open(path, err);
    }
    taskq_status status = lock_descriptor(path, fd, err);
    if (status == TASKQ_OK && fstat(fd, &found) != 0) {
        status = cannot_open(path, err);
    }
    if (status != TASKQ_OK) {
        close(fd);
        return status;
    }
    *out = (taskq__filelock){fd, false, found.st_dev, found.st_ino};
    return TASKQ_OK;
}

taskq_status taskq__filelock_borrow(const char *path, taskq__filelock *out, taskq_error *err)
{
    struct stat found;
    if (stat(path, &found) != 0) {
        return cannot_open(path, err);
    }
    opened here = find_open(found.st_dev, found.st_ino);
    taskq_status status = check_opened(&here, path, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (here.any_fd < 0) {
        return taskq__fail(err, TASKQ_EINVAL, "%s is not the file that the connection has open", path);
    }
    status = lock_descriptor(path, here.any_fd, err);
    if (status == TASKQ_OK) {
        *out = (taskq__filelock){here.any_fd, true, found.st_dev, found.st_ino};
    }
    return status;
}

/* Our copy of the descriptor would keep the file locked when the parent is gone. What takes its place has no locks to drop, and tells
 * find_open. */
void taskq__filelock_forked(taskq__filelock *lock)
{
    char path[64];
    if (lock->fd < 0 || lock->borrowed) {
        return;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", lock->fd);
    int mark = open(path, O_PATH | O_CLOEXEC);
    if (mark >= 0) {
        (void)dup3(mark, lock->fd, O_CLOEXEC);
        close(mark);
    }
    lock->fd = -1;
}

void taskq__filelock_release(taskq__filelock *lock)
{
    struct stat found;
    if (lock->fd < 0) {
        return;
    }
    if (!lock->borrowed) {
        close(lock->fd);
    } else if (fstat(lock->fd, &found) == 0 && found.st_dev == lock->device && found.st_ino == lock->inode) {
        flock(lock->fd, LOCK_UN);
    }
    lock->fd = -1;
}
