/* SPDX-License-Identifier: MIT */
/*
 * Which libpq this library was built with: a text of the preprocessor's, for --version and for whoever reports a fault.
 */
#include <taskq/postgres.h>

#include <pg_config.h>

const char *taskq_postgres_built_with(void)
{
    return "libpq " PG_VERSION;
}
