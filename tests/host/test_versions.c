/* SPDX-License-Identifier: MIT */
/*
 * A host that was compiled against another version. Its structs are shorter, or longer: what it did not know of is the default, what it
 * asks for and we do not know is refused, and memory beyond its structs is neither read nor written (ASan watches: each is exactly as
 * large as it says).
 */
#include "world.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/sized.h"
#include "support/check_main.h"

static void setup(void)
{
    world_setup();
    world_ok(&w, world_open_store(&w, ":memory:"));
    world_ok(&w, world_open_scheduler(&w));
}

/* The struct as a host of another version has it: `size` bytes and not one more, what is beyond ours all `beyond`. To be freed. */
static void *as_of(const void *ours, size_t our_size, size_t size, int beyond)
{
    char *theirs = malloc(size);
    ck_assert_ptr_nonnull(theirs);
    memset(theirs, beyond, size);
    memcpy(theirs, ours, size < our_size ? size : our_size);
    memcpy(theirs, &size, sizeof(size));
    return theirs;
}

/* Eight bytes of it, for those who must not say that it is whole. */
static uint64_t word_at(const void *theirs, size_t offset)
{
    uint64_t word = 0;
    memcpy(&word, (const char *)theirs + offset, sizeof(word));
    return word;
}

#define OLDER(ours, field) as_of(&(ours), sizeof(ours), offsetof(__typeof__(ours), field), 0)
#define NEWER(ours, beyond) as_of(&(ours), sizeof(ours), sizeof(ours) + 64, (beyond))

typedef struct sample {
    size_t struct_size;
    int32_t first, second;
} sample;

START_TEST(what_an_older_caller_did_not_know_is_zero)
{
    sample theirs = {sizeof(sample), 1, 2}, own = {0, 9, 9};
    sample *old = OLDER(theirs, second);
    ck_assert_int_eq(TASKQ__SIZED_IN(old, &own, NULL), TASKQ_OK);
    ck_assert_uint_eq(own.struct_size, sizeof(own));
    ck_assert_int_eq(own.first, 1);
    ck_assert_int_eq(own.second, 0);
    free(old);
}
END_TEST

START_TEST(what_a_newer_caller_asks_for_is_refused_and_what_it_leaves_out_is_not)
{
    sample theirs = {sizeof(sample), 1, 2}, own = {0, 0, 0};
    sample *silent = NEWER(theirs, 0), *asking = NEWER(theirs, 1);
    ck_assert_int_eq(TASKQ__SIZED_IN(silent, &own, NULL), TASKQ_OK);
    ck_assert_int_eq(own.second, 2);
    ck_assert_int_eq(TASKQ__SIZED_IN(asking, &own, &w.err), TASKQ_EINVAL);
    ck_assert_ptr_nonnull(strstr(w.err.text, "newer"));
    free(silent);
    free(asking);
}
END_TEST

START_TEST(a_struct_that_was_never_set_up_is_told_from_one_of_another_version)
{
    sample theirs = {0, 1, 2}, own = {0, 0, 0};
    ck_assert_int_eq(TASKQ__SIZED_IN(&theirs, &own, NULL), TASKQ_EINVAL);
    theirs.struct_size = SIZE_MAX;
    ck_assert_int_eq(TASKQ__SIZED_IN(&theirs, &own, NULL), TASKQ_EINVAL);
    ck_assert_int_eq(TASKQ__SIZED_IN((sample *)NULL, &own, &w.err), TASKQ_EINVAL);
    ck_assert_ptr_nonnull(strstr(w.err.text, "INIT"));
}
END_TEST

START_TEST(of_what_is_filled_in_each_gets_what_it_knows)
{
    sample own = {sizeof(sample), 1, 2};
    sample *old = OLDER(own, second), *new = NEWER(own, 7);
    ck_assert_int_eq(TASKQ__SIZED_OUT(old, &own, NULL), TASKQ_OK);
    ck_assert_uint_eq(word_at(old, 0), offsetof(sample, second));
    ck_assert_int_eq(TASKQ__SIZED_OUT(new, &own, NULL), TASKQ_OK);
    ck_assert_uint_eq(word_at(new, 0), sizeof(sample) + 64);
    ck_assert_int_eq(((char *)new)[sizeof(sample) + 63], 0);
    free(old);
    free(new);
}
END_TEST

START_TEST(objects_open_for_hosts_that_know_no_allocator)
{
    taskq_sqlite_options sqlite = TASKQ_SQLITE_OPTIONS_INIT;
    taskq_scheduler_options scheduling = TASKQ_SCHEDULER_OPTIONS_INIT;
    taskq_worker_options working = TASKQ_WORKER_OPTIONS_INIT;
    taskq_client_options asking = TASKQ_CLIENT_OPTIONS_INIT;
    world own = {.store = NULL};
    sqlite.path = ":memory:";
    taskq_sqlite_options *old = OLDER(sqlite, allocator);
    world_ok(&w, taskq_sqlite_open(old, &own.store, &w.err));
    scheduling.store = own.store;
    taskq_scheduler_options *old_scheduling = OLDER(scheduling, allocator);
    world_ok(&w, taskq_scheduler_open(old_scheduling, &own.scheduler, &w.err));
    taskq_worker_options *old_working = OLDER(working, allocator);
    world_ok(&w, taskq_worker_open(old_working, &own.worker, &w.err));
    taskq_client_options *old_asking = OLDER(asking, allocator);
    world_ok(&w, taskq_client_open(old_asking, &own.client, &w.err));
    world_close(&own);
    free(old);
    free(old_scheduling);
    free(old_working);
    free(old_asking);
}
END_TEST

START_TEST(objects_are_not_opened_for_hosts_that_ask_for_more_than_there_is)
{
    taskq_sqlite_options sqlite = TASKQ_SQLITE_OPTIONS_INIT;
    taskq_scheduler_options scheduling = TASKQ_SCHEDULER_OPTIONS_INIT;
    taskq_server_options serving = TASKQ_SERVER_OPTIONS_INIT;
    taskq_worker_options working = TASKQ_WORKER_OPTIONS_INIT;
    taskq_client_options asking = TASKQ_CLIENT_OPTIONS_INIT;
    sqlite.path = ":memory:";
    scheduling.store = w.store;
    serving.scheduler = w.scheduler;
    void *theirs[] = {NEWER(sqlite, 1), NEWER(scheduling, 1), NEWER(serving, 1), NEWER(working, 1), NEWER(asking, 1)};
    world none = {.store = NULL};
    ck_assert_int_eq(taskq_sqlite_open(theirs[0], &none.store, NULL), TASKQ_EINVAL);
    ck_assert_int_eq(taskq_scheduler_open(theirs[1], &none.scheduler, NULL), TASKQ_EINVAL);
    ck_assert_int_eq(taskq_server_start(theirs[2], &none.server, NULL), TASKQ_EINVAL);
    ck_assert_int_eq(taskq_worker_open(theirs[3], &none.worker, NULL), TASKQ_EINVAL);
    ck_assert_int_eq(taskq_client_open(theirs[4], &none.client, NULL), TASKQ_EINVAL);
    for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++) {
        free(theirs[i]);
    }
}
END_TEST

START_TEST(jobs_of_three_versions_travel_in_one_request)
{
    taskq_new_job job = world_job("a", "{\"n\":1}");
    taskq_new_job *old = OLDER(job, traceparent), *new = NEWER(job, 0), *too_new = NEWER(job, 1);
    const taskq_new_job *jobs[] = {&job, old, new};
    taskq_enqueue_options options = TASKQ_ENQUEUE_OPTIONS_INIT;
    options.idempotency_key = taskq_text_of("once");
    taskq_enqueue_options *old_options = OLDER(options, json_checked);
    taskq_jobs *made = NULL;
    world_ok(&w, taskq_scheduler_enqueue(w.scheduler, jobs, 3, old_options, &made, NULL, &w.err));
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(taskq_jobs_at(made, i)->payload.size, 7);
    }
    taskq_jobs_free(made);
    jobs[1] = too_new;
    ck_assert_int_eq(taskq_scheduler_enqueue(w.scheduler, jobs, 3, NULL, &made, NULL, &w.err), TASKQ_EINVAL);
    ck_assert_str_eq(w.err.field, "/1");
    free(old);
    free(new);
    free(too_new);
    free(old_options);
}
END_TEST

START_TEST(claims_filters_reports_and_figures_of_other_versions_are_served)
{
    taskq_claim_options claim = TASKQ_CLAIM_OPTIONS_INIT;
    taskq_filter filter = TASKQ_FILTER_INIT;
    taskq_scheduler_stats stats = {.struct_size = sizeof(stats)};
    taskq_report report = TASKQ_REPORT_INIT;
    taskq_jobs *jobs = NULL, *page = NULL;
    (void)world_enqueue(&w, "a");
    taskq_claim_options *old_claim = OLDER(claim, gone);
    taskq_filter *old_filter = OLDER(filter, limit);
    taskq_scheduler_stats *old_stats = OLDER(stats, parked);
    world_ok(&w, taskq_scheduler_claim(w.scheduler, old_claim, &jobs, &w.err));
    world_ok(&w, taskq_scheduler_list(w.scheduler, old_filter, &page, &w.err));
    world_ok(&w, taskq_scheduler_read_stats(w.scheduler, old_stats, &w.err));
    ck_assert_uint_eq(word_at(old_stats, offsetof(taskq_scheduler_stats, claimed)), 1);
    report.id = taskq_jobs_at(jobs, 0)->id;
    report.version = taskq_jobs_at(jobs, 0)->version;
    report.succeeded = true;
    taskq_report *new_report = NEWER(report, 0), *too_new = NEWER(report, 1);
    world_ok(&w, taskq_scheduler_complete(w.scheduler, &new_report, 1, false, false, NULL, NULL, NULL, &w.err));
    ck_assert_int_eq(new_report->status, TASKQ_OK);
    ck_assert_int_eq(taskq_scheduler_complete(w.scheduler, &too_new, 1, false, false, NULL, NULL, NULL, NULL),
                     TASKQ_EINVAL);
    taskq_jobs_free(jobs);
    taskq_jobs_free(page);
    free(old_claim);
    free(old_filter);
    free(old_stats);
    free(new_report);
    free(too_new);
}
END_TEST

TASKQ_TESTS_WITH(setup, world_teardown, what_an_older_caller_did_not_know_is_zero,
                 what_a_newer_caller_asks_for_is_refused_and_what_it_leaves_out_is_not,
                 a_struct_that_was_never_set_up_is_told_from_one_of_another_version,
                 of_what_is_filled_in_each_gets_what_it_knows, objects_open_for_hosts_that_know_no_allocator,
                 objects_are_not_opened_for_hosts_that_ask_for_more_than_there_is,
                 jobs_of_three_versions_travel_in_one_request,
                 claims_filters_reports_and_figures_of_other_versions_are_served)
