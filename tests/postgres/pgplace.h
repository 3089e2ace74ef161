/* SPDX-License-Identifier: MIT */
/* A schema of its own for each test in the server that TASKQ_TEST_POSTGRES names, and a superuser's session beside it. */
#ifndef TASKQ_TESTS_POSTGRES_PGPLACE_H
#define TASKQ_TESTS_POSTGRES_PGPLACE_H

#include "support/check_main.h"

#include <taskq/postgres.h>

#include "store/postgres/session.h"

typedef struct pgplace {
    const char *conninfo;
    char schema[32];
    taskq__pg_session *admin;
    taskq_arena *arena;
    taskq_error err;
} pgplace;
extern pgplace place;

#define ck_ok(call) ck_assert_msg((call) == TASKQ_OK, "%s: %s", #call, place.err.text)

void place_setup(void);
void place_teardown(void);

/* One statement, '@' is the schema; the test fails where it does. */
void place_run(const char *format, ...) TASKQ_PRINTF(1, 2);
/* Of one row and column. */
int64_t place_number(const char *format, ...) TASKQ_PRINTF(1, 2);
/* How many parameters a statement has. */
int place_params_of(const char *text);
/* A session like the store's own. */
taskq__pg_session *place_session(const char *conninfo, bool pooled);
/* Wait until the number that the statement gives is this one. */
void place_await(int64_t number, const char *text);

#endif
