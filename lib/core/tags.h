/* SPDX-License-Identifier: MIT */
/* A job's tags as a store keeps them: one text, a space between (no name has one). */
#ifndef TASKQ_CORE_TAGS_H
#define TASKQ_CORE_TAGS_H

#include <taskq/sys/arena.h>

/* Size 0: there is none. false: no memory. */
bool taskq__tags_join(const taskq_job *job, taskq_arena *arena, taskq_text *out);
/* The tags of `out` point into the text. */
void taskq__tags_split(taskq_text tags, taskq_job *out);

#endif
