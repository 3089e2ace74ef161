/* SPDX-License-Identifier: MIT */
/*
 * What may be asked for, field by field at both ends of its range, and what a new job becomes.
 */
#include "support/check_main.h"

#include "core/job.h"
#include "core/rfc3339.h"
#include "core/text.h"

#include <math.h>
#include <string.h>

static taskq_new_job plain_job(void)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    job.type = TASKQ_TEXT("sleep");
    return job;
}

static void check_taken(const taskq_new_job *job)
{
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_msg(taskq__new_job_check(job, &err) == TASKQ_OK, "refused: %s", err.text);
    ck_assert_str_eq(err.text, "");
}

static void check_refused(const taskq_new_job *job, const char *field)
{
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_int_eq(taskq__new_job_check(job, &err), TASKQ_EINVAL);
    ck_assert_str_eq(err.field, field);
    ck_assert_str_ne(err.text, "");
    ck_assert_int_eq(taskq__new_job_check(job, NULL), TASKQ_EINVAL);
}

START_TEST(a_job_with_a_type_alone_is_taken)
{
    taskq_new_job job = plain_job();
    check_taken(&job);
}
END_TEST

START_TEST(a_job_without_a_type_is_refused)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    check_refused(&job, "/type");
    job.type = TASKQ_TEXT("");
    check_refused(&job, "/type");
    job.type = TASKQ_TEXT("no spaces");
    check_refused(&job, "/type");
}
END_TEST

START_TEST(a_struct_that_was_not_set_up_is_refused)
{
    taskq_new_job job = {0};
    check_refused(&job, "");
}
END_TEST

START_TEST(names_and_keys_are_checked)
{
    taskq_new_job job = plain_job();
    job.queue = TASKQ_TEXT("a b");
    check_refused(&job, "/queue");
    job = plain_job();
    job.batch = TASKQ_TEXT("import/7");
    job.unique_key = TASKQ_TEXT("any user, 1");
    check_taken(&job);
    job.batch = TASKQ_TEXT("");
    check_refused(&job, "/batch");
    job = plain_job();
    job.unique_key = ((taskq_text){"a\0b", 3});
    check_refused(&job, "/unique_key");
    job.unique_key = TASKQ_TEXT("");
    check_refused(&job, "/unique_key");
}
END_TEST

START_TEST(an_empty_or_huge_payload_is_refused)
{
    taskq_new_job job = plain_job();
    job.payload = (taskq_text){NULL, 0};
    check_refused(&job, "/payload");
    job.payload = (taskq_text){"{}", (size_t)TASKQ__PAYLOAD_BYTES_MAX + 1}; /* refused by its size, not read */
    check_refused(&job, "/payload");
}
END_TEST

START_TEST(tags_are_names_and_16_at_most)
{
    static const char letters[] = "abcdefghijklmnop";
    taskq_new_job job = plain_job();
    for (uint32_t i = 0; i < TASKQ_TAGS_MAX; i++) {
        job.tags[i] = (taskq_text){letters + i, 1};
    }
    job.tag_count = TASKQ_TAGS_MAX;
    check_taken(&job);
    job.tag_count = TASKQ_TAGS_MAX + 1;
    check_refused(&job, "/tags");
    job.tag_count = TASKQ_TAGS_MAX;
    job.tags[12] = TASKQ_TEXT("no good");
    check_refused(&job, "/tags/12");
    job.tags[12] = TASKQ_TEXT("c");
    check_refused(&job, "/tags/12"); /* there already */
}
END_TEST

START_TEST(run_at_and_delay_exclude_each_other)
{
    taskq_new_job job = plain_job();
    job.has_run_at = true;
    job.has_delay = true;
    check_refused(&job, "/delay_ms");
}
END_TEST

START_TEST(run_at_lies_in_the_years_1970_to_2100)
{
    taskq_new_job job = plain_job();
    job.has_run_at = true;
    check_taken(&job);
    job.run_at_ms = TASKQ__WALL_MS_MAX;
    check_taken(&job);
    job.run_at_ms = TASKQ__WALL_MS_MAX + 1;
    check_refused(&job, "/run_at");
    job.run_at_ms = -1;
    check_refused(&job, "/run_at");
    job.has_run_at = false; /* not given: not looked at */
    check_taken(&job);
}
END_TEST

typedef struct range {
    size_t offset;
    bool wide; /* int64_t, else int32_t */
    int64_t min, max;
    const char *field;
} range;

static void set_number(taskq_new_job *job, const range *at, int64_t value)
{
    int32_t narrow = (int32_t)value;
    if (at->wide) {
        memcpy((char *)job + at->offset, &value, sizeof(value));
    } else {
        memcpy((char *)job + at->offset, &narrow, sizeof(narrow));
    }
}

START_TEST(every_number_is_taken_to_both_ends_of_its_range_and_no_further)
{
    static const range ranges[] = {
        {offsetof(taskq_new_job, priority), false, -1000, 1000, "/priority"},
        {offsetof(taskq_new_job, max_attempts), false, 1, 100, "/max_attempts"},
        {offsetof(taskq_new_job, delay_ms), true, 0, 31536000000, "/delay_ms"},
        {offsetof(taskq_new_job, timeout_ms), true, 100, 604800000, "/timeout_ms"},
        {offsetof(taskq_new_job, lease_ms), true, 1000, 43200000, "/lease_ms"},
        {offsetof(taskq_new_job, backoff.base_ms), true, 0, 86400000, "/backoff/base_ms"},
        {offsetof(taskq_new_job, backoff.max_ms), true, 0, 604800000, "/backoff/max_ms"},
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        taskq_new_job job = plain_job();
        job.has_delay = true;
        set_number(&job, &ranges[i], ranges[i].min);
        check_taken(&job);
        set_number(&job, &ranges[i], ranges[i].max);
        check_taken(&job);
        set_number(&job, &ranges[i], ranges[i].min - 1);
        check_refused(&job, ranges[i].field);
        set_number(&job, &ranges[i], ranges[i].max + 1);
        check_refused(&job, ranges[i].field);
    }
}
END_TEST

START_TEST(factor_and_jitter_are_checked_and_nan_is_in_no_range)
{
    static const double bad_factors[] = {0.999, 10.001, NAN, INFINITY, -INFINITY};
    static const double bad_jitters[] = {-0.001, 1.001, NAN, INFINITY};
    taskq_new_job job = plain_job();
    job.backoff.factor = 1.0;
    job.backoff.jitter = 1.0;
    check_taken(&job);
    for (size_t i = 0; i < sizeof(bad_factors) / sizeof(bad_factors[0]); i++) {
        job.backoff.factor = bad_factors[i];
        check_refused(&job, "/backoff/factor");
    }
    job.backoff.factor = 10.0;
    for (size_t i = 0; i < sizeof(bad_jitters) / sizeof(bad_jitters[0]); i++) {
        job.backoff.jitter = bad_jitters[i];
        check_refused(&job, "/backoff/jitter");
    }
}
END_TEST

START_TEST(a_new_job_keeps_its_fields_and_has_no_state)
{
    taskq_new_job new_job = plain_job();
    new_job.priority = 7;
    new_job.tags[0] = TASKQ_TEXT("a");
    new_job.tag_count = 1;
    new_job.batch = TASKQ_TEXT("b");
    new_job.unique_key = TASKQ_TEXT("k");
    new_job.traceparent = TASKQ_TEXT("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    taskq_job job;
    taskq__job_from_new(&new_job, (taskq_now){1000, 2000}, &job);
    ck_assert_int_eq(job.state, 0);
    ck_assert_int_eq(job.version, 0);
    ck_assert_int_eq(job.priority, 7);
    ck_assert_int_eq(job.max_attempts, 10);
    ck_assert(taskq__text_is(job.queue, "default"));
    ck_assert(taskq__text_is(job.type, "sleep"));
    ck_assert(taskq__text_is(job.payload, "{}"));
    ck_assert(taskq__text_is(job.tags[0], "a"));
    ck_assert(taskq__text_is(job.batch, "b"));
    ck_assert(taskq__text_is(job.unique_key, "k"));
    ck_assert_uint_eq(job.traceparent.size, 55);
    ck_assert_int_eq(job.timeout_ms, 900000);
    ck_assert_int_eq(job.lease_ms, 60000);
    ck_assert(job.backoff.factor == 2.0);
}
END_TEST

START_TEST(a_new_job_is_due_now_at_its_time_or_after_its_delay)
{
    taskq_new_job new_job = plain_job();
    taskq_job job;
    taskq__job_from_new(&new_job, (taskq_now){1000, 2000}, &job);
    ck_assert_int_eq(job.run_at_ms, 1000);
    new_job.delay_ms = 500;
    new_job.has_delay = true;
    taskq__job_from_new(&new_job, (taskq_now){1000, 2000}, &job);
    ck_assert_int_eq(job.run_at_ms, 1500);
    new_job.has_delay = false;
    new_job.has_run_at = true;
    new_job.run_at_ms = 5;
    taskq__job_from_new(&new_job, (taskq_now){1000, 2000}, &job);
    ck_assert_int_eq(job.run_at_ms, 5);
}
END_TEST

START_TEST(a_malformed_traceparent_is_ignored)
{
    taskq_new_job new_job = plain_job();
    new_job.traceparent = TASKQ_TEXT("00-nonsense");
    check_taken(&new_job);
    taskq_job job;
    taskq__job_from_new(&new_job, (taskq_now){1000, 2000}, &job);
    ck_assert_uint_eq(job.traceparent.size, 0);
}
END_TEST

START_TEST(the_sweep_looks_at_the_earlier_of_lease_and_time_out)
{
    taskq_job job = {.lease_due_ms = 5, .timeout_due_ms = 9};
    ck_assert_int_eq(taskq__job_expires_at(&job), 5);
    job.lease_due_ms = 12;
    ck_assert_int_eq(taskq__job_expires_at(&job), 9);
    job.timeout_due_ms = 0;
    ck_assert_int_eq(taskq__job_expires_at(&job), 12);
    job.lease_due_ms = 0;
    ck_assert_int_eq(taskq__job_expires_at(&job), 0);
}
END_TEST

START_TEST(state_names_are_read_back_and_nothing_else_is)
{
    for (int i = 1; i < TASKQ_STATE_COUNT; i++) {
        taskq_state state = (taskq_state)0;
        ck_assert_int_eq(taskq__state_parse(taskq_text_of(taskq_state_name((taskq_state)i)), &state), TASKQ_OK);
        ck_assert_int_eq(state, i);
        ck_assert_int_eq(taskq_state_is_terminal(state), i >= TASKQ_STATE_SUCCEEDED);
    }
    taskq_state kept = TASKQ_STATE_FAILED;
    static const char *const wrong[] = {"", "Queued", "unknown", "queued ", "done"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ck_assert_int_eq(taskq__state_parse(taskq_text_of(wrong[i]), &kept), TASKQ_EINVAL);
    }
    ck_assert_int_eq(kept, TASKQ_STATE_FAILED);
}
END_TEST

START_TEST(words_of_numbers_that_are_none_are_unknown)
{
    ck_assert_str_eq(taskq_state_name((taskq_state)0), "unknown");
    ck_assert_str_eq(taskq_state_name((taskq_state)8), "unknown");
    ck_assert_str_eq(taskq_state_name((taskq_state)1000), "unknown");
    ck_assert_str_eq(taskq_outcome_name((taskq_outcome)77), "unknown");
}
END_TEST

START_TEST(outcomes_have_the_names_that_the_api_shows)
{
    static const char *const names[] = {"none", "succeeded", "failed", "timed_out", "lost", "released", "canceled"};
    for (int i = 0; i <= TASKQ_OUTCOME_CANCELED; i++) {
        ck_assert_str_eq(taskq_outcome_name((taskq_outcome)i), names[i]);
    }
}
END_TEST

START_TEST(a_report_is_told_from_any_other_by_its_digest)
{
    taskq_text text = TASKQ_TEXT("{\"a\":1}");
    uint64_t digest = taskq__report_digest(TASKQ_EVENT_FAIL, text, false, -1);
    ck_assert_uint_eq(digest, taskq__report_digest(TASKQ_EVENT_FAIL, text, false, -1));
    ck_assert_uint_ne(digest, taskq__report_digest(TASKQ_EVENT_SUCCEED, text, false, -1));
    ck_assert_uint_ne(digest, taskq__report_digest(TASKQ_EVENT_FAIL, TASKQ_TEXT("{\"a\":2}"), false, -1));
    ck_assert_uint_ne(digest, taskq__report_digest(TASKQ_EVENT_FAIL, text, true, -1));
    ck_assert_uint_ne(digest, taskq__report_digest(TASKQ_EVENT_FAIL, text, false, 0));
}
END_TEST

TASKQ_TESTS(a_job_with_a_type_alone_is_taken, a_job_without_a_type_is_refused, a_struct_that_was_not_set_up_is_refused,
            names_and_keys_are_checked, an_empty_or_huge_payload_is_refused, tags_are_names_and_16_at_most,
            run_at_and_delay_exclude_each_other, run_at_lies_in_the_years_1970_to_2100,
            every_number_is_taken_to_both_ends_of_its_range_and_no_further,
            factor_and_jitter_are_checked_and_nan_is_in_no_range, a_new_job_keeps_its_fields_and_has_no_state,
            a_new_job_is_due_now_at_its_time_or_after_its_delay, a_malformed_traceparent_is_ignored,
            the_sweep_looks_at_the_earlier_of_lease_and_time_out, state_names_are_read_back_and_nothing_else_is,
            words_of_numbers_that_are_none_are_unknown, outcomes_have_the_names_that_the_api_shows,
            a_report_is_told_from_any_other_by_its_digest)
