/* SPDX-License-Identifier: MIT */
/*
 * The `sleep` handler: the smallest job there is. It is for trying things out, for delays within a chain of jobs, and for tests; it
 * ends at once when the job is canceled, lost or timed out.
 */
#include "core/buf.h"
#include "wire/emit.h"
#include "wire/json.h"
#include "worker/run.h"

#include <taskq/worker.h>

#include <inttypes.h>

#define SLEEP_MS_MAX TASKQ_TIMEOUT_MS_MAX /* a longer one would always time out */

static taskq_status run_sleep(taskq_run *run, void *user)
{
    (void)user;
    static const char *const fields[] = {"duration_ms", NULL};
    taskq_error err = TASKQ_ERROR_INIT;
    taskq__doc *doc = NULL;
    int64_t duration_ms = 0;

    taskq_status status = taskq__doc_parse(taskq__run_allocator(run), taskq_run_job(run)->payload, &doc, &err);
    if (status == TASKQ_OK) {
        status = taskq__value_only(taskq__doc_root(doc), fields, &err);
    }
    if (status == TASKQ_OK) {
        status = taskq__value_int(taskq__doc_root(doc), "duration_ms", true, 0, 0, SLEEP_MS_MAX, &duration_ms, &err);
    }
    taskq__doc_free(doc);
    if (status != TASKQ_OK) {
        return taskq__run_bad_payload(run, &err);
    }

    if (taskq_run_sleep(run, duration_ms) != TASKQ_RUN_GOES_ON) {
        return taskq_run_fail(run, "interrupted", "the sleep was ended before its %" PRId64 " ms were over",
                              duration_ms);
    }
    taskq__buf result;
    taskq__buf_init(&result, taskq__run_allocator(run), 64);
    taskq__emit_open(&result, '{');
    taskq__emit_key(&result, "slept_ms");
    taskq__emit_int(&result, duration_ms);
    taskq__emit_close(&result, '}');
    status = taskq_run_result(run, taskq__buf_text(&result));
    taskq__buf_clear(&result);
    return status;
}

taskq_status taskq_worker_handle_sleep(taskq_worker *worker, taskq_error *err)
{
    return taskq_worker_handle(worker, "sleep", run_sleep, NULL, err);
}
