/* SPDX-License-Identifier: MIT */
/*
 * Where the SQLite tests put their files: /dev/shm is fast and behaves as a disk does, WAL and readers included.
 */
#include "contract/sqlite_place.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

sqlite_place place;

void *sqlite_place_make(void)
{
    const char *folder = getenv("TMPDIR");
    if (access("/dev/shm", W_OK) == 0) {
        folder = "/dev/shm";
    } else if (folder == NULL) {
        folder = "/tmp";
    }
    snprintf(place.folder, sizeof(place.folder), "%s/taskq-contract-XXXXXX", folder);
    ck_assert_ptr_nonnull(mkdtemp(place.folder));
    snprintf(place.path, sizeof(place.path), "%s/taskq.db", place.folder);
    return &place;
}

void sqlite_place_remove(void *user)
{
    (void)user;
    DIR *folder = opendir(place.folder);
    ck_assert_ptr_nonnull(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            unlinkat(dirfd(folder), entry->d_name, 0);
        }
    }
    closedir(folder);
    rmdir(place.folder);
}

taskq_status sqlite_place_open(const char *path, taskq_store **out, taskq_error *err)
{
    taskq_sqlite_options options = TASKQ_SQLITE_OPTIONS_INIT;
    options.path = path;
    return taskq_sqlite_open(&options, out, err);
}

taskq_store *sqlite_place_store(sqlite3 *host)
{
    taskq_sqlite_options options = TASKQ_SQLITE_OPTIONS_INIT;
    taskq_store *store = NULL;
    taskq_error err = TASKQ_ERROR_INIT;
    options.path = place.path;
    options.connection = host;
    ck_assert_msg(taskq_sqlite_open(&options, &store, &err) == TASKQ_OK, "%s", err.text);
    return store;
}

static taskq_store *open_store(void *user)
{
    (void)user;
    return sqlite_place_store(NULL);
}

const contract_opener sqlite_opener = {"sqlite", sqlite_place_make, open_store, sqlite_place_remove, NULL};

void sqlite_setup(void)
{
    contract.opener = &sqlite_opener;
    contract_setup();
}
