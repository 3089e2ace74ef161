/* SPDX-License-Identifier: MIT */
/* The store around the commit: its schema (who may make and use it: test_rights.c), reads from many threads, connections that are lost. */
#include "pgstore.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/job.h"
#include "store/postgres/schema.h"

static taskq_status try_open(const char *conninfo, taskq_store **out)
{
    taskq_postgres_options options = TASKQ_POSTGRES_OPTIONS_INIT;
    options.conninfo = conninfo;
    options.schema = place.schema;
    return taskq_postgres_open(&options, out, &place.err);
}

/* ---- the schema -------------------------------------------------------------------------------------------------------- */

static void *open_in_thread(void *user)
{
    taskq_postgres_options options = TASKQ_POSTGRES_OPTIONS_INIT;
    taskq_error err = TASKQ_ERROR_INIT;
    options.conninfo = place.conninfo;
    options.schema = place.schema;
    return taskq_postgres_open(&options, user, &err) == TASKQ_OK ? user : NULL;
}

START_TEST(stores_that_open_at_once_migrate_once)
{
    enum { STORES = 4 };
    pthread_t threads[STORES];
    taskq_store *stores[STORES];
    for (int i = 0; i < STORES; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, open_in_thread, &stores[i]), 0);
    }
    for (int i = 0; i < STORES; i++) {
        void *opened = NULL;
        pthread_join(threads[i], &opened);
        ck_assert_ptr_nonnull(opened);
        taskq_store_close(stores[i]);
    }
    ck_assert_int_eq((int)place_number("SELECT value FROM @meta WHERE name = 'schema'"), TASKQ__PG_SCHEMA_VERSION);
}
END_TEST

START_TEST(a_newer_schema_is_refused_and_left_alone)
{
    taskq_store *store = place_open();
    taskq_store_close(store);
    place_run("UPDATE @meta SET value = 1000 WHERE name = 'schema'");
    ck_assert_int_eq(try_open(place.conninfo, &store), TASKQ_EINVAL);
    ck_assert(strstr(place.err.text, "newer") != NULL);
    ck_assert_int_eq((int)place_number("SELECT value FROM @meta WHERE name = 'schema'"), 1000);
}
END_TEST

START_TEST(tables_of_somebody_else_are_left_alone)
{
    taskq_store *store = NULL;
    place_run("CREATE SCHEMA \"%s\"", place.schema);
    place_run("CREATE TABLE @jobs (what text)");
    ck_assert_int_eq(try_open(place.conninfo, &store), TASKQ_EINVAL);
    ck_assert(strstr(place.err.text, "not taskq's") != NULL);
    ck_assert_int_eq((int)place_number("SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
                                       "WHERE nspname = '%s' AND relkind = 'r'",
                                       place.schema),
                     1);
}
END_TEST

START_TEST(a_check_tells_and_changes_nothing)
{
    char summary[256];
    taskq_postgres_options options = TASKQ_POSTGRES_OPTIONS_INIT;
    options.conninfo = place.conninfo;
    options.schema = place.schema;
    ck_assert_int_eq(taskq_postgres_check(&options, summary, sizeof(summary), &place.err), TASKQ_ENOTFOUND);
    ck_assert_int_eq((int)place_number("SELECT count(*) FROM pg_namespace WHERE nspname = '%s'", place.schema), 0);
    taskq_store_close(place_open());
    ck_ok(taskq_postgres_check(&options, summary, sizeof(summary), &place.err));
    ck_assert(strstr(summary, "PostgreSQL") != NULL && strstr(summary, place.schema) != NULL);
}
END_TEST

/* Of that number, the column's comment tells that name. */
static void ck_told(const char *table, const char *column, int number, const char *name)
{
    char word[32];
    (void)snprintf(word, sizeof(word), "%s", name);
    for (char *at = word; *at != '\0'; at++) {
        *at = *at == '_' ? ' ' : *at;
    }
    ck_assert_msg(place_number("SELECT count(*) FROM pg_attribute WHERE attrelid = '@%s'::regclass AND attname = '%s' "
                               "AND col_description(attrelid, attnum) ~ '(^|, )%d %s[,.]'",
                               table, column, number, word) == 1,
                  "%s.%s: %d %s", table, column, number, word);
}

START_TEST(the_tables_say_what_their_numbers_are)
{
    taskq_store_close(place_open());
    for (int state = 1; state < TASKQ_STATE_COUNT; state++) {
        ck_told("jobs", "state", state, taskq_state_name((taskq_state)state));
    }
    for (int outcome = TASKQ_OUTCOME_SUCCEEDED; outcome <= TASKQ_OUTCOME_CANCELED; outcome++) {
        ck_told("attempts", "outcome", outcome, taskq_outcome_name((taskq_outcome)outcome));
    }
}
END_TEST

START_TEST(names_that_are_no_schemas_are_refused)
{
    const char *wrong[] = {
        "", "1a", "a-b", "a\"b", "pg_x", "information_schema", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        ck_assert_int_eq(taskq_postgres_schema(wrong[i], 0, NULL, 0, NULL, &place.err), TASKQ_EINVAL);
    }
}
END_TEST

static int64_t enqueue(taskq_store *store)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    job.type = TASKQ_TEXT("t");
    const taskq_new_job *jobs[] = {&job};
    taskq_enqueue in = {.jobs = jobs, .count = 1, .wants_jobs = true};
    taskq_op op = {.kind = TASKQ_OP_ENQUEUE, .in = {.enqueue = &in}, .count = 1, .arena = place.arena};
    taskq_op *ops[] = {&op};
    taskq_ready ready[4];
    taskq_batch batch = {.struct_size = sizeof(batch),
                         .ops = ops,
                         .count = 1,
                         .decide = taskq__job_decide,
                         .arena = place.arena,
                         .ready = ready,
                         .ready_max = 4};
    ck_ok(taskq__store_commit(store, &batch, &place.err));
    ck_assert_int_eq(op.status, TASKQ_OK);
    return in.results[0]->id;
}

/* ---- reads --------------------------------------------------------------------------------------------------------------- */

typedef struct reading {
    taskq_store *store;
    int64_t id;
    const char *failed; /* NULL: nothing did */
    taskq_error err;
} reading;

static void *read_much(void *user)
{
    enum { ROUNDS = 40 };
    reading *r = user;
    taskq_now now = {0, 0}, due;
    for (int i = 0; i < ROUNDS && r->failed == NULL; i++) {
        taskq_arena *arena = taskq__arena_new(NULL, 0);
        taskq_filter filter = TASKQ_FILTER_INIT;
        taskq_job *job = NULL;
        taskq_page page;
        taskq_counts counts;
        uint32_t parts = TASKQ_PART_ATTEMPTS | TASKQ_PART_LOG;
        if (taskq__store_get(r->store, r->id, parts, now, arena, &job, &r->err) != TASKQ_OK) {
            r->failed = "get";
        } else if (taskq__store_list(r->store, &filter, now, arena, &page, &r->err) != TASKQ_OK || page.count != 1) {
            r->failed = "list";
        } else if (taskq__store_counts(r->store, NULL, now, arena, &counts, &r->err) != TASKQ_OK || counts.count != 1) {
            r->failed = "counts";
        } else if (taskq__store_next_due(r->store, 500, &due, &r->err) != TASKQ_OK) {
            r->failed = "next_due";
        }
        taskq__arena_free(arena);
    }
    return NULL;
}

static void read_in_threads(taskq_store *store, int64_t id)
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    reading readings[THREADS];
    for (int i = 0; i < THREADS; i++) {
        readings[i] = (reading){.store = store, .id = id};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_much, &readings[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < THREADS; i++) {
        ck_assert_msg(readings[i].failed == NULL, "%s: %s", readings[i].failed, readings[i].err.text);
    }
}

START_TEST(eight_threads_read_over_four_connections)
{
    taskq_store *store = place_open();
    read_in_threads(store, enqueue(store));
    ck_assert_int_le((int)place_number("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'taskq read'"),
                     4);
    taskq_store_close(store);
}
END_TEST

static atomic_bool has_asked;

/* Again and again: waiting for a lock has an end. */
static void *count_queues(void *store)
{
    while (!atomic_load(&has_asked)) {
        taskq_error err = TASKQ_ERROR_INIT;
        taskq_arena *arena = taskq__arena_new(NULL, 0);
        taskq_counts counts;
        (void)taskq__store_counts(store, NULL, (taskq_now){0, 0}, arena, &counts, &err);
        taskq__arena_free(arena);
    }
    return NULL;
}

START_TEST(whether_all_is_well_is_not_asked_behind_reads)
{
    enum { READERS = 4 };
    pthread_t threads[READERS];
    taskq_store *store = place_open();
    atomic_store(&has_asked, false);
    place_run("BEGIN");
    place_run("LOCK TABLE @queues IN ACCESS EXCLUSIVE MODE");
    for (int i = 0; i < READERS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_queues, store), 0);
    }
    place_await(READERS, "SELECT count(*) FROM pg_locks WHERE relation = '@queues'::regclass AND NOT granted");
    ck_ok(taskq__store_ping(store, &place.err));
    ck_assert_int_eq((int)place_number("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'taskq ping'"),
                     1);
    atomic_store(&has_asked, true);
    place_run("COMMIT");
    for (int i = 0; i < READERS; i++) {
        pthread_join(threads[i], NULL);
    }
    taskq_store_close(store);
}
END_TEST

START_TEST(reads_and_commits_survive_the_loss_of_their_connections)
{
    taskq_store *store = place_open();
    int64_t id = enqueue(store);
    read_in_threads(store, id);
    place_run("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE 'taskq %%' "
              "AND pid <> pg_backend_pid()");
    read_in_threads(store, id);
    ck_assert_int_gt((int)enqueue(store), (int)id);
    taskq_store_close(store);
}
END_TEST

START_TEST(old_batches_and_appended_counters_are_tidied_up)
{
    enum { JOBS = 150 };
    taskq_store *store = place_open();
    for (int i = 0; i < JOBS; i++) {
        (void)enqueue(store);
    }
    ck_ok(taskq__store_upkeep(store, true, &place.err));
    ck_assert_int_le((int)place_number("SELECT count(*) FROM @counters"), 2);
    ck_assert_int_le((int)place_number("SELECT count(*) FROM @batches"), 10);
    taskq_counts counts;
    ck_ok(taskq__store_counts(store, NULL, (taskq_now){0, 0}, place.arena, &counts, &place.err));
    ck_assert_int_eq((int)counts.queues[0].counts[TASKQ_STATE_QUEUED], JOBS);
    taskq_store_close(store);
}
END_TEST

TASKQ_TESTS_WITH(place_setup, place_teardown, stores_that_open_at_once_migrate_once,
                 a_newer_schema_is_refused_and_left_alone, tables_of_somebody_else_are_left_alone,
                 a_check_tells_and_changes_nothing, the_tables_say_what_their_numbers_are,
                 names_that_are_no_schemas_are_refused, eight_threads_read_over_four_connections,
                 whether_all_is_well_is_not_asked_behind_reads, reads_and_commits_survive_the_loss_of_their_connections,
                 old_batches_and_appended_counters_are_tidied_up)
