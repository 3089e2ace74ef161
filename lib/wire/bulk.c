/* SPDX-License-Identifier: MIT */
/*
 * What operators ask for: bulk changes and changes of a queue. A bulk change without anything that narrows it would touch every job
 * there is, so an empty filter is refused here already, by name.
 */
#include "wire/api_fields.h"
#include "wire/fields.h"
#include "wire/record.h"

#include "core/fail.h"
#include "core/job.h"
#include "core/text.h"

enum { BULK_IDS_MAX = TASKQ__API_BULK_FILTER_IDS_MAX };

static taskq_status read_ids(const taskq__reader *reader, uint32_t node, const taskq__field *field, void *place)
{
    static const taskq__field one = {.kind = TASKQ__FIELD_INT64, .min = 1, .max = INT64_MAX};
    taskq__wire_bulk *bulk = place;
    const taskq__json_node *nodes = reader->json->nodes;
    uint32_t count = nodes[node].count, index = 0;
    (void)field;
    if (nodes[node].kind != TASKQ__JSON_ARRAY || count < 1 || count > BULK_IDS_MAX) {
        return taskq__fail_field(reader->err, TASKQ_EINVAL, "", "must be an array of 1 to %d ids", BULK_IDS_MAX);
    }
    int64_t *ids = taskq_arena_alloc(reader->arena, count * sizeof(*ids));
    if (ids == NULL) {
        return taskq__fail_memory(reader->err);
    }
    for (uint32_t at = node + 1; at < nodes[node].next; at = nodes[at].next, index++) {
        taskq_status status = taskq__field_from_node(reader, at, &one, &ids[index]);
        if (status != TASKQ_OK) {
            taskq__field_prefix_index(reader->err, index);
            return status;
        }
    }
    bulk->ids = ids;
    bulk->id_count = count;
    bulk->has_ids = true;
    return TASKQ_OK;
}

static taskq_status read_state(const taskq__reader *reader, uint32_t node, const taskq__field *field, void *place)
{
    static const taskq__field word = {.kind = TASKQ__FIELD_STRING};
    taskq_text text;
    (void)field;
    taskq_status status = taskq__field_from_node(reader, node, &word, &text);
    if (status == TASKQ_OK && taskq__state_parse(text, place) != TASKQ_OK) {
        status = taskq__fail_field(reader->err, TASKQ_EINVAL, "",
                                   "must be queued, scheduled, blocked, running, succeeded, failed or canceled");
    }
    return status;
}

static const taskq__field filter_table[] = {
    {TASKQ__API_BULK_FILTER_IDS, .kind = TASKQ__FIELD_CUSTOM, .offset = 0, .read = read_ids},
    {TASKQ__ROW(TASKQ__API_BULK_FILTER_STATE, taskq__wire_bulk, filter.state, TASKQ__FIELD_CUSTOM), .read = read_state},
    {TASKQ__ROW(TASKQ__API_BULK_FILTER_QUEUE, taskq__wire_bulk, filter.queue, TASKQ__FIELD_NAME)},
    {TASKQ__ROW(TASKQ__API_BULK_FILTER_TYPE, taskq__wire_bulk, filter.type, TASKQ__FIELD_NAME)},
    {TASKQ__ROW(TASKQ__API_BULK_FILTER_TAG, taskq__wire_bulk, filter.tag, TASKQ__FIELD_NAME)},
    {TASKQ__ROW(TASKQ__API_BULK_FILTER_BATCH, taskq__wire_bulk, filter.batch, TASKQ__FIELD_NAME)},
};
TASKQ__ALL_OF(filter_table, TASKQ__API_BULK_FILTER);

static taskq_status read_filter(const taskq__reader *reader, uint32_t node, const taskq__field *field, void *place)
{
    uint32_t given = 0;
    (void)field;
    taskq_status status = taskq__fields_read(reader, node, filter_table, TASKQ__COUNT(filter_table), place, &given);
    if (status == TASKQ_OK && given == 0) {
        status = taskq__fail_field(reader->err, TASKQ_EINVAL, "", "must not be empty");
    }
    return status;
}

static taskq_status read_action(const taskq__reader *reader, uint32_t node, const taskq__field *field, void *place)
{
    static const taskq__field word = {.kind = TASKQ__FIELD_STRING};
    taskq_bulk_action *action = place;
    taskq_text text;
    (void)field;
    taskq_status status = taskq__field_from_node(reader, node, &word, &text);
    if (status != TASKQ_OK) {
        return status;
    }
    if (taskq__text_is(text, "cancel")) {
        *action = TASKQ_BULK_CANCEL;
    } else if (taskq__text_is(text, "retry")) {
        *action = TASKQ_BULK_RETRY;
    } else if (taskq__text_is(text, "delete")) {
        *action = TASKQ_BULK_DELETE;
    } else {
        return taskq__fail_field(reader->err, TASKQ_EINVAL, "", "must be cancel, retry or delete");
    }
    return TASKQ_OK;
}

static const taskq__field bulk_table[] = {
    {TASKQ__ROW(TASKQ__API_BULK_REQUEST_ACTION, taskq__wire_bulk, action, TASKQ__FIELD_CUSTOM), .read = read_action},
    {TASKQ__API_BULK_REQUEST_FILTER, .kind = TASKQ__FIELD_CUSTOM, .offset = 0, .read = read_filter},
};
TASKQ__ALL_OF(bulk_table, TASKQ__API_BULK_REQUEST);

taskq_status taskq__wire_read_bulk(const taskq__json *json, uint32_t node, taskq_arena *arena, taskq__wire_bulk *out,
                                   taskq_error *err)
{
    const taskq__reader reader = {json, arena, err, false};
    taskq__wire_bulk bulk = {.filter = TASKQ_FILTER_INIT};
    taskq_status status = taskq__fields_read(&reader, node, bulk_table, TASKQ__COUNT(bulk_table), &bulk, NULL);
    if (status == TASKQ_OK) {
        *out = bulk;
    }
    return status;
}

static const taskq__field queue_patch_table[] = {
    {TASKQ__ROW(TASKQ__API_QUEUE_CHANGE_PAUSED, taskq__wire_queue_patch, paused, TASKQ__FIELD_BOOL)},
};
TASKQ__ALL_OF(queue_patch_table, TASKQ__API_QUEUE_CHANGE);

taskq_status taskq__wire_read_queue_patch(const taskq__json *json, uint32_t node, taskq_arena *arena,
                                          taskq__wire_queue_patch *out, taskq_error *err)
{
    const taskq__reader reader = {json, arena, err, false};
    taskq__wire_queue_patch patch = {false, false};
    uint32_t given = 0;
    taskq_status status =
        taskq__fields_read(&reader, node, queue_patch_table, TASKQ__COUNT(queue_patch_table), &patch, &given);
    if (status == TASKQ_OK) {
        patch.has_paused = given != 0;
        *out = patch;
    }
    return status;
}
