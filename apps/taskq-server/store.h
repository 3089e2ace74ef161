/* SPDX-License-Identifier: MIT */
/* Which store the options mean, and what the program does with a store but serve it. Exit codes are those of main. */
#ifndef TASKQ_APPS_TASKQ_SERVER_STORE_H
#define TASKQ_APPS_TASKQ_SERVER_STORE_H

#include "common/options.h"

#include <taskq/store.h>

#include <taskq/log.h>

/* False: the options do not go together, which has been said. */
bool store_options_fit(const options *opts);
taskq_status store_open(const options *opts, const taskq_log *log, taskq_store **out, taskq_error *err);

int store_check(const options *opts);
int store_backup(const options *opts);
int store_import(const options *opts, const taskq_log *log);
int store_print_schema(const options *opts);

#endif
