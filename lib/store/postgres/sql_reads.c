/* SPDX-License-Identifier: MIT */
/*
 * The statements that no batch needs: transactions, reads, upkeep. Every one that grows with the store goes by an index that it
 * is told: sequential scans, hash and merge joins are switched off for the session, and tests explain each of these.
 */
#include "store/postgres/sql.h"

#include "store/postgres/rows.h"

#define AT(which) [TASKQ__PG_SQL_##which]
/* The database's time, read with what it is the time of. */
#define NOW "@now_ms()"

#define COUNT(state) "sum(n) FILTER (WHERE state = " state ")::bigint"
/* A queue's counts are the sum of what the batches appended. The oldest of what is ready is the first of one priority: the index has it first
 * within each, so it is asked once a priority. */
#define COUNTS \
    COUNT("1") " AS queued, " COUNT("2") ", " COUNT("3") ", " COUNT("4") ", " COUNT("5") ", " COUNT("6") ", " COUNT("7")
#define HEAD "(SELECT -priority AS rank, run_at FROM @jobs WHERE claimable AND queue = q.name COLLATE \"POSIX\" AND "
#define FIRST "ORDER BY -priority, run_at, id LIMIT 1) "
#define HEADS                                                                                             \
    "WITH RECURSIVE heads AS (" HEAD "c.queued > 0 " FIRST                                                \
    "UNION ALL SELECT n.rank, n.run_at FROM heads h CROSS JOIN LATERAL " HEAD "-priority > h.rank " FIRST \
    "n) SELECT min(run_at) AS oldest FROM heads"
/* Leases that ended before their time are dead entries behind which the next live one stands: while a snapshot is held, hours of them. */
#define FIRST_DUE(column, floor)                                                                               \
    "(SELECT " column " FROM @jobs WHERE " column " >= least(" floor "::bigint, (SELECT " NOW ")) AND " column \
    " <= (SELECT " NOW ") + $4::bigint ORDER BY " column " LIMIT 1)"
#define QUEUES(which)                                                               \
    "SELECT " NOW ", q.name, q.paused, o.oldest, c.* FROM @queues q "               \
    "CROSS JOIN LATERAL (SELECT " COUNTS " FROM @counters WHERE queue = q.name) c " \
    "CROSS JOIN LATERAL (" HEADS ") o WHERE " which " ORDER BY q.name"

const taskq__pg_sql_text taskq__pg_sql_reads[TASKQ__PG_SQL_OF_IMPORT] = {
    AT(BEGIN) = {"begin", "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"},
    AT(COMMIT) = {"commit", "COMMIT"},
    AT(ROLLBACK) = {"rollback", "ROLLBACK"},
    /* $1: 0, for the session; 1, for the transaction. Plans are the ones that were looked at, whatever statistics say. */
    AT(SETTINGS) = {"settings", "SELECT set_config(name, value, $1::bigint <> 0) FROM (VALUES "
                                "('search_path', 'pg_catalog, pg_temp'), ('client_min_messages', 'warning'), "
                                "('enable_seqscan', 'off'), ('enable_bitmapscan', 'off'), ('enable_hashjoin', 'off'), "
                                "('enable_mergejoin', 'off'), ('jit', 'off'), ('plan_cache_mode', 'force_generic_plan'), "
                                "('lock_timeout', '1000'), ('statement_timeout', '8000'), "
                                "('idle_in_transaction_session_timeout', '15000')) settings (name, value)"},
    AT(BEGIN_READ) = {"begin_read", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"},

    AT(GET) = {"get", "SELECT " NOW ", " TASKQ__JOB_COLUMNS ", " TASKQ__PAYLOAD_COLUMNS ", " TASKQ__PG_TEXT_COLUMNS
                      " FROM @jobs j " TASKQ__PG_JOIN_TEXTS "WHERE j.id = $1::bigint"},
    AT(GET_ATTEMPTS) = {"get_attempts",
                        "SELECT attempt, outcome, worker, started_at, finished_at, CASE WHEN outcome <> 1 THEN text END "
                        "FROM @attempts WHERE job_id = $1::bigint ORDER BY version DESC LIMIT $2::bigint"},
    AT(GET_LOG) = {"get_log", "SELECT chunk FROM @logs WHERE job_id = $1::bigint ORDER BY end_at"},

    /* Where a look of $2 jobs below $1 ends, and in a second row whether there is another one below. */
    AT(LIST_EDGE) = {"list_edge",
                     "SELECT j.id FROM @jobs j WHERE j.id < $1::bigint ORDER BY j.id DESC OFFSET $2::bigint - 1 LIMIT 2"},
    /* The bytes that are searched there. */
    AT(LIST_WEIGHT) = {"list_weight",
                       "SELECT coalesce(sum(octet_length(p.payload)), 0)::bigint FROM "
                       "(SELECT id FROM @jobs WHERE id < $1::bigint ORDER BY id DESC LIMIT $2::bigint) j " TASKQ__PG_EACH(
                           "*", "@payloads", "id = j.id", "p")},
    /* Of the same jobs those that fit, at most $3 of them and those that begin before byte $4. Of a filter, NULL: any. */
    AT(LIST) = {"list",
                "SELECT * FROM (SELECT " NOW ", " TASKQ__JOB_COLUMNS ", " TASKQ__PAYLOAD_COLUMNS
                ", " TASKQ__PG_TEXT_COLUMNS ", "
                "sum(octet_length(p.payload) + coalesce(octet_length(r.text), 0) + coalesce(octet_length(e.text), 0) + "
                "coalesce(octet_length(g.progress), 0)) OVER (ORDER BY j.id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND "
                "1 PRECEDING) AS before FROM "
                "(SELECT * FROM @jobs WHERE id < $1::bigint ORDER BY id DESC LIMIT $2::bigint) j " TASKQ__PG_JOIN_TEXTS
                "WHERE ($5::bigint IS NULL OR j.state = $5::bigint) AND ($6::text IS NULL OR j.queue = $6::text) "
                "AND ($7::text IS NULL OR j.type = $7::text) AND ($8::text IS NULL OR j.batch = $8::text) "
                "AND ($9::text IS NULL OR j.worker = $9::text) "
                "AND ($10::text IS NULL OR $10::text = ANY (string_to_array(p.tags, ' '))) "
                "AND ($11::text IS NULL OR strpos(p.payload, $11::text) > 0 OR strpos(e.text, $11::text) > 0)"
                ") w WHERE coalesce(w.before, 0) < $4::bigint ORDER BY w.id DESC LIMIT $3::bigint"},

    AT(QUEUE_READ) = {"queue_read", QUEUES("q.name = $1::text")},
    /* A bound that every name is above: the index has the order. */
    AT(QUEUES_READ) = {"queues_read", QUEUES("q.name > ''")},
    AT(NEXT_DUE) = {"next_due", "SELECT " FIRST_DUE("run_due", "$1") ", " FIRST_DUE("expires_at", "$2") ", " FIRST_DUE(
                                    "backoff_due", "$3")},
    AT(PING) = {"ping", "SELECT 1"},
    AT(MAY_WRITE) = {"may_write",
                     "SELECT NOT pg_is_in_recovery() AND NOT current_setting('transaction_read_only')::boolean "
                     "AND has_table_privilege('@jobs', 'INSERT') AND has_table_privilege('@jobs', 'UPDATE')"},
    AT(NOTIFY) = {"notify", "SELECT pg_notify($1::text, $2::text)"},
    /* Of the $3 rows from a place on those that are not alone, where they are $4 at least, and those that count nothing. What is read is
     * not locked: an idle server writes nothing. Rows are only made and deleted, so where one was read it is, or it is gone; what
     * another server has locked is left to it. Out: where the next look begins; nothing where this one came to the end. */
    AT(FOLD_COUNTERS) =
        {"fold_counters",
         "WITH seen AS MATERIALIZED (SELECT w.*, count(*) OVER (PARTITION BY queue, state) AS of_pair FROM "
         "(SELECT ctid AS place, queue, state, n FROM @counters WHERE (queue, state) >= ($1::text, $2::bigint) "
         "ORDER BY queue, state LIMIT $3::bigint) w), "
         "picked AS MATERIALIZED (SELECT ctid AS place FROM @counters WHERE ctid = ANY (ARRAY("
         "SELECT place FROM seen WHERE (of_pair > 1 OR n = 0) AND "
         "(SELECT count(*) FROM seen WHERE of_pair > 1 OR n = 0) >= $4::bigint)) FOR UPDATE SKIP LOCKED), "
         "gone AS (DELETE FROM @counters WHERE ctid = ANY (ARRAY(SELECT place FROM picked)) RETURNING queue, state, n), "
         "kept AS (INSERT INTO @counters (queue, state, n) SELECT queue, state, sum(n)::bigint FROM gone "
         "GROUP BY queue, state HAVING sum(n) <> 0) "
         "SELECT queue, state::bigint FROM seen OFFSET $3::bigint - 1"},
    /* Our own but the last few, from where they begin: before it all is dead rows. And, where it is asked for, whoever's of an hour ago. */
    AT(FORGET_BATCHES) =
        {"forget_batches",
         "DELETE FROM @batches WHERE ctid = ANY (ARRAY(SELECT own.ctid FROM "
         "(SELECT ctid FROM @batches WHERE server = $1::bigint AND number < $2::bigint AND number >= $4::bigint "
         "ORDER BY server, number LIMIT $3::bigint FOR UPDATE SKIP LOCKED) own UNION ALL "
         "SELECT old.ctid FROM (SELECT ctid FROM @batches WHERE $5::bigint <> 0 AND at < (SELECT @now_ms()) - 3600000 "
         "ORDER BY at LIMIT $3::bigint FOR UPDATE SKIP LOCKED) old))"},
    /* Who keeps what died from transaction $2 on (0: nobody is told) from being cleared away, as far as this role may see; no transaction
     * that is younger than $1 ms. A snapshot does so in its own database alone, but it keeps all that a transaction which writes, in
     * any database, has not ended for: of two with the same number, that one is the cause. VACUUM's snapshot keeps nothing, and the
     * catalog_xmin of a slot nothing of ours. */
    AT(HELD_SNAPSHOT) =
        {"held_snapshot",
         "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, w.who, w.pid, w.database, w.usr, w.application, w.state, "
         "w.cure, w.age, w.xid::text::bigint FROM (SELECT 1) one LEFT JOIN LATERAL (SELECT * FROM ("
         "SELECT 'session' AS who, a.pid::bigint, a.datname::text AS database, a.usename::text AS usr, "
         "a.application_name::text AS application, a.state::text, format('SELECT pg_terminate_backend(%s)', a.pid) AS cure, "
         "(extract(epoch FROM clock_timestamp() - a.xact_start) * 1000)::bigint AS age, h.xid, h.writes FROM pg_stat_activity a "
         "CROSS JOIN LATERAL (VALUES (a.backend_xid, true), "
         "(CASE WHEN a.datname = current_database() THEN a.backend_xmin END, false)) h (xid, writes) "
         "WHERE a.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL "
         "AND a.backend_type NOT IN ('autovacuum worker', 'parallel worker') "
         "AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.pid = a.pid) UNION ALL "
         "SELECT 'standby at ' || coalesce(host(client_addr), 'a socket'), pid::bigint, NULL, usename::text, application_name::text, "
         "state::text, 'end the old query there, or switch its hot_standby_feedback off', NULL, backend_xmin, false "
         "FROM pg_stat_activity WHERE backend_type = 'walsender' AND xact_start IS NULL AND datname IS NULL UNION ALL "
         "SELECT 'prepared transaction ' || gid, NULL, database::text, owner::text, NULL, 'prepared', "
         "format('ROLLBACK PREPARED %L', gid), (extract(epoch FROM clock_timestamp() - prepared) * 1000)::bigint, transaction, true "
         "FROM pg_prepared_xacts UNION ALL "
         "SELECT 'replication slot ' || slot_name, active_pid::bigint, NULL, NULL, NULL, "
         "CASE WHEN active THEN 'active' ELSE 'not in use' END, CASE WHEN active THEN "
         "'end the old query on the standby that uses it, or switch its hot_standby_feedback off' "
         "ELSE format('SELECT pg_drop_replication_slot(%L)', slot_name) END, NULL, xmin, false FROM pg_replication_slots"
         ") all_of_them WHERE xid IS NOT NULL AND $2::bigint > 0 AND (age IS NULL OR age >= $1::bigint) "
         "AND age(xid) > age($2::bigint::text::xid8::xid) ORDER BY age(xid) DESC, writes DESC, age DESC NULLS LAST LIMIT 1) w ON true"},
    AT(DEAD_ROWS) = {"dead_rows", "SELECT coalesce(sum(n_dead_tup), 0)::bigint FROM pg_stat_all_tables "
                                  "WHERE schemaname = $1::text"},
    /* In a transaction of the host's. A savepoint of the host's of that name is covered meanwhile, and there again after. */
    AT(HOST_SAVE) = {"host_save", "SAVEPOINT taskq_host"},
    AT(HOST_RELEASE) = {"host_release", "RELEASE SAVEPOINT taskq_host"},
    AT(HOST_VERSION) = {"host_version", "SELECT (SELECT value FROM @meta WHERE name = 'schema'), "
                                        "(SELECT value FROM @meta WHERE name = 'import_stage')"},
};
