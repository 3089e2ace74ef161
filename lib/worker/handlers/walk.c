/* SPDX-License-Identifier: MIT */
/*
 * openat2 takes its flags in memory, where no seccomp filter can see them, so filters against set-user-ID files refuse it as a whole:
 * systemd's RestrictSUIDSGID does, which DynamicUser brings along. There the path is walked here. The kernel is never asked to follow a link
 * nor to go up: every component is opened as what it is, a link is read and its text walked in its place, and ".." takes back what was
 * walked and begins again at the root. So whoever exchanges directories for links meanwhile changes where below the root it ends, no more.
 */
#include "worker/handlers/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 40, STEPS_MAX = 20000 };

typedef struct walk {
    int root_fd, fd; /* fd: where it is, the directory that `done` names; -1: the root */
    int links;
    char done[PATH_MAX]; /* "a/b", no link and no dots in it */
    char rest[PATH_MAX]; /* what is to come */
} walk;

static int here(const walk *at)
{
    return at->fd >= 0 ? at->fd : at->root_fd;
}

static void move_to(walk *at, int fd)
{
    if (at->fd >= 0) {
        close(at->fd);
    }
    at->fd = fd;
}

/* `text`, a slash and what is to come become what is to come. */
static int put_before_rest(walk *at, const char *text)
{
    size_t size = strlen(text), rest_size = strlen(at->rest), slash = rest_size > 0 && at->rest[0] != '/' ? 1 : 0;
    if (size + slash + rest_size >= sizeof(at->rest)) {
        return -ENAMETOOLONG;
    }
    memmove(at->rest + size + slash, at->rest, rest_size + 1);
    memcpy(at->rest, text, size);
    if (slash > 0) {
        at->rest[size] = '/';
    }
    return 0;
}

/* The next name without slashes; `last`: nothing follows it, no slash either. 0: there is none. */
static int take_name(walk *at, char name[NAME_MAX + 1], bool *last)
{
    const char *begin = at->rest + strspn(at->rest, "/");
    size_t size = strcspn(begin, "/");
    if (size > NAME_MAX) {
        return -ENAMETOOLONG;
    }
    memcpy(name, begin, size);
    name[size] = '\0';
    *last = begin[size] == '\0';
    memmove(at->rest, begin + size, strlen(begin + size) + 1);
    return size > 0 ? 1 : 0;
}

/* Back by one, from the root on: the directory may have been carried off, and its own ".." would lead there. */
static int go_up(walk *at)
{
    if (at->done[0] == '\0') {
        return -EXDEV;
    }
    char *slash = strrchr(at->done, '/');
    *(slash != NULL ? slash : at->done) = '\0';
    if (at->rest[0] == '\0') {
        memcpy(at->rest, "/", 2); /* where it ends is a directory, to be opened as itself */
    }
    int failed = put_before_rest(at, at->done);
    at->done[0] = '\0';
    move_to(at, -1);
    return failed;
}

static int go_down(walk *at, const char *name, int fd)
{
    size_t size = strlen(at->done);
    if (size + 1 + strlen(name) >= sizeof(at->done)) {
        close(fd);
        return -ENAMETOOLONG;
    }
    if (size > 0) {
        at->done[size++] = '/';
    }
    memcpy(at->done + size, name, strlen(name) + 1);
    move_to(at, fd);
    return 0;
}

static int follow(walk *at, int link_fd)
{
    char target[PATH_MAX];
    ssize_t size = readlinkat(link_fd, "", target, sizeof(target));
    if (size < 0 || (size_t)size >= sizeof(target)) {
        return size < 0 ? -errno : -ENAMETOOLONG;
    }
    target[size] = '\0';
    if (target[0] == '/') {
        return -EXDEV;
    }
    return ++at->links > LINKS_MAX ? -ELOOP : put_before_rest(at, target);
}

/* The last component, which is no link, or is wanted as one. -ELOOP: it has become one meanwhile. */
static int open_last(const walk *at, const char *name, int flags, int found, mode_t mode)
{
    if ((flags & O_PATH) == 0) {
        int fd = openat(here(at), name, flags | O_NOFOLLOW | O_CLOEXEC);
        return fd >= 0 ? fd : -errno;
    }
    if ((flags & O_DIRECTORY) != 0 && !S_ISDIR(mode)) {
        return -ENOTDIR;
    }
    int fd = fcntl(found, F_DUPFD_CLOEXEC, 0);
    return fd >= 0 ? fd : -errno;
}

/* One name on. 1: `out` is what was to be opened. */
static int step(walk *at, const char *name, bool last, int flags, int *out)
{
    struct stat info;
    int found = openat(here(at), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (found < 0 || fstat(found, &info) != 0) {
        int why = -errno;
        if (found >= 0) {
            close(found);
        }
        return why;
    }
    if (S_ISLNK(info.st_mode) && !(last && (flags & O_NOFOLLOW) != 0)) {
        int failed = follow(at, found);
        close(found);
        return failed;
    }
    if (!last) {
        if (S_ISDIR(info.st_mode)) {
            return go_down(at, name, found);
        }
        close(found);
        return -ENOTDIR;
    }
    *out = open_last(at, name, flags, found, info.st_mode);
    close(found);
    if (*out == -ELOOP && (flags & O_NOFOLLOW) == 0) {
        return put_before_rest(at, name); /* look again */
    }
    return *out >= 0 ? 1 : *out;
}

static int walk_on(walk *at, int flags, int *out)
{
    char name[NAME_MAX + 1];
    bool last = false;
    int named = take_name(at, name, &last);
    if (named < 0) {
        return named;
    }
    if (named == 0 || (last && strcmp(name, ".") == 0)) { /* it ended in a slash or a dot: the directory itself */
        *out = openat(here(at), ".", flags | O_CLOEXEC);
        return *out >= 0 ? 1 : -errno;
    }
    if (strcmp(name, ".") == 0) {
        return 0;
    }
    return strcmp(name, "..") == 0 ? go_up(at) : step(at, name, last, flags, out);
}

int taskq__walk_open(int root_fd, const char *path, int flags)
{
    walk at = {.root_fd = root_fd, .fd = -1};
    int fd = -1, moved = 0;
    if (path[0] == '/' || path[0] == '\0') {
        return path[0] == '/' ? -EXDEV : -ENOENT;
    }
    int failed = put_before_rest(&at, path);
    for (int steps = 0; failed == 0 && moved == 0; steps++) {
        moved = steps < STEPS_MAX ? walk_on(&at, flags, &fd) : -ELOOP;
    }
    move_to(&at, -1);
    return failed != 0 ? failed : moved < 0 ? moved : fd;
}
