/* SPDX-License-Identifier: MIT */
/*
 * Baseline (a): what one would write by hand on SQLite. A table of jobs with one index that serves the claim, WAL, synchronous FULL, and
 * a transaction of its own for every row: inserts; or a claim and a completion, a transaction each.
 */
#include "load/net.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAYLOAD_BYTES = 200, BACKLOG = 20000 };

static const char schema[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
    "CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, type TEXT NOT NULL,"
    " state INTEGER NOT NULL, priority INTEGER NOT NULL, run_at INTEGER NOT NULL, version INTEGER NOT NULL DEFAULT 1,"
    " worker TEXT, expires_at INTEGER, payload TEXT NOT NULL, result TEXT);"
    "CREATE INDEX IF NOT EXISTS jobs_ready ON jobs (queue, type, priority DESC, run_at, id) WHERE state = 1;";
static const char insert_sql[] = "INSERT INTO jobs (queue, type, state, priority, run_at, payload)"
                                 " VALUES ('bench', 'work', 1, 0, ?1, ?2)";
static const char select_sql[] = "SELECT id, version, payload FROM jobs WHERE queue = 'bench' AND type = 'work'"
                                 " AND state = 1 ORDER BY priority DESC, run_at, id LIMIT 1";
static const char claim_sql[] = "UPDATE jobs SET state = 4, version = version + 1, worker = 'bench', expires_at = ?2"
                                " WHERE id = ?1";
static const char done_sql[] = "UPDATE jobs SET state = 5, version = version + 1, expires_at = NULL, result = ?2"
                               " WHERE id = ?1 AND state = 4 AND version = 2";

typedef struct rows {
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *insert, *select, *claim, *done;
    char payload[PAYLOAD_BYTES + 1];
} rows;

static bool step_is(rows *self, sqlite3_stmt *statement, int wanted)
{
    int got = sqlite3_step(statement);
    if (got != wanted) {
        fprintf(stderr, "rows: %s\n", sqlite3_errmsg(self->db));
    }
    if (wanted == SQLITE_DONE || got != wanted) {
        sqlite3_reset(statement);
    }
    return got == wanted;
}

static bool open_rows(rows *self, const char *path)
{
    memset(self->payload, 'x', PAYLOAD_BYTES);
    self->payload[0] = self->payload[PAYLOAD_BYTES - 1] = '"';
    const struct {
        const char *sql;
        sqlite3_stmt **statement;
    } each[] = {{"BEGIN IMMEDIATE", &self->begin}, {"COMMIT", &self->commit}, {insert_sql, &self->insert},
                {select_sql, &self->select},       {claim_sql, &self->claim}, {done_sql, &self->done}};
    bool good =
        sqlite3_open(path, &self->db) == SQLITE_OK && sqlite3_exec(self->db, schema, NULL, NULL, NULL) == SQLITE_OK;
    for (size_t i = 0; good && i < sizeof(each) / sizeof(each[0]); i++) {
        good = sqlite3_prepare_v2(self->db, each[i].sql, -1, each[i].statement, NULL) == SQLITE_OK;
    }
    if (!good) {
        fprintf(stderr, "rows: %s: %s\n", path, sqlite3_errmsg(self->db));
    }
    return good;
}

static void close_rows(rows *self)
{
    sqlite3_finalize(self->begin);
    sqlite3_finalize(self->commit);
    sqlite3_finalize(self->insert);
    sqlite3_finalize(self->select);
    sqlite3_finalize(self->claim);
    sqlite3_finalize(self->done);
    sqlite3_close(self->db);
}

static bool insert_row(rows *self)
{
    sqlite3_bind_int64(self->insert, 1, now_ns() / 1000000);
    sqlite3_bind_text(self->insert, 2, self->payload, PAYLOAD_BYTES, SQLITE_STATIC);
    return step_is(self, self->insert, SQLITE_DONE);
}

static bool insert_rows(rows *self, int64_t until_ns, uint64_t *count)
{
    while (now_ns() < until_ns) {
        if (!step_is(self, self->begin, SQLITE_DONE) || !insert_row(self) || !step_is(self, self->commit, SQLITE_DONE)) {
            return false;
        }
        ++*count;
    }
    return true;
}

static bool fill_rows(rows *self)
{
    bool good = step_is(self, self->begin, SQLITE_DONE);
    for (int i = 0; good && i < BACKLOG; i++) {
        good = insert_row(self);
    }
    return good && step_is(self, self->commit, SQLITE_DONE);
}

static bool claim_row(rows *self, int64_t *id)
{
    if (!step_is(self, self->begin, SQLITE_DONE) || !step_is(self, self->select, SQLITE_ROW)) {
        return false;
    }
    *id = sqlite3_column_int64(self->select, 0);
    sqlite3_reset(self->select);
    sqlite3_bind_int64(self->claim, 1, *id);
    sqlite3_bind_int64(self->claim, 2, now_ns() / 1000000 + 60000);
    return step_is(self, self->claim, SQLITE_DONE) && step_is(self, self->commit, SQLITE_DONE);
}

static bool complete_row(rows *self, int64_t id)
{
    sqlite3_bind_int64(self->done, 1, id);
    sqlite3_bind_text(self->done, 2, "{\"ok\":true}", -1, SQLITE_STATIC);
    return step_is(self, self->begin, SQLITE_DONE) && step_is(self, self->done, SQLITE_DONE) &&
           step_is(self, self->commit, SQLITE_DONE);
}

static bool work_rows(rows *self, int64_t until_ns, uint64_t *count)
{
    while (now_ns() < until_ns && *count < BACKLOG) {
        int64_t id;
        if (!claim_row(self, &id) || !complete_row(self, id)) {
            return false;
        }
        ++*count;
    }
    return true;
}

int main(int argc, char **argv)
{
    bool inserts = argc == 4 && strcmp(argv[2], "insert") == 0;
    if (!inserts && (argc != 4 || strcmp(argv[2], "work") != 0)) {
        fputs("rows DATABASE insert|work SECONDS\n", stderr);
        return 2;
    }
    rows self = {0};
    uint64_t count = 0;
    int64_t begun_ns = 0;
    bool good = open_rows(&self, argv[1]) && (inserts || fill_rows(&self));
    if (good) {
        begun_ns = now_ns();
        int64_t until_ns = begun_ns + (int64_t)(strtod(argv[3], NULL) * 1e9);
        good = inserts ? insert_rows(&self, until_ns, &count) : work_rows(&self, until_ns, &count);
    }
    double seconds = (double)(now_ns() - begun_ns) / 1e9;
    close_rows(&self);
    if (good) {
        printf("{\"jobs\": %llu, \"seconds\": %.6f, \"rate\": %.1f}\n", (unsigned long long)count, seconds,
               (double)count / seconds);
    }
    return good ? 0 : 1;
}
