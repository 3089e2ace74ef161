/* SPDX-License-Identifier: MIT */
/*
 * Reads have connections of their own, so that a page of a list never waits for a commit nor a commit for it. They are few,
 * because each is a process of the server's; a reader more waits for another one to finish, as long as it would for an
 * answer. Connections are made when they are first needed, and made again when they are lost. Whether the database is well is asked
 * on one that is for that alone: a server whose lists take long is not one without its database.
 */
#include "store/postgres/pg.h"

#include "core/alloc.h"
#include "core/fail.h"

#include <errno.h>
#include <time.h>

struct taskq__pg_pool {
    taskq_allocator allocator;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    taskq__pg_session **idle; /* guarded by lock: a stack of those that nobody uses, the one used last on top */
    uint32_t count, idle_count;
};

taskq_status taskq__pg_pool_make(taskq__pg *pg, const char *role, uint32_t count, taskq__pg_pool **out, taskq_error *err)
{
    taskq__pg_pool *pool = taskq__alloc(&pg->allocator, sizeof(*pool));
    if (pool == NULL) {
        return taskq__fail_memory(err);
    }
    pthread_condattr_t monotonic;
    pool->allocator = pg->allocator;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->freed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pool->idle = taskq__alloc_array(&pool->allocator, count, sizeof(taskq__pg_session *));
    taskq_status status = pool->idle == NULL ? taskq__fail_memory(err) : TASKQ_OK;
    const taskq__pg_session_options options = {.conninfo = pg->conninfo,
                                               .schema = pg->schema,
                                               .role = role,
                                               .pooled = pg->pooled,
                                               .log = &pg->log,
                                               .lost = &pg->lost,
                                               .allocator = &pg->allocator};
    for (; status == TASKQ_OK && pool->count < count; pool->count += status == TASKQ_OK) {
        status = taskq__pg_session_make(&options, &pool->idle[pool->count], err);
    }
    pool->idle_count = pool->count;
    if (status != TASKQ_OK) {
        taskq__pg_pool_free(pool);
        return status;
    }
    *out = pool;
    return TASKQ_OK;
}

void taskq__pg_pool_free(taskq__pg_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    for (uint32_t i = 0; i < pool->idle_count; i++) {
        taskq__pg_session_free(pool->idle[i]);
    }
    pthread_cond_destroy(&pool->freed);
    pthread_mutex_destroy(&pool->lock);
    taskq_allocator allocator = pool->allocator;
    taskq__free(&allocator, pool->idle);
    taskq__free(&allocator, pool);
}

static taskq_status take(taskq__pg_pool *pool, taskq__pg_session **out, taskq_error *err)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += TASKQ__PG_ANSWER_MS / 1000;
    int rc = 0;
    pthread_mutex_lock(&pool->lock);
    while (pool->idle_count == 0 && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&pool->freed, &pool->lock, &until);
    }
    if (pool->idle_count > 0) {
        *out = pool->idle[--pool->idle_count];
        rc = 0;
    }
    pthread_mutex_unlock(&pool->lock);
    return rc == 0 ? TASKQ_OK : taskq__fail(err, TASKQ_EUNAVAIL, "all %u connections for reads are in use", pool->count);
}

static void put_back(taskq__pg_pool *pool, taskq__pg_session *session)
{
    pthread_mutex_lock(&pool->lock);
    pool->idle[pool->idle_count++] = session;
    pthread_cond_signal(&pool->freed);
    pthread_mutex_unlock(&pool->lock);
}

taskq_status taskq__pg_read_of(taskq__pg_pool *pool, taskq__pg_read_fn *read, void *user, taskq_error *err)
{
    taskq__pg_session *session = NULL;
    taskq_status status = take(pool, &session, err);
    if (status != TASKQ_OK) {
        return status;
    }
    bool was_open = taskq__pg_session_is_open(session);
    status = taskq__pg_session_ready(session, err);
    if (status == TASKQ_OK) {
        status = read(session, user, err);
    }
    /* A connection of before may have been lost while nobody looked; reading twice does no harm. */
    if (status == TASKQ_EUNAVAIL && was_open && !taskq__pg_session_is_open(session) &&
        taskq__pg_session_ready(session, err) == TASKQ_OK) {
        status = read(session, user, err);
    }
    taskq__pg_session_rollback(session);
    put_back(pool, session);
    return status;
}

taskq_status taskq__pg_read(taskq__pg *pg, taskq__pg_read_fn *read, void *user, taskq_error *err)
{
    return taskq__pg_read_of(pg->readers, read, user, err);
}
