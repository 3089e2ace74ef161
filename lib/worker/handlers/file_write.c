/* SPDX-License-Identifier: MIT */
/*
 * The operations of the `file` handler that change something. What is written appears whole or not at all, also when the worker is
 * killed or the disk is full: it goes into a new file beside its place, onto the disk, and is then renamed there. An append is a copy with
 * more at its end; a lock on the directory keeps two of them from losing each other's lines.
 */
#include "wire/emit.h"
#include "worker/handlers/confine.h"
#include "worker/handlers/file_ops.h"
#include "worker/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BYTES 65536
#define LOCK_LOOK_MS 20 /* between two tries for the directory's lock */

static taskq__file_failure failed(int error, const char *what)
{
    return (taskq__file_failure){error, what};
}

static int write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t put = write(fd, data, size);
        if (put < 0 && errno != EINTR) {
            return -errno;
        }
        if (put > 0) {
            data += put;
            size -= (size_t)put;
        }
    }
    return 0;
}

/* `bytes` counts on from what is there, up to `bytes_max`: the file may grow while it is read. */
static int copy_all(int from, int to, int64_t bytes_max, taskq_run *run, int64_t *bytes)
{
    char chunk[CHUNK_BYTES];
    for (;;) {
        ssize_t got = read(from, chunk, sizeof(chunk));
        if (got == 0) {
            return 0;
        }
        if (got < 0 && errno != EINTR) {
            return -errno;
        }
        if (got > 0 && *bytes + got > bytes_max) {
            return -EFBIG;
        }
        int error = got > 0 ? write_all(to, chunk, (size_t)got) : 0;
        if (error != 0) {
            return error;
        }
        *bytes += got > 0 ? got : 0;
        if (taskq_run_should_stop(run) != TASKQ_RUN_GOES_ON) {
            return -ECANCELED;
        }
    }
}

/* A file on its way to its place. */
struct draft {
    int parent_fd, fd;
    char name[TASKQ__CONFINE_NAME_BYTES], temporary[TASKQ__CONFINE_NAME_BYTES];
};

static int draft_open(const taskq__file_job *job, const char *path, struct draft *out)
{
    out->fd = -1;
    if ((uint64_t)job->content.size > (uint64_t)job->bytes_max) {
        return -EFBIG;
    }
    out->parent_fd = taskq__confine_parent(job->root_fd, path, job->parents, out->name);
    if (out->parent_fd < 0) {
        return out->parent_fd;
    }
    out->fd = taskq__confine_temporary(out->parent_fd, out->temporary);
    if (out->fd < 0) {
        close(out->parent_fd);
        return out->fd;
    }
    return 0;
}

/* Waits for the directory's lock, which falls with its descriptor; a run that should stop does not wait. */
static int lock_directory(int parent_fd, taskq_run *run)
{
    while (flock(parent_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return -errno;
        }
        if (taskq_run_sleep(run, LOCK_LOOK_MS) != TASKQ_RUN_GOES_ON) {
            return -ECANCELED;
        }
    }
    return 0;
}

/* Puts the draft into its place where `error` is 0, throws it away where not; closes it. The directory's lock is held. */
static int draft_close(struct draft *draft, int error, bool overwrite)
{
    if (error == 0 && fsync(draft->fd) != 0) {
        error = -errno;
    }
    if (close(draft->fd) != 0 && error == 0) {
        error = -errno;
    }
    if (error == 0 && renameat2(draft->parent_fd, draft->temporary, draft->parent_fd, draft->name,
                                overwrite ? 0 : RENAME_NOREPLACE) != 0) {
        error = -errno;
    }
    if (error != 0) {
        unlinkat(draft->parent_fd, draft->temporary, 0);
    } else if (fsync(draft->parent_fd) != 0) {
        error = -errno;
    }
    close(draft->parent_fd);
    return error;
}

static void emit_bytes(taskq__buf *result, int64_t bytes)
{
    taskq__emit_key(result, "bytes");
    taskq__emit_int(result, bytes);
}

taskq__file_failure taskq__file_write(const taskq__file_job *job, taskq_run *run, taskq__buf *result)
{
    struct draft draft;
    int error = draft_open(job, job->path, &draft);
    if (error != 0) {
        return failed(error, "make the file");
    }
    error = write_all(draft.fd, job->content.data, job->content.size);
    if (error == 0) {
        error = lock_directory(draft.parent_fd, run);
    }
    error = draft_close(&draft, error, job->overwrite);
    emit_bytes(result, (int64_t)job->content.size);
    return failed(error, "write");
}

/* What is there already goes first; its mode is kept. */
static int copy_existing(const struct draft *draft, const taskq__file_job *job, taskq_run *run)
{
    int64_t bytes = (int64_t)job->content.size; /* which comes behind it */
    int fd = taskq__file_open_bounded(job);
    if (fd == -ENOENT) {
        return 0;
    }
    if (fd < 0) {
        return fd;
    }
    struct stat info;
    int error = fstat(fd, &info) != 0 || fchmod(draft->fd, info.st_mode & 07777) != 0 ? -errno : 0;
    if (error == 0) {
        error = copy_all(fd, draft->fd, job->bytes_max, run, &bytes);
    }
    close(fd);
    return error;
}

taskq__file_failure taskq__file_append(const taskq__file_job *job, taskq_run *run, taskq__buf *result)
{
    struct draft draft;
    int error = draft_open(job, job->path, &draft);
    if (error != 0) {
        return failed(error, "make the file");
    }
    error = lock_directory(draft.parent_fd, run);
    if (error == 0) {
        error = copy_existing(&draft, job, run);
    }
    if (error == 0) {
        error = write_all(draft.fd, job->content.data, job->content.size);
    }
    error = draft_close(&draft, error, true);
    emit_bytes(result, (int64_t)job->content.size);
    return failed(error, "append");
}

taskq__file_failure taskq__file_copy(const taskq__file_job *job, taskq_run *run, taskq__buf *result)
{
    int64_t bytes = 0;
    int from = taskq__file_open_bounded(job);
    if (from < 0) {
        return failed(from, "open for reading");
    }
    struct draft draft;
    int error = draft_open(job, job->to, &draft);
    if (error != 0) {
        close(from);
        return failed(error, "make the copy");
    }
    error = copy_all(from, draft.fd, job->bytes_max, run, &bytes);
    close(from);
    if (error == 0) {
        error = lock_directory(draft.parent_fd, run);
    }
    error = draft_close(&draft, error, job->overwrite);
    emit_bytes(result, bytes);
    return failed(error, "copy");
}

/* Across file systems below the one root: copy, then take the original away. */
static taskq__file_failure move_by_copy(const taskq__file_job *job, taskq_run *run, taskq__buf *result)
{
    taskq__file_failure failure = taskq__file_copy(job, run, result);
    if (failure.error != 0) {
        return failure;
    }
    taskq__buf ignored;
    taskq__buf_init(&ignored, taskq__run_allocator(run), 0);
    return taskq__file_delete(job, run, &ignored);
}

taskq__file_failure taskq__file_move(const taskq__file_job *job, taskq_run *run, taskq__buf *result)
{
    char from_name[TASKQ__CONFINE_NAME_BYTES], to_name[TASKQ__CONFINE_NAME_BYTES];
    struct stat info = {0};
    int from = taskq__confine_parent(job->root_fd, job->path, false, from_name);
    if (from < 0) {
        return failed(from, "find the file");
    }
    int to = taskq__confine_parent(job->root_fd, job->to, job->parents, to_name);
    if (to < 0) {
        close(from);
        return failed(to, "find the new place");
    }
    int error = fstatat(from, from_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ? -errno : lock_directory(to, run);
    bool across = false;
    if (error == 0 && renameat2(from, from_name, to, to_name, job->overwrite ? 0 : RENAME_NOREPLACE) != 0) {
        across = errno == EXDEV;
        error = -errno;
    }
    if (error == 0 && (fsync(to) != 0 || fsync(from) != 0)) {
        error = -errno;
    }
    close(from);
    close(to);
    if (across) {
        return move_by_copy(job, run, result);
    }
    emit_bytes(result, S_ISREG(info.st_mode) ? info.st_size : 0);
    return failed(error, "move");
}

taskq__file_failure taskq__file_delete(const taskq__file_job *job, taskq_run *run, taskq__buf *result)
{
    (void)run;
    (void)result;
    char name[TASKQ__CONFINE_NAME_BYTES];
    int parent = taskq__confine_parent(job->root_fd, job->path, false, name);
    if (parent < 0) {
        return failed(parent, "find the file");
    }
    int error = unlinkat(parent, name, 0) != 0 ? -errno : 0;
    if (error == -EISDIR) {
        error = unlinkat(parent, name, AT_REMOVEDIR) != 0 ? -errno : 0; /* an empty one */
    }
    if (error == 0 && fsync(parent) != 0) {
        error = -errno;
    }
    close(parent);
    return failed(error, "delete");
}

taskq__file_failure taskq__file_mkdir(const taskq__file_job *job, taskq_run *run, taskq__buf *result)
{
    (void)run;
    (void)result;
    char name[TASKQ__CONFINE_NAME_BYTES];
    int parent = taskq__confine_parent(job->root_fd, job->path, job->parents, name);
    if (parent < 0) {
        return failed(parent, "find the directory's place");
    }
    struct stat info;
    int error = mkdirat(parent, name, 0777) != 0 ? -errno : 0;
    if (error == -EEXIST && job->parents && fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(info.st_mode)) {
        error = 0; /* as mkdir -p */
    }
    if (error == 0 && fsync(parent) != 0) {
        error = -errno;
    }
    close(parent);
    return failed(error, "make the directory");
}
