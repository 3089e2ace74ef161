/* SPDX-License-Identifier: MIT */
/* The tokens of a file in memory: read from its text, written back, looked up. Immutable once read; any number of threads may look. */
#ifndef TASKQ_SERVER_TOKENS_H
#define TASKQ_SERVER_TOKENS_H

#include "core/buf.h"
#include "server/secret.h"

struct taskq_arena;

typedef struct taskq__token_entry {
    taskq_token token;
    taskq__secret_hash hash;
} taskq__token_entry;

struct taskq_tokens {
    taskq_allocator allocator;
    struct taskq_arena *arena;
    taskq__token_entry *entries;
    uint32_t count, capacity;
};

/* ESYNTAX names the line at fault. */
taskq_status taskq__tokens_parse(const taskq_allocator *a, taskq_text text, taskq_tokens **out, taskq_error *err);
taskq_status taskq__tokens_new(const taskq_allocator *a, taskq_tokens **out, taskq_error *err);
/* Copies; EEXISTS is the caller's to find. ELIMIT, ENOMEM. */
taskq_status taskq__tokens_add(taskq_tokens *tokens, const taskq__token_entry *entry, taskq_error *err);
/* A line a token. */
void taskq__tokens_write(const taskq_tokens *tokens, taskq__buf *out);

/* The one with this secret that is valid now, or NULL. Looks at every entry, whichever it is. */
const taskq_token *taskq__tokens_by_hash(const taskq_tokens *tokens, const taskq__secret_hash *hash, int64_t now_ms);
/* One of this name that is valid now, or NULL. */
const taskq_token *taskq__tokens_by_name(const taskq_tokens *tokens, taskq_text name, int64_t now_ms);

/* EINVAL: a name, role or queue that is none. */
taskq_status taskq__token_check(const taskq_token *token, taskq_error *err);

#endif
