/* SPDX-License-Identifier: MIT */
/* The parked claims by queue and type, against a list that is searched from its beginning. */
#include "support/check_main.h"

#include <string.h>

#include "core/rng.h"
#include "scheduler/waiters.h"

enum { CALLS = 64, QUEUES = 4, TYPES = 4, STEPS = 20000 };

static taskq__waiters waiters;
static taskq__call calls[CALLS];
static taskq__park_node nodes[CALLS][3];
static bool parked[CALLS];
static taskq__rng rng;

static void setup(void)
{
    ck_assert_int_eq(taskq__waiters_init(&waiters, NULL, NULL), TASKQ_OK);
    memset(calls, 0, sizeof(calls));
    memset(parked, 0, sizeof(parked));
    taskq__rng_init(&rng, 12);
}

static void teardown(void)
{
    taskq__waiters_clear(&waiters);
}

/* Asks for one to three different pairs; a type of 0 is any. */
static void fill(uint32_t i)
{
    calls[i].nodes = nodes[i];
    calls[i].node_count = 0;
    uint64_t queue = 1 + taskq__rng_below(&rng, QUEUES);
    uint32_t want = 1 + (uint32_t)taskq__rng_below(&rng, 3);
    for (uint64_t type = taskq__rng_below(&rng, 2); calls[i].node_count < want; type++) {
        nodes[i][calls[i].node_count++] = (taskq__park_node){.pair = {queue, type}, .call = &calls[i]};
    }
    calls[i].poll_hash = 100 + i % 7;
}

static taskq__call *oldest_by_search(taskq__pair pair)
{
    taskq__call *found = NULL;
    for (uint32_t i = 0; i < CALLS; i++) {
        if (parked[i] && taskq__call_fits(&calls[i], pair) && (!found || calls[i].arrival < found->arrival)) {
            found = &calls[i];
        }
    }
    return found;
}

START_TEST(the_oldest_that_fits_is_found_whatever_came_and_went)
{
    uint64_t arrivals = 0;
    for (int step = 0; step < STEPS; step++) {
        uint32_t i = (uint32_t)taskq__rng_below(&rng, CALLS);
        if (parked[i]) {
            taskq__waiters_remove(&waiters, &calls[i]);
        } else {
            /* Now and then one comes back to the place that it had. */
            if (calls[i].arrival == 0 || taskq__rng_below(&rng, 3) > 0) {
                fill(i);
                calls[i].arrival = ++arrivals;
            }
            taskq__waiters_add(&waiters, &calls[i]);
        }
        parked[i] = !parked[i];
        taskq__pair pair = {taskq__rng_below(&rng, QUEUES + 1), taskq__rng_below(&rng, TYPES + 1)};
        ck_assert_ptr_eq(taskq__waiters_oldest(&waiters, pair, 0), oldest_by_search(pair));
    }
}
END_TEST

START_TEST(a_poll_is_found_while_it_is_parked)
{
    for (uint32_t i = 0; i < 7; i++) {
        fill(i);
        calls[i].arrival = i + 1;
        taskq__waiters_add(&waiters, &calls[i]);
    }
    for (uint32_t i = 0; i < 7; i++) {
        ck_assert_ptr_eq(taskq__waiters_of_poll(&waiters, 100 + i), &calls[i]);
        taskq__waiters_remove(&waiters, &calls[i]);
        ck_assert_ptr_null(taskq__waiters_of_poll(&waiters, 100 + i));
    }
    ck_assert_uint_eq(waiters.count, 0);
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, the_oldest_that_fits_is_found_whatever_came_and_went,
                 a_poll_is_found_while_it_is_parked)
