/* SPDX-License-Identifier: MIT */
/*
 * The file handler against somebody who exchanges a directory for a link that leads out, in a tight loop, while its operations run: the
 * attack of every check that comes before the use. TASKQ_ROUNDS says how many operations (100,000; a million with TASKQ_LONG). Once with openat2, and once without.
 */
#include "worker/handlers/file_ops.h"
#include "worker/run.h"

#include "support/check_main.h"
#include "support/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INSIDE "inside"
#define OUTSIDE "outside"

enum { ROUNDS = 100000, ROUNDS_LONG = 1000000, FILE_BYTES_MAX = 1 << 20 };

/* base/root is the root, base/out lies beside it; root/dir and root/link change places. */
static char base[64];
static int base_fd, root_fd;
static atomic_bool over;
static atomic_long exchanges;
static taskq_run *run;

static void put(int directory, const char *path, const char *text)
{
    int fd = openat(directory, path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void make_tree(void)
{
    snprintf(base, sizeof(base), "%s/taskq-links-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(base));
    base_fd = open(base, O_PATH | O_DIRECTORY);
    ck_assert_int_eq(mkdirat(base_fd, "root", 0700) | mkdirat(base_fd, "out", 0700), 0);
    root_fd = openat(base_fd, "root", O_PATH | O_DIRECTORY);
    ck_assert_int_eq(mkdirat(root_fd, "dir", 0700), 0);
    ck_assert_int_eq(symlinkat("../out", root_fd, "link"), 0);
    put(root_fd, "dir/file", INSIDE);
    put(base_fd, "out/file", OUTSIDE);
    put(root_fd, "mine", INSIDE);
    atomic_store(&over, false);
    atomic_store(&exchanges, 0);
    taskq_text job = taskq_text_of("{\"id\": 1, \"version\": 2, \"type\": \"file\", \"queue\": \"q\", \"attempt\": 1}");
    ck_assert_int_eq(taskq__run_open(NULL, NULL, job, &run, NULL), TASKQ_OK);
}

static void remove_tree(void)
{
    static const char *const files[] = {"dir/file", "dir/new", "dir/copy", "link/file", "link/new", "link/copy",
                                        "mine",     "new",     "copy",     "link",      "dir"};
    taskq__run_close(run);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        unlinkat(root_fd, files[i], 0);
    }
    unlinkat(root_fd, "dir/sub", AT_REMOVEDIR);
    unlinkat(root_fd, "link/sub", AT_REMOVEDIR);
    unlinkat(root_fd, "dir", AT_REMOVEDIR);
    unlinkat(root_fd, "link", AT_REMOVEDIR);
    unlinkat(base_fd, "out/file", 0);
    unlinkat(base_fd, "out", AT_REMOVEDIR);
    unlinkat(base_fd, "root", AT_REMOVEDIR);
    close(root_fd);
    close(base_fd);
    rmdir(base);
}

static void *exchange(void *unused)
{
    (void)unused;
    while (!atomic_load(&over)) {
        if (renameat2(root_fd, "dir", root_fd, "link", RENAME_EXCHANGE) == 0) {
            atomic_fetch_add(&exchanges, 1);
        }
    }
    return NULL;
}

static pthread_t begin_exchanges(void)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, exchange, NULL), 0);
    return thread;
}

static void end_exchanges(pthread_t thread)
{
    atomic_store(&over, true);
    pthread_join(thread, NULL);
}

/* The same operations over and over; what each may do is checked by what lies outside afterwards. */
static int operate(long round, taskq__buf *result)
{
    static const struct {
        taskq__file_op *run;
        const char *path, *to;
    } operations[] = {
        {taskq__file_read, "dir/file", NULL},   {taskq__file_write, "dir/new", NULL},
        {taskq__file_append, "dir/file", NULL}, {taskq__file_copy, "dir/file", "copy"},
        {taskq__file_copy, "mine", "dir/copy"}, {taskq__file_move, "dir/new", "new"},
        {taskq__file_move, "new", "dir/new"},   {taskq__file_mkdir, "dir/sub", NULL},
        {taskq__file_delete, "dir/sub", NULL},  {taskq__file_checksum, "dir/file", NULL},
        {taskq__file_stat, "dir/file", NULL},   {taskq__file_list, "dir", NULL},
        {taskq__file_delete, "dir/copy", NULL}, {taskq__file_write, "dir/file", NULL},
    };
    size_t index = (size_t)round % (sizeof(operations) / sizeof(operations[0]));
    taskq__file_job job = {
        .root_fd = root_fd,
        .path = operations[index].path,
        .to = operations[index].to,
        .content = taskq_text_of(INSIDE),
        .overwrite = true,
        .bytes_max = FILE_BYTES_MAX,
    };
    return operations[index].run(&job, run, result).error;
}

static long wanted_rounds(void)
{
    const char *text = getenv("TASKQ_ROUNDS");
    long rounds = text != NULL ? strtol(text, NULL, 10) : 0;
    return rounds > 0 ? rounds : getenv("TASKQ_LONG") != NULL ? ROUNDS_LONG : ROUNDS;
}

START_TEST(no_operation_leaves_the_root_while_directory_and_link_change_places)
{
    long rounds = wanted_rounds(), done = 0, refused = 0, round = 0;
    pthread_t thread = begin_exchanges();
    for (; round < rounds || atomic_load(&exchanges) < rounds; round++) {
        taskq__buf result;
        taskq__buf_init(&result, NULL, TASKQ__FILE_RESULT_BYTES_MAX);
        int error = operate(round, &result);
        done += error == 0;
        refused += error == -EXDEV;
        ck_assert_msg(result.data == NULL || strstr(result.data, OUTSIDE) == NULL, "round %ld read %s", round,
                      result.data);
        taskq__buf_clear(&result);
    }
    end_exchanges(thread);
    fprintf(stderr, "%ld rounds, %ld exchanges: %ld done, %ld refused\n", round, atomic_load(&exchanges), done, refused);
    ck_assert_int_gt(done, 0);
    ck_assert_int_gt(refused, 0);
    char text[32] = "";
    int fd = openat(base_fd, "out/file", O_RDONLY);
    ck_assert_int_eq(read(fd, text, sizeof(text) - 1), (ssize_t)strlen(OUTSIDE));
    close(fd);
    ck_assert_str_eq(text, OUTSIDE);
    unlinkat(base_fd, "out/file", 0);
    ck_assert_msg(unlinkat(base_fd, "out", AT_REMOVEDIR) == 0, "something was made outside");
    ck_assert_int_eq(mkdirat(base_fd, "out", 0700), 0);
}
END_TEST

/* What a check before the use is worth, so that the test above is known to attack. */
START_TEST(a_handler_that_only_looked_first_would_be_led_out)
{
    pthread_t thread = begin_exchanges();
    bool led_out = false;
    while (!led_out) {
        struct stat info;
        char text[32] = "";
        if (fstatat(root_fd, "dir", &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(info.st_mode)) {
            continue;
        }
        int fd = openat(root_fd, "dir/file", O_RDONLY);
        led_out = fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && strcmp(text, OUTSIDE) == 0;
        if (fd >= 0) {
            close(fd);
        }
    }
    end_exchanges(thread);
    ck_assert_int_gt(atomic_load(&exchanges), 0);
}
END_TEST

static void make_tree_without_openat2(void)
{
    make_tree();
    taskq_refuse_openat2();
}

int main(void)
{
    const TTest *const tests[] = {
        no_operation_leaves_the_root_while_directory_and_link_change_places,
        a_handler_that_only_looked_first_would_be_led_out,
    };
    Suite *suite = suite_create(__FILE__);
    taskq_check_add(suite, tests, 2, make_tree, remove_tree);
    taskq_check_add(suite, tests, 1, make_tree_without_openat2, remove_tree);
    return taskq_check_run(suite);
}
