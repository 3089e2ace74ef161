/* SPDX-License-Identifier: MIT */
/*
 * The threads that handlers run on. They are made as work comes, because a worker that is told concurrency 100 and gets two jobs a day
 * should not keep a hundred stacks; they take tasks, hand them back and ring the worker's descriptor, and know nothing else.
 * All signals are blocked in them: a host's signals are for the host's threads.
 */
#include "worker/core.h"

#include "core/alloc.h"
#include "core/fail.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

taskq_status taskq__pool_init(taskq__pool *pool, const taskq_allocator *a, uint32_t max, int wake_fd, taskq_error *err)
{
    *pool = (taskq__pool){.allocator = a, .max = max, .wake_fd = wake_fd};
    pool->threads = taskq__alloc_array(a, max, sizeof(*pool->threads));
    if (pool->threads == NULL) {
        return taskq__fail_memory(err);
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    return TASKQ_OK;
}

/* With the lock held. The next task, waited for; NULL: the pool ends. */
static taskq__task *take(taskq__pool *pool)
{
    pool->idle++;
    while (pool->first == NULL && !pool->ending) {
        pthread_cond_wait(&pool->work, &pool->lock);
    }
    pool->idle--;
    taskq__task *task = pool->ending ? NULL : pool->first;
    if (task != NULL) {
        pool->first = task->pool_next;
        pool->last = pool->first == NULL ? NULL : pool->last;
        pool->queued--;
    }
    return task;
}

/* With the lock held. */
static void hand_back(taskq__pool *pool, taskq__task *task)
{
    uint64_t one = 1;
    task->pool_next = pool->ended;
    pool->ended = task;
    while (write(pool->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR) {}
}

void taskq__pool_hand_back(taskq__pool *pool, taskq__task *task)
{
    pthread_mutex_lock(&pool->lock);
    hand_back(pool, task);
    pthread_mutex_unlock(&pool->lock);
}

static void *work(void *user)
{
    taskq__pool *pool = user;
    taskq__task *task;
    pthread_mutex_lock(&pool->lock);
    while ((task = take(pool)) != NULL) {
        pthread_mutex_unlock(&pool->lock);
        task->returned = task->handler->fn(task->run, task->handler->user);
        pthread_mutex_lock(&pool->lock);
        hand_back(pool, task);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

bool taskq__thread_make(pthread_t *thread, void *(*body)(void *), void *user)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool made = pthread_create(thread, NULL, body, user) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return made;
}

/* With the lock held. */
static bool add_thread(taskq__pool *pool)
{
    bool made = taskq__thread_make(&pool->threads[pool->count], work, pool);
    pool->count += made ? 1 : 0;
    return made;
}

taskq_status taskq__pool_submit(taskq__pool *pool, taskq__task *task, taskq_error *err)
{
    taskq_status status = TASKQ_OK;
    pthread_mutex_lock(&pool->lock);
    if (pool->queued >= pool->idle && pool->count < pool->max && !add_thread(pool) && pool->count == 0) {
        status = taskq__fail(err, TASKQ_EUNAVAIL, "no thread can be made for the handlers");
    } else {
        task->pool_next = NULL;
        if (pool->last == NULL) {
            pool->first = task;
        } else {
            pool->last->pool_next = task;
        }
        pool->last = task;
        pool->queued++;
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    return status;
}

taskq__task *taskq__pool_ended(taskq__pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    taskq__task *newest = pool->ended, *oldest = NULL;
    pool->ended = NULL;
    pthread_mutex_unlock(&pool->lock);
    while (newest != NULL) {
        taskq__task *next = newest->pool_next;
        newest->pool_next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

void taskq__pool_join(taskq__pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->work);
    uint32_t count = pool->count;
    pool->count = 0;
    pthread_mutex_unlock(&pool->lock);
    for (uint32_t i = 0; i < count; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    /* What no thread has begun is handed back as stopped. */
    while (pool->first != NULL) {
        taskq__task *task = pool->first;
        pool->first = task->pool_next;
        task->returned = TASKQ_ECANCELED;
        task->pool_next = pool->ended;
        pool->ended = task;
    }
    pool->last = NULL;
    pool->queued = 0;
}

void taskq__pool_clear(taskq__pool *pool)
{
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    taskq__free(pool->allocator, pool->threads);
}
