/* SPDX-License-Identifier: MIT */
/*
 * The connection is cut at every message of a batch, one after the other, in both directions: what is acknowledged happened
 * once, and what could not be known is found out.
 */
#include "batch.h"
#include "cutter.h"
#include "pgplace.h"

#include <stdio.h>

static taskq_store *store;
static test_batch batch;

static void setup(void)
{
    place_setup();
    taskq_postgres_options options = TASKQ_POSTGRES_OPTIONS_INIT;
    char conninfo[256];
    PGconn *server = taskq__pg_session_conn(place.admin);
    cutter_start("127.0.0.1", (int)strtol(PQport(server), NULL, 10));
    snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%d user=%s dbname=%s sslmode=disable gssencmode=disable",
             cutter_port(), PQuser(server), PQdb(server));
    options.conninfo = conninfo;
    options.schema = place.schema;
    options.reader_count = 1;
    ck_ok(taskq_postgres_open(&options, &store, &place.err));
    batch_init(&batch);
}

static void teardown(void)
{
    taskq_store_close(store);
    batch_clear(&batch);
    cutter_stop();
    place_teardown();
}

/* A report, a new job and a claim in one batch, cut at its nth message; whether it was cut at all. */
static bool cut_one(cutter_way way, int nth, int64_t *id, int64_t *version)
{
    batch_begin(&batch);
    batch_settle(&batch, TASKQ_EVENT_SUCCEED, id, version, *id == 0 ? 0 : 1);
    batch_enqueue(&batch, 1, NULL, NULL);
    batch_claim(&batch, 1);
    cutter_arm(way, nth);
    taskq_status status = batch_run(&batch, store);
    bool cut = cutter_has_cut();
    ck_assert_msg(status == TASKQ_OK, "cut at %d: %s", nth, batch.err.text);
    ck_assert(*id == 0 || (batch.events[0].status == TASKQ_OK && !batch.events[0].repeated));
    ck_assert_uint_eq(batch.claim.job_count, 1);
    ck_assert_int_eq(batch.claim.jobs[0]->id, batch.enqueue.results[0]->id);
    *id = batch.claim.jobs[0]->id;
    *version = batch.claim.jobs[0]->version;
    return cut;
}

static void cut_everywhere(cutter_way way)
{
    int64_t id = 0, version = 0;
    int nth = 0;
    (void)cut_one(way, 1000, &id, &version); /* prepares the statements */
    while (cut_one(way, nth, &id, &version)) {
        nth++;
        ck_assert_int_eq(place_number("SELECT count(*) FROM @jobs"), nth + 1);
        ck_assert_int_eq(place_number("SELECT count(*) FROM @attempts"), nth);
        ck_assert_int_eq(place_number("SELECT version FROM @jobs WHERE state = 4"), 2);
        ck_assert_int_eq(place_number("SELECT sum(n)::bigint FROM @counters WHERE state = 4"), 1);
        ck_assert_int_eq(place_number("SELECT id FROM @jobs WHERE state = 4"), id);
    }
    ck_assert_int_gt(nth, 20);
}

START_TEST(a_batch_happens_once_whichever_of_its_messages_is_lost)
{
    cut_everywhere(TO_SERVER);
}
END_TEST

START_TEST(a_batch_happens_once_whichever_of_its_answers_is_lost)
{
    cut_everywhere(TO_CLIENT);
}
END_TEST

START_TEST(a_refusal_is_delivered_when_the_answer_to_its_batch_was_lost)
{
    batch_begin(&batch);
    batch_enqueue(&batch, 1, NULL, "key");
    ck_assert_int_eq(batch_run(&batch, store), TASKQ_OK);
    bool cut = true;
    for (int nth = 0; cut; nth++) {
        const int64_t nobody = 1000000, version = 1;
        batch_begin(&batch);
        batch_settle(&batch, TASKQ_EVENT_SUCCEED, &nobody, &version, 1);
        batch_enqueue(&batch, 1, NULL, "key");
        batch.enqueue.digest = 2;
        batch_claim(&batch, 1);
        cutter_arm(TO_CLIENT, nth);
        taskq_status status = batch_run(&batch, store);
        cut = cutter_has_cut();
        if (status == TASKQ_EUNAVAIL) {
            continue; /* cut while it connected: nothing happened */
        }
        ck_assert_msg(status == TASKQ_OK, "%s", batch.err.text);
        ck_assert_int_eq(batch.events[0].status, TASKQ_ENOTFOUND);
        ck_assert_int_eq(batch.ops[1].status, TASKQ_EEXISTS);
    }
    ck_assert_int_eq(place_number("SELECT count(*) FROM @jobs"), 1);
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, a_batch_happens_once_whichever_of_its_messages_is_lost,
                 a_batch_happens_once_whichever_of_its_answers_is_lost,
                 a_refusal_is_delivered_when_the_answer_to_its_batch_was_lost)
