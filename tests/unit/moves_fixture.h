/* SPDX-License-Identifier: MIT */
/* What the tests of the state machine share: an instant, a job in each state, and a look at what was decided. */
#ifndef TASKQ_TESTS_UNIT_MOVES_FIXTURE_H
#define TASKQ_TESTS_UNIT_MOVES_FIXTURE_H

#include "support/check_main.h"

#include "core/job.h"
#include "core/text.h"

#include <string.h>

enum { WALL = 1000000, STEADY = 500000, EVENT_COUNT = TASKQ_EVENT_EXPIRE + 1 };
static const taskq_now now = {WALL, STEADY};
static const uint64_t middle = UINT64_C(1) << 63; /* the draw that a jitter does not move */

#define ERROR_REPORTED "{\"code\":\"boom\"}"

/* A job of that state on which every event that the state allows is legal now. */
static inline taskq_job job_in(taskq_state state)
{
    taskq_job job = {
        .id = 42,
        .version = state == 0 ? 0 : 5,
        .state = state,
        .attempt = 1,
        .max_attempts = 3,
        .run_at_ms = WALL - 10,
        .timeout_ms = 900000,
        .lease_ms = 60000,
        .backoff = {2000, 2.0, 3600000, 0.2},
        .created_at_ms = 100,
        .updated_at_ms = 200,
        .started_at_ms = 150,
        .worker = TASKQ_TEXT("w1"),
        .progress = TASKQ_TEXT("{\"percent\":5}"),
    };
    if (state == TASKQ_STATE_RUNNING) {
        job.lease_due_ms = STEADY; /* just over */
        job.timeout_due_ms = STEADY + 1000;
        job.lease_expires_at_ms = WALL;
    }
    if (taskq_state_is_terminal(state)) {
        job.finished_at_ms = 200;
    }
    return job;
}

static inline taskq_event event_of(taskq_event_kind kind)
{
    bool is_report = kind == TASKQ_EVENT_SUCCEED || kind == TASKQ_EVENT_FAIL || kind == TASKQ_EVENT_RELEASE;
    return (taskq_event){.kind = kind, .id = 42, .version = is_report ? 5 : 0, .delay_ms = -1, .random = middle};
}

static inline taskq_move decided(const taskq_job *before, const taskq_event *event)
{
    taskq_move move;
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_msg(taskq__job_decide(before, event, now, &move, &err) == TASKQ_OK, "refused: %s", err.text);
    return move;
}

static inline void check_refused(const taskq_job *before, const taskq_event *event, taskq_status status)
{
    taskq_move move, untouched;
    memset(&move, 0x5a, sizeof(move));
    memset(&untouched, 0x5a, sizeof(untouched));
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_int_eq(taskq__job_decide(before, event, now, &move, &err), status);
    ck_assert_int_eq(memcmp(&move, &untouched, sizeof(move)), 0);
    ck_assert_int_eq(err.status, status);
    ck_assert_str_ne(err.text, "");
    ck_assert_int_eq(taskq__job_decide(before, event, now, &move, NULL), status);
}

#endif
