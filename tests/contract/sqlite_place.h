/* SPDX-License-Identifier: MIT */
/* Folders for SQLite stores, in memory where the machine has such a file system. */
#ifndef TASKQ_TESTS_CONTRACT_SQLITE_PLACE_H
#define TASKQ_TESTS_CONTRACT_SQLITE_PLACE_H

#include <taskq/sqlite.h>

typedef struct sqlite_place {
    char folder[256], path[300];
} sqlite_place;

void sqlite_place_make(sqlite_place *place);
void sqlite_place_remove(sqlite_place *place); /* the folder and the files in it */
taskq_status sqlite_place_open(const char *path, taskq_store **out, taskq_error *err);

#endif
