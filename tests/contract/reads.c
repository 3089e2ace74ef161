/* SPDX-License-Identifier: MIT */
/*
 * Queues with their counts and ages, and the questions that health asks.
 */
#include "contract/contract.h"

#include "core/arena.h"

#include <pthread.h>
#include <stdatomic.h>

START_TEST(a_queue_is_there_as_soon_as_a_job_names_it)
{
    ck_assert_ptr_null(queue_now("default").name.data);
    make_type("a");
    assert_text(queue_now("default").name, "default");
    ck_assert(!queue_now("default").paused);
}
END_TEST

START_TEST(all_queues_come_by_name)
{
    taskq_counts counts;
    taskq_error err = TASKQ_ERROR_INIT;
    COMMIT(pause_op("zeta", true), pause_op("alpha", false), pause_op("mid", true));
    ck_assert_int_eq(taskq__store_counts(contract.store, NULL, contract.now, contract.arena, &counts, &err), TASKQ_OK);
    ck_assert_uint_eq(counts.count, 3);
    assert_text(counts.queues[0].name, "alpha");
    assert_text(counts.queues[1].name, "mid");
    assert_text(counts.queues[2].name, "zeta");
    ck_assert(!counts.queues[0].paused && counts.queues[1].paused && counts.queues[2].paused);
}
END_TEST

START_TEST(counts_follow_every_move)
{
    make_type("a");
    make_type("a");
    const taskq_job *job = claim_one();
    ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), 1);
    ck_assert_int_eq(count_of(TASKQ_STATE_RUNNING), 1);
    settle(TASKQ_EVENT_FAIL, job->id, 2);
    ck_assert_int_eq(count_of(TASKQ_STATE_RUNNING), 0);
    ck_assert_int_eq(count_of(TASKQ_STATE_SCHEDULED), 1);
    settle(TASKQ_EVENT_CANCEL, job->id, 0);
    settle(TASKQ_EVENT_DELETE, job->id, 0);
    ck_assert_int_eq(count_of(TASKQ_STATE_CANCELED), 0);
    ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), 1);
}
END_TEST

START_TEST(the_oldest_ready_job_is_found_in_any_priority)
{
    taskq_new_job job = new_job("a");
    job.has_run_at = true;
    for (int32_t priority = -2; priority <= 2; priority++) {
        job.priority = priority;
        job.run_at_ms = contract.now.wall_ms - (priority == -1 ? 5000 : 100);
        make(&job);
    }
    ck_assert_int_eq(queue_now("default").oldest_ready_age_ms, 5000);
    pass(10);
    ck_assert_int_eq(queue_now("default").oldest_ready_age_ms, 5010);
    COMMIT(claim_op("default", "", 5));
    ck_assert_int_eq(queue_now("default").oldest_ready_age_ms, 0);
}
END_TEST

START_TEST(a_store_that_works_says_that_it_could_write)
{
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_int_eq(taskq__store_ping(contract.store, &err), TASKQ_OK);
    make_type("a");
    ck_assert_int_eq(taskq__store_ping(contract.store, &err), TASKQ_OK);
}
END_TEST

START_TEST(a_job_that_is_not_there_is_not_found)
{
    taskq_job *job = NULL;
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_int_eq(taskq__store_get(contract.store, 5, 0, contract.now, contract.arena, &job, &err), TASKQ_ENOTFOUND);
    ck_assert_int_eq(err.status, TASKQ_ENOTFOUND);
    ck_assert_ptr_null(job);
}
END_TEST

START_TEST(attempts_and_log_come_only_where_asked_for)
{
    const taskq_job *running = running_job();
    COMMIT(beat_op(running->id, 2, "", "x"));
    settle(TASKQ_EVENT_RELEASE, running->id, 2);
    taskq_job *job = NULL;
    ck_assert_int_eq(taskq__store_get(contract.store, running->id, 0, contract.now, contract.arena, &job, NULL),
                     TASKQ_OK);
    ck_assert_uint_eq(job->attempt_count + job->log.size, 0);
    ck_assert_uint_eq(job_now(running->id)->attempt_count, 1);
}
END_TEST

typedef struct reading {
    atomic_bool stop;
    atomic_int reads, wrong;
    int64_t id;
} reading;

static void *read_on(void *user)
{
    reading *r = user;
    while (!atomic_load(&r->stop)) {
        taskq_arena *arena = taskq__arena_new(NULL, 0);
        taskq_job *job = NULL;
        taskq_status status =
            taskq__store_get(contract.store, r->id, TASKQ_PART_ATTEMPTS, (taskq_now){1, 1}, arena, &job, NULL);
        /* Version and attempts are of one instant: after n releases the version is 1 + 2n. */
        bool fits = status == TASKQ_OK &&
                    job->version == 1 + 2 * (int64_t)job->attempt_count + (job->state == TASKQ_STATE_RUNNING);
        atomic_fetch_add(fits ? &r->reads : &r->wrong, 1);
        taskq__arena_free(arena);
    }
    return NULL;
}

START_TEST(reads_beside_commits_see_one_instant)
{
    reading r = {.id = make_type("a")};
    pthread_t threads[6];
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_on, &r), 0);
    }
    int64_t version = 1;
    for (int i = 0; i < 90 || (atomic_load(&r.reads) < 50 && i < 99); i++) {
        version = claim_one()->version;
        ck_assert_int_eq(settle(TASKQ_EVENT_RELEASE, r.id, version), TASKQ_OK);
    }
    atomic_store(&r.stop, true);
    for (int i = 0; i < 6; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_int_eq(atomic_load(&r.wrong), 0);
    ck_assert_int_ge(atomic_load(&r.reads), 6);
}
END_TEST

void contract_add_reads(Suite *suite)
{
    const TTest *const tests[] = {
        a_queue_is_there_as_soon_as_a_job_names_it,
        all_queues_come_by_name,
        counts_follow_every_move,
        the_oldest_ready_job_is_found_in_any_priority,
        a_store_that_works_says_that_it_could_write,
        a_job_that_is_not_there_is_not_found,
        attempts_and_log_come_only_where_asked_for,
        reads_beside_commits_see_one_instant,
    };
    taskq_check_add(suite, tests, sizeof(tests) / sizeof(tests[0]), contract_setup, contract_teardown);
}
