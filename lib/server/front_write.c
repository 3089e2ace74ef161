/* SPDX-License-Identifier: MIT */
/*
 * The head of an answer. It is made in one buffer so that head and body leave in one system call: two would wait for each other's
 * acknowledgement.
 */
#include "core/rfc3339.h"
#include "server/front.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { HEAD_BYTES_USUAL = 384 };

static const char *reason(int status)
{
    switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    default: return "Other";
    }
}

/* "Date: Thu, 01 Jan 1970 00:00:00 GMT" from "1970-01-01T00:00:00.000Z": gmtime takes a lock that all threads share. */
static void add_date(taskq__buf *head, int64_t wall_ms)
{
    static const char days[7][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char iso[TASKQ__RFC3339_BYTES + 1], line[] = "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
    taskq__rfc3339_write(wall_ms, iso);
    memcpy(line + 6, days[wall_ms > 0 ? wall_ms / 86400000 % 7 : 0], 3);
    memcpy(line + 11, iso + 8, 2);
    memcpy(line + 14, months[(iso[5] - '0') * 10 + iso[6] - '0' - 1], 3);
    memcpy(line + 18, iso, 4);
    memcpy(line + 23, iso + 11, 8);
    taskq__buf_add(head, line, sizeof(line) - 1);
}

/* Without printf: it was a tenth of what an answer costs. */
void taskq__head_write(taskq__buf *head, const taskq__reply *reply, const char *request_id, bool keep_alive,
                       int64_t wall_ms)
{
    taskq__buf_reserve(head, HEAD_BYTES_USUAL);
    taskq__buf_add_string(head, "HTTP/1.1 ");
    taskq__buf_add_int(head, reply->status);
    taskq__buf_add_char(head, ' ');
    taskq__buf_add_string(head, reason(reply->status));
    taskq__buf_add_string(head, "\r\n");
    add_date(head, wall_ms);
    if (reply->content_type != NULL) {
        taskq__buf_add_string(head, "Content-Type: ");
        taskq__buf_add_string(head, reply->content_type);
        taskq__buf_add_string(head, "\r\n");
    }
    if (reply->status != 204) {
        taskq__buf_add_string(head, "Content-Length: ");
        taskq__buf_add_int(head, (int64_t)reply->body.size);
        taskq__buf_add_string(head, "\r\n");
    }
    taskq__buf_add_string(head, "X-Request-Id: ");
    taskq__buf_add_string(head, request_id);
    taskq__buf_add_string(head, "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
    for (uint32_t i = 0; i < reply->header_count; i++) {
        taskq__buf_add_text(head, reply->headers[i].name);
        taskq__buf_add_string(head, ": ");
        taskq__buf_add_text(head, reply->headers[i].value);
        taskq__buf_add_string(head, "\r\n");
    }
    taskq__buf_add_string(head, keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
}

static bool wait_writable(int fd, int64_t left_ms)
{
    struct pollfd one = {fd, POLLOUT, 0};
    return left_ms > 0 && poll(&one, 1, (int)left_ms) >= 0;
}

bool taskq__front_send(int fd, taskq_text first, taskq_text second, const taskq_clock *clock, int64_t wait_ms)
{
    int64_t until_ms = 0;
    struct iovec parts[2] = {{(void *)(uintptr_t)first.data, first.size}, {(void *)(uintptr_t)second.data, second.size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    while (parts[0].iov_len + parts[1].iov_len > 0) {
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EINTR && errno != EAGAIN) {
            return false;
        }
        if (sent < 0) {
            int64_t now_ms = clock->steady_ms(clock->user);
            until_ms = until_ms == 0 ? now_ms + wait_ms : until_ms;
            if (!wait_writable(fd, until_ms - now_ms)) {
                return false;
            }
            continue;
        }
        for (int i = 0; i < 2; i++) {
            size_t taken = (size_t)sent < parts[i].iov_len ? (size_t)sent : parts[i].iov_len;
            if (taken > 0) {
                parts[i].iov_base = (char *)parts[i].iov_base + taken;
                parts[i].iov_len -= taken;
                sent -= (ssize_t)taken;
            }
        }
    }
    return true;
}

void taskq__front_linger(int fd, const taskq_clock *clock, int64_t wait_ms)
{
    int64_t until_ms = clock->steady_ms(clock->user) + wait_ms;
    char scratch[4096];
    shutdown(fd, SHUT_WR);
    for (int64_t left_ms = wait_ms; left_ms > 0; left_ms = until_ms - clock->steady_ms(clock->user)) {
        struct pollfd one = {fd, POLLIN, 0};
        if (poll(&one, 1, (int)left_ms) <= 0 || recv(fd, scratch, sizeof(scratch), MSG_DONTWAIT) <= 0) {
            return;
        }
    }
}
