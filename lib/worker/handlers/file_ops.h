/* SPDX-License-Identifier: MIT */
/* The operations of the `file` handler: each does one thing below the root and says in `out` how it went. */
#ifndef TASKQ_WORKER_HANDLERS_FILE_OPS_H
#define TASKQ_WORKER_HANDLERS_FILE_OPS_H

#include "core/buf.h"

#include <taskq/worker.h>

enum {
    TASKQ__FILE_READ_BYTES_MAX = 512 << 10, /* what `read` hands back; in base64 it still fits into a report */
    TASKQ__FILE_LIST_ENTRIES_MAX = 5000,
    TASKQ__FILE_RESULT_BYTES_MAX = 900 << 10
};

typedef struct taskq__file_job {
    int root_fd;
    const char *path, *to; /* `to`: copy and move */
    taskq_text content;    /* write and append: the bytes */
    bool base64;           /* read: hand it back so */
    bool overwrite, parents;
    int64_t bytes_max; /* what may be made, copied or summed up */
} taskq__file_job;

/* What failed: errno is negative, 0 where the operation succeeded. `what` names the step, for people. */
typedef struct taskq__file_failure {
    int error;
    const char *what;
} taskq__file_failure;

/* Each adds its members to the object that is open in `result`. */
typedef taskq__file_failure taskq__file_op(const taskq__file_job *job, taskq_run *run, taskq__buf *result);

/* file_read.c */
taskq__file_op taskq__file_read, taskq__file_list, taskq__file_stat, taskq__file_checksum;
/* file_write.c */
taskq__file_op taskq__file_write, taskq__file_append, taskq__file_copy, taskq__file_move, taskq__file_delete,
    taskq__file_mkdir;

/* Opens a regular file for reading; -EISDIR and -EINVAL for what is none. `size` may be NULL. */
int taskq__file_open_regular(int root_fd, const char *path, int64_t *size);
/* As above, and -EFBIG where it is larger than `bytes_max` now. */
int taskq__file_open_bounded(const taskq__file_job *job);

#endif
