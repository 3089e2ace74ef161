/* SPDX-License-Identifier: MIT */
/* What taskq-server can be told. */
#ifndef TASKQ_APPS_TASKQ_SERVER_TABLE_H
#define TASKQ_APPS_TASKQ_SERVER_TABLE_H

#include "common/options.h"

extern const option_program taskq_server_program;

#endif
