/* SPDX-License-Identifier: MIT */
/* How often the beginning of a range may be looked at: claims have one such pace, each kind of the sweeps' walks has one. The leader's
 * alone. Times are this machine's, where nothing else is said. */
#ifndef TASKQ_STORE_POSTGRES_PACE_H
#define TASKQ_STORE_POSTGRES_PACE_H

#include "store/postgres/pg.h"

typedef struct taskq__pg_unit taskq__pg_unit;

enum {
    TASKQ__PG_PACE_EVERY_MS = 1000,
    TASKQ__PG_PACE_SHARE = 20,             /* looks take at most that part of the time */
    TASKQ__PG_PACE_PAUSE_MS_MAX = 3600000, /* after one that failed; what is the share's stays */
    TASKQ__PG_PACE_BEHIND_MS = 30000       /* a floor that is an instant stays so far behind the database's clock */
};

typedef struct taskq__pg_pace {
    int64_t next_ms;            /* none before */
    int64_t took_ms;            /* the last one */
    int64_t pause_ms;           /* after the last one, which failed; 0: it did not */
    int64_t asked_ms, began_ms; /* the one at hand: asked for; begun, by the database's clock */
    bool under_way;
} taskq__pg_pace;

bool taskq__pg_pace_allows(const taskq__pg_pace *pace, int64_t now_ms);
/* `told`: something may be there that was not when it was last looked. */
bool taskq__pg_pace_is_due(const taskq__pg_pace *pace, int64_t now_ms, int64_t looked_at_ms, bool told);
void taskq__pg_pace_ends(taskq__pg_pace *pace, int64_t now_ms, int64_t took_ms);
void taskq__pg_pace_fails(taskq__pg_pace *pace, int64_t now_ms, int64_t took_ms);

/* Around the statements that look: the database's clock says what they take, without what else a batch waits for. */
taskq_status taskq__pg_pace_ask_begin(taskq__pg_unit *unit, taskq__pg_pace *pace, taskq_error *err);
taskq_status taskq__pg_pace_ask_end(taskq__pg_unit *unit, taskq__pg_pace *pace, taskq_error *err);
/* The round trip was refused. true: in the midst of a look, since it took too long. */
bool taskq__pg_pace_failed(const taskq__pg_unit *unit, taskq__pg_pace *pace);

#endif
