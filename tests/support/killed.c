/* SPDX-License-Identifier: MIT */
/*
 * A child tells by a pipe how far it has come; then SIGKILL, and its end is waited for.
 */
#include "support/killed.h"

#include "support/check_main.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child's own. */
static int kill_after, tell;

void killed_step(int which)
{
    if (which == kill_after) {
        char done = '.';
        (void)!write(tell, &done, 1);
        for (;;) {
            (void)pause();
        }
    }
}

static void kill_child(pid_t child)
{
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}

void killed_after(int step, void (*live)(void *user), void *user)
{
    int ends[2];
    char done;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        kill_after = step;
        tell = ends[1];
        live(user);
        _exit(1);
    }
    (void)close(ends[1]);
    ck_assert_int_eq(read(ends[0], &done, 1), 1);
    kill_child(child);
    (void)close(ends[0]);
}

int64_t killed_while(void (*live)(int out), int more)
{
    int ends[2];
    char some[64];
    int64_t told = 0;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)close(ends[0]);
        live(ends[1]);
        _exit(1);
    }
    (void)close(ends[1]);
    for (int i = 0; i <= more; i++) {
        ssize_t got = read(ends[0], some, sizeof(some));
        ck_assert_int_gt(got, 0);
        told += got;
    }
    kill_child(child);
    for (ssize_t got; (got = read(ends[0], some, sizeof(some))) > 0;) {
        told += got;
    }
    (void)close(ends[0]);
    return told;
}
