/* SPDX-License-Identifier: MIT */
/*
 * Where a body ends is where the next request begins, so it is read by the letter, however its bytes trickle in.
 */
#include "core/text.h"
#include "server/front.h"
#include "support/check_main.h"

#include <string.h>

/* Delivers its text `step` bytes at a time and ends as it is told: 0 the time is over, -1 the client is gone. */
typedef struct text_source {
    const char *data;
    size_t size, taken, step;
    int end;
} text_source;

static int read_text(void *user, char *into, size_t size)
{
    text_source *self = user;
    size_t left = self->size - self->taken;
    size_t more = left < size ? left : size;
    more = more < self->step ? more : self->step;
    if (more == 0) {
        return self->end;
    }
    memcpy(into, self->data + self->taken, more);
    self->taken += more;
    return (int)more;
}

static text_source text;
static taskq__buf body;

static taskq__body_source deliver(const char *data, size_t step, int end)
{
    text = (text_source){data, strlen(data), 0, step, end};
    taskq__buf_rewind(&body);
    return (taskq__body_source){read_text, &text};
}

static void setup(void)
{
    taskq__buf_init(&body, NULL, 64);
}

static void teardown(void)
{
    taskq__buf_clear(&body);
}

static taskq_status chunked(const char *data)
{
    taskq__body_source source = deliver(data, 100, -1);
    return taskq__body_read_chunked(&source, &body);
}

START_TEST(a_body_of_known_length_is_read_to_its_last_byte_and_no_further)
{
    for (size_t step = 1; step < 12; step++) {
        taskq__body_source source = deliver("{\"a\": 1}GET /", step, -1);
        ck_assert_int_eq(taskq__body_read_length(&source, 8, &body), TASKQ_OK);
        ck_assert(taskq__text_is(taskq__buf_text(&body), "{\"a\": 1}"));
        ck_assert_uint_eq(text.taken, 8);
    }
}
END_TEST

START_TEST(a_body_that_stops_coming_is_out_of_time)
{
    taskq__body_source source = deliver("{\"a\"", 1, 0);
    ck_assert_int_eq(taskq__body_read_length(&source, 8, &body), TASKQ_ETIMEDOUT);
}
END_TEST

START_TEST(a_body_that_ends_early_is_broken)
{
    taskq__body_source source = deliver("{\"a\"", 1, -1);
    ck_assert_int_eq(taskq__body_read_length(&source, 8, &body), TASKQ_ESYNTAX);
}
END_TEST

START_TEST(a_body_above_the_bound_is_not_read)
{
    taskq__body_source source = deliver("", 1, -1);
    ck_assert_int_eq(taskq__body_read_length(&source, 65, &body), TASKQ_ELIMIT);
    ck_assert_int_eq(taskq__body_read_length(&source, SIZE_MAX, &body), TASKQ_ELIMIT);
}
END_TEST

START_TEST(chunks_are_put_together_and_trailers_skipped)
{
    for (size_t step = 1; step < 30; step++) {
        taskq__body_source source = deliver("3\r\n{\"a\r\nA\r\n\": 123456}\r\n0\r\nX: y\r\n\r\nGET /", step, -1);
        ck_assert_int_eq(taskq__body_read_chunked(&source, &body), TASKQ_OK);
        ck_assert(taskq__text_is(taskq__buf_text(&body), "{\"a\": 123456}"));
        ck_assert_str_eq(text.data + text.taken, "GET /");
    }
}
END_TEST

START_TEST(a_chunk_size_is_hexadecimal_digits_alone)
{
    static const char *const bad[] = {
        "\r\nx\r\n0\r\n\r\n",   "-1\r\nx\r\n", "+1\r\nx\r\n0\r\n\r\n",    "0x1\r\nx\r\n0\r\n\r\n",
        " 1\r\nx\r\n0\r\n\r\n", "1 \r\nx\r\n", "1;a=b\r\nx\r\n0\r\n\r\n", "1\nx\n0\n\n",
        "g\r\nx\r\n",           "1\rx"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(chunked(bad[i]) == TASKQ_ESYNTAX, "%s", bad[i]);
    }
}
END_TEST

START_TEST(a_chunk_of_another_length_than_it_says_is_broken)
{
    ck_assert_int_eq(chunked("1\r\nxy\r\n0\r\n\r\n"), TASKQ_ESYNTAX);
    ck_assert_int_eq(chunked("3\r\nxy\r\n0\r\n\r\n"), TASKQ_ESYNTAX);
}
END_TEST

START_TEST(chunks_that_are_too_large_together_are_refused)
{
    ck_assert_int_eq(chunked("ffffffff\r\nx"), TASKQ_ELIMIT);
    ck_assert_int_eq(chunked("ffffffffffffffffff\r\nx"), TASKQ_ELIMIT);
    ck_assert_int_eq(chunked("20\r\n12345678123456781234567812345678\r\n21\r\n"), TASKQ_ELIMIT);
}
END_TEST

START_TEST(trailers_have_an_end)
{
    static char endless[20000];
    memcpy(endless, "0\r\n", 3);
    memset(endless + 3, 'x', sizeof(endless) - 4);
    ck_assert_int_eq(chunked(endless), TASKQ_ELIMIT);
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, a_body_of_known_length_is_read_to_its_last_byte_and_no_further,
                 a_body_that_stops_coming_is_out_of_time, a_body_that_ends_early_is_broken,
                 a_body_above_the_bound_is_not_read, chunks_are_put_together_and_trailers_skipped,
                 a_chunk_size_is_hexadecimal_digits_alone, a_chunk_of_another_length_than_it_says_is_broken,
                 chunks_that_are_too_large_together_are_refused, trailers_have_an_end)
