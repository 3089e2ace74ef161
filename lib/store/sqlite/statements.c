/* SPDX-License-Identifier: MIT */
/*
 * All SQL that runs after the store is open. It stands in one table so that every statement is prepared once and so that
 * a test can explain each of them: what a claim or a sweep costs must not depend on how many jobs there are, and one
 * statement whose plan became a scan or a sort would break that silently. Hence INDEXED BY wherever an index is meant, and
 * no statistics (ANALYZE) that could change SQLite's mind.
 */
#include "store/sqlite/sql.h"

#include "store/row.h"

#include <assert.h>

enum {
    W = TASKQ__SQL_FOR_WRITER,
    R = TASKQ__SQL_FOR_READER,
    WR = W | R,
    P = TASKQ__SQL_FOR_PRODUCER,
    WP = W | P,
    WRP = WR | P
};

#define SQL(name, use, text) [TASKQ__SQL_##name] = {#name, use, text}

static const taskq__sql_text texts[TASKQ__SQL_COUNT] = {
    SQL(BEGIN_WRITE, W, "BEGIN IMMEDIATE"),
    SQL(BEGIN_READ, WR, "BEGIN"),
    SQL(COMMIT, WR, "COMMIT"),
    SQL(META_READ, WRP, "SELECT value FROM @meta WHERE name = ?1"),
    SQL(FREE_PAGES, W, "PRAGMA main.freelist_count"),
    SQL(DATA_VERSION, W, "PRAGMA main.data_version"),
    SQL(META_WRITE, WP,
        "INSERT INTO @meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"),

    SQL(JOB_READ, WP, "SELECT " TASKQ__JOB_COLUMNS " FROM @jobs AS j WHERE j.id = ?1"),
    /* CROSS JOIN: in this order. */
    SQL(JOB_READ_WHOLE, WRP,
        "SELECT " TASKQ__JOB_COLUMNS ", " TASKQ__PAYLOAD_COLUMNS
        " FROM @jobs AS j CROSS JOIN @payloads AS p WHERE j.id = ?1 AND p.id = j.id"),
    SQL(JOB_INSERT, WP,
        "INSERT INTO @jobs (id, version, state, claimable, queue, type, priority, run_at, attempt, max_attempts, timeout_ms, "
        "lease_ms, backoff_base_ms, backoff_factor, backoff_max_ms, backoff_jitter, batch, unique_key, live_key, updated_at, "
        "run_due, backoff_due) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)"),
    /* The two moves of every job, and one for all others: an update opens each index that it names a column of. */
    SQL(JOB_UPDATE_CLAIMED, W,
        "UPDATE @jobs SET version = ?1, state = ?2, updated_at = ?3, attempt = ?4, lease_due = ?5, timeout_due = ?6, "
        "expires_at = ?7, poll = ?8, extras = ?9, claimable = ?10, worker = ?11, started_at = ?12 WHERE id = ?13"),
    SQL(JOB_UPDATE_ENDED, W,
        "UPDATE @jobs SET version = ?1, state = ?2, updated_at = ?3, attempt = ?4, lease_due = ?5, timeout_due = ?6, "
        "expires_at = ?7, poll = ?8, extras = ?9, done_at = ?10, failed_at = ?11, live_key = ?12, result_of = ?13, "
        "error_of = ?14 WHERE id = ?15"),
    SQL(JOB_UPDATE, W,
        "UPDATE @jobs SET version = ?1, state = ?2, updated_at = ?3, attempt = ?4, lease_due = ?5, timeout_due = ?6, "
        "expires_at = ?7, poll = ?8, extras = ?9, done_at = ?10, failed_at = ?11, live_key = ?12, result_of = ?13, "
        "error_of = ?14, claimable = ?15, worker = ?16, started_at = ?17, run_at = ?18, run_due = ?19, backoff_due = ?20, "
        "cancel_requested = ?21 WHERE id = ?22"),
    SQL(JOB_BEAT_READ, W,
        "SELECT version, state, lease_ms, cancel_requested, timeout_due, extras FROM @jobs WHERE id = ?1"),
    SQL(JOB_BEAT, W, "UPDATE @jobs SET lease_due = ?1, expires_at = ?2, extras = ?3 WHERE id = ?4"),
    SQL(JOB_ASK_CANCEL, W, "UPDATE @jobs SET cancel_requested = ?1, updated_at = ?2 WHERE id = ?3"),
    SQL(JOB_DELETE, W, "DELETE FROM @jobs WHERE id = ?1"),
    SQL(PAYLOAD_READ, R, "SELECT " TASKQ__PAYLOAD_COLUMNS " FROM @payloads AS p WHERE p.id = ?1"),
    SQL(PAYLOAD_INSERT, WP,
        "INSERT INTO @payloads (id, created_at, tags, traceparent, payload) VALUES (?1, ?2, ?3, ?4, ?5)"),
    SQL(PAYLOAD_DELETE, W, "DELETE FROM @payloads WHERE id = ?1"),

    SQL(HEAD_ANY, W,
        "SELECT id, priority, run_at FROM @jobs INDEXED BY @jobs_ready_any "
        "WHERE claimable = 1 AND queue = ?1 ORDER BY priority DESC, run_at, id LIMIT ?2"),
    SQL(HEAD_TYPE, W,
        "SELECT id, priority, run_at FROM @jobs INDEXED BY @jobs_ready_type "
        "WHERE claimable = 1 AND queue = ?1 AND type = ?2 ORDER BY priority DESC, run_at, id LIMIT ?3"),
    SQL(POLL_HELD, W, "SELECT id FROM @jobs INDEXED BY @jobs_poll WHERE poll = ?1 AND worker = ?2 LIMIT ?3"),
    SQL(READY_SINCE, W, "SELECT id FROM @jobs WHERE id > ?1 AND claimable = 1 LIMIT ?2"),
    SQL(UNIQUE_FIND, WP, "SELECT id FROM @jobs INDEXED BY @jobs_live_key WHERE queue = ?1 AND live_key = ?2"),
    SQL(EXPIRED, W, "SELECT id FROM @jobs INDEXED BY @jobs_expires WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2"),
    SQL(DUE_WALL, W, "SELECT id FROM @jobs INDEXED BY @jobs_run_due WHERE run_due <= ?1 ORDER BY run_due LIMIT ?2"),
    SQL(DUE_STEADY, W,
        "SELECT id FROM @jobs INDEXED BY @jobs_backoff_due WHERE backoff_due <= ?1 ORDER BY backoff_due LIMIT ?2"),
    SQL(OLD_DONE, W, "SELECT id FROM @jobs INDEXED BY @jobs_done WHERE done_at <= ?1 ORDER BY done_at LIMIT ?2"),
    SQL(OLD_FAILED, W, "SELECT id FROM @jobs INDEXED BY @jobs_failed WHERE failed_at <= ?1 ORDER BY failed_at LIMIT ?2"),

    SQL(ATTEMPT_INSERT, W,
        "INSERT INTO @attempts (job_id, version, attempt, outcome, worker, started_at, finished_at, digest, text) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"),
    SQL(ATTEMPT_TEXT, WRP, "SELECT text FROM @attempts WHERE job_id = ?1 AND version = ?2"),
    SQL(ATTEMPT_DIGEST, W, "SELECT digest FROM @attempts WHERE job_id = ?1 AND version = ?2 AND digest IS NOT NULL"),
    SQL(ATTEMPT_NTH_LAST, W, "SELECT version FROM @attempts WHERE job_id = ?1 ORDER BY version DESC LIMIT 1 OFFSET ?2"),
    SQL(ATTEMPTS_READ, R,
        "SELECT attempt, outcome, worker, started_at, finished_at, text FROM @attempts WHERE job_id = ?1 "
        "ORDER BY version DESC LIMIT ?2"),
    SQL(ATTEMPTS_PRUNE, W, "DELETE FROM @attempts WHERE job_id = ?1 AND version <= ?2 AND version <> ?3"),
    SQL(ATTEMPTS_DELETE, W, "DELETE FROM @attempts WHERE job_id = ?1"),
    SQL(PROGRESS_READ, WRP, "SELECT progress FROM @progress WHERE id = ?1"),
    SQL(PROGRESS_WRITE, W,
        "INSERT INTO @progress (id, progress) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET progress = excluded.progress"),
    SQL(PROGRESS_DELETE, W, "DELETE FROM @progress WHERE id = ?1"),
    SQL(LOG_READ, R, "SELECT chunk FROM @logs WHERE job_id = ?1 ORDER BY end_at"),
    SQL(LOG_LAST, W, "SELECT end_at, chunk FROM @logs WHERE job_id = ?1 ORDER BY end_at DESC LIMIT 1"),
    SQL(LOG_INSERT, W, "INSERT INTO @logs (job_id, end_at, chunk) VALUES (?1, ?2, ?3)"),
    SQL(LOG_DELETE_ONE, W, "DELETE FROM @logs WHERE job_id = ?1 AND end_at = ?2"),
    SQL(LOG_PRUNE, W, "DELETE FROM @logs WHERE job_id = ?1 AND end_at <= ?2"),
    SQL(LOG_DELETE, W, "DELETE FROM @logs WHERE job_id = ?1"),

    SQL(QUEUE_READ, WRP, "SELECT paused FROM @queues WHERE name = ?1"),
    SQL(QUEUE_MAKE, WP, "INSERT INTO @queues (name) VALUES (?1)"),
    SQL(QUEUE_PAUSE, W, "UPDATE @queues SET paused = ?1 WHERE name = ?2"),
    SQL(QUEUES_READ, R, "SELECT name, paused FROM @queues WHERE name > ?1 ORDER BY name"),
    SQL(COUNTER_ADD, WP,
        "INSERT INTO @counters (queue, state, n) VALUES (?1, ?2, ?3) ON CONFLICT (queue, state) DO UPDATE SET n = n + excluded.n"),
    SQL(COUNTERS_READ, R, "SELECT state, n FROM @counters WHERE queue = ?1"),
    SQL(KEY_READ, WP, "SELECT digest, jobs, expires_at FROM @keys WHERE key = ?1"),
    SQL(KEY_WRITE, WP,
        "INSERT INTO @keys (key, digest, jobs, expires_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) DO UPDATE SET "
        "digest = excluded.digest, jobs = excluded.jobs, expires_at = excluded.expires_at"),
    SQL(KEYS_OLD, W,
        "SELECT key FROM @keys INDEXED BY @keys_expires WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2"),
    SQL(KEY_DELETE, W, "DELETE FROM @keys WHERE key = ?1"),

    SQL(LIST, R, "SELECT " TASKQ__JOB_COLUMNS " FROM @jobs AS j WHERE j.id < ?1 ORDER BY j.id DESC"),
    SQL(OLDEST_READY, R,
        "SELECT priority, run_at FROM @jobs INDEXED BY @jobs_ready_any "
        "WHERE claimable = 1 AND queue = ?1 AND priority < ?2 ORDER BY priority DESC, run_at LIMIT 1"),
    /* A bound that every row is above makes a search of what would be explained as a scan. */
    SQL(NEXT_EXPIRES, R,
        "SELECT expires_at FROM @jobs INDEXED BY @jobs_expires WHERE expires_at >= ?1 ORDER BY expires_at LIMIT 1"),
    SQL(NEXT_RUN_AT, R,
        "SELECT run_due FROM @jobs INDEXED BY @jobs_run_due WHERE run_due >= ?1 ORDER BY run_due LIMIT 1"),
    SQL(NEXT_BACKOFF, R,
        "SELECT backoff_due FROM @jobs INDEXED BY @jobs_backoff_due WHERE backoff_due >= ?1 ORDER BY backoff_due LIMIT 1"),

    SQL(EXPORT_JOBS, R, "SELECT id, poll FROM @jobs WHERE id > ?1 ORDER BY id LIMIT ?2"),
    SQL(EXPORT_ATTEMPTS, R,
        "SELECT version, attempt, outcome, worker, started_at, finished_at, digest, text FROM @attempts WHERE job_id = ?1 "
        "ORDER BY version"),
    SQL(EXPORT_KEYS, R, "SELECT key, digest, expires_at, jobs FROM @keys WHERE key > ?1 ORDER BY key LIMIT ?2"),
    SQL(EXPORT_COUNTS, R, "SELECT n FROM @counters WHERE queue > ?1 ORDER BY queue, state"),
    /* Reports, claims and cancels change a job's first three numbers, heartbeats the fourth. */
    SQL(EXPORT_MARKS, R,
        "SELECT id, version, cancel_requested, lease_due FROM @jobs UNION ALL SELECT n, paused, 0, 0 FROM "
        "(SELECT row_number() OVER (ORDER BY name) AS n, paused FROM @queues) "
        "UNION ALL SELECT count(*), max(expires_at), 0, 0 FROM @keys"),
};

const taskq__sql_text *taskq__sql_at(taskq__sql which)
{
    assert(which < TASKQ__SQL_COUNT && texts[which].text != NULL);
    return &texts[which];
}
