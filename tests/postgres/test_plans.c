/* SPDX-License-Identifier: MIT */
/*
 * What PostgreSQL means to do for each statement of a batch, with 100,000 jobs and statistics of them: nothing is scanned, joined by
 * hashing or sorted without a bound, and what is found is found by the index that was made for it.
 */
#include "pgstore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 8192 };

static void setup(void)
{
    place_setup();
    taskq_store_close(place_open());
    place_run(
        "INSERT INTO @jobs (id, version, state, claimable, queue, type, priority, run_at, updated_at, attempt, max_attempts, "
        "timeout_ms, lease_ms, backoff_base_ms, backoff_factor, backoff_max_ms, backoff_jitter, live_key, unique_key, poll, "
        "worker, expires_at, run_due, backoff_due, done_at, failed_at) "
        "SELECT g, 1, g %% 6 + 1, g %% 6 = 0, 'queue ' || g %% 3, 'type ' || g %% 5, g %% 10, g, g, 0, 3, 1000, 1000, 1, 2, 1, "
        "0, CASE WHEN g %% 7 = 0 THEN 'key ' || g END, CASE WHEN g %% 7 = 0 THEN 'key ' || g END, "
        "CASE WHEN g %% 6 = 3 THEN 'poll ' || g END, CASE WHEN g %% 6 = 3 THEN 'worker' END, "
        "CASE WHEN g %% 6 = 3 THEN g END, CASE WHEN g %% 6 = 1 THEN g END, CASE WHEN g %% 12 = 1 THEN g END, "
        "CASE WHEN g %% 6 = 4 THEN g END, CASE WHEN g %% 6 = 5 THEN g END FROM generate_series(1, 100000) g");
    place_run("INSERT INTO @payloads SELECT g, g, NULL, NULL, '{}' FROM generate_series(1, 100000) g");
    place_run("INSERT INTO @attempts SELECT g, 1, 1, 1, NULL, g, g, g, NULL FROM generate_series(1, 100000) g");
    place_run("INSERT INTO @keys SELECT 'key ' || g, g, g, '' FROM generate_series(1, 10000) g");
    place_run("INSERT INTO @queues SELECT 'queue ' || g FROM generate_series(0, 999) g");
    place_run("ANALYZE @jobs");
    place_run("ANALYZE @payloads");
    place_run("ANALYZE @attempts");
    place_run("ANALYZE @keys");
    place_run("ANALYZE @queues");
}

/* One statement that stands by itself. */
static PGresult *ask(const char *text)
{
    PGresult *result = NULL;
    taskq__pg_session_send_text(place.admin, text, "explaining");
    ck_ok(taskq__pg_session_sync(place.admin, &place.err));
    ck_ok(taskq__pg_session_next(place.admin, &result, &place.err));
    ck_ok(taskq__pg_session_end(place.admin, &place.err));
    return result;
}

/* The plan that any values get; false: the statement has none. */
static bool explain(taskq__pg_sql which, char *plan, size_t room)
{
    static const char *const planned[] = {"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"};
    char text[TEXT_BYTES];
    char *expanded = taskq__pg_sql_expand(taskq__pg_sql_at(which)->text, place.schema, NULL);
    bool has_plan = false;
    for (size_t i = 0; i < sizeof(planned) / sizeof(planned[0]); i++) {
        has_plan = has_plan || strncmp(expanded, planned[i], strlen(planned[i])) == 0;
    }
    ck_assert_int_lt(snprintf(text, sizeof(text), "PREPARE plan AS %s", expanded), (int)sizeof(text));
    plan[0] = '\0';
    if (has_plan) {
        PQclear(ask(text));
        int params = place_params_of(expanded);
        size_t used = (size_t)snprintf(text, sizeof(text), "EXPLAIN (COSTS OFF) EXECUTE plan%s", params > 0 ? "(" : "");
        for (int i = 0; i < params; i++) {
            used += (size_t)snprintf(text + used, sizeof(text) - used, "NULL%s", i + 1 < params ? "," : ")");
        }
        PGresult *result = ask(text);
        for (int row = 0; row < PQntuples(result); row++) {
            taskq_text line = taskq__pg_result_text(result, row, 0);
            size_t at = strlen(plan);
            snprintf(plan + at, room - at, "%.*s\n", (int)line.size, line.data);
        }
        PQclear(result);
        PQclear(ask("DEALLOCATE plan"));
    }
    free(expanded);
    return has_plan;
}

START_TEST(no_statement_of_a_batch_scans_a_table)
{
    static const char *const banned[] = {"Seq Scan", "Hash", "Merge", "Bitmap"};
    for (int i = TASKQ__PG_SQL_OF_COMMIT; i < TASKQ__PG_SQL_COUNT; i++) {
        char plan[TEXT_BYTES];
        bool has_plan = explain((taskq__pg_sql)i, plan, sizeof(plan));
        for (size_t k = 0; k < sizeof(banned) / sizeof(banned[0]) && has_plan; k++) {
            ck_assert_msg(strstr(plan, banned[k]) == NULL, "%s:\n%s", taskq__pg_sql_at((taskq__pg_sql)i)->name, plan);
        }
    }
}
END_TEST

START_TEST(what_is_sorted_has_a_bound)
{
    /* Ranges that are merged, each with a limit; and the rows that a batch named. */
    static const taskq__pg_sql sorting[] = {TASKQ__PG_SQL_CLAIM_ANY, TASKQ__PG_SQL_CLAIM_TYPES,
                                            TASKQ__PG_SQL_JOBS_WHOLE};
    for (int i = TASKQ__PG_SQL_OF_COMMIT; i < TASKQ__PG_SQL_COUNT; i++) {
        char plan[TEXT_BYTES];
        bool may = false;
        for (size_t k = 0; k < sizeof(sorting) / sizeof(sorting[0]); k++) {
            may = may || sorting[k] == (taskq__pg_sql)i;
        }
        ck_assert_msg(!explain((taskq__pg_sql)i, plan, sizeof(plan)) || may || strstr(plan, "Sort") == NULL, "%s:\n%s",
                      taskq__pg_sql_at((taskq__pg_sql)i)->name, plan);
    }
}
END_TEST

START_TEST(each_search_uses_the_index_that_was_made_for_it)
{
    static const struct {
        taskq__pg_sql which;
        const char *wanted;
    } searches[] = {
        {TASKQ__PG_SQL_CLAIM_ONE_ANY, "jobs_ready_any on"},
        {TASKQ__PG_SQL_CLAIM_ONE_ANY, "(ROW((- priority), run_at, id) >= ROW($3, $4, $5))"},
        {TASKQ__PG_SQL_CLAIM_ONE_TYPE, "jobs_ready_type on"},
        {TASKQ__PG_SQL_CLAIM_ONE_TYPE, "(ROW((- priority), run_at, id) >= ROW($4, $5, $6))"},
        {TASKQ__PG_SQL_CLAIM_ANY, "jobs_ready_any on"},
        {TASKQ__PG_SQL_CLAIM_TYPES, "jobs_ready_type on"},
        {TASKQ__PG_SQL_CLAIM_ONE_ANY, "jobs_pkey on"},
        {TASKQ__PG_SQL_CLAIM_TYPES, "jobs_pkey on"},
        {TASKQ__PG_SQL_JOBS_LOCK, "jobs_pkey on"},
        {TASKQ__PG_SQL_JOBS_UPDATE, "jobs_pkey on"},
        {TASKQ__PG_SQL_JOBS_BEAT, "jobs_pkey on"},
        {TASKQ__PG_SQL_JOBS_DELETE, "jobs_pkey on"},
        {TASKQ__PG_SQL_JOBS_WHOLE, "payloads_pkey on"},
        {TASKQ__PG_SQL_UNIQUE_FIND, "jobs_live_key on"},
        {TASKQ__PG_SQL_DIGESTS, "attempts_pkey on"},
        {TASKQ__PG_SQL_KEYS_LOCK, "keys_pkey on"},
        {TASKQ__PG_SQL_LOG_LAST, "logs_pkey on"},
        {TASKQ__PG_SQL_POLL_HELD, "jobs_poll on"},
        {TASKQ__PG_SQL_WALK_EXPIRES, "jobs_expires on"},
        {TASKQ__PG_SQL_WALK_RUN, "jobs_run_due on"},
        {TASKQ__PG_SQL_WALK_BACKOFF, "jobs_backoff_due on"},
        {TASKQ__PG_SQL_WALK_DONE, "jobs_done on"},
        {TASKQ__PG_SQL_WALK_FAILED, "jobs_failed on"},
        {TASKQ__PG_SQL_WALK_KEYS, "keys_expires on"},
        {TASKQ__PG_SQL_FOLD_COUNTERS, "counters_queue on"},
        {TASKQ__PG_SQL_FOLD_COUNTERS, "(ROW(queue, state) >= ROW($1, $2))"},
        {TASKQ__PG_SQL_FOLD_COUNTERS, "Tid Scan on"},
        {TASKQ__PG_SQL_FORGET_BATCHES, "((server = $1) AND (number < $2) AND (number >= $4))"},
        {TASKQ__PG_SQL_FORGET_BATCHES, "batches_at on"},
    };
    for (size_t i = 0; i < sizeof(searches) / sizeof(searches[0]); i++) {
        char plan[TEXT_BYTES];
        ck_assert(explain(searches[i].which, plan, sizeof(plan)));
        ck_assert_msg(strstr(plan, searches[i].wanted) != NULL, "%s has no %s:\n%s",
                      taskq__pg_sql_at(searches[i].which)->name, searches[i].wanted, plan);
    }
}
END_TEST

/* Statistics that say "every job is of the type that is asked for" make the other index look as good, and it is narrower. */
START_TEST(claims_of_a_type_go_by_its_index_where_there_is_one_type)
{
    static const taskq__pg_sql typed[] = {TASKQ__PG_SQL_CLAIM_ONE_TYPE, TASKQ__PG_SQL_CLAIM_TYPES};
    place_run("UPDATE @jobs SET type = 'not asked for', queue = 'queue 0', state = 1, claimable = true");
    place_run("ANALYZE @jobs");
    for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
        char plan[TEXT_BYTES];
        ck_assert(explain(typed[i], plan, sizeof(plan)));
        ck_assert_msg(strstr(plan, "jobs_ready_type on") != NULL && strstr(plan, "jobs_ready_any") == NULL, "%s", plan);
    }
}
END_TEST

/* Every index that is looked into is told where. */
static bool conditions_are_there(const char *plan)
{
    for (const char *at = strstr(plan, "Index Scan using"); at != NULL; at = strstr(at + 1, "Index Scan using")) {
        const char *line = strchr(at, '\n');
        while (line != NULL && line[1] == ' ') {
            line++;
        }
        if (line == NULL || strncmp(line + 1, "Index Cond", 10) != 0) {
            return false;
        }
    }
    return true;
}

/* A plan is made once a connection and kept: made on a table that statistics call empty, it must do for the millions to come. */
START_TEST(plans_that_are_made_while_all_is_empty_are_no_others)
{
    ck_assert(!conditions_are_there(" ->  Index Scan using jobs_pkey on jobs j\n ->  Function Scan on u\n"));
    ck_assert(conditions_are_there(" ->  Index Scan using jobs_pkey on jobs j\n      Index Cond: (id = u.id)\n"));
    place_run("TRUNCATE @jobs, @payloads, @attempts, @progress, @logs, @keys, @queues, @counters, @batches");
    static const char *const tables[] = {"jobs", "payloads", "attempts", "progress", "logs",
                                         "keys", "queues",   "counters", "batches"};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        place_run("ANALYZE @%s", tables[i]);
    }
    for (int i = TASKQ__PG_SQL_OF_COMMIT; i < TASKQ__PG_SQL_COUNT; i++) {
        char plan[TEXT_BYTES];
        ck_assert_msg(!explain((taskq__pg_sql)i, plan, sizeof(plan)) ||
                          (conditions_are_there(plan) && strstr(plan, "Seq Scan") == NULL),
                      "%s:\n%s", taskq__pg_sql_at((taskq__pg_sql)i)->name, plan);
    }
}
END_TEST

TASKQ_TESTS_WITH(setup, place_teardown, plans_that_are_made_while_all_is_empty_are_no_others,
                 no_statement_of_a_batch_scans_a_table, what_is_sorted_has_a_bound,
                 each_search_uses_the_index_that_was_made_for_it,
                 claims_of_a_type_go_by_its_index_where_there_is_one_type)
