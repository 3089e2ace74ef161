/* SPDX-License-Identifier: MIT */
/*
 * A program outside the tree: built with nothing but pkg-config taskq-scheduler, by check_install.py. What it
 * prints is asserted there.
 */
#include <stdio.h>
#include <string.h>
#include <taskq/scheduler.h>
#include <taskq/sqlite.h>
#include <taskq/version.h>

int main(void)
{
    if (strcmp(taskq_version_string(), TASKQ_VERSION) != 0) {
        fprintf(stderr, "headers %s, library %s\n", TASKQ_VERSION, taskq_version_string());
        return 1;
    }
    printf("taskq-scheduler %s\n", taskq_version_string());
    return 0;
}
