/* SPDX-License-Identifier: MIT */
/*
 * A program outside the tree: built with nothing but pkg-config taskq-worker, by check_install.py. What it
 * prints is asserted there.
 */
#include <stdio.h>
#include <string.h>
#include <taskq/client.h>
#include <taskq/version.h>
#include <taskq/worker.h>

int main(void)
{
    if (strcmp(taskq_version_string(), TASKQ_VERSION) != 0) {
        fprintf(stderr, "headers %s, library %s\n", TASKQ_VERSION, taskq_version_string());
        return 1;
    }
    printf("taskq-worker %s\n", taskq_version_string());
    return 0;
}
