/* SPDX-License-Identifier: MIT */
/*
 * What happens when the database refuses: a full disk, a lock that another process holds, a constraint that fires. The
 * batch is rolled back whole, the right op is blamed, and the store works on when the cause is gone.
 */
#include "contract/sqlite_place.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The host's own connection, so that the tests can make it refuse. */
static sqlite3 *host;
static taskq_error err;

static void *give_place(void)
{
    void *user = sqlite_place_make();
    ck_assert_int_eq(sqlite3_open(place.path, &host), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(host, "PRAGMA journal_mode = WAL", NULL, NULL, NULL), SQLITE_OK);
    return user;
}

static taskq_store *open_store(void *user)
{
    (void)user;
    return sqlite_place_store(host);
}

static void remove_place(void *user)
{
    ck_assert_int_eq(sqlite3_close(host), SQLITE_OK);
    sqlite_place_remove(user);
}

static const contract_opener opener = {"sqlite", give_place, open_store, remove_place};

static void setup(void)
{
    contract.opener = &opener;
    contract_setup();
}

static void sql(const char *text)
{
    ck_assert_msg(sqlite3_exec(host, text, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(host));
}

static taskq_op *large_op(size_t size)
{
    char *payload = taskq_arena_alloc(contract.arena, size);
    memset(payload, '1', size);
    taskq_new_job job = new_job("a");
    job.payload = (taskq_text){payload, size};
    return enqueue_op(&job);
}

START_TEST(a_full_disk_changes_nothing_and_passes)
{
    const taskq_job *job = running_job();
    sql("PRAGMA max_page_count = 64");
    taskq_op *ops[2] = {event_op(TASKQ_EVENT_SUCCEED, job->id, 2), large_op(1 << 20)};
    ck_assert_int_eq(contract_try(ops, 2, &err), TASKQ_EUNAVAIL);
    ck_assert_ptr_nonnull(strstr(err.text, "full"));
    assert_state(job->id, TASKQ_STATE_RUNNING);
    ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), 0);
    sql("PRAGMA max_page_count = 1073741823");
    contract_commit(ops, 2);
    assert_state(job->id, TASKQ_STATE_SUCCEEDED);
    ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), 1);
}
END_TEST

START_TEST(the_op_at_fault_is_named_in_every_position)
{
    enum { N = 5 };
    sql("CREATE TRIGGER no_poison BEFORE INSERT ON taskq_jobs WHEN new.type = 'poison' "
        "BEGIN SELECT raise(ABORT, 'poison'); END");
    taskq_new_job good = new_job("a"), bad = new_job("poison");
    for (uint32_t at = 0; at < N; at++) {
        taskq_op *ops[N];
        for (uint32_t i = 0; i < N; i++) {
            ops[i] = enqueue_op(i == at ? &bad : &good);
        }
        ck_assert_int_eq(contract_try(ops, N, &err), TASKQ_EINVAL);
        ck_assert_uint_eq(contract.batch.culprit, at);
        ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), 0);
    }
    sql("DROP TRIGGER no_poison");
}
END_TEST

START_TEST(a_text_beyond_the_databases_bound_is_its_ops_fault)
{
    sqlite3_limit(host, SQLITE_LIMIT_LENGTH, 100000);
    taskq_op *ops[3] = {large_op(10), large_op(200000), large_op(10)};
    ck_assert_int_eq(contract_try(ops, 3, &err), TASKQ_EINVAL);
    ck_assert_uint_eq(contract.batch.culprit, 1);
    taskq_op *rest[2] = {ops[0], ops[2]};
    contract_commit(rest, 2);
    ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), 2);
}
END_TEST

START_TEST(a_lock_of_another_process_is_busy_and_passes)
{
    sqlite3 *other = NULL;
    ck_assert_int_eq(sqlite3_open(place.path, &other), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    taskq_new_job job = new_job("a");
    taskq_op *op = enqueue_op(&job);
    ck_assert_int_eq(contract_try(&op, 1, &err), TASKQ_EBUSY);
    ck_assert_int_eq(taskq__store_ping(contract.store, &err), TASKQ_EBUSY);
    ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), 0); /* reads do not wait for it */
    ck_assert_int_eq(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    contract_commit(&op, 1);
    ck_assert_int_eq(taskq__store_ping(contract.store, &err), TASKQ_OK);
    sqlite3_close(other);
}
END_TEST

START_TEST(a_batch_that_is_given_again_gives_the_same_jobs)
{
    sql("CREATE TRIGGER no_claim BEFORE UPDATE ON taskq_jobs BEGIN SELECT raise(ABORT, 'not now'); END");
    taskq_new_job job = new_job("a");
    taskq_op *ops[2] = {enqueue_op(&job), claim_op("default", "a", 1)};
    ck_assert_int_eq(contract_try(ops, 2, &err), TASKQ_EINVAL);
    ck_assert_uint_eq(contract.batch.culprit, 1);
    sql("DROP TRIGGER no_claim");
    contract_commit(ops, 2);
    ck_assert_uint_eq(ops[1]->in.claim->job_count, 1);
    ck_assert_int_eq(ops[1]->in.claim->jobs[0]->id, ops[0]->in.enqueue->results[0]->id);
    ck_assert_int_eq(count_of(TASKQ_STATE_RUNNING), 1);
}
END_TEST

static int64_t wal_bytes(void)
{
    char path[400];
    struct stat found;
    snprintf(path, sizeof(path), "%s-wal", place.path);
    return stat(path, &found) == 0 ? (int64_t)found.st_size : 0;
}

START_TEST(the_log_of_the_database_stays_bounded_under_load_with_readers)
{
    for (int i = 0; i < 150; i++) {
        taskq_op *op = large_op(1 << 20);
        COMMIT(op);
        settle(TASKQ_EVENT_CANCEL, op->in.enqueue->results[0]->id, 0);
        settle(TASKQ_EVENT_DELETE, op->in.enqueue->results[0]->id, 0);
        ck_assert_int_eq(count_of(TASKQ_STATE_CANCELED), 0);
        ck_assert_int_eq(taskq__store_upkeep(contract.store, false, &err), TASKQ_OK);
        ck_assert_int_lt(wal_bytes(), 32 << 20);
    }
    ck_assert_int_eq(taskq__store_upkeep(contract.store, true, &err), TASKQ_OK);
    ck_assert_int_eq(wal_bytes(), 0);
}
END_TEST

TASKQ_TESTS_WITH(setup, contract_teardown, a_full_disk_changes_nothing_and_passes,
                 the_op_at_fault_is_named_in_every_position, a_text_beyond_the_databases_bound_is_its_ops_fault,
                 a_lock_of_another_process_is_busy_and_passes, a_batch_that_is_given_again_gives_the_same_jobs,
                 the_log_of_the_database_stays_bounded_under_load_with_readers)
