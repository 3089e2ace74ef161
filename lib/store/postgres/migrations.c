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
    "    done_at bigint,\n"
    "    failed_at bigint,\n"
    "    lease_due bigint,\n"
    "    timeout_due bigint,\n"
    "    expires_at bigint,\n"
    "    run_due bigint,\n"
    "    backoff_due bigint,\n"
    "    result_of bigint,\n"
    "    error_of bigint,\n"
    "    timeout_ms bigint NOT NULL,\n"
    "    lease_ms bigint NOT NULL,\n"
    "    backoff_base_ms bigint NOT NULL,\n"
    "    backoff_max_ms bigint NOT NULL,\n"
    "    backoff_factor double precision NOT NULL,\n"
    "    backoff_jitter double precision NOT NULL,\n"
    "    priority integer NOT NULL,\n"
    "    attempt integer NOT NULL,\n"
    "    max_attempts integer NOT NULL,\n"
    "    extras integer NOT NULL DEFAULT 0,\n"
    "    state smallint NOT NULL,\n"
    "    claimable boolean NOT NULL,\n"
    "    cancel_requested boolean NOT NULL DEFAULT false,\n"
    "    queue text COLLATE \"C\" NOT NULL,\n"
    "    type text COLLATE \"C\" NOT NULL,\n"
    "    batch text COLLATE \"C\",\n"
    "    unique_key text COLLATE \"C\",\n"
    "    live_key text COLLATE \"C\",\n"
    "    worker text COLLATE \"C\",\n"
    "    poll text COLLATE \"C\"\n"
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
    "    tags text,\n"
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
    "    digest bigint,\n"
    "    text text,\n"
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
    "    jobs bytea NOT NULL\n"
    ") WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0)",
    "CREATE INDEX keys_expires ON @keys (expires_at)",
    /* One row a batch that was committed, for as long as anybody may ask whether it was. */
    "CREATE TABLE @batches (\n"
    "    server bigint NOT NULL,\n"
    "    number bigint NOT NULL,\n"
    "    at bigint NOT NULL,\n"
    "    PRIMARY KEY (server, number)\n"
    ") WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0)",
    "CREATE INDEX batches_at ON @batches (at)",
    /* For whoever reads the tables with SQL. */
    "COMMENT ON TABLE @jobs IS 'Every job: where it stands. Times are milliseconds since 1970, UTC, by this database''s clock.'",
    "COMMENT ON COLUMN @jobs.version IS 'Grows with every move; a report names the one that its lease has.'",
    "COMMENT ON COLUMN @jobs.run_at IS 'When it is due: from then on it may be claimed.'",
    "COMMENT ON COLUMN @jobs.started_at IS 'When the attempt that runs or ran last began.'",
    "COMMENT ON COLUMN @jobs.done_at IS 'When it ended, succeeded or canceled.'",
    "COMMENT ON COLUMN @jobs.failed_at IS 'When it ended, failed.'",
    "COMMENT ON COLUMN @jobs.lease_due IS 'When its lease ends unless its worker is heard of.'",
    "COMMENT ON COLUMN @jobs.timeout_due IS 'When its attempt has lasted for timeout_ms.'",
    "COMMENT ON COLUMN @jobs.expires_at IS 'The earlier of lease_due and timeout_due, while it is running.'",
    "COMMENT ON COLUMN @jobs.run_due IS 'run_at, while it is scheduled and waits for that.'",
    "COMMENT ON COLUMN @jobs.backoff_due IS 'run_at, while it is scheduled and waits after a failed attempt.'",
    "COMMENT ON COLUMN @jobs.result_of IS 'Of attempts, the version of the one that has its result.'",
    "COMMENT ON COLUMN @jobs.error_of IS 'Of attempts, the version of the one that has the error that is shown.'",
    "COMMENT ON COLUMN @jobs.priority IS 'The higher, the earlier.'",
    "COMMENT ON COLUMN @jobs.attempt IS 'The one that runs or ran last, from 1; 0: none yet.'",
    "COMMENT ON COLUMN @jobs.extras IS 'Bits: 1 it has a row in progress, 2 rows in logs, 4 rows in attempts.'",
    "COMMENT ON COLUMN @jobs.state IS '1 queued, 2 scheduled, 3 blocked, 4 running, 5 succeeded, 6 failed, 7 canceled.'",
    "COMMENT ON COLUMN @jobs.claimable IS 'state = 1: it stands in the indexes that claims read.'",
    "COMMENT ON COLUMN @jobs.live_key IS 'unique_key, until the job has ended.'",
    "COMMENT ON COLUMN @jobs.worker IS 'Who has it, or had it last.'",
    "COMMENT ON COLUMN @jobs.poll IS 'Of the claim that its lease began with, the name that the client gave it.'",
    "COMMENT ON TABLE @payloads IS 'What a job was made with, one row each.'",
    "COMMENT ON COLUMN @payloads.tags IS 'Names, a space between.'",
    "COMMENT ON COLUMN @payloads.payload IS 'JSON, as it was given.'",
    "COMMENT ON TABLE @attempts IS 'Each attempt that has ended.'",
    "COMMENT ON COLUMN @attempts.version IS 'Of the job, during this attempt.'",
    "COMMENT ON COLUMN @attempts.outcome IS '1 succeeded, 2 failed, 3 timed out, 4 lost, 5 released, 6 canceled.'",
    "COMMENT ON COLUMN @attempts.digest IS 'Of the report that ended it; NULL: none did.'",
    "COMMENT ON COLUMN @attempts.text IS 'JSON: the result where it succeeded, else the error.'",
    "COMMENT ON TABLE @progress IS 'The last progress that was reported, JSON.'",
    "COMMENT ON TABLE @logs IS 'What workers logged, in pieces.'",
    "COMMENT ON COLUMN @logs.end_at IS 'Where the piece ends, in bytes from the first one ever.'",
    "COMMENT ON TABLE @counters IS 'How many jobs a queue has in each state: the sum of n.'",
    "COMMENT ON TABLE @keys IS 'Idempotency keys.'",
    "COMMENT ON COLUMN @keys.digest IS 'Of the request that first had it.'",
    "COMMENT ON COLUMN @keys.jobs IS 'The answer: for each job eight bytes, its id times 2, plus 1 where it was new.'",
    "COMMENT ON TABLE @batches IS 'What servers committed of late, so that a COMMIT without an answer can be asked for.'",
    "COMMENT ON COLUMN @batches.server IS 'A number that a server draws when it starts.'",
    "COMMENT ON TABLE @meta IS 'The version of this schema, and where an import stands.'",
    "INSERT INTO @meta (name, value) VALUES ('schema', 1)",
    NULL,
};

const char *const *const taskq__pg_migrations[TASKQ__PG_SCHEMA_VERSION] = {migration_1};
