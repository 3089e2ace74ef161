/* SPDX-License-Identifier: MIT */
/*
 * The contract, kept by the PostgreSQL store: each store in a schema of its own, whose clock is a row that the tests move.
 */
#include "contract/contract.h"

#include <taskq/postgres.h>

#include "core/arena.h"
#include "store/postgres/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

typedef struct postgres_place {
    char schema[32];
    taskq__pg_session *admin;
    bool has_clock;
} postgres_place;

static const char *server(void)
{
    const char *conninfo = getenv("TASKQ_TEST_POSTGRES");
    ck_assert_msg(conninfo != NULL, "run this under tests/support/postgres.py");
    return conninfo;
}

/* One statement; '@' is the schema. */
static void run(postgres_place *place, const char *text)
{
    taskq_error err = TASKQ_ERROR_INIT;
    char *expanded = taskq__pg_sql_expand(text, place->schema, NULL);
    taskq__pg_session_send_text(place->admin, expanded, "the test");
    if (taskq__pg_session_sync(place->admin, &err) != TASKQ_OK ||
        taskq__pg_session_skip(place->admin, &err) != TASKQ_OK ||
        taskq__pg_session_end(place->admin, &err) != TASKQ_OK) {
        ck_abort_msg("%s: %s", text, err.text);
    }
    free(expanded);
}

static void *make_place(void)
{
    static int places;
    taskq_error err = TASKQ_ERROR_INIT;
    postgres_place *place = calloc(1, sizeof(*place));
    ck_assert_ptr_nonnull(place);
    snprintf(place->schema, sizeof(place->schema), "c%d_%d", (int)getpid(), places++);
    const taskq__pg_session_options options = {.conninfo = server(), .schema = place->schema, .role = "taskq test"};
    ck_assert_msg(taskq__pg_session_make(&options, &place->admin, &err) == TASKQ_OK, "%s", err.text);
    ck_assert_msg(taskq__pg_session_ready(place->admin, &err) == TASKQ_OK, "%s", err.text);
    return place;
}

static taskq_store *open_store(void *user)
{
    postgres_place *place = user;
    taskq_postgres_options options = TASKQ_POSTGRES_OPTIONS_INIT;
    taskq_store *store = NULL;
    taskq_error err = TASKQ_ERROR_INIT;
    options.conninfo = server();
    options.schema = place->schema;
    options.reader_count = 1;
    ck_assert_msg(taskq_postgres_open(&options, &store, &err) == TASKQ_OK, "%s", err.text);
    if (!place->has_clock) {
        run(place, "CREATE TABLE @clock (at bigint)");
        run(place, "INSERT INTO @clock VALUES (0)");
        run(place,
            "CREATE OR REPLACE FUNCTION @now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT at FROM @clock'");
        place->has_clock = true;
    }
    return store;
}

static void remove_place(void *user)
{
    postgres_place *place = user;
    char text[64];
    snprintf(text, sizeof(text), "DROP SCHEMA %s CASCADE", place->schema);
    run(place, text);
    taskq__pg_session_free(place->admin);
    free(place);
}

static void tick(void *user, taskq_now now)
{
    char text[64];
    snprintf(text, sizeof(text), "UPDATE @clock SET at = %" PRId64, now.wall_ms);
    run(user, text);
}

int main(void)
{
    static const contract_opener opener = {"postgresql", make_place, open_store, remove_place, tick};
    return contract_main(&opener);
}
