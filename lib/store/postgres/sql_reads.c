/* SPDX-License-Identifier: MIT */
/*
 * The statements that no batch needs: transactions, reads, upkeep. Every one that grows with the store goes by an index that it
 * is told: sequential scans, hash and merge joins are switched off for the session, and tests explain each of these.
 */
#include "store/postgres/sql.h"

#include "store/postgres/rows.h"

#define AT(which) [TASKQ__PG_SQL_##which]
#define SET(name, value) "set_config('" name "', '" value "', $1::bigint <> 0)"
/* The database's time, read with what it is the time of. */
#define NOW "@now_ms()"

const taskq__pg_sql_text taskq__pg_sql_reads[TASKQ__PG_SQL_OF_IMPORT] = {
    AT(BEGIN) = {"begin", "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"},
    AT(COMMIT) = {"commit", "COMMIT"},
    AT(ROLLBACK) = {"rollback", "ROLLBACK"},
    /* $1: 0, for the session; 1, for the transaction. Plans are the ones that were looked at, whatever statistics say. */
    AT(SETTINGS) =
        {"settings",
         "SELECT " SET("search_path", "pg_catalog, pg_temp") ", " SET("client_min_messages", "warning") ", " SET("enable_seqscan", "off") ", " SET(
             "enable_bitmapscan",
             "off") ", " SET("enable_hashjoin",
                             "off") ", " SET("enable_mergejoin",
                                             "off") ", " SET("jit",
                                                             "off") ", " SET("plan_cache_mode",
                                                                             "force_generic_plan") ", " SET("lock_timeout",
                                                                                                            "5000") ", " SET("statement_timeout",
                                                                                                                             "8000") ", " SET("idle_in_transaction_session_timeout",
                                                                                                                                              "15000")},
    AT(BEGIN_READ) = {"begin_read", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"},

    AT(GET) = {"get", "SELECT " NOW ", " TASKQ__PG_JOB_COLUMNS ", " TASKQ__PG_PAYLOAD_COLUMNS
                      ", " TASKQ__PG_TEXT_COLUMNS " FROM @jobs j " TASKQ__PG_JOIN_TEXTS "WHERE j.id = $1::bigint"},
    AT(GET_ATTEMPTS) = {"get_attempts",
                        "SELECT attempt, outcome, worker, started_at, finished_at, CASE WHEN outcome <> 1 THEN text END "
                        "FROM @attempts WHERE job_id = $1::bigint ORDER BY version DESC LIMIT $2::bigint"},
    AT(GET_LOG) = {"get_log", "SELECT chunk FROM @logs WHERE job_id = $1::bigint ORDER BY end_at"},

    /* Where a look of $2 jobs below $1 ends, and in a second row whether there is another one below. */
    AT(LIST_EDGE) = {"list_edge", "SELECT " NOW ", j.id FROM @jobs j WHERE j.id < $1::bigint ORDER BY j.id DESC "
                                  "OFFSET $2::bigint - 1 LIMIT 2"},
    /* Of the same jobs those that fit, at most $3 of them and those that begin before byte $4. Of a filter, NULL: any. Also told: the
     * bytes that were searched. */
    AT(LIST) = {"list",
                "SELECT * FROM (SELECT " NOW ", l.searched, " TASKQ__PG_JOB_COLUMNS ", " TASKQ__PG_PAYLOAD_COLUMNS
                ", " TASKQ__PG_TEXT_COLUMNS ", "
                "sum(octet_length(p.payload) + coalesce(octet_length(r.text), 0) + coalesce(octet_length(e.text), 0) + "
                "coalesce(octet_length(g.progress), 0)) OVER (ORDER BY j.id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND "
                "1 PRECEDING) AS before FROM "
                "(SELECT * FROM @jobs WHERE id < $1::bigint ORDER BY id DESC LIMIT $2::bigint) j " TASKQ__PG_JOIN_TEXTS
                "WHERE ($5::bigint IS NULL OR j.state = $5::bigint) AND ($6::text IS NULL OR j.queue = $6::text) "
                "AND ($7::text IS NULL OR j.type = $7::text) AND ($8::text IS NULL OR j.batch = $8::text) "
                "AND ($9::text IS NULL OR j.worker = $9::text) "
                "AND ($10::text IS NULL OR strpos(' ' || p.tags || ' ', ' ' || $10::text || ' ') > 0) "
                "AND ($11::text IS NULL OR strpos(p.payload, $11::text) > 0 OR strpos(e.text, $11::text) > 0)"
                ") w WHERE coalesce(w.before, 0) < $4::bigint ORDER BY w.id DESC LIMIT $3::bigint"},

    AT(QUEUE_READ) = {"queue_read", "SELECT 1"},
    AT(QUEUES_READ) = {"queues_read", "SELECT 1"},
    AT(NEXT_DUE) = {"next_due",
                    "SELECT (SELECT run_due FROM @jobs WHERE run_due IS NOT NULL ORDER BY run_due LIMIT 1), "
                    "(SELECT expires_at FROM @jobs WHERE expires_at IS NOT NULL ORDER BY expires_at LIMIT 1), "
                    "(SELECT backoff_due FROM @jobs WHERE backoff_due IS NOT NULL ORDER BY backoff_due LIMIT 1)"},
    AT(PING) = {"ping", "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean"},
    AT(NOTIFY) = {"notify", "SELECT pg_notify($1::text, $2::text)"},
    AT(FOLD_COUNTERS) = {"fold_counters", "SELECT 1"},
    AT(FORGET_BATCHES) = {"forget_batches", "SELECT 1"},
    AT(HELD_SNAPSHOT) = {"held_snapshot", "SELECT 1"},
    AT(DEAD_ROWS) = {"dead_rows", "SELECT 1"},
};
