/* SPDX-License-Identifier: MIT */
/*
 * Everything: both halves. A program that needs one half includes <taskq/scheduler.h> (with <taskq/sqlite.h> and, for HTTP,
 * <taskq/server.h>) or <taskq/worker.h> (with <taskq/client.h>) and links taskq-scheduler or taskq-worker.
 */
#ifndef TASKQ_TASKQ_H
#define TASKQ_TASKQ_H

#include <taskq/alloc.h>
#include <taskq/client.h>
#include <taskq/clock.h>
#include <taskq/export.h>
#include <taskq/job.h>
#include <taskq/log.h>
#include <taskq/scheduler.h>
#include <taskq/server.h>
#include <taskq/sqlite.h>
#include <taskq/status.h>
#include <taskq/store.h>
#include <taskq/tokens.h>
#include <taskq/version.h>
#include <taskq/worker.h>

#endif
