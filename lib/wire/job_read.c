/* SPDX-License-Identifier: MIT */
/*
 * A job that a server sent, for the worker and the client. Lenient where requests are strict: unknown fields are skipped and every
 * field but the id may be missing, so that an older worker understands a newer server and a minimal answer.
 */
#include "wire/backoff_fields.h"
#include "wire/record.h"

#include "core/fail.h"
#include "core/job.h"
#include "core/text.h"

static const taskq__field any_string = {.kind = TASKQ__FIELD_STRING};

/* States that a newer server may have are 0 here. */
static taskq_status read_state(const taskq__reader *reader, uint32_t node, const taskq__field *field, void *place)
{
    taskq_text word;
    taskq_state state = (taskq_state)0;
    (void)field;
    taskq_status status = taskq__field_from_node(reader, node, &any_string, &word);
    if (status == TASKQ_OK) {
        (void)taskq__state_parse(word, &state);
        *(taskq_state *)place = state;
    }
    return status;
}

static taskq_status read_outcome(const taskq__reader *reader, uint32_t node, const taskq__field *field, void *place)
{
    taskq_text word;
    (void)field;
    taskq_status status = taskq__field_from_node(reader, node, &any_string, &word);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq_outcome outcome = TASKQ_OUTCOME_NONE;
    for (int i = TASKQ_OUTCOME_SUCCEEDED; i <= TASKQ_OUTCOME_CANCELED; i++) {
        if (taskq__text_is(word, taskq_outcome_name((taskq_outcome)i))) {
            outcome = (taskq_outcome)i;
        }
    }
    *(taskq_outcome *)place = outcome;
    return TASKQ_OK;
}

/* An object as the text that came; null is none. */
static taskq_status read_raw_object(const taskq__reader *reader, uint32_t node, const taskq__field *field, void *place)
{
    (void)field;
    if (reader->json->nodes[node].kind != TASKQ__JSON_OBJECT) {
        return taskq__fail_field(reader->err, TASKQ_EINVAL, "", "must be an object");
    }
    *(taskq_text *)place = taskq__json_span(reader->json, node);
    return TASKQ_OK;
}

static taskq_status read_tags(const taskq__reader *reader, uint32_t node, const taskq__field *field, void *place)
{
    taskq_job *job = place;
    (void)field;
    return taskq__read_names(reader, node, job->tags, TASKQ_TAGS_MAX, &job->tag_count);
}

static const taskq__field attempt_table[] = {
    {TASKQ__FIELD("attempt", taskq_attempt, attempt, TASKQ__FIELD_INT32), .min = 0, .max = INT32_MAX},
    {TASKQ__FIELD("worker", taskq_attempt, worker, TASKQ__FIELD_STRING)},
    {TASKQ__FIELD("started_at", taskq_attempt, started_at_ms, TASKQ__FIELD_TIME)},
    {TASKQ__FIELD("finished_at", taskq_attempt, finished_at_ms, TASKQ__FIELD_TIME)},
    {TASKQ__FIELD("outcome", taskq_attempt, outcome, TASKQ__FIELD_CUSTOM), .read = read_outcome},
    {TASKQ__FIELD("error", taskq_attempt, error, TASKQ__FIELD_CUSTOM), .read = read_raw_object},
};

static taskq_status read_attempts(const taskq__reader *reader, uint32_t node, const taskq__field *field, void *place)
{
    taskq_job *job = place;
    const taskq__json_node *nodes = reader->json->nodes;
    uint32_t index = 0;
    (void)field;
    if (nodes[node].kind != TASKQ__JSON_ARRAY) {
        return taskq__fail_field(reader->err, TASKQ_EINVAL, "", "must be an array");
    }
    taskq_attempt *attempts = taskq_arena_alloc(reader->arena, nodes[node].count * sizeof(*attempts));
    if (attempts == NULL) {
        return taskq__fail_memory(reader->err);
    }
    for (uint32_t at = node + 1; at < nodes[node].next; at = nodes[at].next, index++) {
        taskq_status status =
            taskq__fields_read(reader, at, attempt_table, TASKQ__COUNT(attempt_table), &attempts[index], NULL);
        if (status != TASKQ_OK) {
            taskq__field_prefix_index(reader->err, index);
            return status;
        }
    }
    job->attempts = attempts;
    job->attempt_count = index;
    return TASKQ_OK;
}

#define COUNT64(text, member)                                                                 \
    {                                                                                         \
        TASKQ__FIELD(text, taskq_job, member, TASKQ__FIELD_INT64), .min = 0, .max = INT64_MAX \
    }
#define COUNT32(text, member)                                                                 \
    {                                                                                         \
        TASKQ__FIELD(text, taskq_job, member, TASKQ__FIELD_INT32), .min = 0, .max = INT32_MAX \
    }
#define STRING(text, member)                                       \
    {                                                              \
        TASKQ__FIELD(text, taskq_job, member, TASKQ__FIELD_STRING) \
    }
#define TIME(text, member)                                       \
    {                                                            \
        TASKQ__FIELD(text, taskq_job, member, TASKQ__FIELD_TIME) \
    }

static const taskq__field job_table[] = {
    {TASKQ__FIELD("id", taskq_job, id, TASKQ__FIELD_INT64), .required = true, .min = 1, .max = INT64_MAX},
    STRING("queue", queue),
    STRING("type", type),
    {TASKQ__FIELD("payload", taskq_job, payload, TASKQ__FIELD_JSON)},
    {TASKQ__FIELD("state", taskq_job, state, TASKQ__FIELD_CUSTOM), .read = read_state},
    {TASKQ__FIELD("priority", taskq_job, priority, TASKQ__FIELD_INT32), .min = INT32_MIN, .max = INT32_MAX},
    TIME("run_at", run_at_ms),
    COUNT32("attempt", attempt),
    COUNT32("max_attempts", max_attempts),
    COUNT64("timeout_ms", timeout_ms),
    COUNT64("lease_ms", lease_ms),
    {TASKQ__FIELD("backoff", taskq_job, backoff, TASKQ__FIELD_OBJECT), .fields = taskq__backoff_fields,
     .field_count = TASKQ__BACKOFF_FIELDS},
    COUNT64("version", version),
    {.name = "tags", .name_size = 4, .kind = TASKQ__FIELD_CUSTOM, .offset = 0, .read = read_tags},
    STRING("batch", batch),
    STRING("unique_key", unique_key),
    STRING("traceparent", traceparent),
    STRING("worker", worker),
    {TASKQ__FIELD("progress", taskq_job, progress, TASKQ__FIELD_CUSTOM), .read = read_raw_object},
    {TASKQ__FIELD("cancel_requested", taskq_job, cancel_requested, TASKQ__FIELD_BOOL)},
    {TASKQ__FIELD("existing", taskq_job, existing, TASKQ__FIELD_BOOL)},
    {TASKQ__FIELD("result", taskq_job, result, TASKQ__FIELD_JSON)},
    {TASKQ__FIELD("error", taskq_job, error, TASKQ__FIELD_CUSTOM), .read = read_raw_object},
    TIME("created_at", created_at_ms),
    TIME("updated_at", updated_at_ms),
    TIME("started_at", started_at_ms),
    TIME("finished_at", finished_at_ms),
    TIME("lease_expires_at", lease_expires_at_ms),
    {.name = "attempts", .name_size = 8, .kind = TASKQ__FIELD_CUSTOM, .offset = 0, .read = read_attempts},
    STRING("log", log),
};

taskq_status taskq__wire_read_job(const taskq__json *json, uint32_t node, taskq_arena *arena, taskq_job *out,
                                  taskq_error *err)
{
    const taskq__reader reader = {json, arena, err, true};
    taskq_job job = {.id = 0};
    taskq_status status = taskq__fields_read(&reader, node, job_table, TASKQ__COUNT(job_table), &job, NULL);
    if (status == TASKQ_OK) {
        *out = job;
    }
    return status;
}
