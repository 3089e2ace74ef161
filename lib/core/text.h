/* SPDX-License-Identifier: MIT */
/* Texts: pointer and length. Comparing, checking names, reading numbers; nothing here allocates. */
#ifndef TASKQ_CORE_TEXT_H
#define TASKQ_CORE_TEXT_H

#include <taskq/job.h>

bool taskq__text_equal(taskq_text a, taskq_text b);
bool taskq__text_is(taskq_text a, const char *string);
bool taskq__text_contains(taskq_text hay, taskq_text needle);

bool taskq__text_is_name(taskq_text text); /* 1 to 128 of A-Z a-z 0-9 . _ : / - */
bool taskq__text_is_key(taskq_text text);  /* 1 to 256 characters of UTF-8, none of them NUL */
bool taskq__text_is_utf8(taskq_text text); /* strict: no overlong forms, no surrogates, at most U+10FFFF */
size_t taskq__utf8_count(taskq_text text); /* characters of valid UTF-8 */
/* The bytes of the valid character that starts at `at`, 1 to 4; 0: none does (or the text ends there). */
size_t taskq__utf8_step(taskq_text text, size_t at);
/* The size of the text without the character that its end cuts off, if it does. */
size_t taskq__utf8_whole(taskq_text text);
/* The longest prefix of valid UTF-8 with at most so many characters; and the longest suffix of at most so many bytes that
 * starts at a character. */
taskq_text taskq__text_cut_chars(taskq_text text, size_t chars_max);
taskq_text taskq__text_cut_tail(taskq_text text, size_t bytes_max);
taskq_text taskq__text_cut_lines(taskq_text text, size_t lines_max);

/* A whole text as a number: optional '-', digits, no spaces, no leading '+'. ESYNTAX or EINVAL (out of range), `out` untouched. */
taskq_status taskq__parse_int64(taskq_text text, int64_t min, int64_t max, int64_t *out);
/* A JSON-style number as a double; false where it is none or not finite. */
bool taskq__parse_double(taskq_text text, double *out);
/* A W3C traceparent in the form of version 00, which later versions share; ff is none. */
bool taskq__text_is_traceparent(taskq_text text);

/* Takes the next element of a comma-separated list off `rest`; false at the end. "a,,b" gives an empty element. */
bool taskq__text_next_of_list(taskq_text *rest, taskq_text *out);

#endif
