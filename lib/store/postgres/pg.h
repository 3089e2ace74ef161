/* SPDX-License-Identifier: MIT */
/* The PostgreSQL store's object: one session that commits (the line's leader has it alone), a pool of sessions for reads, one
 * for notifications. Each makes its own connection again when it is lost. */
#ifndef TASKQ_STORE_POSTGRES_PG_H
#define TASKQ_STORE_POSTGRES_PG_H

#include <taskq/postgres.h>
#include <taskq/sys/store.h>

#include <pthread.h>
#include <stdatomic.h>

#include "store/postgres/held.h"
#include "store/postgres/news.h"
#include "store/postgres/schema.h"
#include "store/postgres/session.h"

typedef struct taskq__pg_floors taskq__pg_floors;     /* claims: where each ready range begins, see floors.h */
typedef struct taskq__pg_notifier taskq__pg_notifier; /* notify.c */
typedef struct taskq__pg_pool taskq__pg_pool;         /* pool.c */

/* upkeep.c: where it goes on. */
typedef struct taskq__pg_tidied {
    char fold_queue[TASKQ_NAME_BYTES_MAX]; /* the pair at which the next look at the counters begins */
    size_t fold_queue_size;
    int64_t fold_state;
    int64_t batches_below;     /* of our own: none is left of those */
    int64_t others_batches_ms; /* when other servers' were looked for; 0: never yet */
} taskq__pg_tidied;

typedef struct taskq__pg {
    taskq_allocator allocator;
    taskq_log log;
    char *conninfo;
    char schema[TASKQ__PG_SCHEMA_BYTES_MAX + 1];
    bool pooled;
    bool half_imported; /* an import into it was cut short: nothing is to be done with it but to go on with that */

    int64_t server; /* drawn at open: names this store's batches in the database */
    /* the leader's alone: commit, upkeep, close */
    taskq__pg_session *committer;
    int64_t batch_number;
    uint64_t proved; /* the generation of the committer's connection on which a COMMIT was answered; 0: none */
    taskq__pg_floors *floors;
    int64_t tidy_at_ms; /* upkeep.c: not before */
    taskq__pg_tidied tidied;
    taskq__pg_held held;

    taskq__pg_pool *readers, *pinger; /* pinger: of one */
    taskq__pg_notifier *notifier;     /* NULL where pooled */
    taskq__pg_news news;              /* from the notifier to the leader */

    /* figures */
    atomic_uint_fast64_t lost;          /* connections */
    atomic_uint_fast64_t settled_later; /* batches whose commit had no answer, and what became of them was found out */
    atomic_int_fast64_t held_ms, dead_rows;

    /* for ping */
    atomic_int_fast64_t commit_since_ms; /* 0: no batch is under way */
    atomic_int_fast64_t unsettled; /* the batch whose COMMIT has no answer yet, though nobody waits any more; 0: none */
} taskq__pg;

/* ---- pool.c: a session for one read. Waits for other readers, never for the one that commits. `read` may be called twice, the second time
 * on a new connection: it begins from the start then. Transactions that it leaves open are rolled back. */
typedef taskq_status taskq__pg_read_fn(taskq__pg_session *session, void *user, taskq_error *err);
taskq_status taskq__pg_pool_make(taskq__pg *pg, const char *role, uint32_t count, taskq__pg_pool **out,
                                 taskq_error *err);
void taskq__pg_pool_free(taskq__pg_pool *pool);                                                    /* NULL is fine */
taskq_status taskq__pg_read(taskq__pg *pg, taskq__pg_read_fn *read, void *user, taskq_error *err); /* by a reader */
taskq_status taskq__pg_read_of(taskq__pg_pool *pool, taskq__pg_read_fn *read, void *user, taskq_error *err);

/* ---- the slots of the ops table, each in the file of its name */
taskq_status taskq__pg_commit(void *self, taskq_batch *batch, taskq_error *err);
taskq_status taskq__pg_get(void *self, int64_t id, uint32_t parts, taskq_now now, taskq_arena *arena, taskq_job **out,
                           taskq_error *err);
taskq_status taskq__pg_list(void *self, const taskq_filter *filter, taskq_now now, taskq_arena *arena, taskq_page *out,
                            taskq_error *err);
taskq_status taskq__pg_counts(void *self, const taskq_text *queue, taskq_now now, taskq_arena *arena, taskq_counts *out,
                              taskq_error *err);
taskq_status taskq__pg_next_due(void *self, int64_t within_ms, taskq_now *out, taskq_error *err);
taskq_status taskq__pg_ping(void *self, taskq_error *err);
taskq_status taskq__pg_upkeep(void *self, bool idle, taskq_error *err);
int taskq__pg_wake_fd(void *self);
taskq_status taskq__pg_wake_read(void *self, taskq_ready *out, uint32_t max, uint32_t *out_count, taskq_error *err);
taskq_status taskq__pg_announce(void *self, const taskq_ready *ready, uint32_t count, taskq_error *err);
uint32_t taskq__pg_figures(void *self, taskq_figure *out, uint32_t max);
/* At the opening: is it half imported? And what is then said of it, ESTORE. */
taskq_status taskq__pg_import_look(taskq__pg_session *session, bool *half, taskq_error *err);
taskq_status taskq__pg_import_whole(bool half, const char *schema, taskq_error *err);
taskq_status taskq__pg_whole(const taskq__pg *pg, taskq_error *err); /* ESTORE: half imported */
taskq_status taskq__pg_import_begin(void *self, const taskq_stored_whole *whole, taskq_stage *stage, int64_t *after_id,
                                    uint64_t *done, taskq_error *err);
taskq_status taskq__pg_import_page(void *self, const taskq_stored_page *page, taskq_error *err);
taskq_status taskq__pg_import_stage(void *self, taskq_stage next, taskq_error *err);

#endif
