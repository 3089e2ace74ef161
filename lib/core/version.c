/* SPDX-License-Identifier: MIT */
/*
 * The version as the library itself knows it. A macro tells a host what it was compiled against; only a
 * function tells what was loaded, and the two differ when a shared library is replaced under a program.
 */
#include <taskq/version.h>

const char *taskq_version_string(void)
{
    return TASKQ_VERSION;
}

int taskq_version_number(void)
{
    return TASKQ_VERSION_NUMBER;
}
