/* SPDX-License-Identifier: MIT */
/* A store in the test's schema. */
#ifndef TASKQ_TESTS_POSTGRES_PGSTORE_H
#define TASKQ_TESTS_POSTGRES_PGSTORE_H

#include "pgplace.h"

#include "store/store.h"

static inline taskq_store *place_open(void)
{
    taskq_postgres_options options = TASKQ_POSTGRES_OPTIONS_INIT;
    taskq_store *store = NULL;
    options.conninfo = place.conninfo;
    options.schema = place.schema;
    ck_ok(taskq_postgres_open(&options, &store, &place.err));
    return store;
}

#endif
