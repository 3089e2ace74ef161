/* SPDX-License-Identifier: MIT */
/* What is combined into one transaction, and what each caller is told when one fails. */
#include "support/check_main.h"

#include <string.h>

#include "fixture.h"

enum { CROWD = 16 };

typedef struct caller {
    pthread_t thread;
    taskq_new_job job;
    uint32_t jobs;                     /* how many of it, 1 where 0 */
    int64_t report_id, report_version; /* not 0: it reports instead of enqueueing */
    bool sweeps;
    taskq_status status;
    int64_t id;
    bool existing;
} caller;

static void call_enqueue(caller *one)
{
    const taskq_new_job *jobs[TASKQ_ENQUEUE_JOBS_MAX];
    uint32_t count = one->jobs ? one->jobs : 1;
    for (uint32_t i = 0; i < count; i++) {
        jobs[i] = &one->job;
    }
    taskq_jobs *list = NULL;
    one->status = taskq_scheduler_enqueue(fx.scheduler, jobs, count, NULL, &list, NULL, NULL);
    if (one->status == TASKQ_OK) {
        one->id = taskq_jobs_at(list, 0)->id;
        one->existing = taskq_jobs_at(list, 0)->existing;
    }
    taskq_jobs_free(list);
}

static void *run_caller(void *user)
{
    caller *one = user;
    if (one->sweeps) {
        one->status = taskq_scheduler_sweep(fx.scheduler, NULL, NULL);
    } else if (one->report_id) {
        one->status = complete(one->report_id, one->report_version, true, NULL);
    } else {
        call_enqueue(one);
    }
    return NULL;
}

static void start(caller *one)
{
    ck_assert_int_eq(pthread_create(&one->thread, NULL, run_caller, one), 0);
}

static void join_all(caller *ones, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        ck_assert_int_eq(pthread_join(ones[i].thread, NULL), 0);
    }
}

static caller enqueuer(void)
{
    caller one;
    memset(&one, 0, sizeof(one));
    one.job = new_job("default", "t");
    return one;
}

/* ones[0] is held in its commit, the others wait in the line behind it, in this order. */
static void line_up(caller *ones, uint32_t count)
{
    wrapped_store_close_gate(&fx.wrapped);
    start(&ones[0]);
    wrapped_store_await_at_gate(&fx.wrapped);
    for (uint32_t i = 1; i < count; i++) {
        start(&ones[i]);
        await_waiting(i);
    }
}

static void let_go(caller *ones, uint32_t count)
{
    wrapped_store_open_gate(&fx.wrapped);
    join_all(ones, count);
}

START_TEST(what_waits_meanwhile_is_one_transaction)
{
    caller ones[CROWD];
    for (uint32_t i = 0; i < CROWD; i++) {
        ones[i] = enqueuer();
    }
    line_up(ones, CROWD);
    let_go(ones, CROWD);
    for (uint32_t i = 0; i < CROWD; i++) {
        ck_assert_int_eq(ones[i].status, TASKQ_OK);
    }
    ck_assert_uint_eq(stats().commits, 2);
    ck_assert_uint_eq(stats().ops, CROWD);
}
END_TEST

START_TEST(calls_take_effect_in_the_order_in_which_they_came)
{
    caller ones[CROWD];
    for (uint32_t i = 0; i < CROWD; i++) {
        ones[i] = enqueuer();
    }
    line_up(ones, CROWD);
    let_go(ones, CROWD);
    for (uint32_t i = 1; i < CROWD; i++) {
        ck_assert_int_eq(ones[i].id, ones[i - 1].id + 1);
    }
}
END_TEST

START_TEST(a_batch_is_bounded_in_rows)
{
    caller ones[5];
    for (uint32_t i = 0; i < 5; i++) {
        ones[i] = enqueuer();
        ones[i].jobs = 1000;
    }
    line_up(ones, 5);
    let_go(ones, 5);
    ck_assert_uint_eq(stats().commits, 3);
    ck_assert_uint_eq(stats().enqueued, 5000);
}
END_TEST

START_TEST(a_batch_is_bounded_in_bytes)
{
    static char payload[1 << 20];
    memset(payload, 'x', sizeof(payload));
    payload[0] = payload[sizeof(payload) - 1] = '"';
    caller ones[7];
    for (uint32_t i = 0; i < 7; i++) {
        ones[i] = enqueuer();
        ones[i].job.payload = (taskq_text){payload, sizeof(payload)};
    }
    line_up(ones, 7);
    let_go(ones, 7);
    ck_assert_uint_eq(stats().commits, 3); /* one, four, two */
}
END_TEST

START_TEST(a_batch_is_bounded_in_calls)
{
    static caller ones[300];
    for (uint32_t i = 0; i < 300; i++) {
        ones[i] = enqueuer();
    }
    line_up(ones, 300);
    let_go(ones, 300);
    ck_assert_uint_eq(fx.wrapped.ops_max, 256);
    ck_assert_uint_eq(stats().commits, 3);
}
END_TEST

START_TEST(two_reports_of_one_job_do_not_travel_together)
{
    int64_t version, id = enqueue("default", "t");
    ck_assert_int_eq(claim("default", "t", &version), id);
    caller ones[4] = {enqueuer(), enqueuer(), enqueuer(), enqueuer()};
    for (int i = 1; i < 3; i++) {
        ones[i].report_id = id;
        ones[i].report_version = version;
    }
    line_up(ones, 4);
    uint64_t before = stats().commits;
    let_go(ones, 4);
    ck_assert_uint_eq(stats().commits, before + 3);
    ck_assert(!fx.wrapped.named_twice);
    ck_assert_int_eq(ones[1].status, TASKQ_OK);
    ck_assert_int_eq(ones[2].status, TASKQ_OK); /* the same report again */
}
END_TEST

START_TEST(two_jobs_of_one_unique_key_do_not_travel_together)
{
    caller ones[3] = {enqueuer(), enqueuer(), enqueuer()};
    ones[1].job.unique_key = ones[2].job.unique_key = TASKQ_TEXT("k");
    line_up(ones, 3);
    let_go(ones, 3);
    ck_assert_uint_eq(stats().commits, 3);
    ck_assert_int_eq(ones[1].id, ones[2].id);
    ck_assert(!ones[1].existing);
    ck_assert(ones[2].existing);
}
END_TEST

START_TEST(one_unique_key_in_two_queues_is_two_keys)
{
    caller ones[3] = {enqueuer(), enqueuer(), enqueuer()};
    ones[1].job.unique_key = ones[2].job.unique_key = TASKQ_TEXT("k");
    ones[2].job.queue = TASKQ_TEXT("other");
    line_up(ones, 3);
    let_go(ones, 3);
    ck_assert_uint_eq(stats().commits, 2);
    ck_assert_int_ne(ones[1].id, ones[2].id);
}
END_TEST

START_TEST(a_walk_travels_alone)
{
    caller ones[5] = {enqueuer(), enqueuer(), enqueuer(), enqueuer(), enqueuer()};
    ones[2].sweeps = true;
    line_up(ones, 5);
    let_go(ones, 5);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(ones[i].status, TASKQ_OK);
    }
    ck_assert(!fx.wrapped.walk_in_company);
}
END_TEST

START_TEST(a_culprit_alone_is_told_in_every_position)
{
    for (uint32_t position = 1; position < 5; position++) {
        int64_t version, id = enqueue("default", "culprit");
        ck_assert_int_eq(claim("default", "culprit", &version), id);
        caller ones[5] = {enqueuer(), enqueuer(), enqueuer(), enqueuer(), enqueuer()};
        ones[position].report_id = id;
        ones[position].report_version = version;
        fx.wrapped.culprit_id = id;
        line_up(ones, 5);
        let_go(ones, 5);
        for (uint32_t i = 0; i < 5; i++) {
            ck_assert_int_eq(ones[i].status, i == position ? TASKQ_EINVAL : TASKQ_OK);
        }
        fx.wrapped.culprit_id = 0;
    }
}
END_TEST

START_TEST(where_nobody_can_tell_the_culprit_each_call_is_tried_alone)
{
    caller ones[5] = {enqueuer(), enqueuer(), enqueuer(), enqueuer(), enqueuer()};
    line_up(ones, 5);
    /* The second transaction, the one of the four, and after it the second of those that are tried alone. */
    pthread_mutex_lock(&fx.wrapped.lock);
    fx.wrapped.fail_from = fx.wrapped.asked + 1;
    fx.wrapped.fail_times = 2;
    fx.wrapped.fail_status = TASKQ_EINVAL;
    pthread_mutex_unlock(&fx.wrapped.lock);
    let_go(ones, 5);
    uint32_t ok = 0;
    for (uint32_t i = 1; i < 5; i++) {
        ok += ones[i].status == TASKQ_OK;
    }
    ck_assert_uint_eq(ok, 3);
    ck_assert_int_eq(ones[1].status, TASKQ_EINVAL);
}
END_TEST

START_TEST(a_busy_store_is_asked_again)
{
    wrapped_store_fail_next(&fx.wrapped, 5, TASKQ_EBUSY, false);
    (void)enqueue("default", "t");
    ck_assert_uint_eq(wrapped_store_asked(&fx.wrapped), 6);
}
END_TEST

START_TEST(a_store_that_stays_busy_is_not_asked_for_ever)
{
    taskq_new_job job = new_job("default", "t");
    const taskq_new_job *jobs[] = {&job};
    wrapped_store_fail_next(&fx.wrapped, 100, TASKQ_EBUSY, false);
    ck_assert_int_eq(taskq_scheduler_enqueue(fx.scheduler, jobs, 1, NULL, NULL, NULL, &fx.err), TASKQ_EBUSY);
    ck_assert_uint_eq(wrapped_store_asked(&fx.wrapped), 6);
    wrapped_store_fail_next(&fx.wrapped, 0, TASKQ_OK, false);
    (void)enqueue("default", "t");
}
END_TEST

/* From the from-th commit after this on; 0: the one that is held at the gate. */
static void fail_commits(uint64_t from, uint32_t times, taskq_status status, bool lost)
{
    pthread_mutex_lock(&fx.wrapped.lock);
    fx.wrapped.fail_from = fx.wrapped.asked + from;
    fx.wrapped.fail_times = times;
    fx.wrapped.fail_status = status;
    fx.wrapped.fail_lost = lost;
    pthread_mutex_unlock(&fx.wrapped.lock);
}

START_TEST(every_caller_of_a_failed_transaction_is_told)
{
    const taskq_status statuses[] = {TASKQ_EUNAVAIL, TASKQ_EUNKNOWN, TASKQ_ESTORE};
    for (int lost = 0; lost < 2; lost++) {
        for (int s = 0; s < 3; s++) {
            caller ones[4] = {enqueuer(), enqueuer(), enqueuer(), enqueuer()};
            line_up(ones, 4);
            fail_commits(1, 1, statuses[s], lost);
            let_go(ones, 4);
            ck_assert_int_eq(ones[0].status, TASKQ_OK);
            for (int i = 1; i < 4; i++) {
                ck_assert_int_eq(ones[i].status, statuses[s]);
            }
        }
    }
}
END_TEST

/* They would wait as long again, and the next ones twice. */
START_TEST(who_stands_behind_a_commit_that_took_long_and_failed_is_told_so_untried)
{
    const struct timespec long_enough = {2, 100000000};
    caller ones[3] = {enqueuer(), enqueuer(), enqueuer()};
    line_up(ones, 3);
    fail_commits(0, 1, TASKQ_EUNKNOWN, false);
    (void)nanosleep(&long_enough, NULL);
    let_go(ones, 3);
    ck_assert_int_eq(ones[0].status, TASKQ_EUNKNOWN);
    ck_assert_int_eq(ones[1].status, TASKQ_EUNAVAIL);
    ck_assert_int_eq(ones[2].status, TASKQ_EUNAVAIL);
    ck_assert_uint_eq(wrapped_store_asked(&fx.wrapped), 1);
    (void)enqueue("default", "t");
}
END_TEST

START_TEST(in_a_shared_store_one_call_that_stays_busy_does_not_stop_the_others)
{
    enum { TRIES = 6 };
    fixture_teardown();
    fixture_setup_shared();
    caller ones[3] = {enqueuer(), enqueuer(), enqueuer()};
    line_up(ones, 3);
    fail_commits(1, 2 * TRIES, TASKQ_EBUSY, false); /* the two together, then the first of them alone */
    let_go(ones, 3);
    fx.shared = false;
    ck_assert_int_eq(ones[0].status, TASKQ_OK);
    ck_assert_int_eq(ones[1].status, TASKQ_EBUSY);
    ck_assert_int_eq(ones[2].status, TASKQ_OK);
}
END_TEST

START_TEST(an_enqueue_whose_answer_was_lost_is_repeated_with_its_key)
{
    taskq_new_job job = new_job("default", "t");
    const taskq_new_job *jobs[] = {&job};
    taskq_enqueue_options options = TASKQ_ENQUEUE_OPTIONS_INIT;
    options.idempotency_key = TASKQ_TEXT("key");
    options.digest = 7;
    for (int lost = 0; lost < 2; lost++) {
        options.idempotency_scope = lost ? TASKQ_TEXT("a") : TASKQ_TEXT("b");
        taskq_jobs *list = NULL;
        uint32_t made = 0;
        wrapped_store_fail_next(&fx.wrapped, 1, TASKQ_EUNKNOWN, lost);
        ck_assert_int_eq(taskq_scheduler_enqueue(fx.scheduler, jobs, 1, &options, &list, NULL, NULL), TASKQ_EUNKNOWN);
        ck_ok(taskq_scheduler_enqueue(fx.scheduler, jobs, 1, &options, &list, &made, &fx.err));
        ck_assert_int_eq(taskq_jobs_at(list, 0)->id, lost + 1);
        ck_assert_uint_eq(made, 1);
        taskq_jobs_free(list);
    }
    options.digest = 8;
    ck_assert_int_eq(taskq_scheduler_enqueue(fx.scheduler, jobs, 1, &options, NULL, NULL, NULL), TASKQ_EEXISTS);
}
END_TEST

START_TEST(a_report_whose_answer_was_lost_is_repeated)
{
    for (int lost = 0; lost < 2; lost++) {
        int64_t version, id = enqueue("default", "t");
        taskq_state state;
        ck_assert_int_eq(claim("default", "t", &version), id);
        wrapped_store_fail_next(&fx.wrapped, 1, TASKQ_EUNKNOWN, lost);
        ck_assert_int_eq(complete(id, version, true, NULL), TASKQ_EUNKNOWN);
        ck_assert_int_eq(complete(id, version, true, &state), TASKQ_OK);
        ck_assert_int_eq(state, TASKQ_STATE_SUCCEEDED);
    }
}
END_TEST

static void *hammer(void *user)
{
    taskq_new_job job = new_job("default", "t");
    const taskq_new_job *jobs[] = {&job};
    taskq_status status = TASKQ_OK;
    while (status == TASKQ_OK) {
        taskq_jobs *list = NULL;
        status = taskq_scheduler_enqueue(fx.scheduler, jobs, 1, NULL, &list, NULL, NULL);
        atomic_fetch_add((_Atomic uint64_t *)user, status == TASKQ_OK);
        taskq_jobs_free(list);
    }
    ck_assert_int_eq(status, TASKQ_ECANCELED);
    return NULL;
}

START_TEST(shutting_under_load_loses_nothing_that_was_acknowledged)
{
    _Atomic uint64_t acknowledged = 0;
    pthread_t threads[8];
    ck_ok(taskq_scheduler_start(fx.scheduler, &fx.err));
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, hammer, &acknowledged), 0);
    }
    while (atomic_load(&acknowledged) < 500) {
        fake_clock_advance(&fx.clock, 1);
    }
    taskq_scheduler_shut(fx.scheduler);
    for (int i = 0; i < 8; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    fixture_reopen();
    taskq_text name = TASKQ_TEXT("default");
    taskq_queues *queues = NULL;
    ck_ok(taskq_scheduler_queues(fx.scheduler, &name, &queues, &fx.err));
    ck_assert_int_eq(taskq_queues_at(queues, 0)->counts[TASKQ_STATE_QUEUED], (int64_t)atomic_load(&acknowledged));
    taskq_queues_free(queues);
}
END_TEST

START_TEST(closing_waits_for_the_claims_that_it_ends)
{
    claimant ones[8];
    for (uint32_t i = 0; i < 8; i++) {
        claimant_init(&ones[i], "default", "t", 60000);
        claimant_start(&ones[i]);
    }
    await_parked(8);
    fixture_reopen(); /* closes while they wait */
    for (uint32_t i = 0; i < 8; i++) {
        claimant_join(&ones[i]);
        ck_assert_int_eq(ones[i].status, TASKQ_OK);
        ck_assert_uint_eq(ones[i].count, 0);
    }
}
END_TEST

TASKQ_TESTS_WITH(fixture_setup, fixture_teardown, what_waits_meanwhile_is_one_transaction,
                 calls_take_effect_in_the_order_in_which_they_came, a_batch_is_bounded_in_rows,
                 a_batch_is_bounded_in_bytes, a_batch_is_bounded_in_calls, two_reports_of_one_job_do_not_travel_together,
                 two_jobs_of_one_unique_key_do_not_travel_together, one_unique_key_in_two_queues_is_two_keys,
                 a_walk_travels_alone, a_culprit_alone_is_told_in_every_position,
                 where_nobody_can_tell_the_culprit_each_call_is_tried_alone, a_busy_store_is_asked_again,
                 a_store_that_stays_busy_is_not_asked_for_ever, every_caller_of_a_failed_transaction_is_told,
                 who_stands_behind_a_commit_that_took_long_and_failed_is_told_so_untried,
                 in_a_shared_store_one_call_that_stays_busy_does_not_stop_the_others,
                 an_enqueue_whose_answer_was_lost_is_repeated_with_its_key, a_report_whose_answer_was_lost_is_repeated,
                 shutting_under_load_loses_nothing_that_was_acknowledged, closing_waits_for_the_claims_that_it_ends)
