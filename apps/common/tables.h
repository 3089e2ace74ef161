/* SPDX-License-Identifier: MIT */
/* What each of our programs can be told: its table.c. */
#ifndef TASKQ_APPS_TABLES_H
#define TASKQ_APPS_TABLES_H

#include "common/options.h"

extern const option_program taskq_program, taskq_server_program, taskq_worker_program;

#endif
