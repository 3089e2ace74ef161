/* SPDX-License-Identifier: MIT */
/*
 * Lists walk back over the ids and look at each job: filters are many, and an index for each would be paid for by every
 * move. The database looks, in pieces, and hands over only what fits; so that nobody's filter keeps it at work for long, a
 * page ends at a number of jobs looked at, of bytes handed over and of bytes searched; the next one goes on from there.
 */
#include "store/postgres/pg.h"
#include "store/postgres/rows.h"

#include "core/fail.h"

enum {
    LIMIT_DEFAULT = 100,
    LOOK_FIRST = 1000,
    SEARCH_FIRST = 64, /* payloads may be large: what is searched grows as they turn out to be small */
    SEARCH_MOST = 512,
    SEARCH_BYTES_MAX = 64 << 20
};

typedef struct listing {
    const taskq_filter *filter;
    taskq_arena *arena;
    taskq_page page;
    bool narrows; /* it is not simply all */
    bool done;
    uint32_t limit, looked, look; /* look: how many jobs the next piece has */
    size_t bytes, searched;
    int64_t before_id; /* where the next piece begins */
} listing;

/* Where a piece ends. */
typedef struct edge {
    bool whole, more; /* the piece has as many jobs as asked for; there is another one below it */
    int64_t id;       /* whole: its last one */
} edge;

static void param_text_or_null(taskq__pg_params *params, taskq_text text)
{
    if (text.size == 0) {
        taskq__pg_param_null(params);
    } else {
        taskq__pg_param_text(params, text);
    }
}

static void send_piece(taskq__pg_session *session, listing *l)
{
    const taskq_filter *filter = l->filter;
    taskq__pg_params piece, params;
    taskq__pg_params_init(&piece, l->arena);
    taskq__pg_param_int(&piece, l->before_id);
    taskq__pg_param_int(&piece, l->look);
    taskq__pg_session_send(session, TASKQ__PG_SQL_LIST_EDGE, &piece);
    if (filter->q.size > 0) {
        taskq__pg_session_send(session, TASKQ__PG_SQL_LIST_WEIGHT, &piece);
    }
    taskq__pg_params_init(&params, l->arena);
    taskq__pg_param_int(&params, l->before_id);
    taskq__pg_param_int(&params, l->look);
    taskq__pg_param_int(&params, l->limit - l->page.count);
    taskq__pg_param_int(&params, (int64_t)TASKQ_CLAIM_BYTES_MAX - (int64_t)l->bytes);
    if (filter->state == 0) {
        taskq__pg_param_null(&params);
    } else {
        taskq__pg_param_int(&params, (int64_t)filter->state);
    }
    param_text_or_null(&params, filter->queue);
    param_text_or_null(&params, filter->type);
    param_text_or_null(&params, filter->batch);
    param_text_or_null(&params, filter->worker);
    param_text_or_null(&params, filter->tag);
    param_text_or_null(&params, filter->q);
    taskq__pg_session_send(session, TASKQ__PG_SQL_LIST, &params);
}

static taskq_status read_edge(taskq__pg_session *session, edge *out, taskq_error *err)
{
    PGresult *result = NULL;
    taskq_status status = taskq__pg_session_next(session, &result, err);
    if (status == TASKQ_OK) {
        out->whole = PQntuples(result) >= 1;
        out->more = PQntuples(result) >= 2;
        out->id = out->whole ? taskq__pg_result_int(result, 0, 0) : 0;
        PQclear(result);
    }
    return status;
}

static taskq_status read_weight(taskq__pg_session *session, listing *l, taskq_error *err)
{
    PGresult *result = NULL;
    taskq_status status = taskq__pg_session_next(session, &result, err);
    if (status == TASKQ_OK) {
        l->searched += (size_t)taskq__pg_result_int(result, 0, 0);
        PQclear(result);
    }
    return status;
}

static taskq_status add_rows(taskq__pg_session *session, listing *l, taskq_error *err)
{
    PGresult *result = NULL;
    taskq_status status = taskq__pg_session_next(session, &result, err);
    for (int i = 0; status == TASKQ_OK && i < PQntuples(result) && l->page.count < l->limit; i++) {
        int64_t now = taskq__pg_result_int(result, i, 0);
        taskq__row *row = taskq_arena_alloc(l->arena, sizeof(*row));
        if (row == NULL || !taskq__pg_row_take_whole(result, i, 1, (taskq_now){now, now}, l->arena, row)) {
            status = taskq__fail_memory(err);
            break;
        }
        l->page.jobs[l->page.count++] = &row->job;
        l->bytes += row->job.payload.size + row->job.result.size + row->job.error.size + row->job.progress.size;
    }
    PQclear(result);
    return status;
}

/* Whether there is any job below; one round trip more, where the end of the page is not the end of what was looked at. */
static taskq_status read_whether_more(taskq__pg_session *session, listing *l, int64_t below, bool *out, taskq_error *err)
{
    edge next = {0};
    taskq__pg_params params;
    taskq__pg_params_init(&params, l->arena);
    taskq__pg_param_int(&params, below);
    taskq__pg_param_int(&params, 1);
    taskq__pg_session_send(session, TASKQ__PG_SQL_LIST_EDGE, &params);
    taskq_status status = taskq__pg_session_sync(session, err);
    status = status == TASKQ_OK ? read_edge(session, &next, err) : status;
    status = status == TASKQ_OK ? taskq__pg_session_end(session, err) : status;
    *out = next.whole;
    return status;
}

/* After a piece: is it a page, and where does the next one begin? */
static taskq_status look_back(taskq__pg_session *session, listing *l, const edge *last, taskq_error *err)
{
    taskq_status status = TASKQ_OK;
    if (l->page.count == l->limit || l->bytes >= TASKQ_CLAIM_BYTES_MAX) {
        int64_t id = l->page.jobs[l->page.count - 1]->id;
        bool more = last->whole && (id > last->id || last->more);
        if (!last->whole) {
            status = read_whether_more(session, l, id, &more, err);
        }
        l->page.next_before_id = more ? id : 0;
        l->done = true;
    } else if (!last->more) {
        l->done = true;
    } else {
        l->looked += l->look;
        l->before_id = last->id;
        if (l->looked >= TASKQ_LIST_LOOK_MAX || l->searched >= SEARCH_BYTES_MAX) {
            l->page.next_before_id = last->id;
            l->done = true;
        }
    }
    return status;
}

static uint32_t next_look(const listing *l)
{
    uint32_t left = TASKQ_LIST_LOOK_MAX - l->looked;
    if (!l->narrows) {
        return l->limit - l->page.count;
    }
    if (l->filter->q.size > 0) {
        uint32_t look = l->look == 0 ? SEARCH_FIRST : l->look * 2;
        look = look < SEARCH_MOST ? look : SEARCH_MOST;
        return look < left ? look : left;
    }
    return l->looked == 0 ? LOOK_FIRST : left;
}

static taskq_status read_list(taskq__pg_session *session, void *user, taskq_error *err)
{
    listing *l = user;
    const taskq_filter *filter = l->filter;
    taskq_status status = TASKQ_OK;
    l->done = false;
    l->page.count = l->looked = l->look = 0;
    l->page.next_before_id = 0;
    l->bytes = l->searched = 0;
    l->before_id = filter->before_id > 0 ? filter->before_id : INT64_MAX;
    /* All pieces are read from one snapshot: else a job that goes between two looks would shift what the second one sees. */
    taskq__pg_session_send(session, TASKQ__PG_SQL_BEGIN_READ, NULL);
    for (bool first = true; status == TASKQ_OK && !l->done; first = false) {
        edge last = {0};
        l->look = next_look(l);
        send_piece(session, l);
        status = taskq__pg_session_sync(session, err);
        if (status == TASKQ_OK && first) {
            status = taskq__pg_session_skip(session, err);
        }
        status = status == TASKQ_OK ? read_edge(session, &last, err) : status;
        if (status == TASKQ_OK && filter->q.size > 0) {
            status = read_weight(session, l, err);
        }
        status = status == TASKQ_OK ? add_rows(session, l, err) : status;
        status = status == TASKQ_OK ? taskq__pg_session_end(session, err) : status;
        status = status == TASKQ_OK ? look_back(session, l, &last, err) : status;
    }
    return status; /* the transaction ends as all reads do */
}

taskq_status taskq__pg_list(void *self, const taskq_filter *filter, taskq_now now, taskq_arena *arena, taskq_page *out,
                            taskq_error *err)
{
    (void)now;
    listing l = {.filter = filter, .arena = arena};
    l.limit = filter->limit == 0 ? LIMIT_DEFAULT : filter->limit;
    l.narrows = filter->state != 0 || filter->queue.size > 0 || filter->type.size > 0 || filter->batch.size > 0 ||
                filter->worker.size > 0 || filter->tag.size > 0 || filter->q.size > 0;
    l.page.jobs = taskq_arena_alloc(arena, l.limit * sizeof(taskq_job *));
    if (l.page.jobs == NULL) {
        return taskq__fail_memory(err);
    }
    taskq_status status = taskq__pg_read(self, read_list, &l, err);
    if (status == TASKQ_OK) {
        *out = l.page;
    }
    return status;
}
