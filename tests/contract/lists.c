/* SPDX-License-Identifier: MIT */
/*
 * Lists: by id, descending, page by page, each page bounded in jobs, in jobs looked at and in bytes.
 */
#include "contract/contract.h"

#include <stdio.h>
#include <string.h>

static taskq_filter all(void)
{
    return (taskq_filter)TASKQ_FILTER_INIT;
}

/* How many jobs fit, over all pages. */
static uint32_t count_fitting(taskq_filter filter)
{
    uint32_t count = 0;
    do {
        taskq_page page = list_now(&filter);
        count += page.count;
        filter.before_id = page.next_before_id;
    } while (filter.before_id != 0);
    return count;
}

START_TEST(an_empty_store_lists_nothing)
{
    taskq_filter filter = all();
    taskq_page page = list_now(&filter);
    ck_assert_uint_eq(page.count, 0);
    ck_assert_int_eq(page.next_before_id, 0);
}
END_TEST

START_TEST(pages_follow_each_other_without_a_gap)
{
    int64_t ids[7];
    for (int i = 0; i < 7; i++) {
        ids[i] = make_type("a");
    }
    taskq_filter filter = all();
    filter.limit = 3;
    for (int left = 7; left > 0;) {
        taskq_page page = list_now(&filter);
        for (uint32_t i = 0; i < page.count; i++) {
            ck_assert_int_eq(page.jobs[i]->id, ids[--left]);
        }
        filter.before_id = page.next_before_id;
        ck_assert_int_eq(filter.before_id != 0, left > 0);
    }
}
END_TEST

START_TEST(a_page_that_ends_with_the_last_job_is_the_last)
{
    make_type("a");
    make_type("a");
    taskq_filter filter = all();
    filter.limit = 2;
    taskq_page page = list_now(&filter);
    ck_assert_uint_eq(page.count, 2);
    ck_assert_int_eq(page.next_before_id, 0);
}
END_TEST

START_TEST(each_filter_narrows)
{
    taskq_new_job plain = new_job("a"), other = new_job("b");
    other.queue = text_of("q2");
    other.batch = text_of("batch-1");
    other.tags[0] = text_of("red");
    other.tags[1] = text_of("green");
    other.tag_count = 2;
    make(&plain);
    make(&plain);
    make(&other);
    COMMIT(claim_op("q2", "", 1));
    taskq_filter state = all(), queue = all(), type = all(), tag = all(), batch = all(), worker = all();
    state.state = TASKQ_STATE_RUNNING;
    queue.queue = text_of("q2");
    type.type = text_of("b");
    tag.tag = text_of("green");
    batch.batch = text_of("batch-1");
    worker.worker = text_of("worker-1");
    const taskq_filter filters[] = {state, queue, type, tag, batch, worker};
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        ck_assert_uint_eq(count_fitting(filters[i]), 1);
    }
    tag.tag = text_of("gree");
    ck_assert_uint_eq(count_fitting(tag), 0);
    tag.tag = text_of("red green");
    ck_assert_uint_eq(count_fitting(tag), 0);
    ck_assert_uint_eq(count_fitting(all()), 3);
}
END_TEST

START_TEST(a_text_is_found_in_payload_and_error_literally)
{
    taskq_new_job with = new_job("a");
    with.payload = text_of("{\"url\":\"http://x/100%_sure\"}");
    make(&with);
    const taskq_job *failing = NULL;
    make_type("a");
    claim_one();
    failing = claim_one();
    report(TASKQ_EVENT_FAIL, failing->id, 2, "{\"message\":\"needle here\"}");
    taskq_filter filter = all();
    filter.q = text_of("100%_s");
    ck_assert_uint_eq(count_fitting(filter), 1);
    filter.q = text_of("1%sure");
    ck_assert_uint_eq(count_fitting(filter), 0);
    filter.q = text_of("needle");
    taskq_page page = list_now(&filter);
    ck_assert_uint_eq(page.count, 1);
    ck_assert_int_eq(page.jobs[0]->id, failing->id);
    filter.q = text_of("' OR 1=1 --");
    ck_assert_uint_eq(count_fitting(filter), 0);
}
END_TEST

START_TEST(a_listed_job_is_whole)
{
    const taskq_job *job = running_job();
    COMMIT(beat_op(job->id, 2, "{\"percent\":1}", "log"));
    taskq_filter filter = all();
    const taskq_job *listed = list_now(&filter).jobs[0];
    assert_text(listed->payload, "{}");
    assert_text(listed->progress, "{\"percent\":1}");
    ck_assert_int_eq(listed->lease_expires_at_ms, contract.now.wall_ms + 60000);
    ck_assert_uint_eq(listed->log.size, 0);
    report(TASKQ_EVENT_SUCCEED, job->id, 2, "[7]");
    assert_text(list_now(&filter).jobs[0]->result, "[7]");
}
END_TEST

START_TEST(a_page_ends_at_its_bytes)
{
    size_t size = 1 << 20;
    char *payload = taskq_arena_alloc(contract.arena, size);
    memset(payload, '1', size);
    taskq_new_job job = new_job("a");
    job.payload = (taskq_text){payload, size};
    for (int i = 0; i < 6; i++) {
        make(&job);
    }
    taskq_filter filter = all();
    taskq_page page = list_now(&filter);
    ck_assert_uint_eq(page.count, 4);
    filter.before_id = page.next_before_id;
    ck_assert_uint_eq(list_now(&filter).count, 2);
}
END_TEST

START_TEST(a_page_ends_at_the_jobs_it_looked_at)
{
    taskq_new_job job = new_job("a");
    const taskq_new_job *list[TASKQ_ENQUEUE_JOBS_MAX];
    int64_t wanted = make_type("needle");
    for (int i = 0; i < TASKQ_ENQUEUE_JOBS_MAX; i++) {
        list[i] = &job;
    }
    for (int i = 0; i < TASKQ_LIST_LOOK_MAX / TASKQ_ENQUEUE_JOBS_MAX; i++) {
        COMMIT(enqueue_many_op(list, TASKQ_ENQUEUE_JOBS_MAX));
    }
    taskq_filter filter = all();
    filter.type = text_of("needle");
    taskq_page page = list_now(&filter);
    ck_assert_uint_eq(page.count, 0);
    ck_assert_int_ne(page.next_before_id, 0);
    filter.before_id = page.next_before_id;
    page = list_now(&filter);
    ck_assert_uint_eq(page.count, 1);
    ck_assert_int_eq(page.jobs[0]->id, wanted);
    ck_assert_int_eq(page.next_before_id, 0);
}
END_TEST

void contract_add_lists(Suite *suite)
{
    const TTest *const tests[] = {
        an_empty_store_lists_nothing,
        pages_follow_each_other_without_a_gap,
        a_page_that_ends_with_the_last_job_is_the_last,
        each_filter_narrows,
        a_text_is_found_in_payload_and_error_literally,
        a_listed_job_is_whole,
        a_page_ends_at_its_bytes,
        a_page_ends_at_the_jobs_it_looked_at,
    };
    taskq_check_add(suite, tests, sizeof(tests) / sizeof(tests[0]), contract_setup, contract_teardown);
}
