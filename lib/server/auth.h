/* SPDX-License-Identifier: MIT */
/*
 * Who asks, and what they may. Without tokens everybody who reaches the API is an admin, and the rules that keep web pages out hold;
 * with them every route but the open ones wants one of the right role.
 */
#ifndef TASKQ_SERVER_AUTH_H
#define TASKQ_SERVER_AUTH_H

#include "server/front.h"
#include "server/throttle.h"
#include "server/tokens.h"

typedef struct taskq__identity {
    taskq_text name; /* of the token; "open" where there are none, or the certificate's */
    taskq_role role;
    const taskq_text *queues;
    uint32_t queue_count; /* 0: all */
} taskq__identity;

typedef struct taskq__auth {
    const taskq_allocator *allocator;
    const char *path; /* of the tokens; NULL: there are none, the API is open */
    bool any_host;    /* open, and answering for names that are not local */
    pthread_rwlock_t lock;
    taskq_tokens *tokens;     /* guarded by lock */
    _Atomic uint64_t reloads; /* grows with every set of tokens */
    taskq__throttle throttle;
} taskq__auth;

/* `path` is copied. What taskq_tokens_read gives. */
taskq_status taskq__auth_open(taskq__auth *auth, const taskq_allocator *a, const char *path, uint64_t seed,
                              taskq_error *err);
void taskq__auth_close(taskq__auth *auth);
/* The file again; a failure leaves the tokens as they are. */
taskq_status taskq__auth_reload(taskq__auth *auth, taskq_error *err);

#endif
