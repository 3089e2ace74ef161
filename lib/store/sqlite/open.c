/* SPDX-License-Identifier: MIT */
/*
 * Opening and closing: the order matters. The lock comes before SQLite touches the file and goes after it has let go; the
 * schema is brought up to date by the writer before a reader looks at it.
 */
#include "store/sqlite/db.h"

#include "core/alloc.h"
#include "core/fail.h"
#include "core/sized.h"
#include "store/sqlite/fault.h"
#include "store/sqlite/schema.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

static const taskq_store_ops sqlite_ops;

static taskq_status check_options(const taskq_sqlite_options *options, char *prefix, taskq_error *err)
{
    if (options->path == NULL || options->path[0] == '\0') {
        return taskq__fail(err, TASKQ_EINVAL, "the store needs the path of its file");
    }
    if (options->durability != TASKQ_DURABILITY_FULL && options->durability != TASKQ_DURABILITY_RELAXED) {
        return taskq__fail(err, TASKQ_EINVAL, "%d is no durability", (int)options->durability);
    }
    if (options->reader_count > TASKQ__READERS_MAX) {
        return taskq__fail(err, TASKQ_EINVAL, "%u reading connections, %d at most", options->reader_count,
                           TASKQ__READERS_MAX);
    }
    const char *wanted = options->table_prefix == NULL ? "taskq_" : options->table_prefix;
    size_t size = strnlen(wanted, TASKQ__PREFIX_BYTES_MAX + 1);
    if (size > TASKQ__PREFIX_BYTES_MAX) {
        return taskq__fail(err, TASKQ_EINVAL, "the table prefix is longer than %d characters", TASKQ__PREFIX_BYTES_MAX);
    }
    for (size_t i = 0; i < size; i++) {
        bool letter = isalpha((unsigned char)wanted[i]) || wanted[i] == '_';
        if (!letter && (i == 0 || !isdigit((unsigned char)wanted[i]))) {
            return taskq__fail(err, TASKQ_EINVAL,
                               "a table prefix is letters, digits and _, and does not begin with a digit");
        }
    }
    if (size >= 6 && strncasecmp(wanted, "sqlite", 6) == 0) {
        return taskq__fail(err, TASKQ_EINVAL, "SQLite keeps tables that begin with sqlite for itself");
    }
    memcpy(prefix, wanted, size);
    prefix[size] = '\0';
    return TASKQ_OK;
}

taskq_status taskq__options_take(const taskq_sqlite_options *given, taskq_sqlite_options *own, char *prefix,
                                 taskq_error *err)
{
    taskq_status status = TASKQ__SIZED_IN(given, own, err);
    return status == TASKQ_OK ? check_options(own, prefix, err) : status;
}

static void sqlite_close(void *self)
{
    taskq__db *db = self;
    taskq__readers_close(db);
    if (atomic_load(&db->broken) && db->writer.sqlite != NULL) {
        /* What a flush has failed on is not copied anywhere: the next opening reads the log as the disk has it. */
        sqlite3_db_config(db->writer.sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    if (db->host_owned) {
        taskq__host_give_back(db);
    } else {
        taskq__conn_close(&db->writer);
    }
    taskq__filelock_release(&db->lock);
    pthread_cond_destroy(&db->read_free);
    pthread_mutex_destroy(&db->read_lock);
    pthread_cond_destroy(&db->write_free);
    pthread_mutex_destroy(&db->write_lock);
    taskq_allocator allocator = db->allocator;
    taskq__free(&allocator, db->path);
    taskq__free(&allocator, db);
}

static void sqlite_forked(void *self)
{
    taskq__db *db = self;
    taskq__filelock_forked(&db->lock);
}

static int count_wal_pages(void *user, sqlite3 *sqlite, const char *schema, int pages)
{
    taskq__db *db = user;
    (void)sqlite;
    (void)schema;
    db->wal_pages = pages;
    return SQLITE_OK;
}

/* Waits on it end by the clock that does not jump. */
static void init_monotonic(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

static taskq__db *new_db(const taskq_sqlite_options *options, const char *prefix)
{
    taskq__db *db = taskq__alloc(&options->allocator, sizeof(*db));
    if (db == NULL) {
        return NULL;
    }
    db->allocator = options->allocator;
    db->path = taskq__strdup(&options->allocator, options->path);
    if (db->path == NULL) {
        taskq__free(&options->allocator, db);
        return NULL;
    }
    db->in_memory = strcmp(options->path, ":memory:") == 0;
    db->host_owned = options->connection != NULL;
    db->durability = options->durability;
    memcpy(db->prefix, prefix, sizeof(db->prefix));
    db->lock.fd = -1;
    pthread_mutex_init(&db->write_lock, NULL);
    init_monotonic(&db->write_free);
    pthread_mutex_init(&db->read_lock, NULL);
    pthread_cond_init(&db->read_free, NULL);
    atomic_init(&db->broken, false);
    atomic_init(&db->hand, TASKQ__HAND_OURS);
    return db;
}

static taskq_status open_writer(taskq__db *db, const taskq_sqlite_options *options, taskq_error *err)
{
    taskq_status status = TASKQ_OK;
    if (!db->in_memory) {
        status = db->host_owned ? taskq__filelock_borrow(db->path, &db->lock, err)
                                : taskq__filelock_take(db->path, &db->lock, err);
    }
    if (status != TASKQ_OK) {
        return status;
    }
    status = db->host_owned ? taskq__host_take(db, options->connection, err)
                            : taskq__conn_open(db->path, true, db->durability, &db->writer, err);
    if (status == TASKQ_OK) {
        status = taskq__schema_migrate(db->writer.sqlite, db->prefix, db->host_owned, err);
    }
    if (status != TASKQ_OK) {
        return status;
    }
    sqlite3_set_authorizer(db->writer.sqlite, taskq__guard, db);
    unsigned use = TASKQ__SQL_FOR_WRITER | (db->in_memory ? TASKQ__SQL_FOR_READER : 0);
    int rc = taskq__conn_prepare(&db->writer, use, db->prefix);
    if (rc != SQLITE_OK) {
        return taskq__fault(db->writer.sqlite, rc, "preparing the writes", err);
    }
    sqlite3_wal_hook(db->writer.sqlite, count_wal_pages, db);
    return taskq__news_begin(db, err);
}

taskq_status taskq_sqlite_open(const taskq_sqlite_options *given, taskq_store **out, taskq_error *err)
{
    char prefix[TASKQ__PREFIX_BYTES_MAX + 1] = "";
    taskq_sqlite_options options;
    if (out == NULL) {
        return taskq__fail(err, TASKQ_EINVAL, "there is no place to put the store");
    }
    taskq_status status = taskq__options_take(given, &options, prefix, err);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq__db *db = new_db(&options, prefix);
    if (db == NULL) {
        return taskq__fail_memory(err);
    }
    status = open_writer(db, &options, err);
    if (status == TASKQ_OK && !db->in_memory) {
        status = taskq__readers_open(db, options.reader_count == 0 ? TASKQ__READERS_DEFAULT : options.reader_count, err);
    }
    if (status == TASKQ_OK) {
        status = taskq_store_make(&sqlite_ops, db, &options.allocator, out, err);
    }
    if (status != TASKQ_OK) {
        sqlite_close(db);
    }
    return status;
}

static const taskq_store_ops sqlite_ops = {
    .struct_size = sizeof(taskq_store_ops),
    .name = "sqlite",
    .flags = 0,
    .commit = taskq__sqlite_commit,
    .get = taskq__sqlite_get,
    .list = taskq__sqlite_list,
    .counts = taskq__sqlite_counts,
    .next_due = taskq__sqlite_next_due,
    .ping = taskq__sqlite_ping,
    .close = sqlite_close,
    .forked = sqlite_forked,
    .upkeep = taskq__sqlite_upkeep,
    .backup = taskq__sqlite_backup,
    .wake_read = taskq__sqlite_wake_read,
    .export_whole = taskq__sqlite_export_whole,
    .export_page = taskq__sqlite_export_page,
};

taskq__db *taskq__db_of(taskq_store *store)
{
    return taskq__store_self(store, &sqlite_ops);
}
