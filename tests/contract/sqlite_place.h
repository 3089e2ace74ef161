/* SPDX-License-Identifier: MIT */
/* The SQLite store's place: a folder of its own, in memory where the machine has such a file system. */
#ifndef TASKQ_TESTS_CONTRACT_SQLITE_PLACE_H
#define TASKQ_TESTS_CONTRACT_SQLITE_PLACE_H

#include "contract/contract.h"

#include <sqlite3.h>
#include <taskq/sqlite.h>

typedef struct sqlite_place {
    char folder[256], path[300];
} sqlite_place;
extern sqlite_place place;

void *sqlite_place_make(void);
void sqlite_place_remove(void *user); /* the folder and the files in it */
taskq_status sqlite_place_open(const char *path, taskq_store **out, taskq_error *err);
/* What must succeed: the store at the place, over a connection of the host's where it is given one. */
taskq_store *sqlite_place_store(sqlite3 *host);

extern const contract_opener sqlite_opener;
void sqlite_setup(void); /* contract_setup() with it */

#endif
