/* SPDX-License-Identifier: MIT */
/*
 * Tokens as the file has them. Whatever does not fit is refused with its line: a field that is misspelt, and then left out of account, could
 * be the one that limits a token.
 */
#include "server/tokens.h"

#include "core/alloc.h"
#include "core/arena.h"
#include "core/fail.h"
#include "core/rfc3339.h"
#include "core/text.h"
#include "server/api.h"
#include "wire/emit.h"

#include <string.h>

static const char *const role_names[] = {
    [TASKQ_ROLE_VIEWER] = "viewer",
    [TASKQ_ROLE_PRODUCER] = "producer",
    [TASKQ_ROLE_WORKER] = "worker",
    [TASKQ_ROLE_ADMIN] = "admin",
};

const char *taskq_role_name(taskq_role role)
{
    return role >= TASKQ_ROLE_VIEWER && role <= TASKQ_ROLE_ADMIN ? role_names[role] : "unknown";
}

taskq_status taskq_role_parse(const char *word, taskq_role *out, taskq_error *err)
{
    for (int role = TASKQ_ROLE_VIEWER; role <= TASKQ_ROLE_ADMIN; role++) {
        if (word != NULL && strcmp(word, role_names[role]) == 0) {
            *out = (taskq_role)role;
            return TASKQ_OK;
        }
    }
    return taskq__fail_field(err, TASKQ_EINVAL, "/role", "must be viewer, producer, worker or admin");
}

taskq_status taskq__token_check(const taskq_token *token, taskq_error *err)
{
    if (token->name == NULL || !taskq__text_is_name(taskq_text_of(token->name))) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/name", "must be 1 to 128 of A-Z a-z 0-9 . _ : / -");
    }
    if (token->role < TASKQ_ROLE_VIEWER || token->role > TASKQ_ROLE_ADMIN) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/role", "must be viewer, producer, worker or admin");
    }
    if (token->queue_count > TASKQ_TOKEN_QUEUES_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/queues", "at most %d queues", TASKQ_TOKEN_QUEUES_MAX);
    }
    for (uint32_t i = 0; i < token->queue_count; i++) {
        if (!taskq__text_is_name(taskq_text_of(token->queues[i]))) {
            return taskq__fail_field(err, TASKQ_EINVAL, "/queues",
                                     "a queue's name is 1 to 128 of A-Z a-z 0-9 . _ : / -");
        }
    }
    if (token->expires_at_ms < 0 || token->expires_at_ms > TASKQ__WALL_MS_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/expires", "must be a time before the year 2101");
    }
    return TASKQ_OK;
}

/* ---- the set ---------------------------------------------------------------------------------------------------------------- */

taskq_status taskq__tokens_new(const taskq_allocator *a, taskq_tokens **out, taskq_error *err)
{
    taskq_tokens *tokens = taskq__alloc(a, sizeof(*tokens));
    if (tokens == NULL) {
        return taskq__fail_memory(err);
    }
    tokens->arena = taskq__arena_new(a, 0);
    if (tokens->arena == NULL) {
        taskq__free(a, tokens);
        return taskq__fail_memory(err);
    }
    tokens->allocator = a == NULL ? (taskq_allocator)TASKQ_ALLOCATOR_INIT : *a;
    *out = tokens;
    return TASKQ_OK;
}

void taskq_tokens_free(taskq_tokens *tokens)
{
    if (tokens != NULL) {
        taskq__arena_free(tokens->arena);
        taskq_allocator allocator = tokens->allocator;
        taskq__free(&allocator, tokens->entries);
        taskq__free(&allocator, tokens);
    }
}

uint32_t taskq_tokens_count(const taskq_tokens *tokens)
{
    return tokens == NULL ? 0 : tokens->count;
}

const taskq_token *taskq_tokens_at(const taskq_tokens *tokens, uint32_t index)
{
    return index < taskq_tokens_count(tokens) ? &tokens->entries[index].token : NULL;
}

static bool copy_string(taskq_arena *arena, const char **string)
{
    taskq_text copy;
    if (!taskq_arena_copy(arena, *string, strlen(*string), &copy)) {
        return false;
    }
    *string = copy.data;
    return true;
}

static bool copy_token(taskq_arena *arena, taskq_token *token)
{
    const char **queues = taskq_arena_alloc(arena, (token->queue_count + 1) * sizeof(*queues));
    if (queues == NULL || !copy_string(arena, &token->name) || !copy_string(arena, &token->id)) {
        return false;
    }
    for (uint32_t i = 0; i < token->queue_count; i++) {
        queues[i] = token->queues[i];
        if (!copy_string(arena, &queues[i])) {
            return false;
        }
    }
    token->queues = queues;
    return true;
}

taskq_status taskq__tokens_add(taskq_tokens *tokens, const taskq__token_entry *entry, taskq_error *err)
{
    if (tokens->count == TASKQ_TOKENS_MAX) {
        return taskq__fail(err, TASKQ_ELIMIT, "at most %d tokens in one file", TASKQ_TOKENS_MAX);
    }
    if (tokens->count == tokens->capacity) {
        uint32_t capacity = tokens->capacity > 0 ? tokens->capacity * 2 : 16;
        taskq__token_entry *entries = taskq__resize(&tokens->allocator, tokens->entries, capacity * sizeof(*entries));
        if (entries == NULL) {
            return taskq__fail_memory(err);
        }
        tokens->entries = entries;
        tokens->capacity = capacity;
    }
    taskq__token_entry *added = &tokens->entries[tokens->count];
    *added = *entry;
    if (!copy_token(tokens->arena, &added->token)) {
        return taskq__fail_memory(err);
    }
    tokens->count++;
    return TASKQ_OK;
}

static bool is_valid(const taskq_token *token, int64_t now_ms)
{
    return token->expires_at_ms == 0 || now_ms < token->expires_at_ms;
}

const taskq_token *taskq__tokens_by_hash(const taskq_tokens *tokens, const taskq__secret_hash *hash, int64_t now_ms)
{
    const taskq_token *found = NULL;
    for (uint32_t i = 0; i < tokens->count; i++) {
        found = taskq__secret_hash_equal(&tokens->entries[i].hash, hash) ? &tokens->entries[i].token : found;
    }
    return found != NULL && is_valid(found, now_ms) ? found : NULL;
}

const taskq_token *taskq__tokens_by_name(const taskq_tokens *tokens, taskq_text name, int64_t now_ms)
{
    for (uint32_t i = 0; i < tokens->count; i++) {
        const taskq_token *token = &tokens->entries[i].token;
        if (taskq__text_is(name, token->name) && is_valid(token, now_ms)) {
            return token;
        }
    }
    return NULL;
}

/* ---- the text ---------------------------------------------------------------------------------------------------------------- */

enum { KEY_NAME, KEY_ROLE, KEY_QUEUES, KEY_CREATED, KEY_EXPIRES, KEY_ID, KEY_HASH, KEY_COUNT };
static const char *const keys[] = {"name", "role", "queues", "created", "expires", "id", "sha256", NULL};

/* A string without NUL, as a C string in the arena. */
static taskq_status read_string(const taskq__json *json, uint32_t node, taskq_arena *arena, const char *field,
                                const char **out, taskq_error *err)
{
    taskq_text text;
    taskq_text copy;
    if (node == 0 || json->nodes[node].kind != TASKQ__JSON_STRING) {
        return taskq__fail_field(err, TASKQ_EINVAL, field, node == 0 ? "is required" : "must be a string");
    }
    taskq_status status = taskq__json_string(json, node, arena, &text, err);
    if (status != TASKQ_OK) {
        return status;
    }
    if (memchr(text.data, '\0', text.size) != NULL) {
        return taskq__fail_field(err, TASKQ_EINVAL, field, "must not have a NUL in it");
    }
    if (!taskq_arena_copy(arena, text.data, text.size, &copy)) {
        return taskq__fail_memory(err);
    }
    *out = copy.data;
    return TASKQ_OK;
}

static taskq_status read_time(const taskq__json *json, uint32_t node, taskq_arena *arena, const char *field,
                              int64_t *out, taskq_error *err)
{
    const char *text = "";
    taskq_status status = read_string(json, node, arena, field, &text, err);
    if (status == TASKQ_OK && taskq__rfc3339_parse(taskq_text_of(text), out) != TASKQ_OK) {
        return taskq__fail_field(err, TASKQ_EINVAL, field, "must be a time such as 2026-01-31T08:00:00Z");
    }
    return status;
}

static taskq_status read_queues(const taskq__json *json, uint32_t list, taskq_arena *arena, taskq_token *token,
                                taskq_error *err)
{
    if (json->nodes[list].kind != TASKQ__JSON_ARRAY || json->nodes[list].count == 0 ||
        json->nodes[list].count > TASKQ_TOKEN_QUEUES_MAX) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/queues", "must be an array of 1 to %d", TASKQ_TOKEN_QUEUES_MAX);
    }
    const char **queues = taskq_arena_alloc(arena, json->nodes[list].count * sizeof(*queues));
    if (queues == NULL) {
        return taskq__fail_memory(err);
    }
    uint32_t node = list + 1;
    for (uint32_t i = 0; i < json->nodes[list].count; i++, node = json->nodes[node].next) {
        taskq_status status = read_string(json, node, arena, "/queues", &queues[i], err);
        if (status != TASKQ_OK) {
            return status;
        }
    }
    token->queues = queues;
    token->queue_count = json->nodes[list].count;
    return TASKQ_OK;
}

static taskq_status read_entry(const taskq__json *json, taskq_arena *arena, taskq__token_entry *entry, taskq_error *err)
{
    uint32_t nodes[KEY_COUNT];
    const char *word = NULL;
    taskq_token *token = &entry->token;
    taskq_status status = taskq__body_members(json, arena, keys, nodes, err);
    if (status == TASKQ_OK) {
        status = read_string(json, nodes[KEY_NAME], arena, "/name", &token->name, err);
    }
    if (status == TASKQ_OK) {
        status = read_string(json, nodes[KEY_ROLE], arena, "/role", &word, err);
    }
    if (status == TASKQ_OK) {
        status = taskq_role_parse(word, &token->role, err);
    }
    if (status == TASKQ_OK && nodes[KEY_QUEUES] != 0) {
        status = read_queues(json, nodes[KEY_QUEUES], arena, token, err);
    }
    if (status == TASKQ_OK) {
        status = read_time(json, nodes[KEY_CREATED], arena, "/created", &token->created_at_ms, err);
    }
    if (status == TASKQ_OK && nodes[KEY_EXPIRES] != 0) {
        status = read_time(json, nodes[KEY_EXPIRES], arena, "/expires", &token->expires_at_ms, err);
        token->expires_at_ms += status == TASKQ_OK && token->expires_at_ms == 0; /* 1970 is over, not never */
    }
    if (status == TASKQ_OK) {
        status = read_string(json, nodes[KEY_ID], arena, "/id", &token->id, err);
    }
    if (status == TASKQ_OK) {
        status = read_string(json, nodes[KEY_HASH], arena, "/sha256", &word, err);
    }
    if (status == TASKQ_OK && !taskq__hex_read(taskq_text_of(word), entry->hash.bytes, sizeof(entry->hash.bytes))) {
        return taskq__fail_field(err, TASKQ_EINVAL, "/sha256", "must be 64 hexadecimal digits");
    }
    return status == TASKQ_OK ? taskq__token_check(token, err) : status;
}

static taskq_status parse_line(taskq_text line, taskq_arena *arena, taskq_tokens *tokens, taskq_error *err)
{
    taskq__json json;
    taskq__token_entry entry = {.token = TASKQ_TOKEN_INIT};
    taskq_status status = taskq__json_scan(line, NULL, arena, &json, err);
    if (status == TASKQ_OK && json.nodes[0].kind != TASKQ__JSON_OBJECT) {
        status = taskq__fail(err, TASKQ_ESYNTAX, "must be a JSON object");
    }
    if (status == TASKQ_OK) {
        status = read_entry(&json, arena, &entry, err);
    }
    for (uint32_t i = 0; status == TASKQ_OK && i < tokens->count; i++) {
        const taskq__token_entry *other = &tokens->entries[i];
        if (strcmp(other->token.id, entry.token.id) == 0 || taskq__secret_hash_equal(&other->hash, &entry.hash)) {
            status = taskq__fail_field(err, TASKQ_EINVAL, "/id", "is there already");
        } else if (strcmp(other->token.name, entry.token.name) == 0 && other->token.role != entry.token.role) {
            status = taskq__fail_field(err, TASKQ_EINVAL, "/role", "differs from the name's other entry");
        }
    }
    return status == TASKQ_OK ? taskq__tokens_add(tokens, &entry, err) : status;
}

taskq_status taskq__tokens_parse(const taskq_allocator *a, taskq_text text, taskq_tokens **out, taskq_error *err)
{
    taskq_tokens *tokens = NULL;
    taskq_error why = TASKQ_ERROR_INIT;
    taskq_status status = taskq__tokens_new(a, &tokens, err);
    if (status != TASKQ_OK) {
        return status;
    }
    taskq_arena *scratch = taskq__arena_new(a, 0);
    status = scratch != NULL ? TASKQ_OK : taskq__fail_memory(&why);
    int number = 1;
    for (taskq_text rest = text; status == TASKQ_OK && rest.size > 0; number++) {
        const char *stop = memchr(rest.data, '\n', rest.size);
        taskq_text line = {rest.data, stop != NULL ? (size_t)(stop - rest.data) : rest.size};
        size_t taken = line.size + (stop != NULL ? 1 : 0);
        rest = (taskq_text){rest.data + taken, rest.size - taken};
        if (taskq__trimmed(line).size > 0) {
            status = parse_line(line, scratch, tokens, &why);
            taskq__arena_reset(scratch);
        }
    }
    taskq__arena_free(scratch);
    if (status == TASKQ_OK) {
        *out = tokens;
        return TASKQ_OK;
    }
    taskq_tokens_free(tokens);
    if (status != TASKQ_ENOMEM) {
        status = TASKQ_ESYNTAX;
    }
    return taskq__fail(err, status, "line %d: %s%s%s", number - 1, why.field, why.field[0] != '\0' ? ": " : "",
                       why.text);
}

static void emit_time(taskq__buf *out, const char *key, int64_t at_ms)
{
    taskq__emit_key(out, key);
    taskq__emit_time(out, at_ms);
}

void taskq__tokens_write(const taskq_tokens *tokens, taskq__buf *out)
{
    for (uint32_t i = 0; i < tokens->count; i++) {
        const taskq__token_entry *entry = &tokens->entries[i];
        const taskq_token *token = &entry->token;
        char hex[2 * TASKQ__SECRET_HASH_BYTES + 1];
        taskq__emit_open(out, '{');
        taskq__emit_key(out, "name");
        taskq__emit_string(out, taskq_text_of(token->name));
        taskq__emit_key(out, "role");
        taskq__emit_string(out, taskq_text_of(taskq_role_name(token->role)));
        if (token->queue_count > 0) {
            taskq__emit_key(out, "queues");
            taskq__emit_open(out, '[');
            for (uint32_t q = 0; q < token->queue_count; q++) {
                taskq__emit_comma(out);
                taskq__emit_string(out, taskq_text_of(token->queues[q]));
            }
            taskq__emit_close(out, ']');
        }
        emit_time(out, "created", token->created_at_ms);
        if (token->expires_at_ms != 0) {
            emit_time(out, "expires", token->expires_at_ms);
        }
        taskq__emit_key(out, "id");
        taskq__emit_string(out, taskq_text_of(token->id));
        taskq__emit_key(out, "sha256");
        taskq__hex_write(entry->hash.bytes, sizeof(entry->hash.bytes), hex);
        taskq__emit_string(out, taskq_text_of(hex));
        taskq__emit_close(out, '}');
        taskq__buf_add_char(out, '\n');
    }
}
