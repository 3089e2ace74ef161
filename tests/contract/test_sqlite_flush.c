/* SPDX-License-Identifier: MIT */
/*
 * A flush that failed is the end: the kernel may have dropped the pages, so a second flush that succeeds proves nothing.
 * The tests' file system fails the n-th flush or write of the log, for n = 1, 2, ... until nothing is hit any more.
 */
#include "contract/sqlite_place.h"

#include <taskq/scheduler.h>

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

static sqlite3 *host;
static taskq_error err;

/* ---- a file system of SQLite's that can fail ----------------------------------------------------------------------- */

typedef enum fault_kind { FAIL_SYNC, FAIL_WRITE } fault_kind;
static fault_kind fault;
static int fail_in; /* how many calls from now; 0: never */
static const sqlite3_io_methods *real_methods;
static sqlite3_io_methods failing_methods;
static sqlite3_vfs failing_vfs;

static bool hit(fault_kind kind)
{
    return kind == fault && fail_in > 0 && --fail_in == 0;
}

static int failing_sync(sqlite3_file *file, int flags)
{
    return hit(FAIL_SYNC) ? SQLITE_IOERR_FSYNC : real_methods->xSync(file, flags);
}

static int failing_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 offset)
{
    return hit(FAIL_WRITE) ? SQLITE_IOERR_WRITE : real_methods->xWrite(file, data, size, offset);
}

static int failing_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    sqlite3_vfs *real = vfs->pAppData;
    int rc = real->xOpen(real, name, file, flags, out_flags);
    if (rc == SQLITE_OK && (flags & SQLITE_OPEN_WAL) != 0) {
        real_methods = file->pMethods;
        failing_methods = *real_methods;
        failing_methods.xSync = failing_sync;
        failing_methods.xWrite = failing_write;
        file->pMethods = &failing_methods;
    }
    return rc;
}

static void *give_place(void)
{
    void *user = sqlite_place_make();
    failing_vfs = *sqlite3_vfs_find(NULL);
    failing_vfs.pAppData = sqlite3_vfs_find(NULL);
    failing_vfs.zName = "failing";
    failing_vfs.xOpen = failing_open;
    ck_assert_int_eq(sqlite3_vfs_register(&failing_vfs, 0), SQLITE_OK);
    ck_assert_int_eq(sqlite3_open_v2(place.path, &host, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "failing"),
                     SQLITE_OK);
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
    sqlite3_vfs_unregister(&failing_vfs);
    sqlite_place_remove(user);
}

static const contract_opener opener = {"sqlite", give_place, open_store, remove_place};

static void setup(void)
{
    contract.opener = &opener;
    fail_in = 0;
    contract_setup();
}

static taskq_status try_enqueue(void)
{
    taskq_new_job job = new_job("a");
    taskq_op *op = enqueue_op(&job);
    return contract_try(&op, 1, &err);
}

static void expect_end(void)
{
    ck_assert_int_eq(try_enqueue(), TASKQ_ESTORE);
    ck_assert_int_eq(taskq__store_ping(contract.store, &err), TASKQ_ESTORE);
    ck_assert_int_eq(taskq__store_upkeep(contract.store, true, &err), TASKQ_ESTORE);
}

START_TEST(a_flush_that_failed_is_the_end_until_the_store_is_opened_anew)
{
    int64_t id = make_type("before");
    fault = FAIL_SYNC;
    fail_in = 1;
    ck_assert_int_eq(try_enqueue(), TASKQ_ESTORE);
    ck_assert_int_eq(fail_in, 0);
    expect_end();
    assert_state(id, TASKQ_STATE_QUEUED); /* what was acknowledged can still be read */
    reopen();
    assert_state(id, TASKQ_STATE_QUEUED);
    ck_assert_int_eq(try_enqueue(), TASKQ_OK);
}
END_TEST

START_TEST(whichever_write_of_the_log_fails_nothing_acknowledged_is_lost)
{
    int64_t acknowledged = 0;
    fault = FAIL_WRITE;
    for (int n = 1;; n++) {
        fail_in = n;
        taskq_status status = try_enqueue();
        if (fail_in > 0) {
            ck_assert_int_eq(status, TASKQ_OK);
            ck_assert_int_gt(n, 3);
            break;
        }
        ck_assert_int_eq(status, TASKQ_ESTORE);
        expect_end();
        reopen();
        ck_assert_int_ge(count_of(TASKQ_STATE_QUEUED), acknowledged);
        acknowledged = count_of(TASKQ_STATE_QUEUED);
        ck_assert_int_eq(try_enqueue(), TASKQ_OK);
        acknowledged++;
    }
}
END_TEST

START_TEST(a_checkpoint_whose_flush_failed_is_the_end_too)
{
    make_type("a");
    fault = FAIL_SYNC;
    fail_in = 1;
    ck_assert_int_eq(taskq__store_upkeep(contract.store, true, &err), TASKQ_ESTORE);
    fail_in = 0;
    expect_end();
}
END_TEST

START_TEST(a_hosts_transaction_whose_flush_failed_is_the_end_too)
{
    taskq_scheduler_options options = TASKQ_SCHEDULER_OPTIONS_INIT;
    taskq_scheduler *scheduler = NULL;
    taskq_new_job job = new_job("a");
    const taskq_new_job *jobs[] = {&job};
    sqlite3 *db = NULL;
    options.store = contract.store;
    ck_assert_int_eq(taskq_scheduler_open(&options, &scheduler, &err), TASKQ_OK);
    ck_assert_int_eq(taskq_sqlite_begin(contract.store, &db, &err), TASKQ_OK);
    ck_assert_int_eq(taskq_sqlite_enqueue(contract.store, jobs, 1, NULL, NULL, NULL, &err), TASKQ_OK);
    fault = FAIL_SYNC;
    fail_in = 1;
    ck_assert_int_eq(taskq_sqlite_commit(contract.store, &err), TASKQ_ESTORE);
    ck_assert_int_eq(taskq_sqlite_rollback(contract.store, &err), TASKQ_EINVAL);
    ck_assert_int_eq(taskq_sqlite_begin(contract.store, &db, &err), TASKQ_ESTORE);
    ck_assert_int_eq(taskq_scheduler_enqueue(scheduler, jobs, 1, NULL, NULL, NULL, &err), TASKQ_ESTORE);
    taskq_scheduler_close(scheduler);
    expect_end();
}
END_TEST

TASKQ_TESTS_WITH(setup, contract_teardown, a_flush_that_failed_is_the_end_until_the_store_is_opened_anew,
                 whichever_write_of_the_log_fails_nothing_acknowledged_is_lost,
                 a_checkpoint_whose_flush_failed_is_the_end_too, a_hosts_transaction_whose_flush_failed_is_the_end_too)
