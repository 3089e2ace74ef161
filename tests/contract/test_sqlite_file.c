/* SPDX-License-Identifier: MIT */
/*
 * The file around the store: who may open it, what is refused, and how a copy is made while it is in use.
 */
#include "contract/sqlite_place.h"

#include "core/text.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static taskq_error err;

static const char *beside(const char *name)
{
    static char path[2][600];
    static int turn;
    turn = 1 - turn;
    snprintf(path[turn], sizeof(path[turn]), "%s/%s", place.folder, name);
    return path[turn];
}

/* By another process, which ends at once. */
static taskq_status open_elsewhere(const char *path)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        taskq_store *store = NULL;
        taskq_status status = sqlite_place_open(path, &store, NULL);
        _exit(-(int)status);
    }
    int ended = 0;
    ck_assert_int_eq(waitpid(child, &ended, 0), child);
    ck_assert(WIFEXITED(ended));
    return (taskq_status)-WEXITSTATUS(ended);
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *sqlite = NULL;
    ck_assert_int_eq(sqlite3_open(path, &sqlite), SQLITE_OK);
    ck_assert_msg(sqlite3_exec(sqlite, sql, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(sqlite));
    sqlite3_close(sqlite);
}

static int64_t ask_sql(const char *path, const char *sql)
{
    sqlite3 *sqlite = NULL;
    sqlite3_stmt *stmt = NULL;
    ck_assert_int_eq(sqlite3_open(path, &sqlite), SQLITE_OK);
    ck_assert_msg(sqlite3_prepare_v2(sqlite, sql, -1, &stmt, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(sqlite));
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(sqlite);
    return value;
}

static void close_store(void)
{
    taskq_store_close(contract.store);
    contract.store = NULL;
}

static taskq_status try_open(const char *path)
{
    taskq_store *store = NULL;
    memset(&err, 0, sizeof(err));
    taskq_status status = sqlite_place_open(path, &store, &err);
    taskq_store_close(store);
    return status;
}

START_TEST(a_second_server_is_refused_by_whatever_name_it_comes)
{
    ck_assert_int_eq(link(place.path, beside("hard.db")), 0);
    ck_assert_int_eq(symlink(place.path, beside("soft.db")), 0);
    const char *const names[] = {"taskq.db", "hard.db", "soft.db"};
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(open_elsewhere(beside(names[i])), TASKQ_EBUSY);
        ck_assert_int_eq(try_open(beside(names[i])), TASKQ_EBUSY);
        ck_assert_ptr_nonnull(strstr(err.text, "in use by another server"));
    }
    make_type("a");
    close_store();
    ck_assert_int_eq(open_elsewhere(place.path), TASKQ_OK);
}
END_TEST

/* POSIX drops a process's locks on a file when any descriptor of it is closed: an open that is refused must close none. */
START_TEST(a_refused_open_leaves_the_locks_of_the_first_alone)
{
    make_type("a");
    ck_assert_int_eq(try_open(place.path), TASKQ_EBUSY);
    ck_assert_int_eq(ask_sql(place.path, "SELECT count(*) FROM taskq_jobs"), 1);
    pid_t child = fork();
    if (child == 0) {
        /* Whoever could lock the file exclusively would take the log away from under the server. */
        sqlite3 *sqlite = NULL;
        int rc = sqlite3_open(place.path, &sqlite);
        rc = rc == SQLITE_OK ? sqlite3_exec(sqlite, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL) : rc;
        sqlite3_close(sqlite);
        _exit(rc == SQLITE_BUSY || rc == SQLITE_LOCKED ? 0 : 1);
    }
    int ended = 0;
    ck_assert_int_eq(waitpid(child, &ended, 0), child);
    ck_assert_int_eq(WEXITSTATUS(ended), 0);
    ck_assert_int_eq(claim_one()->attempt, 1);
}
END_TEST

START_TEST(a_newer_schema_is_refused_with_both_versions)
{
    close_store();
    run_sql(place.path, "UPDATE taskq_meta SET value = 99 WHERE name = 'schema'");
    ck_assert_int_eq(try_open(place.path), TASKQ_EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "99"));
    ck_assert_ptr_nonnull(strstr(err.text, "newer than the 1"));
    ck_assert_int_eq(ask_sql(place.path, "SELECT value FROM taskq_meta WHERE name = 'schema'"), 99);
}
END_TEST

START_TEST(a_file_that_is_not_ours_is_refused_and_left_alone)
{
    run_sql(beside("other.db"), "CREATE TABLE customers (id); INSERT INTO customers VALUES (7)");
    ck_assert_int_eq(try_open(beside("other.db")), TASKQ_EINVAL);
    ck_assert_int_eq(ask_sql(beside("other.db"), "SELECT count(*) FROM sqlite_schema"), 1);
    FILE *file = fopen(beside("text.db"), "w");
    ck_assert_ptr_nonnull(file);
    for (int i = 0; i < 400; i++) {
        fputs("this is no database, it is a letter to a friend\n", file);
    }
    fclose(file);
    ck_assert_int_eq(try_open(beside("text.db")), TASKQ_EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "no SQLite database"));
    ck_assert_int_eq(try_open(place.folder), TASKQ_EINVAL);
    ck_assert_int_eq(try_open(beside("no/such/folder.db")), TASKQ_EUNAVAIL);
}
END_TEST

START_TEST(a_path_is_a_path_and_no_uri)
{
    taskq_store *store = NULL;
    ck_assert_int_eq(chdir(place.folder), 0);
    ck_assert_msg(sqlite_place_open("file:odd.db?mode=memory", &store, &err) == TASKQ_OK, "%s", err.text);
    ck_assert_msg(taskq_store_backup(store, "file:copy.db?mode=memory", NULL, NULL, &err) == TASKQ_OK, "%s", err.text);
    taskq_store_close(store);
    ck_assert_int_gt(ask_sql(beside("file:copy.db?mode=memory"), "SELECT count(*) FROM taskq_meta"), 0);
    ck_assert_int_gt(ask_sql(beside("file:odd.db?mode=memory"), "SELECT count(*) FROM taskq_meta"), 0);
}
END_TEST

START_TEST(options_out_of_range_are_refused)
{
    taskq_sqlite_options options = TASKQ_SQLITE_OPTIONS_INIT;
    taskq_store *store = NULL;
    ck_assert_int_eq(taskq_sqlite_open(&options, &store, &err), TASKQ_EINVAL);
    options.path = beside("new.db");
    options.reader_count = 65;
    ck_assert_int_eq(taskq_sqlite_open(&options, &store, &err), TASKQ_EINVAL);
    options.reader_count = 0;
    static const char *const bad[] = {"a-b", "1a", "x'; DROP", "sqlite_", "abcdefghijklmnopqrstuvwxyz0123456789"};
    for (int i = 0; i < 5; i++) {
        options.table_prefix = bad[i];
        ck_assert_int_eq(taskq_sqlite_open(&options, &store, &err), TASKQ_EINVAL);
    }
    ck_assert_int_ne(access(options.path, F_OK), 0);
}
END_TEST

START_TEST(tables_carry_the_prefix)
{
    taskq_sqlite_options options = TASKQ_SQLITE_OPTIONS_INIT;
    taskq_store *store = NULL;
    options.path = beside("prefixed.db");
    options.table_prefix = "app1_q_";
    ck_assert_msg(taskq_sqlite_open(&options, &store, &err) == TASKQ_OK, "%s", err.text);
    taskq_store_close(store);
    ck_assert_int_eq(ask_sql(options.path, "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'app1_q_jobs%'"), 10);
    ck_assert_int_eq(ask_sql(options.path, "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'app1_q_%' "
                                           "AND name NOT LIKE 'sqlite_%'"),
                     0);
    options.table_prefix = NULL;
    ck_assert_int_eq(taskq_sqlite_open(&options, &store, &err), TASKQ_EINVAL);
}
END_TEST

/* ---- a connection of the host's ------------------------------------------------------------------------------------ */

static sqlite3 *host_connection(const char *path)
{
    sqlite3 *sqlite = NULL;
    ck_assert_int_eq(sqlite3_open(path, &sqlite), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(sqlite,
                                  "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 77; "
                                  "CREATE TABLE IF NOT EXISTS customers (id); INSERT INTO customers VALUES (1)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    return sqlite;
}

static int64_t ask(sqlite3 *sqlite, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    ck_assert_int_eq(sqlite3_prepare_v2(sqlite, sql, -1, &stmt, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

START_TEST(a_host_lends_its_connection_and_gets_it_back_as_it_was)
{
    close_store();
    taskq_sqlite_options options = TASKQ_SQLITE_OPTIONS_INIT;
    options.path = beside("host.db");
    options.connection = host_connection(options.path);
    ck_assert_msg(taskq_sqlite_open(&options, &contract.store, &err) == TASKQ_OK, "%s", err.text);
    int64_t id = make_type("a");
    ck_assert_int_eq(job_now(id)->state, TASKQ_STATE_QUEUED);
    ck_assert_int_eq(open_elsewhere(options.path), TASKQ_EBUSY);
    close_store();
    ck_assert_int_eq(ask(options.connection, "PRAGMA synchronous"), 0);
    ck_assert_int_eq(ask(options.connection, "PRAGMA wal_autocheckpoint"), 77);
    ck_assert_int_eq(ask(options.connection, "SELECT count(*) FROM customers, taskq_jobs"), 1);
    ck_assert_msg(taskq_sqlite_open(&options, &contract.store, &err) == TASKQ_OK, "%s", err.text);
    ck_assert_int_eq(claim_one()->id, id);
    close_store();
    ck_assert_int_eq(sqlite3_close(options.connection), SQLITE_OK);
    /* As our own file it would be refused, were our tables not in it. */
    ck_assert_int_eq(open_elsewhere(options.path), TASKQ_OK);
}
END_TEST

START_TEST(a_connection_that_does_not_fit_is_refused)
{
    taskq_sqlite_options options = TASKQ_SQLITE_OPTIONS_INIT;
    taskq_store *store = NULL;
    options.path = beside("host.db");
    options.connection = host_connection(options.path);
    ck_assert_int_eq(sqlite3_exec(options.connection, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(taskq_sqlite_open(&options, &store, &err), TASKQ_EINVAL);
    ck_assert_int_eq(sqlite3_exec(options.connection, "COMMIT; PRAGMA journal_mode = DELETE", NULL, NULL, NULL),
                     SQLITE_OK);
    ck_assert_int_eq(taskq_sqlite_open(&options, &store, &err), TASKQ_EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "WAL"));
    options.path = ":memory:";
    ck_assert_int_eq(taskq_sqlite_open(&options, &store, &err), TASKQ_EINVAL);
    close_store();
    options.path = place.path;
    ck_assert_int_eq(taskq_sqlite_open(&options, &store, &err), TASKQ_EINVAL);
    ck_assert_int_eq(sqlite3_close(options.connection), SQLITE_OK);
}
END_TEST

START_TEST(a_store_in_memory_works_and_ends_with_its_closing)
{
    close_store();
    ck_assert_msg(sqlite_place_open(":memory:", &contract.store, &err) == TASKQ_OK, "%s", err.text);
    const taskq_job *job = running_job();
    settle(TASKQ_EVENT_SUCCEED, job->id, 2);
    assert_state(job->id, TASKQ_STATE_SUCCEEDED);
    ck_assert_int_eq(taskq__store_ping(contract.store, &err), TASKQ_OK);
    ck_assert_int_eq(taskq__store_upkeep(contract.store, true, &err), TASKQ_OK);
    ck_assert_msg(taskq_store_backup(contract.store, beside("copy.db"), NULL, NULL, &err) == TASKQ_OK, "%s", err.text);
    close_store();
    ck_assert_int_eq(ask_sql(beside("copy.db"), "SELECT count(*) FROM taskq_jobs"), 1);
}
END_TEST

/* ---- copies -------------------------------------------------------------------------------------------------------- */

typedef struct copying {
    uint32_t calls, stop_after;
    uint64_t done, total;
} copying;

static bool write_meanwhile(void *user, uint64_t done, uint64_t total)
{
    copying *c = user;
    c->calls++;
    c->done = done;
    c->total = total;
    if (done < total) {
        make_type("meanwhile");
    }
    return c->stop_after == 0 || c->calls < c->stop_after;
}

static void fill(void)
{
    taskq_new_job job = new_job("a");
    char payload[4000];
    memset(payload, '1', sizeof(payload));
    job.payload = (taskq_text){payload, sizeof(payload)};
    const taskq_new_job *list[500];
    for (int i = 0; i < 500; i++) {
        list[i] = &job;
    }
    COMMIT(enqueue_many_op(list, 500));
}

START_TEST(a_copy_is_made_of_one_instant_while_jobs_come_in)
{
    copying c = {0, 0, 0, 0};
    fill();
    ck_assert_msg(taskq_store_backup(contract.store, beside("copy.db"), write_meanwhile, &c, &err) == TASKQ_OK, "%s",
                  err.text);
    ck_assert_uint_gt(c.calls, 1);
    ck_assert_uint_eq(c.done, c.total);
    close_store();
    ck_assert_msg(sqlite_place_open(beside("copy.db"), &contract.store, &err) == TASKQ_OK, "%s", err.text);
    ck_assert_int_eq(count_of(TASKQ_STATE_QUEUED), 500);
    ck_assert_int_eq(claim_one()->version, 2);
}
END_TEST

START_TEST(a_copy_takes_no_others_name_and_leaves_nothing_when_stopped)
{
    copying c = {0, 2, 0, 0};
    fill();
    run_sql(beside("there.db"), "CREATE TABLE mine (id)");
    ck_assert_int_eq(taskq_store_backup(contract.store, beside("there.db"), NULL, NULL, &err), TASKQ_EEXISTS);
    ck_assert_int_eq(ask_sql(beside("there.db"), "SELECT count(*) FROM sqlite_schema"), 1);
    ck_assert_int_eq(taskq_store_backup(contract.store, place.path, NULL, NULL, &err), TASKQ_EEXISTS);
    ck_assert_int_eq(taskq_store_backup(contract.store, beside("stopped.db"), write_meanwhile, &c, &err),
                     TASKQ_ECANCELED);
    ck_assert_int_ne(access(beside("stopped.db"), F_OK), 0);
    ck_assert_int_eq(taskq_store_backup(contract.store, beside("no/such/copy.db"), NULL, NULL, &err), TASKQ_EUNAVAIL);
}
END_TEST

START_TEST(copy_and_check_work_beside_the_server_and_without_it)
{
    taskq_sqlite_options options = TASKQ_SQLITE_OPTIONS_INIT;
    char summary[300] = "", copy[700];
    options.path = place.path;
    make_type("a");
    for (int i = 0; i < 2; i++) {
        snprintf(copy, sizeof(copy), "%s/copy-%d.db", place.folder, i);
        ck_assert_msg(taskq_sqlite_check(&options, summary, sizeof(summary), &err) == TASKQ_OK, "%s", err.text);
        ck_assert_ptr_nonnull(strstr(summary, "schema 1 with 1 job"));
        ck_assert_msg(taskq_sqlite_backup(&options, copy, NULL, NULL, &err) == TASKQ_OK, "%s", err.text);
        ck_assert_int_eq(ask_sql(copy, "SELECT count(*) FROM taskq_jobs"), 1);
        close_store();
    }
    options.path = beside("none.db");
    ck_assert_int_eq(taskq_sqlite_check(&options, summary, sizeof(summary), &err), TASKQ_ENOTFOUND);
    ck_assert_int_eq(taskq_sqlite_backup(&options, beside("c.db"), NULL, NULL, &err), TASKQ_ENOTFOUND);
    ck_assert_int_ne(access(options.path, F_OK), 0);
}
END_TEST

START_TEST(a_check_names_what_is_wrong)
{
    taskq_sqlite_options options = TASKQ_SQLITE_OPTIONS_INIT;
    fill();
    close_store();
    options.path = beside("other.db");
    run_sql(options.path, "CREATE TABLE customers (id)");
    ck_assert_int_eq(taskq_sqlite_check(&options, NULL, 0, &err), TASKQ_EINVAL);
    options.path = place.path;
    FILE *file = fopen(place.path, "r+");
    ck_assert_ptr_nonnull(file);
    fseek(file, 8 * 4096, SEEK_SET);
    for (int i = 0; i < 40 * 4096; i++) {
        fputc(0x5a, file);
    }
    fclose(file);
    ck_assert_int_eq(taskq_sqlite_check(&options, NULL, 0, &err), TASKQ_ESTORE);
}
END_TEST

/* Enqueues until it is killed and tells each id only after its commit. */
static void enqueue_until_killed(int out)
{
    contract.store = sqlite_place_store(NULL);
    for (;;) {
        int64_t id = make_type("a");
        if (write(out, &id, sizeof(id)) != (ssize_t)sizeof(id)) {
            _exit(1);
        }
        taskq__store_upkeep(contract.store, true, NULL);
    }
}

START_TEST(what_was_acknowledged_is_there_after_a_kill)
{
    int ends[2];
    int64_t id = 0, told[100];
    close_store();
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            enqueue_until_killed(ends[1]);
        }
        close(ends[1]);
        for (int i = 0; i < 100; i++) {
            ck_assert_int_eq(read(ends[0], &told[i], sizeof(id)), sizeof(id));
        }
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        close(ends[0]);
        contract.store = sqlite_place_store(NULL);
        for (int i = 0; i < 100; i++) {
            assert_state(told[i], TASKQ_STATE_QUEUED);
        }
        close_store();
    }
}
END_TEST

START_TEST(a_deleted_job_leaves_no_row_anywhere)
{
    taskq_new_job new = new_job("a");
    new.tags[0] = text_of("t");
    new.tag_count = 1;
    int64_t id = make(&new);
    claim_one();
    COMMIT(beat_op(id, 2, "{}", "log"));
    settle(TASKQ_EVENT_SUCCEED, id, 2);
    ck_assert_int_eq(settle(TASKQ_EVENT_DELETE, id, 0), TASKQ_OK);
    ck_assert_int_eq(ask_sql(place.path,
                             "SELECT (SELECT count(*) FROM taskq_jobs) + (SELECT count(*) FROM taskq_payloads) + "
                             "(SELECT count(*) FROM taskq_attempts) + (SELECT count(*) FROM taskq_progress) + "
                             "(SELECT count(*) FROM taskq_logs) + (SELECT sum(n) FROM taskq_counters)"),
                     0);
}
END_TEST

TASKQ_TESTS_WITH(sqlite_setup, contract_teardown, a_path_is_a_path_and_no_uri,
                 a_second_server_is_refused_by_whatever_name_it_comes,
                 a_refused_open_leaves_the_locks_of_the_first_alone, a_newer_schema_is_refused_with_both_versions,
                 a_file_that_is_not_ours_is_refused_and_left_alone, options_out_of_range_are_refused,
                 tables_carry_the_prefix, a_host_lends_its_connection_and_gets_it_back_as_it_was,
                 a_connection_that_does_not_fit_is_refused, a_store_in_memory_works_and_ends_with_its_closing,
                 a_copy_is_made_of_one_instant_while_jobs_come_in,
                 a_copy_takes_no_others_name_and_leaves_nothing_when_stopped,
                 copy_and_check_work_beside_the_server_and_without_it, a_check_names_what_is_wrong,
                 what_was_acknowledged_is_there_after_a_kill, a_deleted_job_leaves_no_row_anywhere)
