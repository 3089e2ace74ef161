/* SPDX-License-Identifier: MIT */
/* What is compiled in and served as it is. */
#ifndef TASKQ_SERVER_PAGES_H
#define TASKQ_SERVER_PAGES_H

#include <taskq/job.h>

extern const taskq_text taskq__openapi, taskq__docs_html, taskq__docs_style, taskq__docs_script;

#endif
