/* SPDX-License-Identifier: MIT */
/*
 * One store becomes another one: whoever began with SQLite and has outgrown it takes everything along. The stores know how
 * to give and take pieces; here is only the order, and that a move that was cut short goes on where it stopped.
 */
#include "store/ops.h"

#include "core/arena.h"
#include "core/fail.h"

typedef struct moving {
    taskq_store *from, *to;
    taskq_arena *arena, *key_arena; /* of the page at hand; of the key after which the next one begins */
    taskq_stored_whole whole;
    taskq_progress_fn *progress;
    void *user;
    uint64_t done; /* jobs */
} moving;

static taskq_status tell(moving *m, taskq_error *err)
{
    return m->progress == NULL || m->progress(m->user, m->done, (uint64_t)m->whole.jobs)
               ? TASKQ_OK
               : taskq__fail(err, TASKQ_ECANCELED, "stopped; the same call goes on from here");
}

/* Pages of one stage until there is none. */
static taskq_status move_stage(moving *m, taskq_stage stage, int64_t after_id, taskq_error *err)
{
    taskq_text after_key = {NULL, 0};
    for (;;) {
        taskq_stored_page page = {.stage = stage};
        taskq__arena_reset(m->arena);
        taskq_status status = m->from->ops->export_page(m->from->self, stage, after_id, after_key, m->arena, &page, err);
        if (status != TASKQ_OK || page.count == 0) {
            return status;
        }
        status = m->to->ops->import_page(m->to->self, &page, err);
        if (status != TASKQ_OK) {
            return status;
        }
        if (stage == TASKQ_STAGE_QUEUES) {
            return TASKQ_OK; /* all of them are one page */
        }
        if (stage == TASKQ_STAGE_JOBS) {
            after_id = page.jobs[page.count - 1].job.id;
            m->done += page.count;
        } else {
            taskq__arena_reset(m->key_arena);
            taskq_text last = page.keys[page.count - 1].key;
            if (!taskq_arena_copy(m->key_arena, last.data, last.size, &after_key)) {
                return taskq__fail_memory(err);
            }
        }
        status = tell(m, err);
        if (status != TASKQ_OK) {
            return status;
        }
    }
}

static taskq_status move_all(moving *m, taskq_error *err)
{
    taskq_stage stage = TASKQ_STAGE_QUEUES;
    int64_t after_id = 0;
    taskq_status status = m->from->ops->export_whole(m->from->self, &m->whole, err);
    if (status == TASKQ_OK) {
        status = m->to->ops->import_begin(m->to->self, &m->whole, &stage, &after_id, &m->done, err);
    }
    status = status == TASKQ_OK ? tell(m, err) : status;
    for (; status == TASKQ_OK && stage < TASKQ_STAGE_DONE; stage++) {
        status = move_stage(m, stage, stage == TASKQ_STAGE_JOBS ? after_id : 0, err);
        if (status == TASKQ_OK) {
            status = m->to->ops->import_stage(m->to->self, stage + 1, err);
        }
    }
    return status;
}

taskq_status taskq_store_move(taskq_store *from, taskq_store *to, taskq_progress_fn *progress, void *user,
                              taskq_error *err)
{
    if (from == NULL || to == NULL || from == to) {
        return taskq__fail(err, TASKQ_EINVAL, "a move needs two stores");
    }
    if (!TASKQ__HAS(from->ops, export_whole) || !TASKQ__HAS(from->ops, export_page)) {
        return taskq__fail(err, TASKQ_EINVAL, "the store %s cannot be moved from", from->ops->name);
    }
    if (!TASKQ__HAS(to->ops, import_begin) || !TASKQ__HAS(to->ops, import_page) || !TASKQ__HAS(to->ops, import_stage)) {
        return taskq__fail(err, TASKQ_EINVAL, "the store %s cannot be moved into", to->ops->name);
    }
    moving m = {.from = from, .to = to, .progress = progress, .user = user};
    m.arena = taskq__arena_new(&from->allocator, 0);
    m.key_arena = taskq__arena_new(&from->allocator, 0);
    taskq_status status = m.arena == NULL || m.key_arena == NULL ? taskq__fail_memory(err) : move_all(&m, err);
    taskq__arena_free(m.arena);
    taskq__arena_free(m.key_arena);
    return status;
}
