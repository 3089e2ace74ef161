/* SPDX-License-Identifier: MIT */
/* Progress on standard error: a bar on a terminal, a line now and then elsewhere. */
#ifndef TASKQ_APPS_PROGRESS_H
#define TASKQ_APPS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* A bar on standard error where that is a terminal, else a line now and then. */
typedef struct progress_bar {
    const char *what;
    bool terminal, shown;
    int64_t last_ms;
    int last_percent;
} progress_bar;
void progress_start(progress_bar *bar, const char *what);
void progress_show(progress_bar *bar, double percent, const char *detail);
void progress_end(progress_bar *bar);

#endif
