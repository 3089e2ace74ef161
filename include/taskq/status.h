/* SPDX-License-Identifier: MIT */
/*
 * How a call says what became of it.
 *
 * Every call that can fail returns a taskq_status and may fill a taskq_error that the caller owns: no allocation, no
 * thread-local state, nothing to free. A call that returns TASKQ_OK leaves the error alone; one that fails leaves its
 * outputs alone. A normal outcome, such as that no job was ready, is TASKQ_OK with a count of 0. Numbers are never reused.
 * Threads: everything here may be called from any thread.
 */
#ifndef TASKQ_STATUS_H
#define TASKQ_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <taskq/export.h>

TASKQ_BEGIN_DECLS

/** What became of a call. */
typedef enum taskq_status {
    TASKQ_OK = 0,          /**< it was done */
    TASKQ_EINVAL = -1,     /**< an argument or a field is out of its range; `field` names it where one is at fault */
    TASKQ_ENOMEM = -2,     /**< no memory; nothing was changed */
    TASKQ_ENOTFOUND = -3,  /**< no such job, queue or file */
    TASKQ_ECONFLICT = -4,  /**< the state of the job forbids it */
    TASKQ_ESTALE = -5,     /**< the version is not the current one: the lease is lost; nothing was changed */
    TASKQ_EEXISTS = -6,    /**< it is there already (the idempotency key was used with another body, the file exists) */
    TASKQ_ELIMIT = -7,     /**< a bound was reached: too many, too large, too deep */
    TASKQ_EBUSY = -8,      /**< somebody else holds it now; nothing was changed, try again */
    TASKQ_EUNAVAIL = -9,   /**< the store or the server is out of reach; nothing was changed, try again later */
    TASKQ_EUNKNOWN = -10,  /**< it may have happened: repeat it with the same key or version */
    TASKQ_ESTORE = -11,    /**< the store failed to write; it acknowledges nothing any more until it is opened anew */
    TASKQ_EDENIED = -12,   /**< not allowed */
    TASKQ_ETIMEDOUT = -13, /**< the time for it is over */
    TASKQ_ECANCELED = -14, /**< it was asked to stop */
    TASKQ_EPROTO = -15,    /**< the other side answered something that the protocol does not have */
    TASKQ_ESYNTAX = -16    /**< text that cannot be read at all: malformed JSON, an unreadable number */
} taskq_status;

/** Bounds of an error's texts. */
enum {
    TASKQ_ERROR_TEXT_MAX = 512, /**< bytes of the text, the closing NUL among them; longer texts are cut */
    TASKQ_ERROR_FIELD_MAX = 160 /**< bytes of the field's JSON pointer, the closing NUL among them */
};

/** Text for the operator. Plain data of fixed size: put it on the stack, set it up with TASKQ_ERROR_INIT. */
typedef struct taskq_error {
    taskq_status status;               /**< as it was returned */
    char text[TASKQ_ERROR_TEXT_MAX];   /**< one line, no line break at the end */
    char field[TASKQ_ERROR_FIELD_MAX]; /**< JSON pointer of the one field at fault ("/backoff/base_ms"), or "" */
} taskq_error;

#define TASKQ_ERROR_INIT \
    {                    \
        TASKQ_OK, "", "" \
    }

/** The status as a word, such as "stale"; "unknown" for a number that is none. Never NULL, never freed. */
TASKQ_API const char *taskq_status_name(taskq_status status);

/** Whether the same call may succeed a little later without anything being changed: EBUSY, EUNAVAIL, EUNKNOWN, ETIMEDOUT. */
TASKQ_API bool taskq_status_is_retryable(taskq_status status);

TASKQ_END_DECLS

#endif
