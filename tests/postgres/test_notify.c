/* SPDX-License-Identifier: MIT */
/* What one store announces another one hears: soon, bundled, and after a lost connection at least that something was missed. */
#include "pgstore.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static taskq_store *teller, *hearer;
static pthread_t pump;
static atomic_bool stop;

/* What a scheduler's thread does: it sends what was announced. */
static void *run_pump(void *user)
{
    (void)user;
    while (!atomic_load(&stop)) {
        struct pollfd fd = {taskq__store_wake_fd(teller), POLLIN, 0};
        taskq_ready ready[4];
        uint32_t count;
        taskq_error err = TASKQ_ERROR_INIT;
        if (poll(&fd, 1, 10) > 0) {
            (void)taskq__store_wake_read(teller, ready, 4, &count, &err);
        }
    }
    return NULL;
}

static void setup(void)
{
    place_setup();
    teller = place_open();
    hearer = place_open();
    atomic_store(&stop, false);
    ck_assert_int_eq(pthread_create(&pump, NULL, run_pump, NULL), 0);
}

static void teardown(void)
{
    atomic_store(&stop, true);
    pthread_join(pump, NULL);
    taskq_store_close(teller);
    taskq_store_close(hearer);
    place_teardown();
}

static void announce(const char *queue, const char *type, uint32_t count)
{
    taskq_ready ready = {taskq_text_of(queue), taskq_text_of(type), count};
    ck_ok(taskq__store_announce(teller, &ready, 1, &place.err));
}

/* Waits for news; how many entries. */
static uint32_t hear(taskq_ready *out, uint32_t max)
{
    uint32_t count = 0;
    while (count == 0) {
        struct pollfd fd = {taskq__store_wake_fd(hearer), POLLIN, 0};
        ck_assert_int_ge(poll(&fd, 1, -1), 0);
        ck_ok(taskq__store_wake_read(hearer, out, max, &count, &place.err));
    }
    return count;
}

static int64_t figure(taskq_store *store, const char *name)
{
    taskq_figure figures[TASKQ_FIGURES_MAX];
    uint32_t count = taskq__store_figures(store, figures, TASKQ_FIGURES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(figures[i].name, name) == 0) {
            return figures[i].value;
        }
    }
    ck_abort_msg("there is no figure %s", name);
    return 0;
}

START_TEST(another_store_hears_of_queue_type_and_number)
{
    taskq_ready ready[4];
    announce("mail", "send", 3);
    ck_assert_uint_eq(hear(ready, 4), 1);
    ck_assert(ready[0].queue.size == 4 && memcmp(ready[0].queue.data, "mail", 4) == 0);
    ck_assert(ready[0].type.size == 4 && memcmp(ready[0].type.data, "send", 4) == 0);
    ck_assert_uint_eq(ready[0].count, 3);
}
END_TEST

START_TEST(what_our_own_claims_take_is_not_told)
{
    taskq_ready ready[4];
    announce("mail", "send", 0);
    announce("mail", "other", 1);
    ck_assert_uint_eq(hear(ready, 4), 1);
    ck_assert(ready[0].type.size == 5);
}
END_TEST

START_TEST(ten_thousand_announcements_are_few_notifications)
{
    enum { COUNT = 10000, EVERY_MS = 5 };
    int64_t began = now_ms();
    uint64_t heard = 0;
    for (int i = 0; i < COUNT; i++) {
        announce("mail", i % 2 == 0 ? "send" : "other", 1);
    }
    while (heard < COUNT) {
        taskq_ready ready[8];
        uint32_t count = hear(ready, 8);
        for (uint32_t i = 0; i < count; i++) {
            heard += ready[i].count;
        }
    }
    int64_t most = (now_ms() - began) / EVERY_MS + 2;
    ck_assert_uint_eq(heard, COUNT);
    ck_assert_int_le((int)figure(hearer, "notifications_received"), (int)most);
    ck_assert_int_ge((int)figure(hearer, "notifications_received"), 1);
}
END_TEST

START_TEST(more_pairs_than_fit_are_any)
{
    char queue[32];
    bool any = false;
    for (int i = 0; i < 200; i++) {
        (void)snprintf(queue, sizeof(queue), "queue-%d", i);
        announce(queue, "send", 1);
    }
    while (!any) {
        taskq_ready ready[64];
        uint32_t count = hear(ready, 64);
        for (uint32_t i = 0; i < count; i++) {
            any = any || ready[i].queue.size == 0;
            /* Or they were sent in pieces, and the last of them comes by its name. */
            any = any || (ready[i].queue.size == 9 && memcmp(ready[i].queue.data, "queue-199", 9) == 0);
        }
    }
}
END_TEST

START_TEST(what_nobody_of_ours_would_send_is_any)
{
    taskq_ready ready[4];
    place_run("SELECT pg_notify('taskq_%s', 'nonsense')", place.schema);
    ck_assert_uint_eq(hear(ready, 4), 1);
    ck_assert_uint_eq(ready[0].queue.size, 0);
}
END_TEST

START_TEST(after_a_lost_connection_something_may_have_been_missed)
{
    taskq_ready ready[4];
    announce("mail", "send", 1);
    (void)hear(ready, 4);
    place_run("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'taskq notify'");
    do {
        (void)hear(ready, 4);
    } while (ready[0].queue.size != 0);
    place_await(2, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'taskq notify'");
    announce("mail", "send", 2);
    do {
        (void)hear(ready, 4);
    } while (ready[0].queue.size == 0);
    ck_assert_uint_eq(ready[0].count, 2);
    ck_assert_int_ge((int)figure(hearer, "connections_lost"), 1);
}
END_TEST

/* Whoever sends and reads sweeps, too. The bound is below what any other answer may take, and far above this one's. */
START_TEST(a_silent_connection_holds_nobody_for_long)
{
    taskq_ready ready = {TASKQ_TEXT("mail"), TASKQ_TEXT("send"), 1};
    uint32_t count = 0;
    place_await(2, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'taskq notify'");
    pid_t silent =
        (pid_t)place_number("SELECT pid::bigint FROM pg_stat_activity WHERE application_name = 'taskq notify' "
                            "ORDER BY backend_start DESC LIMIT 1");
    ck_assert_int_eq(kill(silent, SIGSTOP), 0);
    int64_t began = now_ms();
    ck_ok(taskq__store_announce(hearer, &ready, 1, &place.err));
    ck_ok(taskq__store_wake_read(hearer, &ready, 1, &count, &place.err));
    int64_t took = now_ms() - began;
    ck_assert_int_eq(kill(silent, SIGCONT), 0);
    ck_assert_int_lt((int)took, 8000);
    ck_assert_int_eq((int)figure(hearer, "connections_lost"), 1);
    do { /* and it has another one by itself */
        (void)hear(&ready, 1);
    } while (ready.queue.size != 0);
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, a_silent_connection_holds_nobody_for_long,
                 another_store_hears_of_queue_type_and_number, what_our_own_claims_take_is_not_told,
                 ten_thousand_announcements_are_few_notifications, more_pairs_than_fit_are_any,
                 what_nobody_of_ours_would_send_is_any, after_a_lost_connection_something_may_have_been_missed)
