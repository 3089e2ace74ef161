/* SPDX-License-Identifier: MIT */
/*
 * What this server was built with, as its parts themselves tell it: the first thing to know when one of them has a fault.
 */
#include "version.h"

#include "common/program.h"

#include <taskq/server.h>
#include <taskq/sqlite.h>
#if defined(TASKQ_WITH_POSTGRES)
#include <taskq/postgres.h>
#endif

void print_version(void)
{
    const char *const parts[] = {
        taskq_sqlite_built_with(),
#if defined(TASKQ_WITH_POSTGRES)
        taskq_postgres_built_with(),
#endif
        taskq_server_built_with(),
        NULL,
    };
    program_print_version("taskq-server", parts);
}
