/* SPDX-License-Identifier: MIT */
/*
 * What the library has to tell an operator goes through one callback; it prints nothing by itself.
 *
 * The library logs only where an error stops travelling and where something happens that nobody asked for (a lease lost, a
 * breaker opened); what a call returns is not logged as well. Payloads, results and tokens are never logged at info or above.
 * Threads: the callback is called from any thread, with no lock of the library held; it must not call back into the object
 * that logs. Every pointer in an event is borrowed until the callback returns.
 */
#ifndef TASKQ_LOG_H
#define TASKQ_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <taskq/export.h>
#include <taskq/status.h>

TASKQ_BEGIN_DECLS

/** How much an event matters. */
typedef enum taskq_log_level {
    TASKQ_LOG_DEBUG = 10, /**< each step */
    TASKQ_LOG_INFO = 20,  /**< what happens */
    TASKQ_LOG_WARN = 30,  /**< what somebody should look at */
    TASKQ_LOG_ERROR = 40  /**< what somebody must look at */
} taskq_log_level;

/** One field of an event: a text, or a number where text is NULL. */
typedef struct taskq_log_field {
    const char *name; /**< job_id, queue, type, attempt, worker, request_id, trace_id, duration_ms, ... */
    const char *text; /**< NUL-terminated; NULL: the field is `number` */
    int64_t number;   /**< where text is NULL */
} taskq_log_field;

/** Something that happened. */
typedef struct taskq_log_event {
    size_t struct_size;
    taskq_log_level level;         /**< how much it matters */
    const char *component;         /**< server, scheduler, store, worker, ... */
    const char *message;           /**< one sentence; says what to do next where something is wrong */
    const taskq_log_field *fields; /**< what it is about */
    uint32_t field_count;
} taskq_log_event;

/** Takes an event. `user` is what the log was given. */
typedef void taskq_log_fn(void *user, const taskq_log_event *event);

/** Where events go. Zeroed: nowhere. Copied when it is handed over. */
typedef struct taskq_log {
    size_t struct_size;    /**< sizeof(taskq_log), or 0 with fn NULL */
    taskq_log_fn *fn;      /**< NULL: nothing is logged */
    void *user;            /**< handed to it */
    taskq_log_level level; /**< events below it are not made at all; 0: info */
} taskq_log;

/** How a sink writes a line. */
typedef enum taskq_log_format {
    TASKQ_LOG_TEXT, /**< for people */
    TASKQ_LOG_JSON  /**< an object a line */
} taskq_log_format;

/** A ready sink: one line an event, whole lines only, to a descriptor that the host owns. Threads: any. */
typedef struct taskq_log_sink {
    size_t struct_size;
    int fd;                  /**< where to; stays open */
    taskq_log_format format; /**< how */
} taskq_log_sink;

/** The callback for a sink: `user` is a taskq_log_sink that lives as long as the log does. Line breaks and control characters
 * in a text are escaped, so that nobody can forge a line. An event of more than 8 KiB is cut. A failed write is dropped. */
TASKQ_API void taskq_log_sink_write(void *user, const taskq_log_event *event);

/** Reads "debug", "info", "warn", "error". EINVAL for another word. */
TASKQ_API taskq_status taskq_log_level_parse(const char *word, taskq_log_level *out, taskq_error *err);

TASKQ_END_DECLS

#endif
