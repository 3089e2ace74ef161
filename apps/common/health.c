/* SPDX-License-Identifier: MIT */
/*
 * The file has one line, the time since the machine was started: a clock that nobody sets, and the same in every process of the machine. The
 * line has one length, so a reader meets an old one or a new one, never a half.
 */
#include "common/health.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/options.h"

enum { EVERY_MS = 5000, LATE_MS = 4 * EVERY_MS, LINE_BYTES = 21 };

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool health_renew(health_sign *sign)
{
    char line[LINE_BYTES + 1];
    int64_t now = now_ms();
    if (sign->path == NULL || now < sign->due_ms) {
        return true;
    }
    sign->due_ms = now + EVERY_MS;
    snprintf(line, sizeof(line), "%020lld\n", (long long)now);
    int fd = open(sign->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) {
        return false;
    }
    bool written = pwrite(fd, line, LINE_BYTES, 0) == LINE_BYTES;
    int why = errno;
    close(fd);
    errno = why;
    return written;
}

int64_t health_wait_ms(const health_sign *sign, int64_t most_ms)
{
    int64_t left_ms = sign->due_ms - now_ms();
    return sign->path == NULL || left_ms > most_ms ? most_ms : left_ms < 0 ? 0 : left_ms;
}

void health_remove(const health_sign *sign)
{
    if (sign->path != NULL) {
        (void)unlink(sign->path);
    }
}

int health_tell(const char *program, const char *path)
{
    char line[LINE_BYTES + 1] = "", *end = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t size = fd >= 0 ? read(fd, line, LINE_BYTES) : -1;
    if (fd >= 0) {
        close(fd);
    }
    if (size < 0) {
        fprintf(stderr, "%s: %s: %s: nothing gives a sign of life there\n", program, path, strerror(errno));
        return EXIT_UNREACHABLE;
    }
    long long then = strtoll(line, &end, 10);
    if (size != LINE_BYTES || *end != '\n') {
        fprintf(stderr, "%s: %s is no sign of life\n", program, path);
        return EXIT_FAILED;
    }
    long long age = now_ms() - then;
    if (age < 0 || age > LATE_MS) {
        fprintf(stderr, "%s: the last sign of life is %lld s old\n", program, age / 1000);
        return EXIT_FAILED;
    }
    printf("ok\n");
    return EXIT_DONE;
}
