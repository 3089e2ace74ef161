/* SPDX-License-Identifier: MIT */
/*
 * The statements stand in three tables, of what a batch does, of an import and of the rest; here they are one. The schema's name is
 * part of each text: a search_path is the session's, and behind a pooler a session is anybody's.
 */
#include "store/postgres/sql.h"

#include "core/alloc.h"

#include <string.h>

const taskq__pg_sql_text *taskq__pg_sql_at(taskq__pg_sql which)
{
    if (which < TASKQ__PG_SQL_OF_IMPORT) {
        return &taskq__pg_sql_reads[which];
    }
    return which < TASKQ__PG_SQL_OF_COMMIT ? &taskq__pg_sql_import[which - TASKQ__PG_SQL_OF_IMPORT]
                                           : &taskq__pg_sql_commit[which - TASKQ__PG_SQL_OF_COMMIT];
}

char *taskq__pg_sql_expand(const char *text, const char *schema, const taskq_allocator *allocator)
{
    size_t places = 0, schema_size = strlen(schema);
    for (const char *at = strchr(text, '@'); at != NULL; at = strchr(at + 1, '@')) {
        places++;
    }
    char *expanded = taskq__alloc(allocator, strlen(text) + places * (schema_size + 2) + 1);
    if (expanded == NULL) {
        return NULL;
    }
    char *to = expanded;
    for (; *text != '\0'; text++) {
        if (*text == '@') {
            *to++ = '"';
            memcpy(to, schema, schema_size);
            to += schema_size;
            *to++ = '"';
            *to++ = '.';
        } else {
            *to++ = *text;
        }
    }
    *to = '\0';
    return expanded;
}
