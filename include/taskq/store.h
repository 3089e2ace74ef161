/* SPDX-License-Identifier: MIT */
/*
 * A store: where jobs live. Opened by the header of its kind (<taskq/sqlite.h>), handed to a scheduler, which borrows it.
 *
 * Order: open the store, open the scheduler on it; close the scheduler, close the store. One scheduler a store.
 * Threads: opening and closing by one thread while nobody else uses it; taskq_store_backup from any thread, beside a scheduler at work.
 * Fork: it belongs to the process that opened it. In a child every call gives EINVAL (or does nothing), and closing it there leaves all
 * of it to the parent; its memory stays. A store is opened after the fork, or by
 * another program: a child whose parent had the file open cannot open it (EBUSY).
 */
#ifndef TASKQ_STORE_H
#define TASKQ_STORE_H

#include <taskq/export.h>
#include <taskq/status.h>

TASKQ_BEGIN_DECLS

/** Where jobs live. */
typedef struct taskq_store taskq_store;

/** Called now and then during long work, with how much is done of how much (0 where it is not known). Return false to stop it. */
typedef bool taskq_progress_fn(void *user, uint64_t done, uint64_t total);

/** Close it; NULL is fine. What was acknowledged stays; nothing is written back that was not. */
TASKQ_API void taskq_store_close(taskq_store *store);

/** The kind, such as "sqlite". Never NULL. */
TASKQ_API const char *taskq_store_name(const taskq_store *store);

/** A consistent copy of the store as it is now, while it is in use. `progress` may be NULL.
 * EEXISTS: there is such a file already; EINVAL: this kind has none; ECANCELED: progress said stop; ESTORE, EUNAVAIL: could not
 * be written. Nothing is left at `path` on failure. */
TASKQ_API taskq_status taskq_store_backup(taskq_store *store, const char *path, taskq_progress_fn *progress, void *user,
                                          taskq_error *err);

/** Move everything that `from` holds into `to`, which is empty or holds what an earlier move of the same store, cut short, has brought: it
 * goes on from there. Ids, versions, leases, attempts, logs and idempotency keys stay what they are; `from` is only read. Neither may be in
 * use by a scheduler meanwhile. Memory is bounded, whatever the size. `progress` (may be NULL): jobs done, of how many.
 * EINVAL: one of the kinds cannot do that; EEXISTS: `to` holds something else; ECANCELED: progress said stop; else what the stores say. */
TASKQ_API taskq_status taskq_store_move(taskq_store *from, taskq_store *to, taskq_progress_fn *progress, void *user,
                                        taskq_error *err);

/** What a store has to tell about itself, for statistics: a number and its name, of a-z and _. */
typedef struct taskq_figure {
    const char *name; /**< lives as long as the store */
    int64_t value;    /**< what it is now */
} taskq_figure;
#define TASKQ_FIGURES_MAX 32 /**< that a store may give at once */

TASKQ_END_DECLS

#endif
