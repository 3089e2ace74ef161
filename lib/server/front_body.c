/* SPDX-License-Identifier: MIT */
/*
 * Reads a body from whatever delivers its bytes, by length or in chunks, into a bounded buffer. It never takes a byte beyond the
 * body's end: that one belongs to the next request. Chunks are read by the letter, since where the body ends hangs on them.
 */
#include "server/front.h"
#include "server/problem.h"

enum { CHUNK_DIGITS_MAX = 8, TRAILER_BYTES_MAX = 8192 };

static taskq_status read_exactly(const taskq__body_source *source, char *into, size_t size)
{
    size_t have = 0;
    while (have < size) {
        int got = source->read(source->user, into + have, size - have);
        if (got <= 0) {
            return got == 0 ? TASKQ_ETIMEDOUT : TASKQ_ESYNTAX;
        }
        have += (size_t)got;
    }
    return TASKQ_OK;
}

taskq_status taskq__body_read_length(const taskq__body_source *source, size_t length, taskq__buf *out)
{
    if (length > out->max || out->size > out->max - length) {
        return TASKQ_ELIMIT;
    }
    if (length == 0) {
        return TASKQ_OK;
    }
    if (!taskq__buf_reserve(out, length)) {
        return TASKQ_ENOMEM;
    }
    taskq_status status = read_exactly(source, out->data + out->size, length);
    if (status == TASKQ_OK) {
        out->size += length;
        out->data[out->size] = '\0';
    }
    return status;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static taskq_status read_line_end(const taskq__body_source *source)
{
    char end[2];
    taskq_status status = read_exactly(source, end, sizeof(end));
    return status == TASKQ_OK && (end[0] != '\r' || end[1] != '\n') ? TASKQ_ESYNTAX : status;
}

/* Hexadecimal digits and the end of the line; no extensions, which nobody sends and readers disagree on. */
static taskq_status read_chunk_size(const taskq__body_source *source, size_t *out)
{
    size_t size = 0;
    for (int digits = 0;; digits++) {
        char c;
        taskq_status status = read_exactly(source, &c, 1);
        if (status != TASKQ_OK) {
            return status;
        }
        if (c == '\r' && digits > 0) {
            status = read_exactly(source, &c, 1);
            *out = size;
            return status == TASKQ_OK && c != '\n' ? TASKQ_ESYNTAX : status;
        }
        int digit = hex_digit(c);
        if (digit < 0) {
            return TASKQ_ESYNTAX;
        }
        if (digits == CHUNK_DIGITS_MAX) {
            return TASKQ_ELIMIT;
        }
        size = size * 16 + (size_t)digit;
    }
}

/* Trailers say nothing that we need. */
static taskq_status skip_trailers(const taskq__body_source *source)
{
    bool line_empty = true;
    char last = '\0';
    for (int taken = 0; taken < TRAILER_BYTES_MAX; taken++) {
        char c;
        taskq_status status = read_exactly(source, &c, 1);
        if (status != TASKQ_OK) {
            return status;
        }
        if (c == '\n') {
            if (last != '\r') {
                return TASKQ_ESYNTAX;
            }
            if (line_empty) {
                return TASKQ_OK;
            }
            line_empty = true;
        } else if (c != '\r') {
            line_empty = false;
        }
        last = c;
    }
    return TASKQ_ELIMIT;
}

taskq_status taskq__body_read_chunked(const taskq__body_source *source, taskq__buf *out)
{
    for (;;) {
        size_t size = 0;
        taskq_status status = read_chunk_size(source, &size);
        if (status != TASKQ_OK) {
            return status;
        }
        if (size == 0) {
            return skip_trailers(source);
        }
        status = taskq__body_read_length(source, size, out);
        if (status == TASKQ_OK) {
            status = read_line_end(source);
        }
        if (status != TASKQ_OK) {
            return status;
        }
    }
}

void taskq__body_refuse(taskq__reply *reply, taskq_status status, size_t bytes_max)
{
    reply->close = true;
    switch (status) {
    case TASKQ_ETIMEDOUT:
        taskq__reply_problem(reply, TASKQ__PROBLEM_REQUEST_TIMEOUT, NULL, "the body did not arrive in time");
        break;
    case TASKQ_ELIMIT:
        taskq__reply_problem(reply, TASKQ__PROBLEM_TOO_LARGE, NULL, "a body may have %zu bytes", bytes_max);
        break;
    case TASKQ_ENOMEM:
        taskq__reply_problem(reply, TASKQ__PROBLEM_UNAVAILABLE, NULL, "there is no memory for the body");
        break;
    default:
        taskq__reply_problem(reply, TASKQ__PROBLEM_BAD_REQUEST, NULL, "the body ends early or its chunks are broken");
    }
}
