/* SPDX-License-Identifier: MIT */
/*
 * Why openat2 and not a look at the string: between a check of a path and its use somebody may exchange a directory for a link. The
 * kernel resolves and checks in one step, and what it hands back is a descriptor that no later renaming moves. A process that may not call
 * openat2 walks the path itself (walk.c).
 */
#include "worker/handlers/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/handlers/walk.h"

#define PATH_BYTES_MAX 4096
#define RESOLVE_TRIES_MAX 64   /* the kernel answers EAGAIN when a rename crosses a ".." of its walk */
#define TEMPORARY_TRIES_MAX 16 /* names drawn from 64 random bits */

static int resolve(int root_fd, const char *path, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | ((flags & O_PATH) != 0 ? 0 : O_NONBLOCK | O_NOCTTY)),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    for (int tries = 0; tries < RESOLVE_TRIES_MAX; tries++) {
        long fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
        if (fd >= 0) {
            return (int)fd;
        }
        if (errno == ENOSYS) {
            return taskq__walk_open(root_fd, path, (int)how.flags);
        }
        if (errno != EAGAIN && errno != EINTR) {
            return -errno;
        }
    }
    return -EAGAIN;
}

int taskq__confine_probe(int root_fd)
{
    int fd = resolve(root_fd, ".", O_PATH | O_DIRECTORY);
    if (fd < 0) {
        return fd;
    }
    close(fd);
    return 0;
}

/* What the kernel is not asked. */
static int check_path(const char *path)
{
    if (path[0] == '\0') {
        return -ENOENT;
    }
    if (path[0] == '/') {
        return -EXDEV;
    }
    return strlen(path) < PATH_BYTES_MAX ? 0 : -ENAMETOOLONG;
}

int taskq__confine_open(int root_fd, const char *path, int flags)
{
    int wrong = check_path(path);
    return wrong != 0 ? wrong : resolve(root_fd, path, flags);
}

/* Makes the directory `path`, whose own parent is there; one that exists is fine. */
static int make_directory(int root_fd, const char *path)
{
    char above[PATH_BYTES_MAX] = ".";
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    if (slash != NULL) {
        memcpy(above, path, (size_t)(slash - path));
        above[slash - path] = '\0';
    }
    if (name[0] == '\0') {
        return 0; /* "a//b" */
    }
    int parent = resolve(root_fd, above, O_PATH | O_DIRECTORY);
    if (parent < 0) {
        return parent;
    }
    int failed = mkdirat(parent, name, 0777) == 0 || errno == EEXIST ? 0 : -errno;
    close(parent);
    return failed;
}

/* Opens the directory `path`, making what is missing of it from the left; each step is resolved from the root again. */
static int open_directory(int root_fd, const char *path, bool make)
{
    int fd = resolve(root_fd, path, O_RDONLY | O_DIRECTORY);
    if (fd != -ENOENT || !make) {
        return fd;
    }
    for (const char *end = path; end != NULL;) {
        char prefix[PATH_BYTES_MAX];
        end = strchr(end + 1, '/');
        size_t length = end != NULL ? (size_t)(end - path) : strlen(path);
        memcpy(prefix, path, length);
        prefix[length] = '\0';
        int failed = make_directory(root_fd, prefix);
        if (failed != 0) {
            return failed;
        }
    }
    return resolve(root_fd, path, O_RDONLY | O_DIRECTORY);
}

int taskq__confine_parent(int root_fd, const char *path, bool make_parents, char name[TASKQ__CONFINE_NAME_BYTES])
{
    int wrong = check_path(path);
    if (wrong != 0) {
        return wrong;
    }
    char directory[PATH_BYTES_MAX];
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] == '/') {
        length--; /* "a/b/" is "a/b" */
    }
    memcpy(directory, path, length);
    directory[length] = '\0';

    char *slash = strrchr(directory, '/');
    const char *last = slash != NULL ? slash + 1 : directory;
    if (last[0] == '\0' || strcmp(last, ".") == 0 ||
        strcmp(last, "..") == 0) { /* no name that one could give something */
        int above = resolve(root_fd, path, O_PATH);
        if (above < 0) {
            return above;
        }
        close(above);
        return -EINVAL;
    }
    if (strlen(last) >= TASKQ__CONFINE_NAME_BYTES) {
        return -ENAMETOOLONG;
    }
    memcpy(name, last, strlen(last) + 1);
    if (slash == NULL) {
        return resolve(root_fd, ".", O_RDONLY | O_DIRECTORY);
    }
    *slash = '\0';
    return open_directory(root_fd, directory, make_parents);
}

int taskq__confine_temporary(int parent_fd, char name[TASKQ__CONFINE_NAME_BYTES])
{
    for (int tries = 0; tries < TEMPORARY_TRIES_MAX; tries++) {
        uint64_t random = 0;
        if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
            return -errno;
        }
        snprintf(name, TASKQ__CONFINE_NAME_BYTES, ".taskq-%016llx.tmp", (unsigned long long)random);
        int fd = openat(parent_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (fd >= 0) {
            return fd;
        }
        if (errno != EEXIST) {
            return -errno;
        }
    }
    return -EEXIST;
}
