/* SPDX-License-Identifier: MIT */
/* The form of a secret, and that a slip of the finger is noticed. */
#include "server/secret.h"
#include "support/check_main.h"

#include <string.h>

static char secret[TASKQ_TOKEN_SECRET_BYTES];

static void setup(void)
{
    ck_assert_int_eq(taskq__secret_make(TASKQ_ROLE_WORKER, secret, NULL), TASKQ_OK);
}

static void teardown(void) {}

START_TEST(a_secret_has_a_prefix_for_scanners_and_the_letter_of_its_role)
{
    static const struct {
        taskq_role role;
        const char *prefix;
    } roles[] = {{TASKQ_ROLE_VIEWER, "tq_v_"},
                 {TASKQ_ROLE_PRODUCER, "tq_p_"},
                 {TASKQ_ROLE_WORKER, "tq_w_"},
                 {TASKQ_ROLE_ADMIN, "tq_a_"}};
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        ck_assert_int_eq(taskq__secret_make(roles[i].role, secret, NULL), TASKQ_OK);
        ck_assert_msg(strncmp(secret, roles[i].prefix, 5) == 0, "%s", secret);
        ck_assert_uint_eq(strlen(secret), TASKQ__SECRET_SIZE);
        ck_assert(taskq__secret_is_whole(taskq_text_of(secret)));
    }
}
END_TEST

START_TEST(a_slip_in_any_character_is_noticed)
{
    for (size_t at = 0; secret[at] != '\0'; at++) {
        char right = secret[at];
        secret[at] = right == '0' ? '1' : '0';
        ck_assert_msg(!taskq__secret_is_whole(taskq_text_of(secret)), "at %zu: %s", at, secret);
        secret[at] = right;
    }
    ck_assert(taskq__secret_is_whole(taskq_text_of(secret)));
}
END_TEST

START_TEST(two_characters_that_changed_places_are_noticed)
{
    for (size_t at = 5; secret[at + 1] != '\0'; at++) {
        char first = secret[at];
        secret[at] = secret[at + 1];
        secret[at + 1] = first;
        bool same = secret[at] == first;
        ck_assert_msg(taskq__secret_is_whole(taskq_text_of(secret)) == same, "at %zu", at);
        secret[at + 1] = secret[at];
        secret[at] = first;
    }
}
END_TEST

START_TEST(what_is_cut_or_longer_is_none)
{
    ck_assert(!taskq__secret_is_whole((taskq_text){secret, TASKQ__SECRET_SIZE - 1}));
    ck_assert(!taskq__secret_is_whole((taskq_text){secret, TASKQ__SECRET_SIZE + 1}));
    ck_assert(!taskq__secret_is_whole((taskq_text){NULL, 0}));
    secret[3] = '\0';
    ck_assert(!taskq__secret_is_whole((taskq_text){secret, TASKQ__SECRET_SIZE}));
}
END_TEST

START_TEST(no_two_secrets_are_the_same)
{
    char other[TASKQ_TOKEN_SECRET_BYTES];
    taskq__secret_hash a, b;
    ck_assert_int_eq(taskq__secret_make(TASKQ_ROLE_WORKER, other, NULL), TASKQ_OK);
    ck_assert_str_ne(secret, other);
    ck_assert(taskq__secret_hash_of(taskq_text_of(secret), &a) && taskq__secret_hash_of(taskq_text_of(other), &b));
    ck_assert(!taskq__secret_hash_equal(&a, &b));
    ck_assert(taskq__secret_hash_of(taskq_text_of(secret), &b) && taskq__secret_hash_equal(&a, &b));
}
END_TEST

START_TEST(the_hash_is_sha256)
{
    char hex[2 * TASKQ__SECRET_HASH_BYTES + 1];
    taskq__secret_hash hash;
    taskq__secret_hash back;
    ck_assert(taskq__secret_hash_of(TASKQ_TEXT("abc"), &hash));
    taskq__hex_write(hash.bytes, sizeof(hash.bytes), hex);
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ck_assert(taskq__hex_read(taskq_text_of(hex), back.bytes, sizeof(back.bytes)));
    ck_assert(taskq__secret_hash_equal(&hash, &back));
    hex[0] = 'B'; /* one spelling only */
    ck_assert(!taskq__hex_read(taskq_text_of(hex), back.bytes, sizeof(back.bytes)));
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, a_secret_has_a_prefix_for_scanners_and_the_letter_of_its_role,
                 a_slip_in_any_character_is_noticed, two_characters_that_changed_places_are_noticed,
                 what_is_cut_or_longer_is_none, no_two_secrets_are_the_same, the_hash_is_sha256)
