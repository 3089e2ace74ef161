/* SPDX-License-Identifier: MIT */
/*
 * For libFuzzer, outside of the normal build: any bytes through the scan and everything that reads its tape.
 *
 *     clang -g -O1 -std=c11 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -Iinclude -Ilib -Ibuild/lib \
 *         tests/fuzz/fuzz_scan.c lib/core/[!.]*.c lib/wire/[!.]*.c -lcjson -lm -o fuzz_scan
 *     ./fuzz_scan -max_total_time=60 -max_len=4096
 *
 * from the root, after ./dev build, which makes a header. Besides the sanitizers' findings, a trap is: two faces of the scan that
 * disagree, a span that is no JSON by itself, a document whose values are not as many as its tape's, a new job that does not come back
 * as it was.
 */
#include "core/text.h"
#include "wire/json.h"
#include "wire/record.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        __builtin_trap();
    }
}

static void try_new_job(const taskq__json *json, taskq_arena *arena)
{
    taskq_new_job job, again;
    taskq__json back;
    taskq__buf buf;
    taskq_error err = TASKQ_ERROR_INIT;
    if (taskq__wire_read_new_job(json, 0, "", arena, &job, &err) != TASKQ_OK) {
        must(err.text[0] != '\0' && taskq__text_is_utf8(taskq_text_of(err.field)));
        return;
    }
    taskq__buf_init(&buf, NULL, SIZE_MAX);
    taskq__wire_write_new_job(&buf, &job);
    must(taskq__json_scan(taskq__buf_text(&buf), taskq__wire_opaque, arena, &back, NULL) == TASKQ_OK);
    must(taskq__wire_read_new_job(&back, 0, "", arena, &again, NULL) == TASKQ_OK);
    must(taskq__text_equal(job.payload, again.payload) && taskq__text_equal(job.unique_key, again.unique_key));
    must(job.run_at_ms == again.run_at_ms && job.delay_ms == again.delay_ms && job.tag_count == again.tag_count);
    must(!(job.backoff.factor < again.backoff.factor) && !(job.backoff.factor > again.backoff.factor));
    taskq__buf_clear(&buf);
}

static void try_records(const taskq__json *json, taskq_arena *arena)
{
    taskq_report report;
    taskq_heartbeat beat;
    taskq__wire_claim claim;
    taskq__wire_bulk bulk;
    taskq_job job;
    taskq_error err = TASKQ_ERROR_INIT;
    try_new_job(json, arena);
    if (taskq__wire_read_report(json, 0, "/completions/1", true, arena, &report, &err) == TASKQ_OK &&
        report.error.size > 0) {
        must(taskq__json_check(report.error, NULL) == TASKQ_OK);
    }
    if (taskq__wire_read_heartbeat(json, 0, "", false, arena, &beat, &err) == TASKQ_OK && beat.progress.size > 0) {
        must(taskq__json_check(beat.progress, NULL) == TASKQ_OK);
    }
    (void)taskq__wire_read_claim(json, 0, "/next", false, arena, &claim, &err);
    (void)taskq__wire_read_bulk(json, 0, arena, &bulk, &err);
    if (taskq__wire_read_job(json, 0, arena, &job, &err) == TASKQ_OK && job.payload.size > 0) {
        taskq__buf buf;
        taskq__buf_init(&buf, NULL, SIZE_MAX);
        taskq__wire_write_job(&buf, &job, TASKQ__WIRE_DETAIL);
        must(!buf.failed &&
             taskq__json_scan_deep(taskq__buf_text(&buf), arena, &(taskq__json){.count = 0}, NULL) == TASKQ_OK);
        taskq__buf_clear(&buf);
    }
}

static void try_tape(const taskq__json *json, taskq_arena *arena)
{
    for (uint32_t i = 0; i < json->count; i++) {
        taskq_text string;
        must(json->nodes[i].next > i && json->nodes[i].next <= json->count);
        must(json->count > 2000 || taskq__json_check(taskq__json_span(json, i), NULL) == TASKQ_OK);
        if (json->nodes[i].kind == TASKQ__JSON_STRING && taskq__json_string(json, i, arena, &string, NULL) == TASKQ_OK) {
            must(taskq__text_is_utf8(string) && taskq__json_string_is(json, i, string));
        }
    }
}

/* Values in it, itself among them; as deep as the scan lets a document be. */
static size_t count_values(const taskq__value *value)
{
    size_t count = 1;
    for (const taskq__value *at = taskq__value_first(value); at != NULL; at = taskq__value_next(at)) {
        count += count_values(at);
    }
    return count;
}

/* The same by the tape: all nodes but the keys. */
static size_t count_tape(const taskq__json *json)
{
    size_t count = json->count;
    for (uint32_t i = 0; i < json->count; i++) {
        count -= json->nodes[i].kind == TASKQ__JSON_OBJECT ? json->nodes[i].count : 0;
    }
    return count;
}

static void try_document(taskq_text text, size_t values)
{
    taskq__doc *doc = NULL;
    must(taskq__doc_parse(NULL, text, &doc, NULL) == TASKQ_OK);
    must(count_values(taskq__doc_root(doc)) == values);
    taskq__doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    taskq_text text = {(const char *)data, size};
    taskq_arena *arena = taskq__arena_new(NULL, 0);
    taskq__json whole, json;
    taskq_status status = taskq__json_check(text, NULL);
    must(taskq__json_scan(text, NULL, arena, &whole, NULL) == status);
    taskq_status opaque = taskq__json_scan(text, taskq__wire_opaque, arena, &json, NULL);
    must(opaque == status || status == TASKQ_ELIMIT); /* what is opaque may be deeper */
    if (status == TASKQ_OK) {
        try_tape(&whole, arena);
        try_tape(&json, arena);
        try_records(&json, arena);
        try_document(text, count_tape(&whole));
    }
    taskq__arena_free(arena);
    return 0;
}
