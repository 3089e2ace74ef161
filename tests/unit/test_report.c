/* SPDX-License-Identifier: MIT */
/* What a worker says of an attempt: reports, heartbeats and releases, each field within its bounds, errors cut. */
#include "unit/record_fixture.h"

/* ---- reports --------------------------------------------------------------------------------------------------------- */

static taskq_report report;

static taskq_status read_report(taskq_error *err)
{
    return taskq__wire_read_report(&json, 0, "", false, arena, &report, err);
}

static taskq_status read_listed_report(taskq_error *err)
{
    return taskq__wire_read_report(&json, 0, "/completions/2", true, arena, &report, err);
}

#define GOOD "\"version\":2,\"status\":\"succeeded\""
#define BAD "\"version\":2,\"status\":\"failed\""

START_TEST(fields_of_a_report_keep_to_their_bounds)
{
    static const verdict rows[] = {
        {"{" GOOD "}", NULL},
        {"{" GOOD ",\"result\":{\"a\":1}}", NULL},
        {"{" GOOD ",\"result\":null}", NULL},
        {"{" GOOD ",\"error\":null,\"retry\":null}", NULL},
        {"{" BAD "}", NULL},
        {"{" BAD ",\"error\":{}}", NULL},
        {"{" BAD ",\"error\":null}", NULL},
        {"{" BAD ",\"retry\":false,\"retry_in_ms\":0}", NULL},
        {"{" BAD ",\"retry_in_ms\":31536000000}", NULL},
        {"{" BAD ",\"retry_in_ms\":31536000001}", "/retry_in_ms"},
        {"{" BAD ",\"retry_in_ms\":-1}", "/retry_in_ms"},
        {"{\"status\":\"failed\"}", "/version"},
        {"{\"version\":2}", "/status"},
        {"{\"version\":0,\"status\":\"failed\"}", "/version"},
        {"{\"version\":1.5,\"status\":\"failed\"}", "/version"},
        {"{\"version\":\"2\",\"status\":\"failed\"}", "/version"},
        {"{\"version\":2,\"status\":\"done\"}", "/status"},
        {"{\"version\":9223372036854775807,\"status\":\"failed\"}", NULL},
        {"{\"version\":9223372036854775808,\"status\":\"failed\"}", "/version"},
        {"{\"version\":2,\"status\":1}", "/status"},
        {"{" GOOD ",\"error\":{}}", "/error"},
        {"{" GOOD ",\"retry\":true}", "/retry"},
        {"{" GOOD ",\"retry_in_ms\":0}", "/retry_in_ms"},
        {"{" BAD ",\"result\":1}", "/result"},
        {"{" BAD ",\"result\":null}", NULL},
        {"{" BAD ",\"error\":\"x\"}", "/error"},
        {"{" BAD ",\"error\":{\"code\":1}}", "/error/code"},
        {"{" BAD ",\"error\":{\"stack\":\"x\"}}", "/error/stack"},
        {"{" BAD ",\"error\":{\"code\":\"a\",\"code\":\"a\"}}", "/error/code"},
        {"{" BAD ",\"retry\":0}", "/retry"},
        {"{" BAD ",\"id\":1}", "/id"},
        {"{" BAD ",\"error\":{\"message\":\"\\udc00\"}}", "/error/message"},
        {"[]", ""},
    };
    JUDGE(rows, read_report);
}
END_TEST

START_TEST(a_success_is_read)
{
    scan("{\"result\": {\"n\": 12345678901234567890} ,\"status\":\"succeeded\",\"version\":7}");
    ck_assert_int_eq(read_report(NULL), TASKQ_OK);
    ck_assert(report.succeeded && !report.no_retry);
    ck_assert_int_eq(report.version, 7);
    ck_assert_int_eq(report.retry_in_ms, -1);
    ck_assert(taskq__text_is(report.result, "{\"n\": 12345678901234567890}"));
    ck_assert_uint_eq(report.error.size, 0);
}
END_TEST

START_TEST(a_failure_is_read_and_its_error_written_anew)
{
    scan(
        "{" BAD
        ",\"error\": { \"trace\":\"a\\nb\" , \"message\":\"m\\u00e9\", \"code\":\"c\"},\"retry\":false,\"retry_in_ms\":5000}");
    ck_assert_int_eq(read_report(NULL), TASKQ_OK);
    ck_assert(!report.succeeded && report.no_retry);
    ck_assert_int_eq(report.retry_in_ms, 5000);
    ck_assert(taskq__text_is(report.error, "{\"code\":\"c\",\"message\":\"m\xc3\xa9\",\"trace\":\"a\\nb\"}"));
    scan("{" BAD ",\"error\":{}}");
    ck_assert_int_eq(read_report(NULL), TASKQ_OK);
    ck_assert(!report.no_retry && taskq__text_is(report.error, "{}"));
}
END_TEST

START_TEST(an_error_that_is_too_long_is_cut_and_taken)
{
    scan(repeated("{" BAD ",\"error\":{\"code\":\"", "\xe2\x82\xac", 300, "\"}}"));
    ck_assert_int_eq(read_report(NULL), TASKQ_OK);
    ck_assert_uint_eq(count_of(report.error, "\xe2\x82\xac"), 100);
    scan(repeated("{" BAD ",\"error\":{\"message\":\"", "\xe2\x82\xac", 3000, "\"}}"));
    ck_assert_int_eq(read_report(NULL), TASKQ_OK);
    ck_assert_uint_eq(count_of(report.error, "\xe2\x82\xac"), 1000);
    scan(repeated("{" BAD ",\"error\":{\"trace\":\"", "line #\\n", 80, "\"}}"));
    ck_assert_int_eq(read_report(NULL), TASKQ_OK);
    ck_assert_uint_eq(count_of(report.error, "#"), 50);
    ck_assert_int_eq(taskq__json_check(report.error, NULL), TASKQ_OK);
}
END_TEST

START_TEST(the_id_of_a_listed_report_is_kept_whatever_else_is_wrong)
{
    static const struct {
        const char *json, *field;
        int64_t id;
    } rows[] = {
        {"{\"id\":5," BAD "}", NULL, 5},
        {"{" BAD ",\"id\":5}", NULL, 5},
        {"{\"version\":0,\"status\":\"failed\",\"id\":5}", "/completions/2/version", 5},
        {"{\"x\":0,\"id\":9223372036854775807}", "/completions/2/x", INT64_MAX},
        {"{" BAD ",\"result\":1,\"id\":5}", "/completions/2/result", 5},
        {"{" BAD "}", "/completions/2/id", 0},
        {"{\"id\":0," BAD "}", "/completions/2/id", 0},
        {"{\"id\":-1," BAD "}", "/completions/2/id", 0},
        {"{\"id\":\"5\"," BAD "}", "/completions/2/id", 0},
        {"{\"id\":1.5," BAD "}", "/completions/2/id", 0},
        {"{\"id\":null," BAD "}", "/completions/2/id", 0},
        {"{\"id\":9223372036854775808," BAD "}", "/completions/2/id", 0},
        {"{\"id\":5,\"id\":6," BAD "}", "/completions/2/id", 0},
        {"[5]", "/completions/2", 0},
        {"5", "/completions/2", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        taskq_error err = TASKQ_ERROR_INIT;
        scan(rows[i].json);
        ck_assert_msg(read_listed_report(&err) == (rows[i].field != NULL ? TASKQ_EINVAL : TASKQ_OK), "%s: %s",
                      rows[i].json, err.text);
        ck_assert_str_eq(err.field, rows[i].field != NULL ? rows[i].field : "");
        ck_assert_int_eq(report.id, rows[i].id);
    }
}
END_TEST

/* ---- heartbeats and releases --------------------------------------------------------------------------------------------- */

static taskq_heartbeat beat;

static taskq_status read_beat(taskq_error *err)
{
    return taskq__wire_read_heartbeat(&json, 0, "", false, arena, &beat, err);
}

START_TEST(fields_of_a_heartbeat_keep_to_their_bounds)
{
    static const verdict rows[] = {
        {"{\"version\":1}", NULL},
        {"{}", "/version"},
        {"{\"version\":0}", "/version"},
        {"{\"version\":1,\"progress\":{}}", NULL},
        {"{\"version\":1,\"progress\":{\"percent\":0}}", NULL},
        {"{\"version\":1,\"progress\":{\"percent\":100}}", NULL},
        {"{\"version\":1,\"progress\":{\"percent\":-0.1}}", "/progress/percent"},
        {"{\"version\":1,\"progress\":{\"percent\":100.1}}", "/progress/percent"},
        {"{\"version\":1,\"progress\":{\"percent\":\"50\"}}", "/progress/percent"},
        {"{\"version\":1,\"progress\":{\"message\":1}}", "/progress/message"},
        {"{\"version\":1,\"progress\":{\"x\":1}}", "/progress/x"},
        {"{\"version\":1,\"progress\":50}", "/progress"},
        {"{\"version\":1,\"log\":\"\"}", NULL},
        {"{\"version\":1,\"log\":[\"x\"]}", "/log"},
        {"{\"version\":1,\"id\":1}", "/id"},
    };
    JUDGE(rows, read_beat);
}
END_TEST

START_TEST(progress_is_written_anew_and_compactly)
{
    static const char *const rows[][2] = {
        {"{ \"percent\" : 50 }", "{\"percent\":50}"},
        {"{\"percent\":5e1}", "{\"percent\":50}"},
        {"{\"percent\":33.30}", "{\"percent\":33.3}"},
        {"{\"percent\":-0}", "{\"percent\":0}"},
        {"{\"message\":\"a\\u00e9\\n\", \"percent\":1.0}", "{\"percent\":1,\"message\":\"a\xc3\xa9\\n\"}"},
        {"{\"message\":\"\"}", "{\"message\":\"\"}"},
        {"{}", "{}"},
        {"null", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[128];
        (void)snprintf(text, sizeof text, "{\"version\":1,\"progress\":%s}", rows[i][0]);
        scan(text);
        ck_assert_int_eq(read_beat(NULL), TASKQ_OK);
        ck_assert_msg(taskq__text_is(beat.progress, rows[i][1]), "%s: %.*s", text, (int)beat.progress.size,
                      beat.progress.data);
    }
}
END_TEST

START_TEST(a_long_progress_message_is_cut_and_a_long_log_is_not)
{
    scan(repeated("{\"version\":1,\"progress\":{\"message\":\"", "\xc3\xa9", 1500, "\"}}"));
    ck_assert_int_eq(read_beat(NULL), TASKQ_OK);
    ck_assert_uint_eq(count_of(beat.progress, "\xc3\xa9"), 1000);
    scan(repeated("{\"version\":1,\"log\":\"", "line\\n", 50000, "\"}"));
    ck_assert_int_eq(read_beat(NULL), TASKQ_OK);
    ck_assert_uint_eq(beat.log.size, 250000);
}
END_TEST

START_TEST(a_listed_heartbeat_has_an_id_and_a_path)
{
    taskq_error err = TASKQ_ERROR_INIT;
    scan("{\"version\":0,\"id\":8}");
    ck_assert_int_eq(taskq__wire_read_heartbeat(&json, 0, "/heartbeats/0", true, arena, &beat, &err), TASKQ_EINVAL);
    ck_assert_str_eq(err.field, "/heartbeats/0/version");
    ck_assert_int_eq(beat.id, 8);
    scan("{\"version\":3,\"id\":8,\"log\":\"x\"}");
    ck_assert_int_eq(taskq__wire_read_heartbeat(&json, 0, "/heartbeats/0", true, arena, &beat, &err), TASKQ_OK);
    ck_assert_int_eq(beat.id * 10 + beat.version, 83);
    ck_assert(taskq__text_is(beat.log, "x"));
}
END_TEST

static taskq__wire_release release;

static taskq_status read_release(taskq_error *err)
{
    return taskq__wire_read_release(&json, 0, arena, &release, err);
}

START_TEST(fields_of_a_release_keep_to_their_bounds)
{
    static const verdict rows[] = {
        {"{\"version\":1}", NULL},
        {"{\"version\":1,\"delay_ms\":31536000000}", NULL},
        {"{\"version\":1,\"delay_ms\":31536000001}", "/delay_ms"},
        {"{\"version\":1,\"delay_ms\":-1}", "/delay_ms"},
        {"{\"delay_ms\":1}", "/version"},
        {"{\"version\":1,\"reason\":\"x\"}", "/reason"},
    };
    JUDGE(rows, read_release);
    scan("{\"version\":4}");
    ck_assert_int_eq(read_release(NULL), TASKQ_OK);
    ck_assert_int_eq(release.version, 4);
    ck_assert_int_eq(release.delay_ms, 0);
}
END_TEST

START_TEST(memory_that_runs_out_is_no_fault_of_a_field)
{
    taskq_arena *small = taskq__arena_new(NULL, 2048);
    taskq_error err = TASKQ_ERROR_INIT;
    scan(repeated("{\"version\":1,\"log\":\"", "line\\n", 5000, "\"}"));
    ck_assert_int_eq(taskq__wire_read_heartbeat(&json, 0, "/x", false, small, &beat, &err), TASKQ_ENOMEM);
    ck_assert_str_eq(err.field, "");
    taskq__arena_free(small);
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, fields_of_a_report_keep_to_their_bounds, a_success_is_read,
                 a_failure_is_read_and_its_error_written_anew, an_error_that_is_too_long_is_cut_and_taken,
                 the_id_of_a_listed_report_is_kept_whatever_else_is_wrong, fields_of_a_heartbeat_keep_to_their_bounds,
                 progress_is_written_anew_and_compactly, a_long_progress_message_is_cut_and_a_long_log_is_not,
                 a_listed_heartbeat_has_an_id_and_a_path, fields_of_a_release_keep_to_their_bounds,
                 memory_that_runs_out_is_no_fault_of_a_field)
