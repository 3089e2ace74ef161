/* SPDX-License-Identifier: MIT */
/*
 * Writing the answer of an HTTP service down as a job's result. Header names are lower-case there, since HTTP does not tell their case
 * apart and those who read the result should not have to; a name that came several times is one, its values joined by commas.
 */
#include "worker/handlers/http_result.h"

#include "core/text.h"
#include "wire/base64.h"
#include "wire/emit.h"
#include "worker/retry_after.h"

#include <string.h>
#include <strings.h>

#define RESULT_BYTES_MAX (960u << 10)
#define RESULT_HEADERS_MAX 100
#define RESULT_HEADERS_BYTES_MAX 16384

static bool same_name(taskq_text a, taskq_text b)
{
    return a.size == b.size && strncasecmp(a.data, b.data, a.size) == 0;
}

static bool is_first_of_its_name(const taskq__http_reply *reply, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++) {
        if (same_name(reply->headers[i].name, reply->headers[index].name)) {
            return false;
        }
    }
    return true;
}

static void emit_header(taskq__buf *buf, const taskq__http_reply *reply, uint32_t index)
{
    char name[TASKQ_NAME_BYTES_MAX + 1];
    taskq_text given = reply->headers[index].name;
    if (given.size == 0 || given.size > TASKQ_NAME_BYTES_MAX) {
        return;
    }
    for (size_t i = 0; i < given.size; i++) {
        char c = given.data[i];
        bool plain = c > 0x20 && c < 0x7f && c != '"' && c != '\\';
        name[i] = !plain ? '_' : c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
    }
    name[given.size] = '\0';

    taskq__buf value;
    taskq__buf_init(&value, buf->allocator, RESULT_HEADERS_BYTES_MAX);
    for (uint32_t i = index; i < reply->header_count; i++) {
        if (same_name(reply->headers[i].name, given)) {
            taskq__buf_add_string(&value, i > index ? ", " : "");
            taskq__buf_add_text(&value, reply->headers[i].value);
        }
    }
    taskq__emit_key(buf, name);
    taskq__emit_string(buf, taskq__buf_text(&value));
    taskq__buf_clear(&value);
}

static void emit_headers(taskq__buf *buf, const taskq__http_reply *reply)
{
    size_t start = buf->size;
    taskq__emit_key(buf, "headers");
    taskq__emit_open(buf, '{');
    for (uint32_t i = 0; i < reply->header_count && i < RESULT_HEADERS_MAX; i++) {
        if (is_first_of_its_name(reply, i) && buf->size - start < RESULT_HEADERS_BYTES_MAX) {
            emit_header(buf, reply, i);
        }
    }
    taskq__emit_close(buf, '}');
}

/* A body that was cut in the middle of a character is still text up to there. */
static taskq_text as_text(const taskq__http_reply *reply)
{
    taskq_text text = taskq__buf_text(&reply->body);
    for (int cut = 0; reply->truncated && cut < 3 && text.size > 0 && !taskq__text_is_utf8(text); cut++) {
        text.size--;
    }
    return text;
}

static void emit_body(taskq__buf *buf, const taskq__http_reply *reply)
{
    taskq_text text = as_text(reply);
    taskq__emit_key(buf, "body");
    size_t start = buf->size;
    if (taskq__text_is_utf8(text)) {
        taskq__emit_string(buf, text);
        if (!buf->failed && buf->size - start <= text.size / 3 * 4 + RESULT_HEADERS_BYTES_MAX) {
            return;
        }
        buf->size = start; /* mostly control characters, six bytes each in JSON: base64 is shorter */
        buf->failed = false;
    }
    taskq__buf_add_char(buf, '"');
    taskq__base64_encode(buf, taskq__buf_text(&reply->body));
    taskq__buf_add_char(buf, '"');
    taskq__emit_key(buf, "encoding");
    taskq__emit_string(buf, taskq_text_of("base64"));
}

taskq_status taskq__http_result_set(taskq_run *run, const taskq__http_reply *reply)
{
    taskq__buf result;
    taskq__buf_init(&result, reply->body.allocator, RESULT_BYTES_MAX);
    taskq__emit_open(&result, '{');
    taskq__emit_key(&result, "status");
    taskq__emit_int(&result, reply->status);
    emit_headers(&result, reply);
    emit_body(&result, reply);
    taskq__emit_key(&result, "truncated");
    taskq__emit_bool(&result, reply->truncated);
    taskq__emit_key(&result, "duration_ms");
    taskq__emit_int(&result, reply->duration_ms);
    taskq__emit_close(&result, '}');
    taskq_status status = result.failed ? taskq_run_fail(run, "no-resources", "the answer does not fit into a result")
                                        : taskq_run_result(run, taskq__buf_text(&result));
    taskq__buf_clear(&result);
    return status;
}

bool taskq__http_retry_after(const taskq__http_reply *reply, int64_t *out_ms)
{
    const taskq__http_header *header = taskq__http_reply_header(reply, "Retry-After");
    taskq_clock clock;
    taskq_clock_system(&clock);
    return header != NULL && taskq__retry_after_read(header->value, clock.wall_ms(clock.user), out_ms);
}
