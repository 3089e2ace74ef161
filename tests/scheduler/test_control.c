/* SPDX-License-Identifier: MIT */
/* What operators do: cancel, retry, delete, all of it in bulk, pause, and the readers. */
#include "support/check_main.h"

#include <string.h>

#include "fixture.h"

static uint32_t bulk_ids(taskq_bulk_action action, const int64_t *ids, uint32_t count, const taskq_filter *filter)
{
    uint32_t affected = 0;
    bool more = true;
    ck_ok(taskq_scheduler_bulk(fx.scheduler, action, ids, count, filter, &affected, &more, &fx.err));
    ck_assert(!more);
    return affected;
}

static void enqueue_many(const char *queue, uint32_t count)
{
    const taskq_new_job *jobs[1000];
    taskq_new_job job = new_job(queue, "t");
    for (uint32_t i = 0; i < 1000; i++) {
        jobs[i] = &job;
    }
    for (uint32_t left = count; left > 0;) {
        uint32_t some = left < 1000 ? left : 1000;
        ck_ok(taskq_scheduler_enqueue(fx.scheduler, jobs, some, NULL, NULL, NULL, &fx.err));
        left -= some;
    }
}

static taskq_filter of_queue(const char *queue)
{
    taskq_filter filter = TASKQ_FILTER_INIT;
    filter.queue = taskq_text_of(queue);
    return filter;
}

START_TEST(a_queued_job_is_canceled_once)
{
    int64_t id = enqueue("default", "t");
    taskq_jobs *list = NULL;
    ck_ok(taskq_scheduler_cancel(fx.scheduler, id, &list, &fx.err));
    ck_assert_int_eq(taskq_jobs_at(list, 0)->state, TASKQ_STATE_CANCELED);
    ck_assert_int_eq(taskq_jobs_at(list, 0)->version, 2);
    taskq_jobs_free(list);
    ck_assert_int_eq(taskq_scheduler_cancel(fx.scheduler, id, NULL, NULL), TASKQ_ECONFLICT);
    ck_assert_int_eq(taskq_scheduler_cancel(fx.scheduler, 4711, NULL, NULL), TASKQ_ENOTFOUND);
    ck_assert_int_eq(taskq_scheduler_cancel(fx.scheduler, -1, NULL, NULL), TASKQ_ENOTFOUND);
}
END_TEST

START_TEST(a_running_job_is_asked_to_cancel_and_ends_canceled)
{
    taskq_heartbeat beat = TASKQ_HEARTBEAT_INIT;
    taskq_heartbeat *beats[] = {&beat};
    taskq_state state;
    beat.id = enqueue("default", "t");
    (void)claim("default", NULL, &beat.version);
    ck_ok(taskq_scheduler_cancel(fx.scheduler, beat.id, NULL, &fx.err));
    ck_ok(taskq_scheduler_cancel(fx.scheduler, beat.id, NULL, &fx.err));
    ck_ok(taskq_scheduler_heartbeat(fx.scheduler, beats, 1, &fx.err));
    ck_assert(beat.cancel_requested);
    ck_assert_int_eq(complete(beat.id, beat.version, false, &state), TASKQ_OK);
    ck_assert_int_eq(state, TASKQ_STATE_CANCELED);
}
END_TEST

START_TEST(a_release_gives_the_attempt_back)
{
    int64_t version, id = enqueue("default", "t");
    taskq_jobs *list = NULL;
    (void)claim("default", NULL, &version);
    ck_assert_int_eq(taskq_scheduler_release(fx.scheduler, id, version + 1, 0, NULL, NULL), TASKQ_ESTALE);
    ck_ok(taskq_scheduler_release(fx.scheduler, id, version, 0, &list, &fx.err));
    ck_assert_int_eq(taskq_jobs_at(list, 0)->attempt, 0);
    ck_assert_int_eq(taskq_jobs_at(list, 0)->state, TASKQ_STATE_QUEUED);
    taskq_jobs_free(list);
    ck_assert_uint_eq(stats().released, 1);
}
END_TEST

START_TEST(a_terminal_job_is_retried_and_deleted_and_an_open_one_is_neither)
{
    int64_t id = enqueue("default", "t");
    ck_assert_int_eq(taskq_scheduler_retry(fx.scheduler, id, NULL, NULL), TASKQ_ECONFLICT);
    ck_assert_int_eq(taskq_scheduler_delete(fx.scheduler, id, NULL), TASKQ_ECONFLICT);
    ck_ok(taskq_scheduler_cancel(fx.scheduler, id, NULL, &fx.err));
    ck_ok(taskq_scheduler_retry(fx.scheduler, id, NULL, &fx.err));
    ck_assert_int_eq(state_of(id), TASKQ_STATE_QUEUED);
    ck_ok(taskq_scheduler_cancel(fx.scheduler, id, NULL, &fx.err));
    ck_ok(taskq_scheduler_delete(fx.scheduler, id, &fx.err));
    ck_assert_int_eq(taskq_scheduler_delete(fx.scheduler, id, NULL), TASKQ_ENOTFOUND);
    ck_assert_int_eq(state_of(id), 0);
}
END_TEST

START_TEST(a_bulk_change_counts_only_what_it_changed)
{
    int64_t version, ids[6];
    for (int i = 0; i < 4; i++) {
        ids[i] = enqueue("default", "t");
    }
    ids[4] = 4711;
    ids[5] = ids[0]; /* twice */
    (void)claim("default", NULL, &version);
    ck_assert_int_eq(complete(ids[0], version, true, NULL), TASKQ_OK);
    ck_assert_uint_eq(bulk_ids(TASKQ_BULK_CANCEL, ids, 6, NULL), 3);
    ck_assert_uint_eq(bulk_ids(TASKQ_BULK_CANCEL, ids, 6, NULL), 0);
    ck_assert_int_eq(state_of(ids[0]), TASKQ_STATE_SUCCEEDED);
    ck_assert_uint_eq(bulk_ids(TASKQ_BULK_DELETE, ids, 6, NULL), 4);
}
END_TEST

START_TEST(asking_a_running_job_to_cancel_counts_the_first_time)
{
    int64_t id = enqueue("default", "t");
    (void)claim("default", NULL, NULL);
    ck_assert_uint_eq(bulk_ids(TASKQ_BULK_CANCEL, &id, 1, NULL), 1);
    ck_assert_uint_eq(bulk_ids(TASKQ_BULK_CANCEL, &id, 1, NULL), 0);
}
END_TEST

START_TEST(ids_and_filter_must_both_fit)
{
    int64_t ids[] = {enqueue("default", "t"), enqueue("other", "t")};
    taskq_filter filter = of_queue("other");
    ck_assert_uint_eq(bulk_ids(TASKQ_BULK_CANCEL, ids, 2, &filter), 1);
    ck_assert_int_eq(state_of(ids[0]), TASKQ_STATE_QUEUED);
    ck_assert_int_eq(state_of(ids[1]), TASKQ_STATE_CANCELED);
}
END_TEST

START_TEST(a_filter_changes_all_that_fit_and_nothing_else)
{
    taskq_filter filter = of_queue("a");
    enqueue_many("a", 1234);
    enqueue_many("b", 3);
    ck_assert_uint_eq(bulk_ids(TASKQ_BULK_CANCEL, NULL, 0, &filter), 1234);
    ck_assert_uint_eq(bulk_ids(TASKQ_BULK_CANCEL, NULL, 0, &filter), 0);
    ck_assert_uint_eq(stats().canceled, 1234);
    ck_assert_int_eq(state_of(1235), TASKQ_STATE_QUEUED);
}
END_TEST

START_TEST(a_retried_job_that_fits_the_filter_again_is_handled_once)
{
    taskq_filter filter = of_queue("a");
    enqueue_many("a", 1100);
    (void)bulk_ids(TASKQ_BULK_CANCEL, NULL, 0, &filter);
    ck_assert_uint_eq(bulk_ids(TASKQ_BULK_RETRY, NULL, 0, &filter), 1100);
    ck_assert_uint_eq(stats().retried, 1100);
}
END_TEST

START_TEST(a_bulk_change_stops_at_its_bound_and_says_that_there_is_more)
{
    uint32_t affected = 0;
    bool more = false;
    taskq_filter filter = of_queue("a");
    enqueue_many("a", TASKQ_BULK_MAX + 1);
    ck_ok(taskq_scheduler_bulk(fx.scheduler, TASKQ_BULK_CANCEL, NULL, 0, &filter, &affected, &more, &fx.err));
    ck_assert_uint_eq(affected, TASKQ_BULK_MAX);
    ck_assert(more);
    ck_assert_uint_eq(bulk_ids(TASKQ_BULK_CANCEL, NULL, 0, &filter), 1);
}
END_TEST

START_TEST(a_bulk_change_of_exactly_the_bound_says_that_there_is_no_more)
{
    taskq_filter filter = of_queue("a");
    enqueue_many("a", TASKQ_BULK_MAX);
    ck_assert_uint_eq(bulk_ids(TASKQ_BULK_CANCEL, NULL, 0, &filter), TASKQ_BULK_MAX);
}
END_TEST

static bool leaves_at_the_first_step(void *user)
{
    unsigned *asked = user;
    return ++*asked == 1;
}

START_TEST(a_bulk_change_ends_when_whoever_asked_for_it_has_left)
{
    uint32_t affected = 0;
    unsigned asked = 0;
    bool more = false;
    taskq_filter filter = of_queue("a");
    enqueue_many("a", 1600);
    ck_ok(taskq_scheduler_bulk_until(fx.scheduler, TASKQ_BULK_CANCEL, NULL, 0, &filter, leaves_at_the_first_step,
                                     &asked, &affected, &more, &fx.err));
    ck_assert_uint_eq(asked, 1);
    ck_assert_uint_gt(affected, 0);
    ck_assert_uint_lt(affected, 1600);
    ck_assert(more);
    ck_assert_uint_eq(bulk_ids(TASKQ_BULK_CANCEL, NULL, 0, &filter), 1600 - affected);
}
END_TEST

START_TEST(an_empty_filter_is_refused)
{
    taskq_filter filter = TASKQ_FILTER_INIT;
    ck_assert_int_eq(taskq_scheduler_bulk(fx.scheduler, TASKQ_BULK_DELETE, NULL, 0, &filter, NULL, NULL, NULL),
                     TASKQ_EINVAL);
    ck_assert_int_eq(taskq_scheduler_bulk(fx.scheduler, TASKQ_BULK_DELETE, NULL, 0, NULL, NULL, NULL, NULL),
                     TASKQ_EINVAL);
}
END_TEST

START_TEST(a_queue_is_there_once_it_is_named)
{
    taskq_text name = TASKQ_TEXT("fresh");
    taskq_queues *queues = NULL;
    ck_assert_int_eq(taskq_scheduler_queues(fx.scheduler, &name, &queues, NULL), TASKQ_ENOTFOUND);
    ck_ok(taskq_scheduler_queue_pause(fx.scheduler, name, true, &queues, &fx.err));
    ck_assert(taskq_queues_at(queues, 0)->paused);
    taskq_queues_free(queues);
    (void)enqueue("fresh", "t");
    ck_assert_int_eq(claim("fresh", NULL, NULL), 0);
    ck_ok(taskq_scheduler_queues(fx.scheduler, NULL, &queues, &fx.err));
    ck_assert_int_eq(taskq_queues_at(queues, 0)->counts[TASKQ_STATE_QUEUED], 1);
    taskq_queues_free(queues);
}
END_TEST

START_TEST(a_list_goes_down_the_ids_page_by_page)
{
    taskq_filter filter = of_queue("a");
    int64_t expected = 25;
    enqueue_many("a", 25);
    filter.limit = 10;
    do {
        taskq_jobs *list = NULL;
        ck_ok(taskq_scheduler_list(fx.scheduler, &filter, &list, &fx.err));
        for (uint32_t i = 0; i < taskq_jobs_count(list); i++) {
            ck_assert_int_eq(taskq_jobs_at(list, i)->id, expected--);
        }
        filter.before_id = taskq_jobs_next(list);
        taskq_jobs_free(list);
    } while (filter.before_id != 0);
    ck_assert_int_eq(expected, 0);
}
END_TEST

START_TEST(heartbeats_stand_alone_and_leave_the_version)
{
    taskq_heartbeat good = TASKQ_HEARTBEAT_INIT, none = TASKQ_HEARTBEAT_INIT, bad = TASKQ_HEARTBEAT_INIT;
    taskq_heartbeat *two[] = {&good, &none}, *one[] = {&bad};
    good.id = enqueue("default", "t");
    (void)claim("default", NULL, &good.version);
    good.progress = TASKQ_TEXT("{\"percent\": 50}");
    good.log = TASKQ_TEXT("half\n");
    none.id = 4711;
    none.version = 1;
    ck_ok(taskq_scheduler_heartbeat(fx.scheduler, two, 2, &fx.err));
    ck_assert_int_eq(good.status, TASKQ_OK);
    ck_assert_int_eq(none.status, TASKQ_ENOTFOUND);
    taskq_jobs *list = NULL;
    ck_ok(taskq_scheduler_get(fx.scheduler, good.id, &list, &fx.err));
    ck_assert_int_eq(taskq_jobs_at(list, 0)->version, good.version);
    ck_assert_uint_eq(taskq_jobs_at(list, 0)->log.size, 5);
    taskq_jobs_free(list);
    bad = good;
    bad.progress = TASKQ_TEXT("[1]");
    ck_assert_int_eq(taskq_scheduler_heartbeat(fx.scheduler, one, 1, &fx.err), TASKQ_EINVAL);
    ck_assert_str_eq(fx.err.field, "/progress");
}
END_TEST

START_TEST(options_out_of_their_bounds_are_refused)
{
    taskq_scheduler_options cases[4];
    for (int i = 0; i < 4; i++) {
        cases[i] = (taskq_scheduler_options)TASKQ_SCHEDULER_OPTIONS_INIT;
        cases[i].store = fx.store;
    }
    cases[0].store = NULL;
    cases[1].sweep_interval_ms = 9;
    cases[2].retention_ms = -2;
    cases[3].struct_size = 1;
    for (int i = 0; i < 4; i++) {
        taskq_scheduler *out = NULL;
        ck_assert_int_eq(taskq_scheduler_open(&cases[i], &out, NULL), TASKQ_EINVAL);
        ck_assert_ptr_null(out);
    }
}
END_TEST

TASKQ_TESTS_WITH(fixture_setup, fixture_teardown, a_queued_job_is_canceled_once,
                 a_running_job_is_asked_to_cancel_and_ends_canceled, a_release_gives_the_attempt_back,
                 a_terminal_job_is_retried_and_deleted_and_an_open_one_is_neither,
                 a_bulk_change_counts_only_what_it_changed, asking_a_running_job_to_cancel_counts_the_first_time,
                 ids_and_filter_must_both_fit, a_filter_changes_all_that_fit_and_nothing_else,
                 a_retried_job_that_fits_the_filter_again_is_handled_once,
                 a_bulk_change_stops_at_its_bound_and_says_that_there_is_more,
                 a_bulk_change_of_exactly_the_bound_says_that_there_is_no_more,
                 a_bulk_change_ends_when_whoever_asked_for_it_has_left, an_empty_filter_is_refused,
                 a_queue_is_there_once_it_is_named, a_list_goes_down_the_ids_page_by_page,
                 heartbeats_stand_alone_and_leave_the_version, options_out_of_their_bounds_are_refused)
