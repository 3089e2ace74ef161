/* SPDX-License-Identifier: MIT */
/*
 * Lists walk back over the ids and look at each job: filters are many, and an index for each would be paid for by every
 * move. So that nobody's filter takes the store for long, a page ends at a number of jobs looked at, of bytes handed over
 * and of bytes searched; the next one goes on from there.
 */
#include "store/sqlite/db.h"
#include "store/sqlite/rows.h"

#include "core/text.h"
#include "store/sqlite/fault.h"

#include <string.h>

enum { LIMIT_DEFAULT = 100, SEARCH_BYTES_MAX = 64 << 20 };

typedef struct listing {
    taskq__conn *conn;
    const taskq_filter *filter;
    taskq_now now;
    taskq_arena *arena;
    taskq_page page;
    uint32_t limit, looked;
    size_t bytes, searched;
    int64_t last_id; /* of the last job looked at */
} listing;

static bool fits(taskq_text wanted, taskq_text there)
{
    return wanted.size == 0 || taskq__text_equal(wanted, there);
}

/* What can be told from the narrow row, before any of it is copied. */
static bool fits_narrow(const taskq_filter *filter, taskq__cmd *cmd)
{
    return (filter->state == 0 || (int64_t)filter->state == taskq__cmd_column(cmd, TASKQ__COLUMN_STATE)) &&
           fits(filter->queue, taskq__cmd_column_text(cmd, TASKQ__COLUMN_QUEUE)) &&
           fits(filter->type, taskq__cmd_column_text(cmd, TASKQ__COLUMN_TYPE)) &&
           fits(filter->batch, taskq__cmd_column_text(cmd, TASKQ__COLUMN_BATCH)) &&
           fits(filter->worker, taskq__cmd_column_text(cmd, TASKQ__COLUMN_WORKER));
}

static bool has_tag(taskq_text tags, taskq_text tag)
{
    while (tags.size > 0) {
        const char *end = memchr(tags.data, ' ', tags.size);
        size_t size = end == NULL ? tags.size : (size_t)(end - tags.data);
        if (taskq__text_equal((taskq_text){tags.data, size}, tag)) {
            return true;
        }
        size += end == NULL ? 0 : 1;
        tags = (taskq_text){tags.data + size, tags.size - size};
    }
    return false;
}

/* The error is looked for where the payload does not have the text; it is short. */
static int error_has(listing *l, int64_t id, int64_t error_of, bool *out)
{
    taskq__cmd cmd = taskq__cmd_of(l->conn, TASKQ__SQL_ATTEMPT_TEXT);
    taskq__cmd_int(&cmd, id);
    taskq__cmd_int(&cmd, error_of);
    if (taskq__cmd_row(&cmd)) {
        taskq_text error = taskq__cmd_column_text(&cmd, 0);
        l->searched += error.size;
        *out = taskq__text_contains(error, l->filter->q);
    }
    return taskq__cmd_end(&cmd);
}

static int fits_wide(listing *l, int64_t id, int64_t error_of, bool *out)
{
    const taskq_filter *filter = l->filter;
    *out = true;
    if (filter->tag.size == 0 && filter->q.size == 0) {
        return SQLITE_OK;
    }
    taskq__cmd cmd = taskq__cmd_of(l->conn, TASKQ__SQL_PAYLOAD_READ);
    taskq__cmd_int(&cmd, id);
    bool found = false;
    *out = taskq__cmd_row(&cmd) && (filter->tag.size == 0 || has_tag(taskq__cmd_column_text(&cmd, 1), filter->tag));
    if (*out && filter->q.size > 0) {
        taskq_text payload = taskq__cmd_column_text(&cmd, 0);
        l->searched += payload.size;
        found = taskq__text_contains(payload, filter->q);
    }
    int rc = taskq__cmd_end(&cmd);
    if (rc == SQLITE_OK && *out && filter->q.size > 0 && !found && error_of != 0) {
        rc = error_has(l, id, error_of, &found);
    }
    *out = *out && (filter->q.size == 0 || found);
    return rc;
}

static int read_payload(listing *l, taskq_job *job)
{
    taskq__cmd cmd = taskq__cmd_of(l->conn, TASKQ__SQL_PAYLOAD_READ);
    taskq__cmd_int(&cmd, job->id);
    if (taskq__cmd_row(&cmd)) {
        taskq__row_take_payload(&cmd, 0, l->arena, job);
    }
    return taskq__cmd_end(&cmd);
}

static int add_current(listing *l, taskq__cmd *cmd)
{
    taskq__row *row = taskq_arena_alloc(l->arena, sizeof(*row));
    if (row == NULL || !taskq__row_take(cmd, l->now, l->arena, row)) {
        return TASKQ__RC_ARENA;
    }
    int rc = read_payload(l, &row->job);
    if (rc == SQLITE_OK) {
        rc = taskq__row_read_texts(l->conn, l->arena, row);
    }
    l->page.jobs[l->page.count++] = &row->job;
    l->bytes += row->job.payload.size + row->job.result.size + row->job.error.size + row->job.progress.size;
    return rc;
}

static bool is_full(const listing *l)
{
    return l->page.count == l->limit || l->looked == TASKQ_LIST_LOOK_MAX || l->bytes >= TASKQ_CLAIM_BYTES_MAX ||
           l->searched >= SEARCH_BYTES_MAX;
}

static int look_at_jobs(listing *l)
{
    taskq__cmd cmd = taskq__cmd_of(l->conn, TASKQ__SQL_LIST);
    taskq__cmd_int(&cmd, l->filter->before_id > 0 ? l->filter->before_id : INT64_MAX);
    while (taskq__cmd_row(&cmd)) {
        if (is_full(l)) {
            l->page.next_before_id = l->last_id; /* there is another one below it */
            break;
        }
        bool wanted = fits_narrow(l->filter, &cmd);
        l->looked++;
        l->last_id = taskq__cmd_column(&cmd, 0);
        int rc = SQLITE_OK;
        if (wanted) {
            rc = fits_wide(l, l->last_id, taskq__cmd_column(&cmd, TASKQ__COLUMN_ERROR_OF), &wanted);
        }
        if (rc == SQLITE_OK && wanted) {
            rc = add_current(l, &cmd);
        }
        if (rc != SQLITE_OK) {
            cmd.rc = rc;
            break;
        }
    }
    return taskq__cmd_end(&cmd);
}

taskq_status taskq__sqlite_list(void *self, const taskq_filter *filter, taskq_now now, taskq_arena *arena,
                                taskq_page *out, taskq_error *err)
{
    taskq__db *db = self;
    listing l = {.filter = filter, .now = now, .arena = arena};
    l.limit = filter->limit == 0 ? LIMIT_DEFAULT : filter->limit;
    taskq_status status = taskq__read_begin(db, &l.conn, err);
    if (status != TASKQ_OK) {
        return status;
    }
    l.page.jobs = taskq_arena_alloc(arena, l.limit * sizeof(taskq_job *));
    int rc = l.page.jobs == NULL ? TASKQ__RC_ARENA : look_at_jobs(&l);
    status = taskq__read_end(db, l.conn, rc, "reading a list", err);
    if (status == TASKQ_OK) {
        *out = l.page;
    }
    return status;
}
