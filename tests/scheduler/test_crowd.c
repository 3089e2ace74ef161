/* SPDX-License-Identifier: MIT */
/*
 * A leader gives the core away before it takes a batch where many travelled together last; a lone caller waits for nobody. The
 * giving away is sched_yield, of which this program has one of its own: it counts, and others come while it lasts.
 */
#include "support/check_main.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fixture.h"
#include "scheduler/line.h"

enum { CALLERS_MAX = 32 };

typedef struct caller {
    pthread_t thread;
    taskq_new_job job;
    uint32_t times;
} caller;

static caller callers[CALLERS_MAX];
static _Atomic uint32_t started;
static uint32_t joined;

static _Thread_local bool leads; /* the tests' own waiting yields too */
static _Atomic uint32_t yields;
static uint32_t come_at_each, come_left; /* how many more callers come at a yield, and at all */
static uint32_t came;

static void *run_caller(void *user)
{
    caller *one = user;
    leads = true;
    for (uint32_t i = 0; i < one->times; i++) {
        (void)enqueue_job(&one->job);
    }
    return NULL;
}

/* Who is started may start others at once: not before this one is written down. */
static void start(uint32_t times)
{
    static pthread_mutex_t one_by_one = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one_by_one);
    uint32_t number = started;
    ck_assert_uint_lt(number, CALLERS_MAX);
    callers[number].job = new_job("default", "t");
    callers[number].times = times;
    ck_assert_int_eq(pthread_create(&callers[number].thread, NULL, run_caller, &callers[number]), 0);
    started = number + 1;
    pthread_mutex_unlock(&one_by_one);
}

/* Whoever starts others is one that was started before: once all are joined nobody is left. */
static void join_all(void)
{
    for (; joined < started; joined++) {
        ck_assert_int_eq(pthread_join(callers[joined].thread, NULL), 0);
    }
}

int sched_yield(void)
{
    if (leads) {
        leads = false;
        yields++;
        for (uint32_t i = 0; i < come_at_each && come_left > 0; i++, come_left--) {
            start(1);
            came++;
        }
        await_waiting(1 + came); /* the leader's own call is not taken yet */
        leads = true;
    }
    return (int)syscall(SYS_sched_yield);
}

static void setup(void)
{
    fixture_setup();
    started = 0;
    yields = 0;
    joined = come_at_each = come_left = came = 0;
}

/* One commit of one call, and after it one of so many. */
static void crowd(uint32_t count)
{
    uint64_t before = stats().commits;
    wrapped_store_close_gate(&fx.wrapped);
    start(1);
    wrapped_store_await_at_gate(&fx.wrapped);
    for (uint32_t i = 1; i <= count; i++) {
        start(1);
        await_waiting(i);
    }
    wrapped_store_open_gate(&fx.wrapped);
    join_all();
    ck_assert_uint_eq(stats().commits, before + 2);
}

START_TEST(a_lone_caller_waits_for_nobody)
{
    start(20);
    join_all();
    ck_assert_uint_eq(stats().commits, 20);
    ck_assert_uint_eq(yields, 0);
}
END_TEST

START_TEST(a_few_are_no_crowd)
{
    crowd(TASKQ__CROWD - 1);
    start(5);
    join_all();
    ck_assert_uint_eq(yields, 0);
}
END_TEST

START_TEST(who_is_alone_after_a_crowd_looks_for_it_once)
{
    crowd(TASKQ__CROWD);
    ck_assert_uint_eq(yields, 0);
    start(20);
    join_all();
    ck_assert_uint_eq(yields, 1);
    ck_assert_uint_eq(stats().commits, 2 + 20);
}
END_TEST

START_TEST(what_comes_while_the_core_is_given_away_travels_along)
{
    crowd(TASKQ__CROWD);
    come_at_each = come_left = 6;
    start(1);
    join_all();
    ck_assert_uint_eq(came, 6);
    ck_assert_uint_eq(stats().commits, 2 + 1);
    ck_assert_uint_eq(stats().enqueued, 1 + TASKQ__CROWD + 7);
    ck_assert_uint_eq(yields, 2); /* at the second nobody came */
}
END_TEST

START_TEST(it_is_not_given_away_for_ever)
{
    crowd(TASKQ__CROWD);
    come_at_each = 1;
    come_left = 20;
    start(1);
    join_all();
    ck_assert_uint_eq(yields, TASKQ__YIELDS_MAX);
    ck_assert_uint_eq(came, TASKQ__YIELDS_MAX);
    ck_assert_uint_eq(stats().commits, 2 + 1);
}
END_TEST

TASKQ_TESTS_WITH(setup, fixture_teardown, a_lone_caller_waits_for_nobody, a_few_are_no_crowd,
                 who_is_alone_after_a_crowd_looks_for_it_once, what_comes_while_the_core_is_given_away_travels_along,
                 it_is_not_given_away_for_ever)
