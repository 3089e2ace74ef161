/* SPDX-License-Identifier: MIT */
/*
 * The service manager's side of a process. A beat of the watchdog is worth what it is tied to: nothing here runs by itself, the caller beats
 * where its loop has turned and its store has answered, so a process that hangs falls silent and is started again.
 */
#include "common/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/program.h"

enum { MESSAGE_BYTES = 2048, BEAT_MS_MIN = 10 };
static const int64_t WATCHDOG_USEC_MAX = INT64_C(365) * 86400 * 1000000;

static int64_t monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* A connected socket; -1, and errno says why. "@name" is in Linux's abstract namespace. */
static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || size >= sizeof(address.sun_path)) {
        errno = EINVAL;
        return -1;
    }
    memcpy(address.sun_path, path, size + 1);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + 1);
    if (path[0] == '@') {
        address.sun_path[0] = '\0';
        length--; /* an abstract name is all its bytes, a final NUL too */
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, length) != 0) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

/* A number in decimal digits up to `max`; 0: it is none. */
static int64_t read_number(const char *text, int64_t max)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && number > 0 && number <= max ? number : 0;
}

static int64_t read_beat(const taskq_log *log)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (usec == NULL || (pid != NULL && read_number(pid, INT32_MAX) != getpid())) {
        return 0; /* not asked for, or of another process */
    }
    int64_t allowed_us = read_number(usec, WATCHDOG_USEC_MAX);
    if (allowed_us == 0) {
        program_say(log, TASKQ_LOG_WARN, "service", "WATCHDOG_USEC is no time in microseconds: there will be no beats");
        return 0;
    }
    int64_t half_ms = allowed_us / 2000;
    return half_ms < BEAT_MS_MIN ? BEAT_MS_MIN : half_ms;
}

void notify_open(notify *to, const taskq_log *log)
{
    const char *path = getenv("NOTIFY_SOCKET");
    *to = (notify){-1, 0, 0};
    if (path != NULL) {
        to->fd = connect_to(path);
        if (to->fd < 0) {
            program_say(log, TASKQ_LOG_WARN, "service",
                        "the service manager cannot be told anything: NOTIFY_SOCKET: %s", strerror(errno));
        } else {
            to->beat_every_ms = read_beat(log);
        }
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify_close(notify *to)
{
    if (to->fd >= 0) {
        close(to->fd);
    }
    to->fd = -1;
}

void notify_send(const notify *to, const char *format, ...)
{
    char message[MESSAGE_BYTES];
    if (to->fd < 0) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    ssize_t sent;
    do {
        sent = send(to->fd, message, strlen(message), MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR); /* a manager that is gone is nobody's to tell */
}

void notify_reloading(const notify *to)
{
    notify_send(to, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)monotonic_us());
}

bool notify_beat_due(notify *to)
{
    int64_t now_ms = monotonic_us() / 1000;
    if (to->beat_every_ms == 0 || now_ms < to->beat_due_ms) {
        return false;
    }
    to->beat_due_ms = now_ms + to->beat_every_ms;
    return true;
}

int64_t notify_wait_ms(const notify *to, int64_t most_ms)
{
    if (to->beat_every_ms == 0) {
        return most_ms;
    }
    int64_t left_ms = to->beat_due_ms - monotonic_us() / 1000;
    return left_ms < 0 ? 0 : left_ms < most_ms ? left_ms : most_ms;
}
