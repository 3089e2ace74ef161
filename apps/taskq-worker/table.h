/* SPDX-License-Identifier: MIT */
/* What taskq-worker can be told. */
#ifndef TASKQ_APPS_TASKQ_WORKER_TABLE_H
#define TASKQ_APPS_TASKQ_WORKER_TABLE_H

#include "common/options.h"

extern const option_program taskq_worker_program;

#endif
