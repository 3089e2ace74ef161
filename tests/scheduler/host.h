/* SPDX-License-Identifier: MIT */
/* A host that has a table of orders in the store's file, and transactions of its own on it. */
#ifndef TASKQ_TESTS_SCHEDULER_HOST_H
#define TASKQ_TESTS_SCHEDULER_HOST_H

#include <stdint.h>

struct sqlite3;

void host_setup(void); /* fixture_setup_plain, and the table */
struct sqlite3 *host_begin(void);
void host_run(struct sqlite3 *db, const char *sql);
int host_try(struct sqlite3 *db, const char *sql); /* SQLite's code */
int64_t host_enqueue(const char *type);            /* one job into "default", in the open transaction: its id */
int64_t host_ask(const char *sql);                 /* one number, as another connection sees the file */
int64_t host_orders(void);                         /* how many there are */
int64_t host_queued(void);                         /* jobs, after a look whether the counters say the same */

#endif
