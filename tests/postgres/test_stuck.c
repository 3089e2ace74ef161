/* SPDX-License-Identifier: MIT */
/*
 * A database that answers and takes nothing: rows that somebody holds, a standby that is waited for and does not come. Nobody waits for
 * long, nothing is said to have happened that has not, and it goes on by itself.
 */
#include "batch.h"
#include "pgstore.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static taskq_store *store;
static test_batch batch;
static PGconn *beside;    /* an operator's, or a host's */
static atomic_int stored; /* jobs, by enqueue() */

static const char waiting[] = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

static void order(const char *text)
{
    char *expanded = taskq__pg_sql_expand(text, place.schema, NULL);
    PGresult *result = PQexec(beside, expanded);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK, "%s: %s",
                  text, PQerrorMessage(beside));
    PQclear(result);
    free(expanded);
}

static void setup(void)
{
    place_setup();
    store = place_open();
    batch_init(&batch);
    beside = PQconnectdb(place.conninfo);
    ck_assert_int_eq(PQstatus(beside), CONNECTION_OK);
    order("SET synchronous_commit = local");
}

static void teardown(void)
{
    order("ALTER SYSTEM RESET synchronous_standby_names");
    order("SELECT pg_reload_conf()");
    place_await(0, waiting);
    PQfinish(beside);
    taskq_store_close(store);
    batch_clear(&batch);
    place_teardown();
}

static taskq_status enqueue(void)
{
    batch_begin(&batch);
    batch_enqueue(&batch, 1, NULL, NULL);
    taskq_status status = batch_run(&batch, store);
    atomic_fetch_add(&stored, status == TASKQ_OK);
    return status;
}

static void claim_two(int64_t ids[2])
{
    batch_begin(&batch);
    batch_enqueue(&batch, 2, NULL, NULL);
    batch_claim(&batch, 2);
    ck_assert_msg(batch_run(&batch, store) == TASKQ_OK, "%s", batch.err.text);
    ck_assert_uint_eq(batch.claim.job_count, 2);
    ids[0] = batch.claim.jobs[0]->id;
    ids[1] = batch.claim.jobs[1]->id;
}

START_TEST(a_job_that_others_have_locked_is_busy_for_itself)
{
    const int64_t versions[] = {2, 2};
    char lock[100];
    int64_t ids[2];
    claim_two(ids);
    (void)snprintf(lock, sizeof(lock), "SELECT id FROM @jobs WHERE id = %d FOR UPDATE", (int)ids[0]);
    order("BEGIN");
    order(lock);
    batch_begin(&batch);
    batch_settle(&batch, TASKQ_EVENT_SUCCEED, ids, versions, 2);
    batch.events[0].wants_job = true; /* what is read for its texts is not locked */
    batch_enqueue(&batch, 1, NULL, NULL);
    ck_assert_msg(batch_run(&batch, store) == TASKQ_OK, "%s", batch.err.text);
    ck_assert_int_eq(batch.events[0].status, TASKQ_EBUSY);
    ck_assert_int_eq(batch.events[1].status, TASKQ_OK);
    order("ROLLBACK");
    batch_begin(&batch);
    batch_settle(&batch, TASKQ_EVENT_SUCCEED, ids, versions, 1);
    ck_assert_int_eq(batch_run(&batch, store), TASKQ_OK);
    ck_assert_int_eq(batch.events[0].status, TASKQ_OK);
    ck_assert_int_eq(place_number("SELECT count(*) FROM @jobs WHERE state = %d", TASKQ_STATE_SUCCEEDED), 2);
}
END_TEST

START_TEST(a_job_that_is_not_there_is_not_taken_for_a_locked_one)
{
    const int64_t nobody = 4711, version = 1;
    batch_begin(&batch);
    batch_settle(&batch, TASKQ_EVENT_SUCCEED, &nobody, &version, 1);
    ck_assert_int_eq(batch_run(&batch, store), TASKQ_OK);
    ck_assert_int_eq(batch.events[0].status, TASKQ_ENOTFOUND);
}
END_TEST

START_TEST(a_locked_table_is_busy_and_the_next_batch_goes_on)
{
    order("BEGIN");
    order("LOCK TABLE @jobs");
    ck_assert_int_eq(enqueue(), TASKQ_EBUSY);
    order("ROLLBACK");
    ck_assert_int_eq(enqueue(), TASKQ_OK);
}
END_TEST

/* The server's processes learn of it one after the other, so that the next commits may still be answered. */
static void want_a_standby(void)
{
    atomic_store(&stored, 0);
    ck_assert_int_eq(enqueue(), TASKQ_OK);
    order("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    order("SELECT pg_reload_conf()");
}

static taskq_status enqueue_until_it_waits(void)
{
    enum { TRIES_MAX = 100000 };
    taskq_status status = TASKQ_OK;
    for (int tries = 0; tries < TRIES_MAX && status == TASKQ_OK; tries++) {
        status = enqueue();
    }
    return status;
}

START_TEST(a_commit_without_an_answer_is_in_doubt_and_no_other_is_tried_beside_it)
{
    want_a_standby();
    ck_assert_int_eq(enqueue_until_it_waits(), TASKQ_EUNKNOWN);
    ck_assert_int_eq(place_number(waiting), 1);
    ck_assert_int_eq(taskq__store_ping(store, &place.err), TASKQ_EUNAVAIL);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(enqueue(), TASKQ_EUNAVAIL);
        ck_assert_int_eq(taskq__store_upkeep(store, true, &place.err), TASKQ_OK);
    }
    ck_assert_int_eq(place_number(waiting), 1);
    order("ALTER SYSTEM RESET synchronous_standby_names");
    order("SELECT pg_reload_conf()");
    place_await(0, waiting);
    ck_assert_int_eq(enqueue(), TASKQ_OK);
    ck_assert_int_eq(taskq__store_ping(store, &place.err), TASKQ_OK);
    ck_assert_int_eq(place_number("SELECT count(*) FROM @jobs"), atomic_load(&stored) + 1); /* the doubtful one holds */
}
END_TEST

static void *enqueue_beside(void *user)
{
    *(taskq_status *)user = enqueue_until_it_waits();
    return NULL;
}

START_TEST(what_no_standby_has_is_not_acknowledged_though_it_can_be_seen)
{
    pthread_t thread;
    taskq_status status = TASKQ_OK;
    want_a_standby();
    ck_assert_int_eq(pthread_create(&thread, NULL, enqueue_beside, &status), 0);
    place_await(1, waiting);
    order("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    place_await(atomic_load(&stored) + 1, "SELECT count(*) FROM @jobs");
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(status, TASKQ_EUNKNOWN);
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, a_job_that_others_have_locked_is_busy_for_itself,
                 a_job_that_is_not_there_is_not_taken_for_a_locked_one,
                 a_locked_table_is_busy_and_the_next_batch_goes_on,
                 a_commit_without_an_answer_is_in_doubt_and_no_other_is_tried_beside_it,
                 what_no_standby_has_is_not_acknowledged_though_it_can_be_seen)
