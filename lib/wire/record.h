/* SPDX-License-Identifier: MIT */
/*
 * Records to JSON and back, by one field table a record (name, kind, range, place in the struct) and one engine: what is unknown,
 * given twice, of the wrong kind or out of range is an error that names the field.
 * `path` is the JSON pointer of the record itself ("" or "/jobs/3"), put before the field's name in err.field.
 */
#ifndef TASKQ_WIRE_RECORD_H
#define TASKQ_WIRE_RECORD_H

#include "core/buf.h"
#include "core/scan.h"

#include <taskq/scheduler.h>

/* Keys whose values stay opaque when a request is scanned. */
extern const char *const taskq__wire_opaque[]; /* "payload", "result" */

/* From JSON. `node` is the record in the tape. EINVAL with the field. */
taskq_status taskq__wire_read_new_job(const taskq__json *json, uint32_t node, const char *path, taskq_arena *arena,
                                      taskq_new_job *out, taskq_error *err);

/* {"version", "status", "result"} or {"version", "status", "error", "retry", "retry_in_ms"}; with_id: "id" too. The error is cut to its bounds and
 * written anew as {"code","message","trace"}. An id that is there is in out->id even when EINVAL is returned for another field. */
taskq_status taskq__wire_read_report(const taskq__json *json, uint32_t node, const char *path, bool with_id,
                                     taskq_arena *arena, taskq_report *out, taskq_error *err);
taskq_status taskq__wire_read_heartbeat(const taskq__json *json, uint32_t node, const char *path, bool with_id,
                                        taskq_arena *arena, taskq_heartbeat *out, taskq_error *err);

typedef struct taskq__wire_release {
    int64_t version, delay_ms;
} taskq__wire_release;
taskq_status taskq__wire_read_release(const taskq__json *json, uint32_t node, taskq_arena *arena,
                                      taskq__wire_release *out, taskq_error *err);

/* What next-job takes: from a query (name and value, already decoded) or from a JSON object; `in_batch`: the "next" of /jobs/complete (no wait). */
typedef struct taskq__wire_claim {
    taskq_text queues[TASKQ_CLAIM_NAMES_MAX], types[TASKQ_CLAIM_NAMES_MAX];
    uint32_t queue_count, type_count;
    taskq_text worker, poll, host, version;
    uint32_t limit; /* 0: not given */
    int64_t wait_ms;
    uint32_t concurrency;
    uint32_t seen; /* private: which were given */
} taskq__wire_claim;
taskq_status taskq__wire_read_claim(const taskq__json *json, uint32_t node, const char *path, bool in_batch,
                                    taskq_arena *arena, taskq__wire_claim *out, taskq_error *err);
taskq_status taskq__wire_claim_param(taskq_text name, taskq_text value, taskq_arena *arena, taskq__wire_claim *out,
                                     taskq_error *err);
taskq_status taskq__wire_claim_check(const taskq__wire_claim *claim, taskq_error *err); /* poll needs worker, ... */

typedef struct taskq__wire_bulk {
    taskq_bulk_action action;
    int64_t *ids;
    uint32_t id_count;
    taskq_filter filter;
    bool has_ids;
} taskq__wire_bulk;
taskq_status taskq__wire_read_bulk(const taskq__json *json, uint32_t node, taskq_arena *arena, taskq__wire_bulk *out,
                                   taskq_error *err);

typedef struct taskq__wire_queue_patch {
    bool has_paused, paused;
} taskq__wire_queue_patch;
taskq_status taskq__wire_read_queue_patch(const taskq__json *json, uint32_t node, taskq_arena *arena,
                                          taskq__wire_queue_patch *out, taskq_error *err);

/* A job that a server sent (worker and client side): unknown fields are skipped, so that an older worker understands a newer server. */
taskq_status taskq__wire_read_job(const taskq__json *json, uint32_t node, taskq_arena *arena, taskq_job *out,
                                  taskq_error *err);

/* To JSON. */
enum { TASKQ__WIRE_DETAIL = 1 }; /* attempts and log too */
void taskq__wire_write_job(taskq__buf *buf, const taskq_job *job, uint32_t parts);
void taskq__wire_write_new_job(taskq__buf *buf,
                               const taskq_new_job *job); /* only what differs from the defaults, and type and payload */
void taskq__wire_write_queue(taskq__buf *buf, const taskq_queue *queue);
/* {"code": ..., "message": ..., "trace": ...}, each cut to its bound; size 0: left out. */
void taskq__wire_write_error(taskq__buf *buf, taskq_text code, taskq_text message, taskq_text trace);

#endif
