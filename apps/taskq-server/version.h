/* SPDX-License-Identifier: MIT */
/* --version. */
#ifndef TASKQ_SERVER_APP_VERSION_H
#define TASKQ_SERVER_APP_VERSION_H

/* The program's version, and a line for each store and what else it was built with, on standard output. */
void print_version(void);

#endif
