/* SPDX-License-Identifier: MIT */
/* A job as it is asked for: each field with values just inside and just outside of its bounds, and back to JSON. */
#include "unit/record_fixture.h"

#include "wire/fields.h"

/* ---- numbers --------------------------------------------------------------------------------------------------------- */

START_TEST(a_number_is_an_integer_when_its_value_is_one)
{
    static const struct {
        const char *text;
        taskq_status status;
        int64_t value;
    } rows[] = {
        {"0", TASKQ_OK, 0},
        {"-0", TASKQ_OK, 0},
        {"0.0", TASKQ_OK, 0},
        {"0e999999999999", TASKQ_OK, 0},
        {"0.00e-5", TASKQ_OK, 0},
        {"7", TASKQ_OK, 7},
        {"-7", TASKQ_OK, -7},
        {"1.0", TASKQ_OK, 1},
        {"1.000", TASKQ_OK, 1},
        {"1e3", TASKQ_OK, 1000},
        {"1E+3", TASKQ_OK, 1000},
        {"1.5e1", TASKQ_OK, 15},
        {"1500e-2", TASKQ_OK, 15},
        {"0.001e3", TASKQ_OK, 1},
        {"10.50e1", TASKQ_OK, 105},
        {"100", TASKQ_OK, 100},
        {"1200.00", TASKQ_OK, 1200},
        {"9223372036854775807", TASKQ_OK, INT64_MAX},
        {"-9223372036854775808", TASKQ_OK, INT64_MIN},
        {"9223372036854775807.0", TASKQ_OK, INT64_MAX},
        {"9007199254740993", TASKQ_OK, INT64_C(9007199254740993)},
        {"0.9223372036854775807e19", TASKQ_OK, INT64_MAX},
        {"9223372036854775808", TASKQ_EINVAL, 0},
        {"-9223372036854775809", TASKQ_EINVAL, 0},
        {"1e19", TASKQ_EINVAL, 0},
        {"1e400", TASKQ_EINVAL, 0},
        {"1e99999999999999999999999", TASKQ_EINVAL, 0},
        {"18446744073709551617", TASKQ_EINVAL, 0},
        {"184467440737095516160", TASKQ_EINVAL, 0},
        {"0.5", TASKQ_ESYNTAX, 0},
        {"1.5", TASKQ_ESYNTAX, 0},
        {"1e-1", TASKQ_ESYNTAX, 0},
        {"15e-2", TASKQ_ESYNTAX, 0},
        {"1e-99999999999999999999", TASKQ_ESYNTAX, 0},
        {"-1.0000000000000000000000000001", TASKQ_ESYNTAX, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t value = 0;
        ck_assert_msg(taskq__number_as_int(taskq_text_of(rows[i].text), &value) == rows[i].status, "%s", rows[i].text);
        ck_assert_int_eq(value, rows[i].value);
    }
}
END_TEST

/* ---- new jobs -------------------------------------------------------------------------------------------------------- */

static taskq_new_job new_job;

static taskq_status read_new_job(taskq_error *err)
{
    return taskq__wire_read_new_job(&json, 0, "", arena, &new_job, err);
}

START_TEST(a_new_job_of_a_type_alone_has_the_defaults)
{
    static const taskq_new_job usual = TASKQ_NEW_JOB_INIT;
    scan("{\"type\":\"sleep\"}");
    ck_assert_int_eq(read_new_job(NULL), TASKQ_OK);
    ck_assert(taskq__text_is(new_job.type, "sleep"));
    ck_assert(taskq__text_is(new_job.queue, "default"));
    ck_assert(taskq__text_is(new_job.payload, "{}"));
    ck_assert_int_eq(new_job.priority, 0);
    ck_assert_int_eq(new_job.max_attempts, 10);
    ck_assert_int_eq(new_job.timeout_ms, 900000);
    ck_assert_int_eq(new_job.lease_ms, 60000);
    ck_assert_mem_eq(&new_job.backoff, &usual.backoff, sizeof usual.backoff);
    ck_assert(!new_job.has_run_at && !new_job.has_delay);
    ck_assert_uint_eq(new_job.tag_count + new_job.batch.size + new_job.unique_key.size, 0);
}
END_TEST

START_TEST(every_field_of_a_new_job_is_read)
{
    scan(
        "{\"type\":\"http\",\"queue\":\"q\",\"payload\":[1],\"priority\":-5,\"run_at\":\"2026-01-31T09:00:00.250+01:00\",\"max_attempts\":3,"
        "\"timeout_ms\":1000,\"lease_ms\":2000,\"backoff\":{\"base_ms\":1,\"factor\":1.5,\"max_ms\":2,\"jitter\":0.5},\"tags\":[\"a\",\"b\"],"
        "\"batch\":\"import-7\",\"unique_key\":\"user \\u00e9\"}");
    ck_assert_int_eq(read_new_job(NULL), TASKQ_OK);
    ck_assert(taskq__text_is(new_job.queue, "q") && taskq__text_is(new_job.payload, "[1]"));
    ck_assert_int_eq(new_job.priority, -5);
    ck_assert(new_job.has_run_at && !new_job.has_delay);
    ck_assert_int_eq(new_job.run_at_ms, INT64_C(1769846400250));
    ck_assert_int_eq(new_job.max_attempts + new_job.timeout_ms + new_job.lease_ms, 3003);
    ck_assert_int_eq(new_job.backoff.base_ms + new_job.backoff.max_ms, 3);
    ck_assert_double_eq(new_job.backoff.factor, 1.5);
    ck_assert_double_eq(new_job.backoff.jitter, 0.5);
    ck_assert_uint_eq(new_job.tag_count, 2);
    ck_assert(taskq__text_is(new_job.tags[1], "b") && taskq__text_is(new_job.batch, "import-7"));
    ck_assert(taskq__text_is(new_job.unique_key, "user \xc3\xa9"));
}
END_TEST

#define JOB(member) "{\"type\":\"t\"," member "}"

START_TEST(numbers_of_a_new_job_keep_to_their_bounds)
{
    static const verdict rows[] = {
        {JOB("\"priority\":-1000"), NULL},
        {JOB("\"priority\":-1001"), "/priority"},
        {JOB("\"priority\":1000"), NULL},
        {JOB("\"priority\":1001"), "/priority"},
        {JOB("\"max_attempts\":1"), NULL},
        {JOB("\"max_attempts\":0"), "/max_attempts"},
        {JOB("\"max_attempts\":100"), NULL},
        {JOB("\"max_attempts\":101"), "/max_attempts"},
        {JOB("\"timeout_ms\":100"), NULL},
        {JOB("\"timeout_ms\":99"), "/timeout_ms"},
        {JOB("\"timeout_ms\":604800000"), NULL},
        {JOB("\"timeout_ms\":604800001"), "/timeout_ms"},
        {JOB("\"lease_ms\":1000"), NULL},
        {JOB("\"lease_ms\":999"), "/lease_ms"},
        {JOB("\"lease_ms\":43200000"), NULL},
        {JOB("\"lease_ms\":43200001"), "/lease_ms"},
        {JOB("\"delay_ms\":0"), NULL},
        {JOB("\"delay_ms\":-1"), "/delay_ms"},
        {JOB("\"delay_ms\":31536000000"), NULL},
        {JOB("\"delay_ms\":31536000001"), "/delay_ms"},
        {JOB("\"backoff\":{\"base_ms\":0}"), NULL},
        {JOB("\"backoff\":{\"base_ms\":-1}"), "/backoff/base_ms"},
        {JOB("\"backoff\":{\"base_ms\":86400000}"), NULL},
        {JOB("\"backoff\":{\"base_ms\":86400001}"), "/backoff/base_ms"},
        {JOB("\"backoff\":{\"factor\":1}"), NULL},
        {JOB("\"backoff\":{\"factor\":0.999}"), "/backoff/factor"},
        {JOB("\"backoff\":{\"factor\":10.0}"), NULL},
        {JOB("\"backoff\":{\"factor\":10.001}"), "/backoff/factor"},
        {JOB("\"backoff\":{\"max_ms\":0}"), NULL},
        {JOB("\"backoff\":{\"max_ms\":604800001}"), "/backoff/max_ms"},
        {JOB("\"backoff\":{\"max_ms\":604800000}"), NULL},
        {JOB("\"backoff\":{\"max_ms\":-1}"), "/backoff/max_ms"},
        {JOB("\"backoff\":{\"jitter\":0}"), NULL},
        {JOB("\"backoff\":{\"jitter\":-0.001}"), "/backoff/jitter"},
        {JOB("\"backoff\":{\"jitter\":1}"), NULL},
        {JOB("\"backoff\":{\"jitter\":1.001}"), "/backoff/jitter"},
        {JOB("\"backoff\":{\"factor\":1e999}"), "/backoff/factor"},
        {JOB("\"backoff\":{}"), NULL},
        {JOB("\"priority\":1.0"), NULL},
        {JOB("\"priority\":1e2"), NULL},
        {JOB("\"priority\":1.5"), "/priority"},
        {JOB("\"priority\":1e400"), "/priority"},
        {JOB("\"delay_ms\":99999999999999999999"), "/delay_ms"},
        {JOB("\"max_attempts\":4294967297"), "/max_attempts"},
    };
    JUDGE(rows, read_new_job);
}
END_TEST

START_TEST(a_field_of_the_wrong_kind_is_named)
{
    static const verdict rows[] = {
        {"{\"type\":1}", "/type"},
        {"{\"type\":[\"t\"]}", "/type"},
        {"{\"type\":null}", "/type"},
        {"{\"type\":{}}", "/type"},
        {"{}", "/type"},
        {"{\"type\":\"\"}", "/type"},
        {"{\"type\":\"a b\"}", "/type"},
        {"{\"type\":\"a\\u0000\"}", "/type"},
        {"{\"type\":\"\\ud800\"}", "/type"},
        {JOB("\"queue\":\"\""), "/queue"},
        {JOB("\"queue\":\"\xc3\xa9\""), "/queue"},
        {JOB("\"queue\":true"), "/queue"},
        {JOB("\"priority\":\"1\""), "/priority"},
        {JOB("\"priority\":true"), "/priority"},
        {JOB("\"priority\":[]"), "/priority"},
        {JOB("\"backoff\":1"), "/backoff"},
        {JOB("\"backoff\":[]"), "/backoff"},
        {JOB("\"backoff\":{\"factor\":\"2\"}"), "/backoff/factor"},
        {JOB("\"tags\":\"a\""), "/tags"},
        {JOB("\"tags\":{}"), "/tags"},
        {JOB("\"tags\":[\"a\",1]"), "/tags/1"},
        {JOB("\"tags\":[\"a\",\"b\",\"c\",\"\"]"), "/tags/3"},
        {JOB("\"tags\":[null]"), "/tags/0"},
        {JOB("\"batch\":\"a,b\""), "/batch"},
        {JOB("\"unique_key\":\"\""), "/unique_key"},
        {JOB("\"unique_key\":\"a\\u0000b\""), "/unique_key"},
        {JOB("\"unique_key\":7"), "/unique_key"},
        {JOB("\"run_at\":1769846400"), "/run_at"},
        {JOB("\"run_at\":\"tomorrow\""), "/run_at"},
        {JOB("\"run_at\":\"2026-02-30T00:00:00Z\""), "/run_at"},
        {JOB("\"run_at\":\"1969-12-31T23:59:59Z\""), "/run_at"},
        {JOB("\"run_at\":\"2101-01-01T00:00:00Z\""), "/run_at"},
        {JOB("\"run_at\":\"2100-12-31T23:59:59Z\""), NULL},
    };
    JUDGE(rows, read_new_job);
}
END_TEST

START_TEST(a_new_job_that_is_no_object_is_refused)
{
    static const char *const rows[] = {"[]", "1", "null", "\"x\"", "[{\"type\":\"t\"}]"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        taskq_error err = TASKQ_ERROR_INIT;
        scan(rows[i]);
        ck_assert_int_eq(read_new_job(&err), TASKQ_EINVAL);
        ck_assert_str_eq(err.text, "must be an object");
        ck_assert_str_eq(err.field, "");
    }
}
END_TEST

START_TEST(unknown_fields_are_named_with_their_pointer_escaped)
{
    static const verdict rows[] = {
        {JOB("\"prio\":1"), "/prio"},
        {JOB("\"Type\":\"t\""), "/Type"},
        {JOB("\"ref\":\"a\""), "/ref"},
        {JOB("\"depends_on\":[]"), "/depends_on"},
        {JOB("\"concurrency_key\":\"k\""), "/concurrency_key"},
        {JOB("\"id\":1"), "/id"},
        {JOB("\"traceparent\":\"x\""), "/traceparent"},
        {JOB("\"\":1"), "/"},
        {JOB("\"a/b~c\":1"), "/a~1b~0c"},
        {JOB("\"a\\nb\":1"), "/a?b"},
        {JOB("\"x\":null"), "/x"},
        {JOB("\"backoff\":{\"base\":1}"), "/backoff/base"},
        {JOB("\"type\\u0000\":\"t\""), "/type?"},
        {JOB("\"\\ud800\":1"), ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        taskq_error err = TASKQ_ERROR_INIT;
        scan(rows[i].json);
        ck_assert_int_eq(read_new_job(&err), TASKQ_EINVAL);
        ck_assert_str_eq(err.field, rows[i].field);
    }
}
END_TEST

START_TEST(a_very_long_unknown_name_is_cut_at_a_character)
{
    taskq_error err = TASKQ_ERROR_INIT;
    scan(repeated("{\"a", "\xe2\x82\xac", 400, "\":1}"));
    ck_assert_int_eq(taskq__wire_read_new_job(&json, 0, "/jobs/999", arena, &new_job, &err), TASKQ_EINVAL);
    ck_assert_int_eq(strncmp(err.field, "/jobs/999/a\xe2\x82\xac", 14), 0);
    ck_assert(taskq__text_is_utf8(taskq_text_of(err.field)));
    ck_assert_uint_lt(strlen(err.field), TASKQ_ERROR_FIELD_MAX);
}
END_TEST

START_TEST(a_field_given_twice_is_refused_however_it_is_spelled)
{
    static const verdict rows[] = {
        {"{\"type\":\"t\",\"type\":\"t\"}", "/type"},
        {"{\"type\":\"t\",\"t\\u0079pe\":\"t\"}", "/type"},
        {"{\"type\":null,\"type\":\"t\"}", "/type"},
        {JOB("\"payload\":1,\"payload\":1"), "/payload"},
        {JOB("\"backoff\":{\"factor\":2,\"factor\":2}"), "/backoff/factor"},
        {JOB("\"backoff\":{},\"backoff\":{}"), "/backoff"},
        {JOB("\"p\\u0061yload\":{},\"payload\":1"), "/payload"},
    };
    JUDGE(rows, read_new_job);
}
END_TEST

START_TEST(null_is_not_given_but_for_the_payload)
{
    scan(JOB(
        "\"queue\":null,\"priority\":null,\"run_at\":null,\"delay_ms\":5,\"tags\":null,\"backoff\":null,\"batch\":null,\"payload\":null"));
    ck_assert_int_eq(read_new_job(NULL), TASKQ_OK);
    ck_assert(taskq__text_is(new_job.payload, "null"));
    ck_assert(taskq__text_is(new_job.queue, "default"));
    ck_assert(new_job.has_delay && !new_job.has_run_at);
}
END_TEST

START_TEST(run_at_and_delay_exclude_each_other)
{
    taskq_error err = TASKQ_ERROR_INIT;
    scan(JOB("\"run_at\":\"2026-01-01T00:00:00Z\",\"delay_ms\":0"));
    ck_assert_int_eq(taskq__wire_read_new_job(&json, 0, "/jobs/7", arena, &new_job, &err), TASKQ_EINVAL);
    ck_assert_str_eq(err.field, "/jobs/7/delay_ms");
}
END_TEST

START_TEST(names_keys_and_tags_are_taken_up_to_their_bounds)
{
    static const struct {
        const char *front, *piece, *back, *field;
        size_t fits;
    } rows[] = {
        {"{\"type\":\"", "t", "\"}", "/type", 128},
        {"{\"type\":\"t\",\"queue\":\"", "q", "\"}", "/queue", 128},
        {"{\"type\":\"t\",\"batch\":\"", "b", "\"}", "/batch", 128},
        {"{\"type\":\"t\",\"unique_key\":\"", "k", "\"}", "/unique_key", 256},
        {"{\"type\":\"t\",\"unique_key\":\"", "\xf0\x9f\x98\x80", "\"}", "/unique_key", 256},
        {"{\"type\":\"t\",\"unique_key\":\"", "\\ud83d\\ude00", "\"}", "/unique_key", 256},
        {"{\"type\":\"t\",\"tags\":[\"", "x", "\"]}", "/tags/0", 128},
        {"{\"type\":\"t\",\"tags\":[\"a\"", ",\"a\"", "]}", "/tags", 15},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        taskq_error err = TASKQ_ERROR_INIT;
        scan(repeated(rows[i].front, rows[i].piece, rows[i].fits, rows[i].back));
        ck_assert_int_eq(read_new_job(&err), TASKQ_OK);
        scan(repeated(rows[i].front, rows[i].piece, rows[i].fits + 1, rows[i].back));
        ck_assert_int_eq(read_new_job(&err), TASKQ_EINVAL);
        ck_assert_str_eq(err.field, rows[i].field);
    }
}
END_TEST

START_TEST(a_failed_read_leaves_the_output_alone)
{
    scan(JOB("\"priority\":9,\"lease_ms\":1"));
    new_job.priority = 123;
    ck_assert_int_eq(read_new_job(NULL), TASKQ_EINVAL);
    ck_assert_int_eq(new_job.priority, 123);
}
END_TEST

START_TEST(a_payload_is_the_text_that_came)
{
    static const char payload[] =
        "{ \"big\":123456789012345678901234567890, \"z\":1,\"a\":2,\"f\":1.50e+2, \"n\":\"\\u0000\\ud800\", \"a\":3 }";
    char text[256];
    (void)snprintf(text, sizeof text, "{\"payload\": %s ,\"type\":\"t\"}", payload);
    scan(text);
    ck_assert_int_eq(read_new_job(NULL), TASKQ_OK);
    ck_assert(taskq__text_is(new_job.payload, payload));
    taskq__wire_write_new_job(&buf, &new_job);
    ck_assert_ptr_nonnull(strstr(buf.data, payload));
}
END_TEST

START_TEST(a_new_job_with_defaults_is_written_short)
{
    taskq_new_job job = TASKQ_NEW_JOB_INIT;
    job.type = TASKQ_TEXT("sleep");
    taskq__wire_write_new_job(&buf, &job);
    ck_assert_str_eq(buf.data, "{\"type\":\"sleep\",\"payload\":{}}");
}
END_TEST

START_TEST(a_new_job_comes_back_as_it_was_written)
{
    static const char *const rows[] = {
        "{\"type\":\"t\",\"payload\":{}}",
        "{\"type\":\"t\",\"payload\":[1,2],\"queue\":\"q\",\"priority\":-1000,\"run_at\":\"2026-01-31T08:00:00.123Z\",\"max_attempts\":1,"
        "\"timeout_ms\":100,\"lease_ms\":1000,\"backoff\":{\"base_ms\":0,\"factor\":1.0,\"max_ms\":0,\"jitter\":0.0},\"tags\":[\"a\",\"b\"],"
        "\"batch\":\"b\",\"unique_key\":\"k\\\"\\\\\"}",
        "{\"type\":\"t\",\"payload\":null,\"delay_ms\":0,\"backoff\":{\"jitter\":0.3333333333333333}}",
        "{\"type\":\"t\",\"payload\":\"x\",\"delay_ms\":31536000000,\"backoff\":{\"factor\":9.75}}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        scan(rows[i]);
        ck_assert_int_eq(read_new_job(NULL), TASKQ_OK);
        taskq__wire_write_new_job(&buf, &new_job);
        ck_assert_str_eq(buf.data, rows[i]);
        taskq__buf_rewind(&buf);
    }
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, a_number_is_an_integer_when_its_value_is_one,
                 a_new_job_of_a_type_alone_has_the_defaults, every_field_of_a_new_job_is_read,
                 numbers_of_a_new_job_keep_to_their_bounds, a_field_of_the_wrong_kind_is_named,
                 a_new_job_that_is_no_object_is_refused, unknown_fields_are_named_with_their_pointer_escaped,
                 a_very_long_unknown_name_is_cut_at_a_character, a_field_given_twice_is_refused_however_it_is_spelled,
                 null_is_not_given_but_for_the_payload, run_at_and_delay_exclude_each_other,
                 names_keys_and_tags_are_taken_up_to_their_bounds, a_failed_read_leaves_the_output_alone,
                 a_payload_is_the_text_that_came, a_new_job_with_defaults_is_written_short,
                 a_new_job_comes_back_as_it_was_written)
