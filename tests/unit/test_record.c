/* SPDX-License-Identifier: MIT */
/* Jobs and queues as they are answered, there and back, and what operators ask for. */
#include "unit/record_fixture.h"

/* ---- operators ------------------------------------------------------------------------------------------------------------ */

static taskq__wire_bulk bulk;

static taskq_status read_bulk(taskq_error *err)
{
    return taskq__wire_read_bulk(&json, 0, arena, &bulk, err);
}

#define CANCEL(filter) "{\"action\":\"cancel\",\"filter\":" filter "}"

START_TEST(fields_of_a_bulk_change_keep_to_their_bounds)
{
    static const verdict rows[] = {
        {CANCEL("{\"queue\":\"q\"}"), NULL},
        {CANCEL("{\"type\":\"t\",\"tag\":\"x\",\"batch\":\"b\"}"), NULL},
        {CANCEL("{\"state\":\"canceled\"}"), NULL},
        {CANCEL("{\"ids\":[1,9223372036854775807]}"), NULL},
        {CANCEL("{}"), "/filter"},
        {CANCEL("null"), "/filter"},
        {CANCEL("[]"), "/filter"},
        {CANCEL("{\"queue\":null}"), "/filter"},
        {CANCEL("{\"state\":\"done\"}"), "/filter/state"},
        {CANCEL("{\"state\":1}"), "/filter/state"},
        {CANCEL("{\"queue\":\"\"}"), "/filter/queue"},
        {CANCEL("{\"worker\":\"w\"}"), "/filter/worker"},
        {CANCEL("{\"ids\":[]}"), "/filter/ids"},
        {CANCEL("{\"ids\":5}"), "/filter/ids"},
        {CANCEL("{\"ids\":[1,0]}"), "/filter/ids/1"},
        {CANCEL("{\"ids\":[\"1\"]}"), "/filter/ids/0"},
        {"{\"filter\":{\"queue\":\"q\"}}", "/action"},
        {"{\"action\":\"cancel\"}", "/filter"},
        {"{\"action\":\"pause\",\"filter\":{\"queue\":\"q\"}}", "/action"},
        {"{\"action\":1,\"filter\":{\"queue\":\"q\"}}", "/action"},
        {"{\"action\":\"retry\",\"filter\":{\"queue\":\"q\"},\"limit\":1}", "/limit"},
        {"[]", ""},
    };
    JUDGE(rows, read_bulk);
}
END_TEST

START_TEST(a_bulk_change_is_read)
{
    scan(
        "{\"filter\":{\"ids\":[3,1,2],\"state\":\"failed\",\"queue\":\"q\",\"type\":\"t\",\"tag\":\"g\",\"batch\":\"b\"},\"action\":\"retry\"}");
    ck_assert_int_eq(read_bulk(NULL), TASKQ_OK);
    ck_assert_int_eq(bulk.action, TASKQ_BULK_RETRY);
    ck_assert(bulk.has_ids);
    ck_assert_uint_eq(bulk.id_count, 3);
    ck_assert_int_eq(bulk.ids[0] * 100 + bulk.ids[1] * 10 + bulk.ids[2], 312);
    ck_assert_int_eq(bulk.filter.state, TASKQ_STATE_FAILED);
    ck_assert_uint_eq(bulk.filter.struct_size, sizeof(taskq_filter));
    ck_assert(taskq__text_is(bulk.filter.queue, "q") && taskq__text_is(bulk.filter.type, "t"));
    ck_assert(taskq__text_is(bulk.filter.tag, "g") && taskq__text_is(bulk.filter.batch, "b"));
    scan("{\"filter\":{\"tag\":\"g\"},\"action\":\"delete\"}");
    ck_assert_int_eq(read_bulk(NULL), TASKQ_OK);
    ck_assert(bulk.action == TASKQ_BULK_DELETE && !bulk.has_ids && bulk.id_count == 0);
}
END_TEST

START_TEST(a_thousand_ids_fit_and_one_more_does_not)
{
    taskq_error err = TASKQ_ERROR_INIT;
    scan(repeated("{\"action\":\"cancel\",\"filter\":{\"ids\":[7", ",8", 999, "]}}"));
    ck_assert_int_eq(read_bulk(NULL), TASKQ_OK);
    ck_assert_uint_eq(bulk.id_count, 1000);
    scan(repeated("{\"action\":\"cancel\",\"filter\":{\"ids\":[7", ",8", 1000, "]}}"));
    ck_assert_int_eq(read_bulk(&err), TASKQ_EINVAL);
    ck_assert_str_eq(err.field, "/filter/ids");
}
END_TEST

static taskq__wire_queue_patch patch;

static taskq_status read_patch(taskq_error *err)
{
    return taskq__wire_read_queue_patch(&json, 0, arena, &patch, err);
}

START_TEST(a_change_of_a_queue_is_read)
{
    static const verdict rows[] = {{"{}", NULL},
                                   {"{\"paused\":false}", NULL},
                                   {"{\"paused\":1}", "/paused"},
                                   {"{\"name\":\"q\"}", "/name"},
                                   {"[]", ""}};
    JUDGE(rows, read_patch);
    scan("{\"paused\":true}");
    ck_assert_int_eq(read_patch(NULL), TASKQ_OK);
    ck_assert(patch.has_paused && patch.paused);
    scan("{}");
    ck_assert_int_eq(read_patch(NULL), TASKQ_OK);
    ck_assert(!patch.has_paused);
}
END_TEST

/* ---- jobs ----------------------------------------------------------------------------------------------------------------- */

#define FULL_JOB                                                                                                                                   \
    "{\"id\":9007199254740993,\"queue\":\"q\",\"type\":\"http\",\"payload\":{ \"z\":1, \"n\":18446744073709551617 },\"state\":\"running\","        \
    "\"priority\":-7,\"run_at\":\"2026-01-31T08:00:00.000Z\",\"attempt\":2,\"max_attempts\":10,\"timeout_ms\":900000,\"lease_ms\":60000,"          \
    "\"backoff\":{\"base_ms\":2000,\"factor\":2.0,\"max_ms\":3600000,\"jitter\":0.2},\"version\":5,\"tags\":[\"a\",\"b\"],\"batch\":\"import-7\"," \
    "\"unique_key\":\"user-1\",\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\",\"worker\":\"host-1:4711\","            \
    "\"progress\":{\"percent\":50,\"message\":\"half\"},\"cancel_requested\":true,\"result\":[1.50],\"error\":{\"code\":\"timeout\"},"             \
    "\"created_at\":\"2026-01-31T07:00:00.001Z\",\"updated_at\":\"2026-01-31T07:00:00.002Z\",\"started_at\":\"2026-01-31T07:00:00.003Z\","         \
    "\"finished_at\":\"2026-01-31T07:00:00.004Z\",\"lease_expires_at\":\"2026-01-31T07:00:00.005Z\""
#define FULL_DETAIL                                                                                                                            \
    ",\"attempts\":[{\"attempt\":1,\"worker\":\"w\",\"started_at\":\"2026-01-31T07:00:00.000Z\",\"finished_at\":\"2026-01-31T07:00:01.000Z\"," \
    "\"outcome\":\"timed_out\",\"error\":{\"code\":\"timeout\"}},{\"attempt\":2,\"outcome\":\"released\"}],\"log\":\"a\\nb\""

static taskq_job job;

static taskq_status read_job(taskq_error *err)
{
    return taskq__wire_read_job(&json, 0, arena, &job, err);
}

START_TEST(a_job_comes_back_as_it_was_read)
{
    static const struct {
        const char *json;
        uint32_t parts;
    } rows[] = {{FULL_JOB "}", 0}, {FULL_JOB FULL_DETAIL "}", TASKQ__WIRE_DETAIL}, {FULL_JOB ",\"existing\":true}", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scan(rows[i].json);
        ck_assert_int_eq(read_job(NULL), TASKQ_OK);
        taskq__wire_write_job(&buf, &job, rows[i].parts);
        ck_assert_str_eq(buf.data, rows[i].json);
        taskq__buf_rewind(&buf);
    }
}
END_TEST

START_TEST(every_field_of_a_job_is_where_it_belongs)
{
    scan(FULL_JOB FULL_DETAIL "}");
    ck_assert_int_eq(read_job(NULL), TASKQ_OK);
    ck_assert_int_eq(job.id, INT64_C(9007199254740993));
    ck_assert_int_eq(job.state, TASKQ_STATE_RUNNING);
    ck_assert_int_eq(job.priority, -7);
    ck_assert_int_eq(job.attempt * 1000 + job.max_attempts * 10 + (int)job.version, 2105);
    ck_assert_int_eq(job.timeout_ms - job.lease_ms, 840000);
    ck_assert(job.cancel_requested && !job.existing);
    ck_assert(taskq__text_is(job.payload, "{ \"z\":1, \"n\":18446744073709551617 }"));
    ck_assert(taskq__text_is(job.progress, "{\"percent\":50,\"message\":\"half\"}"));
    ck_assert_int_eq(job.run_at_ms, INT64_C(1769846400000));
    ck_assert_int_eq(job.lease_expires_at_ms - job.created_at_ms, 4);
    ck_assert_int_eq(job.finished_at_ms - job.started_at_ms + job.started_at_ms - job.updated_at_ms, 2);
    ck_assert_uint_eq(job.tag_count, 2);
    ck_assert_uint_eq(job.attempt_count, 2);
    ck_assert_int_eq(job.attempts[0].outcome, TASKQ_OUTCOME_TIMED_OUT);
    ck_assert_int_eq(job.attempts[0].finished_at_ms - job.attempts[0].started_at_ms, 1000);
    ck_assert(taskq__text_is(job.log, "a\nb"));
}
END_TEST

START_TEST(null_fields_of_a_job_are_left_out)
{
    taskq_job bare = {
        .id = 1, .version = 1, .state = TASKQ_STATE_QUEUED, .max_attempts = 10, .created_at_ms = 1, .run_at_ms = 1};
    bare.queue = TASKQ_TEXT("default");
    bare.type = TASKQ_TEXT("t");
    bare.payload = TASKQ_TEXT("{}");
    bare.backoff = (taskq_backoff){0, 1, 0, 0};
    taskq__wire_write_job(&buf, &bare, 0);
    ck_assert_str_eq(
        buf.data,
        "{\"id\":1,\"queue\":\"default\",\"type\":\"t\",\"payload\":{},\"state\":\"queued\",\"priority\":0,"
        "\"run_at\":\"1970-01-01T00:00:00.001Z\",\"attempt\":0,\"max_attempts\":10,\"timeout_ms\":0,\"lease_ms\":0,"
        "\"backoff\":{\"base_ms\":0,\"factor\":1.0,\"max_ms\":0,\"jitter\":0.0},\"version\":1,\"tags\":[],"
        "\"cancel_requested\":false,\"created_at\":\"1970-01-01T00:00:00.001Z\"}");
    taskq__buf_rewind(&buf);
    taskq__wire_write_job(&buf, &bare, TASKQ__WIRE_DETAIL);
    ck_assert_ptr_nonnull(strstr(buf.data, ",\"attempts\":[]}"));
}
END_TEST

START_TEST(a_job_that_is_gone_is_its_id_alone)
{
    taskq_job gone = {.id = 7, .existing = true};
    taskq__wire_write_job(&buf, &gone, 0);
    ck_assert_str_eq(buf.data, "{\"id\":7}");
}
END_TEST

START_TEST(a_job_fits_a_buffer_that_is_just_large_enough)
{
    taskq__buf tight;
    scan(FULL_JOB "}");
    ck_assert_int_eq(read_job(NULL), TASKQ_OK);
    taskq__buf_init(&tight, NULL, strlen(FULL_JOB "}"));
    taskq__wire_write_job(&tight, &job, 0);
    ck_assert(!tight.failed);
    taskq__buf_clear(&tight);
    taskq__buf_init(&tight, NULL, strlen(FULL_JOB "}") - 1);
    taskq__wire_write_job(&tight, &job, 0);
    ck_assert(tight.failed);
    taskq__buf_clear(&tight);
}
END_TEST

START_TEST(what_a_newer_server_sends_is_skipped)
{
    scan("{\"new\":{\"deep\":[1,{\"id\":2}]},\"id\":3,\"state\":\"paused\",\"version\":1,\"depends_on\":[1],\"attempts\":[{\"attempt\":1,\"outcome\":\"odd\",\"x\":1}],"
         "\"batch\":null,\"error\":null,\"result\":null}");
    ck_assert_int_eq(read_job(NULL), TASKQ_OK);
    ck_assert_int_eq(job.id, 3);
    ck_assert_int_eq(job.state, 0);
    ck_assert_int_eq(job.attempts[0].outcome, TASKQ_OUTCOME_NONE);
    ck_assert_uint_eq(job.error.size + job.batch.size, 0);
    ck_assert(taskq__text_is(job.result, "null"));
}
END_TEST

START_TEST(what_is_no_job_is_refused)
{
    static const verdict rows[] = {
        {"{\"id\":1,\"version\":2,\"state\":\"queued\"}", NULL},
        {"[]", ""},
        {"{}", "/id"},
        {"{\"id\":0}", "/id"},
        {"{\"id\":\"1\"}", "/id"},
        {"{\"id\":1,\"version\":1.5}", "/version"},
        {"{\"id\":1,\"run_at\":\"soon\"}", "/run_at"},
        {"{\"id\":1,\"error\":\"x\"}", "/error"},
        {"{\"id\":1,\"attempts\":{}}", "/attempts"},
        {"{\"id\":1,\"attempts\":[1]}", "/attempts/0"},
        {"{\"id\":1,\"attempts\":[{\"worker\":1}]}", "/attempts/0/worker"},
        {"{\"id\":1,\"tags\":[1]}", "/tags/0"},
        {"{\"id\":1,\"id\":1}", "/id"},
    };
    JUDGE(rows, read_job);
}
END_TEST

START_TEST(a_queue_is_written_with_a_count_for_every_state)
{
    taskq_queue queue = {.paused = true, .counts = {0, 1, 2, 3, 4, 5, 6, 7}, .oldest_ready_age_ms = 1500};
    queue.name = TASKQ_TEXT("mail");
    taskq__wire_write_queue(&buf, &queue);
    ck_assert_str_eq(
        buf.data,
        "{\"name\":\"mail\",\"paused\":true,\"counts\":{\"queued\":1,\"scheduled\":2,\"blocked\":3,\"running\":4,"
        "\"succeeded\":5,\"failed\":6,\"canceled\":7},\"oldest_ready_age_ms\":1500}");
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, fields_of_a_bulk_change_keep_to_their_bounds, a_bulk_change_is_read,
                 a_thousand_ids_fit_and_one_more_does_not, a_change_of_a_queue_is_read, a_job_comes_back_as_it_was_read,
                 every_field_of_a_job_is_where_it_belongs, null_fields_of_a_job_are_left_out,
                 a_job_that_is_gone_is_its_id_alone, a_job_fits_a_buffer_that_is_just_large_enough,
                 what_a_newer_server_sends_is_skipped, what_is_no_job_is_refused,
                 a_queue_is_written_with_a_count_for_every_state)
