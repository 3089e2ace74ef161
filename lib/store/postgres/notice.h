/* SPDX-License-Identifier: MIT */
/* A notification's text: "SERVER QUEUE TYPE COUNT QUEUE TYPE COUNT ...". No name has a space, and "*" stands for any. */
#ifndef TASKQ_STORE_POSTGRES_NOTICE_H
#define TASKQ_STORE_POSTGRES_NOTICE_H

#include <taskq/sys/store.h>

enum { TASKQ__PG_NOTICE_BYTES = 7800 }; /* PostgreSQL takes 7999 */

/* In place of a server: told in a transaction of a host's. A server's own is hexadecimal. */
#define TASKQ__PG_NOTICE_OF_HOST "host"

typedef struct taskq__pg_notice {
    char text[TASKQ__PG_NOTICE_BYTES];
    size_t size;
    const char *server; /* borrowed */
    bool tells, any;    /* there is something in it; there was too much */
} taskq__pg_notice;

void taskq__pg_notice_begin(taskq__pg_notice *notice, const char *server);
/* Of size 0: any. */
void taskq__pg_notice_add(taskq__pg_notice *notice, taskq_text queue, taskq_text type, uint32_t count);

#endif
