/* SPDX-License-Identifier: MIT */
/*
 * What SQLite means to do for each statement: nothing that runs while the store is in use may scan a table or sort, and
 * what is found is found by the index that was made for it, whatever is in the tables.
 */
#include "support/check_main.h"

#include "contract/sqlite_place.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sql.h"

#include <stdio.h>
#include <string.h>

static sqlite3 *sqlite;

static void setup(void)
{
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_int_eq(sqlite3_open_v2(":memory:", &sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY, NULL), SQLITE_OK);
    ck_assert_msg(taskq__schema_migrate(sqlite, "taskq_", false, &err) == TASKQ_OK, "%s", err.text);
}

static void teardown(void)
{
    sqlite3_close(sqlite);
}

/* Every line of the plan, one after the other. */
static void explain(taskq__sql which, char *plan, size_t room)
{
    sqlite3_stmt *stmt = NULL;
    char *text = taskq__sql_expand(taskq__sql_at(which)->text, "taskq_");
    ck_assert_ptr_nonnull(text);
    char *question = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", text);
    ck_assert_msg(sqlite3_prepare_v2(sqlite, question, -1, &stmt, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(sqlite));
    plan[0] = '\0';
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        size_t used = strlen(plan);
        snprintf(plan + used, room - used, "%s; ", (const char *)sqlite3_column_text(stmt, 3));
    }
    sqlite3_finalize(stmt);
    sqlite3_free(question);
    sqlite3_free(text);
}

START_TEST(no_statement_scans_or_sorts)
{
    for (int i = 0; i < TASKQ__SQL_COUNT; i++) {
        char plan[1024];
        if (i == TASKQ__SQL_EXPORT_MARKS) {
            continue; /* of a store that is stopped: whatever may have changed in it is to be seen */
        }
        explain((taskq__sql)i, plan, sizeof(plan));
        ck_assert_msg(strstr(plan, "SCAN") == NULL && strstr(plan, "TEMP B-TREE") == NULL &&
                          strstr(plan, "AUTOMATIC") == NULL,
                      "%s: %s", taskq__sql_at((taskq__sql)i)->name, plan);
    }
}
END_TEST

START_TEST(each_search_uses_the_index_that_was_made_for_it)
{
    static const struct {
        taskq__sql which;
        const char *wanted;
    } searches[] = {
        {TASKQ__SQL_HEAD_ANY, "SEARCH taskq_jobs USING INDEX taskq_jobs_ready_any (queue=?); "},
        {TASKQ__SQL_HEAD_TYPE, "SEARCH taskq_jobs USING INDEX taskq_jobs_ready_type (queue=? AND type=?); "},
        {TASKQ__SQL_OLDEST_READY, "SEARCH taskq_jobs USING INDEX taskq_jobs_ready_any (queue=? AND priority<?); "},
        {TASKQ__SQL_POLL_HELD, "SEARCH taskq_jobs USING INDEX taskq_jobs_poll (poll=? AND worker=?); "},
        {TASKQ__SQL_UNIQUE_FIND, "SEARCH taskq_jobs USING INDEX taskq_jobs_live_key (queue=? AND live_key=?); "},
        {TASKQ__SQL_EXPIRED, "SEARCH taskq_jobs USING INDEX taskq_jobs_expires (expires_at<?); "},
        {TASKQ__SQL_NEXT_EXPIRES, "SEARCH taskq_jobs USING INDEX taskq_jobs_expires (expires_at>?); "},
        {TASKQ__SQL_DUE_WALL, "SEARCH taskq_jobs USING INDEX taskq_jobs_run_due (run_due<?); "},
        {TASKQ__SQL_NEXT_RUN_AT, "SEARCH taskq_jobs USING INDEX taskq_jobs_run_due (run_due>?); "},
        {TASKQ__SQL_DUE_STEADY, "SEARCH taskq_jobs USING INDEX taskq_jobs_backoff_due (backoff_due<?); "},
        {TASKQ__SQL_NEXT_BACKOFF, "SEARCH taskq_jobs USING INDEX taskq_jobs_backoff_due (backoff_due>?); "},
        {TASKQ__SQL_OLD_DONE, "SEARCH taskq_jobs USING INDEX taskq_jobs_done (done_at<?); "},
        {TASKQ__SQL_OLD_FAILED, "SEARCH taskq_jobs USING INDEX taskq_jobs_failed (failed_at<?); "},
        {TASKQ__SQL_KEYS_OLD, "SEARCH taskq_keys USING INDEX taskq_keys_expires (expires_at<?); "},
        {TASKQ__SQL_LIST, "SEARCH j USING INTEGER PRIMARY KEY (rowid<?); "},
        {TASKQ__SQL_JOB_READ_WHOLE,
         "SEARCH j USING INTEGER PRIMARY KEY (rowid=?); SEARCH p USING INTEGER PRIMARY KEY (rowid=?); "},
        {TASKQ__SQL_JOB_UPDATE_CLAIMED, "SEARCH taskq_jobs USING INTEGER PRIMARY KEY (rowid=?); "},
        {TASKQ__SQL_JOB_UPDATE_ENDED, "SEARCH taskq_jobs USING INTEGER PRIMARY KEY (rowid=?); "},
        {TASKQ__SQL_JOB_UPDATE, "SEARCH taskq_jobs USING INTEGER PRIMARY KEY (rowid=?); "},
        {TASKQ__SQL_JOB_BEAT, "SEARCH taskq_jobs USING INTEGER PRIMARY KEY (rowid=?); "},
        {TASKQ__SQL_ATTEMPTS_READ, "SEARCH taskq_attempts USING PRIMARY KEY (job_id=?); "},
        {TASKQ__SQL_COUNTERS_READ, "SEARCH taskq_counters USING PRIMARY KEY (queue=?); "},
    };
    for (size_t i = 0; i < sizeof(searches) / sizeof(searches[0]); i++) {
        char plan[1024];
        explain(searches[i].which, plan, sizeof(plan));
        char *covering = strstr(plan, "COVERING ");
        if (covering != NULL) {
            memmove(covering, covering + strlen("COVERING "), strlen(covering + strlen("COVERING ")) + 1);
        }
        ck_assert_str_eq(plan, searches[i].wanted);
    }
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, no_statement_scans_or_sorts, each_search_uses_the_index_that_was_made_for_it)
