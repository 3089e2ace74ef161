/* SPDX-License-Identifier: MIT */
/* What a request changed, noted by its handler for the line that says so. Texts live as long as the request. */
#ifndef TASKQ_SERVER_AUDIT_H
#define TASKQ_SERVER_AUDIT_H

#include "server/front.h"

struct taskq_server;

void taskq__audit_jobs(taskq__request *request, const taskq_jobs *jobs);
void taskq__audit_queue(taskq__request *request, taskq_text queue);
/* What was done, where the route does not say it; `count`: to how many. */
void taskq__audit_action(taskq__request *request, const char *action, uint32_t count);

/* The request was answered: a line, if it changed something and whoever asked is to be named. */
void taskq__audit(const struct taskq_server *server, const taskq__request *request, const taskq__reply *reply);

#endif
