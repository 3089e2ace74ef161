/* SPDX-License-Identifier: MIT */
/* What the workers' endpoints for one lease and for many have in common. */
#ifndef TASKQ_SERVER_CLAIM_H
#define TASKQ_SERVER_CLAIM_H

#include "server/api.h"
#include "wire/record.h"

/* Texts and `gone` are those of the request. */
taskq_claim_options taskq__claim_options(const taskq__wire_claim *wanted, const taskq__request *request);

/* Are all of the queues within reach of the token? False: the reply is made. */
bool taskq__claim_admit(const taskq__request *request, taskq__reply *reply, const taskq__wire_claim *wanted);

/* The members of a heartbeat's answer. */
void taskq__beat_emit(taskq__buf *body, const taskq_heartbeat *beat);

/* A sentence for the status of one report or heartbeat. */
const char *taskq__refusal_text(taskq_status status);

#endif
