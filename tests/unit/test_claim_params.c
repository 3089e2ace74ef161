/* SPDX-License-Identifier: MIT */
/* What next-job takes: the same from a query and from JSON, within the same bounds, with the same field at fault. */
#include "support/check_main.h"

#include "core/text.h"
#include "wire/record.h"

#include <stdio.h>
#include <string.h>

static taskq_arena *arena;

static void setup(void)
{
    arena = taskq__arena_new(NULL, 0);
}

static void teardown(void)
{
    taskq__arena_free(arena);
}

static taskq_status param(taskq__wire_claim *claim, const char *name, const char *value, taskq_error *err)
{
    return taskq__wire_claim_param(taskq_text_of(name), taskq_text_of(value), arena, claim, err);
}

static taskq_status object(const char *text, bool in_batch, const char *path, taskq__wire_claim *claim, taskq_error *err)
{
    taskq__json json;
    ck_assert_int_eq(taskq__json_scan(taskq_text_of(text), taskq__wire_opaque, arena, &json, NULL), TASKQ_OK);
    return taskq__wire_read_claim(&json, 0, path, in_batch, arena, claim, err);
}

static void repeat(char *out, size_t size, const char *piece, size_t times)
{
    size_t at = 0;
    for (size_t i = 0; i < times; i++) {
        at += (size_t)snprintf(out + at, size - at, "%s", piece);
    }
}

/* `list` of so many names: n0,n1,... */
static void names(char *out, size_t size, int count)
{
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        at += (size_t)snprintf(out + at, size - at, "%sn%d", i > 0 ? "," : "", i);
    }
}

START_TEST(all_parameters_of_a_query_are_read)
{
    taskq__wire_claim claim = {.queue_count = 0};
    static const char *const rows[][2] = {{"queue", "a,b"},          {"type", "http,sleep,x"}, {"wait", "0.5"},
                                          {"worker", "host-1:4711"}, {"poll", "p-1"},          {"limit", "100"},
                                          {"host", "host 1"},        {"version", "0.1.0"},     {"concurrency", "8"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_int_eq(param(&claim, rows[i][0], rows[i][1], NULL), TASKQ_OK);
    }
    ck_assert_int_eq(taskq__wire_claim_check(&claim, NULL), TASKQ_OK);
    ck_assert_uint_eq(claim.queue_count, 2);
    ck_assert(taskq__text_is(claim.queues[0], "a") && taskq__text_is(claim.queues[1], "b"));
    ck_assert_uint_eq(claim.type_count, 3);
    ck_assert(taskq__text_is(claim.types[2], "x"));
    ck_assert_int_eq(claim.wait_ms, 500);
    ck_assert(taskq__text_is(claim.worker, "host-1:4711") && taskq__text_is(claim.poll, "p-1"));
    ck_assert(taskq__text_is(claim.host, "host 1") && taskq__text_is(claim.version, "0.1.0"));
    ck_assert_uint_eq(claim.limit, 100);
    ck_assert_uint_eq(claim.concurrency, 8);
}
END_TEST

START_TEST(all_parameters_of_an_object_are_read)
{
    taskq__wire_claim claim;
    ck_assert_int_eq(object("{\"queue\":\"a,b\",\"type\":\"t\",\"wait\":1.25,\"worker\":\"w\",\"poll\":\"p\",\"limit\":5,"
                            "\"concurrency\":100000,\"host\":\"h\",\"version\":\"v\"}",
                            false, "", &claim, NULL),
                     TASKQ_OK);
    ck_assert_uint_eq(claim.queue_count, 2);
    ck_assert_uint_eq(claim.type_count, 1);
    ck_assert_int_eq(claim.wait_ms, 1250);
    ck_assert(taskq__text_is(claim.worker, "w") && taskq__text_is(claim.poll, "p"));
    ck_assert_uint_eq(claim.limit, 5);
    ck_assert_uint_eq(claim.concurrency, 100000);
}
END_TEST

START_TEST(nothing_given_is_nothing_set)
{
    taskq__wire_claim claim;
    ck_assert_int_eq(object("{\"queue\":null,\"limit\":null}", false, "", &claim, NULL), TASKQ_OK);
    ck_assert_uint_eq(claim.queue_count + claim.type_count + claim.limit + claim.concurrency, 0);
    ck_assert_int_eq(claim.wait_ms, 0);
    ck_assert_uint_eq(claim.worker.size + claim.poll.size + claim.host.size + claim.version.size, 0);
}
END_TEST

START_TEST(bounds_of_a_query_are_kept)
{
    static const struct {
        const char *name, *value;
        bool good;
    } rows[] = {
        {"wait", "0", true},
        {"wait", "60", true},
        {"wait", "60.000", true},
        {"wait", "0.001", true},
        {"wait", "60.001", false},
        {"wait", "-1", false},
        {"wait", "", false},
        {"wait", "1s", false},
        {"wait", "NaN", false},
        {"wait", "1,5", false},
        {"wait", "+1", false},
        {"wait", " 1", false},
        {"wait", "inf", false},
        {"limit", "1", true},
        {"limit", "100", true},
        {"limit", "0", false},
        {"limit", "101", false},
        {"limit", "-1", false},
        {"limit", "1.0", false},
        {"limit", "", false},
        {"limit", "x", false},
        {"limit", "4294967297", false},
        {"limit", "99999999999999999999", false},
        {"concurrency", "1", true},
        {"concurrency", "100000", true},
        {"concurrency", "0", false},
        {"concurrency", "100001", false},
        {"worker", "w", true},
        {"worker", "", false},
        {"worker", "a b", false},
        {"poll", "AZaz09._:/-", true},
        {"poll", "", false},
        {"poll", "a,b", false},
        {"host", "h\xc3\xb6st", true},
        {"host", "", false},
        {"host", "\xff", false},
        {"version", "1.0", true},
        {"version", "", false},
        {"queue", "", false},
        {"queue", ",", false},
        {"queue", "a,", false},
        {"queue", ",a", false},
        {"queue", "a,,b", false},
        {"queue", "a, b", false},
        {"queue", "\xc3\xa9", false},
        {"type", "", false},
        {"type", "a,,b", false},
        {"type", "a,b", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        taskq__wire_claim claim = {.queue_count = 0};
        taskq_error err = TASKQ_ERROR_INIT;
        char field[32];
        taskq_status status = param(&claim, rows[i].name, rows[i].value, &err);
        ck_assert_msg(status == (rows[i].good ? TASKQ_OK : TASKQ_EINVAL), "%s=%s", rows[i].name, rows[i].value);
        (void)snprintf(field, sizeof field, "/%s", rows[i].name);
        ck_assert_str_eq(err.field, rows[i].good ? "" : field);
    }
}
END_TEST

START_TEST(bounds_of_an_object_are_kept)
{
    static const struct {
        const char *json, *field;
    } rows[] = {
        {"{\"wait\":60}", ""},
        {"{\"wait\":60.1}", "/wait"},
        {"{\"wait\":-0.1}", "/wait"},
        {"{\"wait\":\"1\"}", "/wait"},
        {"{\"limit\":1}", ""},
        {"{\"limit\":100}", ""},
        {"{\"limit\":1.0}", ""},
        {"{\"limit\":0}", "/limit"},
        {"{\"limit\":101}", "/limit"},
        {"{\"limit\":1.5}", "/limit"},
        {"{\"limit\":\"1\"}", "/limit"},
        {"{\"limit\":true}", "/limit"},
        {"{\"concurrency\":0}", "/concurrency"},
        {"{\"concurrency\":100001}", "/concurrency"},
        {"{\"queue\":[\"a\"]}", "/queue"},
        {"{\"queue\":\"\"}", "/queue"},
        {"{\"queue\":\"a,\"}", "/queue"},
        {"{\"type\":\",a\"}", "/type"},
        {"{\"type\":5}", "/type"},
        {"{\"worker\":\"\"}", "/worker"},
        {"{\"poll\":\"p\"}", "/poll"},
        {"{\"poll\":\"p\",\"worker\":\"w\"}", ""},
        {"{\"host\":\"\"}", "/host"},
        {"{\"version\":\"\"}", "/version"},
        {"{\"x\":1}", "/x"},
        {"{\"limit\":1,\"limit\":1}", "/limit"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        taskq__wire_claim claim;
        taskq_error err = TASKQ_ERROR_INIT;
        taskq_status status = object(rows[i].json, false, "", &claim, &err);
        ck_assert_msg(status == (rows[i].field[0] != 0 ? TASKQ_EINVAL : TASKQ_OK), "%s: %s", rows[i].json, err.text);
        ck_assert_str_eq(err.field, rows[i].field);
    }
}
END_TEST

START_TEST(long_texts_are_taken_up_to_their_bound)
{
    static const struct {
        const char *name;
        size_t fits;
        const char *piece;
    } rows[] = {{"worker", 128, "x"},        {"poll", 128, "x"},  {"host", 255, "x"}, {"host", 255, "\xc3\xa9"},
                {"version", 64, "\xc3\xa9"}, {"queue", 128, "q"}, {"type", 128, "t"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[1024];
        taskq__wire_claim claim = {.queue_count = 0}, other = {.queue_count = 0};
        repeat(text, sizeof text, rows[i].piece, rows[i].fits);
        ck_assert_int_eq(param(&claim, rows[i].name, text, NULL), TASKQ_OK);
        repeat(text, sizeof text, rows[i].piece, rows[i].fits + 1);
        ck_assert_int_eq(param(&other, rows[i].name, text, NULL), TASKQ_EINVAL);
    }
}
END_TEST

START_TEST(thirty_two_names_fit_and_one_more_does_not)
{
    char text[512], json[600];
    taskq__wire_claim claim = {.queue_count = 0}, other = {.queue_count = 0};
    names(text, sizeof text, 32);
    ck_assert_int_eq(param(&claim, "type", text, NULL), TASKQ_OK);
    ck_assert_uint_eq(claim.type_count, 32);
    names(text, sizeof text, 33);
    ck_assert_int_eq(param(&other, "type", text, NULL), TASKQ_EINVAL);
    (void)snprintf(json, sizeof json, "{\"queue\":\"%s\"}", text);
    ck_assert_int_eq(object(json, false, "", &other, NULL), TASKQ_EINVAL);
}
END_TEST

START_TEST(a_name_given_twice_in_a_list_is_kept_once_at_its_first_place)
{
    taskq__wire_claim claim = {.queue_count = 0};
    ck_assert_int_eq(param(&claim, "queue", "b,a,b,a,c,b", NULL), TASKQ_OK);
    ck_assert_uint_eq(claim.queue_count, 3);
    ck_assert(taskq__text_is(claim.queues[0], "b"));
    ck_assert(taskq__text_is(claim.queues[1], "a"));
    ck_assert(taskq__text_is(claim.queues[2], "c"));
}
END_TEST

START_TEST(a_parameter_given_twice_or_unknown_is_refused)
{
    taskq__wire_claim claim = {.queue_count = 0};
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_int_eq(param(&claim, "queue", "a", NULL), TASKQ_OK);
    ck_assert_int_eq(param(&claim, "queue", "a", &err), TASKQ_EINVAL);
    ck_assert_str_eq(err.field, "/queue");
    ck_assert_str_eq(err.text, "is given twice");
    ck_assert_int_eq(param(&claim, "Queue", "a", &err), TASKQ_EINVAL);
    ck_assert_str_eq(err.field, "/Queue");
    ck_assert_int_eq(param(&claim, "a/b~c\n\xff", "", &err), TASKQ_EINVAL);
    ck_assert(taskq__text_is_utf8(taskq_text_of(err.field)) || err.field[0] == '/');
    ck_assert_ptr_nonnull(strstr(err.field, "/a~1b~0c?"));
}
END_TEST

START_TEST(a_parameter_outlives_the_query_it_came_in)
{
    taskq__wire_claim claim = {.queue_count = 0};
    char *query = strdup("q1,q2");
    ck_assert_ptr_nonnull(query);
    ck_assert_int_eq(param(&claim, "queue", query, NULL), TASKQ_OK);
    memset(query, 'x', strlen(query));
    free(query);
    ck_assert(taskq__text_is(claim.queues[1], "q2"));
}
END_TEST

START_TEST(a_poll_without_a_worker_is_refused)
{
    taskq__wire_claim claim = {.queue_count = 0};
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_int_eq(param(&claim, "poll", "p", NULL), TASKQ_OK);
    ck_assert_int_eq(taskq__wire_claim_check(&claim, &err), TASKQ_EINVAL);
    ck_assert_str_eq(err.field, "/poll");
}
END_TEST

START_TEST(the_claim_behind_reports_has_no_wait_and_a_path)
{
    taskq__wire_claim claim = {.limit = 77};
    taskq_error err = TASKQ_ERROR_INIT;
    ck_assert_int_eq(object("{\"wait\":1}", true, "/next", &claim, &err), TASKQ_EINVAL);
    ck_assert_str_eq(err.field, "/next/wait");
    ck_assert_str_eq(err.text, "unknown field");
    ck_assert_int_eq(object("{\"poll\":\"p\"}", true, "/next", &claim, &err), TASKQ_EINVAL);
    ck_assert_str_eq(err.field, "/next/poll");
    ck_assert_int_eq(object("[]", true, "/next", &claim, &err), TASKQ_EINVAL);
    ck_assert_str_eq(err.field, "/next");
    ck_assert_uint_eq(claim.limit, 77);
    ck_assert_int_eq(object("{\"limit\":3}", true, "/next", &claim, &err), TASKQ_OK);
    ck_assert_uint_eq(claim.limit, 3);
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, all_parameters_of_a_query_are_read, all_parameters_of_an_object_are_read,
                 nothing_given_is_nothing_set, bounds_of_a_query_are_kept, bounds_of_an_object_are_kept,
                 long_texts_are_taken_up_to_their_bound, thirty_two_names_fit_and_one_more_does_not,
                 a_name_given_twice_in_a_list_is_kept_once_at_its_first_place,
                 a_parameter_given_twice_or_unknown_is_refused, a_parameter_outlives_the_query_it_came_in,
                 a_poll_without_a_worker_is_refused, the_claim_behind_reports_has_no_wait_and_a_path)
