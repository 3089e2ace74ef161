/* SPDX-License-Identifier: MIT */
/* The host's connection is cut at every message of its transaction, one after the other, in both directions: its rows and the jobs
 * agree, and the host is told. */
#include "cutter.h"
#include "pghost.h"

#include <stdio.h>

static taskq_store *store;
static char conninfo[256];

static void setup(void)
{
    place_setup();
    PGconn *server = taskq__pg_session_conn(place.admin);
    cutter_start("127.0.0.1", (int)strtol(PQport(server), NULL, 10));
    (void)snprintf(conninfo, sizeof(conninfo),
                   "host=127.0.0.1 port=%d user=%s dbname=%s sslmode=disable gssencmode=disable "
                   "application_name='taskq commit'", /* the one that is cut */
                   cutter_port(), PQuser(server), PQdb(server));
    store = place_open();
    host_make_orders();
}

static void teardown(void)
{
    cutter_stop();
    taskq_store_close(store);
    place_teardown();
}

static void open_through_cutter(pghost *host)
{
    const char *direct = place.conninfo;
    place.conninfo = conninfo;
    host_open(host);
    place.conninfo = direct;
}

/* An order, its mail and the end of a job, cut at the nth message after the order; whether it was cut at all. */
static bool cut_one(cutter_way way, int nth)
{
    pghost host;
    int64_t version, id = running_job(store, &version);
    open_through_cutter(&host);
    host_run(&host, "BEGIN");
    host_run(&host, "INSERT INTO @orders VALUES (1)");
    cutter_arm(way, nth);
    taskq_status enqueued = host_enqueue(&host, NULL, NULL, NULL, NULL);
    taskq_status completed = enqueued == TASKQ_OK ? host_complete(&host, id, version) : enqueued;
    bool committed =
        completed == TASKQ_OK && host_try(&host, "COMMIT")[0] == '\0' && PQstatus(host.conn) == CONNECTION_OK;
    bool cut = cutter_has_cut();
    ck_assert(completed == TASKQ_OK || completed == TASKQ_EUNAVAIL);
    ck_assert_int_eq(committed, !cut);
    ck_assert_int_eq(PQstatus(host.conn), cut ? CONNECTION_BAD : CONNECTION_OK);
    host_close(&host);
    place_await(0, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'a host'");
    return cut;
}

START_TEST(rows_and_jobs_agree_whichever_message_is_lost)
{
    int nth = 0;
    bool cut = true;
    for (; cut; nth++) {
        cut = cut_one(_i == 0 ? TO_SERVER : TO_CLIENT, nth);
        int64_t orders = count_orders();
        ck_assert_int_eq(place_number("SELECT count(*) FROM @jobs WHERE type = 'mail'"), orders);
        ck_assert_int_eq(place_number("SELECT count(*) FROM @jobs WHERE state = %d", TASKQ_STATE_SUCCEEDED), orders);
        ck_assert_int_eq(count_jobs(), orders + nth + 1);
        ck_assert_int_ge(orders, cut ? 0 : 1);
    }
    ck_assert_int_gt(nth, 20);
}
END_TEST

TASKQ_TESTS_LOOPED(setup, teardown, {rows_and_jobs_agree_whichever_message_is_lost, 2})
