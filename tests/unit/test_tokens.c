/* SPDX-License-Identifier: MIT */
/* The file of tokens: what is written is read again, what does not fit is refused with its line, what others can reach is not taken. */
#include "server/tokens.h"
#include "support/check_main.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define HASH_2 "ca7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ENTRY(name, role, more, id, hash)                                                                          \
    "{\"name\":\"" name "\",\"role\":\"" role "\"" more ",\"created\":\"2026-01-01T00:00:00Z\",\"id\":\"" id "\"," \
    "\"sha256\":\"" hash "\"}\n"

static char folder[64];
static char path[96];
static char secret[TASKQ_TOKEN_SECRET_BYTES];
static taskq_error err;

static void setup(void)
{
    err = (taskq_error)TASKQ_ERROR_INIT;
    snprintf(folder, sizeof(folder), "/tmp/taskq-tokens-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/tokens", folder);
}

static void teardown(void)
{
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0); /* nothing is left beside it */
}

static taskq_status create(const char *name, taskq_role role, int64_t expires_at_ms)
{
    static const char *const queues[] = {"a", "b/c"};
    taskq_token token = TASKQ_TOKEN_INIT;
    token.name = name;
    token.role = role;
    token.queues = queues;
    token.queue_count = role == TASKQ_ROLE_WORKER ? 2 : 0;
    token.expires_at_ms = expires_at_ms;
    return taskq_tokens_create(path, NULL, &token, secret, &err);
}

static taskq_tokens *read_all(void)
{
    taskq_tokens *tokens = NULL;
    ck_assert_msg(taskq_tokens_read(path, NULL, &tokens, &err) == TASKQ_OK, "%s", err.text);
    return tokens;
}

static taskq_status parse(const char *text)
{
    taskq_tokens *tokens = NULL;
    taskq_status status = taskq__tokens_parse(NULL, taskq_text_of(text), &tokens, &err);
    taskq_tokens_free(tokens);
    return status;
}

START_TEST(what_was_made_is_read_and_found_by_its_secret)
{
    taskq__secret_hash hash;
    ck_assert_int_eq(create("mail-1", TASKQ_ROLE_WORKER, 4000000000000), TASKQ_OK);
    ck_assert(taskq__secret_hash_of(taskq_text_of(secret), &hash));
    ck_assert_int_eq(create("boss", TASKQ_ROLE_ADMIN, 0), TASKQ_OK);
    taskq_tokens *tokens = read_all();
    ck_assert_uint_eq(taskq_tokens_count(tokens), 2);
    const taskq_token *token = taskq__tokens_by_hash(tokens, &hash, 1);
    ck_assert_ptr_nonnull(token);
    ck_assert_str_eq(token->name, "mail-1");
    ck_assert_int_eq(token->role, TASKQ_ROLE_WORKER);
    ck_assert_uint_eq(token->queue_count, 2);
    ck_assert_str_eq(token->queues[1], "b/c");
    ck_assert_int_eq(token->expires_at_ms, 4000000000000);
    ck_assert_ptr_null(taskq__tokens_by_hash(tokens, &hash, 4000000000000));
    ck_assert_ptr_null(taskq__tokens_by_name(tokens, TASKQ_TEXT("mail-1"), 4000000000000));
    ck_assert_ptr_eq(taskq__tokens_by_name(tokens, TASKQ_TEXT("mail-1"), 1), token);
    hash.bytes[31] ^= 1;
    ck_assert_ptr_null(taskq__tokens_by_hash(tokens, &hash, 1));
    taskq_tokens_free(tokens);
}
END_TEST

START_TEST(the_file_is_its_owners_alone_and_has_no_secret_in_it)
{
    struct stat is;
    char text[2048] = "";
    mode_t before = umask(0);
    ck_assert_int_eq(create("a", TASKQ_ROLE_VIEWER, 0), TASKQ_OK);
    umask(before);
    ck_assert_int_eq(stat(path, &is), 0);
    ck_assert_uint_eq(is.st_mode & 07777, 0600);
    int fd = open(path, O_RDONLY);
    ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 100);
    close(fd);
    ck_assert_ptr_null(strstr(text, secret));
    ck_assert_ptr_null(strstr(text, secret + 5));
}
END_TEST

START_TEST(a_file_that_others_can_reach_is_refused_and_left_alone)
{
    taskq_tokens *tokens = NULL;
    ck_assert_int_eq(create("a", TASKQ_ROLE_VIEWER, 0), TASKQ_OK);
    static const mode_t modes[] = {0644, 0640, 0604, 0660, 0610, 0602};
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        ck_assert_int_eq(chmod(path, modes[i]), 0);
        ck_assert_int_eq(taskq_tokens_read(path, NULL, &tokens, &err), TASKQ_EDENIED);
        ck_assert_ptr_nonnull(strstr(err.text, "chmod 600"));
        ck_assert_int_eq(create("b", TASKQ_ROLE_VIEWER, 0), TASKQ_EDENIED);
    }
    ck_assert_int_eq(chmod(path, 0400), 0);
    tokens = read_all();
    ck_assert_uint_eq(taskq_tokens_count(tokens), 1);
    taskq_tokens_free(tokens);
}
END_TEST

START_TEST(a_file_of_somebody_else_is_refused)
{
    taskq_tokens *tokens = NULL;
    if (geteuid() != 0) {
        return; /* only root can give a file away */
    }
    ck_assert_int_eq(create("a", TASKQ_ROLE_VIEWER, 0), TASKQ_OK);
    ck_assert_int_eq(chown(path, 12345, 0), 0);
    ck_assert_int_eq(taskq_tokens_read(path, NULL, &tokens, &err), TASKQ_EDENIED);
}
END_TEST

START_TEST(a_name_is_there_once)
{
    char first[TASKQ_TOKEN_SECRET_BYTES];
    ck_assert_int_eq(create("a", TASKQ_ROLE_VIEWER, 0), TASKQ_OK);
    memcpy(first, secret, sizeof(first));
    ck_assert_int_eq(create("a", TASKQ_ROLE_VIEWER, 0), TASKQ_EEXISTS);
    ck_assert_int_eq(secret[0], '\0');
    taskq_tokens *tokens = read_all();
    ck_assert_uint_eq(taskq_tokens_count(tokens), 1);
    taskq_tokens_free(tokens);
}
END_TEST

START_TEST(after_a_rotation_both_secrets_are_good_until_the_overlap_is_over)
{
    taskq__secret_hash old, fresh;
    ck_assert_int_eq(create("a", TASKQ_ROLE_WORKER, 0), TASKQ_OK);
    ck_assert(taskq__secret_hash_of(taskq_text_of(secret), &old));
    ck_assert_int_eq(taskq_tokens_rotate(path, NULL, "a", 3600000, secret, &err), TASKQ_OK);
    ck_assert(taskq__secret_hash_of(taskq_text_of(secret), &fresh));
    taskq_tokens *tokens = read_all();
    int64_t now_ms = taskq_tokens_at(tokens, 1)->created_at_ms;
    ck_assert_ptr_nonnull(taskq__tokens_by_hash(tokens, &old, now_ms));
    const taskq_token *token = taskq__tokens_by_hash(tokens, &fresh, now_ms);
    ck_assert_ptr_nonnull(token);
    ck_assert_uint_eq(token->queue_count, 2);
    ck_assert_ptr_null(taskq__tokens_by_hash(tokens, &old, now_ms + 3600000));
    ck_assert_ptr_nonnull(taskq__tokens_by_hash(tokens, &fresh, now_ms + 3600000));
    taskq_tokens_free(tokens);
}
END_TEST

START_TEST(a_rotation_without_overlap_ends_the_old_secret)
{
    ck_assert_int_eq(create("a", TASKQ_ROLE_VIEWER, 0), TASKQ_OK);
    ck_assert_int_eq(taskq_tokens_rotate(path, NULL, "a", 0, secret, &err), TASKQ_OK);
    taskq_tokens *tokens = read_all();
    ck_assert_uint_eq(taskq_tokens_count(tokens), 1);
    taskq_tokens_free(tokens);
    ck_assert_int_eq(taskq_tokens_rotate(path, NULL, "b", 0, secret, &err), TASKQ_ENOTFOUND);
}
END_TEST

START_TEST(a_revoked_name_is_gone_and_of_two_secrets_one_can_be)
{
    uint32_t revoked = 0;
    char id[32];
    ck_assert_int_eq(create("a", TASKQ_ROLE_VIEWER, 0), TASKQ_OK);
    ck_assert_int_eq(create("b", TASKQ_ROLE_VIEWER, 0), TASKQ_OK);
    ck_assert_int_eq(taskq_tokens_rotate(path, NULL, "a", 1000, secret, &err), TASKQ_OK);
    taskq_tokens *tokens = read_all();
    snprintf(id, sizeof(id), "%s", taskq_tokens_at(tokens, 0)->id);
    taskq_tokens_free(tokens);
    ck_assert_int_eq(taskq_tokens_revoke(path, NULL, "b", id, &revoked, &err), TASKQ_ENOTFOUND);
    ck_assert_int_eq(taskq_tokens_revoke(path, NULL, "a", id, &revoked, &err), TASKQ_OK);
    ck_assert_uint_eq(revoked, 1);
    ck_assert_int_eq(taskq_tokens_revoke(path, NULL, "a", NULL, &revoked, &err), TASKQ_OK);
    ck_assert_int_eq(taskq_tokens_revoke(path, NULL, "a", NULL, &revoked, &err), TASKQ_ENOTFOUND);
    tokens = read_all();
    ck_assert_uint_eq(taskq_tokens_count(tokens), 1);
    taskq_tokens_free(tokens);
}
END_TEST

START_TEST(a_line_that_does_not_fit_is_named)
{
    static const char *const bad[] = {
        "{}\n",
        "[]\n",
        "nonsense\n",
        ENTRY("a", "boss", "", "1", HASH),
        ENTRY("a b", "admin", "", "1", HASH),
        ENTRY("", "admin", "", "1", HASH),
        ENTRY("a\\u0000", "admin", "", "1", HASH),
        ENTRY("a", "admin", ",\"queue\":[\"x\"]", "1", HASH), /* misspelt, it would have bound the token */
        ENTRY("a", "admin", ",\"queues\":[]", "1", HASH),
        ENTRY("a", "admin", ",\"queues\":\"x\"", "1", HASH),
        ENTRY("a", "admin", ",\"queues\":[\"x y\"]", "1", HASH),
        ENTRY("a", "admin", ",\"role\":\"viewer\"", "1", HASH),
        ENTRY("a", "admin", ",\"expires\":\"soon\"", "1", HASH),
        ENTRY("a", "admin", ",\"expires\":0", "1", HASH),
        ENTRY("a", "admin", "", "1", "ba78"),
        ENTRY("a", "admin", "", "1", HASH) ENTRY("b", "admin", "", "1", HASH_2),
        ENTRY("a", "admin", "", "1", HASH) ENTRY("b", "admin", "", "2", HASH),
        ENTRY("a", "admin", "", "1", HASH) ENTRY("a", "viewer", "", "2", HASH_2),
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(parse(bad[i]) == TASKQ_ESYNTAX, "%s", bad[i]);
        ck_assert_msg(strncmp(err.text, "line ", 5) == 0, "%s", err.text);
    }
    ck_assert_int_eq(parse(ENTRY("a", "admin", "", "1", HASH) "\n  \nnonsense"), TASKQ_ESYNTAX);
    ck_assert_msg(strncmp(err.text, "line 4:", 7) == 0, "%s", err.text);
    ck_assert_int_eq(parse(ENTRY("a", "admin", "", "1", HASH) ENTRY("a", "admin", "", "2", HASH_2)), TASKQ_OK);
    ck_assert_int_eq(parse(""), TASKQ_OK);
}
END_TEST

START_TEST(an_expiry_in_1970_is_over_and_not_never)
{
    taskq_tokens *tokens = NULL;
    ck_assert_int_eq(
        taskq__tokens_parse(NULL, TASKQ_TEXT(ENTRY("a", "admin", ",\"expires\":\"1970-01-01T00:00:00Z\"", "1", HASH)),
                            &tokens, &err),
        TASKQ_OK);
    ck_assert_ptr_null(taskq__tokens_by_name(tokens, TASKQ_TEXT("a"), 1000));
    taskq_tokens_free(tokens);
}
END_TEST

START_TEST(bad_arguments_make_no_file)
{
    ck_assert_int_eq(create("a b", TASKQ_ROLE_VIEWER, 0), TASKQ_EINVAL);
    ck_assert_int_eq(create("a", (taskq_role)9, 0), TASKQ_EINVAL);
    ck_assert_int_eq(create("a", TASKQ_ROLE_VIEWER, -1), TASKQ_EINVAL);
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_int_eq(taskq_tokens_rotate(path, NULL, "a", 0, secret, &err), TASKQ_ENOTFOUND);
    ck_assert_int_eq(taskq_tokens_revoke(path, NULL, "a", NULL, NULL, &err), TASKQ_ENOTFOUND);
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

TASKQ_TESTS_WITH(setup, teardown, what_was_made_is_read_and_found_by_its_secret,
                 the_file_is_its_owners_alone_and_has_no_secret_in_it,
                 a_file_that_others_can_reach_is_refused_and_left_alone, a_file_of_somebody_else_is_refused,
                 a_name_is_there_once, after_a_rotation_both_secrets_are_good_until_the_overlap_is_over,
                 a_rotation_without_overlap_ends_the_old_secret, a_revoked_name_is_gone_and_of_two_secrets_one_can_be,
                 a_line_that_does_not_fit_is_named, an_expiry_in_1970_is_over_and_not_never, bad_arguments_make_no_file)
