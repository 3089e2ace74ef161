/* SPDX-License-Identifier: MIT */
/*
 * Progress on standard error: a bar that is redrawn where a terminal reads, and a plain line every few seconds where a log does.
 */
#include "common/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BAR_WIDTH 30
#define REDRAW_MS 100
#define LINE_MS 5000

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void progress_start(progress_bar *bar, const char *what)
{
    const char *term = getenv("TERM");
    *bar = (progress_bar){.what = what, .last_percent = -1};
    bar->terminal = isatty(STDERR_FILENO) == 1 && (term == NULL || strcmp(term, "dumb") != 0);
}

void progress_show(progress_bar *bar, double percent, const char *detail)
{
    int64_t now = now_ms();
    int whole = (int)percent;
    bool due = now - bar->last_ms >= (bar->terminal ? REDRAW_MS : LINE_MS) || (whole >= 100 && bar->last_percent < 100);
    if (bar->shown && !due) {
        return;
    }
    bar->last_ms = now;
    bar->last_percent = whole;
    bar->shown = true;
    if (!bar->terminal) {
        fprintf(stderr, "%s: %3d %%  %s\n", bar->what, whole, detail);
        return;
    }
    char blocks[BAR_WIDTH + 1];
    int filled = whole * BAR_WIDTH / 100;
    for (int i = 0; i < BAR_WIDTH; i++) {
        blocks[i] = i < filled ? '#' : '.';
    }
    blocks[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r\033[K%s [%s] %3d %%  %s", bar->what, blocks, whole, detail);
    fflush(stderr);
}

void progress_end(progress_bar *bar)
{
    if (bar->terminal && bar->shown) {
        fprintf(stderr, "\n");
    }
}
