/* SPDX-License-Identifier: MIT */
/* A store that other servers write to: what they make ready is heard, what nobody takes here is told. */
#include "support/check_main.h"

#include <poll.h>
#include <sched.h>
#include <string.h>

#include "core/arena.h"
#include "core/job.h"
#include "fixture.h"
#include "scheduler/scheduler.h"

/* A job that another server enqueues: it goes past our line, into the store itself. */
static int64_t enqueue_elsewhere(const char *queue, const char *type)
{
    taskq_new_job job = new_job(queue, type);
    const taskq_new_job *jobs[] = {&job};
    taskq_arena *arena = taskq__arena_new(NULL, 0);
    taskq_enqueue in = {.jobs = jobs, .count = 1, .wants_jobs = true};
    taskq_op op = {.kind = TASKQ_OP_ENQUEUE, .in = {.enqueue = &in}, .count = 1, .arena = arena};
    taskq_op *ops[] = {&op};
    taskq_ready ready[4];
    taskq_batch batch = {.struct_size = sizeof(batch),
                         .ops = ops,
                         .count = 1,
                         .decide = taskq__job_decide,
                         .now = {FAKE_CLOCK_WALL_MS, FAKE_CLOCK_WALL_MS},
                         .arena = arena,
                         .ready = ready,
                         .ready_max = 4};
    ck_ok(taskq__store_commit(fx.wrapped.inner, &batch, &fx.err));
    int64_t id = in.results[0]->id;
    taskq__arena_free(arena);
    return id;
}

static taskq_ready ready_of(const char *queue, const char *type, uint32_t count)
{
    return (taskq_ready){taskq_text_of(queue), taskq_text_of(type), count};
}

START_TEST(a_held_claim_takes_what_another_server_made_ready)
{
    claimant one;
    claimant_init(&one, "default", "t", 60000);
    claimant_start(&one);
    await_parked(1);
    int64_t id = enqueue_elsewhere("default", "t");
    taskq_ready ready = ready_of("default", "t", 1);
    taskq__line_ready(fx.scheduler->line, &ready, 1);
    claimant_join(&one);
    ck_assert_int_eq(one.id, id);
}
END_TEST

/* The claim has looked and found nothing, but is not parked yet when the news comes. */
START_TEST(news_that_come_between_looking_and_parking_are_not_lost)
{
    claimant one;
    fx.wrapped.gate_is_behind = true;
    wrapped_store_close_gate(&fx.wrapped);
    claimant_init(&one, "default", "t", 60000);
    claimant_start(&one);
    wrapped_store_await_at_gate(&fx.wrapped);
    int64_t id = enqueue_elsewhere("default", "t");
    taskq_ready ready = ready_of("default", "t", 1);
    taskq__line_ready(fx.scheduler->line, &ready, 1);
    wrapped_store_open_gate(&fx.wrapped);
    claimant_join(&one);
    ck_assert_int_eq(one.id, id);
}
END_TEST

static void check_that_the_thread_reads_the_news(void)
{
    claimant one;
    ck_ok(taskq_scheduler_start(fx.scheduler, &fx.err));
    claimant_init(&one, "default", "t", 60000);
    claimant_start(&one);
    await_parked(1);
    int64_t id = enqueue_elsewhere("default", "t");
    wrapped_store_tell(&fx.wrapped, ready_of("default", "t", 1));
    claimant_join(&one);
    ck_assert_int_eq(one.id, id);
}

START_TEST(the_thread_reads_the_news)
{
    check_that_the_thread_reads_the_news();
}
END_TEST

static bool is_readable(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    return poll(&one, 1, 0) == 1;
}

static void seldom(taskq_scheduler_options *options)
{
    options->sweep_interval_ms = 60000;
}

/* They come hundreds of times a second, and a sweep is dear where many leases end. */
START_TEST(news_are_no_reason_for_the_thread_to_sweep)
{
    fixture_teardown();
    fixture_open(seldom);
    ck_ok(taskq_scheduler_start(fx.scheduler, &fx.err));
    while (atomic_load(&fx.scheduler->sleeps_until_ms) != taskq__scheduler_now(fx.scheduler).steady_ms + 60000) {
        (void)sched_yield();
    }
    uint64_t swept = wrapped_store_asked(&fx.wrapped);
    ck_assert_uint_gt(swept, 0);
    for (int i = 0; i < 100; i++) {
        wrapped_store_tell(&fx.wrapped, ready_of("default", "t", 1));
        while (is_readable(fx.wrapped.news_fd)) {
            (void)sched_yield();
        }
    }
    ck_assert_uint_eq(wrapped_store_asked(&fx.wrapped), swept);
}
END_TEST

START_TEST(the_thread_reads_the_news_while_a_sweep_has_more_to_do)
{
    fx.wrapped.walks_have_more = true;
    check_that_the_thread_reads_the_news();
}
END_TEST

static void *sweep_once(void *user)
{
    (void)user;
    (void)taskq_scheduler_sweep(fx.scheduler, NULL, NULL);
    return NULL;
}

START_TEST(news_are_read_between_two_steps_of_a_sweep)
{
    pthread_t sweeper;
    fx.wrapped.walks_have_more = true;
    wrapped_store_close_gate(&fx.wrapped);
    ck_assert_int_eq(pthread_create(&sweeper, NULL, sweep_once, NULL), 0);
    wrapped_store_await_at_gate(&fx.wrapped);
    wrapped_store_tell(&fx.wrapped, ready_of("default", "t", 1));
    wrapped_store_open_gate(&fx.wrapped);
    ck_assert_int_eq(pthread_join(sweeper, NULL), 0);
    ck_assert(!is_readable(fx.wrapped.news_fd));
}
END_TEST

START_TEST(news_are_no_reason_for_a_host_to_sweep)
{
    taskq_sweep_report report;
    int fd = taskq_scheduler_fd(fx.scheduler);
    ck_ok(taskq_scheduler_sweep(fx.scheduler, &report, &fx.err));
    uint64_t swept = wrapped_store_asked(&fx.wrapped);
    ck_assert_uint_gt(swept, 0);
    fake_clock_advance(&fx.clock, report.next_due_in_ms - 1);
    wrapped_store_tell(&fx.wrapped, ready_of("default", "t", 1));
    ck_assert(is_readable(fd));
    ck_ok(taskq_scheduler_sweep(fx.scheduler, &report, &fx.err));
    ck_assert_int_eq(report.next_due_in_ms, 1);
    ck_assert(!is_readable(fd));
    ck_assert_uint_eq(wrapped_store_asked(&fx.wrapped), swept);
    fake_clock_advance(&fx.clock, 1);
    ck_ok(taskq_scheduler_sweep(fx.scheduler, &report, &fx.err));
    ck_assert_uint_gt(wrapped_store_asked(&fx.wrapped), swept);
}
END_TEST

/* News of "any type": the first two that are asked cannot use the job, the third can. */
START_TEST(news_of_an_unknown_type_go_on_until_somebody_can_use_them)
{
    claimant ones[3];
    const char *types[] = {"a", "b", "c"};
    for (uint32_t i = 0; i < 3; i++) {
        claimant_init(&ones[i], "default", types[i], 60000);
        claimant_start(&ones[i]);
        await_parked(i + 1);
    }
    int64_t id = enqueue_elsewhere("default", "c");
    taskq_ready ready = {TASKQ_TEXT("default"), {NULL, 0}, 1};
    taskq__line_ready(fx.scheduler->line, &ready, 1);
    claimant_join(&ones[2]);
    ck_assert_int_eq(ones[2].id, id);
    taskq_scheduler_shut(fx.scheduler);
    claimant_join(&ones[0]);
    claimant_join(&ones[1]);
}
END_TEST

START_TEST(what_no_claim_takes_is_announced_to_others_and_no_more)
{
    claimant one;
    (void)enqueue("default", "t");
    ck_assert_uint_eq(fx.wrapped.announced, 1);
    ck_assert_int_ne(claim("default", "t", NULL), 0);
    claimant_init(&one, "default", "t", 60000);
    claimant_start(&one);
    await_parked(1);
    (void)enqueue("default", "t");
    claimant_join(&one);
    ck_assert_uint_eq(fx.wrapped.announced, 1);
}
END_TEST

START_TEST(others_are_told_of_a_queue_that_goes_on)
{
    ck_ok(taskq_scheduler_queue_pause(fx.scheduler, TASKQ_TEXT("default"), true, NULL, &fx.err));
    ck_assert_uint_eq(fx.wrapped.announced, 0);
    ck_ok(taskq_scheduler_queue_pause(fx.scheduler, TASKQ_TEXT("default"), false, NULL, &fx.err));
    ck_assert_uint_gt(fx.wrapped.announced, 0);
}
END_TEST

/* Two jobs and two claims, and nobody has told: the first one that looks finds one, and so the next one looks at once. */
START_TEST(a_held_claim_looks_again_by_itself_where_news_are_lost)
{
    claimant ones[2];
    for (uint32_t i = 0; i < 2; i++) {
        claimant_init(&ones[i], "default", "t", 60000);
        claimant_start(&ones[i]);
        await_parked(i + 1);
    }
    int64_t first = enqueue_elsewhere("default", "t"), second = enqueue_elsewhere("default", "t");
    fake_clock_advance(&fx.clock, 1000);
    ck_ok(taskq_scheduler_sweep(fx.scheduler, NULL, &fx.err));
    claimant_join(&ones[0]);
    claimant_join(&ones[1]);
    ck_assert_int_eq(ones[0].id + ones[1].id, first + second);
}
END_TEST

/* The job is there before anybody looks: nobody tells, and the next sweep is a minute away. */
START_TEST(held_claims_look_again_each_second_however_seldom_the_thread_sweeps)
{
    claimant one;
    fixture_teardown();
    fixture_open(seldom);
    ck_ok(taskq_scheduler_start(fx.scheduler, &fx.err));
    while (atomic_load(&fx.scheduler->sleeps_until_ms) != taskq__scheduler_now(fx.scheduler).steady_ms + 60000) {
        (void)sched_yield();
    }
    claimant_init(&one, "default", "t", 60000);
    claimant_start(&one);
    await_parked(1);
    uint64_t asked = wrapped_store_asked(&fx.wrapped);
    int64_t id = enqueue_elsewhere("default", "t");
    fake_clock_advance(&fx.clock, 1000);
    claimant_join(&one);
    ck_assert_int_eq(one.id, id);
    ck_assert_uint_eq(wrapped_store_asked(&fx.wrapped), asked + 1);
}
END_TEST

START_TEST(held_claims_look_again_each_second_however_seldom_a_host_sweeps)
{
    claimant one;
    taskq_sweep_report report;
    fixture_teardown();
    fixture_open(seldom);
    ck_assert_int_ge(taskq_scheduler_fd(fx.scheduler), 0);
    ck_ok(taskq_scheduler_sweep(fx.scheduler, &report, &fx.err));
    ck_assert_int_eq(report.next_due_in_ms, 1000);
    claimant_init(&one, "default", "t", 60000);
    claimant_start(&one);
    await_parked(1);
    uint64_t asked = wrapped_store_asked(&fx.wrapped);
    int64_t id = enqueue_elsewhere("default", "t");
    fake_clock_advance(&fx.clock, 1000);
    ck_ok(taskq_scheduler_sweep(fx.scheduler, &report, &fx.err));
    claimant_join(&one);
    ck_assert_int_eq(one.id, id);
    ck_assert_int_eq(report.next_due_in_ms, 1000);
    ck_assert_uint_eq(wrapped_store_asked(&fx.wrapped), asked + 1);
}
END_TEST

static uint32_t idle_upkeeps(void)
{
    pthread_mutex_lock(&fx.wrapped.lock);
    uint32_t count = fx.wrapped.idle_upkeeps;
    pthread_mutex_unlock(&fx.wrapped.lock);
    return count;
}

static void quick(taskq_scheduler_options *options)
{
    options->sweep_interval_ms = 10;
}

START_TEST(a_quiet_store_is_kept_up_once_for_what_was_written)
{
    fixture_teardown();
    fixture_open(quick);
    (void)enqueue("default", "t");
    ck_ok(taskq_scheduler_start(fx.scheduler, &fx.err));
    while (idle_upkeeps() == 0) {
        (void)sched_yield();
    }
    uint64_t rounds = stats().commits + 40; /* many sweeps that find nothing */
    while (stats().commits < rounds) {
        (void)sched_yield();
    }
    ck_assert_uint_eq(idle_upkeeps(), 1);
}
END_TEST

TASKQ_TESTS_WITH(fixture_setup_shared, fixture_teardown, a_held_claim_takes_what_another_server_made_ready,
                 news_that_come_between_looking_and_parking_are_not_lost, the_thread_reads_the_news,
                 the_thread_reads_the_news_while_a_sweep_has_more_to_do, news_are_read_between_two_steps_of_a_sweep,
                 news_are_no_reason_for_the_thread_to_sweep, news_are_no_reason_for_a_host_to_sweep,
                 news_of_an_unknown_type_go_on_until_somebody_can_use_them,
                 what_no_claim_takes_is_announced_to_others_and_no_more, others_are_told_of_a_queue_that_goes_on,
                 a_held_claim_looks_again_by_itself_where_news_are_lost,
                 held_claims_look_again_each_second_however_seldom_the_thread_sweeps,
                 held_claims_look_again_each_second_however_seldom_a_host_sweeps,
                 a_quiet_store_is_kept_up_once_for_what_was_written)
