/* SPDX-License-Identifier: MIT */
/*
 * One writing of what servers tell each other, for those that notify by themselves and for hosts that do it in a transaction of
 * their own. What does not fit becomes "any": it is only a reason to look.
 */
#include "store/postgres/notice.h"

#include <inttypes.h>
#include <stdio.h>

void taskq__pg_notice_begin(taskq__pg_notice *notice, const char *server)
{
    notice->server = server;
    notice->size = (size_t)snprintf(notice->text, sizeof(notice->text), "%s", server);
    notice->tells = notice->any = false;
}

void taskq__pg_notice_add(taskq__pg_notice *notice, taskq_text queue, taskq_text type, uint32_t count)
{
    size_t room = sizeof(notice->text) - notice->size;
    notice->tells = true;
    if (notice->any) {
        return;
    }
    int more = queue.size == 0
                   ? -1
                   : snprintf(notice->text + notice->size, room, " %.*s %.*s %" PRIu32, (int)queue.size, queue.data,
                              type.size == 0 ? 1 : (int)type.size, type.size == 0 ? "*" : type.data, count);
    if (more < 0 || (size_t)more >= room) {
        notice->any = true;
        notice->size = (size_t)snprintf(notice->text, sizeof(notice->text), "%s * * 1", notice->server);
    } else {
        notice->size += (size_t)more;
    }
}
