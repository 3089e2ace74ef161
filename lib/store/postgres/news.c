/* SPDX-License-Identifier: MIT */
/*
 * What was heard from other servers, on its way from the thread that hears it to the leader: a claim's range may begin before
 * the place where this store believes it to begin.
 */
#include "store/postgres/news.h"

#include <string.h>

void taskq__pg_news_init(taskq__pg_news *news)
{
    memset(news, 0, sizeof(*news));
    pthread_mutex_init(&news->lock, NULL);
}

void taskq__pg_news_clear(taskq__pg_news *news)
{
    pthread_mutex_destroy(&news->lock);
}

static bool name_is(const taskq__pg_name *name, taskq_text text)
{
    return name->size == text.size && (text.size == 0 || memcmp(name->bytes, text.data, text.size) == 0);
}

static bool name_set(taskq__pg_name *name, taskq_text text)
{
    if (text.size > sizeof(name->bytes)) {
        return false;
    }
    name->size = text.size;
    if (text.size > 0) {
        memcpy(name->bytes, text.data, text.size);
    }
    return true;
}

void taskq__pg_news_add(taskq__pg_news *news, const taskq_ready *ready)
{
    pthread_mutex_lock(&news->lock);
    bool there = news->any;
    for (uint32_t i = 0; i < news->count && !there; i++) {
        there = name_is(&news->pairs[i].queue, ready->queue) && name_is(&news->pairs[i].type, ready->type);
    }
    if (!there) {
        if (ready->queue.size == 0 || news->count == TASKQ__PG_NEWS_PAIRS ||
            !name_set(&news->pairs[news->count].queue, ready->queue) ||
            !name_set(&news->pairs[news->count].type, ready->type)) {
            news->any = true;
        } else {
            news->count++;
        }
    }
    atomic_store(&news->waiting, true);
    pthread_mutex_unlock(&news->lock);
}

bool taskq__pg_news_take(taskq__pg_news *news, taskq__pg_news_list *out)
{
    if (!atomic_load(&news->waiting)) {
        return false;
    }
    pthread_mutex_lock(&news->lock);
    out->any = news->any;
    out->count = news->count;
    memcpy(out->pairs, news->pairs, news->count * sizeof(news->pairs[0]));
    news->any = false;
    news->count = 0;
    atomic_store(&news->waiting, false);
    pthread_mutex_unlock(&news->lock);
    return true;
}
