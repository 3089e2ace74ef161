/* SPDX-License-Identifier: MIT */
/*
 * Where claims and sweeps begin, and how often the beginning is looked at. The database's clock is a row of the tests', so they
 * say what a look costs; that one comes to no end is made so: it waits for a lock, and is canceled while it does.
 */
#include "batch.h"
#include "pghost.h"
#include "pgstore.h"

#include "store/ops.h"
#include "store/postgres/floors.h"

#include <pthread.h>
#include <stdio.h>

static taskq_store *store;
static taskq__pg_floors *floors;
static test_batch batch;
static const taskq_text default_queue = {"default", 7}, any_type = {NULL, 0};

enum { NOW_MS = 100000000, DEAR_MS = 60000 };

/* Each time that it is asked the clock has gone on by so much. */
static void set_clock(int64_t now_ms, int64_t step_ms)
{
    place_run("UPDATE @clock SET at = %lld - %lld * nextval('@asked'), step = %lld", (long long)now_ms,
              (long long)step_ms, (long long)step_ms);
}

static void setup(void)
{
    place_setup();
    store = place_open();
    floors = ((taskq__pg *)store->self)->floors;
    batch_init(&batch);
    place_run("CREATE SEQUENCE @asked");
    place_run("CREATE TABLE @clock (at bigint, step bigint)");
    place_run("INSERT INTO @clock VALUES (%d, 0)", NOW_MS);
    place_run("CREATE OR REPLACE FUNCTION @now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS "
              "'SELECT at + step * nextval(''@asked'') FROM @clock'");
}

static void teardown(void)
{
    taskq_store_close(store);
    batch_clear(&batch);
    place_teardown();
}

/* ---- the pace -------------------------------------------------------------------------------------------------------- */

START_TEST(looks_take_one_part_in_twenty_of_the_time)
{
    taskq__pg_pace pace = {0};
    ck_assert(taskq__pg_pace_is_due(&pace, 5000, 4000, false));
    ck_assert(!taskq__pg_pace_is_due(&pace, 5000, 4001, false));
    ck_assert(taskq__pg_pace_is_due(&pace, 5000, 4999, true));
    taskq__pg_pace_ends(&pace, 5000, 200);
    ck_assert(!taskq__pg_pace_is_due(&pace, 8999, 5000, true));
    ck_assert(taskq__pg_pace_is_due(&pace, 9000, 5000, false));
    taskq__pg_pace_ends(&pace, 6000, 1); /* a cheap one of another range takes nothing of that back */
    ck_assert(!taskq__pg_pace_allows(&pace, 8999));
}
END_TEST

START_TEST(the_pause_after_looks_that_fail_doubles_and_has_an_end)
{
    taskq__pg_pace pace = {0};
    int64_t now_ms = 0, pauses[20];
    for (int i = 0; i < 20; i++) {
        taskq__pg_pace_fails(&pace, now_ms, 8000);
        pauses[i] = pace.next_ms - now_ms;
        now_ms = pace.next_ms;
    }
    ck_assert_int_eq(pauses[0], 160000);
    ck_assert_int_eq(pauses[1], 320000);
    ck_assert_int_eq(pauses[19], TASKQ__PG_PACE_PAUSE_MS_MAX);
    taskq__pg_pace_ends(&pace, now_ms, 10);
    taskq__pg_pace_fails(&pace, now_ms + 1000, 8000);
    ck_assert_int_eq(pace.pause_ms, 160000);
}
END_TEST

/* ---- claims ---------------------------------------------------------------------------------------------------------- */

static void enqueue(uint32_t count)
{
    batch_begin(&batch);
    batch_enqueue(&batch, count, NULL, NULL);
    ck_assert_msg(batch_run(&batch, store) == TASKQ_OK, "%s", batch.err.text);
}

/* The id of what it got; 0: nothing. */
static int64_t claim(void)
{
    batch_begin(&batch);
    batch_claim(&batch, 1);
    ck_assert_msg(batch_run(&batch, store) == TASKQ_OK, "%s", batch.err.text);
    return batch.claim.job_count == 0 ? 0 : batch.claim.jobs[0]->id;
}

static void tell(const char *queue)
{
    const taskq_ready ready = {.queue = taskq_text_of(queue), .type = {"a", 1}, .count = 1};
    taskq__pg_news_add(&((taskq__pg *)store->self)->news, &ready);
}

static void *run_batch(void *user)
{
    *(taskq_status *)user = batch_run(&batch, store);
    return NULL;
}

static const char *const waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'taskq commit' AND "
                                 "wait_event_type = 'Lock'";

/* The batch waits for that table, its statement is canceled while it does, as for its length, and then it may have it. */
static void cancel_at(const char *lock)
{
    char first[160];
    pthread_t thread;
    pghost host;
    taskq_status status = TASKQ_EBUSY;
    host_open(&host);
    host_run(&host, "BEGIN");
    host_run(&host, lock);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_batch, &status), 0);
    place_await(1, waits);
    (void)snprintf(first, sizeof(first),
                   "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'taskq commit' AND "
                   "extract(epoch FROM xact_start) * 1000000 = %lld",
                   (long long)place_number("SELECT (extract(epoch FROM xact_start) * 1000000)::bigint FROM "
                                           "pg_stat_activity WHERE application_name = 'taskq commit'"));
    ck_assert_int_eq(place_number("SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity "
                                  "WHERE application_name = 'taskq commit'"),
                     1);
    place_await(0, first);
    host_run(&host, "ROLLBACK");
    host_close(&host);
    pthread_join(thread, NULL);
    ck_assert_msg(status == TASKQ_OK, "%s", batch.err.text);
}

static void fail_claim(void)
{
    batch_begin(&batch);
    batch_claim(&batch, 1);
    cancel_at("LOCK TABLE @queues IN ACCESS EXCLUSIVE MODE");
}

START_TEST(a_look_that_came_to_no_end_leaves_the_floors)
{
    taskq__pg_floor floor;
    enqueue(3);
    int64_t first = claim();
    tell("default");
    fail_claim();
    ck_assert_int_eq(batch.claim.jobs[0]->id, first + 1);
    ck_assert_int_ge(taskq__pg_floors_pace(floors)->pause_ms, TASKQ__PG_PACE_EVERY_MS);
    ck_assert(taskq__pg_floor_of(floors, default_queue, any_type, &floor));
    ck_assert_int_eq(floor.id, first + 1);
    ck_assert_int_eq(claim(), first + 2);
}
END_TEST

START_TEST(where_no_look_came_to_its_end_claims_begin_at_what_comes_next)
{
    enqueue(1);
    fail_claim();
    ck_assert_uint_eq(batch.claim.job_count, 0);
    taskq__pg_floors_pace(floors)->next_ms = INT64_MAX; /* the pause lasts */
    ck_assert_int_eq(claim(), 0);
    enqueue(2);
    ck_assert_int_eq(claim(), batch.claim.jobs[0]->id);
    ck_assert_int_gt(batch.claim.jobs[0]->id, 1);
    ck_assert_int_gt(claim(), 1);
    taskq__pg_floors_pace(floors)->next_ms = 0; /* it is over */
    ck_assert_int_eq(claim(), 1);
}
END_TEST

START_TEST(a_look_is_paid_for_by_the_claim_that_looked_and_by_no_other_batch)
{
    enqueue(2);
    set_clock(NOW_MS, DEAR_MS);
    (void)claim();
    int64_t next_ms = taskq__pg_floors_pace(floors)->next_ms;
    ck_assert_int_ge(next_ms - taskq__pg_now_ms(), DEAR_MS * (TASKQ__PG_PACE_SHARE - 1));
    set_clock(NOW_MS, 0);
    for (int i = 0; i < 3; i++) {
        tell("default");
        enqueue(1);
        ck_assert_int_gt(claim(), 0);
        ck_assert_int_eq(taskq__pg_floors_pace(floors)->next_ms, next_ms);
    }
}
END_TEST

START_TEST(where_looks_are_dear_claims_that_come_out_with_nothing_do_not_look_either)
{
    taskq_store *other = place_open();
    set_clock(NOW_MS, DEAR_MS);
    for (int i = 0; i < 2; i++) { /* two in a row: one alone may have waited for a processor */
        enqueue(1);
        taskq__pg_floors_pace(floors)->next_ms = 0;
        tell("default");
        ck_assert_int_gt(claim(), 0);
    }
    set_clock(NOW_MS, 0);
    batch_begin(&batch);
    batch_enqueue(&batch, 1, NULL, NULL);
    batch.jobs[0].priority = 1;
    ck_assert_int_eq(batch_run(&batch, other), TASKQ_OK);
    taskq_store_close(other);
    ck_assert_int_eq(claim(), 0);
    taskq__pg_floors_pace(floors)->next_ms = 0;
    ck_assert_int_gt(claim(), 0);
}
END_TEST

/* A claim of that queue that went up to a job, a moment ago. */
static void raise(taskq_text queue, int64_t id)
{
    ck_assert(taskq__pg_floor_look(floors, queue, any_type, false));
    taskq__pg_floor_raise(floors, queue, any_type, (taskq__pg_floor){0, 1, id}, false);
    taskq__pg_floor_looked(floors, queue, any_type, false);
}

static void begin(int64_t now_ms)
{
    taskq__pg_floors_begin(floors, &((taskq__pg *)store->self)->news, now_ms);
}

START_TEST(news_of_a_queue_leave_the_floors_of_others)
{
    const taskq_text x = TASKQ_TEXT("x"), y = TASKQ_TEXT("y");
    taskq__pg_floor floor;
    begin(1000);
    raise(x, 7);
    raise(y, 8);
    tell("x");
    begin(1001);
    ck_assert(!taskq__pg_floor_look(floors, y, any_type, false));
    ck_assert(taskq__pg_floor_look(floors, x, any_type, false));
    ck_assert(taskq__pg_floor_of(floors, y, any_type, &floor) && floor.id == 8);
    ck_assert(taskq__pg_floor_of(floors, x, any_type, &floor) && taskq__pg_floor_is_beginning(&floor));
    begin(2000);
    ck_assert(taskq__pg_floor_look(floors, y, any_type, false));
}
END_TEST

START_TEST(a_look_that_found_jobs_before_a_floor_brings_it_down_to_the_last_of_them)
{
    const taskq_text x = TASKQ_TEXT("x");
    taskq__pg_floor floor;
    begin(1000);
    raise(x, 100);
    begin(2000);
    ck_assert(taskq__pg_floor_look(floors, x, any_type, false));
    taskq__pg_floor_raise(floors, x, any_type, (taskq__pg_floor){0, 1, 5}, false);
    taskq__pg_floor_raise(floors, x, any_type, (taskq__pg_floor){0, 1, 6}, false);
    taskq__pg_floor_looked(floors, x, any_type, false);
    ck_assert(taskq__pg_floor_of(floors, x, any_type, &floor) && floor.id == 6);
    begin(3000);
    ck_assert(taskq__pg_floor_look(floors, x, any_type, false));
    taskq__pg_floor_looked(floors, x, any_type, false); /* cut short before it came to this range */
    begin(3001);
    ck_assert(taskq__pg_floor_look(floors, x, any_type, false));
}
END_TEST

/* ---- sweeps ---------------------------------------------------------------------------------------------------------- */

/* So many jobs that run, whose leases were over at 1, 2, 3 ... */
static void make_lost(uint32_t count)
{
    for (uint32_t made = 0; made < count; made += 100) {
        batch_begin(&batch);
        batch_enqueue(&batch, count - made < 100 ? count - made : 100, NULL, NULL);
        batch_claim(&batch, 100);
        ck_assert_msg(batch_run(&batch, store) == TASKQ_OK, "%s", batch.err.text);
    }
    place_run("UPDATE @jobs SET lease_due = id, expires_at = id");
}

static uint32_t walk(taskq_walk_kind kind, uint32_t max)
{
    batch_begin(&batch);
    batch_walk(&batch, kind, max);
    batch.walk.cut_ms = batch.walk.cut_failed_ms = NOW_MS;
    ck_assert_msg(batch_run(&batch, store) == TASKQ_OK, "%s", batch.err.text);
    return batch.walk.moved;
}

static taskq__pg_steps *steps_of(taskq_walk_kind kind)
{
    return &taskq__pg_floors_sweeps(floors)->kinds[kind];
}

static void pass_a_second(taskq_walk_kind kind)
{
    steps_of(kind)->looked_at_ms -= TASKQ__PG_PACE_EVERY_MS;
}

START_TEST(what_others_had_locked_is_found_by_the_next_walk)
{
    pghost host;
    make_lost(3);
    host_open(&host);
    host_run(&host, "BEGIN");
    host_run(&host, "SELECT FROM @jobs WHERE id = 1 FOR UPDATE");
    ck_assert_uint_eq(walk(TASKQ_WALK_EXPIRED, 10), 2);
    ck_assert_uint_eq(walk(TASKQ_WALK_EXPIRED, 10), 0);
    host_run(&host, "ROLLBACK");
    host_close(&host);
    ck_assert_uint_eq(walk(TASKQ_WALK_EXPIRED, 10), 1);
}
END_TEST

START_TEST(walks_go_on_behind_what_others_have_locked)
{
    pghost host;
    uint32_t moved = 0, steps = 0;
    make_lost(305);
    host_open(&host);
    host_run(&host, "BEGIN");
    host_run(&host, "SELECT FROM @jobs WHERE id <= 300 ORDER BY id FOR UPDATE");
    do {
        moved += walk(TASKQ_WALK_EXPIRED, 10);
    } while (batch.walk.more && ++steps < 20);
    ck_assert_uint_eq(moved, 5);
    host_run(&host, "ROLLBACK");
    host_close(&host);
    for (steps = 0; moved < 305 && steps < 40; steps++) {
        moved += walk(TASKQ_WALK_EXPIRED, 10);
    }
    ck_assert_uint_eq(moved, 305);
}
END_TEST

START_TEST(more_of_one_instant_than_a_step_sees_ends_the_sweep_while_others_have_it)
{
    pghost host;
    make_lost(200);
    place_run("UPDATE @jobs SET expires_at = 1");
    host_open(&host);
    host_run(&host, "BEGIN");
    host_run(&host, "SELECT FROM @jobs ORDER BY id FOR UPDATE");
    for (int steps = 0; walk(TASKQ_WALK_EXPIRED, 10) == 0 && batch.walk.more; steps++) {
        ck_assert_int_lt(steps, 3);
    }
    host_run(&host, "ROLLBACK");
    host_close(&host);
    ck_assert_uint_eq(walk(TASKQ_WALK_EXPIRED, 10), 10);
}
END_TEST

START_TEST(what_was_committed_late_is_found_a_second_later)
{
    make_lost(2);
    place_run("UPDATE @jobs SET expires_at = NULL WHERE id = 1");
    ck_assert_uint_eq(walk(TASKQ_WALK_EXPIRED, 10), 1);
    place_run("UPDATE @jobs SET expires_at = 1 WHERE id = 1");
    pass_a_second(TASKQ_WALK_EXPIRED);
    ck_assert_uint_eq(walk(TASKQ_WALK_EXPIRED, 10), 1);
}
END_TEST

START_TEST(where_a_walk_from_the_beginning_is_dear_the_floor_holds_for_its_share)
{
    make_lost(2);
    place_run("UPDATE @jobs SET expires_at = NULL WHERE id = 1");
    set_clock(NOW_MS, DEAR_MS);
    ck_assert_uint_eq(walk(TASKQ_WALK_EXPIRED, 10), 1);
    set_clock(NOW_MS, 0);
    place_run("UPDATE @jobs SET expires_at = 1 WHERE id = 1");
    pass_a_second(TASKQ_WALK_EXPIRED);
    ck_assert_uint_eq(walk(TASKQ_WALK_EXPIRED, 10), 0);
    ck_assert_int_ge(steps_of(TASKQ_WALK_EXPIRED)->pace.next_ms - taskq__pg_now_ms(),
                     DEAR_MS * (TASKQ__PG_PACE_SHARE - 1));
    steps_of(TASKQ_WALK_EXPIRED)->pace.next_ms = 0;
    ck_assert_uint_eq(walk(TASKQ_WALK_EXPIRED, 10), 1);
}
END_TEST

START_TEST(a_walk_that_came_to_no_end_goes_on_with_what_is_due_now)
{
    make_lost(2);
    place_run("UPDATE @jobs SET expires_at = %d WHERE id = 2", NOW_MS - 1);
    batch_begin(&batch);
    batch_walk(&batch, TASKQ_WALK_EXPIRED, 10);
    cancel_at("LOCK TABLE @jobs IN ACCESS EXCLUSIVE MODE");
    ck_assert_uint_eq(batch.walk.moved, 1);
    ck_assert_int_eq(taskq__pg_sweep_floor_seen(floors, TASKQ__PG_SWEEP_EXPIRES), NOW_MS - TASKQ__PG_PACE_BEHIND_MS);
    ck_assert_int_ge(steps_of(TASKQ_WALK_EXPIRED)->pace.pause_ms, TASKQ__PG_PACE_EVERY_MS);
    steps_of(TASKQ_WALK_EXPIRED)->pace.next_ms = 0; /* it is over */
    pass_a_second(TASKQ_WALK_EXPIRED);
    ck_assert_uint_eq(walk(TASKQ_WALK_EXPIRED, 10), 1);
}
END_TEST

START_TEST(a_floor_is_behind_the_clock_though_it_was_set_back)
{
    enum { DAY_MS = 86400000 };
    make_lost(2);
    place_run("UPDATE @jobs SET expires_at = NULL WHERE id = 1");
    ck_assert_uint_eq(walk(TASKQ_WALK_EXPIRED, 10), 1);
    set_clock(NOW_MS - DAY_MS, 0);
    place_run("UPDATE @jobs SET lease_due = %d, expires_at = %d WHERE id = 1", NOW_MS - DAY_MS, NOW_MS - DAY_MS);
    steps_of(TASKQ_WALK_EXPIRED)->pace.next_ms = INT64_MAX; /* no look helps */
    ck_assert_uint_eq(walk(TASKQ_WALK_EXPIRED, 10), 1);
}
END_TEST

START_TEST(retention_and_keys_go_on_where_the_last_step_ended)
{
    make_lost(6);
    place_run(
        "UPDATE @jobs SET state = 5, expires_at = NULL, lease_due = NULL, worker = NULL, done_at = CASE WHEN id < 6 THEN id END");
    place_run("INSERT INTO @keys SELECT 'key ' || g, 1, g, '' FROM generate_series(1, 5) g");
    static const struct {
        taskq_walk_kind kind;
        taskq__pg_sweep sweep;
        int64_t after; /* the first step */
        const char *add_oldest;
    } kinds[] = {
        {TASKQ_WALK_RETENTION, TASKQ__PG_SWEEP_DONE, 3, "UPDATE @jobs SET done_at = 0 WHERE id = 6"},
        {TASKQ_WALK_KEYS, TASKQ__PG_SWEEP_KEYS, 2, "INSERT INTO @keys VALUES ('key 0', 1, 0, '')"},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        ck_assert_uint_eq(walk(kinds[i].kind, 2), 2);
        ck_assert(batch.walk.more);
        ck_assert_int_eq(taskq__pg_sweep_floor_seen(floors, kinds[i].sweep), kinds[i].after);
        steps_of(kinds[i].kind)->pace.next_ms = INT64_MAX; /* not from the beginning */
        place_run("%s", kinds[i].add_oldest);
        ck_assert_uint_eq(walk(kinds[i].kind, 2), 2);
        ck_assert_uint_eq(walk(kinds[i].kind, 2), 1);
        ck_assert(!batch.walk.more);
        ck_assert_uint_eq(walk(kinds[i].kind, 2), 0);
        steps_of(kinds[i].kind)->pace.next_ms = 0;
        pass_a_second(kinds[i].kind);
        ck_assert_uint_eq(walk(kinds[i].kind, 2), 1);
    }
}
END_TEST

START_TEST(a_floor_is_no_nearer_though_a_job_was_moved_by_a_clock_ahead_of_this_one)
{
    make_lost(1);
    place_run("UPDATE @jobs SET updated_at = %d", NOW_MS + 50000);
    ck_assert_uint_eq(walk(TASKQ_WALK_EXPIRED, 10), 1);
    ck_assert_int_eq(batch.batch.now.wall_ms, NOW_MS + 50000);
    ck_assert_int_eq(taskq__pg_sweep_floor_seen(floors, TASKQ__PG_SWEEP_EXPIRES), NOW_MS - TASKQ__PG_PACE_BEHIND_MS);
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, looks_take_one_part_in_twenty_of_the_time,
                 the_pause_after_looks_that_fail_doubles_and_has_an_end, a_look_that_came_to_no_end_leaves_the_floors,
                 where_no_look_came_to_its_end_claims_begin_at_what_comes_next,
                 a_look_is_paid_for_by_the_claim_that_looked_and_by_no_other_batch,
                 where_looks_are_dear_claims_that_come_out_with_nothing_do_not_look_either,
                 news_of_a_queue_leave_the_floors_of_others,
                 a_look_that_found_jobs_before_a_floor_brings_it_down_to_the_last_of_them,
                 what_others_had_locked_is_found_by_the_next_walk, walks_go_on_behind_what_others_have_locked,
                 more_of_one_instant_than_a_step_sees_ends_the_sweep_while_others_have_it,
                 what_was_committed_late_is_found_a_second_later,
                 where_a_walk_from_the_beginning_is_dear_the_floor_holds_for_its_share,
                 a_walk_that_came_to_no_end_goes_on_with_what_is_due_now,
                 a_floor_is_behind_the_clock_though_it_was_set_back, retention_and_keys_go_on_where_the_last_step_ended,
                 a_floor_is_no_nearer_though_a_job_was_moved_by_a_clock_ahead_of_this_one)
