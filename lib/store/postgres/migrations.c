/* SPDX-License-Identifier: MIT */
/*
 * The schema's history. What is here is written in databases of users: a migration that was released is never edited.
 *
 * To change the schema: append a migration and raise TASKQ__PG_SCHEMA_VERSION by one. All missing ones run in one transaction
 * under an advisory lock, so two servers that start at once migrate once. Servers of the version before are still at work
 * while a migration runs: it must not take away what they use. `taskq-server --print-schema` prints these texts.
 */
#include "store/postgres/schema.h"

/* One statement each. */
static const char *const migration_1[] = {
    "CREATE TABLE @meta (name text COLLATE \"C\" PRIMARY KEY, value bigint NOT NULL)",
    /* Names and keys are compared as bytes: the order of a language changes with the C library, and indexes break. */
    /* The one clock of all servers. */
    "CREATE FUNCTION @now_ms() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL SAFE\n"
    "    AS 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint'",
    "CREATE SEQUENCE @job_ids AS bigint",
    /* Narrow and hot: the only table that moves rewrite. Room in its pages and early vacuums keep it so. */
    "CREATE TABLE @jobs (\n"
    "    id bigint PRIMARY KEY,\n"
    "    version bigint NOT NULL,\n"
    "    run_at bigint NOT NULL,\n"
    "    updated_at bigint NOT NULL,\n"
    "    started_at bigint,\n"
    "    done_at bigint,\n"   /* finished: succeeded or canceled */
    "    failed_at bigint,\n" /* finished: failed */
    "    lease_due bigint,\n"
    "    timeout_due bigint,\n"
    "    expires_at bigint,\n"  /* the earlier of the two, while it runs */
    "    run_due bigint,\n"     /* run_at, while it waits for it */
    "    backoff_due bigint,\n" /* the same, of a backoff */
    "    result_of bigint,\n"   /* version of the attempt that has the result */
    "    error_of bigint,\n"    /* and the error that is shown */
    "    timeout_ms bigint NOT NULL,\n"
    "    lease_ms bigint NOT NULL,\n"
    "    backoff_base_ms bigint NOT NULL,\n"
    "    backoff_max_ms bigint NOT NULL,\n"
    "    backoff_factor double precision NOT NULL,\n"
    "    backoff_jitter double precision NOT NULL,\n"
    "    priority integer NOT NULL,\n"
    "    attempt integer NOT NULL,\n"
    "    max_attempts integer NOT NULL,\n"
    "    extras integer NOT NULL DEFAULT 0,\n" /* which side tables have rows of it */
    "    state smallint NOT NULL,\n"
    "    claimable boolean NOT NULL,\n" /* stands in the ready indexes */
    "    cancel_requested boolean NOT NULL DEFAULT false,\n"
    "    queue text COLLATE \"C\" NOT NULL,\n"
    "    type text COLLATE \"C\" NOT NULL,\n"
    "    batch text COLLATE \"C\",\n"
    "    unique_key text COLLATE \"C\",\n"
    "    live_key text COLLATE \"C\",\n" /* the same until the job has ended */
    "    worker text COLLATE \"C\",\n"
    "    poll text COLLATE \"C\"\n" /* of the claim that has the lease */
    ") WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,\n"
    "    autovacuum_analyze_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0)",
    /* All ascending, the priority negated: what comes after a key is one range then. */
    /* Of another collation, which orders the same: what asks for a type can then use the other one alone, whatever statistics say. */
    "CREATE INDEX jobs_ready_any ON @jobs (queue COLLATE \"POSIX\", (-priority), run_at, id) WHERE claimable",
    "CREATE INDEX jobs_ready_type ON @jobs (queue, type, (-priority), run_at, id) WHERE claimable",
    "CREATE INDEX jobs_expires ON @jobs (expires_at) WHERE expires_at IS NOT NULL",
    "CREATE INDEX jobs_run_due ON @jobs (run_due) WHERE run_due IS NOT NULL",
    "CREATE INDEX jobs_backoff_due ON @jobs (backoff_due) WHERE backoff_due IS NOT NULL",
    "CREATE UNIQUE INDEX jobs_live_key ON @jobs (queue, live_key) WHERE live_key IS NOT NULL",
    "CREATE INDEX jobs_poll ON @jobs (poll, worker) WHERE poll IS NOT NULL",
    "CREATE INDEX jobs_done ON @jobs (done_at) WHERE done_at IS NOT NULL",
    "CREATE INDEX jobs_failed ON @jobs (failed_at) WHERE failed_at IS NOT NULL",
    /* Written once. */
    "CREATE TABLE @payloads (\n"
    "    id bigint PRIMARY KEY,\n"
    "    created_at bigint NOT NULL,\n"
    "    tags text,\n" /* names, a space between */
    "    traceparent text,\n"
    "    payload text NOT NULL\n"
    ") WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0)",
    /* One row for each ended attempt, by the version that its lease had. */
    "CREATE TABLE @attempts (\n"
    "    job_id bigint NOT NULL,\n"
    "    version bigint NOT NULL,\n"
    "    attempt integer NOT NULL,\n"
    "    outcome smallint NOT NULL,\n"
    "    worker text COLLATE \"C\",\n"
    "    started_at bigint,\n"
    "    finished_at bigint NOT NULL,\n"
    "    digest bigint,\n" /* of the report that ended it; NULL: none did */
    "    text text,\n"     /* result or error */
    "    PRIMARY KEY (job_id, version)\n"
    ") WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0)",
    "CREATE TABLE @progress (id bigint PRIMARY KEY, progress text NOT NULL)\n"
    "    WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0)",
    /* In pieces, so that a line more does not rewrite 64 KiB; end_at counts the bytes from the first one ever. */
    "CREATE TABLE @logs (\n"
    "    job_id bigint NOT NULL,\n"
    "    end_at bigint NOT NULL,\n"
    "    chunk bytea NOT NULL,\n"
    "    PRIMARY KEY (job_id, end_at)\n"
    ") WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0)",
    "CREATE TABLE @queues (name text COLLATE \"C\" PRIMARY KEY, paused boolean NOT NULL DEFAULT false)",
    /* Differences, appended by every batch and folded together later: a row a queue and state would be one that every server waits for. */
    "CREATE TABLE @counters (\n"
    "    queue text COLLATE \"C\" NOT NULL,\n"
    "    state smallint NOT NULL,\n"
    "    n bigint NOT NULL\n"
    ") WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0)",
    "CREATE INDEX counters_queue ON @counters (queue, state)",
    "CREATE TABLE @keys (\n"
    "    key text COLLATE \"C\" PRIMARY KEY,\n"
    "    digest bigint NOT NULL,\n"
    "    expires_at bigint NOT NULL,\n"
    "    jobs bytea NOT NULL\n" /* eight bytes a job: id * 2 + made */
    ") WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0)",
    "CREATE INDEX keys_expires ON @keys (expires_at)",
    /* One row a batch that was committed, for as long as anybody may ask whether it was. */
    "CREATE TABLE @batches (\n"
    "    server bigint NOT NULL,\n" /* drawn when a store is opened */
    "    number bigint NOT NULL,\n"
    "    at bigint NOT NULL,\n"
    "    PRIMARY KEY (server, number)\n"
    ") WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0)",
    "CREATE INDEX batches_at ON @batches (at)",
    "INSERT INTO @meta (name, value) VALUES ('schema', 1)",
    NULL,
};

const char *const *const taskq__pg_migrations[TASKQ__PG_SCHEMA_VERSION] = {migration_1};
