/* SPDX-License-Identifier: MIT */
/*
 * What a service tells its manager: that it serves, that it ends, how it is, and, where a watchdog was asked for, that it still lives. It is
 * the protocol of sd_notify(3), a datagram on the socket that $NOTIFY_SOCKET names, so it needs no library; without that variable every call
 * here does nothing. For the main thread alone.
 */
#ifndef TASKQ_APPS_NOTIFY_H
#define TASKQ_APPS_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include <taskq/log.h>

typedef struct notify {
    int fd;                /* -1: nobody asks */
    int64_t beat_every_ms; /* half of what the watchdog allows; 0: there is none */
    int64_t beat_due_ms;
} notify;

/* By the environment, which is cleared of it: what the process starts is not the service. What is wrong there is said and then left alone: a
 * service that cannot tell still serves. */
void notify_open(notify *to, const taskq_log *log);
void notify_close(notify *to);

/* "READY=1\nSTATUS=listening on ...": lines of NAME=VALUE. What is longer than a datagram of 2 KiB is cut. */
void notify_send(const notify *to, const char *format, ...) TASKQ_PRINTF(2, 3);
/* It reads its settings again; it is ready again with the next READY=1. */
void notify_reloading(const notify *to);

/* Is it time to tell that it lives? True at once for the first time, then each half of what the watchdog allows. Call it only where the
 * process has just shown that it does. */
bool notify_beat_due(notify *to);
/* The longest that the main thread may wait, `most_ms` or less, so that no beat is missed. */
int64_t notify_wait_ms(const notify *to, int64_t most_ms);

#endif
