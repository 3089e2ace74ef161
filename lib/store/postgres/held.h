/* SPDX-License-Identifier: MIT */
/* Who holds dead rows back from being cleared away. */
#ifndef TASKQ_STORE_POSTGRES_HELD_H
#define TASKQ_STORE_POSTGRES_HELD_H

#include <taskq/status.h>
#include <taskq/sys/arena.h>

#include <stdbool.h>

enum { TASKQ__PG_MARKS = 8 };

/* The leader's alone. */
typedef struct taskq__pg_held {
    int64_t every_ms, old_ms; /* between two looks; what has been held for less is not told */
    int64_t look_at_ms, tell_at_ms;
    struct {
        int64_t at_ms, next_xid; /* which transaction would then have been the next */
    } marks[TASKQ__PG_MARKS];    /* the oldest first */
    uint32_t mark_count;
    int64_t xid, since_ms; /* what was held at the last look; 0: nothing */
} taskq__pg_held;

struct taskq__pg;
void taskq__pg_held_init(taskq__pg_held *held);
/* Look, tell the log and keep the figures; a round trip. */
taskq_status taskq__pg_held_look(struct taskq__pg *pg, taskq_arena *arena, taskq_error *err);

#endif
