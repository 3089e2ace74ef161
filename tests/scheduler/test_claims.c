/* SPDX-License-Identifier: MIT */
/* Many callers at once: each job leased once, each key one job; and what the lists hold. */
#include "support/check_main.h"

#include <string.h>

#include "fixture.h"

enum { CLAIMANTS = 32, JOBS = 2000 };

typedef struct share {
    pthread_t thread;
    uint32_t limit;
    uint32_t count;
    int64_t ids[JOBS];
} share;

static void *claim_all(void *user)
{
    share *mine = user;
    taskq_text queue = TASKQ_TEXT("default"), type = TASKQ_TEXT("t");
    taskq_claim_options options = claim_of(&queue, &type, 0);
    options.limit = mine->limit;
    for (uint32_t got = 1; got > 0;) {
        taskq_jobs *list = NULL;
        if (taskq_scheduler_claim(fx.scheduler, &options, &list, NULL) != TASKQ_OK) {
            return NULL;
        }
        got = taskq_jobs_count(list);
        for (uint32_t i = 0; i < got; i++) {
            mine->ids[mine->count++] = taskq_jobs_at(list, i)->id;
        }
        taskq_jobs_free(list);
    }
    return NULL;
}

static void enqueue_many(uint32_t count)
{
    const taskq_new_job *jobs[1000];
    taskq_new_job job = new_job("default", "t");
    for (uint32_t i = 0; i < 1000; i++) {
        jobs[i] = &job;
    }
    for (uint32_t left = count; left > 0;) {
        uint32_t some = left < 1000 ? left : 1000;
        ck_ok(taskq_scheduler_enqueue(fx.scheduler, jobs, some, NULL, NULL, NULL, &fx.err));
        left -= some;
    }
}

START_TEST(thirty_two_claimants_lease_each_of_two_thousand_jobs_once)
{
    static share shares[CLAIMANTS];
    static uint8_t seen[JOBS + 1];
    memset(shares, 0, sizeof(shares));
    memset(seen, 0, sizeof(seen));
    enqueue_many(JOBS);
    for (uint32_t i = 0; i < CLAIMANTS; i++) {
        shares[i].limit = 1 + i % 3;
        ck_assert_int_eq(pthread_create(&shares[i].thread, NULL, claim_all, &shares[i]), 0);
    }
    uint32_t total = 0;
    for (uint32_t i = 0; i < CLAIMANTS; i++) {
        (void)pthread_join(shares[i].thread, NULL);
        for (uint32_t k = 0; k < shares[i].count; k++) {
            ck_assert_int_le(shares[i].ids[k], JOBS);
            ck_assert_uint_eq(seen[shares[i].ids[k]]++, 0);
        }
        total += shares[i].count;
    }
    ck_assert_uint_eq(total, JOBS);
    ck_assert_uint_eq(stats().claimed, JOBS);
}
END_TEST

typedef struct producer {
    pthread_t thread;
    bool unique;
    int64_t id;
    uint32_t made;
    bool existing;
    taskq_status status;
} producer;

static void *produce(void *user)
{
    producer *one = user;
    taskq_new_job job = new_job("default", "t");
    const taskq_new_job *jobs[] = {&job};
    taskq_enqueue_options options = TASKQ_ENQUEUE_OPTIONS_INIT;
    if (one->unique) {
        job.unique_key = TASKQ_TEXT("user-1");
    } else {
        options.idempotency_key = TASKQ_TEXT("request-1");
        options.digest = 42;
    }
    taskq_jobs *list = NULL;
    one->status = taskq_scheduler_enqueue(fx.scheduler, jobs, 1, &options, &list, &one->made, NULL);
    if (one->status == TASKQ_OK) {
        one->id = taskq_jobs_at(list, 0)->id;
        one->existing = taskq_jobs_at(list, 0)->existing;
    }
    taskq_jobs_free(list);
    return NULL;
}

static void produce_at_once(producer *ones, uint32_t count, bool unique)
{
    memset(ones, 0, sizeof(*ones) * count);
    for (uint32_t i = 0; i < count; i++) {
        ones[i].unique = unique;
        ck_assert_int_eq(pthread_create(&ones[i].thread, NULL, produce, &ones[i]), 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        (void)pthread_join(ones[i].thread, NULL);
        ck_assert_int_eq(ones[i].status, TASKQ_OK);
        ck_assert_int_eq(ones[i].id, ones[0].id);
    }
}

START_TEST(sixteen_producers_of_one_unique_key_make_one_job)
{
    producer ones[16];
    produce_at_once(ones, 16, true);
    uint32_t made = 0, existing = 0;
    for (uint32_t i = 0; i < 16; i++) {
        made += ones[i].made;
        existing += ones[i].existing;
    }
    ck_assert_uint_eq(made, 1);
    ck_assert_uint_eq(existing, 15);
    ck_assert_uint_eq(stats().enqueued, 1);
}
END_TEST

START_TEST(sixteen_requests_of_one_idempotency_key_make_one_job)
{
    producer ones[16];
    produce_at_once(ones, 16, false);
    for (uint32_t i = 0; i < 16; i++) {
        ck_assert_uint_eq(ones[i].made, 1);
        ck_assert(!ones[i].existing);
    }
    ck_assert_uint_eq(stats().enqueued, 1);
}
END_TEST

START_TEST(two_scopes_of_one_idempotency_key_are_two_keys)
{
    taskq_new_job job = new_job("default", "t");
    const taskq_new_job *jobs[] = {&job};
    taskq_enqueue_options options = TASKQ_ENQUEUE_OPTIONS_INIT;
    options.idempotency_key = TASKQ_TEXT("b/c");
    options.idempotency_scope = TASKQ_TEXT("a");
    ck_ok(taskq_scheduler_enqueue(fx.scheduler, jobs, 1, &options, NULL, NULL, &fx.err));
    options.idempotency_key = TASKQ_TEXT("c");
    options.idempotency_scope = TASKQ_TEXT("a/b");
    options.digest = 9;
    ck_ok(taskq_scheduler_enqueue(fx.scheduler, jobs, 1, &options, NULL, NULL, &fx.err));
    ck_assert_uint_eq(stats().enqueued, 2);
}
END_TEST

START_TEST(the_jobs_of_a_list_borrow_nothing_from_the_caller)
{
    char texts[7][32] = {"queue-1", "type-1", "{\"a\": 1}", "tag-1", "batch-1", "unique-1", "x"};
    taskq_new_job job = new_job(texts[0], texts[1]);
    const taskq_new_job *jobs[] = {&job};
    job.payload = taskq_text_of(texts[2]);
    job.tags[0] = taskq_text_of(texts[3]);
    job.tag_count = 1;
    job.batch = taskq_text_of(texts[4]);
    job.unique_key = taskq_text_of(texts[5]);
    taskq_jobs *list = NULL;
    ck_ok(taskq_scheduler_enqueue(fx.scheduler, jobs, 1, NULL, &list, NULL, &fx.err));
    memset(texts, '#', sizeof(texts));
    const taskq_job *made = taskq_jobs_at(list, 0);
    const struct {
        taskq_text got;
        const char *want;
    } pairs[] = {{made->queue, "queue-1"}, {made->type, "type-1"},   {made->payload, "{\"a\": 1}"},
                 {made->tags[0], "tag-1"}, {made->batch, "batch-1"}, {made->unique_key, "unique-1"}};
    for (int i = 0; i < 6; i++) {
        ck_assert_uint_eq(pairs[i].got.size, strlen(pairs[i].want));
        ck_assert_int_eq(memcmp(pairs[i].got.data, pairs[i].want, pairs[i].got.size), 0);
    }
    taskq_jobs_free(list);
}
END_TEST

START_TEST(lists_live_longer_than_the_scheduler)
{
    int64_t id = enqueue("default", "t");
    taskq_jobs *list = NULL;
    ck_ok(taskq_scheduler_get(fx.scheduler, id, &list, &fx.err));
    fixture_reopen();
    ck_assert_int_eq(taskq_jobs_at(list, 0)->id, id);
    ck_assert_uint_eq(taskq_jobs_at(list, 0)->type.size, 1);
    taskq_jobs_free(list);
}
END_TEST

START_TEST(the_report_and_the_next_claim_are_one_step)
{
    int64_t version, first = enqueue("default", "t"), second = enqueue("default", "t");
    ck_assert_int_eq(claim("default", "t", &version), first);
    taskq_report good = TASKQ_REPORT_INIT, stale = TASKQ_REPORT_INIT, broken = TASKQ_REPORT_INIT,
                 none = TASKQ_REPORT_INIT;
    taskq_report *reports[] = {&good, &stale, &broken, &none};
    good.id = stale.id = broken.id = first;
    none.id = 4711;
    good.succeeded = true;
    good.version = stale.version = broken.version = none.version = version;
    stale.version = version + 7;
    good.result = TASKQ_TEXT("{\"n\": 9007199254740993}");
    broken.error = TASKQ_TEXT("{\"code\": ");
    taskq_text queue = TASKQ_TEXT("default");
    taskq_claim_options next = claim_of(&queue, NULL, 0);
    taskq_jobs *reported = NULL, *claimed = NULL;
    uint64_t before = stats().commits;
    ck_ok(taskq_scheduler_complete(fx.scheduler, reports, 4, false, true, &next, &reported, &claimed, &fx.err));
    ck_assert_uint_eq(stats().commits, before + 1);
    ck_assert_int_eq(good.status, TASKQ_OK);
    ck_assert_int_eq(good.state, TASKQ_STATE_SUCCEEDED);
    ck_assert_int_eq(stale.status, TASKQ_ESTALE);
    ck_assert_int_eq(broken.status, TASKQ_EINVAL);
    ck_assert_int_eq(none.status, TASKQ_ENOTFOUND);
    ck_assert_uint_eq(taskq_jobs_count(reported), 1);
    ck_assert_ptr_eq(good.job, taskq_jobs_at(reported, 0));
    ck_assert_int_eq(memcmp(good.job->result.data, "{\"n\": 9007199254740993}", 23), 0);
    ck_assert_uint_eq(taskq_jobs_count(claimed), 1);
    ck_assert_int_eq(taskq_jobs_at(claimed, 0)->id, second);
    taskq_jobs_free(reported);
    taskq_jobs_free(claimed);
}
END_TEST

START_TEST(no_report_at_all_is_a_claim_or_nothing)
{
    int64_t id = enqueue("default", "t");
    taskq_text queue = TASKQ_TEXT("default");
    taskq_claim_options next = claim_of(&queue, NULL, 0);
    taskq_jobs *claimed = NULL;
    ck_ok(taskq_scheduler_complete(fx.scheduler, NULL, 0, false, false, NULL, NULL, NULL, &fx.err));
    ck_ok(taskq_scheduler_complete(fx.scheduler, NULL, 0, false, false, &next, NULL, &claimed, &fx.err));
    ck_assert_int_eq(taskq_jobs_at(claimed, 0)->id, id);
    taskq_jobs_free(claimed);
}
END_TEST

START_TEST(a_field_at_fault_is_named)
{
    taskq_new_job good = new_job("default", "t"), bad = good, no_json = good;
    bad.priority = 1001;
    no_json.payload = TASKQ_TEXT("{\"a\": }");
    const taskq_new_job *one[] = {&bad}, *four[] = {&good, &good, &good, &bad}, *two[] = {&good, &no_json};
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_int_eq(taskq_scheduler_enqueue(fx.scheduler, one, 1, NULL, NULL, NULL, &err), TASKQ_EINVAL);
    ck_assert_str_eq(err.field, "/priority");
    ck_assert_int_eq(taskq_scheduler_enqueue(fx.scheduler, four, 4, NULL, NULL, NULL, &err), TASKQ_EINVAL);
    ck_assert_str_eq(err.field, "/3/priority");
    ck_assert_int_eq(taskq_scheduler_enqueue(fx.scheduler, two, 2, NULL, NULL, NULL, &err), TASKQ_EINVAL);
    ck_assert_str_eq(err.field, "/1/payload");
    ck_assert_uint_eq(stats().enqueued, 0);
}
END_TEST

START_TEST(a_claim_out_of_its_bounds_is_refused)
{
    taskq_text queue = TASKQ_TEXT("default"), bad_name = TASKQ_TEXT("a b"), many[33];
    for (int i = 0; i < 33; i++) {
        many[i] = queue;
    }
    taskq_claim_options cases[7];
    for (int i = 0; i < 7; i++) {
        cases[i] = claim_of(&queue, NULL, 0);
    }
    cases[0].limit = 101;
    cases[1].wait_ms = 60001;
    cases[2].wait_ms = -1;
    cases[3].queues = &bad_name;
    cases[4].queues = many;
    cases[4].queue_count = 33;
    cases[5].worker = (taskq_text){NULL, 0};
    cases[5].poll = TASKQ_TEXT("p");
    cases[6].struct_size = 3;
    for (int i = 0; i < 7; i++) {
        taskq_jobs *list = NULL;
        ck_assert_int_eq(taskq_scheduler_claim(fx.scheduler, &cases[i], &list, NULL), TASKQ_EINVAL);
        ck_assert_ptr_null(list);
    }
}
END_TEST

START_TEST(the_figures_tell_what_happened)
{
    int64_t version, id = enqueue("default", "t");
    fake_clock_advance(&fx.clock, 100);
    ck_assert_int_eq(claim("default", "t", &version), id);
    fake_clock_advance(&fx.clock, 1000);
    ck_assert_int_eq(complete(id, version, true, NULL), TASKQ_OK);
    ck_assert_int_eq(complete(id, version + 9, true, NULL), TASKQ_ESTALE);
    taskq_scheduler_stats got = stats();
    ck_assert_uint_eq(got.enqueued, 1);
    ck_assert_uint_eq(got.claimed, 1);
    ck_assert_uint_eq(got.succeeded, 1);
    ck_assert_uint_eq(got.stale_reports, 1);
    ck_assert_int_ge(got.wait_p50_ms, 100);
    ck_assert_int_le(got.wait_p50_ms, 125);
    ck_assert_int_ge(got.run_p99_ms, 1000);
    ck_assert_int_le(got.run_p99_ms, 1250);
    fake_clock_advance(&fx.clock, 61000);
    got = stats();
    ck_assert(got.enqueued_per_s == 0.0);
    ck_assert_int_eq(got.run_p99_ms, 0);
    ck_assert_uint_eq(got.enqueued, 1);
}
END_TEST

TASKQ_TESTS_WITH(fixture_setup, fixture_teardown, thirty_two_claimants_lease_each_of_two_thousand_jobs_once,
                 sixteen_producers_of_one_unique_key_make_one_job, sixteen_requests_of_one_idempotency_key_make_one_job,
                 two_scopes_of_one_idempotency_key_are_two_keys, the_jobs_of_a_list_borrow_nothing_from_the_caller,
                 lists_live_longer_than_the_scheduler, the_report_and_the_next_claim_are_one_step,
                 no_report_at_all_is_a_claim_or_nothing, a_field_at_fault_is_named,
                 a_claim_out_of_its_bounds_is_refused, the_figures_tell_what_happened)
