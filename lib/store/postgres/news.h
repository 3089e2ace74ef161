/* SPDX-License-Identifier: MIT */
/* Which queues and types other servers have made something ready in, since the leader asked last. Threads: any adds, the leader
 * takes. */
#ifndef TASKQ_STORE_POSTGRES_NEWS_H
#define TASKQ_STORE_POSTGRES_NEWS_H

#include <taskq/sys/store.h>

#include <pthread.h>
#include <stdatomic.h>

enum { TASKQ__PG_NEWS_PAIRS = 64 }; /* more: any */

typedef struct taskq__pg_name {
    size_t size;
    char bytes[TASKQ_NAME_BYTES_MAX];
} taskq__pg_name;

typedef struct taskq__pg_news_pair {
    taskq__pg_name queue, type; /* type of size 0: any */
} taskq__pg_news_pair;

typedef struct taskq__pg_news {
    pthread_mutex_t lock;
    atomic_bool waiting;
    bool any; /* guarded by lock, as are the rest */
    uint32_t count;
    taskq__pg_news_pair pairs[TASKQ__PG_NEWS_PAIRS];
} taskq__pg_news;

typedef struct taskq__pg_news_list {
    bool any; /* something somewhere, beside the pairs */
    uint32_t count;
    taskq__pg_news_pair pairs[TASKQ__PG_NEWS_PAIRS];
} taskq__pg_news_list;

void taskq__pg_news_init(taskq__pg_news *news);
void taskq__pg_news_clear(taskq__pg_news *news);
void taskq__pg_news_add(taskq__pg_news *news, const taskq_ready *ready);
/* false, at the cost of one atomic load: there are none. */
bool taskq__pg_news_take(taskq__pg_news *news, taskq__pg_news_list *out);

#endif
