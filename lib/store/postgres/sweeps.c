/* SPDX-License-Identifier: MIT */
/*
 * A walk of many steps goes on where its last step ended, and the next one begins where that ended: dead entries before it, which a
 * held snapshot keeps there, are walked once. What comes to lie before a floor later (a transaction that took long, a job that
 * others had locked) is found by the next look at the beginning, which the pace allows.
 */
#include "store/postgres/sweeps.h"

void taskq__pg_sweeps_init(taskq__pg_sweeps *sweeps)
{
    for (int i = 0; i < TASKQ__PG_SWEEP_COUNT; i++) {
        atomic_init(&sweeps->at_ms[i], INT64_MIN);
    }
}

void taskq__pg_sweeps_doubt(taskq__pg_sweeps *sweeps)
{
    for (int i = 0; i <= TASKQ_WALK_KEYS; i++) {
        sweeps->kinds[i].told = true;
    }
}

bool taskq__pg_steps_look(const taskq__pg_steps *steps, int64_t now_ms)
{
    /* What was left behind a moment ago is no reason to turn back in the midst of it. */
    return steps->looked_at_ms == 0 ||
           taskq__pg_pace_is_due(&steps->pace, now_ms, steps->looked_at_ms, steps->told && !steps->going);
}

void taskq__pg_steps_went(taskq__pg_steps *steps, bool looked, bool more, bool left, int64_t began_ms, int64_t now_ms)
{
    if (looked) {
        steps->looked_at_ms = now_ms;
        steps->told = false;
    }
    if (looked || !steps->going) {
        steps->began_ms = began_ms;
    }
    steps->going = more;
    steps->told = steps->told || left;
}

int64_t taskq__pg_steps_end(const taskq__pg_steps *steps, int64_t until_ms)
{
    int64_t end_ms = steps->began_ms - TASKQ__PG_PACE_BEHIND_MS;
    return end_ms < until_ms ? end_ms : until_ms;
}
