/* SPDX-License-Identifier: MIT */
/* The store as the scheduler sees it: every call of the ops table behind a check of its arguments and of what came back. */
#ifndef TASKQ_STORE_STORE_H
#define TASKQ_STORE_STORE_H

#include <taskq/store.h>
#include <taskq/sys/store.h>

/* What the scheduler must know before it plans a batch: TASKQ_STORE_OWN_CLOCK, TASKQ_STORE_SHARED. */
uint32_t taskq__store_flags(const taskq_store *store);

/* One thread at a time: commit, upkeep. The statuses are those of sys/store.h. */
taskq_status taskq__store_commit(taskq_store *store, taskq_batch *batch, taskq_error *err);
taskq_status taskq__store_upkeep(taskq_store *store, bool idle, taskq_error *err); /* OK where the store has none */

/* Any thread. */
taskq_status taskq__store_get(taskq_store *store, int64_t id, uint32_t parts, taskq_now now, taskq_arena *arena,
                              taskq_job **out, taskq_error *err);
taskq_status taskq__store_list(taskq_store *store, const taskq_filter *filter, taskq_now now, taskq_arena *arena,
                               taskq_page *out, taskq_error *err);
taskq_status taskq__store_counts(taskq_store *store, const taskq_text *queue, taskq_now now, taskq_arena *arena,
                                 taskq_counts *out, taskq_error *err);
taskq_status taskq__store_next_due(taskq_store *store, taskq_now *out, taskq_error *err);
taskq_status taskq__store_ping(taskq_store *store, taskq_error *err);

/* Other servers' news; -1, OK with nothing, and OK where the store has none. */
int taskq__store_wake_fd(taskq_store *store);
taskq_status taskq__store_wake_read(taskq_store *store, taskq_ready *out, uint32_t max, uint32_t *out_count,
                                    taskq_error *err);
taskq_status taskq__store_announce(taskq_store *store, const taskq_ready *ready, uint32_t count, taskq_error *err);

#endif
