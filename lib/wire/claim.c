/* SPDX-License-Identifier: MIT */
/*
 * What next-job takes, whether it comes in a query, as a JSON object or as the "next" of a report: one table for all three, so that
 * the ways of asking cannot drift apart.
 */
#include "wire/api_fields.h"
#include "wire/fields.h"
#include "wire/record.h"

#include "core/fail.h"
#include "core/text.h"

/* A comma-separated list of names; a name given twice is kept once. */
static taskq_status put_names(taskq_text list, taskq_text *names, uint32_t *count, taskq_error *err)
{
    taskq_text kept[TASKQ_CLAIM_NAMES_MAX], name, rest = list;
    uint32_t found = 0, i = 0;
    if (list.size == 0) {
        return taskq__fail_field(err, TASKQ_EINVAL, "", "must not be empty");
    }
    while (taskq__text_next_of_list(&rest, &name)) {
        if (!taskq__text_is_name(name)) {
            return taskq__fail_field(
                err, TASKQ_EINVAL, "",
                "must be names of A-Z a-z 0-9 . _ : / -, 128 characters at most, with a comma between");
        }
        for (i = 0; i < found && !taskq__text_equal(kept[i], name); i++) {}
        if (i < found) {
            continue;
        }
        if (found == TASKQ_CLAIM_NAMES_MAX) {
            return taskq__fail_field(err, TASKQ_EINVAL, "", "must have %d names at most", TASKQ_CLAIM_NAMES_MAX);
        }
        kept[found++] = name;
    }
    for (i = 0; i < found; i++) {
        names[i] = kept[i];
    }
    *count = found;
    return TASKQ_OK;
}

/* What the table is read into; queue and type are lists only behind it, seconds become milliseconds. */
typedef struct claim_fields {
    taskq_text queue, type, worker, poll, host, version;
    uint32_t limit, concurrency;
    double wait;
} claim_fields;

enum {
    CLAIM_QUEUE,
    CLAIM_TYPE,
    CLAIM_WORKER,
    CLAIM_POLL,
    CLAIM_LIMIT,
    CLAIM_CONCURRENCY,
    CLAIM_HOST,
    CLAIM_VERSION,
    CLAIM_WAIT
};

static const taskq__field claim_table[] = {
    [CLAIM_QUEUE] = {TASKQ__ROW(TASKQ__API_CLAIM_REQUEST_QUEUE, claim_fields, queue, TASKQ__FIELD_STRING)},
    [CLAIM_TYPE] = {TASKQ__ROW(TASKQ__API_CLAIM_REQUEST_TYPE, claim_fields, type, TASKQ__FIELD_STRING)},
    [CLAIM_WORKER] = {TASKQ__ROW(TASKQ__API_CLAIM_REQUEST_WORKER, claim_fields, worker, TASKQ__FIELD_NAME)},
    [CLAIM_POLL] = {TASKQ__ROW(TASKQ__API_CLAIM_REQUEST_POLL, claim_fields, poll, TASKQ__FIELD_NAME)},
    [CLAIM_LIMIT] = {TASKQ__ROW(TASKQ__API_CLAIM_REQUEST_LIMIT, claim_fields, limit, TASKQ__FIELD_UINT32)},
    [CLAIM_CONCURRENCY] = {TASKQ__ROW(TASKQ__API_CLAIM_REQUEST_CONCURRENCY, claim_fields, concurrency,
                                      TASKQ__FIELD_UINT32)},
    [CLAIM_HOST] = {TASKQ__ROW(TASKQ__API_CLAIM_REQUEST_HOST, claim_fields, host, TASKQ__FIELD_LABEL)},
    [CLAIM_VERSION] = {TASKQ__ROW(TASKQ__API_CLAIM_REQUEST_VERSION, claim_fields, version, TASKQ__FIELD_LABEL)},
    /* the last: the "next" of a report has none */
    [CLAIM_WAIT] = {TASKQ__ROW(TASKQ__API_CLAIM_REQUEST_WAIT, claim_fields, wait, TASKQ__FIELD_DOUBLE)},
};
TASKQ__ALL_OF(claim_table, TASKQ__API_CLAIM_REQUEST);

/* Puts the `i`-th field of the table where the claim has it. */
static taskq_status put(const claim_fields *fields, uint32_t i, taskq__wire_claim *claim, taskq_error *err)
{
    switch (i) {
    case CLAIM_QUEUE: return put_names(fields->queue, claim->queues, &claim->queue_count, err);
    case CLAIM_TYPE: return put_names(fields->type, claim->types, &claim->type_count, err);
    case CLAIM_WORKER: claim->worker = fields->worker; break;
    case CLAIM_POLL: claim->poll = fields->poll; break;
    case CLAIM_LIMIT: claim->limit = fields->limit; break;
    case CLAIM_CONCURRENCY: claim->concurrency = fields->concurrency; break;
    case CLAIM_HOST: claim->host = fields->host; break;
    case CLAIM_VERSION: claim->version = fields->version; break;
    case CLAIM_WAIT: claim->wait_ms = (int64_t)(fields->wait * 1000 + 0.5); break;
    default: break;
    }
    return TASKQ_OK;
}

static taskq_status put_given(const claim_fields *fields, uint32_t given, taskq__wire_claim *claim, taskq_error *err)
{
    for (uint32_t i = 0; i < TASKQ__COUNT(claim_table); i++) {
        if ((given & 1u << i) == 0) {
            continue;
        }
        taskq_status status = put(fields, i, claim, err);
        if (status != TASKQ_OK) {
            taskq__field_prefix_name(err, claim_table[i].name);
            return status;
        }
    }
    claim->seen = given;
    return TASKQ_OK;
}

taskq_status taskq__wire_claim_check(const taskq__wire_claim *claim, taskq_error *err)
{
    if (claim->poll.size > 0 && claim->worker.size == 0) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/poll", "needs worker");
    }
    return TASKQ_OK;
}

taskq_status taskq__wire_read_claim(const taskq__json *json, uint32_t node, const char *path, bool in_batch,
                                    taskq_arena *arena, taskq__wire_claim *out, taskq_error *err)
{
    const taskq__reader reader = {json, arena, err, false};
    uint32_t rows = in_batch ? CLAIM_WAIT : TASKQ__COUNT(claim_table), given = 0;
    claim_fields fields = {.wait = 0};
    taskq__wire_claim claim = {.queue_count = 0};
    taskq_status status = taskq__fields_read(&reader, node, claim_table, rows, &fields, &given);
    if (status == TASKQ_OK) {
        status = put_given(&fields, given, &claim, err);
    }
    if (status == TASKQ_OK) {
        status = taskq__wire_claim_check(&claim, err);
    }
    if (status != TASKQ_OK) {
        taskq__field_prefix_path(err, path);
        return status;
    }
    *out = claim;
    return TASKQ_OK;
}

taskq_status taskq__wire_claim_param(taskq_text name, taskq_text value, taskq_arena *arena, taskq__wire_claim *out,
                                     taskq_error *err)
{
    claim_fields fields = {.wait = 0};
    uint32_t i = 0;
    taskq_text kept;
    for (; i < TASKQ__COUNT(claim_table) && !taskq__text_is(name, claim_table[i].name); i++) {}
    if (i == TASKQ__COUNT(claim_table)) {
        return taskq__field_fail(err, name, "unknown parameter");
    }
    if ((out->seen & 1u << i) != 0) {
        return taskq__field_fail(err, name, "is given twice");
    }
    if (!taskq_arena_copy(arena, value.data, value.size,
                          &kept)) { /* a decoded query is short-lived, the claim may be held */
        return taskq__fail_memory(err);
    }
    taskq_status status = taskq__field_from_text(kept, &claim_table[i], &fields, err);
    if (status == TASKQ_OK) {
        status = put(&fields, i, out, err);
    }
    if (status != TASKQ_OK) {
        taskq__field_prefix_name(err, claim_table[i].name);
        return status;
    }
    out->seen |= 1u << i;
    return TASKQ_OK;
}
