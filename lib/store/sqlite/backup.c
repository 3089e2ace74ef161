/* SPDX-License-Identifier: MIT */
/*
 * A copy of the store while it is in use. It is read in one snapshot by a connection that can neither write nor
 * checkpoint, so a commit beside it neither waits nor makes the copy start over; the price is that the log cannot start
 * over meanwhile. The copy gets its name only when all of it is on disk, and never takes the name of another file.
 */
#include "store/sqlite/db.h"

#include "core/alloc.h"
#include "core/fail.h"
#include "store/sqlite/fault.h"
#include "store/sqlite/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEP_PAGES = 256, TRIES = 100, SUFFIX_ROOM = 32 };

static taskq_status cannot(const char *what, const char *path, taskq_error *err)
{
    taskq_status status = errno == EEXIST ? TASKQ_EEXISTS : errno == EIO ? TASKQ_ESTORE : TASKQ_EUNAVAIL;
    return taskq__fail(err, status, "cannot %s %s: %s", what, path, strerror(errno));
}

/* A file of our own beside the final name; nobody else may read what users put into jobs. */
static taskq_status make_partial(const taskq_allocator *a, const char *path, char **out, taskq_error *err)
{
    size_t room = strlen(path) + SUFFIX_ROOM;
    char *name = taskq__alloc(a, room);
    if (name == NULL) {
        return taskq__fail_memory(err);
    }
    for (int i = 0; i < TRIES; i++) {
        snprintf(name, room, "%s.partial-%ld-%d", path, (long)getpid(), i);
        int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd >= 0) {
            close(fd);
            *out = name;
            return TASKQ_OK;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    taskq_status status = cannot("write", name, err);
    taskq__free(a, name);
    return status;
}

static taskq_status flush(const char *path, int flags, taskq_error *err)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0) {
        return cannot("open", path, err);
    }
    taskq_status status = fsync(fd) == 0 ? TASKQ_OK : cannot("flush", path, err);
    close(fd);
    return status;
}

static taskq_status flush_folder_of(const taskq_allocator *a, const char *path, taskq_error *err)
{
    char *folder = taskq__strdup(a, path);
    if (folder == NULL) {
        return taskq__fail_memory(err);
    }
    char *slash = strrchr(folder, '/');
    if (slash == NULL) {
        memcpy(folder, ".", 2);
    } else {
        slash[slash == folder ? 1 : 0] = '\0';
    }
    taskq_status status = flush(folder[0] == '\0' ? "." : folder, O_RDONLY | O_DIRECTORY, err);
    taskq__free(a, folder);
    return status;
}

/* Give it its name unless something has it already. */
static taskq_status publish(const taskq_allocator *a, const char *partial, const char *path, taskq_error *err)
{
    taskq_status status = flush(partial, O_RDWR, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (renameat2(AT_FDCWD, partial, AT_FDCWD, path, RENAME_NOREPLACE) != 0) {
        /* Not every file system knows that flag; a link refuses as well. */
        if (errno == EEXIST || link(partial, path) != 0) {
            return cannot("write", path, err);
        }
        unlink(partial);
    }
    return flush_folder_of(a, path, err);
}

static taskq_status copy_steps(sqlite3 *from, sqlite3 *to, taskq_progress_fn *progress, void *user, taskq_error *err)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (backup == NULL) {
        return taskq__fault(to, sqlite3_errcode(to), "beginning the copy", err);
    }
    int rc = SQLITE_OK;
    bool stopped = false;
    while (rc == SQLITE_OK && !stopped) {
        rc = sqlite3_backup_step(backup, STEP_PAGES);
        uint64_t total = (uint64_t)sqlite3_backup_pagecount(backup);
        uint64_t done = total - (uint64_t)sqlite3_backup_remaining(backup);
        stopped = rc == SQLITE_OK && progress != NULL && !progress(user, done, total);
        if (rc == SQLITE_DONE && progress != NULL) {
            (void)progress(user, total, total);
        }
    }
    int finished = sqlite3_backup_finish(backup);
    if (stopped) {
        return taskq__fail(err, TASKQ_ECANCELED, "the copy was asked to stop");
    }
    rc = rc == SQLITE_DONE ? finished : rc;
    return rc == SQLITE_OK ? TASKQ_OK : taskq__fault(to, rc, "copying", err);
}

/* The whole way from an open source to a finished file. */
static taskq_status copy_to(const taskq_allocator *a, sqlite3 *from, const char *path, taskq_progress_fn *progress,
                            void *user, taskq_error *err)
{
    struct stat found;
    char *partial = NULL;
    sqlite3 *to = NULL;
    if (lstat(path, &found) == 0) {
        return taskq__fail(err, TASKQ_EEXISTS, "there is a file %s already", path);
    }
    taskq_status status = make_partial(a, path, &partial, err);
    if (status != TASKQ_OK) {
        return status;
    }
    int rc = taskq__path_open(partial, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, &to);
    if (rc == SQLITE_OK) {
        /* It is flushed once, at the end; until then it is nobody's database. */
        rc = sqlite3_exec(to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL, NULL);
    }
    status = rc == SQLITE_OK ? copy_steps(from, to, progress, user, err) : taskq__fault(to, rc, partial, err);
    sqlite3_close(to);
    if (status == TASKQ_OK) {
        status = publish(a, partial, path, err);
        if (status != TASKQ_OK && status != TASKQ_EEXISTS && lstat(partial, &found) != 0) {
            unlink(path); /* it had got its name, but is not known to be on disk */
        }
    }
    if (status != TASKQ_OK) {
        unlink(partial);
    }
    taskq__free(a, partial);
    return status;
}

/* In a snapshot of a connection of its own. */
static taskq_status copy_file(const taskq_allocator *a, const char *source, const char *prefix, const char *path,
                              taskq_progress_fn *progress, void *user, taskq_error *err)
{
    taskq__conn conn;
    int version = 0;
    taskq_status status = taskq__conn_open(source, false, TASKQ_DURABILITY_FULL, &conn, err);
    if (status != TASKQ_OK) {
        return status;
    }
    int rc = sqlite3_exec(conn.sqlite, "BEGIN", NULL, NULL, NULL);
    status = rc == SQLITE_OK ? taskq__schema_read(conn.sqlite, prefix, false, &version, err)
                             : taskq__fault(conn.sqlite, rc, source, err);
    if (status == TASKQ_OK && version == 0) {
        status = taskq__fail(err, TASKQ_ENOTFOUND, "%s is empty, there is no store in it yet", source);
    }
    if (status == TASKQ_OK) {
        status = copy_to(a, conn.sqlite, path, progress, user, err);
    }
    taskq__conn_close(&conn);
    return status;
}

taskq_status taskq__sqlite_backup(void *self, const char *path, taskq_progress_fn *progress, void *user,
                                  taskq_error *err)
{
    taskq__db *db = self;
    if (!db->in_memory) {
        return copy_file(&db->allocator, db->path, db->prefix, path, progress, user, err);
    }
    taskq_status status = taskq__writer_take(db, err);
    if (status != TASKQ_OK) {
        return status;
    }
    status = copy_to(&db->allocator, db->writer.sqlite, path, progress, user, err);
    pthread_mutex_unlock(&db->write_lock);
    return status;
}

taskq_status taskq_sqlite_backup(const taskq_sqlite_options *given, const char *to, taskq_progress_fn *progress,
                                 void *user, taskq_error *err)
{
    char prefix[TASKQ__PREFIX_BYTES_MAX + 1] = "";
    taskq_sqlite_options options;
    taskq_status status = taskq__options_take(given, &options, prefix, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (to == NULL || to[0] == '\0') {
        return taskq__fail(err, TASKQ_EINVAL, "a backup needs the path of a file to write");
    }
    if (access(options.path, F_OK) != 0) {
        return taskq__fail(err, errno == ENOENT ? TASKQ_ENOTFOUND : TASKQ_EUNAVAIL, "cannot open %s: %s", options.path,
                           strerror(errno));
    }
    return copy_file(&options.allocator, options.path, prefix, to, progress, user, err);
}
