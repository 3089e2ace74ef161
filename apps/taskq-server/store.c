/* SPDX-License-Identifier: MIT */
/*
 * SQLite or PostgreSQL: --db tells by how it begins. Here the program opens the one or the other, looks at it, copies it,
 * and takes an SQLite store over into PostgreSQL.
 */
#include "store.h"

#include "common/program.h"
#include "common/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef TASKQ_WITH_POSTGRES
#include <taskq/postgres.h>
#endif
#include <taskq/sqlite.h>

/* A URL, or "host=... dbname=..."; a file whose name looks like that is written ./host=... */
static bool is_postgres(const options *opts)
{
    const char *db = options_string(opts, "db");
    size_t word = strspn(db, "abcdefghijklmnopqrstuvwxyz_");
    return strncmp(db, "postgresql://", 13) == 0 || strncmp(db, "postgres://", 11) == 0 || (word > 0 && db[word] == '=');
}

/* An address of something that is no store of ours, POSTGRESQL:// too: as a file's name it would be a new and empty store. */
static bool is_other_address(const options *opts)
{
    const char *db = options_string(opts, "db"), *mark = strstr(db, "://");
    return !is_postgres(opts) && mark != NULL && memchr(db, '/', (size_t)(mark - db)) == NULL;
}

bool store_options_fit(const options *opts)
{
    const char *wrong = NULL;
    bool prints = options_switch(opts, "print-schema");
#ifndef TASKQ_WITH_POSTGRES
    if (is_postgres(opts) || prints) {
        wrong = "--db: this build has no PostgreSQL store; name an SQLite file";
    }
#endif
    if (is_other_address(opts)) {
        wrong =
            "--db: of addresses there are postgresql:// and postgres://, in small letters; a file whose name has :// in it is "
            "written ./...";
    } else if (!is_postgres(opts) && options_string(opts, "import") != NULL) {
        wrong = "--import: an SQLite file is taken over into PostgreSQL: --db postgresql://... is missing";
    } else if (is_postgres(opts) && options_given(opts, "durability")) {
        wrong = "--durability is SQLite's; PostgreSQL's synchronous_commit says when an answer is on disk";
    } else if (is_postgres(opts) && options_string(opts, "backup-to") != NULL) {
        wrong = "--backup-to: PostgreSQL has tools of its own, such as pg_dump and pg_basebackup";
    } else if (!is_postgres(opts) && !prints && options_given(opts, "db-schema")) {
        wrong = "--db-schema is PostgreSQL's; an SQLite file is one store: name another file";
    } else if (!is_postgres(opts) && !prints && options_switch(opts, "db-pooled")) {
        wrong = "--db-pooled is PostgreSQL's; nothing stands between the server and an SQLite file";
    }
    if (wrong != NULL) {
        fprintf(stderr, "taskq-server: %s\n", wrong);
    }
    return wrong == NULL;
}

static taskq_sqlite_options sqlite_options(const options *opts, const char *path)
{
    taskq_sqlite_options sqlite = TASKQ_SQLITE_OPTIONS_INIT;
    sqlite.path = path;
    sqlite.durability =
        strcmp(options_string(opts, "durability"), "relaxed") == 0 ? TASKQ_DURABILITY_RELAXED : TASKQ_DURABILITY_FULL;
    return sqlite;
}

#ifdef TASKQ_WITH_POSTGRES
static taskq_postgres_options postgres_options(const options *opts, const taskq_log *log)
{
    taskq_postgres_options postgres = TASKQ_POSTGRES_OPTIONS_INIT;
    postgres.conninfo = options_string(opts, "db");
    postgres.schema = options_string(opts, "db-schema");
    postgres.pooled = options_switch(opts, "db-pooled");
    if (log != NULL) {
        postgres.log = *log;
    }
    return postgres;
}
#endif

taskq_status store_open(const options *opts, const taskq_log *log, taskq_store **out, taskq_error *err)
{
#ifdef TASKQ_WITH_POSTGRES
    if (is_postgres(opts)) {
        taskq_postgres_options postgres = postgres_options(opts, log);
        return taskq_postgres_open(&postgres, out, err);
    }
#endif
    (void)log;
    taskq_sqlite_options sqlite = sqlite_options(opts, options_string(opts, "db"));
    return taskq_sqlite_open(&sqlite, out, err);
}

int store_check(const options *opts)
{
    char summary[512];
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_status status;
    const char *what;
#ifdef TASKQ_WITH_POSTGRES
    if (is_postgres(opts)) {
        taskq_postgres_options postgres = postgres_options(opts, NULL);
        what = options_string(opts, "db-schema"); /* not the address: it may have a password in it */
        status = taskq_postgres_check(&postgres, summary, sizeof(summary), &err);
    } else
#endif
    {
        taskq_sqlite_options sqlite = sqlite_options(opts, options_string(opts, "db"));
        what = sqlite.path;
        status = taskq_sqlite_check(&sqlite, summary, sizeof(summary), &err);
    }
    if (status == TASKQ_ENOTFOUND) {
        printf("ok: %s is not there yet and would be made\n", what);
        return EXIT_DONE;
    }
    if (status != TASKQ_OK) {
        fprintf(stderr, "taskq-server: %s: %s\n", what, err.text);
        return EXIT_FAILED;
    }
    printf("ok: %s\n", summary);
    return EXIT_DONE;
}

int store_backup(const options *opts)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_sqlite_options sqlite = sqlite_options(opts, options_string(opts, "db"));
    const char *to = options_string(opts, "backup-to");
    if (taskq_sqlite_backup(&sqlite, to, NULL, NULL, &err) != TASKQ_OK) {
        fprintf(stderr, "taskq-server: %s\n", err.text);
        return EXIT_FAILED;
    }
    printf("%s\n", to);
    return EXIT_DONE;
}

/* ---- taking over ------------------------------------------------------------------------------------------------------- */

typedef struct import_progress {
    progress_bar bar;
    uint64_t done;
} import_progress;

static bool show_import(void *user, uint64_t done, uint64_t total)
{
    import_progress *self = user;
    char detail[64];
    self->done = done;
    snprintf(detail, sizeof(detail), "%llu of %llu jobs", (unsigned long long)done, (unsigned long long)total);
    progress_show(&self->bar, total == 0 ? 100 : 100.0 * (double)done / (double)total, detail);
    return program_wait_signal(0) == 0; /* Ctrl-C: the page at hand is whole, the next call goes on after it */
}

int store_import(const options *opts, const taskq_log *log)
{
    taskq_error err = TASKQ_ERROR_INIT;
    taskq_store *from = NULL, *to = NULL;
    import_progress progress = {.done = 0};
    const char *path = options_string(opts, "import");
    taskq_sqlite_options sqlite = sqlite_options(opts, path);
    char summary[512];
    /* A name that is mistyped must not become a new and empty store. */
    taskq_status status = taskq_sqlite_check(&sqlite, summary, sizeof(summary), &err);
    if (status == TASKQ_OK) {
        status = taskq_sqlite_open(&sqlite, &from, &err);
    }
    if (status == TASKQ_OK) {
        status = store_open(opts, log, &to, &err);
    }
    if (status == TASKQ_OK) {
        program_block_signals();
        progress_start(&progress.bar, "importing");
        status = taskq_store_move(from, to, show_import, &progress, &err);
        progress_end(&progress.bar);
    }
    taskq_store_close(to);
    taskq_store_close(from);
    if (status != TASKQ_OK) {
        fprintf(stderr, "taskq-server: importing %s: %s\n", path, err.text);
        return EXIT_FAILED;
    }
    printf("%llu jobs of %s are taken over; start the servers on the new store, and none on the old one\n",
           (unsigned long long)progress.done, path);
    return EXIT_DONE;
}

int store_print_schema(const options *opts)
{
#ifdef TASKQ_WITH_POSTGRES
    taskq_error err = TASKQ_ERROR_INIT;
    size_t needed = 0;
    char few[1];
    const char *schema = options_string(opts, "db-schema");
    taskq_status status = taskq_postgres_schema(schema, 0, few, sizeof(few), &needed, &err);
    char *text = status == TASKQ_ELIMIT ? malloc(needed) : NULL;
    if (text != NULL) {
        status = taskq_postgres_schema(schema, 0, text, needed, NULL, &err);
    }
    if (status != TASKQ_OK) {
        fprintf(stderr, "taskq-server: --db-schema: %s\n", err.text);
        free(text);
        return EXIT_USAGE;
    }
    bool printed = fputs(text, stdout) >= 0 && fflush(stdout) == 0;
    free(text);
    return printed ? EXIT_DONE : EXIT_FAILED;
#else
    (void)opts;
    return EXIT_USAGE; /* store_options_fit has refused it */
#endif
}
