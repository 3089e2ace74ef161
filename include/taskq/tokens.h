/* SPDX-License-Identifier: MIT */
/*
 * The file of tokens by which a server knows who asks: made, listed, rotated and revoked here, read by taskq_server_start.
 *
 * The file has one JSON object a line: name, role, queues, created and expires, the id, and the SHA-256 of the secret; the secret itself is
 * handed out once and kept nowhere. Only its owner may read or write it (mode 0600): a file that others can read, or that belongs to
 * somebody else than root and this process, is refused. Every change writes a new file beside it and puts that in its place in one step, so
 * a reader sees the old file or the new one; writers wait for each other.
 * A name has one entry, or several for a while after it was rotated: each with a secret and an id of its own.
 * `allocator` is where the memory of a call, and of what it hands out, comes from; NULL: the C library.
 * Threads: any. Failures leave the file as it was. Any call may give EINVAL (an argument), ESYNTAX (the file cannot be read, the line is
 * named), EDENIED (its mode or owner), EUNAVAIL (the system said no), ENOMEM.
 */
#ifndef TASKQ_TOKENS_H
#define TASKQ_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <taskq/alloc.h>
#include <taskq/export.h>
#include <taskq/status.h>

TASKQ_BEGIN_DECLS

/** What a token may do. viewer < producer < admin; a worker claims, reports, beats and releases, and nothing else. */
typedef enum taskq_role {
    TASKQ_ROLE_VIEWER = 1,   /**< reads */
    TASKQ_ROLE_PRODUCER = 2, /**< enqueues, cancels, retries */
    TASKQ_ROLE_WORKER = 3,   /**< claims and reports */
    TASKQ_ROLE_ADMIN = 4     /**< everything */
} taskq_role;

/** "viewer", "producer", "worker", "admin"; "unknown" for a number that is none. */
TASKQ_API const char *taskq_role_name(taskq_role role);
/** The role of that name. EINVAL: it is none. */
TASKQ_API taskq_status taskq_role_parse(const char *word, taskq_role *out, taskq_error *err);

/** Bounds of a token and its file. */
enum {
    TASKQ_TOKEN_SECRET_BYTES = 80, /**< room for a secret and its NUL: tq_w_, 64 digits, _, 8 digits of a checksum */
    TASKQ_TOKEN_QUEUES_MAX = 32,   /**< that one token may be bound to */
    TASKQ_TOKENS_MAX = 1024        /**< in one file */
};

/** An entry of the file. */
typedef struct taskq_token {
    size_t struct_size;
    const char *name;          /**< 1 to 128 of A-Z a-z 0-9 . _ : / - */
    taskq_role role;           /**< what it may do */
    const char *const *queues; /**< it reaches the jobs of these alone; none: of all */
    uint32_t queue_count;
    int64_t expires_at_ms; /**< Unix time; 0: never */
    /* out */
    int64_t created_at_ms; /**< Unix time */
    const char *id;        /**< of this secret; not secret itself */
} taskq_token;
#define TASKQ_TOKEN_INIT                                                  \
    {                                                                     \
        sizeof(taskq_token), NULL, TASKQ_ROLE_VIEWER, NULL, 0, 0, 0, NULL \
    }

/** Add a token; makes the file where it is not there. EEXISTS: the name is taken (revoke it first). The caller wipes `secret`. */
TASKQ_API taskq_status taskq_tokens_create(const char *path, const taskq_allocator *allocator, const taskq_token *token,
                                           char secret[TASKQ_TOKEN_SECRET_BYTES], taskq_error *err);

/** A new secret for the name, with the same role, queues and length of life. What it has had until now goes on for `overlap_ms`, so that
 * its users can change over one by one; 0: ends now. ENOTFOUND. */
TASKQ_API taskq_status taskq_tokens_rotate(const char *path, const taskq_allocator *allocator, const char *name,
                                           int64_t overlap_ms, char secret[TASKQ_TOKEN_SECRET_BYTES], taskq_error *err);

/** Take out every secret of the name; or, with `id`, that one alone. ENOTFOUND. `revoked` may be NULL. */
TASKQ_API taskq_status taskq_tokens_revoke(const char *path, const taskq_allocator *allocator, const char *name,
                                           const char *id, uint32_t *revoked, taskq_error *err);

/** All that is in a file. */
typedef struct taskq_tokens taskq_tokens;
/** Read a file. ENOTFOUND: there is none. */
TASKQ_API taskq_status taskq_tokens_read(const char *path, const taskq_allocator *allocator, taskq_tokens **out,
                                         taskq_error *err);
TASKQ_API uint32_t taskq_tokens_count(const taskq_tokens *tokens); /**< 0 for NULL */
TASKQ_API const taskq_token *taskq_tokens_at(const taskq_tokens *tokens,
                                             uint32_t index); /**< lives as long as they do */
TASKQ_API void taskq_tokens_free(taskq_tokens *tokens);       /**< NULL is fine */

TASKQ_END_DECLS

#endif
