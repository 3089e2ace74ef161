/* SPDX-License-Identifier: MIT */
#include "pgplace.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/arena.h"

pgplace place;

static taskq__pg_session *open_session(const char *conninfo, bool pooled)
{
    const taskq__pg_session_options options = {.conninfo = conninfo,
                                               .schema = place.schema,
                                               .role = "taskq test",
                                               .pooled = pooled,
                                               .connect_ms = 500,
                                               .answer_ms = 500};
    taskq__pg_session *session = NULL;
    ck_ok(taskq__pg_session_make(&options, &session, &place.err));
    return session;
}

taskq__pg_session *place_session(const char *conninfo, bool pooled)
{
    return open_session(conninfo, pooled);
}

void place_setup(void)
{
    static int tests;
    place.conninfo = getenv("TASKQ_TEST_POSTGRES");
    ck_assert_msg(place.conninfo != NULL, "run this under tests/support/postgres.py");
    place.err = (taskq_error)TASKQ_ERROR_INIT;
    (void)snprintf(place.schema, sizeof(place.schema), "t%d_%d", (int)getpid(), tests++);
    place.arena = taskq__arena_new(NULL, 0);
    const taskq__pg_session_options options = {
        .conninfo = place.conninfo, .schema = place.schema, .role = "taskq test admin"};
    ck_ok(taskq__pg_session_make(&options, &place.admin, &place.err));
    ck_ok(taskq__pg_session_ready(place.admin, &place.err));
}

void place_teardown(void)
{
    place_run("DROP SCHEMA IF EXISTS \"%s\" CASCADE", place.schema);
    taskq__pg_session_free(place.admin);
    taskq__arena_free(place.arena);
}

static TASKQ_PRINTF(1, 0) PGresult *run(const char *format, va_list values)
{
    char text[2048];
    PGresult *result = NULL;
    int size = vsnprintf(text, sizeof(text), format, values);
    ck_assert(size > 0 && (size_t)size < sizeof(text));
    char *expanded = taskq__pg_sql_expand(text, place.schema, NULL);
    ck_ok(taskq__pg_session_ready(place.admin, &place.err));
    taskq__pg_session_send_text(place.admin, expanded, text);
    ck_ok(taskq__pg_session_sync(place.admin, &place.err));
    ck_ok(taskq__pg_session_next(place.admin, &result, &place.err));
    ck_ok(taskq__pg_session_end(place.admin, &place.err));
    free(expanded);
    return result;
}

void place_run(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    PQclear(run(format, values));
    va_end(values);
}

int64_t place_number(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    PGresult *result = run(format, values);
    va_end(values);
    ck_assert_int_eq(PQntuples(result), 1);
    int64_t number = taskq__pg_result_int(result, 0, 0);
    PQclear(result);
    return number;
}

void place_await(int64_t number, const char *text)
{
    while (place_number("%s", text) != number) {
        (void)sched_yield();
    }
}

int place_params_of(const char *text)
{
    int most = 0;
    for (const char *at = strchr(text, '$'); at != NULL; at = strchr(at + 1, '$')) {
        int number = (int)strtol(at + 1, NULL, 10);
        most = number > most ? number : most;
    }
    return most;
}
