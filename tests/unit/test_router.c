/* SPDX-License-Identifier: MIT */
/*
 * What reaches a handler is decided here, on the path as it came: nothing that merely looks like a path of ours may.
 */
#include "core/text.h"
#include "server/api.h"
#include "support/check_main.h"

#include <string.h>

static const taskq__route *route;
static taskq_text captured;
static char allow[TASKQ__ALLOW_BYTES];

static int find(const char *method, const char *path)
{
    route = NULL;
    return taskq__route_find(taskq_text_of(method), taskq_text_of(path), &route, &captured, allow);
}

START_TEST(a_path_leads_to_its_handler)
{
    ck_assert_int_eq(find("POST", "/jobs"), 200);
    ck_assert(route->handler == taskq__jobs_post);
    ck_assert_int_eq(find("GET", "/jobs"), 200);
    ck_assert(route->handler == taskq__jobs_list);
}
END_TEST

START_TEST(the_id_is_captured_as_it_came)
{
    ck_assert_int_eq(find("POST", "/jobs/42/cancel"), 200);
    ck_assert(route->handler == taskq__jobs_cancel);
    ck_assert(taskq__text_is(captured, "42"));
}
END_TEST

START_TEST(a_name_is_captured_with_its_escapes)
{
    ck_assert_int_eq(find("GET", "/queues/a%2Fb:c"), 200);
    ck_assert(taskq__text_is(captured, "a%2Fb:c"));
}
END_TEST

START_TEST(a_path_that_is_written_out_is_no_job)
{
    ck_assert_int_eq(find("POST", "/jobs/bulk"), 200);
    ck_assert(route->handler == taskq__jobs_bulk);
    ck_assert_int_eq(find("GET", "/jobs/bulk"), 405);
    ck_assert_str_eq(allow, "POST");
}
END_TEST

START_TEST(a_wrong_method_is_told_the_right_ones)
{
    ck_assert_int_eq(find("PUT", "/jobs/1"), 405);
    ck_assert_str_eq(allow, "GET, HEAD, DELETE");
    ck_assert_int_eq(find("DELETE", "/next-job"), 405);
    ck_assert_str_eq(allow, "GET, POST");
}
END_TEST

START_TEST(head_is_get_but_where_get_takes_a_job)
{
    ck_assert_int_eq(find("HEAD", "/jobs"), 200);
    ck_assert_int_eq(find("HEAD", "/next-job"), 405);
    ck_assert_int_eq(find("get", "/jobs"), 405);
}
END_TEST

START_TEST(what_only_looks_like_a_path_reaches_nothing)
{
    static const char *const paths[] = {"",
                                        "/",
                                        "/JOBS",
                                        "//jobs",
                                        "/jobs/",
                                        "/jobs//1",
                                        "/jobs.",
                                        "/./jobs",
                                        "/x/../jobs",
                                        "/jobs%2f1",
                                        "/next-job%00",
                                        "/jobs/1/",
                                        "/jobs/x",
                                        "/jobs/-1",
                                        "/queues/",
                                        "/queues/..",
                                        "/queues/.",
                                        "/queues/a/b",
                                        "/jobs/1/complete/x",
                                        "/jobs/1/Complete",
                                        "jobs"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        ck_assert_msg(find("GET", paths[i]) == 404, "%s", paths[i]);
        ck_assert_msg(find("POST", paths[i]) == 404, "%s", paths[i]);
    }
}
END_TEST

TASKQ_TESTS(a_path_leads_to_its_handler, the_id_is_captured_as_it_came, a_name_is_captured_with_its_escapes,
            a_path_that_is_written_out_is_no_job, a_wrong_method_is_told_the_right_ones,
            head_is_get_but_where_get_takes_a_job, what_only_looks_like_a_path_reaches_nothing)
