/* SPDX-License-Identifier: MIT */
/*
 * Preparing and running statements. SQLite asks for a check after each of a dozen bind calls; a command that remembers
 * its first failure lets the ops read as what they do, and forgets no check.
 */
#include "store/sqlite/sql.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

char *taskq__sql_expand(const char *text, const char *prefix)
{
    sqlite3_str *out = sqlite3_str_new(NULL);
    for (const char *rest = text; *rest != '\0';) {
        size_t plain = strcspn(rest, "@");
        sqlite3_str_append(out, rest, (int)plain);
        rest += plain;
        if (*rest == '@') {
            sqlite3_str_appendall(out, prefix);
            rest++;
        }
    }
    return sqlite3_str_finish(out);
}

int taskq__sql_run(sqlite3 *sqlite, const char *text, const char *prefix)
{
    char *expanded = taskq__sql_expand(text, prefix);
    if (expanded == NULL) {
        return SQLITE_NOMEM;
    }
    int rc = sqlite3_exec(sqlite, expanded, NULL, NULL, NULL);
    sqlite3_free(expanded);
    return rc;
}

int taskq__sql_int(sqlite3 *sqlite, const char *text, const char *prefix, int64_t *out)
{
    char *expanded = taskq__sql_expand(text, prefix);
    if (expanded == NULL) {
        return SQLITE_NOMEM;
    }
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(sqlite, expanded, -1, &stmt, NULL);
    sqlite3_free(expanded);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW) {
            *out = sqlite3_column_int64(stmt, 0);
        }
        rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    sqlite3_finalize(stmt);
    return rc;
}

int taskq__conn_prepare(taskq__conn *conn, unsigned use, const char *prefix)
{
    for (int i = 0; i < TASKQ__SQL_COUNT; i++) {
        const taskq__sql_text *sql = taskq__sql_at((taskq__sql)i);
        if ((sql->use & use) == 0) {
            continue;
        }
        char *text = taskq__sql_expand(sql->text, prefix);
        if (text == NULL) {
            return SQLITE_NOMEM;
        }
        int rc = sqlite3_prepare_v3(conn->sqlite, text, -1, SQLITE_PREPARE_PERSISTENT, &conn->statements[i], NULL);
        sqlite3_free(text);
        if (rc != SQLITE_OK) {
            return rc;
        }
    }
    return SQLITE_OK;
}

void taskq__conn_finalize(taskq__conn *conn)
{
    for (int i = 0; i < TASKQ__SQL_COUNT; i++) {
        sqlite3_finalize(conn->statements[i]);
        conn->statements[i] = NULL;
    }
}

taskq__cmd taskq__cmd_of(taskq__conn *conn, taskq__sql which)
{
    taskq__cmd cmd = {conn->statements[which], SQLITE_OK, 1};
    assert(cmd.stmt != NULL);
    return cmd;
}

static bool next_value(taskq__cmd *cmd, int *index)
{
    *index = cmd->next++;
    return cmd->rc == SQLITE_OK;
}

void taskq__cmd_int(taskq__cmd *cmd, int64_t value)
{
    int index;
    if (next_value(cmd, &index)) {
        cmd->rc = sqlite3_bind_int64(cmd->stmt, index, value);
    }
}

void taskq__cmd_int_or_null(taskq__cmd *cmd, int64_t value)
{
    int index;
    if (value != 0) {
        taskq__cmd_int(cmd, value);
    } else if (next_value(cmd, &index)) {
        cmd->rc = sqlite3_bind_null(cmd->stmt, index);
    }
}

void taskq__cmd_double(taskq__cmd *cmd, double value)
{
    int index;
    if (next_value(cmd, &index)) {
        cmd->rc = sqlite3_bind_double(cmd->stmt, index, value);
    }
}

void taskq__cmd_text(taskq__cmd *cmd, taskq_text text)
{
    int index;
    if (next_value(cmd, &index)) {
        cmd->rc = sqlite3_bind_text64(cmd->stmt, index, text.size == 0 ? "" : text.data, text.size, SQLITE_STATIC,
                                      SQLITE_UTF8);
    }
}

void taskq__cmd_text_or_null(taskq__cmd *cmd, taskq_text text)
{
    if (text.size != 0) {
        taskq__cmd_text(cmd, text);
    } else {
        taskq__cmd_int_or_null(cmd, 0);
    }
}

void taskq__cmd_blob(taskq__cmd *cmd, const void *data, size_t size)
{
    int index;
    if (next_value(cmd, &index)) {
        cmd->rc = sqlite3_bind_blob64(cmd->stmt, index, data, size, SQLITE_STATIC);
    }
}

bool taskq__cmd_row(taskq__cmd *cmd)
{
    if (cmd->rc != SQLITE_OK) {
        return false;
    }
    int rc = sqlite3_step(cmd->stmt);
    if (rc == SQLITE_ROW) {
        return true;
    }
    cmd->rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
    return false;
}

int taskq__cmd_end(taskq__cmd *cmd)
{
    /* What reset returns is the failure of the last step, which is in rc already. */
    sqlite3_reset(cmd->stmt);
    return cmd->rc;
}

int taskq__cmd_run(taskq__cmd *cmd)
{
    while (taskq__cmd_row(cmd)) {}
    return taskq__cmd_end(cmd);
}

int64_t taskq__cmd_column(taskq__cmd *cmd, int column)
{
    return sqlite3_column_int64(cmd->stmt, column);
}

taskq_text taskq__cmd_column_text(taskq__cmd *cmd, int column)
{
    /* As a blob: the bytes as they stand in the page, where a text would be copied to get its NUL. */
    taskq_text text = {sqlite3_column_blob(cmd->stmt, column), 0};
    text.size = text.data == NULL ? 0 : (size_t)sqlite3_column_bytes(cmd->stmt, column);
    return text;
}

bool taskq__cmd_column_copy(taskq__cmd *cmd, int column, taskq_arena *arena, taskq_text *out)
{
    taskq_text text = taskq__cmd_column_text(cmd, column);
    if (text.size == 0) {
        *out = (taskq_text){NULL, 0};
        return true;
    }
    if (!taskq_arena_copy(arena, text.data, text.size, out)) {
        cmd->rc = TASKQ__RC_ARENA;
        return false;
    }
    return true;
}
