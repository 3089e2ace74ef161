/* SPDX-License-Identifier: MIT */
/* Claims that wait for a job: who gets it, in which order, and what becomes of those that end without one. */
#include "support/check_main.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "scheduler/wake.h"

enum { LONG_MS = 60000 };

/* The time of a wait is real time; nothing but its passing can be waited for. */
static void let_real_time_pass(int64_t ms)
{
    int64_t until = taskq__wake_clock_ms() + ms;
    while (taskq__wake_clock_ms() < until) {
        (void)sched_yield();
    }
}

static void park(claimant *one, const char *queue, const char *type, uint32_t parked_then)
{
    claimant_init(one, queue, type, LONG_MS);
    claimant_start(one);
    await_parked(parked_then);
}

static void *enqueue_default(void *user)
{
    *(int64_t *)user = enqueue("default", "t");
    return NULL;
}

START_TEST(a_held_claim_is_served_in_the_commit_of_the_enqueue)
{
    claimant one;
    park(&one, "default", "t", 1);
    uint64_t before = wrapped_store_commits(&fx.wrapped);
    int64_t id = enqueue("default", "t");
    claimant_join(&one);
    ck_assert_int_eq(one.id, id);
    ck_assert_uint_eq(wrapped_store_commits(&fx.wrapped), before + 1);
    ck_assert_int_eq(state_of(id), TASKQ_STATE_RUNNING);
}
END_TEST

START_TEST(held_claims_are_served_in_the_order_in_which_they_came)
{
    claimant ones[4];
    int64_t ids[4];
    for (uint32_t i = 0; i < 4; i++) {
        park(&ones[i], "default", i % 2 ? "t" : NULL, i + 1);
    }
    for (uint32_t i = 0; i < 4; i++) {
        ids[i] = enqueue("default", "t");
        claimant_join(&ones[i]);
    }
    for (uint32_t i = 0; i < 4; i++) {
        ck_assert_int_eq(ones[i].id, ids[i]);
    }
}
END_TEST

START_TEST(a_held_claim_is_not_given_a_job_of_another_type_or_queue)
{
    claimant picky, other_queue, any;
    park(&picky, "default", "a", 1);
    park(&other_queue, "other", NULL, 2);
    park(&any, "default", NULL, 3);
    int64_t b = enqueue("default", "b");
    claimant_join(&any);
    int64_t a = enqueue("default", "a");
    claimant_join(&picky);
    int64_t other = enqueue("other", "b");
    claimant_join(&other_queue);
    ck_assert_int_eq(any.id, b);
    ck_assert_int_eq(picky.id, a);
    ck_assert_int_eq(other_queue.id, other);
}
END_TEST

START_TEST(one_job_wakes_one_claim)
{
    claimant ones[20];
    for (uint32_t i = 0; i < 20; i++) {
        park(&ones[i], "default", "t", i + 1);
    }
    uint64_t before = wrapped_store_asked(&fx.wrapped);
    (void)enqueue("default", "t");
    claimant_join(&ones[0]);
    ck_assert_uint_eq(stats().parked, 19);
    ck_assert_uint_eq(wrapped_store_asked(&fx.wrapped), before + 1);
    taskq_scheduler_shut(fx.scheduler);
    for (uint32_t i = 1; i < 20; i++) {
        claimant_join(&ones[i]);
        ck_assert_uint_eq(ones[i].count, 0);
    }
}
END_TEST

START_TEST(a_held_claim_with_a_limit_takes_several_jobs_at_once)
{
    claimant three, four;
    claimant_init(&three, "default", "t", LONG_MS);
    three.options.limit = 3;
    claimant_start(&three);
    await_parked(1);
    park(&four, "default", "t", 2);
    taskq_new_job job = new_job("default", "t");
    const taskq_new_job *jobs[] = {&job, &job, &job, &job};
    ck_ok(taskq_scheduler_enqueue(fx.scheduler, jobs, 4, NULL, NULL, NULL, &fx.err));
    claimant_join(&three);
    claimant_join(&four);
    ck_assert_uint_eq(three.count, 3);
    ck_assert_uint_eq(four.count, 1);
}
END_TEST

START_TEST(nothing_is_leased_to_a_held_claim_whose_client_is_gone)
{
    claimant dead, alive;
    claimant_init(&dead, "default", "t", LONG_MS);
    dead.options.gone = claimant_gone;
    dead.options.user = &dead;
    claimant_start(&dead);
    await_parked(1);
    park(&alive, "default", "t", 2);
    atomic_store(&dead.gone, true);
    int64_t id = enqueue("default", "t");
    claimant_join(&dead);
    claimant_join(&alive);
    ck_assert_uint_eq(dead.count, 0);
    ck_assert_int_eq(alive.id, id);
    ck_assert_int_eq(alive.version, 2);
}
END_TEST

START_TEST(nothing_is_leased_to_a_client_that_is_gone_before_its_claim_is_looked_at)
{
    int64_t id = 0;
    pthread_t producer;
    claimant dead;
    wrapped_store_close_gate(&fx.wrapped);
    ck_assert_int_eq(pthread_create(&producer, NULL, enqueue_default, &id), 0);
    wrapped_store_await_at_gate(&fx.wrapped);
    claimant_init(&dead, "default", "t", 0);
    dead.options.gone = claimant_gone;
    dead.options.user = &dead;
    claimant_start(&dead);
    await_waiting(1);
    atomic_store(&dead.gone, true);
    wrapped_store_open_gate(&fx.wrapped);
    claimant_join(&dead);
    (void)pthread_join(producer, NULL);
    ck_assert_uint_eq(dead.count, 0);
    ck_assert_int_eq(claim("default", "t", NULL), id);
}
END_TEST

START_TEST(a_newer_claim_of_the_same_poll_ends_the_one_that_waits)
{
    claimant older, newer;
    claimant_init(&older, "default", "t", LONG_MS);
    claimant_init(&newer, "default", "t", LONG_MS);
    older.options.poll = newer.options.poll = TASKQ_TEXT("poll-1");
    claimant_start(&older);
    await_parked(1);
    claimant_start(&newer);
    claimant_join(&older);
    ck_assert_int_eq(older.status, TASKQ_OK);
    ck_assert_uint_eq(older.count, 0);
    int64_t id = enqueue("default", "t");
    claimant_join(&newer);
    ck_assert_int_eq(newer.id, id);
}
END_TEST

START_TEST(another_workers_claim_of_the_same_poll_ends_nothing)
{
    claimant one, other;
    claimant_init(&one, "default", "t", LONG_MS);
    claimant_init(&other, "default", "t", LONG_MS);
    one.options.poll = other.options.poll = TASKQ_TEXT("poll-1");
    other.options.worker = TASKQ_TEXT("w2");
    claimant_start(&one);
    await_parked(1);
    claimant_start(&other);
    await_parked(2);
    (void)enqueue("default", "t");
    (void)enqueue("default", "t");
    claimant_join(&one);
    claimant_join(&other);
    ck_assert_uint_eq(one.count + other.count, 2);
}
END_TEST

START_TEST(a_poll_asked_again_gets_its_leases_back)
{
    claimant first, again;
    int64_t id = enqueue("default", "t");
    (void)enqueue("default", "t");
    claimant_init(&first, "default", "t", 0);
    claimant_init(&again, "default", "t", 0);
    first.options.poll = again.options.poll = TASKQ_TEXT("poll-1");
    claimant_start(&first);
    claimant_join(&first);
    claimant_start(&again);
    claimant_join(&again);
    ck_assert_int_eq(first.id, id);
    ck_assert_int_eq(again.id, id);
    ck_assert_int_eq(again.version, first.version);
}
END_TEST

START_TEST(shutting_ends_what_waits_with_no_job_and_refuses_what_comes)
{
    claimant ones[3];
    for (uint32_t i = 0; i < 3; i++) {
        park(&ones[i], "default", "t", i + 1);
    }
    taskq_scheduler_shut(fx.scheduler);
    for (uint32_t i = 0; i < 3; i++) {
        claimant_join(&ones[i]);
        ck_assert_int_eq(ones[i].status, TASKQ_OK);
        ck_assert_uint_eq(ones[i].count, 0);
    }
    taskq_new_job job = new_job("default", "t");
    const taskq_new_job *jobs[] = {&job};
    ck_assert_int_eq(taskq_scheduler_enqueue(fx.scheduler, jobs, 1, NULL, NULL, NULL, NULL), TASKQ_ECANCELED);
}
END_TEST

static void two_at_most(taskq_scheduler_options *options)
{
    options->parked_max = 2;
}

START_TEST(one_claim_too_many_is_told_so)
{
    fixture_teardown();
    fixture_open(two_at_most);
    claimant ones[3];
    park(&ones[0], "default", "t", 1);
    park(&ones[1], "default", "t", 2);
    claimant_init(&ones[2], "default", "t", LONG_MS);
    claimant_start(&ones[2]);
    claimant_join(&ones[2]);
    ck_assert_int_eq(ones[2].status, TASKQ_ELIMIT);
    taskq_scheduler_shut(fx.scheduler);
    claimant_join(&ones[0]);
    claimant_join(&ones[1]);
}
END_TEST

START_TEST(a_held_claim_ends_without_a_job_when_its_time_is_over)
{
    claimant one;
    claimant_init(&one, "default", "t", 20);
    claimant_start(&one);
    claimant_join(&one);
    ck_assert_int_eq(one.status, TASKQ_OK);
    ck_assert_uint_eq(one.count, 0);
    int64_t id = enqueue("default", "t");
    ck_assert_int_eq(state_of(id), TASKQ_STATE_QUEUED);
}
END_TEST

START_TEST(a_claim_whose_time_is_over_while_it_is_served_gets_the_job)
{
    claimant one;
    int64_t id = 0;
    pthread_t producer;
    claimant_init(&one, "default", "t", 400);
    int64_t over = taskq__wake_clock_ms() + 400;
    claimant_start(&one);
    while (stats().parked != 1 && !atomic_load(&one.ended)) {
        (void)sched_yield();
    }
    wrapped_store_close_gate(&fx.wrapped);
    ck_assert_int_eq(pthread_create(&producer, NULL, enqueue_default, &id), 0);
    wrapped_store_await_at_gate(&fx.wrapped);
    bool was_in_time = taskq__wake_clock_ms() < over; /* else the machine is too slow to show it */
    let_real_time_pass(450);
    wrapped_store_open_gate(&fx.wrapped);
    claimant_join(&one);
    (void)pthread_join(producer, NULL);
    /* Whatever the order was: the job is leased to the one who answers for it, or to nobody. */
    ck_assert_int_eq(state_of(id), one.count ? TASKQ_STATE_RUNNING : TASKQ_STATE_QUEUED);
    if (was_in_time) {
        ck_assert_int_eq(one.id, id);
    }
}
END_TEST

START_TEST(a_wait_that_is_over_before_its_turn_still_looks_once)
{
    int64_t id = 0;
    pthread_t producer;
    claimant one;
    wrapped_store_close_gate(&fx.wrapped);
    ck_assert_int_eq(pthread_create(&producer, NULL, enqueue_default, &id), 0);
    wrapped_store_await_at_gate(&fx.wrapped);
    claimant_init(&one, "default", "t", 1);
    claimant_start(&one);
    await_waiting(1);
    let_real_time_pass(30);
    wrapped_store_open_gate(&fx.wrapped);
    claimant_join(&one);
    (void)pthread_join(producer, NULL);
    ck_assert_int_eq(one.id, id);
}
END_TEST

/* Its own thread leads meanwhile and cannot notice it. */
START_TEST(a_claim_whose_time_is_over_while_it_leads_is_not_held_any_longer)
{
    claimant one;
    wrapped_store_close_gate(&fx.wrapped);
    claimant_init(&one, "default", "t", 10);
    claimant_start(&one);
    wrapped_store_await_at_gate(&fx.wrapped);
    let_real_time_pass(30);
    wrapped_store_open_gate(&fx.wrapped);
    claimant_join(&one);
    ck_assert_int_eq(one.status, TASKQ_OK);
    ck_assert_uint_eq(one.count, 0);
}
END_TEST

START_TEST(a_claim_whose_time_is_over_in_anothers_lead_is_not_held_any_longer)
{
    int64_t id = 0;
    pthread_t producer;
    claimant one;
    wrapped_store_close_gate(&fx.wrapped);
    ck_assert_int_eq(pthread_create(&producer, NULL, enqueue_default, &id), 0);
    wrapped_store_await_at_gate(&fx.wrapped);
    claimant_init(&one, "elsewhere", "t", 10);
    claimant_start(&one);
    await_waiting(1);
    let_real_time_pass(30);
    wrapped_store_open_gate(&fx.wrapped);
    claimant_join(&one);
    (void)pthread_join(producer, NULL);
    ck_assert_uint_eq(one.count, 0);
}
END_TEST

START_TEST(a_held_claim_outlives_a_commit_that_failed)
{
    const taskq_status statuses[] = {TASKQ_EUNAVAIL, TASKQ_EUNKNOWN};
    claimant one;
    park(&one, "default", "t", 1);
    taskq_new_job job = new_job("default", "t");
    const taskq_new_job *jobs[] = {&job};
    for (int i = 0; i < 2; i++) {
        wrapped_store_fail_next(&fx.wrapped, 1, statuses[i], false);
        ck_assert_int_eq(taskq_scheduler_enqueue(fx.scheduler, jobs, 1, NULL, NULL, NULL, NULL), statuses[i]);
        ck_assert_uint_eq(stats().parked, 1);
    }
    int64_t id = enqueue("default", "t");
    claimant_join(&one);
    ck_assert_int_eq(one.id, id);
}
END_TEST

START_TEST(a_held_poll_finds_the_lease_that_a_lost_answer_gave_it)
{
    claimant one;
    claimant_init(&one, "default", "t", LONG_MS);
    one.options.poll = TASKQ_TEXT("poll-1");
    claimant_start(&one);
    await_parked(1);
    taskq_new_job job = new_job("default", "t");
    const taskq_new_job *jobs[] = {&job};
    wrapped_store_fail_next(&fx.wrapped, 1, TASKQ_EUNKNOWN, true);
    ck_assert_int_eq(taskq_scheduler_enqueue(fx.scheduler, jobs, 1, NULL, NULL, NULL, NULL), TASKQ_EUNKNOWN);
    (void)enqueue("elsewhere", "t"); /* the first commit that works again */
    claimant_join(&one);
    ck_assert_int_eq(one.id, 1);
    ck_assert_int_eq(one.version, 2);
}
END_TEST

START_TEST(a_woken_claim_is_not_forgotten_when_its_commit_fails)
{
    claimant one;
    int64_t version;
    int64_t id = enqueue("default", "t");
    ck_assert_int_eq(claim("default", "t", &version), id);
    park(&one, "default", "t", 1);
    /* The release is the next commit, the claim that it wakes the one after it. */
    pthread_mutex_lock(&fx.wrapped.lock);
    fx.wrapped.fail_from = fx.wrapped.asked + 2;
    fx.wrapped.fail_times = 1;
    fx.wrapped.fail_status = TASKQ_EUNAVAIL;
    pthread_mutex_unlock(&fx.wrapped.lock);
    ck_ok(taskq_scheduler_release(fx.scheduler, id, version, 0, NULL, &fx.err));
    (void)enqueue("elsewhere", "t");
    claimant_join(&one);
    ck_assert_int_eq(one.id, id);
}
END_TEST

/* So many pairs became ready at once that the store tells a number alone: what one claim leaves of it is for the next. */
START_TEST(a_claim_that_takes_a_part_of_what_became_ready_hands_the_rest_on)
{
    enum { QUEUES = 300, EAGER = 3 };
    claimant ones[EAGER + 1];
    char names[QUEUES][16];
    for (uint32_t i = 0; i < QUEUES; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "q%u", i);
    }
    for (uint32_t i = 0; i <= EAGER; i++) {
        claimant_init(&ones[i], names[i], NULL, LONG_MS);
        ones[i].options.limit = i < EAGER ? TASKQ_CLAIM_JOBS_MAX : 1;
        claimant_start(&ones[i]);
        await_parked(i + 1);
    }
    for (uint32_t i = 0; i < QUEUES; i++) {
        taskq_new_job job = new_job(names[i], "t");
        job.has_delay = true;
        job.delay_ms = 1000;
        (void)enqueue_job(&job);
    }
    fake_clock_advance(&fx.clock, 1000);
    ck_ok(taskq_scheduler_sweep(fx.scheduler, NULL, &fx.err));
    ck_assert_uint_eq(stats().parked, 0);
    for (uint32_t i = 0; i <= EAGER; i++) {
        claimant_join(&ones[i]);
        ck_assert_uint_eq(ones[i].count, 1);
    }
}
END_TEST

START_TEST(claims_stay_held_in_a_paused_queue_and_go_on_when_it_does)
{
    claimant one;
    park(&one, "default", "t", 1);
    ck_ok(taskq_scheduler_queue_pause(fx.scheduler, TASKQ_TEXT("default"), true, NULL, &fx.err));
    int64_t id = enqueue("default", "t");
    ck_assert_uint_eq(stats().parked, 1);
    ck_assert_int_eq(state_of(id), TASKQ_STATE_QUEUED);
    ck_ok(taskq_scheduler_queue_pause(fx.scheduler, TASKQ_TEXT("default"), false, NULL, &fx.err));
    claimant_join(&one);
    ck_assert_int_eq(one.id, id);
}
END_TEST

START_TEST(a_job_that_is_given_back_goes_to_a_held_claim)
{
    claimant one;
    int64_t version;
    int64_t id = enqueue("default", "t");
    ck_assert_int_eq(claim("default", "t", &version), id);
    park(&one, "default", "t", 1);
    ck_ok(taskq_scheduler_release(fx.scheduler, id, version, 0, NULL, &fx.err));
    claimant_join(&one);
    ck_assert_int_eq(one.id, id);
    ck_assert_int_eq(one.version, version + 2);
}
END_TEST

START_TEST(a_job_that_becomes_due_goes_to_a_held_claim)
{
    claimant one;
    taskq_new_job job = new_job("default", "t");
    job.has_delay = true;
    job.delay_ms = 5000;
    int64_t id = enqueue_job(&job);
    park(&one, "default", "t", 1);
    fake_clock_advance(&fx.clock, 5000);
    ck_ok(taskq_scheduler_sweep(fx.scheduler, NULL, &fx.err));
    claimant_join(&one);
    ck_assert_int_eq(one.id, id);
}
END_TEST

/* The first waits for both types and takes the more urgent job, for which the third was woken: the second must hear of the
 * job for which the first was. */
START_TEST(a_wake_up_is_passed_on_by_a_claim_that_took_another_job)
{
    claimant both, only_a, only_b;
    taskq_text types[] = {TASKQ_TEXT("a"), TASKQ_TEXT("b")};
    taskq_new_job a = new_job("default", "a"), b = new_job("default", "b");
    a.has_delay = b.has_delay = true;
    a.delay_ms = b.delay_ms = 1000;
    b.priority = 5;
    int64_t a_id = enqueue_job(&a), b_id = enqueue_job(&b);
    claimant_init(&both, "default", "a", LONG_MS);
    both.options.types = types;
    both.options.type_count = 2;
    claimant_start(&both);
    await_parked(1);
    park(&only_a, "default", "a", 2);
    park(&only_b, "default", "b", 3);
    fake_clock_advance(&fx.clock, 1000);
    ck_ok(taskq_scheduler_sweep(fx.scheduler, NULL, &fx.err));
    claimant_join(&both);
    claimant_join(&only_a);
    ck_assert_int_eq(both.id, b_id);
    ck_assert_int_eq(only_a.id, a_id);
    taskq_scheduler_shut(fx.scheduler);
    claimant_join(&only_b);
    ck_assert_uint_eq(only_b.count, 0);
}
END_TEST

START_TEST(claims_for_many_queues_and_types_are_found_too)
{
    taskq_text queues[32], types[32];
    char names[32][8];
    for (int i = 0; i < 32; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "n%d", i);
        queues[i] = types[i] = taskq_text_of(names[i]);
    }
    claimant wide, narrow;
    claimant_init(&wide, "default", NULL, LONG_MS);
    wide.options.queues = queues;
    wide.options.types = types;
    wide.options.queue_count = wide.options.type_count = 32;
    claimant_start(&wide);
    await_parked(1);
    park(&narrow, "n31", "n0", 2);
    int64_t first = enqueue("n31", "n0"), second = enqueue("n31", "n0");
    claimant_join(&wide);
    claimant_join(&narrow);
    ck_assert_int_eq(wide.id, first);
    ck_assert_int_eq(narrow.id, second);
}
END_TEST

TASKQ_TESTS_WITH(
    fixture_setup, fixture_teardown, a_held_claim_is_served_in_the_commit_of_the_enqueue,
    held_claims_are_served_in_the_order_in_which_they_came, a_held_claim_is_not_given_a_job_of_another_type_or_queue,
    one_job_wakes_one_claim, a_held_claim_with_a_limit_takes_several_jobs_at_once,
    nothing_is_leased_to_a_held_claim_whose_client_is_gone,
    nothing_is_leased_to_a_client_that_is_gone_before_its_claim_is_looked_at,
    a_newer_claim_of_the_same_poll_ends_the_one_that_waits, another_workers_claim_of_the_same_poll_ends_nothing,
    a_poll_asked_again_gets_its_leases_back, shutting_ends_what_waits_with_no_job_and_refuses_what_comes,
    one_claim_too_many_is_told_so, a_held_claim_ends_without_a_job_when_its_time_is_over,
    a_claim_whose_time_is_over_while_it_is_served_gets_the_job, a_wait_that_is_over_before_its_turn_still_looks_once,
    a_held_claim_outlives_a_commit_that_failed, a_claim_whose_time_is_over_while_it_leads_is_not_held_any_longer,
    a_claim_whose_time_is_over_in_anothers_lead_is_not_held_any_longer,
    a_held_poll_finds_the_lease_that_a_lost_answer_gave_it, a_woken_claim_is_not_forgotten_when_its_commit_fails,
    a_claim_that_takes_a_part_of_what_became_ready_hands_the_rest_on,
    claims_stay_held_in_a_paused_queue_and_go_on_when_it_does, a_job_that_is_given_back_goes_to_a_held_claim,
    a_job_that_becomes_due_goes_to_a_held_claim, a_wake_up_is_passed_on_by_a_claim_that_took_another_job,
    claims_for_many_queues_and_types_are_found_too)
