/* SPDX-License-Identifier: MIT */
/* The defaults that C programs get from TASKQ_NEW_JOB_INIT are those of the API's description. (Its bounds are compared at compile time,
 * in lib/wire/api_check.c.) */
#include "support/check_main.h"
#include "wire/api_fields.h"

#include <string.h>
#include <taskq/job.h>

static bool is(taskq_text text, const char *word)
{
    return text.size == strlen(word) && memcmp(text.data, word, text.size) == 0;
}

START_TEST(a_new_job_has_the_described_texts)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    ck_assert(is(job.queue, TASKQ__API_NEW_JOB_QUEUE_DEFAULT));
    ck_assert(is(job.payload, TASKQ__API_NEW_JOB_PAYLOAD_DEFAULT));
}
END_TEST

START_TEST(a_new_job_has_the_described_numbers)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    ck_assert_int_eq(job.priority, TASKQ__API_NEW_JOB_PRIORITY_DEFAULT);
    ck_assert_int_eq(job.max_attempts, TASKQ__API_NEW_JOB_MAX_ATTEMPTS_DEFAULT);
    ck_assert_int_eq(job.timeout_ms, TASKQ__API_NEW_JOB_TIMEOUT_MS_DEFAULT);
    ck_assert_int_eq(job.lease_ms, TASKQ__API_NEW_JOB_LEASE_MS_DEFAULT);
}
END_TEST

START_TEST(a_new_job_has_the_described_backoff)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    ck_assert_int_eq(job.backoff.base_ms, TASKQ__API_BACKOFF_OPTIONS_BASE_MS_DEFAULT);
    ck_assert_int_eq(job.backoff.max_ms, TASKQ__API_BACKOFF_OPTIONS_MAX_MS_DEFAULT);
    ck_assert_double_eq(job.backoff.factor, TASKQ__API_BACKOFF_OPTIONS_FACTOR_DEFAULT);
    ck_assert_double_eq(job.backoff.jitter, TASKQ__API_BACKOFF_OPTIONS_JITTER_DEFAULT);
}
END_TEST

TASKQ_TESTS(a_new_job_has_the_described_texts, a_new_job_has_the_described_numbers, a_new_job_has_the_described_backoff)
