/* SPDX-License-Identifier: MIT */
/*
 * The lists that a host is handed: reached through functions, safe past their end, gone with one call.
 */
#include "support/check_main.h"

#include "core/jobs.h"
#include "core/text.h"

START_TEST(a_new_list_is_empty)
{
    taskq_jobs *list = taskq__jobs_new(NULL);
    ck_assert_uint_eq(taskq_jobs_count(list), 0);
    ck_assert_ptr_null(taskq_jobs_at(list, 0));
    ck_assert_int_eq(taskq_jobs_next(list), 0);
    taskq_jobs_free(list);
}
END_TEST

START_TEST(jobs_are_reached_by_index_and_not_past_the_end)
{
    taskq_jobs *list = taskq__jobs_new(NULL);
    taskq_arena *arena = taskq__jobs_arena(list);
    taskq_job **jobs = taskq_arena_alloc(arena, 2 * sizeof(*jobs));
    for (int i = 0; i < 2; i++) {
        jobs[i] = taskq_arena_alloc(arena, sizeof(**jobs));
        jobs[i]->id = 10 + i;
    }
    taskq__jobs_set(list, jobs, 2, 7);
    ck_assert_uint_eq(taskq_jobs_count(list), 2);
    ck_assert_int_eq(taskq_jobs_at(list, 1)->id, 11);
    ck_assert_ptr_null(taskq_jobs_at(list, 2));
    ck_assert_ptr_null(taskq_jobs_at(list, UINT32_MAX));
    ck_assert_int_eq(taskq_jobs_next(list), 7);
    taskq_jobs_free(list);
}
END_TEST

START_TEST(queues_are_reached_by_index_and_not_past_the_end)
{
    taskq_queues *list = taskq__queues_new(NULL);
    taskq_queue *queues = taskq_arena_alloc(taskq__queues_arena(list), 2 * sizeof(*queues));
    queues[1].name = TASKQ_TEXT("mail");
    taskq__queues_set(list, queues, 2);
    ck_assert_uint_eq(taskq_queues_count(list), 2);
    ck_assert(taskq__text_is(taskq_queues_at(list, 1)->name, "mail"));
    ck_assert_ptr_null(taskq_queues_at(list, 2));
    taskq_queues_free(list);
}
END_TEST

START_TEST(no_list_is_an_empty_one)
{
    ck_assert_uint_eq(taskq_jobs_count(NULL), 0);
    ck_assert_ptr_null(taskq_jobs_at(NULL, 0));
    ck_assert_int_eq(taskq_jobs_next(NULL), 0);
    taskq_jobs_free(NULL);
    ck_assert_uint_eq(taskq_queues_count(NULL), 0);
    ck_assert_ptr_null(taskq_queues_at(NULL, 0));
    taskq_queues_free(NULL);
}
END_TEST

TASKQ_TESTS(a_new_list_is_empty, jobs_are_reached_by_index_and_not_past_the_end,
            queues_are_reached_by_index_and_not_past_the_end, no_list_is_an_empty_one)
