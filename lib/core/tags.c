/* SPDX-License-Identifier: MIT */
/*
 * Tags are few and short, and no store looks for them by an index: a table of their own would be paid for by every job that is
 * enqueued. So each store keeps them as one text, and here is the only place that knows its form.
 */
#include "core/tags.h"

#include <string.h>

void taskq__tags_split(taskq_text tags, taskq_job *out)
{
    while (tags.size > 0 && out->tag_count < TASKQ_TAGS_MAX) {
        const char *end = memchr(tags.data, ' ', tags.size);
        size_t size = end == NULL ? tags.size : (size_t)(end - tags.data);
        out->tags[out->tag_count++] = (taskq_text){tags.data, size};
        size += end == NULL ? 0 : 1;
        tags = (taskq_text){tags.data + size, tags.size - size};
    }
}

bool taskq__tags_join(const taskq_job *job, taskq_arena *arena, taskq_text *out)
{
    size_t size = 0;
    for (uint32_t i = 0; i < job->tag_count; i++) {
        size += job->tags[i].size + 1;
    }
    if (size == 0) {
        *out = (taskq_text){NULL, 0};
        return true;
    }
    char *text = taskq_arena_alloc(arena, size);
    if (text == NULL) {
        return false;
    }
    size_t at = 0;
    for (uint32_t i = 0; i < job->tag_count; i++) {
        memcpy(text + at, job->tags[i].data, job->tags[i].size);
        at += job->tags[i].size;
        text[at++] = ' ';
    }
    *out = (taskq_text){text, at - 1};
    return true;
}
