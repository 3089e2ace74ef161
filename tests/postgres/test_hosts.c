/* SPDX-License-Identifier: MIT */
/* Which hosts a connection is made to, and how long each of them is waited for. */
#include "pgplace.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LONG_MS = 240000 };

static int silent_fd, silent_port;
static const char *good_port, *user, *database;

/* A socket that takes connections and says nothing, beside the server. */
static void setup(void)
{
    place_setup();
    PGconn *conn = taskq__pg_session_conn(place.admin);
    good_port = PQport(conn);
    user = PQuser(conn);
    database = PQdb(conn);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    silent_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert(bind(silent_fd, (struct sockaddr *)&address, size) == 0 && listen(silent_fd, 16) == 0);
    ck_assert_int_eq(getsockname(silent_fd, (struct sockaddr *)&address, &size), 0);
    silent_port = ntohs(address.sin_port);
}

/* Where tests are not forked the next one has the same environment. */
static void teardown(void)
{
    static const char *const set_here[] = {"PGCONNECT_TIMEOUT", "PGHOST", "PGPORT", "PGSERVICEFILE", "PGSERVICE"};
    for (size_t i = 0; i < sizeof(set_here) / sizeof(set_here[0]); i++) {
        ck_assert_int_eq(unsetenv(set_here[i]), 0);
    }
    close(silent_fd);
    place_teardown();
}

static taskq_status make_session(const char *conninfo, int64_t connect_ms, taskq__pg_session **out)
{
    const taskq__pg_session_options options = {
        .conninfo = conninfo, .schema = place.schema, .role = "taskq test", .connect_ms = connect_ms};
    return taskq__pg_session_make(&options, out, &place.err);
}

static taskq__pg_session *session_of(const char *conninfo, int64_t connect_ms)
{
    taskq__pg_session *session = NULL;
    ck_ok(make_session(conninfo, connect_ms, &session));
    return session;
}

/* How it ended, and how long that took. */
static taskq_status try_connect(const char *conninfo, int64_t connect_ms, int64_t *took_ms)
{
    taskq__pg_session *session = NULL;
    int64_t began = taskq__pg_now_ms();
    taskq_status status = make_session(conninfo, connect_ms, &session);
    status = status == TASKQ_OK ? taskq__pg_session_ready(session, &place.err) : status;
    *took_ms = taskq__pg_now_ms() - began;
    taskq__pg_session_free(session);
    return status;
}

/* Connected in the end to the server that answers. */
static void ck_found(const char *conninfo, int64_t connect_ms)
{
    taskq__pg_session *session = session_of(conninfo, connect_ms);
    ck_ok(taskq__pg_session_ready(session, &place.err));
    ck_assert_str_eq(PQport(taskq__pg_session_conn(session)), good_port);
    taskq__pg_session_free(session);
}

START_TEST(connecting_to_a_host_that_is_silent_ends_and_is_not_tried_at_once_again)
{
    char conninfo[128];
    (void)snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%d user=x", silent_port);
    taskq__pg_session *session = session_of(conninfo, 500);
    ck_assert_int_eq(taskq__pg_session_ready(session, &place.err), TASKQ_EUNAVAIL);
    ck_assert(strstr(place.err.text, "no answer from 127.0.0.1 in time") != NULL);
    ck_assert_int_gt((int)taskq__pg_session_retry_ms(session), 0);
    ck_assert_int_eq(taskq__pg_session_ready(session, &place.err), TASKQ_EUNAVAIL);
    taskq__pg_session_free(session);
}
END_TEST

START_TEST(a_host_that_is_silent_leaves_time_for_the_next_one)
{
    char conninfo[256];
    (void)snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1,127.0.0.1 port=%d,%s user=%s dbname=%s", silent_port,
                   good_port, user, database);
    ck_found(conninfo, 1000);
}
END_TEST

START_TEST(connect_timeout_is_how_long_each_host_is_waited_for)
{
    char conninfo[256];
    int64_t took;
    (void)snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1,127.0.0.1 port=%d,%s user=%s dbname=%s connect_timeout=1",
                   silent_port, good_port, user, database);
    ck_ok(try_connect(conninfo, LONG_MS, &took));
    ck_assert_msg(took >= 2000 && took < LONG_MS / 2, "%d ms", (int)took); /* two seconds at the least, as with libpq */
}
END_TEST

START_TEST(a_longer_connect_timeout_does_not_hold_anybody)
{
    static const char *const timeouts[] = {"3600", "0", "-1"};
    for (size_t i = 0; i < sizeof(timeouts) / sizeof(timeouts[0]); i++) {
        char conninfo[256];
        int64_t took;
        (void)snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%d user=x connect_timeout=%s", silent_port,
                       timeouts[i]);
        ck_assert_int_eq(try_connect(conninfo, 200, &took), TASKQ_EUNAVAIL);
        ck_assert_msg(took >= 200 && took < LONG_MS / 2, "%d ms", (int)took);
    }
}
END_TEST

START_TEST(connect_timeout_may_stand_in_the_environment)
{
    char conninfo[256];
    int64_t took;
    (void)snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%d user=x", silent_port);
    ck_assert_int_eq(setenv("PGCONNECT_TIMEOUT", "2", 1), 0);
    ck_assert_int_eq(try_connect(conninfo, LONG_MS, &took), TASKQ_EUNAVAIL);
    ck_assert_msg(took < LONG_MS / 2, "%d ms", (int)took);
}
END_TEST

START_TEST(hosts_in_the_environment_are_tried_one_by_one)
{
    char ports[64], conninfo[256];
    (void)snprintf(ports, sizeof(ports), "%d,%s", silent_port, good_port);
    (void)snprintf(conninfo, sizeof(conninfo), "user=%s dbname=%s", user, database);
    ck_assert(setenv("PGHOST", "127.0.0.1,127.0.0.1", 1) == 0 && setenv("PGPORT", ports, 1) == 0);
    ck_found(conninfo, 1000);
}
END_TEST

START_TEST(hosts_of_a_service_are_tried_one_by_one)
{
    char path[] = "/tmp/taskq-service-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    ck_assert_ptr_nonnull(file);
    (void)fprintf(file, "[ours]\nhost=127.0.0.1,127.0.0.1\nport=%d,%s\nuser=%s\ndbname=%s\n", silent_port, good_port,
                  user, database);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(setenv("PGSERVICEFILE", path, 1), 0);
    ck_found("service=ours", 1000);
    ck_assert_int_eq(setenv("PGSERVICE", "ours", 1), 0);
    ck_found("application_name=x", 1000);
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(the_string_goes_before_the_environment)
{
    char conninfo[256], port[16];
    (void)snprintf(port, sizeof(port), "%d", silent_port);
    (void)snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%s user=%s dbname=%s", good_port, user, database);
    ck_assert(setenv("PGHOST", "127.0.0.1,127.0.0.1,127.0.0.1", 1) == 0 && setenv("PGPORT", port, 1) == 0);
    ck_found(conninfo, LONG_MS);
}
END_TEST

START_TEST(a_string_that_is_wrong_is_no_database_that_is_out_of_reach)
{
    static const struct {
        const char *conninfo, *word;
    } wrong[] = {{"host", "missing \"=\""},
                 {"postgresql://h/?sslmode", "sslmode"},
                 {"service=no-such-service", "no-such-service"},
                 {"host=127.0.0.1 connect_timeout=soon", "connect_timeout"},
                 {"host=127.0.0.1 connect_timeout=99999999999999999999", "connect_timeout"},
                 {"host=127.0.0.1,127.0.0.1,127.0.0.1 port=1,2", "not the same in number"}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int64_t took;
        taskq_status status = try_connect(wrong[i].conninfo, 1000, &took);
        ck_assert_msg(status == TASKQ_EINVAL, "%s: %s", wrong[i].conninfo, place.err.text);
        ck_assert_msg(strstr(place.err.text, wrong[i].word) != NULL, "%s: %s", wrong[i].conninfo, place.err.text);
    }
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, connecting_to_a_host_that_is_silent_ends_and_is_not_tried_at_once_again,
                 a_host_that_is_silent_leaves_time_for_the_next_one, connect_timeout_is_how_long_each_host_is_waited_for,
                 a_longer_connect_timeout_does_not_hold_anybody, connect_timeout_may_stand_in_the_environment,
                 hosts_in_the_environment_are_tried_one_by_one, hosts_of_a_service_are_tried_one_by_one,
                 the_string_goes_before_the_environment, a_string_that_is_wrong_is_no_database_that_is_out_of_reach)
