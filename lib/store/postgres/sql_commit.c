/* SPDX-License-Identifier: MIT */
/*
 * What a batch reads and writes. Each kind of op is one statement over arrays, so that a batch costs a few round trips however
 * many ops are in it. Rows of jobs are locked by primary key alone, in ascending order or skipping what others have, and looked at
 * in C: their state and version never stand where an index could serve them, since dead entries would be walked then.
 */
#include "store/postgres/sql.h"

#include "store/postgres/rows.h"

#define AT(which) [TASKQ__PG_SQL_##which - TASKQ__PG_SQL_OF_COMMIT]
/* By way of the ids, each row by its primary key. */
#define LOCKED(more) "(SELECT * FROM @jobs WHERE id = c.id " more "FOR UPDATE SKIP LOCKED) j "
#define LATERAL_LOCKED "CROSS JOIN LATERAL " LOCKED("")
/* What a claim hands out, but large payloads. */
#define CANDIDATE_COLUMNS                                                                                          \
    TASKQ__JOB_COLUMNS ", octet_length(p.payload), CASE WHEN octet_length(p.payload) <= 8192 THEN p.payload END, " \
                       "p.tags, p.traceparent, p.created_at, e.text"
#define CANDIDATE_JOINS                                 \
    TASKQ__PG_MAYBE("*", "@payloads", "id = j.id", "p") \
    TASKQ__PG_MAYBE("text", "@attempts", "job_id = j.id AND version = j.error_of", "e")
#define TEXT_BYTES                                                                                       \
    "octet_length(p.payload) + coalesce(octet_length(r.text), 0) + coalesce(octet_length(e.text), 0) + " \
    "coalesce(octet_length(g.progress), 0)"
/* The sweeps: $2 instants from $1 on, the oldest first, and some more for those that others have locked, which are told without their rows.
 * No floor is in the future, though the clock was set back. */
#define WALK_FROM "least($1::bigint, (SELECT @now_ms()))"
#define WALK_RANGE(column, until)                                                                              \
    "FROM (SELECT id, " column " AS due FROM @jobs WHERE " column " >= " WALK_FROM " AND " column " <= " until \
    " ORDER BY " column " LIMIT $2::bigint + 64) c LEFT JOIN LATERAL " LOCKED("") "ON true "
#define WALK(column) "SELECT c.due, " TASKQ__JOB_COLUMNS ", 0::bigint " WALK_RANGE(column, "(SELECT @now_ms())")
#define WALK_OLD(column)                                                                                      \
    "SELECT c.due, " TASKQ__JOB_COLUMNS ", octet_length(p.payload)::bigint " WALK_RANGE(column, "$3::bigint") \
        TASKQ__PG_MAYBE("payload", "@payloads", "id = j.id", "p")
/* Each by its own index: see the collation of jobs_ready_any. */
#define OF_ANY(queue) "WHERE claimable AND queue = " queue " COLLATE \"POSIX\" "
#define OF_TYPE(queue, type) "WHERE claimable AND queue = " queue " AND type = " type " "
#define KEY_FROM(floor) "AND (-priority, run_at, id) >= " floor " ORDER BY -priority, run_at, id "
/* One range: rows are locked as they are found, and no more are looked at than are taken. */
#define CLAIM_ONE(where, floor, count)                                                                          \
    "SELECT 0::bigint, " CANDIDATE_COLUMNS " FROM (SELECT id FROM @jobs " where KEY_FROM(                       \
        floor) "LIMIT " count "::bigint + 4096) c CROSS JOIN LATERAL " LOCKED("AND state = 1 ") CANDIDATE_JOINS \
        "LIMIT " count "::bigint"
/* Several ranges merged: $1 which one of the queues, in order of preference; $2 queue; $3 type; then the floors. Of each range `slack` more are
 * looked at than are taken, for those that others have. The last column says whether a range may go on behind that; it has a row of its
 * own where nothing is found. */
#define CLAIM_MANY(where, names, floors, count, slack)                                                                \
    "WITH c AS MATERIALIZED (SELECT h.id, w.place FROM unnest(" floors ") w(place, " names                            \
    ", rank, run_at, id) CROSS JOIN LATERAL "                                                                         \
    "(SELECT id, -priority AS rank, run_at FROM @jobs " where KEY_FROM(                                               \
        "(w.rank, w.run_at, w.id)") "LIMIT " count "::bigint + " slack                                                \
                                    "::bigint) h ORDER BY w.place, h.rank, h.run_at, h.id) "                          \
                                    "SELECT x.*, m.cut FROM (SELECT count(*) >= " count "::bigint + " slack           \
                                    "::bigint AS cut FROM c) m LEFT JOIN LATERAL (SELECT c.place, " CANDIDATE_COLUMNS \
                                    " FROM c CROSS JOIN LATERAL " LOCKED("AND state = 1 ") CANDIDATE_JOINS            \
        "LIMIT " count "::bigint) x ON true"
/* A queue that is not paused, or ($n 1) is known not to be. */
#define OPEN(queue) "(SELECT 1 FROM @queues q WHERE q.name = " queue " AND NOT q.paused)"
/* Rows of jobs to be updated, each found by its primary key and then named by its place: whatever statistics say, the table is not
 * read beside the array. So are rows to be deleted that a key of several columns names. */
#define PLACED(arrays, names)                                    \
    "FROM (SELECT u.*, l.place FROM unnest(" arrays ") u(" names \
    ") " TASKQ__PG_EACH("ctid AS place", "@jobs", "id = u.id", "l") "OFFSET 0) "
#define AT_PLACES(table, from, where)                                         \
    "DELETE FROM " table " WHERE ctid = ANY (ARRAY(SELECT l.place FROM " from \
    " " TASKQ__PG_EACH("ctid AS place", table, where, "l") "))"

const taskq__pg_sql_text taskq__pg_sql_commit[TASKQ__PG_SQL_COUNT - TASKQ__PG_SQL_OF_COMMIT] = {
    AT(BATCH_NOTE) = {"batch_note",
                      "INSERT INTO @batches (server, number, at) VALUES ($1::bigint, $2::bigint, $3::bigint)"},
    /* No row: it is there. Waits for one that is about to commit. */
    AT(BATCH_ASK) = {"batch_ask", "INSERT INTO @batches (server, number, at) VALUES ($1::bigint, $2::bigint, @now_ms()) "
                                  "ON CONFLICT (server, number) DO NOTHING RETURNING at"},
    /* The same, with what the counters change by. */
    AT(BATCH_COUNT) = {"batch_count",
                       "WITH counted AS (INSERT INTO @counters (queue, state, n) "
                       "SELECT * FROM unnest($4::text[], $5::bigint[], $6::bigint[])) "
                       "INSERT INTO @batches (server, number, at) VALUES ($1::bigint, $2::bigint, $3::bigint)"},
    /* Where the row is in already. */
    AT(BATCH_COUNT_ONLY) = {"batch_count_only", "INSERT INTO @counters (queue, state, n) "
                                                "SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[])"},
    /* The time, and ids for $1 new jobs. */
    AT(START) = {"start",
                 "SELECT @now_ms(), CASE WHEN g > 0 THEN nextval('@job_ids') END FROM generate_series(0, $1::bigint) g"},
    AT(JOBS_LOCK) = {"jobs_lock", "SELECT " TASKQ__JOB_COLUMNS " FROM unnest($1::bigint[]) c(id) "
                                  "CROSS JOIN LATERAL (SELECT * FROM @jobs WHERE id = c.id FOR UPDATE) j"},
    AT(JOBS_TRY_LOCK) = {"jobs_try_lock",
                         "SELECT " TASKQ__JOB_COLUMNS " FROM unnest($1::bigint[]) c(id) " LATERAL_LOCKED},
    AT(JOBS_THERE) = {"jobs_there",
                      "SELECT c.id FROM unnest($1::bigint[]) c(id) " TASKQ__PG_EACH("id", "@jobs", "id = c.id", "j")},
    /* Of each group the texts that begin before byte $3, the payloads that do before byte $4. */
    AT(JOBS_WHOLE) =
        {"jobs_whole",
         "SELECT " TASKQ__JOB_COLUMNS ", CASE WHEN j.before < $4::bigint THEN j.payload END, j.tags, j.traceparent, "
         "j.created_at, CASE WHEN j.before < $3::bigint THEN j.result END, CASE WHEN j.before < $3::bigint THEN j.error END, "
         "CASE WHEN j.before < $3::bigint THEN j.progress END, j.before < $4::bigint "
         "FROM (SELECT j.*, p.payload, p.tags, p.traceparent, p.created_at, r.text AS result, e.text AS error, g.progress, "
         "coalesce(sum(" TEXT_BYTES ") OVER (PARTITION BY w.part ORDER BY w.at ROWS BETWEEN UNBOUNDED PRECEDING AND "
         "1 PRECEDING), 0) AS before FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY w(id, part, at) " TASKQ__PG_EACH(
             "*", "@jobs", "id = w.id", "j") TASKQ__PG_JOIN_TEXTS ") j"},
    AT(UNIQUE_FIND) = {"unique_find",
                       "SELECT w.at, " TEXT_BYTES ", " TASKQ__JOB_COLUMNS
                       " FROM unnest($1::text[], $2::text[]) WITH ORDINALITY w(queue, key, at) " TASKQ__PG_EACH(
                           "*", "@jobs", "queue = w.queue AND live_key = w.key", "j") TASKQ__PG_JOIN_TEXTS},
    AT(RETRY_KEYS) = {"retry_keys",
                      "SELECT w.id, h.id FROM unnest($1::bigint[]) w(id) " TASKQ__PG_EACH("queue, unique_key", "@jobs",
                                                                                          "id = w.id", "j")
                          TASKQ__PG_EACH("id", "@jobs", "queue = j.queue AND live_key = j.unique_key", "h")},
    AT(DIGESTS) =
        {"digests",
         "SELECT w.at, a.digest FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) w(at, id, version) " TASKQ__PG_EACH(
             "digest", "@attempts", "job_id = w.id AND version = w.version AND digest IS NOT NULL", "a")},
    AT(KEYS_LOCK) = {"keys_lock", "SELECT k.key, k.digest, k.jobs, k.expires_at FROM unnest($1::text[]) w(key) "
                                  "CROSS JOIN LATERAL (SELECT * FROM @keys WHERE key = w.key FOR UPDATE) k"},
    AT(LOG_LAST) = {"log_last", "SELECT w.id, l.end_at, CASE WHEN octet_length(l.chunk) < 2048 THEN l.chunk END "
                                "FROM unnest($1::bigint[]) w(id) CROSS JOIN LATERAL "
                                "(SELECT end_at, chunk FROM @logs WHERE job_id = w.id ORDER BY end_at DESC LIMIT 1) l"},
    AT(QUEUES_LOOK) = {"queues_look", "SELECT q.name, q.paused FROM unnest($1::text[]) w(name) " TASKQ__PG_EACH(
                                          "*", "@queues", "name = w.name", "q")},
    AT(POLL_HELD) =
        {"poll_held",
         "SELECT w.at, " CANDIDATE_COLUMNS
         ", g.progress FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) w(at, poll, worker, n) "
         "CROSS JOIN LATERAL (SELECT * FROM @jobs WHERE poll = w.poll AND worker = w.worker LIMIT w.n) j " CANDIDATE_JOINS
             TASKQ__PG_MAYBE("progress", "@progress", "id = j.id AND j.extras & 1 <> 0", "g")},
    AT(CLAIM_ONE_ANY) = {"claim_one_any",
                         CLAIM_ONE(OF_ANY("$1::text") "AND ($2::bigint <> 0 OR EXISTS " OPEN("$1::text") ") ",
                                   "($3::bigint, $4::bigint, $5::bigint)", "$6")},
    AT(CLAIM_ONE_TYPE) = {"claim_one_type",
                          CLAIM_ONE(
                              OF_TYPE("$1::text", "$2::text") "AND ($3::bigint <> 0 OR EXISTS " OPEN("$1::text") ") ",
                              "($4::bigint, $5::bigint, $6::bigint)", "$7")},
    AT(CLAIM_ANY) = {"claim_any",
                     CLAIM_MANY(OF_ANY("w.queue") "AND (w.open <> 0 OR EXISTS " OPEN("w.queue") ") ", "queue, open",
                                "$1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]",
                                "$7", "$8")},
    AT(CLAIM_TYPES) =
        {"claim_types",
         CLAIM_MANY(OF_TYPE("w.queue", "w.type") "AND (w.open <> 0 OR EXISTS " OPEN("w.queue") ") ", "queue, type, open",
                    "$1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]",
                    "$8", "$9")},
    AT(WALK_EXPIRES) = {"walk_expires", WALK("expires_at")},
    AT(WALK_RUN) = {"walk_run", WALK("run_due")},
    AT(WALK_BACKOFF) = {"walk_backoff", WALK("backoff_due")},
    AT(WALK_DONE) = {"walk_done", WALK_OLD("done_at")},
    AT(WALK_FAILED) = {"walk_failed", WALK_OLD("failed_at")},
    AT(WALK_KEYS) = {"walk_keys",
                     "DELETE FROM @keys WHERE ctid = ANY (ARRAY(SELECT ctid FROM @keys WHERE expires_at >= " WALK_FROM
                     " AND expires_at <= (SELECT @now_ms()) ORDER BY expires_at LIMIT $2::bigint FOR UPDATE SKIP LOCKED)) "
                     "RETURNING expires_at"},

    AT(JOBS_INSERT) =
        {"jobs_insert",
         "INSERT INTO @jobs (id, version, state, claimable, queue, type, priority, run_at, attempt, max_attempts, timeout_ms, "
         "lease_ms, backoff_base_ms, backoff_factor, backoff_max_ms, backoff_jitter, batch, unique_key, live_key, updated_at, "
         "run_due, backoff_due, worker, poll, started_at, lease_due, timeout_due, expires_at) "
         "SELECT u.id, u.version, u.state, u.claimable <> 0, u.queue, u.type, u.priority, u.run_at, u.attempt, u.max_attempts, "
         "u.timeout_ms, u.lease_ms, u.base_ms, u.factor, u.max_ms, u.jitter, u.batch, u.unique_key, u.live_key, u.updated_at, "
         "u.run_due, u.backoff_due, u.worker, u.poll, u.started_at, u.lease_due, u.timeout_due, u.expires_at "
         "FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], "
         "$8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::double precision[], "
         "$15::bigint[], $16::double precision[], $17::text[], $18::text[], $19::text[], $20::bigint[], $21::bigint[], "
         "$22::bigint[], $23::text[], $24::text[], $25::bigint[], $26::bigint[], $27::bigint[], $28::bigint[]) "
         "u(id, version, state, claimable, queue, type, priority, run_at, attempt, max_attempts, timeout_ms, lease_ms, base_ms, "
         "factor, max_ms, jitter, batch, unique_key, live_key, updated_at, run_due, backoff_due, worker, poll, started_at, "
         "lease_due, timeout_due, expires_at)"},
    AT(PAYLOADS_INSERT) = {"payloads_insert",
                           "INSERT INTO @payloads (id, created_at, tags, traceparent, payload) "
                           "SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[])"},
    AT(JOBS_UPDATE) =
        {"jobs_update",
         "UPDATE @jobs j SET version = u.version, state = u.state, claimable = u.claimable <> 0, updated_at = u.updated_at, "
         "attempt = u.attempt, lease_due = u.lease_due, timeout_due = u.timeout_due, expires_at = u.expires_at, poll = u.poll, "
         "extras = u.extras, done_at = u.done_at, failed_at = u.failed_at, live_key = u.live_key, result_of = u.result_of, "
         "error_of = u.error_of, worker = u.worker, started_at = u.started_at, run_at = u.run_at, run_due = u.run_due, "
         "backoff_due = u.backoff_due, cancel_requested = u.cancel_requested <> 0 " PLACED(
             "$1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], "
             "$8::bigint[], $9::bigint[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[], $15::bigint[], "
             "$16::bigint[], $17::text[], $18::bigint[], $19::bigint[], $20::bigint[], $21::bigint[], $22::bigint[]",
             "id, version, state, claimable, updated_at, attempt, lease_due, timeout_due, expires_at, poll, extras, done_at, "
             "failed_at, live_key, result_of, error_of, worker, started_at, run_at, run_due, backoff_due, cancel_requested") "u WHERE j.ctid = u.place"},
    AT(JOBS_BEAT) = {"jobs_beat",
                     "UPDATE @jobs j SET lease_due = u.lease_due, expires_at = u.expires_at, extras = u.extras " PLACED(
                         "$1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]",
                         "id, lease_due, expires_at, extras") "u WHERE j.ctid = u.place"},
    AT(JOBS_ASK_CANCEL) = {"jobs_ask_cancel",
                           "UPDATE @jobs j SET cancel_requested = true, updated_at = u.updated_at " PLACED(
                               "$1::bigint[], $2::bigint[]", "id, updated_at") "u WHERE j.ctid = u.place"},
    AT(JOBS_DELETE) = {"jobs_delete", "DELETE FROM @jobs WHERE id = ANY ($1::bigint[])"},
    AT(PAYLOADS_DELETE) = {"payloads_delete", "DELETE FROM @payloads WHERE id = ANY ($1::bigint[])"},
    AT(ATTEMPTS_INSERT) =
        {"attempts_insert",
         "INSERT INTO @attempts (job_id, version, attempt, outcome, worker, started_at, finished_at, digest, text) "
         "SELECT u.id, u.version, u.attempt, u.outcome, u.worker, u.started_at, u.finished_at, "
         "CASE WHEN u.reported <> 0 THEN u.digest END, u.text "
         "FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], "
         "$7::bigint[], $8::bigint[], $9::bigint[], $10::text[]) "
         "u(id, version, attempt, outcome, worker, started_at, finished_at, reported, digest, text)"},
    /* The last $3 are kept, and the one whose error is shown. */
    AT(ATTEMPTS_PRUNE) = {"attempts_prune",
                          AT_PLACES(
                              "@attempts", "unnest($1::bigint[], $2::bigint[]) u(id, error_of)",
                              "job_id = u.id AND version <> u.error_of AND version <= (SELECT version FROM @attempts "
                              "WHERE job_id = u.id ORDER BY version DESC OFFSET $3::bigint LIMIT 1)")},
    AT(ATTEMPTS_DELETE) = {"attempts_delete", "DELETE FROM @attempts WHERE job_id = ANY ($1::bigint[])"},
    AT(PROGRESS_WRITE) = {"progress_write",
                          "INSERT INTO @progress (id, progress) SELECT * FROM unnest($1::bigint[], $2::text[]) "
                          "ON CONFLICT (id) DO UPDATE SET progress = excluded.progress"},
    AT(PROGRESS_DELETE) = {"progress_delete", "DELETE FROM @progress WHERE id = ANY ($1::bigint[])"},
    AT(LOGS_INSERT) = {"logs_insert", "INSERT INTO @logs (job_id, end_at, chunk) "
                                      "SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])"},
    AT(LOGS_DELETE_ONE) = {"logs_delete_one", AT_PLACES("@logs", "unnest($1::bigint[], $2::bigint[]) u(id, end_at)",
                                                        "job_id = u.id AND end_at = u.end_at")},
    AT(LOGS_PRUNE) = {"logs_prune", AT_PLACES("@logs", "unnest($1::bigint[], $2::bigint[]) u(id, end_at)",
                                              "job_id = u.id AND end_at <= u.end_at")},
    AT(LOGS_DELETE) = {"logs_delete", "DELETE FROM @logs WHERE job_id = ANY ($1::bigint[])"},
    AT(QUEUES_MAKE) = {"queues_make",
                       "INSERT INTO @queues (name) SELECT * FROM unnest($1::text[]) ON CONFLICT (name) DO NOTHING"},
    AT(QUEUES_PAUSE) = {"queues_pause", "INSERT INTO @queues (name, paused) SELECT u.name, u.paused <> 0 "
                                        "FROM unnest($1::text[], $2::bigint[]) u(name, paused) "
                                        "ON CONFLICT (name) DO UPDATE SET paused = excluded.paused"},
    AT(KEYS_INSERT) = {"keys_insert", "INSERT INTO @keys (key, digest, jobs, expires_at) "
                                      "SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::bigint[])"},
    AT(KEYS_DELETE) = {"keys_delete", "DELETE FROM @keys WHERE key = ANY ($1::text[])"},
};
