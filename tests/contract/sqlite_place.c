/* SPDX-License-Identifier: MIT */
/*
 * Where the SQLite tests put their files: /dev/shm is fast and behaves as a disk does, WAL and readers included.
 */
#include "contract/sqlite_place.h"

#include "support/check_main.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void sqlite_place_make(sqlite_place *place)
{
    const char *folder = getenv("TMPDIR");
    if (access("/dev/shm", W_OK) == 0) {
        folder = "/dev/shm";
    } else if (folder == NULL) {
        folder = "/tmp";
    }
    snprintf(place->folder, sizeof(place->folder), "%s/taskq-contract-XXXXXX", folder);
    ck_assert_ptr_nonnull(mkdtemp(place->folder));
    snprintf(place->path, sizeof(place->path), "%s/taskq.db", place->folder);
}

void sqlite_place_remove(sqlite_place *place)
{
    DIR *folder = opendir(place->folder);
    ck_assert_ptr_nonnull(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            unlinkat(dirfd(folder), entry->d_name, 0);
        }
    }
    closedir(folder);
    rmdir(place->folder);
}

taskq_status sqlite_place_open(const char *path, taskq_store **out, taskq_error *err)
{
    taskq_sqlite_options options = TASKQ_SQLITE_OPTIONS_INIT;
    options.path = path;
    return taskq_sqlite_open(&options, out, err);
}
