/* SPDX-License-Identifier: MIT */
/*
 * What the host may say on the connection that it has borrowed. It could end the transaction behind our back, checkpoint
 * beside a reader that SQLite before 3.51.3 must not meet, or change a job without the state machine. SQLite asks here
 * whenever a statement is prepared, so such a statement is refused ("not authorized") before it has done anything and the
 * transaction goes on.
 */
#include "store/sqlite/db.h"

#include "store/sqlite/schema.h"

/* Pragmas that only tell, or that concern one transaction or a number of the host's own, whatever they are given. Without a
 * value others only tell, too, but for a few that act. */
static const char *const free_pragmas[] = {
    "application_id", "defer_foreign_keys", "foreign_key_check", "foreign_key_list", "index_info",
    "index_list",     "index_xinfo",        "integrity_check",   "quick_check",      "table_info",
    "table_list",     "table_xinfo",        "user_version",
};
static const char *const acting_pragmas[] = {"incremental_vacuum", "optimize", "wal_checkpoint"};

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    bool found = false;
    for (size_t i = 0; i < count && !found; i++) {
        found = sqlite3_stricmp(name, names[i]) == 0;
    }
    return found;
}

static bool may_say_pragma(const char *name, const char *value)
{
    if (is_one_of(name, free_pragmas, sizeof(free_pragmas) / sizeof(free_pragmas[0]))) {
        return true;
    }
    return value == NULL && !is_one_of(name, acting_pragmas, sizeof(acting_pragmas) / sizeof(acting_pragmas[0]));
}

/* The table that an action would change; NULL: it changes none. */
static const char *changed_table(int action, const char *one, const char *two)
{
    switch (action) {
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
    case SQLITE_DROP_TABLE:
    case SQLITE_ANALYZE: return one;
    case SQLITE_ALTER_TABLE:
    case SQLITE_CREATE_INDEX:
    case SQLITE_DROP_INDEX:
    case SQLITE_CREATE_TRIGGER:
    case SQLITE_DROP_TRIGGER: return two;
    default: return NULL;
    }
}

static bool host_may(const taskq__db *db, int action, const char *one, const char *two)
{
    if (action == SQLITE_TRANSACTION || action == SQLITE_ATTACH || action == SQLITE_DETACH) {
        return false;
    }
    if (action == SQLITE_PRAGMA) {
        return may_say_pragma(one, two);
    }
    const char *table = changed_table(action, one, two);
    return table == NULL || !taskq__schema_has(db->prefix, table);
}

int taskq__guard(void *user, int action, const char *one, const char *two, const char *schema, const char *trigger)
{
    taskq__db *db = user;
    int hand = atomic_load(&db->hand);
    (void)schema;
    (void)trigger;
    if (hand == TASKQ__HAND_OURS || (hand == TASKQ__HAND_HOST && host_may(db, action, one, two))) {
        return SQLITE_OK;
    }
    return SQLITE_DENY;
}
