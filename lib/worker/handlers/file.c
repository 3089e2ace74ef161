/* SPDX-License-Identifier: MIT */
/*
 * The `file` handler: reads what the payload asks for, calls the operation, and turns its errno into an error that tells an operator
 * what to do. Reading the payload and touching files are kept apart: this file never opens one but the root.
 */
#include "core/alloc.h"
#include "core/fail.h"
#include "core/sized.h"
#include "wire/base64.h"
#include "wire/emit.h"
#include "wire/json.h"
#include "worker/handlers/confine.h"
#include "worker/handlers/file_ops.h"
#include "worker/run.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CONTENT_BYTES_MAX (64u << 20) /* more than any server's body limit */
#define FILE_BYTES_MAX_DEFAULT ((int64_t)1 << 30)

typedef struct file_handler {
    const taskq_allocator *allocator;
    int root_fd;
    int64_t bytes_max;
} file_handler;

enum { NEEDS_CONTENT = 1, NEEDS_TO = 2, TAKES_ENCODING = 4, TAKES_OVERWRITE = 8, TAKES_PARENTS = 16 };

static const struct operation {
    const char *name;
    taskq__file_op *run;
    unsigned needs;
} operations[] = {
    {"write", taskq__file_write, NEEDS_CONTENT | TAKES_ENCODING | TAKES_OVERWRITE | TAKES_PARENTS},
    {"append", taskq__file_append, NEEDS_CONTENT | TAKES_ENCODING | TAKES_PARENTS},
    {"read", taskq__file_read, TAKES_ENCODING},
    {"copy", taskq__file_copy, NEEDS_TO | TAKES_OVERWRITE | TAKES_PARENTS},
    {"move", taskq__file_move, NEEDS_TO | TAKES_OVERWRITE | TAKES_PARENTS},
    {"delete", taskq__file_delete, 0},
    {"mkdir", taskq__file_mkdir, TAKES_PARENTS},
    {"list", taskq__file_list, 0},
    {"stat", taskq__file_stat, 0},
    {"checksum", taskq__file_checksum, 0},
};

static const struct operation *find_operation(const char *name)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (strcmp(operations[i].name, name) == 0) {
            return &operations[i];
        }
    }
    return NULL;
}

/* The payload, read and checked; the texts in `job` live in the document, the content in `content`. */
static taskq_status read_payload(const taskq__value *payload, taskq__buf *content, taskq__file_job *job,
                                 const struct operation **operation, taskq_error *err)
{
    static const char *const fields[] = {
        "op", "path", "to", "content", "encoding", "overwrite", "parents", NULL,
    };
    const char *op = NULL, *text = NULL, *encoding = NULL;

    taskq_status status = taskq__value_only(payload, fields, err);
    if (status != TASKQ_OK || (status = taskq__value_string(payload, "op", true, NULL, &op, err)) != TASKQ_OK ||
        (status = taskq__value_string(payload, "path", true, NULL, &job->path, err)) != TASKQ_OK ||
        (status = taskq__value_string(payload, "to", false, NULL, &job->to, err)) != TASKQ_OK ||
        (status = taskq__value_string(payload, "content", false, NULL, &text, err)) != TASKQ_OK ||
        (status = taskq__value_string(payload, "encoding", false, "utf-8", &encoding, err)) != TASKQ_OK ||
        (status = taskq__value_bool(payload, "overwrite", true, &job->overwrite, err)) != TASKQ_OK ||
        (status = taskq__value_bool(payload, "parents", false, &job->parents, err)) != TASKQ_OK) {
        return status;
    }
    *operation = find_operation(op);
    if (*operation == NULL) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/op",
                                 "must be write, append, read, copy, move, delete, mkdir, list, stat or checksum");
    }
    job->base64 = strcmp(encoding, "base64") == 0;
    if (!job->base64 && strcmp(encoding, "utf-8") != 0) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/encoding", "must be utf-8 or base64");
    }
    if (((*operation)->needs & NEEDS_TO) != 0 && job->to == NULL) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/to", "is required for %s", op);
    }
    if (((*operation)->needs & NEEDS_CONTENT) == 0) {
        return TASKQ_OK;
    }
    if (text == NULL) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/content", "is required for %s", op);
    }
    job->content = taskq_text_of(text);
    if (job->base64) {
        status = taskq__base64_decode(content, job->content);
        if (status == TASKQ_ENOMEM) {
            return taskq__fail_memory(err);
        }
        if (status != TASKQ_OK) {
            return taskq__fail_field(err, TASKQ_EINVAL, "/content", "is not valid base64");
        }
        job->content = taskq__buf_text(content);
    }
    return TASKQ_OK;
}

/* An errno as an error of the job: a code that programs can tell apart, and whether trying again makes sense. */
static taskq_status report_failure(taskq_run *run, const taskq__file_job *job, taskq__file_failure failure)
{
    static const struct {
        int error;
        const char *code;
        bool final;
    } codes[] = {
        {EXDEV, "outside-root", true},     {ELOOP, "outside-root", true},       {EINVAL, "bad-path", true},
        {ENAMETOOLONG, "bad-path", true},  {ENOENT, "not-found", false},        {EEXIST, "exists", false},
        {EISDIR, "is-a-directory", false}, {ENOTDIR, "not-a-directory", false}, {ENOTEMPTY, "not-empty", false},
        {EACCES, "not-allowed", false},    {EPERM, "not-allowed", false},       {ENOSPC, "disk-full", false},
        {EDQUOT, "disk-full", false},      {EFBIG, "too-large", true},          {EROFS, "read-only", false},
        {ECANCELED, "interrupted", false},
    };
    int error = -failure.error;
    const char *code = "io-error";
    bool final = false;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].error == error) {
            code = codes[i].code;
            final = codes[i].final;
        }
    }
    if (job->path[0] == '\0' || (job->to != NULL && job->to[0] == '\0')) {
        code = "bad-path";
        final = true;
    }
    if (final) {
        taskq_run_no_retry(run);
    }
    char reason[128];
    const char *text = strerror_r(error, reason, sizeof(reason));
    const char *explained = error == EXDEV || error == ELOOP ? "the path leaves the root" : text;
    return taskq_run_fail(run, code, "%s: %s (path \"%.200s\"%s%.200s%s)", failure.what, explained, job->path,
                          job->to != NULL ? ", to \"" : "", job->to != NULL ? job->to : "", job->to != NULL ? "\"" : "");
}

static taskq_status run_file(taskq_run *run, void *user)
{
    taskq_error err = TASKQ_ERROR_INIT;
    const file_handler *handler = user;
    taskq__file_job job = {.root_fd = handler->root_fd, .bytes_max = handler->bytes_max};
    const struct operation *operation = NULL;
    taskq__doc *doc = NULL;
    taskq__buf content, result;
    taskq__buf_init(&content, taskq__run_allocator(run), CONTENT_BYTES_MAX);
    taskq__buf_init(&result, taskq__run_allocator(run), TASKQ__FILE_RESULT_BYTES_MAX);

    taskq_status status = taskq__doc_parse(taskq__run_allocator(run), taskq_run_job(run)->payload, &doc, &err);
    if (status == TASKQ_OK) {
        status = read_payload(taskq__doc_root(doc), &content, &job, &operation, &err);
    }
    if (status != TASKQ_OK) {
        status = taskq__run_bad_payload(run, &err);
        goto out;
    }

    taskq__emit_open(&result, '{');
    taskq__file_failure failure = operation->run(&job, run, &result);
    taskq__emit_close(&result, '}');
    if (failure.error == 0 && result.failed) {
        failure = result.no_memory ? (taskq__file_failure){-ENOMEM, "write the result"}
                                   : (taskq__file_failure){-EFBIG, "the result is too large for a report"};
    }
    status = failure.error != 0 ? report_failure(run, &job, failure) : taskq_run_result(run, taskq__buf_text(&result));

out:
    taskq__buf_clear(&result);
    taskq__buf_clear(&content);
    taskq__doc_free(doc);
    return status;
}

static void close_handler(void *user)
{
    file_handler *handler = user;
    close(handler->root_fd);
    taskq__free(handler->allocator, handler);
}

taskq_status taskq_worker_handle_file(taskq_worker *worker, const char *root, taskq_error *err)
{
    return taskq_worker_handle_file_with(worker, root, NULL, err);
}

taskq_status taskq_worker_handle_file_with(taskq_worker *worker, const char *root, const taskq_file_options *from,
                                           taskq_error *err)
{
    if (worker == NULL || root == NULL || root[0] == '\0') {
        return taskq__fail(err, TASKQ_EINVAL, "file handler: needs a worker and a root directory");
    }
    taskq_file_options options = TASKQ_FILE_OPTIONS_INIT;
    taskq_status status = from == NULL ? TASKQ_OK : TASKQ__SIZED_IN(from, &options, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (options.file_bytes_max < 0) {
        return taskq__fail(err, TASKQ_EINVAL, "file handler: no bound is negative");
    }
    int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return taskq__fail(err, errno == ENOENT ? TASKQ_ENOTFOUND : TASKQ_EINVAL, "file root %s: %s", root,
                           strerror(errno)); /* NOLINT: before any thread of ours */
    }
    int probe = taskq__confine_probe(fd);
    if (probe != 0) {
        close(fd);
        return taskq__fail(err, TASKQ_EUNAVAIL, "file root %s: %s", root,
                           strerror(-probe)); /* NOLINT: before any thread of ours */
    }
    const taskq_allocator *a = taskq__worker_allocator(worker);
    file_handler *handler = taskq__alloc(a, sizeof(*handler));
    if (handler == NULL) {
        close(fd);
        return taskq__fail_memory(err);
    }
    handler->allocator = a;
    handler->root_fd = fd;
    handler->bytes_max = options.file_bytes_max > 0 ? options.file_bytes_max : FILE_BYTES_MAX_DEFAULT;
    return taskq__worker_handle_owned(worker, "file", run_file, handler, close_handler, err);
}
