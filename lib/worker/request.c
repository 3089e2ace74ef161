/* SPDX-License-Identifier: MIT */
/*
 * What polls, heartbeats and reports have in common: which server is asked, what an answer says about that server, and the reading of
 * lists in answers. That one place judges answers is what keeps the three of one mind about when a server is gone.
 */
#include "worker/core.h"

#include "core/text.h"

#include <stdio.h>
#include <string.h>

bool taskq__worker_pick(taskq_worker *worker, uint32_t *server, int64_t *next_in_ms)
{
    int64_t in_ms = -1;
    if (taskq__servers_pick(&worker->servers, taskq__worker_now_ms(worker), server, &in_ms)) {
        return true;
    }
    if (in_ms >= 0) {
        taskq__sooner(next_in_ms, in_ms > 0 ? in_ms : 1);
    }
    return false;
}

taskq__exchange *taskq__worker_post(taskq_worker *worker, uint32_t server, const char *path, const taskq__buf *body,
                                    int64_t timeout_ms, taskq__answer_fn *done, void *user)
{
    taskq__exchange *exchange = NULL;
    taskq__send send = {
        .method = "POST",
        .base = worker->servers.list[server].url,
        .path = path,
        .body = taskq__buf_text(body),
        .timeout_ms = timeout_ms,
        .connect_timeout_ms = worker->stop_seen_at_ms != 0 ? TASKQ__CONNECT_AT_END_MS : TASKQ__CONNECT_TIMEOUT_MS,
        .reply_bytes_max = TASKQ__REPLY_BYTES_MAX,
        .done = done,
        .user = user,
    };
    taskq_error err = TASKQ_ERROR_INIT;
    if (body->failed || taskq__transport_send(worker->transport, &send, &exchange, &err) != TASKQ_OK) {
        taskq__servers_abandoned(&worker->servers, server, taskq__worker_now_ms(worker));
        taskq__log_format(&worker->log, TASKQ_LOG_ERROR, "worker", "%s could not be sent: %s", path,
                          body->failed ? "no memory" : err.text);
        return NULL;
    }
    return exchange;
}

static bool says_again(int32_t status)
{
    /* 2xx was looked at before; 3xx: something else answers there, for now. */
    return status < 400 || status >= 500 || status == 401 || status == 403 || status == 404 || status == 408 ||
           status == 409 || status == 429;
}

taskq__verdict taskq__worker_judge(taskq_worker *worker, uint32_t server, const taskq__answer *answer)
{
    int64_t now_ms = taskq__worker_now_ms(worker);
    if (answer->class != TASKQ__HTTP_OK) {
        taskq__servers_failed(&worker->servers, server, now_ms, 0, false, answer->text);
        return TASKQ__AGAIN;
    }
    if (answer->status >= 200 && answer->status < 300) {
        worker->denied = false;
        taskq__servers_answered(&worker->servers, server);
        return TASKQ__ANSWERED;
    }
    if (says_again(answer->status)) {
        char why[256];
        bool wait = answer->status == 429 || answer->status == 503;
        worker->denied = answer->status == 401 || answer->status == 403;
        taskq__worker_problem(worker, answer, why, sizeof(why));
        taskq__servers_failed(&worker->servers, server, now_ms, wait ? answer->retry_after_ms : 0, worker->denied, why);
        return TASKQ__AGAIN;
    }
    taskq__servers_answered(&worker->servers, server);
    return answer->status == 413 ? TASKQ__TOO_LARGE : TASKQ__BAD_REQUEST;
}

bool taskq__answer_leaves_open(const taskq__answer *answer)
{
    return answer->class != TASKQ__HTTP_NO_CONNECT &&
           (answer->class != TASKQ__HTTP_OK || answer->status < 400 || answer->status >= 500);
}

void taskq__worker_misread(taskq_worker *worker, uint32_t server, const char *what)
{
    taskq__servers_failed(&worker->servers, server, taskq__worker_now_ms(worker), 0, false, what);
}

void taskq__worker_problem(const taskq_worker *worker, const taskq__answer *answer, char *text, size_t bytes)
{
    static const char *const keys[] = {"detail", "title"};
    taskq_arena *arena = taskq__arena_new(&worker->allocator, 0);
    taskq__json json;
    taskq_text found = {NULL, 0};
    if (arena != NULL && taskq__json_scan(answer->body, NULL, arena, &json, NULL) == TASKQ_OK &&
        json.nodes[0].kind == TASKQ__JSON_OBJECT) {
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && found.size == 0; i++) {
            uint32_t node = taskq__json_member(&json, 0, keys[i]);
            if (node == 0 || json.nodes[node].kind != TASKQ__JSON_STRING ||
                taskq__json_string(&json, node, arena, &found, NULL) != TASKQ_OK) {
                found = (taskq_text){NULL, 0};
            }
        }
    }
    found = taskq__text_cut_chars(found, bytes / 4 - 8);
    snprintf(text, bytes, "HTTP %d%s%.*s", (int)answer->status, found.size > 0 ? ": " : "", (int)found.size,
             found.data == NULL ? "" : found.data);
    taskq__arena_free(arena);
}

/* ---- lists in answers ----------------------------------------------------------------------------------------------------------- */

static const char *const opaque[] = {"payload", "result", NULL};

bool taskq__list_open(taskq__list *list, const taskq_allocator *a, taskq_text body, const char *key)
{
    *list = (taskq__list){.arena = taskq__arena_new(a, 0)};
    if (list->arena == NULL || taskq__json_scan(body, opaque, list->arena, &list->json, NULL) != TASKQ_OK ||
        list->json.nodes[0].kind != TASKQ__JSON_OBJECT) {
        return false;
    }
    list->array = taskq__json_member(&list->json, 0, key);
    if (list->array == 0 || list->json.nodes[list->array].kind != TASKQ__JSON_ARRAY) {
        return false;
    }
    list->count = list->json.nodes[list->array].count;
    return true;
}

void taskq__list_close(taskq__list *list)
{
    taskq__arena_free(list->arena);
    *list = (taskq__list){0};
}

uint32_t taskq__list_next(const taskq__list *list, uint32_t element)
{
    if (element == 0) {
        return list->count == 0 ? 0 : list->array + 1;
    }
    uint32_t next = list->json.nodes[element].next;
    return next < list->json.nodes[list->array].next ? next : 0;
}

uint32_t taskq__list_find(const taskq__list *list, uint32_t element, int64_t id)
{
    uint32_t at = taskq__list_next(list, element);
    while (at != 0 && taskq__list_int(list, at, "id") != id) {
        at = taskq__list_next(list, at);
    }
    return at;
}

int64_t taskq__list_int(const taskq__list *list, uint32_t object, const char *key)
{
    int64_t value = -1;
    if (list->json.nodes[object].kind != TASKQ__JSON_OBJECT) {
        return -1;
    }
    uint32_t node = taskq__json_member(&list->json, object, key);
    if (node == 0 || list->json.nodes[node].kind != TASKQ__JSON_NUMBER ||
        taskq__parse_int64(taskq__json_span(&list->json, node), 0, INT64_MAX, &value) != TASKQ_OK) {
        return -1;
    }
    return value;
}

bool taskq__list_flag(const taskq__list *list, uint32_t object, const char *key)
{
    if (list->json.nodes[object].kind != TASKQ__JSON_OBJECT) {
        return false;
    }
    uint32_t node = taskq__json_member(&list->json, object, key);
    return node != 0 && list->json.nodes[node].kind == TASKQ__JSON_TRUE;
}
