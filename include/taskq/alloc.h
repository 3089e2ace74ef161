/* SPDX-License-Identifier: MIT */
/*
 * Where the memory of an object comes from: the host's allocator in place of the C library's.
 *
 * Each object takes one in its options and gets everything that it allocates from it, and what it hands out too (lists of
 * jobs, replies), which carry it on when the object is closed: the allocator has to live until the last of them is freed.
 * Threads: `resize` is called from any thread that uses the object, several at once, and from the threads that the object
 * makes; it must not call into that object.
 * Failures: NULL makes the call that needed the memory fail with ENOMEM; nothing was changed and the object stays usable.
 * Not covered are the libraries beneath: SQLite (SQLITE_CONFIG_MALLOC), libcurl (curl_global_init_mem), OpenSSL
 * (CRYPTO_set_mem_functions), cJSON (cJSON_InitHooks), civetweb and libpq (malloc), and what the C library takes for itself (threads,
 * names of hosts). Their hooks belong to the process, so they are the host's to set, before the first object is opened.
 */
#ifndef TASKQ_ALLOC_H
#define TASKQ_ALLOC_H

#include <stddef.h>

#include <taskq/export.h>

TASKQ_BEGIN_DECLS

/** As realloc(): `old` NULL allocates, `size` 0 (never with `old` NULL) frees and its result is not looked at. What comes back is aligned for
 * any type; its bytes may be anything. All zero (`resize` NULL): the C library's. */
typedef struct taskq_allocator {
    void *(*resize)(void *user, void *old, size_t size); /**< called from any thread */
    void *user;                                          /**< handed to it */
} taskq_allocator;
#define TASKQ_ALLOCATOR_INIT \
    {                        \
        NULL, NULL           \
    }

TASKQ_END_DECLS

#endif
