/* SPDX-License-Identifier: MIT */
/* Paths below a root: what leads out is refused however it is spelled, also while somebody exchanges directories for links. */
#include "worker/handlers/confine.h"

#include "support/check_main.h"
#include "support/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RACE_ROUNDS = 20000 };

static char base[] = "/tmp/taskq-confine-XXXXXX";
static int root_fd;

/* base/root is the root, base/secret lies beside it. */
static void make_tree(void)
{
    ck_assert_ptr_nonnull(mkdtemp(base));
    int dir = open(base, O_PATH | O_DIRECTORY);
    ck_assert_int_eq(mkdirat(dir, "root", 0700), 0);
    close(openat(dir, "secret", O_CREAT | O_WRONLY, 0600));
    root_fd = openat(dir, "root", O_PATH | O_DIRECTORY);
    close(dir);
    ck_assert_int_eq(mkdirat(root_fd, "sub", 0700), 0);
    close(openat(root_fd, "sub/file", O_CREAT | O_WRONLY, 0600));
    ck_assert_int_eq(symlinkat("..", root_fd, "up"), 0);
    ck_assert_int_eq(symlinkat("/etc/passwd", root_fd, "absolute"), 0);
    ck_assert_int_eq(symlinkat("sub", root_fd, "inside"), 0);
}

static void remove_tree(void)
{
    static const char *const files[] = {"sub/file", "up", "absolute", "inside", "swap/secret", "swap", "link"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        unlinkat(root_fd, files[i], 0);
    }
    unlinkat(root_fd, "swap", AT_REMOVEDIR);
    unlinkat(root_fd, "link", AT_REMOVEDIR);
    unlinkat(root_fd, "sub", AT_REMOVEDIR);
    close(root_fd);
    int dir = open(base, O_PATH | O_DIRECTORY);
    unlinkat(dir, "secret", 0);
    unlinkat(dir, "root", AT_REMOVEDIR);
    close(dir);
    rmdir(base);
}

static int try_open(const char *path)
{
    int fd = taskq__confine_open(root_fd, path, O_RDONLY);
    if (fd >= 0) {
        close(fd);
        return 0;
    }
    return fd;
}

START_TEST(what_lies_below_the_root_is_reached)
{
    ck_assert_int_eq(try_open("sub/file"), 0);
    ck_assert_int_eq(try_open("./sub//file"), 0);
    ck_assert_int_eq(try_open("sub/../sub/file"), 0); /* up and down again is no way out */
    ck_assert_int_eq(try_open("inside/file"), 0);     /* a link that stays inside is a path like any other */
    ck_assert_int_eq(try_open("nothing"), -ENOENT);
}
END_TEST

START_TEST(what_leads_out_is_refused)
{
    static const char *const paths[] = {
        "..", "../secret", "sub/../../secret", "sub/../..",           "/etc/passwd", "/",
        "up", "up/secret", "absolute",         "inside/../../secret", "./..",
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        ck_assert_msg(try_open(paths[i]) == -EXDEV, "%s gives %d", paths[i], try_open(paths[i]));
    }
    ck_assert_int_eq(try_open(""), -ENOENT);
    ck_assert_int_eq(try_open("..file"), -ENOENT); /* two dots in a name are no way up */
}
END_TEST

START_TEST(a_parent_is_confined_too_and_made_where_asked)
{
    char name[TASKQ__CONFINE_NAME_BYTES];
    ck_assert_int_eq(taskq__confine_parent(root_fd, "up/secret", false, name), -EXDEV);
    ck_assert_int_eq(taskq__confine_parent(root_fd, "up/new/file", true, name), -EXDEV);
    ck_assert_int_eq(taskq__confine_parent(root_fd, "a/b/file", false, name), -ENOENT);
    ck_assert_int_eq(taskq__confine_parent(root_fd, ".", false, name), -EINVAL);
    ck_assert_int_eq(taskq__confine_parent(root_fd, "sub/..", false, name), -EINVAL);
    ck_assert_int_eq(taskq__confine_parent(root_fd, "..", false, name), -EXDEV);
    ck_assert_int_eq(taskq__confine_parent(root_fd, "sub/../..", true, name), -EXDEV);
    ck_assert_int_eq(taskq__confine_parent(root_fd, "../new/file", true, name), -EXDEV);

    int parent = taskq__confine_parent(root_fd, "sub/x/y/file", true, name);
    ck_assert_int_ge(parent, 0);
    ck_assert_str_eq(name, "file");
    close(parent);
    ck_assert_int_eq(try_open("sub/x/y"), 0);
    unlinkat(root_fd, "sub/x/y", AT_REMOVEDIR);
    unlinkat(root_fd, "sub/x", AT_REMOVEDIR);
}
END_TEST

static atomic_bool race_over;

/* Exchanges a directory for a link that leads out, as fast as it can. */
static void *exchange(void *unused)
{
    (void)unused;
    while (!atomic_load(&race_over)) {
        renameat2(root_fd, "swap", root_fd, "link", RENAME_EXCHANGE);
    }
    return NULL;
}

START_TEST(a_directory_that_becomes_a_link_in_between_leads_nowhere)
{
    pthread_t thread;
    struct stat outside, seen;
    ck_assert_int_eq(mkdirat(root_fd, "swap", 0700), 0);
    close(openat(root_fd, "swap/secret", O_CREAT | O_WRONLY, 0600));
    ck_assert_int_eq(symlinkat("..", root_fd, "link"), 0);
    int dir = open(base, O_PATH | O_DIRECTORY);
    ck_assert_int_eq(fstatat(dir, "secret", &outside, 0), 0);
    close(dir);
    ck_assert_int_eq(pthread_create(&thread, NULL, exchange, NULL), 0);
    int opened = 0, escaped = 0;
    for (int round = 0; round < RACE_ROUNDS; round++) {
        int fd = taskq__confine_open(root_fd, "swap/secret", O_RDONLY);
        if (fd >= 0) {
            opened++;
            escaped += fstat(fd, &seen) == 0 && seen.st_ino == outside.st_ino ? 1 : 0;
            close(fd);
        }
    }
    atomic_store(&race_over, true);
    pthread_join(thread, NULL);
    ck_assert_int_eq(escaped, 0);
    ck_assert_int_gt(opened, 0); /* the race was a race: the real directory was met too */
    unlinkat(root_fd, "link/secret", 0);
}
END_TEST

/* Links that lead to links, up and down again, and what is wanted of a path's end. */
START_TEST(a_path_ends_where_its_links_say)
{
    ck_assert_int_eq(symlinkat("inside/./../sub/", root_fd, "first"), 0);
    ck_assert_int_eq(symlinkat("first/../first", root_fd, "second"), 0);
    ck_assert_int_eq(symlinkat("loop", root_fd, "loop"), 0);
    ck_assert_int_eq(symlinkat("second/file", root_fd, "third"), 0);
    ck_assert_int_eq(try_open("second/file"), 0);
    ck_assert_int_eq(try_open("third"), 0);
    ck_assert_int_eq(try_open("second/"), 0);
    ck_assert_int_eq(try_open("second/.."), 0);
    ck_assert_int_eq(try_open("second/../.."), -EXDEV);
    ck_assert_int_eq(try_open("loop"), -ELOOP);
    ck_assert_int_eq(try_open("sub/file/"), -ENOTDIR);
    ck_assert_int_eq(try_open("sub/file/.."), -ENOTDIR);
    ck_assert_int_eq(try_open("nothing/.."), -ENOENT);
    ck_assert_int_eq(taskq__confine_open(root_fd, "third", O_RDONLY | O_DIRECTORY), -ENOTDIR);
    ck_assert_int_eq(taskq__confine_open(root_fd, "third", O_RDONLY | O_NOFOLLOW), -ELOOP);
    struct stat info;
    int link = taskq__confine_open(root_fd, "third", O_PATH | O_NOFOLLOW);
    ck_assert_int_eq(fstat(link, &info), 0);
    ck_assert(S_ISLNK(info.st_mode));
    close(link);
    static const char *const links[] = {"first", "second", "third", "loop"};
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        ck_assert_int_eq(unlinkat(root_fd, links[i], 0), 0);
    }
}
END_TEST

START_TEST(a_path_as_long_as_one_may_be_is_walked_to_its_end)
{
    char path[PATH_MAX] = "sub";
    size_t size = strlen(path);
    for (; size + 7 < sizeof(path) - 6; size += 7) {
        memcpy(path + size, "/../sub", 8);
    }
    memcpy(path + size, "/file", 6);
    ck_assert_int_eq(try_open(path), 0);
    char name[NAME_MAX + 2];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    ck_assert_int_eq(try_open(name), -ENAMETOOLONG);
}
END_TEST

START_TEST(temporary_names_do_not_meet)
{
    char first[TASKQ__CONFINE_NAME_BYTES], second[TASKQ__CONFINE_NAME_BYTES];
    int dir = openat(root_fd, "sub", O_RDONLY | O_DIRECTORY);
    int a = taskq__confine_temporary(dir, first), b = taskq__confine_temporary(dir, second);
    ck_assert_int_ge(a, 0);
    ck_assert_int_ge(b, 0);
    ck_assert_str_ne(first, second);
    close(a);
    close(b);
    unlinkat(dir, first, 0);
    unlinkat(dir, second, 0);
    close(dir);
}
END_TEST

/* Everything once with openat2 and once where a filter refuses it: the answers are the same. */
static void make_tree_without_openat2(void)
{
    make_tree();
    taskq_refuse_openat2();
}

int main(void)
{
    const TTest *const tests[] = {
        what_lies_below_the_root_is_reached,
        what_leads_out_is_refused,
        a_parent_is_confined_too_and_made_where_asked,
        a_directory_that_becomes_a_link_in_between_leads_nowhere,
        a_path_ends_where_its_links_say,
        a_path_as_long_as_one_may_be_is_walked_to_its_end,
        temporary_names_do_not_meet,
    };
    Suite *suite = suite_create(__FILE__);
    taskq_check_add(suite, tests, sizeof(tests) / sizeof(tests[0]), make_tree, remove_tree);
    taskq_check_add(suite, tests, sizeof(tests) / sizeof(tests[0]), make_tree_without_openat2, remove_tree);
    return taskq_check_run(suite);
}
