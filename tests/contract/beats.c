/* SPDX-License-Identifier: MIT */
/*
 * Heartbeats: the lease is renewed, progress and log are kept, the version stays.
 */
#include "contract/contract.h"

#include "core/text.h"

#include <string.h>

static void append(const taskq_job *job, taskq_text text)
{
    taskq_op *op = beat_op(job->id, job->version, "", "");
    op->in.beats[0].log = text;
    COMMIT(op);
    ck_assert_int_eq(op->in.beats[0].status, TASKQ_OK);
}

START_TEST(a_heartbeat_renews_the_lease_and_leaves_the_version)
{
    const taskq_job *job = running_job();
    pass(20000);
    taskq_op *op = beat_op(job->id, 2, "", "");
    COMMIT(op);
    ck_assert_int_eq(op->in.beats[0].lease_expires_at_ms, contract.now.wall_ms + 60000);
    ck_assert(!op->in.beats[0].cancel_requested && !op->in.beats[0].quiet);
    const taskq_job *now = job_now(job->id);
    ck_assert_int_eq(now->lease_expires_at_ms, contract.now.wall_ms + 60000);
    ck_assert_int_eq(now->version, 2);
    ck_assert_int_eq(now->updated_at_ms, job->updated_at_ms);
}
END_TEST

START_TEST(a_heartbeat_does_not_extend_the_timeout)
{
    taskq_new_job new = new_job("a");
    new.timeout_ms = 70000;
    int64_t id = make(&new);
    claim_one();
    pass(50000);
    COMMIT(beat_op(id, 2, "", ""));
    ck_assert_int_eq(contract.batch.next_due.steady_ms, contract.now.steady_ms + 20000);
    pass(20000);
    taskq_op *op = walk_op(TASKQ_WALK_EXPIRED, 10);
    COMMIT(op);
    ck_assert_uint_eq(op->in.walk->timed_out, 1);
    ck_assert_int_eq(job_now(id)->attempts[0].outcome, TASKQ_OUTCOME_TIMED_OUT);
}
END_TEST

START_TEST(a_heartbeat_with_a_stale_version_changes_nothing)
{
    const taskq_job *job = running_job();
    taskq_op *stale = beat_op(job->id, 1, "{\"percent\":1}", "x"), *none = beat_op(99, 1, "", "");
    COMMIT(stale, none);
    ck_assert_int_eq(stale->in.beats[0].status, TASKQ_ESTALE);
    ck_assert_int_eq(none->in.beats[0].status, TASKQ_ENOTFOUND);
    ck_assert_uint_eq(job_now(job->id)->progress.size + job_now(job->id)->log.size, 0);
    settle(TASKQ_EVENT_SUCCEED, job->id, 2);
    taskq_op *late = beat_op(job->id, 3, "", "");
    COMMIT(late);
    ck_assert_int_eq(late->in.beats[0].status, TASKQ_ESTALE);
}
END_TEST

START_TEST(progress_is_replaced_and_stays_where_none_comes)
{
    const taskq_job *job = running_job();
    COMMIT(beat_op(job->id, 2, "{\"percent\":10}", ""));
    COMMIT(beat_op(job->id, 2, "{\"percent\":20}", ""));
    COMMIT(beat_op(job->id, 2, "", ""));
    assert_text(job_now(job->id)->progress, "{\"percent\":20}");
}
END_TEST

START_TEST(progress_is_cleared_by_the_next_claim)
{
    const taskq_job *job = running_job();
    COMMIT(beat_op(job->id, 2, "{\"percent\":10}", ""));
    settle(TASKQ_EVENT_RELEASE, job->id, 2);
    assert_text(job_now(job->id)->progress, "{\"percent\":10}");
    ck_assert_uint_eq(claim_one()->progress.size, 0);
    ck_assert_uint_eq(job_now(job->id)->progress.size, 0);
}
END_TEST

START_TEST(the_log_spans_the_attempts)
{
    const taskq_job *job = running_job();
    COMMIT(beat_op(job->id, 2, "", "one\n"));
    settle(TASKQ_EVENT_RELEASE, job->id, 2);
    const taskq_job *second = claim_one();
    COMMIT(beat_op(job->id, second->version, "", "two\n"));
    reopen();
    COMMIT(beat_op(job->id, second->version, "", "three\n"));
    assert_text(job_now(job->id)->log, "one\ntwo\nthree\n");
}
END_TEST

START_TEST(the_log_keeps_the_last_64_kib)
{
    const taskq_job *job = running_job();
    char piece[1000];
    for (int i = 0; i < 100; i++) {
        memset(piece, 'a' + i % 26, sizeof(piece));
        append(job, (taskq_text){piece, sizeof(piece)});
    }
    taskq_text log = job_now(job->id)->log;
    ck_assert_uint_eq(log.size, TASKQ_LOG_BYTES_MAX);
    for (size_t i = 0; i < log.size; i++) {
        size_t at = 100000 - log.size + i;
        ck_assert_int_eq(log.data[i], 'a' + (int)(at / 1000) % 26);
    }
}
END_TEST

START_TEST(a_log_of_many_small_pieces_is_joined_in_order)
{
    const taskq_job *job = running_job();
    for (int i = 0; i < 3000; i++) {
        append(job, (taskq_text){&"0123456789"[i % 10], 1});
    }
    taskq_text log = job_now(job->id)->log;
    ck_assert_uint_eq(log.size, 3000);
    for (size_t i = 0; i < log.size; i++) {
        ck_assert_int_eq(log.data[i], (int)('0' + i % 10));
    }
}
END_TEST

START_TEST(the_log_is_cut_at_a_character)
{
    const taskq_job *job = running_job();
    size_t size = 3 * 30000;
    char *text = taskq_arena_alloc(contract.arena, size);
    for (size_t i = 0; i < size; i += 3) {
        memcpy(text + i, "\xe2\x82\xac", 3);
    }
    append(job, (taskq_text){text, size});
    append(job, (taskq_text){"!", 1});
    taskq_text log = job_now(job->id)->log;
    ck_assert(taskq__text_is_utf8(log));
    ck_assert_uint_le(log.size, TASKQ_LOG_BYTES_MAX);
    ck_assert_uint_gt(log.size, TASKQ_LOG_BYTES_MAX - 4);
    ck_assert_int_eq(log.data[log.size - 1], '!');
}
END_TEST

void contract_add_beats(Suite *suite)
{
    const TTest *const tests[] = {
        a_heartbeat_renews_the_lease_and_leaves_the_version,
        a_heartbeat_does_not_extend_the_timeout,
        a_heartbeat_with_a_stale_version_changes_nothing,
        progress_is_replaced_and_stays_where_none_comes,
        progress_is_cleared_by_the_next_claim,
        the_log_spans_the_attempts,
        the_log_keeps_the_last_64_kib,
        a_log_of_many_small_pieces_is_joined_in_order,
        the_log_is_cut_at_a_character,
    };
    taskq_check_add(suite, tests, sizeof(tests) / sizeof(tests[0]), contract_setup, contract_teardown);
}
