/* SPDX-License-Identifier: MIT */
/* What an import reads and writes: rows as they were in the other store, a page a transaction. */
#include "store/postgres/sql.h"

#define AT(which) [TASKQ__PG_SQL_##which - TASKQ__PG_SQL_OF_IMPORT]

const taskq__pg_sql_text taskq__pg_sql_import[TASKQ__PG_SQL_OF_COMMIT - TASKQ__PG_SQL_OF_IMPORT] = {
    AT(IMPORT_STANDING) = {"import_standing",
                           "SELECT EXISTS (SELECT FROM @jobs), (SELECT value FROM @meta WHERE name = 'import_mark'), "
                           "(SELECT value FROM @meta WHERE name = 'import_stage'), "
                           "(SELECT value FROM @meta WHERE name = 'import_id'), "
                           "(SELECT value FROM @meta WHERE name = 'import_done'), "
                           "EXISTS (SELECT FROM @batches WHERE at >= (SELECT value FROM @meta WHERE name = 'import_at')), "
                           "@now_ms()"},
    AT(IMPORT_LOCK) = {"import_lock", "SELECT pg_advisory_xact_lock(hashtextextended('taskq import @', 0))"},
    AT(IMPORT_OURS) = {"import_ours", "SELECT value FROM @meta WHERE name = 'import_owner' FOR UPDATE"},
    AT(IMPORT_IDS) = {"import_ids", "SELECT setval('@job_ids', greatest($1::bigint, 1), $1::bigint > 0)"},
    AT(IMPORT_MARK) = {"import_mark", "INSERT INTO @meta (name, value) SELECT * FROM unnest($1::text[], $2::bigint[]) "
                                      "ON CONFLICT (name) DO UPDATE SET value = excluded.value"},
    AT(IMPORT_DONE) = {"import_done", "UPDATE @meta SET value = value + $1::bigint WHERE name = 'import_done'"},
    AT(IMPORT_QUEUES) = {"import_queues", "INSERT INTO @queues (name, paused) SELECT u.name, u.paused <> 0 "
                                          "FROM unnest($1::text[], $2::bigint[]) u (name, paused) "
                                          "ON CONFLICT (name) DO UPDATE SET paused = excluded.paused"},
    AT(IMPORT_JOBS) =
        {"import_jobs",
         "INSERT INTO @jobs (id, version, run_at, updated_at, started_at, done_at, failed_at, lease_due, timeout_due, "
         "expires_at, run_due, backoff_due, result_of, error_of, timeout_ms, lease_ms, backoff_base_ms, backoff_max_ms, "
         "backoff_factor, backoff_jitter, priority, attempt, max_attempts, extras, state, claimable, cancel_requested, "
         "queue, type, batch, unique_key, live_key, worker, poll) "
         "SELECT u.c1, u.c2, u.c3, u.c4, u.c5, u.c6, u.c7, u.c8, u.c9, u.c10, u.c11, u.c12, u.c13, u.c14, u.c15, u.c16, "
         "u.c17, u.c18, u.c19, u.c20, u.c21, u.c22, u.c23, u.c24, u.c25, u.c26 <> 0, u.c27 <> 0, u.c28, u.c29, u.c30, "
         "u.c31, u.c32, u.c33, u.c34 FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], "
         "$6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], "
         "$13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], "
         "$19::double precision[], $20::double precision[], $21::bigint[], $22::bigint[], $23::bigint[], $24::bigint[], "
         "$25::bigint[], $26::bigint[], $27::bigint[], $28::text[], $29::text[], $30::text[], $31::text[], $32::text[], "
         "$33::text[], $34::text[]) u (c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, c17, c18, "
         "c19, c20, c21, c22, c23, c24, c25, c26, c27, c28, c29, c30, c31, c32, c33, c34)"},
    AT(IMPORT_PAYLOADS) = {"import_payloads",
                           "INSERT INTO @payloads (id, created_at, tags, traceparent, payload) SELECT * FROM "
                           "unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[])"},
    AT(IMPORT_COUNTERS) = {"import_counters",
                           "INSERT INTO @counters (queue, state, n) SELECT u.queue, u.state, count(*) "
                           "FROM unnest($1::text[], $2::bigint[]) u (queue, state) GROUP BY u.queue, u.state"},
    AT(IMPORT_ATTEMPTS) = {"import_attempts",
                           "INSERT INTO @attempts (job_id, version, attempt, outcome, worker, started_at, finished_at, "
                           "digest, text) SELECT u.id, u.version, u.attempt, u.outcome, u.worker, u.started_at, "
                           "u.finished_at, CASE WHEN u.reported <> 0 THEN u.digest END, u.text FROM unnest($1::bigint[], "
                           "$2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[], "
                           "$8::bigint[], $9::bigint[], $10::text[]) u (id, version, attempt, outcome, worker, "
                           "started_at, finished_at, reported, digest, text)"},
    AT(IMPORT_PROGRESS) = {"import_progress", "INSERT INTO @progress (id, progress) SELECT * FROM "
                                              "unnest($1::bigint[], $2::text[])"},
    AT(IMPORT_LOGS) = {"import_logs", "INSERT INTO @logs (job_id, end_at, chunk) SELECT * FROM "
                                      "unnest($1::bigint[], $2::bigint[], $3::bytea[])"},
    /* The pages of keys begin anew where a move is resumed. */
    AT(IMPORT_KEYS) = {"import_keys",
                       "INSERT INTO @keys (key, digest, expires_at, jobs) SELECT * FROM "
                       "unnest($1::text[], $2::bigint[], $3::bigint[], $4::bytea[]) ON CONFLICT (key) DO NOTHING"},
};
