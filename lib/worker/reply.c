/* SPDX-License-Identifier: MIT */
/*
 * Reading what a server answered. A producer in C should not need a JSON library to learn the id of its job; numbers and texts are
 * taken from the reply by JSON pointer, and jobs and queues become the same records that the scheduler half hands out.
 */
#include "core/arena.h"
#include "core/fail.h"
#include "core/jobs.h"
#include "core/scan.h"
#include "core/text.h"
#include "wire/record.h"

#include <taskq/client.h>

#include <stdio.h>
#include <string.h>

static taskq_status scan(const taskq_reply *reply, taskq_arena *arena, taskq__json *out, taskq_error *err)
{
    taskq_error why = TASKQ_ERROR_INIT;
    taskq_status status = taskq__json_scan_deep(reply->body, arena, out, &why);
    if (status == TASKQ_OK || status == TASKQ_ENOMEM) {
        return status == TASKQ_OK ? TASKQ_OK : taskq__fail_memory(err);
    }
    return taskq__fail(err, TASKQ_EPROTO, "the answer is no JSON: %s", why.text);
}

/* Does the token of a pointer, with ~0 and ~1 in it, name this key? */
static bool token_is(taskq_text token, const taskq__json *json, uint32_t key)
{
    char plain[TASKQ_ERROR_FIELD_MAX];
    size_t size = 0;
    for (size_t i = 0; i < token.size; i++) {
        bool escaped = token.data[i] == '~' && i + 1 < token.size;
        if (size == sizeof(plain)) {
            return false;
        }
        plain[size++] = !escaped ? token.data[i] : token.data[i + 1] == '1' ? '/' : '~';
        i += escaped ? 1 : 0;
    }
    return taskq__json_string_is(json, key, (taskq_text){plain, size});
}

/* The child that a token names; 0: none. (The document itself, node 0, is nobody's child.) */
static uint32_t child(const taskq__json *json, uint32_t node, taskq_text token)
{
    const taskq__json_node *parent = &json->nodes[node];
    uint32_t at = node + 1;
    if (parent->kind == TASKQ__JSON_OBJECT) {
        for (uint32_t i = 0; i < parent->count; i++) {
            uint32_t value = json->nodes[at].next;
            if (token_is(token, json, at)) {
                return value;
            }
            at = json->nodes[value].next;
        }
        return 0;
    }
    int64_t index = 0;
    if (parent->kind != TASKQ__JSON_ARRAY ||
        taskq__parse_int64(token, 0, (int64_t)parent->count - 1, &index) != TASKQ_OK) {
        return 0;
    }
    for (; index > 0; index--) {
        at = json->nodes[at].next;
    }
    return at;
}

static taskq_status find(const taskq__json *json, const char *pointer, uint32_t *out, taskq_error *err)
{
    uint32_t node = 0;
    for (const char *at = pointer; *at != '\0';) {
        if (*at != '/') {
            return taskq__fail(err, TASKQ_EINVAL, "\"%.100s\" is no JSON pointer: it begins with '/'", pointer);
        }
        size_t size = strcspn(at + 1, "/");
        node = child(json, node, (taskq_text){at + 1, size});
        if (node == 0) {
            return taskq__fail(err, TASKQ_ENOTFOUND, "the answer has nothing at \"%.100s\"", pointer);
        }
        at += 1 + size;
    }
    *out = node;
    return TASKQ_OK;
}

/* The value at a pointer: its span, its kind, and for a string its content in the arena. */
typedef struct found {
    taskq__json_kind kind;
    taskq_text span, string;
} found;

static taskq_status look_up(const taskq_reply *reply, const char *pointer, taskq_arena *arena, found *out,
                            taskq_error *err)
{
    taskq__json json;
    uint32_t node = 0;
    if (reply == NULL || pointer == NULL || arena == NULL) {
        return arena == NULL ? taskq__fail_memory(err) : taskq__fail(err, TASKQ_EINVAL, "needs a reply and a pointer");
    }
    taskq_status status = scan(reply, arena, &json, err);
    if (status == TASKQ_OK) {
        status = find(&json, pointer, &node, err);
    }
    if (status != TASKQ_OK) {
        return status;
    }
    out->kind = json.nodes[node].kind;
    out->span = taskq__json_span(&json, node);
    if (out->kind == TASKQ__JSON_STRING && taskq__json_string(&json, node, arena, &out->string, NULL) != TASKQ_OK) {
        return taskq__fail(err, TASKQ_EPROTO, "the string at \"%.100s\" is no text", pointer);
    }
    return TASKQ_OK;
}

static const taskq_allocator *allocator_of(const taskq_reply *reply)
{
    return reply == NULL ? NULL : &reply->allocator;
}

static taskq_status wrong_kind(const char *pointer, const char *wanted, taskq_error *err)
{
    return taskq__fail(err, TASKQ_EPROTO, "the answer has no %s at \"%.100s\"", wanted, pointer);
}

taskq_status taskq_reply_int(const taskq_reply *reply, const char *pointer, int64_t *out, taskq_error *err)
{
    taskq_arena *arena = taskq__arena_new(allocator_of(reply), 0);
    found value = {0};
    taskq_status status = look_up(reply, pointer, arena, &value, err);
    if (status == TASKQ_OK &&
        (value.kind != TASKQ__JSON_NUMBER || taskq__parse_int64(value.span, INT64_MIN, INT64_MAX, out) != TASKQ_OK)) {
        status = wrong_kind(pointer, "integer", err);
    }
    taskq__arena_free(arena);
    return status;
}

taskq_status taskq_reply_number(const taskq_reply *reply, const char *pointer, double *out, taskq_error *err)
{
    taskq_arena *arena = taskq__arena_new(allocator_of(reply), 0);
    found value = {0};
    taskq_status status = look_up(reply, pointer, arena, &value, err);
    if (status == TASKQ_OK && (value.kind != TASKQ__JSON_NUMBER || !taskq__parse_double(value.span, out))) {
        status = wrong_kind(pointer, "number", err);
    }
    taskq__arena_free(arena);
    return status;
}

taskq_status taskq_reply_string(const taskq_reply *reply, const char *pointer, char *buffer, size_t buffer_bytes,
                                taskq_error *err)
{
    taskq_arena *arena = taskq__arena_new(allocator_of(reply), 0);
    found value = {0};
    taskq_status status = look_up(reply, pointer, arena, &value, err);
    if (status == TASKQ_OK && value.kind != TASKQ__JSON_STRING) {
        status = wrong_kind(pointer, "string", err);
    }
    if (status == TASKQ_OK && (buffer == NULL || value.string.size >= buffer_bytes)) {
        status = taskq__fail(err, TASKQ_ELIMIT, "the string at \"%.100s\" has %zu bytes", pointer, value.string.size);
    }
    if (status == TASKQ_OK) {
        memcpy(buffer, value.string.data, value.string.size);
        buffer[value.string.size] = '\0';
    }
    taskq__arena_free(arena);
    return status;
}

taskq_status taskq_reply_json(const taskq_reply *reply, const char *pointer, taskq_text *out, taskq_error *err)
{
    taskq_arena *arena = taskq__arena_new(allocator_of(reply), 0);
    found value = {0};
    taskq_status status = look_up(reply, pointer, arena, &value, err);
    if (status == TASKQ_OK) {
        *out = value.span; /* a span of the reply's own body */
    }
    taskq__arena_free(arena);
    return status;
}

/* The records of a reply: the elements of the list under `key`, or the document itself. */
typedef struct elements {
    taskq__json json;
    uint32_t first, count;
} elements;

static taskq_status find_elements(const taskq_reply *reply, const char *key, taskq_arena *arena, elements *out,
                                  taskq_error *err)
{
    taskq_text body = {NULL, 0};
    if (reply == NULL || !taskq_arena_copy(arena, reply->body.data, reply->body.size, &body)) {
        return reply == NULL ? taskq__fail(err, TASKQ_EINVAL, "needs a reply") : taskq__fail_memory(err);
    }
    taskq_reply copy = {reply->http_status, body, NULL,
                        reply->allocator}; /* the records point into it and outlive the reply */
    taskq_status status = scan(&copy, arena, &out->json, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (out->json.nodes[0].kind != TASKQ__JSON_OBJECT) {
        return taskq__fail(err, TASKQ_EPROTO, "the answer is no object");
    }
    uint32_t list = taskq__json_member(&out->json, 0, key);
    if (list == 0) {
        out->first = 0;
        out->count = 1;
        return TASKQ_OK;
    }
    if (out->json.nodes[list].kind != TASKQ__JSON_ARRAY) {
        return taskq__fail(err, TASKQ_EPROTO, "the answer's \"%s\" is no list", key);
    }
    out->first = list + 1;
    out->count = out->json.nodes[list].count;
    return TASKQ_OK;
}

taskq_status taskq_reply_jobs(const taskq_reply *reply, taskq_jobs **out, taskq_error *err)
{
    taskq_jobs *list = taskq__jobs_new(allocator_of(reply));
    if (list == NULL) {
        return taskq__fail_memory(err);
    }
    taskq_arena *arena = taskq__jobs_arena(list);
    elements set;
    taskq_status status = find_elements(reply, "jobs", arena, &set, err);
    taskq_job **jobs = NULL;
    if (status == TASKQ_OK) {
        jobs = taskq_arena_alloc(arena, set.count * sizeof(*jobs));
        status = jobs == NULL ? taskq__fail_memory(err) : TASKQ_OK;
    }
    uint32_t node = status == TASKQ_OK ? set.first : 0;
    for (uint32_t i = 0; status == TASKQ_OK && i < set.count; i++, node = set.json.nodes[node].next) {
        jobs[i] = taskq_arena_alloc(arena, sizeof(**jobs));
        status = jobs[i] == NULL ? taskq__fail_memory(err) : taskq__wire_read_job(&set.json, node, arena, jobs[i], err);
    }
    if (status != TASKQ_OK) {
        taskq_jobs_free(list);
        return status;
    }
    taskq__jobs_set(list, jobs, set.count, 0);
    *out = list;
    return TASKQ_OK;
}

static bool int_member(const taskq__json *json, uint32_t object, const char *key, int64_t *out)
{
    uint32_t node = taskq__json_member(json, object, key);
    return node != 0 && taskq__parse_int64(taskq__json_span(json, node), INT64_MIN, INT64_MAX, out) == TASKQ_OK;
}

static taskq_status read_queue(const taskq__json *json, uint32_t node, taskq_arena *arena, taskq_queue *out,
                               taskq_error *err)
{
    if (json->nodes[node].kind != TASKQ__JSON_OBJECT) {
        return taskq__fail(err, TASKQ_EPROTO, "the answer has something that is no queue");
    }
    uint32_t name = taskq__json_member(json, node, "name");
    uint32_t paused = taskq__json_member(json, node, "paused");
    uint32_t counts = taskq__json_member(json, node, "counts");
    if (name == 0 || json->nodes[name].kind != TASKQ__JSON_STRING || counts == 0 ||
        json->nodes[counts].kind != TASKQ__JSON_OBJECT ||
        taskq__json_string(json, name, arena, &out->name, err) != TASKQ_OK) {
        return taskq__fail(err, TASKQ_EPROTO, "the answer has a queue without a name or counts");
    }
    out->paused = paused != 0 && json->nodes[paused].kind == TASKQ__JSON_TRUE;
    for (int state = 1; state < TASKQ_STATE_COUNT; state++) {
        int_member(json, counts, taskq_state_name((taskq_state)state), &out->counts[state]);
    }
    int_member(json, node, "oldest_ready_age_ms", &out->oldest_ready_age_ms);
    return TASKQ_OK;
}

taskq_status taskq_reply_queues(const taskq_reply *reply, taskq_queues **out, taskq_error *err)
{
    taskq_queues *list = taskq__queues_new(allocator_of(reply));
    if (list == NULL) {
        return taskq__fail_memory(err);
    }
    taskq_arena *arena = taskq__queues_arena(list);
    elements set;
    taskq_status status = find_elements(reply, "queues", arena, &set, err);
    taskq_queue *queues = NULL;
    if (status == TASKQ_OK) {
        queues = taskq_arena_alloc(arena, set.count * sizeof(*queues));
        status = queues == NULL ? taskq__fail_memory(err) : TASKQ_OK;
    }
    uint32_t node = status == TASKQ_OK ? set.first : 0;
    for (uint32_t i = 0; status == TASKQ_OK && i < set.count; i++, node = set.json.nodes[node].next) {
        status = read_queue(&set.json, node, arena, &queues[i], err);
    }
    if (status != TASKQ_OK) {
        taskq_queues_free(list);
        return status;
    }
    taskq__queues_set(list, queues, set.count);
    *out = list;
    return TASKQ_OK;
}
