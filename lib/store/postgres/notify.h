/* SPDX-License-Identifier: MIT */
/* Telling other servers what became ready, and hearing it from them. */
#ifndef TASKQ_STORE_POSTGRES_NOTIFY_H
#define TASKQ_STORE_POSTGRES_NOTIFY_H

#include "store/postgres/pg.h"

enum { TASKQ__PG_NEWS_MAX = 64 }; /* pairs that one read hands out */

/* Connects, if that is possible now. */
taskq_status taskq__pg_notifier_make(taskq__pg *pg, taskq__pg_notifier **out, taskq_error *err);
void taskq__pg_notifier_free(taskq__pg_notifier *notifier); /* NULL is fine */
/* Notifications so far. */
void taskq__pg_notifier_count(taskq__pg_notifier *notifier, uint64_t *sent, uint64_t *received);

#endif
