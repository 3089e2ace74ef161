/* SPDX-License-Identifier: MIT */
/* Base64: the vectors of RFC 4648, every length, and texts that are none. */
#include "wire/base64.h"

#include "core/text.h"

#include "support/check_main.h"

#include <string.h>

static const char *const vectors[][2] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
};

START_TEST(the_vectors_of_the_rfc_go_both_ways)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        taskq__buf encoded, decoded;
        taskq__buf_init(&encoded, NULL, 100);
        taskq__buf_init(&decoded, NULL, 100);
        taskq__base64_encode(&encoded, taskq_text_of(vectors[i][0]));
        ck_assert(taskq__text_is(taskq__buf_text(&encoded), vectors[i][1]));
        ck_assert_int_eq(taskq__base64_decode(&decoded, taskq_text_of(vectors[i][1])), TASKQ_OK);
        ck_assert(taskq__text_is(taskq__buf_text(&decoded), vectors[i][0]));
        taskq__buf_clear(&encoded);
        taskq__buf_clear(&decoded);
    }
}
END_TEST

START_TEST(every_byte_survives)
{
    unsigned char bytes[256];
    taskq__buf encoded, decoded;
    taskq__buf_init(&encoded, NULL, 1000);
    taskq__buf_init(&decoded, NULL, 1000);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (unsigned char)(255 - i);
    }
    taskq__base64_encode(&encoded, (taskq_text){(const char *)bytes, sizeof(bytes)});
    ck_assert_int_eq(taskq__base64_decode(&decoded, taskq__buf_text(&encoded)), TASKQ_OK);
    ck_assert_uint_eq(decoded.size, sizeof(bytes));
    ck_assert_mem_eq(decoded.data, bytes, sizeof(bytes));
    taskq__buf_clear(&encoded);
    taskq__buf_clear(&decoded);
}
END_TEST

START_TEST(what_was_cut_or_mangled_is_an_error)
{
    static const char *const bad[] = {"Zg",   "Zg=",  "Z===", "====", "Zg==Zg==", "Zm9v\n",
                                      "Zm9-", "Zm9_", "Z m9", "Zh==", "Zm9=",     "=Zm9"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        taskq__buf decoded;
        taskq__buf_init(&decoded, NULL, 100);
        ck_assert_msg(taskq__base64_decode(&decoded, taskq_text_of(bad[i])) == TASKQ_ESYNTAX, "\"%s\" is taken", bad[i]);
        taskq__buf_clear(&decoded);
    }
}
END_TEST

TASKQ_TESTS(the_vectors_of_the_rfc_go_both_ways, every_byte_survives, what_was_cut_or_mangled_is_an_error)
