/* SPDX-License-Identifier: MIT */
/*
 * The last line of a test file names its tests; this header makes the program of it. Output is TAP, for
 * meson (protocol: 'tap').
 *
 *     #include "support/check_main.h"
 *
 *     START_TEST(the_first_delay_is_the_base)
 *     {
 *         ck_assert_int_eq(taskq__backoff_delay(...), 2000);
 *     }
 *     END_TEST
 *
 *     TASKQ_TESTS(the_first_delay_is_the_base, another_one)
 *
 * Each test is a test case of its own name, so CK_RUN_CASE=the_first_delay_is_the_base runs that one
 * alone, and CK_FORK=no runs it without a child (for a debugger). A test runs in a child process, except
 * under ThreadSanitizer, which does not follow a fork of a process with threads.
 *
 * TASKQ_TESTS_WITH(setup, teardown, ...) runs the two around each test, in the test's process;
 * TASKQ_TESTS_LOOPED(setup, teardown, {test, count}, ...) runs each test with _i from 0 to its count. A suite
 * that is built in a loop (one contract for several stores) calls taskq_check_add() and
 * taskq_check_run() itself.
 */
#ifndef TASKQ_TESTS_CHECK_MAIN_H
#define TASKQ_TESTS_CHECK_MAIN_H

#include <check.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(__SANITIZE_THREAD__)
#define TASKQ_TESTS_NO_FORK 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TASKQ_TESTS_NO_FORK 1
#endif
#endif

/* Seconds a single test may take before it counts as hung: generous, a slow machine is no failure. */
#define TASKQ_TESTS_TIMEOUT_SECONDS 120

typedef struct taskq_looped {
    const TTest *test;
    int count; /* of its runs */
} taskq_looped;

static inline void taskq_check_add_looped(Suite *suite, taskq_looped test, void (*setup)(void), void (*teardown)(void))
{
    TCase *one = tcase_create(test.test->name);
    tcase_set_timeout(one, TASKQ_TESTS_TIMEOUT_SECONDS);
    tcase_add_checked_fixture(one, setup, teardown);
    tcase_add_loop_test(one, test.test, 0, test.count);
    suite_add_tcase(suite, one);
}

static inline void taskq_check_add(Suite *suite, const TTest *const *tests, size_t count, void (*setup)(void),
                                   void (*teardown)(void))
{
    for (size_t i = 0; i < count; i++) {
        taskq_check_add_looped(suite, (taskq_looped){tests[i], 1}, setup, teardown);
    }
}

/* Runs and frees the suite; returns the exit status for main(). */
static inline int taskq_check_run(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
#ifdef TASKQ_TESTS_NO_FORK
    srunner_set_fork_status(runner, CK_NOFORK);
#endif
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define TASKQ_TESTS_WITH(setup, teardown, ...)                                            \
    int main(void)                                                                        \
    {                                                                                     \
        const TTest *const tests[] = {__VA_ARGS__};                                       \
        Suite *suite = suite_create(__FILE__);                                            \
        taskq_check_add(suite, tests, sizeof(tests) / sizeof(tests[0]), setup, teardown); \
        return taskq_check_run(suite);                                                    \
    }

#define TASKQ_TESTS_LOOPED(setup, teardown, ...)                        \
    int main(void)                                                      \
    {                                                                   \
        const taskq_looped tests[] = {__VA_ARGS__};                     \
        Suite *suite = suite_create(__FILE__);                          \
        for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) { \
            taskq_check_add_looped(suite, tests[i], setup, teardown);   \
        }                                                               \
        return taskq_check_run(suite);                                  \
    }

#define TASKQ_TESTS(...) TASKQ_TESTS_WITH(NULL, NULL, __VA_ARGS__)

#endif
